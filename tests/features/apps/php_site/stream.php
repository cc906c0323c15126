<?php
while (ob_get_level()) ob_end_flush();
echo "first\n";
flush();
while (!file_exists($_GET["until"])) usleep(1000);
echo "last\n";
