# Line ends and the end of the message (CONTRACT section 3): exactly one message arrives, and each octet of it is as expected, by DATA and by
# BDAT alike.
use strict;
use warnings;
use lib 'tests/e2e/lib';
use E2E;

use constant HEAD => "From: a\@example.com\r\nTo: b\@example.net\r\nDate: Sun, 22 Nov 2026 03:14:15 +0000\r\nMessage-ID: <1\@example.com>\r\n" .
    "Subject: test\r\n";

my %plain = (tls => 'none', user => undef);

# Runs it both ways; the message that arrives is $want, or as the sub $want says.
sub both
{
	my ($name, $want, %o) = @_;

	for my $way (['DATA', '-CHUNKING', qr/^DATA/], ['BDAT', '+CHUNKING', qr/^BDAT/]) {
		my ($by, $ext, $pattern) = @$way;

		check("$name, by $by", %plain, ext => $ext, sent => 1, %o, also => sub {
			my ($message) = $_[0]->server->messages;

			like($message->{env}{by}[0] // '', $pattern, 'by');
			if (ref $want) {
				$want->($message->{data});
			} else {
				is($message->{data}, $want, 'the message, byte for byte');
			}
		});
	}
}

# A body behind a header that needs nothing, which has CRLF or LF.
sub body
{
	my ($name, $in, $out, @flags) = @_;

	both($name, HEAD . "\r\n$out", stdin => HEAD . "\r\n$in", argv => [@flags, 'b@example.net']);
	both("$name, header with LF", HEAD . "\r\n$out", stdin => (HEAD . "\r\n") =~ s/\r//gr . $in, argv => [@flags, 'b@example.net']);
}

# --- line ends -------------------------------------------------------------------------------------------------------------------

body('CRLF', "one\r\ntwo\r\n", "one\r\ntwo\r\n");
body('LF', "one\ntwo\n", "one\r\ntwo\r\n");
body('mixed', "one\r\ntwo\nthree\r\r\nfour\n", "one\r\ntwo\r\nthree\r\nfour\r\n");
body('CR CR LF', "one\r\r\n\r\r\ntwo\r\r\n", "one\r\n\r\ntwo\r\n");
body('a bare CR', "one\rtwo\r\n", "one two\r\n");
body('bare CRs in a row', "a\r\rb\n", "a  b\r\n");
body('a CR that ends the input', "one\r", "one\r\n");
body('LF CR', "one\n\rtwo\n", "one\r\n two\r\n");
body('empty lines', "\n\r\n\n\n\none\n\n\n", "\r\n\r\n\r\n\r\n\r\none\r\n\r\n\r\n");
body('NUL', "o\0n\0\0e\n\0\ntwo\0\n\0", "one\r\n\r\ntwo\r\n");
body('NUL between CR and LF', "one\r\0\ntwo\n", "one\r\ntwo\r\n");
body('no final line end', "one\ntwo", "one\r\ntwo\r\n");
body('no final line end, a blank', "one\n ", "one\r\n \r\n");
body('control characters stay', join('', map { chr } 1 .. 9, 11, 12, 14 .. 31, 127) . "\n", join('', map { chr } 1 .. 9, 11, 12, 14 .. 31, 127) . "\r\n");
body('a line of 998 octets', 'x' x 998 . "\n", 'x' x 998 . "\r\n");

both('a header with each line end of its own', HEAD . "\r\nbody\r\n", argv => ['-t'], stdin => do {
	my @ends = ("\n", "\r\n", "\r\r\n");
	my $i = 0;

	HEAD =~ s/\r\n/$ends[$i++ % 3]/ger . "\r\r\nbody\n";
});
both('a bare CR in a header field is a blank, not a line end', HEAD . "X-A: one Bcc: c\@d\r\n\r\nx\r\n", argv => ['-t'],
    stdin => HEAD . "X-A: one\rBcc: c\@d\r\n\r\nx\r\n");
both('a NUL in a header field is gone', HEAD . "X-A: onetwo\r\n\r\nx\r\n", argv => ['-t'], stdin => HEAD . "X-A: one\0two\n\nx\n");
both('a NUL in a field name', HEAD . "X-A: v\r\n\r\nx\r\n", argv => ['-t'], stdin => HEAD . "X\0-A: v\n\nx\n");

# --- the end of the message, dots ------------------------------------------------------------------------------------------------------

body('a lone dot with -i', "one\n.\ntwo\n", "one\r\n.\r\ntwo\r\n", '-i');
body('a lone dot with -oi', "one\n.\ntwo\n", "one\r\n.\r\ntwo\r\n", '-oi');
body('a lone dot without -i ends it', "one\n.\ntwo\n", "one\r\n");
body('a lone dot with CRLF without -i', "one\r\n.\r\ntwo\r\n", "one\r\n");
body('a lone dot with CR CR LF without -i', "one\n.\r\r\ntwo\n", "one\r\n");
body('a dot as the last line with -i', "one\n.\n", "one\r\n.\r\n", '-i');
body('a dot as the last line without -i', "one\n.\n", "one\r\n");
body('a dot without a line end with -i', "one\n.", "one\r\n.\r\n", '-i');
body('a dot without a line end without -i', "one\n.", "one\r\n");
body('a dot as the first line without -i', ".\ntwo\n", '');
body('two dots with -i', "..\n...\n..a\n", "..\r\n...\r\n..a\r\n", '-i');
body('two dots without -i are one', "..\n...\n..a\nb\n", ".\r\n..\r\n.a\r\nb\r\n");
body('one dot and text stays with -i', ".a\n. \n", ".a\r\n. \r\n", '-i');
body('one dot and text stays without -i', ".a\n. \n", ".a\r\n. \r\n");
body('lines of dots of every length with -i', join('', map { '.' x $_ . "\n" } 1 .. 70), join('', map { '.' x $_ . "\r\n" } 1 .. 70), '-i');
# 5 octets a line: whatever power of two the blocks are, one of five begins with a dot.
body('dots at the joints of blocks', "xx\n." x 200_000 . "\n", "xx\r\n." x 200_000 . "\r\n", '-i');

both('a lone dot in the header without -i ends it', HEAD . "\r\n", argv => ['b@example.net'], stdin => HEAD . ".\nX-A: x\n\nbody\n");
check('what follows the dot is read to the end', %plain, stdin => HEAD . "\none\n.\n" . "x" x 4_000_000, also => sub {
	is($_[0]->stdin_broken, undef, 'no EPIPE');
	is($_[0]->stdin_left, 0, 'all of it was taken');
	is(($_[0]->server->messages)[0]{data}, HEAD . "\r\none\r\n", 'and none of it was sent');
});

# --- where the header ends ------------------------------------------------------------------------------------------------------------

# What came is there, and behind it a header that was made.
sub made
{
	my ($data, $body, @fields) = @_;
	my ($head, $rest) = split /\r\n\r\n/, $data, 2;

	is($rest, $body, 'the body');
	like($head, qr/^$_:/m, "$_ was made") for qw(Date From Message-ID To);
	like($head, qr/^\Q$_\E\r?$/m, "$_ is there") for @fields;
	is(scalar(split /\r\n/, $head), 4 + @fields, 'and nothing else') if !grep { /^(?:To|From|Date):/ } @fields;
}

both('only a body', sub { made($_[0], "Just a body.\r\nAnd more: of it\r\n") }, stdin => "Just a body.\nAnd more: of it\n");
both('only a body, without a line end', sub { made($_[0], "Just a body.\r\n") }, stdin => 'Just a body.');
both('a first line that is blank', sub { made($_[0], "Subject: in the body\r\n") }, stdin => "\nSubject: in the body\n");
both('an indented first line', sub { made($_[0], " indented\r\nSubject: x\r\n") }, stdin => " indented\nSubject: x\n");
both('only a line end', sub { made($_[0], '') }, stdin => "\n");
both('empty input and a recipient', sub { made($_[0], '') }, stdin => '');
both('only a NUL and a recipient', sub { made($_[0], '') }, stdin => "\0");
both('only a dot, without -i', sub { made($_[0], '') }, stdin => ".\n");
both('a header field and then text', sub { made($_[0], "text without a blank line\r\nmore: x\r\n", 'Subject: x') },
    stdin => "Subject: x\ntext without a blank line\nmore: x\n");
both('a header without a body and without a line end', sub { made($_[0], '', 'Subject: x') }, stdin => 'Subject: x');
both('the mbox line goes', HEAD . "\r\nx\r\n", argv => ['-t'], stdin => "From a\@b Sun Nov 22 01:00:00 2026\n" . HEAD . "\r\nx\n");
body('an mbox line in the body stays', "From me to you\n", "From me to you\r\n");
both('From and a blank without more is an mbox line as well', HEAD . "\r\nx\r\n", argv => ['-t'], stdin => "From \n" . HEAD . "\r\nx\n");

check('printf "To: a@b.c" | sendmail -t', %plain, argv => ['-t'], stdin => 'To: a@b.c', also => sub {
	my ($message) = $_[0]->server->messages;

	is_deeply($message->{env}{rcpt}, ['<a@b.c>'], 'recipient');
	like($message->{data}, qr/^To: a\@b\.c\r\n/m, 'To');
	like($message->{data}, qr/\r\n\r\n\z/, 'no body');
});
for (['', 'empty input'], ["\n", 'a line end'], ["\0\0", 'NULs'], ["From a b c\n", 'an mbox line'], ["Just a body.\nTo: b\@example.net\n", 'only a body'],
    ["\nTo: b\@example.net\n", 'a blank line and To'], [".\nTo: b\@example.net\n", 'a dot and To']) {
	my ($text, $name) = @$_;

	check("$name with -t", %plain, argv => ['-t'], stdin => $text, exit => 65, err => [qr/no recipients/], log => {status => 'failed'});
}
check('empty input without -t and without a recipient', %plain, argv => ['-i'], stdin => '', exit => 64, err => [qr{neither -t nor a recipient}], log => {status => 'failed'});

done_testing;
