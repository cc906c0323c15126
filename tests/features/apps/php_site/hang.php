<?php
while (true) usleep(10000);
