<?php
// Says that it is done, and works on.
echo "done ", getmypid();
fastcgi_finish_request();
while (!file_exists($_GET["until"])) {
    clearstatcache();
    usleep(10000);
}
touch($_GET["done"]);
