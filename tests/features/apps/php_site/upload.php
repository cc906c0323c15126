<?php
$file = $_FILES["file"];
echo $_POST["name"], " ", $file["name"], " ", $file["size"], " ", hash_file("sha256", $file["tmp_name"]), "\n";
