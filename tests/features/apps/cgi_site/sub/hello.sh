#!/bin/sh
printf 'Content-Type: text/plain\n\nhello from sub: %s\n' "$PATH_INFO"
