#!/usr/bin/perl
# The body comes back, with its length as it was announced.
binmode STDIN;
binmode STDOUT;
my $length = $ENV{CONTENT_LENGTH} // 'none';
my $body = '';
while (sysread(STDIN, my $piece, 65536)) { $body .= $piece; }
print "Content-Type: application/octet-stream\r\nX-Length: $length\r\nX-Read: ", length($body), "\r\n\r\n$body";
