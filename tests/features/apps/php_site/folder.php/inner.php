<?php echo "within\n";
