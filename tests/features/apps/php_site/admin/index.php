<?php
echo "admin\n";
