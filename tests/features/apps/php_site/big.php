<?php
for ($i = 0; $i < 1024 * ($_GET["megabytes"] ?? 1); $i++) echo str_repeat(chr(97 + $i % 26), 1024);
