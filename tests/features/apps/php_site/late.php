<?php
// Works on behind an answer that is whole.
register_shutdown_function(function () {
    while (!file_exists($_GET["until"])) {
        clearstatcache();
        usleep(10000);
    }
    echo " ";
    flush();
    touch($_GET["done"]);
});
header("Content-Length: 5");
echo "whole";
while (ob_get_level()) {
    ob_end_flush();
}
flush();
