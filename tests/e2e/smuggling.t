# Nothing that is given to us can put a command, a recipient, a header field or a second message where only data belongs: end of data in
# every disguise, line ends in addresses, in the header, in the configuration, in the environment, in flags.
use strict;
use warnings;
use lib 'tests/e2e/lib';
use E2E;

use constant HEAD => "From: a\@example.com\r\nTo: b\@example.net\r\nDate: Sun, 22 Nov 2026 03:14:15 +0000\r\nMessage-ID: <1\@example.com>\r\n" .
    "Subject: test\r\n";
use constant SECOND => "MAIL FROM:<evil\@e>\r\nRCPT TO:<evil\@e>\r\nDATA\r\nSubject: smuggled\r\n\r\nsecond\r\n.\r\nQUIT\r\n";

my %plain = (tls => 'none', user => undef);

sub commands_are_ours
{
	my ($run, @rcpt) = @_;
	my $server = $run->server;
	my @commands = $server->commands;

	is(scalar(grep { /^MAIL/i } @commands), $server->messages ? 1 : 0, 'one MAIL');
	is(scalar(grep { /evil|<c\@d>/i } @commands), 0, 'nothing smuggled is among the commands') or diag(join "\n", @commands);
	is(scalar(grep { !/^(?:EHLO client\.example\.com\z|MAIL FROM:<|RCPT TO:<|DATA\z|BDAT \d+(?: LAST)?\z|QUIT\z)/ } @commands), 0,
	    'commands are as we write them') or diag(join "\n", @commands);
	is_deeply([map { /^RCPT TO:<([^>]*)>/ ? $1 : () } @commands], [@rcpt], 'recipients') if @rcpt;
}

# --- ends of data ------------------------------------------------------------------------------------------------------------------

# Each end of data that one server or another has taken for one, and what it has to become: never CRLF . CRLF with the dot as it was.
my @ends = (
	['CRLF . CRLF', "\r\n.\r\n", "\r\n.\r\n"],
	['LF . LF', "\n.\n", "\r\n.\r\n"],
	['LF . CRLF', "\n.\r\n", "\r\n.\r\n"],
	['CRLF . LF', "\r\n.\n", "\r\n.\r\n"],
	['CR . CRLF', "\r.\r\n", " .\r\n"],
	['CR . CR', "\r.\r", " . "],
	['LF . CR', "\n.\r", "\r\n. "],
	['CRLF . CR', "\r\n.\r", "\r\n. "],
	['CR . LF', "\r.\n", " .\r\n"],
	['CR CR LF . CR CR LF', "\r\r\n.\r\r\n", "\r\n.\r\n"],
	['CRLF NUL . CRLF', "\r\n\0.\r\n", "\r\n.\r\n"],
	['CRLF . NUL CRLF', "\r\n.\0\r\n", "\r\n.\r\n"],
	['LF . NUL LF', "\n.\0\n", "\r\n.\r\n"],
	['CR NUL LF . CR NUL LF', "\r\0\n.\r\0\n", "\r\n.\r\n"],
	['two dots', "\r\n..\r\n", "\r\n..\r\n"],
	['a blank behind the dot', "\r\n. \r\n", "\r\n. \r\n"],
	['LF CR . CRLF', "\n\r.\r\n", "\r\n .\r\n"],
);
for my $end (@ends) {
	my ($name, $in, $out) = @$end;

	for my $ext ('-CHUNKING', '+CHUNKING') {
		# A bare CR in front of the smuggled commands is a blank; they are text like any other.
		check("$name, $ext", %plain, ext => $ext, argv => ['-i', 'b@example.net'], stdin => HEAD . "\r\nfirst$in" . SECOND, sent => 1, also => sub {
			my ($run) = @_;
			my ($message) = $run->server->messages;

			commands_are_ours($run, 'b@example.net');
			is($message->{data}, HEAD . "\r\nfirst$out" . SECOND, 'it all arrived as one body, byte for byte');
		});
	}
}

# Without -i a lone dot is the end, in each of its forms, and what follows is never sent.
for my $end (grep { $_->[2] eq "\r\n.\r\n" } @ends) {
	my ($name, $in) = @$end;

	check("$name without -i", %plain, stdin => HEAD . "\r\nfirst$in" . SECOND, sent => 1, also => sub {
		is(($_[0]->server->messages)[0]{data}, HEAD . "\r\nfirst\r\n", 'it ends there');
		commands_are_ours($_[0], 'b@example.net');
	});
}

# --- addresses -----------------------------------------------------------------------------------------------------------------------

my @breaks = ("\r\n", "\n", "\r");
for my $break (@breaks) {
	my $shown = $break =~ s/\r/CR/r =~ s/\n/LF/r;
	my $evil = "a\@b${break}RCPT TO:<c\@d>";

	for my $flag ('-f', '-r') {
		check("$flag with $shown", %plain, argv => ['-i', $flag, $evil, 'b@example.net'], exit => 64, err => [qr/sender/],
		    also => sub { is($_[0]->server->dialogue, '', 'the smarthost heard nothing') });
	}
	check("-f with $shown inside quotes", %plain, argv => ['-f', qq("a${break}RCPT TO:<c\@d>"\@b), 'b@example.net'], exit => 64, err => [qr/sender/]);
	check("-f with $shown inside a comment", %plain, argv => ['-f', "a\@b (x${break}RCPT TO:<c\@d>)", 'b@example.net'], exit => 64,
	    err => [qr/sender/]);
	check("an argument with $shown", %plain, argv => ["b\@example.net", "a\@b${break}RCPT TO:<c\@d>"], exit => 64, err => [qr/recipient/]);
	check("an argument with $shown inside quotes", %plain, argv => [qq("a${break}RCPT TO:<c\@d>"\@b)], exit => 64, err => [qr/recipient/]);
}

# In To: a line end that no blank follows begins another field or the body; with a blank it is folding.
check('a line end in To, then RCPT', %plain, argv => ['-t'], stdin => "From: a\@example.com\nTo: a\@b\nRCPT TO:<c\@d>\n\nx\n", also => sub {
	commands_are_ours($_[0], 'a@b');
});
check('a folded line in To, then RCPT', %plain, argv => ['-t'], stdin => "From: a\@example.com\nTo: a\@b\n RCPT TO:<c\@d>\nCc: e\@f\n\nx\n", exit => 65,
    sent => 1, err => [qr/in To/], also => sub { commands_are_ours($_[0], 'e@f') });
check('a bare CR in To', %plain, argv => ['-t'], stdin => "From: a\@example.com\nTo: a\@b\rRCPT TO:<c\@d>\nCc: e\@f\n\nx\n", exit => 65,
    sent => 1, err => [qr/in To/], also => sub { commands_are_ours($_[0], 'e@f') });
check('quoted line ends in a local part in To', %plain, argv => ['-t'], stdin => qq(From: a\@example.com\nTo: "a\\\r\\\n RCPT TO:<c\@d>"\@b\nCc: e\@f\n\nx\n),
    exit => 65, sent => 1, err => [qr/in To/], also => sub { commands_are_ours($_[0], 'e@f') });
check('angle brackets in a quoted local part stay quoted', %plain, argv => ['-t'], stdin => qq(From: a\@example.com\nTo: "a> X<c\@d"\@b\n\nx\n), also => sub {
	is_deeply(($_[0]->server->messages)[0]{env}{rcpt}, ['<"a> X<c@d"@b>'], 'recipient');
});
check('parameters behind an address', %plain, argv => ['-t'], stdin => "From: a\@example.com\nTo: <a\@b> NOTIFY=NEVER, c\@e\n\nx\n", exit => 65, sent => 1,
    err => [qr/NOTIFY/], also => sub { commands_are_ours($_[0], 'c@e') });
check('the sender of the header with a folded command', %plain, stdin => "From: a\@b\n RCPT TO:<c\@d>\nTo: b\@example.net\n\nx\n", exit => 0, also => sub {
	commands_are_ours($_[0], 'b@example.net');
});

# --- header names and text -----------------------------------------------------------------------------------------------------------

check('a header name with CR', %plain, argv => ['-t'], stdin => "From: a\@example.com\nTo: a\@b\nX\rBcc: c\@d\n\nx\n", also => sub {
	commands_are_ours($_[0], 'a@b');
	unlike(($_[0]->server->messages)[0]{data}, qr/^Bcc/m, 'no such field was made');
});
check('a header name with CR and a lone dot', %plain, argv => ['-t', '-i'], stdin => "From: a\@example.com\nTo: a\@b\nX\r.\r\r: y\n\nx\n", also => sub {
	commands_are_ours($_[0], 'a@b');
});
check('a header name that is a command', %plain, argv => ['-t'], stdin => "RCPT TO:<c\@d>\nTo: a\@b\n\nx\n", exit => 65, err => [qr/no recipients/], sent => 0);
check('a header name with NUL', %plain, argv => ['-t'], stdin => "From: a\@example.com\nTo: a\@b\nB\0cc: e\@f\n\nx\n", also => sub {
	commands_are_ours($_[0], 'a@b', 'e@f');
	unlike(($_[0]->server->messages)[0]{data}, qr/^Bcc/im, 'Bcc, which it is, has gone');
});
check('an encoded word with line ends stays as it is', %plain, argv => ['-t'],
    stdin => "From: a\@example.com\nTo: a\@b\nSubject: =?utf-8?Q?x=0D=0ABcc:_c=40d?=\n\nx\n", also => sub {
	commands_are_ours($_[0], 'a@b');
	like(($_[0]->server->messages)[0]{data}, qr/^Subject: =\?utf-8\?Q\?x=0D=0ABcc:_c=40d\?=\r$/m, 'undecoded');
});

# --- flags ---------------------------------------------------------------------------------------------------------------------------

# -F goes into a From that is made: a line end in it is no line end there.
for my $break (@breaks) {
	my $shown = $break =~ s/\r/CR/r =~ s/\n/LF/r;

	check("-F with $shown", %plain, argv => ['-F', "Name${break}Bcc: c\@d${break}${break}body", '-f', 'a@example.com', 'b@example.net'],
	    stdin => "Subject: x\n\nHello\n", also => sub {
		my $data = ($_[0]->server->messages)[0]{data};

		commands_are_ours($_[0], 'b@example.net');
		unlike($data, qr/^Bcc/m, 'no field was made of it');
		like($data, qr/^From: .*<a\@example\.com>\r$/m, 'From has the address');
		like($data, qr/\r\n\r\nHello\r\n\z/, 'the body is where it was');
		is(scalar(() = $data =~ /\r\n\r\n/g), 1, 'one blank line');
	});
	for (['-V', 'id'], ['-N', 'failure'], ['-R', 'hdrs'], ['-B', '8BITMIME']) {
		my ($flag, $value) = @$_;

		check("$flag with $shown", %plain, argv => [$flag, "$value${break}RCPT TO:<c\@d>", 'b@example.net'], exit => 64, err => [qr/$flag/], also => sub { is($_[0]->server->dialogue, '', 'the smarthost heard nothing') });
	}
	check("-L with $shown", %plain, argv => ['-L', "tag${break}Nov 22 00:00:00 host sshd[1]: evil", 'b@example.net'], also => sub {
		is(scalar($_[0]->log_lines), 1, 'one log line');
		commands_are_ours($_[0], 'b@example.net');
	});
	check("-p with $shown", %plain, argv => ['-p', "SMTP${break}RCPT TO:<c\@d>", 'b@example.net'], also => sub { commands_are_ours($_[0], 'b@example.net') });
}
check('-V is xtext', %plain, argv => ['-V', 'a+b=c', 'b@example.net'], also => sub {
	like((grep { /^MAIL/ } $_[0]->server->commands)[0], qr/ ENVID=a\+2Bb\+3Dc(?: |\z)/, 'ENVID');
});

# --- configuration and environment -----------------------------------------------------------------------------------------------------

for my $break (@breaks) {
	my $shown = $break =~ s/\r/CR/r =~ s/\n/LF/r;
	my $escaped = $break =~ s/\r/\\r/r =~ s/\n/\\n/r;

	for my $option (qw(domain from local-to hostname)) {
		my $value = $option =~ /^(?:from|local-to)\z/ ? "a\@b${escaped}RCPT TO:<c\@d>" : "b.example${escaped}RCPT TO:<c\@d>";

		check("$option with $shown in the configuration", %plain, top => {$option => \qq("$value")}, argv => ['-t'], stdin => "From: root\nTo: root\n\nx\n",
		    exit => 78, log => undef, err => qr/\A[^\n]*$option[^\n]*\n\z/, also => sub { is($_[0]->server->dialogue, '', 'the smarthost heard nothing') });
	}

	my $server = smarthost(%plain);
	my %container = (server => $server, conf => undef, exit => 78, sent => 0, log => undef);
	my %env = (SENDMAIL_SMARTHOST => 'smtp://127.0.0.1:' . $server->port, SENDMAIL_LOG => undef);

	for my $variable (qw(SENDMAIL_DOMAIN SENDMAIL_FROM)) {
		my $value = $variable eq 'SENDMAIL_FROM' ? "a\@b${break}RCPT TO:<c\@d>" : "b.example${break}RCPT TO:<c\@d>";

		check("$variable with $shown", %container, env => {%env, $variable => $value}, argv => ['-t'], stdin => "From: root\nTo: root\n\nx\n",
		    also => sub { is($_[0]->server->dialogue, '', 'the smarthost heard nothing') });
	}

	# A user is any octets; AUTH has them in base64.
	check("a user with $shown", tls => 'none', auth => 'PLAIN', user => "a${break}RCPT TO:<c\@d>", host => {user => \qq("a${escaped}RCPT TO:<c\@d>")},
	    argv => ['-f', 'a@example.com', 'b@example.net'], also => sub {
		my @commands = $_[0]->server->commands;

		is(scalar(grep { !/^(?:EHLO|AUTH PLAIN|MAIL FROM:<a\@example\.com>|RCPT TO:<b\@example\.net>|BDAT|QUIT)/ } @commands), 0, 'commands are as we write them');
	});
}

# USER, LOGNAME and their kind say nothing about us.
check('the environment names no sender', %plain, env => {map { $_ => "c\@d\r\nRCPT TO:<c\@d>" } qw(USER LOGNAME HOME HOSTNAME MAIL FROM NAME REPLYTO)},
    stdin => "Subject: x\n\nx\n", also => sub {
	commands_are_ours($_[0], 'b@example.net');
	unlike(($_[0]->server->messages)[0]{data}, qr/c\@d/, 'nothing of it in the message');
});

done_testing;
