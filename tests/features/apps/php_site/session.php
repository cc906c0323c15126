<?php
session_start();
$_SESSION["count"] = ($_SESSION["count"] ?? 0) + 1;
echo "visit ", $_SESSION["count"], "\n";
