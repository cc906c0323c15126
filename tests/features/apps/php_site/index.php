<?php
header("X-Page: index");
echo "index of ", $_SERVER["SCRIPT_NAME"], "\n";
