# SMTP on standard input and output (-bs): each command and its reply, the end of data, the message that goes on, people who mistype, callers
# that are none; the recorded dialogues said to it. What the smarthost may do meanwhile is in relay.t.
use strict;
use warnings;
use lib 'tests/e2e/lib';
use E2E;
use Socket;

my $data = top() . '/tests/data/dialects';
my $header = "From: a\@example.com\r\nTo: b\@example.net\r\nSubject: test\r\nDate: Sun, 22 Nov 2026 03:14:15 +0000\r\nMessage-ID: <1\@example.com>\r\n";

sub path_of { return ($_[0] // '') =~ /<(.*?)>/ ? $1 : undef }
sub recipients { return join ' ', map { path_of($_) } @{$_[0]{env}{rcpt}} }

# Every line of every reply: code, separator, printable, not too long; the codes of one reply alike.
sub well_formed
{
	my ($out) = @_;
	my @bad = grep { !/\A\d{3}[- ][\x20-\x7e]*\z/ || length > 510 } split /\r\n/, $out;
	my ($code, @mixed);

	for (split /\r\n/, $out) {
		push @mixed, $_ if defined $code && substr($_, 0, 3) ne $code;
		$code = /^(\d{3})-/ ? $1 : undef;
	}
	is("@bad @mixed", ' ', 'every reply is well formed');
	ok($out eq '' || $out =~ /\r\n\z/, 'and the last one whole');
}

sub codes { return join ' ', map { /^(\d{3}) / ? $1 : () } split /\r\n/, $_[0] }

# A blind dialogue: lines that go in at once, the codes that come out, greeting included.
sub said
{
	my ($name, $lines, $codes, %o) = @_;
	my $also = delete $o{also};

	return check $name, argv => ['-bs'], stdin => ref $lines ? join('', map { "$_\r\n" } @$lines) : $lines, exit => 0, err => [], out => qr|\A220 |, sent => undef, log => undef,
	    %o, also => sub {
		my ($run) = @_;

		well_formed($run->out);
		is(codes($run->out), $codes, 'the codes');
		$also->($run) if $also;
	    };
}

# --- each command

said('every command', ['EHLO there', 'HELO there', 'NOOP', 'NOOP all of this', 'RSET', 'VRFY a@b', 'EXPN list', 'HELP', 'help mail', 'HELP nonsense',
    'SEND FROM:<a>', 'SOML FROM:<a>', 'SAML FROM:<a>', 'TURN', 'STARTTLS', 'AUTH PLAIN', 'QUIT'],
    '220 250 250 250 250 250 252 502 214 214 214 502 502 502 502 502 502 221');
said('what EHLO offers', ['EHLO there', 'QUIT'], '220 250 221', also => sub {
	my ($run) = @_;

	is(join(' ', map { /^250[- ](\S+)\r?$/ ? $1 : () } split /\n/, $run->out), 'PIPELINING 8BITMIME SMTPUTF8 SIZE DSN ENHANCEDSTATUSCODES CHUNKING HELP', 'what is fixed');
	is($run->server->dialogue, '', 'and the smarthost is not asked for that');
});
said('HELP explains', ['HELP', 'HELP RCPT', 'QUIT'], '220 214 214 221', also => sub {
	like($_[0]->out, qr/MAIL FROM:<.*RCPT TO:<.*DATA.*214[- ]\S+ RCPT TO:<address>/s, 'an example, and the syntax');
});
said('malformed', ['EHLO', 'HELO', 'MAIL', 'MAIL FROM', 'MAIL FROM:', 'MAIL FROM:<a@example.com', 'MAIL form:<a@example.com>', 'VRFY', 'FOO'],
    '220 501 501 501 501 501 501 501 501 500');
said('parameters', ['MAIL FROM:<a@example.com> FOO', 'MAIL FROM:<a@example.com> SIZE=x', 'MAIL FROM:<a@example.com> SIZE=1 SIZE=2', 'MAIL FROM:<a@example.com> BODY=9BIT',
    'MAIL FROM:<a@example.com> AUTH=<>', 'MAIL FROM:<a@example.com> RET=HALF', 'QUIT'], '220 555 501 501 501 555 501 221');
said('parameters of RCPT', ['MAIL FROM:<a@example.com>', 'RCPT TO:<b@example.net> FOO=1', 'RCPT TO:<b@example.net> NOTIFY=NEVER,SUCCESS', 'RCPT TO:<b@example.net> ORCPT=x',
    'RCPT TO:<b@example.net> NOTIFY=NEVER', 'QUIT'], '220 250 555 501 501 250 221');
said('out of order', "RCPT TO:<b\@example.net>\r\nDATA\r\nBDAT 4\r\nabc\nMAIL FROM:<a\@example.com>\r\nDATA\r\nMAIL FROM:<c\@example.com>\r\nQUIT\r\n",
    '220 503 503 503 250 503 503 221');
said('no addresses', ['MAIL FROM:<a b@example.com>', 'MAIL FROM:<@>', 'MAIL FROM:<a@-b..c>', 'MAIL FROM:<a@example.com>', 'RCPT TO:<>', 'RCPT TO:<b@>', 'RCPT TO:<b@x,c@x>',
    'RCPT TO:<b@example.net>', 'QUIT'], '220 501 501 501 250 501 501 501 250 221');
said('an octet that no command has', "NOOP a\0b\r\nNOOP \xc3\xbc\r\nMAIL FROM:<\xc3\xbc\@example.com>\r\nMAIL FROM:<\xff\@example.com> SMTPUTF8\r\nQUIT\r\n",
    '220 501 501 501 501 221');
said('lines too long', ['NOOP ' . 'x' x 505, 'NOOP ' . 'x' x 506, 'MAIL FROM:<a@example.com> ENVID=' . 'x' x 2030, 'RCPT TO:<' . 'x' x 100000 . '@x>', 'QUIT'], '220 250 500 500 500 221');
said('a line without end', 'x' x 3_000_000, '220 421', exit => 64);

# --- too much is too much; what is no SMTP at all

said('ten commands that are none', [map({ "FOO$_" } 1 .. 12), 'NOOP'], '220 ' . '500 ' x 10 . '421', exit => 64);
said('nine are forgiven', [map({ "FOO$_" } 1 .. 9), 'NOOP', 'QUIT'], '220 ' . '500 ' x 9 . '250 221');
said('the smarthost may refuse as much as it likes', ['MAIL FROM:<a@example.com>', map({ "RCPT TO:<nobody$_\@example.net>" } 1 .. 15), 'RCPT TO:<b@example.net>', 'QUIT'],
    '220 250 ' . '550 ' x 15 . '250 221', rules => ['rcpt@nobody* reply "550 5.1.1 User unknown"']);
for my $line ('GET / HTTP/1.1', 'POST / HTTP/1.0', 'CONNECT example.com:25 HTTP/1.1', 'Subject: hello', 'From: a@example.com', 'X-Anything:x', 'To:b@example.net') {
	said("no SMTP: $line", [$line, 'MAIL FROM:<a@example.com>', 'RCPT TO:<b@example.net>', 'DATA', 'x', '.', 'QUIT'], '220 421', exit => 64, sent => 0,
	    also => sub { is($_[0]->server->dialogue, '', 'nothing was begun') });
}
# PHP's fifth parameter with -bs in it: the message is no dialogue, and its sender learns that it was not sent.
said('a message where a dialogue should be', MESSAGE, '220 421', argv => ['-t', '-i', '-bs'], exit => 64, sent => 0);

# --- messages

my @envelope = ('EHLO there', 'MAIL FROM:<a@example.com>', 'RCPT TO:<b@example.net>');
my $ok = '220 250 250 250 354 250 221';

sub message
{
	my ($name, $lines, $want, %o) = @_;
	my $codes = delete $o{codes} // $ok;

	return said($name, $lines, $codes, sent => 1, %o, also => sub {
		my ($run) = @_;
		my ($message) = $run->server->messages;

		is($message->{data}, $want, 'the message');
		is(path_of($message->{env}{mail}[0]), 'a@example.com', 'sender');
		is(recipients($message), 'b@example.net', 'recipients');
		is($run->log->{status}, 'sent', 'the log says so');
	});
}

my $begin = join '', map { "$_\r\n" } @envelope, 'DATA';
message('a message, byte for byte', "$begin${header}\r\nHello\r\n\r\n..dot\r\n...\r\nend\r\n.\r\nQUIT\r\n", "${header}\r\nHello\r\n\r\n.dot\r\n..\r\nend\r\n");
message('without a body', "$begin$header.\r\nQUIT\r\n", "$header\r\n");
message('in chunks', join('', map { "$_\r\n" } @envelope) . 'BDAT ' . length($header) . "\r\n${header}BDAT 9 LAST\r\n\r\n.\r\n..\r\nQUIT\r\n", "$header\r\n.\r\n..\r\n",
    codes => '220 250 250 250 250 250 221');
message('an empty last chunk', join('', map { "$_\r\n" } @envelope) . 'BDAT ' . (length($header) + 5) . "\r\n${header}\r\nx\r\nBDAT 0 LAST\r\nQUIT\r\n", "$header\r\nx\r\n",
    codes => '220 250 250 250 250 250 221');
said('Bcc never passes', "${begin}${header}Bcc: secret\@example.org,\r\n hidden\@example.org\r\n\r\nx\r\n.\r\nQUIT\r\n", $ok, sent => 1, also => sub {
	my ($message) = $_[0]->server->messages;

	is($message->{data}, "$header\r\nx\r\n", 'neither field nor fold');
	is(recipients($message), 'b@example.net', 'nor is anybody added');
});
said('what is missing is made', "${begin}Subject: h\xc3\xa4\r\n\r\ngr\xc3\xbc\xc3\x9fe\r\n.\r\nQUIT\r\n", $ok, sent => 1, also => sub {
	my ($message) = $_[0]->server->messages;

	like($message->{data}, qr/^Date: /m, 'Date');
	like($message->{data}, qr/^From: a\@example\.com\r$/m, 'From has the sender, and the name of nobody');
	like($message->{data}, qr/^To: undisclosed-recipients:;/m, 'To');
	like($message->{data}, qr/^Message-ID: <.*\@example\.com>/m, 'Message-ID');
	like($message->{data}, qr/^Subject: =\?utf-8\?/m, 'Subject encoded');
	like($message->{data}, qr/^Content-Type: text\/plain; charset=utf-8/m, 'Content-Type');
	like($message->{env}{mail}[0], qr/BODY=8BITMIME/, 'declared, though the caller had not: the envelope was repeated');
	is(scalar(grep { /^MAIL/ } $_[0]->server->commands), 2, 'MAIL twice');
	is(scalar(grep { /^RSET/ } $_[0]->server->commands), 1, 'RSET once');
});
said('8-bit, declared by the caller', [map({ /^MAIL/ ? "$_ BODY=8BITMIME SIZE=500" : $_ } @envelope), 'DATA', split(/\r\n/, $header), '', "\xe4", '.', 'QUIT'], $ok, sent => 1, also => sub {
	like(($_[0]->server->messages)[0]{env}{mail}[0], qr/ SIZE=500\b.* BODY=8BITMIME/, 'goes on');
	is(scalar(grep { /^MAIL/ } $_[0]->server->commands), 1, 'once');
});
said('8-bit, and the smarthost lacks it', "${begin}${header}MIME-Version: 1.0\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\n\xe4\r\n.\r\nQUIT\r\n", $ok, sent => 1, ext => '-8BITMIME', also => sub {
	like(($_[0]->server->messages)[0]{data}, qr/quoted-printable.*\r\n\r\n=E4\r\n\z/s, 'quoted-printable');
});
said('without CHUNKING and PIPELINING', "${begin}${header}\r\n..\r\n.\r\nQUIT\r\n", $ok, sent => 1, ext => '-CHUNKING,-PIPELINING', also => sub {
	is(($_[0]->server->messages)[0]{data}, "$header\r\n.\r\n", 'it goes all the same');
});
said('two messages, one connection', "$begin$header\r\none\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<c\@example.net>\r\nRCPT TO:<C\@EXAMPLE.NET>\r\nRCPT TO:<c\@example.NET>\r\nDATA\r\n$header\r\ntwo\r\n.\r\nQUIT\r\n",
    '220 250 250 250 354 250 250 250 250 250 354 250 221', sent => 2, log => undef, also => sub {
	my ($run) = @_;
	my (undef, $second) = $run->server->messages;

	is($second->{env}{connection}[0], '1', 'the same connection');
	is(path_of($second->{env}{mail}[0]), '', 'the null sender');
	is(recipients($second), 'c@example.net C@EXAMPLE.NET', 'once each');
	is(scalar(() = $run->server->auth), 1, 'signed in once');
	is(scalar($run->log_lines), 2, 'a log line each');
});
said('RSET, and a greeting in between, give the message up', ['MAIL FROM:<a@example.com>', 'RCPT TO:<b@example.net>', 'RSET', 'DATA', 'MAIL FROM:<a@example.com>', 'RCPT TO:<b@example.net>', 'EHLO x',
    'DATA', 'QUIT'], '220 250 250 250 503 250 250 250 503 221', sent => 0, also => sub {
	is(join(' ', map { /status=(\S+)/ } $_[0]->log_lines), 'dropped dropped', 'the log tells');
});
said('a rehearsal, then the end', ['EHLO x', 'MAIL FROM:<a@example.com>', 'RCPT TO:<b@example.net>', 'QUIT'], '220 250 250 250 221', sent => 0, log => {status => 'dropped'});
said('nothing at all', '', '220', log => {status => 'idle', exit => 0}, sent => 0);
said('the input ends in the envelope', ['MAIL FROM:<a@example.com>', 'RCPT TO:<b@example.net>'], '220 250 250', sent => 0, log => {status => 'dropped'});
said('the input ends within the message', $begin . "$header\r\nHello\r\n", '220 250 250 250 354', sent => 0, exit => 65);
said('the input ends within a chunk', join('', map { "$_\r\n" } @envelope) . "BDAT 1000 LAST\r\n$header", '220 250 250 250', sent => 0, exit => 65);
said('no recipient is taken', [@envelope, 'DATA', 'QUIT'], '220 250 250 550 554 221', rules => ['rcpt reply "550 5.1.1 No"'], sent => 0);
said('a loop', $begin . "Received: x\r\n" x 51 . "$header\r\nx\r\n.\r\nQUIT\r\n", '220 250 250 250 354 554 221', sent => 0);
said('a header that is too large', $begin . "X: y\r\n" x 800_000 . "$header\r\nx\r\n.\r\nMAIL FROM:<a\@example.com>\r\nQUIT\r\n", '220 250 250 250 354 552 250 221', sent => 0);
said('DSN goes on', ['MAIL FROM:<a@example.com> RET=hdrs ENVID=a+2Bb', 'RCPT TO:<b@example.net> NOTIFY=success,delay ORCPT=rfc822;old+2Bname@example.net', 'RCPT TO:<c@example.net>', 'QUIT'],
    '220 250 250 250 221', also => sub {
	my @commands = $_[0]->server->commands;

	like(join("\n", @commands), qr/^MAIL FROM:<a\@example\.com> .*RET=HDRS ENVID=a\+2Bb$/m, 'MAIL');
	like(join("\n", @commands), qr/^RCPT TO:<b\@example\.net> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;old\+2Bname\@example\.net$/m, 'RCPT');
	like(join("\n", @commands), qr/^RCPT TO:<c\@example\.net>(?! NOTIFY)/m, 'the other has none');
});
said('DSN is dropped where the smarthost lacks it', ['MAIL FROM:<a@example.com> RET=FULL', 'RCPT TO:<b@example.net> NOTIFY=NEVER', 'DATA', split(/\r\n/, $header), '', '.', 'QUIT'],
    '220 250 250 354 250 221', ext => '-DSN', sent => 1, log => {dropped => 'DSN'});
said('SMTPUTF8', ["MAIL FROM:<\xc3\xbc\@example.com> SMTPUTF8", "RCPT TO:<\xc3\xb6\@example.net>", 'QUIT'], '220 250 250 221');
said('an address outside ASCII after HELO, where nobody can ask for SMTPUTF8: the envelope is repeated', ['HELO x', 'MAIL FROM:<a@example.com>', 'RCPT TO:<b@example.net>', "RCPT TO:<\xc3\xb6\@example.net>", 'DATA', split(/\r\n/, $header), '', '.', 'QUIT'],
    '220 250 250 250 250 354 250 221', sent => 1, also => sub {
	my ($message) = $_[0]->server->messages;

	is(recipients($message), "b\@example.net \xc3\xb6\@example.net", 'recipients');
	like($message->{env}{mail}[0], qr/ SMTPUTF8/, 'asked for by ourselves');
});
said('the same, and the smarthost lacks it', ['HELO x', 'MAIL FROM:<a@example.com>', "RCPT TO:<\xc3\xb6\@example.net>", "RCPT TO:<\xff\@example.net>", 'QUIT'], '220 250 250 553 501 221', ext => '-SMTPUTF8');
said('after EHLO it is an error', ['EHLO x', "MAIL FROM:<\xc3\xb6\@example.com>", 'MAIL FROM:<a@example.com>', "RCPT TO:<\xc3\xb6\@example.net>", 'QUIT'], '220 250 501 250 501 221');
said('SMTPUTF8 that the smarthost lacks', ["MAIL FROM:<\xc3\xbc\@example.com> SMTPUTF8", 'MAIL FROM:<a@example.com> SMTPUTF8', "RCPT TO:<\xc3\xb6\@example.net>", 'RCPT TO:<b@example.net>', 'QUIT'],
    '220 553 250 553 250 221', ext => '-SMTPUTF8', also => sub { is(scalar(() = $_[0]->out =~ /^553 5\.6\.7 /mg), 2, '5.6.7') });
said('SIZE: too much is told at MAIL where it is declared, else at the end', ['MAIL FROM:<a@example.com> SIZE=2000', 'MAIL FROM:<a@example.com>', 'RCPT TO:<b@example.net>', 'DATA', split(/\r\n/, $header), '',
    ('x' x 70) x 30, '.', 'QUIT'], '220 552 250 250 354 552 221', ext => 'SIZE 1000', sent => 0, also => sub { is(scalar(() = $_[0]->out =~ /^552[- ]5\.3\.4 the message is too large/mg), 2, '5.3.4') });
said('requiretls of the configuration', ['MAIL FROM:<a@example.com>', 'QUIT'], '220 550 221', top => {requiretls => \'true'}, also => sub { like($_[0]->out, qr/^550-5\.7\.30 /m, '5.7.30') });
said('requiretls that is offered', ['MAIL FROM:<a@example.com>', 'QUIT'], '220 250 221', top => {requiretls => \'true'}, ext => '+REQUIRETLS', also => sub {
	like(join("\n", $_[0]->server->commands), qr/^MAIL .* REQUIRETLS/m, 'is asked for');
});
said('bare names, aliases, local-to', ['MAIL FROM:<cron>', 'RCPT TO:<root>', 'RCPT TO:team', 'RCPT TO:<nobody@localhost>', 'DATA', 'From: cron', 'To: root, team', '', '.', 'QUIT'], '220 250 250 250 250 354 250 221',
    top => {aliases => spew(scratch() . '/aliases', "team: x\@example.org, y\@example.org\nroot: x\@example.org\n", 0644), 'local-to' => 'admin@example.com'}, sent => 1, also => sub {
	my ($message) = $_[0]->server->messages;

	is(path_of($message->{env}{mail}[0]), 'cron@example.com', 'sender');
	is(recipients($message), 'x@example.org y@example.org admin@example.com', 'recipients, each once');
	like($message->{data}, qr/^From: cron\@example\.com\r\nTo: root\@example\.com, team\@example\.com\r$/m, 'the header');
});
said('a name that cannot be had stays so', ['MAIL FROM:<a@example.com>', 'RCPT TO:<prog>', 'RCPT TO:<prog>', 'RCPT TO:<b@example.net>', 'DATA', split(/\r\n/, $header), '', '.', 'QUIT'], '220 250 550 550 250 354 250 221',
    top => {aliases => spew(scratch() . '/aliases', "prog: |/bin/true\n", 0644)}, sent => 1, also => sub { is(recipients(($_[0]->server->messages)[0]), 'b@example.net', 'the other gets it') });
said('one who was refused is asked again, and nobody behind him is forgotten', ['MAIL FROM:<a@example.com>', 'RCPT TO:<ok@example.net>', ('RCPT TO:<nobody@example.net>') x 3, 'RCPT TO:<b@example.net>', 'RCPT TO:<OK@example.net>',
    'RCPT TO:<ok@EXAMPLE.net>', 'DATA', split(/\r\n/, $header), '', '.', 'QUIT'], '220 250 250 550 550 550 250 250 250 354 250 221', rules => ['rcpt@nobody@* reply "550 5.1.1 No"'], sent => 1, also => sub {
	is(recipients(($_[0]->server->messages)[0]), 'ok@example.net b@example.net OK@example.net', 'each once');
	is(scalar(() = $_[0]->out =~ /^250 2\.1\.5 Named already/mg), 1, 'the last one was there');
});
{
	my $aliases = spew(scratch() . '/aliases', "team: a\@example.net, bad\@example.net, c\@example.net\nhalf: a\@example.net, ghost\n", 0644);
	my @no = (rules => ['rcpt@bad@* reply "550 5.1.1 No"']);

	said('an alias of whom one is refused gets nothing', ['MAIL FROM:<a@example.com>', 'RCPT TO:<team>', 'DATA', 'QUIT'], '220 250 550 554 221', @no, top => {aliases => $aliases}, sent => 0);
	said('but who is named besides does', ['MAIL FROM:<a@example.com>', 'RCPT TO:<b@example.net>', 'RCPT TO:<team>', 'RCPT TO:<c@example.net>', 'DATA', split(/\r\n/, $header), '', '.', 'QUIT'], '220 250 250 550 250 354 250 221', @no,
	    top => {aliases => $aliases}, sent => 1, also => sub { is(recipients(($_[0]->server->messages)[0]), 'b@example.net c@example.net', 'a@ was taken back') });
	said('an alias that cannot be completed adds nobody', ['MAIL FROM:<a@example.com>', 'RCPT TO:<b@example.net>', 'RCPT TO:<half>', 'RCPT TO:<a@example.net>', 'DATA', split(/\r\n/, $header), '', '.', 'QUIT'], '220 250 250 451 250 354 250 221',
	    top => {aliases => $aliases, domain => undef}, user => undef, tls => 'none', wrap => ['unshare', '-u', '--', 'sh', '-c', 'hostname box; exec "$0" "$@"'], sent => 1,
	    also => sub { is(recipients(($_[0]->server->messages)[0]), 'b@example.net a@example.net', 'both are asked') }) if can_unshare();
}
said('override-from that needs SMTPUTF8', ['EHLO x', 'MAIL FROM:<m@example.com>', 'QUIT'], '220 250 250 221', top => {from => "b\xc3\xbcro\@example.com", 'override-from' => \'true'}, also => sub {
	like(join("\n", $_[0]->server->commands), qr/^MAIL FROM:<b\xc3\xbcro\@example\.com>.* SMTPUTF8/m, 'asked for');
});
said('the smarthost\'s own 501 does not count', ['MAIL FROM:<a@example.com>', map({ "RCPT TO:<r$_\@example.net>" } 1 .. 12), 'QUIT'], '220 250 ' . '501 ' x 12 . '221', rules => ['rcpt reply "501 5.1.3 bad"']);
said('nor does what was sent along with a sender that is refused', [map({ ("MAIL FROM:<m\@example.com>", 'RCPT TO:<b@example.net>', 'DATA') } 1 .. 6), 'MAIL FROM:<a@example.com>', 'QUIT'], '220 ' . '451 503 503 ' x 6 . '250 221',
    rules => ['mail@m@* reply "451 4.7.1 later"']);
said('530 is for the configuration to see to', ['MAIL FROM:<a@example.com>', 'QUIT'], '220 451 221', rules => ['mail reply "530 5.7.0 Authentication required"'], also => sub { like($_[0]->out, qr/^451-4\.3\.5 .*\r\n.*Remedy/sm, '4.3.5') });
said('a chunk whose end is not known', "MAIL FROM:<a\@example.com>\r\nRCPT TO:<b\@example.net>\r\nBDAT 1e3 LAST\r\nRSET\r\nMAIL FROM:<evil\@example.com>\r\n", '220 250 250 501 421', exit => 64, sent => 0, also => sub {
	unlike($_[0]->server->dialogue, qr/evil/, 'its octets are no commands');
});
for my $line ("BDAT 1\0 LAST", "BDAT 100 \xc3\xbc", 'BDAT 1 ' . 'x' x 600, 'BDAT 1 ' . 'x' x 3000) {
	said('no BDAT is followed by commands, ' . length $line, "MAIL FROM:<a\@example.com>\r\nRCPT TO:<b\@example.net>\r\n$line\r\nRSET\r\nMAIL FROM:<evil\@example.com>\r\n", '220 250 250 ' . (length $line < 100 ? 501 : 500) . ' 421', exit => 64, sent => 0);
}
said('a refused chunk does not hide why it ended', [map({ "FOO$_" } 1 .. 9), 'BDAT 100000'], '220 ' . '500 ' x 9 . '503 421', exit => 64);
said('override-from', ['MAIL FROM:<www-data@3f2a>', 'RCPT TO:<b@example.net>', 'DATA', 'From: Shop <www-data@3f2a>', 'To: b@example.net', '', '.', 'QUIT'], '220 250 250 354 250 221',
    top => {from => 'app@example.com', 'override-from' => \'true'}, sent => 1, also => sub {
	my ($message) = $_[0]->server->messages;

	is(path_of($message->{env}{mail}[0]), 'app@example.com', 'sender');
	like($message->{data}, qr/^From: Shop <app\@example\.com>\r$/m, 'From');
	like($message->{data}, qr/^Reply-To: Shop <www-data\@3f2a>\r$/m, 'Reply-To');
});
said('-v shows the dialogue with the smarthost on stderr', [@envelope, 'QUIT'], '220 250 250 250 221', argv => ['-bs', '-v'], printed => 1, raw => 1, err => qr/C: MAIL FROM.*C: RCPT TO/s);

# --- the end of data: CRLF.CRLF where DATA ended in CRLF; LF.LF as well where it ended in LF; nothing else ever

for my $inside ("\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r\n", "\r\n.\r\r\n", "\r\n\0.\r\n", "\r.\r", "\n.\r", "\r\n.\0\r\n") {
	my $name = $inside =~ s/([^.])/sprintf '\\x%02x', ord $1/gre;

	said("not the end: $name", "$begin${header}\r\nbefore${inside}MAIL FROM:<evil\@example.com>\r\nRCPT TO:<victim\@example.com>\r\nDATA\r\nevil\r\n.\r\nQUIT\r\n", $ok, sent => 1, also => sub {
		my ($message) = $_[0]->server->messages;

		like($message->{data}, qr/^.*MAIL FROM:<evil/m, "all of it is text");
		is(recipients($message), 'b@example.net', 'one envelope');
		unlike($message->{data}, qr/(?<!\r)\n|\r(?!\n)/, 'CRLF alone');
	});
}
my $bare = $begin =~ s/DATA\r\n/DATA\n/r;
said('LF.LF where DATA ended in LF', "$bare" . $header =~ tr/\r//dr . "\nHello\n..dot\n.\nQUIT\n", $ok, sent => 1, also => sub {
	is(($_[0]->server->messages)[0]{data}, "$header\r\nHello\r\n.dot\r\n", 'the message');
});
said('CRLF.CRLF where DATA ended in LF', "$bare${header}\r\nHello\r\n.\r\nQUIT\n", $ok, sent => 1);
for my $inside ("\n.\r\n", "\r.\r\n", "\n.\r") {
	my $name = $inside =~ s/([^.])/sprintf '\\x%02x', ord $1/gre;

	said("not the end where DATA ended in LF: $name", "$bare${header}\r\nbefore${inside}MAIL FROM:<evil\@example.com>\r\n.\r\nQUIT\r\n", $ok, sent => 1, also => sub {
		like(($_[0]->server->messages)[0]{data}, qr/^.*MAIL FROM:<evil/m, "it is text");
	});
}

# --- the recorded dialogues, said to it

sub expected_class
{
	my ($want, $got) = @_;

	return substr($want, 0, 1) eq substr($got, 0, 1);
}

for my $path (glob "$data/*.dialogue") {
	my ($name) = $path =~ m{([^/]+)\.dialogue\z};
	my (@steps, @body);

	for (split /\n/, slurp($path)) {
		push @steps, {say => $1} if /^C: (.*)/ && $1 ne '.';
		push @body, $1 if /^B: ?(.*)/;
		if (/^C: \.$/) {
			push @steps, {say => join("\r\n", @body, '.')};
			@body = ();
		}
		$steps[-1]{want} = $1 if @steps && /^S: (\d{3}) /;
	}
	@steps = grep { $_->{say} !~ /^AUTH|^[A-Za-z0-9+\/]+=*$/ || $_->{say} =~ /^(?:DATA|QUIT|RSET)$/i } @steps;	# it is a pipe
	subtest "dialogue: $name" => sub {
		my $talk = talk(ext => '+ETRN');
		my $greeting = $talk->hear;

		is($greeting->{code}, 220, 'greeting');
		for my $step (@steps) {
			my $got = $talk->ask($step->{say});

			ok(expected_class($step->{want}, $got), "$step->{want} to " . ($step->{say} =~ s/\r\n.*//sr)) or diag($got);
			like($got, qr/^500 /, 'exactly') if $step->{say} =~ /^HELOO/;
		}
		my $run = $talk->end;
		well_formed($run->out);
		is($run->server->violations, '', 'no violation towards the smarthost');
		is(scalar(() = $run->server->messages), scalar(grep { $_->{say} =~ /\r\n\.\z/ } @steps), 'messages');
	};
}

# --- somebody at the keyboard, on a socket as inetd or systemd gives it

subtest 'a person' => sub {
	my $talk = talk(rules => ['rcpt@nobody@* reply "550-5.1.1 User unknown" "550 5.1.1 in this place"']);
	my $refusal;

	like($talk->hear->{text}, qr/HELP/, 'the greeting tells of HELP');
	is($talk->{run}->server->dialogue, '', 'the smarthost is not troubled yet');
	like($talk->ask('HELO'), qr/^501 .*Syntax: HELO name/, 'what is missing is told');
	like($talk->ask('mail form:<a@example.com>'), qr/^501 .*MAIL FROM:<address>/, 'and how it is written');
	like($talk->ask('MAIL FROM: a@example.com'), qr/^250 2\.1\.0 /, 'MAIL');
	like($talk->{run}->server->dialogue, qr/C: MAIL FROM:<a\@example\.com>/, 'the smarthost was asked at once');
	$refusal = $talk->ask('RCPT TO:<nobody@example.net>');
	like($refusal, qr/^550 5\.1\.1 User unknown\W+5?\.?1?\.?1? ?in this place/, 'the smarthost\'s own words');
	like($talk->ask('RCPT TO:<b@example.net>'), qr/^250 2\.1\.5 /, 'RCPT');
	like($talk->ask('DATA'), qr/^354 .*dot/, 'DATA tells how it ends');
	like($talk->ask('Subject: hello', '', 'text', '.'), qr/^250 2\.0\.0 /, 'taken');
	is(scalar(() = $talk->{run}->server->messages), 1, 'and it has arrived by then');
	like($talk->ask('QUIT'), qr/^221 2\.0\.0 /, 'QUIT');
	is($talk->hear, undef, 'closed');
	my $run = $talk->end;
	is($run->exit, 0, 'exit status');
	is($run->err, '', 'nothing on stderr');
};

subtest 'an answer is not held back for the rest of a line' => sub {
	my $talk = talk();

	$talk->hear;
	$talk->send("NOOP\r\nNO");
	is(($talk->hear(20) // {code => 'none'})->{code}, 250, 'NOOP');
	$talk->send("OP\r\nQUIT\r\n");
	is(($talk->hear(20) // {code => 'none'})->{code}, 250, 'the other');
	is($talk->end->exit, 0, 'exit status');
};
subtest 'QUIT does not wait for the smarthost' => sub {
	my $talk = talk(rules => ['rset stall']);

	$talk->hear;
	like($talk->ask('MAIL FROM:<a@example.com>'), qr/^250 /, 'MAIL');
	is(($talk->say('QUIT'), $talk->hear(20))[-1]{code}, 221, 'QUIT');
	is($talk->end->exit, 0, 'exit status');
};

# --- trouble of our own

for my $argv (['-bs', '-Zx'], ['-Zx', '-bs'], ['-Z', '-b', 's'], ['-Zx', '-ibs'], ['-t', '--check', '-bs'], ['-bs', '-q']) {
	check "a flag that is refused: @$argv", argv => $argv, stdin => {data => '', hold => 1}, exit => 64, out => qr/\A421 4\.3\.0 .*\r\n\z/, err => [qr/refused/], sent => 0;
}
for my $argv (['-Zx', '--', '-bs'], ['-Zx', 'a@example.net', '-bs'], ['-f', '-bs', '-Zx'], ['-bs', '-bm', '-Zx']) {
	check "a flag that is refused, and no dialogue: @$argv", argv => $argv, exit => 64, err => [qr/refused/], sent => 0, also => sub { is($_[0]{stdin_left}, 0, 'stdin was read') };
}
subtest 'who takes no answers is not waited for' => sub {
	my $run = submit(argv => ['-bs'], top => {'idle-timeout' => '50s'}, setup => sub { socketpair my $near, my $far, AF_UNIX, SOCK_STREAM, PF_UNSPEC; open STDOUT, '>&', $near; close $far }, limit => 40,
	    stdin => {data => "NOOP\r\n", hold => 1});

	is($run->exit, 74, 'exit status');
	is($run->timed_out, undef, 'at once');
};
said('asked again after a 450: the log tells of the success alone', ['MAIL FROM:<a@example.com>', 'RCPT TO:<b@example.net>', 'RCPT TO:<b@example.net>', 'DATA', split(/\r\n/, $header), '', '.', 'QUIT'], '220 250 450 250 354 250 221',
    rules => ['rcpt#1 reply "450 4.2.0 Later"'], sent => 1, log => {status => 'sent', recipients => 1});
said('the end within the message is in the log', $begin . "$header\r\nHello\r\n", '220 250 250 250 354', sent => 0, exit => 65, log => {status => 'dropped', exit => 65});
check 'a directory as standard input', argv => ['-bs'], stdin => {file => scratch()}, exit => 66, out => qr/\A220 /, err => [], sent => 0, log => undef;

said('no configuration', [@envelope, 'QUIT'], '220 250 451 503 221', conf => undef, server => 0, env => {SENDMAIL_CONF => '/nonexistent/x'}, log => undef, also => sub {
	like($_[0]->out, qr/^451-4\.3\.5 .*x.*\r\n(?:451-.*\r\n)*451 4\.3\.5 Remedy: /m, '4.3.5, with cause and remedy');
});
said('an error in it', [@envelope, 'QUIT'], '220 250 451 503 221', conf => "frmo = 'x'\n", server => 0, log => undef, also => sub { like($_[0]->out, qr/4\.3\.5 .*frmo/, 'named') });
check 'stdin is closed', argv => ['-bs'], stdin => 'closed', exit => 66, log => {status => 'failed', stage => 'input'};
check 'stdout is closed', argv => ['-bs'], close => [1], stdin => join('', map { "$_\r\n" } @envelope, 'QUIT'), exit => 0, log => {status => 'dropped'}, sent => 0;
check 'nobody reads the answers', argv => ['-bs'], setup => sub { socketpair my $a, my $b, AF_UNIX, SOCK_STREAM, PF_UNSPEC; open STDOUT, '>&', $a; close $b }, stdin => "NOOP\r\n" x 10, exit => 74, raw => 1,
    err => [], log => undef, sent => 0;

subtest 'silence' => sub {
	my $talk = talk(top => {'idle-timeout' => '3s'});

	is($talk->hear->{code}, 220, 'greeting');
	like($talk->ask('MAIL FROM:<a@example.com>'), qr/^250 /, 'MAIL');
	like($talk->hear(40)->{text}, qr/4\.4\.2 /, '421 after idle-timeout');
	my $run = $talk->end;
	is($run->exit, 75, 'exit status');
	is($run->log->{status}, 'dropped', 'the message is given up');
};
subtest 'silence within the message' => sub {
	my $talk = talk(top => {'idle-timeout' => '3s'});

	$talk->hear;
	$talk->ask($_) for 'MAIL FROM:<a@example.com>', 'RCPT TO:<b@example.net>', 'DATA';
	$talk->say('Subject: x');
	is($talk->hear(40)->{code}, 421, "the end is told");
	is(scalar(() = $talk->end->server->messages), 0, 'nothing was sent');
};

done_testing;
