<?php
http_response_code(418);
header("X-One: 1");
header("X-Many: a");
header("X-Many: b", false);
setcookie("flavour", "plain");
echo "short\n";
