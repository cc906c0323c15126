#!/bin/sh
printf 'HTTP/1.0 203 Odd\r\nContent-Type: text/plain\r\nX-Mine: yes\r\nConnection: keep-alive\r\n\r\nnon-parsed'
