<?php
header("Location: /elsewhere");
