# -bs and a caller who does not wait: what he will ask next goes to the smarthost along with what is asked now, and nothing else changes: each reply, and each message, is what a
# caller gets who waits (RFC 2920).
use strict;
use warnings;
use lib 'tests/e2e/lib';
use E2E;

my $header = "From: a\@example.com\r\nSubject: test\r\nDate: Sun, 22 Nov 2026 03:14:15 +0000\r\nMessage-ID: <1\@example.com>\r\n\r\n";

sub path_of { return ($_[0] // '') =~ /<(.*?)>/ ? $1 : '(none)' }
sub codes { return join ' ', map { /^(\d{3}) / ? $1 : () } split /\r\n/, $_[0] }
sub arrived { return join ', ', map { my $m = $_; path_of($m->{env}{mail}[0]) . ' to ' . join(' ', map { path_of($_) } @{$m->{env}{rcpt}}) . ': ' . ($m->{data} =~ /\r\n\r\n(.*?)\r\n/s)[0] } $_[0]->messages }
sub connections { return scalar keys %{{map { /^(\d+) / ? ($1 => 1) : () } split /\n/, $_[0]->dialogue}} }

# Commands that were said, by the transcript, before what was said before them was answered.
sub went_along
{
	my ($transcript) = @_;
	my ($due, $along) = (0, 0);

	for (split /\n/, slurp($transcript)) {
		$along++ if / C: (?:MAIL|RCPT|DATA)/ && $due > 0;
		$due++ if / C: (?:MAIL|RCPT|DATA|RSET)| \*  the message, /;
		$due-- if / S: \d{3} / && $due > 0;
	}
	return $along;
}

sub envelope { my ($from, @to) = @_; return "MAIL FROM:<$from>\r\n" . join '', map { "RCPT TO:<$_>\r\n" } @to }
sub data { my ($text) = @_; return "DATA\r\n$header$text\r\n.\r\n" }
sub bdat { my ($text) = @_; my $n = length "$header$text\r\n"; return "BDAT $n LAST\r\n$header$text\r\n" }

my %ways = ('DATA to CHUNKING' => [\&data, []], 'DATA to DATA' => [\&data, [ext => '-CHUNKING', ext_tls => '-CHUNKING']],
    'BDAT to CHUNKING' => [\&bdat, []], 'BDAT to DATA' => [\&bdat, [ext => '-CHUNKING', ext_tls => '-CHUNKING']], 'no PIPELINING' => [\&data, [ext => '-PIPELINING', ext_tls => '-PIPELINING']]);

# All of the dialogue at once, in each way; $codes as DATA has them, without those of the greeting, EHLO and QUIT. in_flight: codes and what arrives, where whole transactions are in flight.
sub said
{
	my ($name, $dialogue, $codes, $arrives, %o) = @_;
	my $also = delete $o{also};
	my $top = delete $o{top} // {};
	my $in_flight = delete $o{in_flight} // [$codes, $arrives];

	for my $way (sort keys %ways) {
		my ($message, $ext) = @{$ways{$way}};
		my $transcript = scratch() . '/transcript';
		my ($replies, $there) = $way =~ /to CHUNKING/ ? @$in_flight : ($codes, $arrives);
		my $expected = $message == \&bdat ? $replies =~ s/ 354(?= )//gr : $replies;

		check "$name: $way", argv => ['-bs'], stdin => "EHLO x\r\n" . $dialogue->($message) . "QUIT\r\n", exit => 0, err => [], out => qr/^220 /, sent => undef, log => undef, top => {transcript => $transcript, %$top}, @$ext, %o, also => sub {
			my ($run) = @_;

			is(codes($run->out), "220 250 $expected 221", 'the replies');
			is(arrived($run->server), $there, 'what arrives');
			is($run->server->violations, '', 'as it should be') if !exists $o{violations};
			is(went_along($transcript), 0, 'nothing goes along') if $way eq 'no PIPELINING';
			$also->($run, $way, $transcript) if $also;
		};
	}
}

said('three messages', sub { join '', map { envelope("s$_\@example.com", "r$_\@example.net", "q$_\@example.net") . $_[0]->("text $_") } 1 .. 3 },
    join(' ', ('250 250 250 354 250') x 3), join(', ', map { "s$_\@example.com to r$_\@example.net q$_\@example.net: text $_" } 1 .. 3), also => sub {
	my ($run, $way, $transcript) = @_;

	is(connections($run->server), 1, 'over one connection');
	cmp_ok(went_along($transcript), '>=', 4, 'commands went along') if $way ne 'no PIPELINING';
});
said('a sender refused', sub { envelope('a@example.com', 'r1@example.net') . $_[0]->('one') . envelope('no@example.com', 'r2@example.net') . envelope('b@example.com', 'r3@example.net') . $_[0]->('three') },
    '250 250 354 250 553 503 250 250 354 250', 'a@example.com to r1@example.net: one, b@example.com to r3@example.net: three', rules => ['mail@no@example.com reply "553 5.7.1 Not yours"']);
said('recipients refused', sub { envelope('a@example.com', 'r1@example.net') . $_[0]->('one') . envelope('b@example.com', 'no@example.net', 'r2@example.net', 'no@example.net') . $_[0]->('two') .
    envelope('c@example.com', 'r3@example.net') . $_[0]->('three') }, '250 250 354 250 250 550 250 550 354 250 250 250 354 250',
    'a@example.com to r1@example.net: one, b@example.com to r2@example.net: two, c@example.com to r3@example.net: three', rules => ['rcpt@no@example.net reply "550 5.1.1 No"']);
said('a message refused', sub { join '', map { envelope("s$_\@example.com", "r$_\@example.net") . $_[0]->("text $_") } 1 .. 3 }, '250 250 354 250 250 250 354 554 250 250 354 250',
    's1@example.com to r1@example.net: text 1, s3@example.com to r3@example.net: text 3', rules => ['dot##2 conn=1 reply "554 5.7.1 Spam"']);
said('a recipient named twice', sub { envelope('a@example.com', 'r1@example.net') . $_[0]->('one') . envelope('b@example.com', 'r2@example.net', 'r2@EXAMPLE.net', 'r3@example.net') . $_[0]->('two') },
    '250 250 354 250 250 250 250 250 354 250', 'a@example.com to r1@example.net: one, b@example.com to r2@example.net r3@example.net: two');
said('given up', sub { envelope('a@example.com', 'r1@example.net') . $_[0]->('one') . envelope('b@example.com', 'r2@example.net') . "RSET\r\n" . envelope('c@example.com', 'r3@example.net') . $_[0]->('three') },
    '250 250 354 250 250 250 250 250 250 354 250', 'a@example.com to r1@example.net: one, c@example.com to r3@example.net: three');
said('an alias for two, and one that leads nowhere', sub { envelope('a@example.com', 'r1@example.net') . $_[0]->('one') . envelope('b@example.com', 'two', 'nowhere', 'r2@example.net') . $_[0]->('two') },
    '250 250 354 250 250 250 550 250 354 250', 'a@example.com to r1@example.net: one, b@example.com to x@example.org y@example.org r2@example.net: two', top => {domain => 'example.com',
    aliases => spew(scratch() . '/aliases', "two: x\@example.org, y\@example.org\nnowhere: |/bin/false\n", 0644)});
said('commands that are none', sub { envelope('a@example.com', 'r1@example.net') . $_[0]->('one') . "MAIL FROM:<b\@example.com> FOO=1\r\nRCPT TO:<r2\@example.net>\r\n" .
    envelope('c@example.com', 'not an address', 'r3@example.net') . $_[0]->('three') }, '250 250 354 250 555 503 250 501 250 354 250', 'a@example.com to r1@example.net: one, c@example.com to r3@example.net: three');
said('the connection is lost at the next envelope', sub { envelope('a@example.com', 'r1@example.net') . $_[0]->('one') . envelope('b@example.com', 'r2@example.net', 'r3@example.net') . $_[0]->('two') },
    '250 250 354 250 250 250 250 354 250', 'a@example.com to r1@example.net: one, b@example.com to r2@example.net r3@example.net: two', rules => ['rcpt@r3@* conn=1 close'], violations => qr/|./,
    in_flight => ['250 250 354 250 250 250 250 354 451', 'a@example.com to r1@example.net: one']);	# its message had gone along: nobody knows what became of it
said('421 at the next envelope', sub { envelope('a@example.com', 'r1@example.net') . $_[0]->('one') . envelope('b@example.com', 'r2@example.net') . $_[0]->('two') },
    '250 250 354 250 250 250 354 250', 'a@example.com to r1@example.net: one, b@example.com to r2@example.net: two', rules => ['mail##2 conn=1 reply "421 4.7.0 Enough" close'], violations => qr/|./);
{
	my $queue = scratch();

	chmod 0700, $queue;
	check 'a queue takes what comes behind a connection that is lost', argv => ['-bs'], exit => 0, top => {queue => $queue}, sent => undef, log => undef, err => [], out => qr/^220 /,
	    rules => ['dot conn=1 pass close', 'banner conn=2- reply "421 4.3.2 No"'], violations => qr/|./,
	    stdin => "EHLO x\r\n" . join('', map { envelope("s$_\@example.com", "r$_\@example.net") . data("text $_") } 1 .. 3) . "QUIT\r\n", also => sub {
		my ($run) = @_;

		is(codes($run->out), '220 250 ' . join(' ', ('250 250 354 250') x 3) . ' 221', 'all are taken');
		is(arrived($run->server), 's1@example.com to r1@example.net: text 1', 'one goes');
		is(scalar(() = glob "$queue/0*"), 2, 'two are kept');
	};
}

done_testing;
