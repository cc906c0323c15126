<?php
header($_GET["by"] . ": " . $_GET["to"]);
header("Content-Disposition: attachment");
header("Content-Type: application/pdf");
echo "dropped";
