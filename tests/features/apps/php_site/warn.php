<?php
error_log("a message of PHP");
echo "fine\n";
