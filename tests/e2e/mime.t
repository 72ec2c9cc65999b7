# Content that cannot go as it is (CONTRACT section 3): 8-bit where 8BITMIME is missing, and lines over 998 octets. What arrives is decoded
# with Perl's own MIME::QuotedPrint and compared octet for octet.
use strict;
use warnings;
use lib 'tests/e2e/lib';
use E2E;
use MIME::QuotedPrint ();

my %plain = (tls => 'none', user => undef);
my $complete = "From: a\@example.com\nTo: b\@example.net\nDate: Sun, 22 Nov 2026 03:14:15 +0000\nMessage-ID: <1\@example.com>\n";

# Header (LF), body (CRLF) and the run for $test.
sub arrives
{
	my ($name, $stdin, $test, %o) = @_;

	for my $by ('+CHUNKING', '-CHUNKING') {
		check("$name, $by", %plain, sent => 1, stdin => $stdin, argv => ['-i', 'b@example.net'], %o, ext => "$by,$o{ext}", also => sub {
			my ($run) = @_;
			my ($message) = $run->server->messages;
			my ($head, $body) = ($message->{data} // '') =~ /\A(.*?\r\n)\r\n(.*)\z/s;

			ok(defined $head, 'a header, a blank line, a body') or return;
			is($message->{env}{content}[0], '7bit', 'no octet above 127') if $o{ext} =~ /-8BITMIME/;
			$test->($head =~ s/\r\n/\n/gr, $body, $run, $message->{env}{mail}[0]);
		});
	}
}

sub crlf { return $_[0] =~ s/\r?\n/\r\n/gr }
sub cte { return join ' ', map { lc } $_[0] =~ /^Content-Transfer-Encoding:[ \t]*(\S+)/gmi }

# Quoted-printable that says $want (with CRLF).
sub is_quoted
{
	my ($text, $want, $name) = @_;
	my @lines = split /\r\n/, $text, -1;

	is(MIME::QuotedPrint::decode_qp($text =~ s/\r\n/\n/gr) =~ s/\r?\n/\r\n/gr, $want, "$name: decoded, octet for octet");
	is(scalar(grep { length > 76 } @lines), 0, "$name: no line is longer than 76");
	is(scalar(grep { /[ \t]\z/ } @lines), 0, "$name: no line ends in a blank");
	unlike($text, qr/[^\x20-\x7e\t\r\n]/, "$name: printable ASCII");
}

my $utf8 = "Gr\xc3\xbc\xc3\x9fe = aus\nK\xc3\xb6ln  \n\t\n.\n..\nFrom me\n" . "lang \xc3\xa4 " x 40 . "\n=3D\n\n";
my $latin1 = "Gr\xfc\xdfe\n" . join('', map { chr } 0x80 .. 0xff) . "\n";
my %no8 = (ext => '-8BITMIME');
my %with8 = (ext => '+8BITMIME');

# --- 8-bit ---------------------------------------------------------------------------------------------------------------------------

for (['UTF-8', 'utf-8', $utf8], ['Latin-1', 'unknown-8bit', $latin1]) {
	my ($name, $charset, $text) = @$_;

	arrives("$name text without MIME, 8BITMIME offered", "$complete\n$text", sub {
		my ($head, $body, $run, $mail) = @_;

		is($body, crlf($text), 'as it was');
		like($mail, qr/ BODY=8BITMIME/, 'declared');
		is(cte($head), '8bit', 'encoding');
	}, %with8);
	arrives("$name text without MIME, no 8BITMIME", "$complete\n$text", sub {
		my ($head, $body, $run, $mail) = @_;

		is_quoted($body, crlf($text), 'body');
		unlike($mail, qr/BODY/, 'not declared');
		is(cte($head), 'quoted-printable', 'encoding');
		like($head, qr{^Content-Type: text/plain; charset="?\Q$charset\E"?$}m, 'type');
		like($head, qr/^MIME-Version: 1\.0$/m, 'MIME-Version');
		like($head, qr/^\Q$complete\E/, 'all else as it was');
	}, %no8);
	arrives("$name, MIME, no 8BITMIME", "${complete}MIME-Version: 1.0\nContent-Type: text/html; charset=$charset;\n format=flowed\nContent-Transfer-Encoding: 8bit\nX-Last: 1\n\n$text", sub {
		my ($head, $body) = @_;

		is_quoted($body, crlf($text), 'body');
		is($head, "${complete}MIME-Version: 1.0\nContent-Type: text/html; charset=$charset;\n format=flowed\nContent-Transfer-Encoding: quoted-printable\nX-Last: 1\n",
		    'only the encoding changed');
	}, %no8);
}
arrives('7-bit text, no 8BITMIME: nothing is done', "$complete\nHello = \n", sub {
	is($_[0], $complete, 'header');
	is($_[1], "Hello = \r\n", 'body');
}, %no8);
arrives('7-bit text that says 8bit, no 8BITMIME: nothing is done', "${complete}MIME-Version: 1.0\nContent-Transfer-Encoding: 8bit\n\nHello = \n", sub {
	is($_[0], "${complete}MIME-Version: 1.0\nContent-Transfer-Encoding: 8bit\n", 'header');
	is($_[1], "Hello = \r\n", 'body');
}, %no8);
arrives('no final line end', "${complete}\n\xc3\xbc", sub { is_quoted($_[1], "\xc3\xbc\r\n", 'body') }, %no8);

# --- long lines ------------------------------------------------------------------------------------------------------------------------

for my $ext ('+8BITMIME', '-8BITMIME') {
	for my $length (999, 1000, 5000, 100_000, 1_500_000) {
		my $text = 'x' x $length . " \n" . "short\n";

		arrives("a line of $length octets, not MIME, $ext", "$complete\n$text", sub {
			is_quoted($_[1], crlf($text), 'body');
			is(cte($_[0]), 'quoted-printable', 'encoding');
		}, ext => $ext);
	}
	arrives("a long line that is 8-bit, $ext", "$complete\n" . "\xc3\xbc" x 800 . "\n", sub { is_quoted($_[1], "\xc3\xbc" x 800 . "\r\n", 'body') }, ext => $ext);
	arrives("998 octets pass, $ext", "$complete\n" . 'y' x 998 . "\n", sub {
		is($_[1], 'y' x 998 . "\r\n", 'as it was');
		is(cte($_[0]), '', 'no encoding');
	}, ext => $ext);
	arrives("a long line in base64, which is no text, is folded, $ext", "${complete}MIME-Version: 1.0\nContent-Type: application/x-y\nContent-Transfer-Encoding: base64\n\n" .
	    'QUJD' x 1000 . "\n", sub {
		is(cte($_[0]), 'base64', 'encoding');
		is($_[1] =~ tr/ \r\n//dr, 'QUJD' x 1000, 'it says what it said');
		is(scalar(grep { length > 998 } split /\r\n/, $_[1]), 0, 'no line is too long');
	}, ext => $ext);
}

# --- multipart ---------------------------------------------------------------------------------------------------------------------------

sub multipart
{
	my ($type, @parts) = @_;

	return "${complete}MIME-Version: 1.0\nContent-Type: multipart/$type; boundary=\"=_b\"\n" . ($type eq 'signed' ? '' : "Content-Transfer-Encoding: 8bit\n") . "\npreamble\n" .
	    join('', map { "--=_b\n$_\n" } @parts) . "--=_b--\nepilogue\n";
}

# The parts of what arrived, each [header (LF), body], CRLF before the boundary taken off.
sub parts
{
	my ($body) = @_;
	my @parts = split /\r\n--=_b(?:--)?\r\n/, "\r\n$body", -1;

	return map { my ($h, $b) = ("\r\n$_") =~ /\A\r\n((?:[^\r].*?\r\n)?)\r\n(.*)\z/s; [($h // '') =~ s/\r\n/\n/gr, $b] } @parts[1 .. $#parts - 1];
}

my $plain_part = "Content-Type: text/plain; charset=us-ascii\n\nplain = text\n";
my $bad_part = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\nContent-Description: x\n\n$utf8";
my $base64_part = "Content-Type: application/octet-stream; name=x\nContent-Transfer-Encoding: base64\n\nQUJD\n";

arrives('multipart, one leaf is 8-bit', multipart('mixed', $plain_part, $bad_part, $base64_part), sub {
	my ($head, $body) = @_;
	my @parts = parts($body);

	is(scalar @parts, 3, 'three parts') or return;
	is($parts[0][0] . "\n" . $parts[0][1], $plain_part =~ s/text\n/text\r\n/r, 'the first as it was');
	is($parts[2][0] . "\n" . $parts[2][1], $base64_part =~ s/QUJD\n/QUJD\r\n/r, 'the third as it was');
	is($parts[1][0], "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\nContent-Description: x\n", 'the second says what it is');
	is_quoted($parts[1][1], crlf($utf8), 'the second');
	isnt(cte($head), '8bit', 'the whole no longer claims 8bit');
	like($body, qr/\Apreamble\r\n/, 'preamble');
	like($body, qr/epilogue\r\n\z/, 'epilogue');
}, %no8);
arrives('multipart, one leaf is 8-bit, 8BITMIME offered', multipart('mixed', $plain_part, $bad_part), sub {
	is("$_[0]\n$_[1]" =~ s/\r\n/\n/gr, multipart('mixed', $plain_part, $bad_part), 'byte for byte as it was');
}, %with8);
arrives('multipart, one leaf has a long line, 8BITMIME offered', multipart('mixed', $plain_part, "Content-Type: text/html\n\n" . 'x' x 3000 . "\n", $bad_part), sub {
	my @parts = parts($_[1]);

	is_quoted($parts[1][1], 'x' x 3000 . "\r\n", 'the leaf');
	is(cte($parts[1][0]), 'quoted-printable', 'its encoding');
	is($parts[0][1], "plain = text\r\n", 'the one before as it was');
	is($parts[2][0] . "\n" . $parts[2][1], $bad_part =~ s/\n/\r\n/gr =~ s/\A(.*?\r\n)\r\n/$1 =~ s,\r,,gr . "\n"/ser, 'the one behind as it was');
}, %with8);
my $inner = "Content-Type: multipart/alternative; boundary=in\n\n--in\n$bad_part\n--in\nContent-Type: text/html; charset=utf-8\n\n<p>\xc3\xbc</p>\n--in--\n";
arrives('multipart in multipart', multipart('mixed', $inner, $plain_part), sub {
	my @parts = parts($_[1]);

	is(scalar @parts, 2, 'two parts') or return;
	is($parts[1][1], "plain = text\r\n", 'the second as it was');
	my @leaves = split /\r\n--in(?:--)?\r\n/, "\r\n$parts[0][1]", -1;
	is(scalar @leaves, 4, 'two leaves within');
	is_quoted($leaves[1] =~ s/\A.*?\r\n\r\n//sr, crlf($utf8), 'the first leaf');
	is_quoted($leaves[2] =~ s/\A.*?\r\n\r\n//sr, "<p>\xc3\xbc</p>", 'the second leaf');
}, %no8);
arrives('a message in a message', multipart('mixed', "Content-Type: message/rfc822\n\nSubject: inner\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n" .
    "Content-Transfer-Encoding: 8bit\n\n$utf8"), sub {
	my ($part) = parts($_[1]);
	my ($head, $body) = $part->[1] =~ /\A(.*?\r\n)\r\n(.*)\z/s;

	is(cte($head =~ s/\r\n/\n/gr), 'quoted-printable', 'encoding of the inner one');
	is_quoted($body, crlf($utf8), 'its body');
}, %no8);

# What is signed or encrypted is not touched: without 8BITMIME it is refused.
my $signed = multipart('signed; protocol=x; micalg=y', $bad_part, "Content-Type: application/pgp-signature\n\nsig\n") =~ s/Content-Transfer-Encoding: 8bit\n//r;
arrives('signed, 8BITMIME offered', $signed, sub { is("$_[0]\n$_[1]" =~ s/\r\n/\n/gr, $signed, 'byte for byte as it was') }, %with8);
my $seven = multipart('signed; protocol=x; micalg=y', "Content-Type: text/plain\n\ntrailing blank \n=\n", "Content-Type: application/pgp-signature\n\nsig\n") =~
    s/Content-Transfer-Encoding: 8bit\n//r;
arrives('signed, 7-bit, no 8BITMIME', $seven, sub { is("$_[0]\n$_[1]" =~ s/\r\n/\n/gr, $seven, 'byte for byte as it was') }, %no8);

sub refused
{
	my ($name, $stdin, %o) = @_;

	check("refused: $name", %plain, %no8, stdin => $stdin, argv => ['-i', 'b@example.net'], exit => 65, sent => 0, err => qr/8-?bit|8BITMIME/i, log => {status => 'failed'},
	    also => sub { is(scalar(grep { /^(?:DATA|BDAT)/ } $_[0]->server->commands), 0, 'no octet of it was sent') }, %o);
}
refused('signed, 8-bit', $signed);
refused('encrypted, 8-bit', multipart('encrypted; protocol=x', "Content-Type: application/pgp-encrypted\n\nVersion: 1\n", "Content-Type: application/octet-stream\n\n\xff\n"));
refused('a binary attachment in 8bit', multipart('mixed', $plain_part, "Content-Type: application/octet-stream\nContent-Transfer-Encoding: 8bit\n\n\x80\xff\n"));
refused('an image in 8bit', "${complete}MIME-Version: 1.0\nContent-Type: image/png\nContent-Transfer-Encoding: 8bit\n\n\x89PNG\n");
refused('8-bit in what says base64', "${complete}MIME-Version: 1.0\nContent-Type: text/plain\nContent-Transfer-Encoding: base64\n\nQUJD\xff\n");
refused('a signed message of DKIM', "DKIM-Signature: v=1\n${complete}\n\xc3\xbc\n");

done_testing;
