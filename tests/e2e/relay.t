# What the smarthost does while a dialogue goes on (-bs; CONTRACT section 3a): its verdicts, connections that are lost at every stage and opened
# again, the envelope that is repeated, several smarthosts, sign-in and TLS that fail.
use strict;
use warnings;
use lib 'tests/e2e/lib';
use E2E;
use IO::Socket::INET;

my @message = ('From: a@example.com', 'To: b@example.net', 'Subject: test', '', 'Hello', '.');
my ($mail, $rcpt, $second) = ('MAIL FROM:<a@example.com>', 'RCPT TO:<b@example.net>', 'RCPT TO:<c@example.net>');

# A conversation: [what is said, what must be the answer] ..., and what there is to see afterwards.
sub conversation
{
	my ($name, $steps, %o) = @_;
	my $also = delete $o{also};
	my $sent = exists $o{sent} ? delete $o{sent} : 0;

	subtest $name => sub {
		my $talk = talk(%o);

		is($talk->hear->{code}, 220, 'greeting');
		for my $step (@$steps) {
			my ($line, $want) = @$step;

			if (ref $line) {
				$line->($talk);
				next;
			}
			like($talk->ask($line), $want, $line =~ s/\r\n.*//sr);
		}
		like($talk->ask('QUIT'), qr/^221 /, 'QUIT');
		my $run = $talk->end;
		is($run->exit, 0, 'exit status');
		is($run->err, '', 'nothing on stderr');
		is($run->findings, '', 'the sanitizers found nothing') if sanitized();
		if ($run->server) {
			is(scalar(() = $run->server->messages), $sent, 'messages that arrived') if defined $sent;
			is($run->server->violations, '', 'no violation of the protocol');
		}
		$also->($run) if $also;
		$run->server->stop if $run->server && !ref $o{server};
	};
}

my $data = ['DATA', qr/^354 /];
my $text = [join("\r\n", @message), qr/^250 2\.0\.0 /];
my @good = ([$mail, qr/^250 /], [$rcpt, qr/^250 /], $data, $text);

# Waits until the smarthost has ended the first connection.
my $gone = [sub {
	my ($talk) = @_;

	for (1 .. 3000) {
		last if $talk->{run}->server->dialogue =~ /^1 \S+ #: end/m;
		select undef, undef, undef, 0.01;
	}
	select undef, undef, undef, 0.05;	# and the system has told us
}];

sub connections { return scalar(() = $_[0]->server->dialogue =~ /^\d+ \S+ #: connection from/mg) }

# --- verdicts go through as they are

conversation('the sender is refused, then another is not', [[$mail, qr/^553 5\.7\.1 Not owned by user/], ['MAIL FROM:<app@example.com>', qr/^250 /], [$rcpt, qr/^250 /], $data, $text],
    rules => ['mail@a@* reply "553 5.7.1 Not owned by user"'], sent => 1, also => sub { is(connections($_[0]), 1, 'one connection') });
conversation('a verdict without an enhanced code gets one', [[$mail, qr/^250 2\.1\.0 ok/], [$rcpt, qr/^550 5\.1\.1 unknown/]], rules => ['mail reply "250 ok"', 'rcpt reply "550 unknown"']);
conversation('of several lines', [[$mail, qr/^250 /], [$rcpt, qr/^550 5\.1\.1 User unknown.*in this place/s]], rules => ['rcpt reply "550-5.1.1 User unknown" "550 5.1.1 in this place"']);
conversation('251, 252 and 452', [[$mail, qr/^250 /], [$rcpt, qr/^251 /], [$second, qr/^452 4\.5\.3 /], $data, $text], rules => ['rcpt#1 reply "251 2.1.5 will forward"',
    'rcpt#2 reply "452 4.5.3 Too many recipients"'], sent => 1);
conversation('refused at the end of the message; the next one is not', [@good[0 .. 2], [join("\r\n", @message), qr/^554 5\.7\.1 Spam/], @good],
    rules => ['dot#1 reply "554 5.7.1 Spam"'], sent => 1, also => sub {
	is(connections($_[0]), 1, 'one connection');
	is(join(' ', map { /status=(\S+)/ } $_[0]->log_lines), 'failed sent', 'a log line each');
});
conversation('refused at DATA', [@good[0 .. 2], [join("\r\n", @message), qr/^452 4\.3\.1 Full/], @good], rules => ['data#1 reply "452 4.3.1 Full"'], ext => '-CHUNKING', sent => 1);
conversation('hostile words', [[$mail, qr/^250 /], [$rcpt, qr/^550 5\.1\.1 \\033\[31mred/]], rules => ['rcpt reply "550 5.1.1 \x1b[31mred"']);
conversation('very long words', [[$mail, qr/^250 /], [$rcpt, qr/^550 5\.1\.1 x/]], rules => ['rcpt reply "550 5.1.1 ' . 'x' x 1500 . '"'], also => sub {
	is(scalar(grep { length > 512 } split /(?<=\n)/, $_[0]->out), 0, 'no line is longer than SMTP has it');
});

# --- 421, which would end the caller's session, is 451 to him

conversation('421 at MAIL', [[$mail, qr/^451 4\.\d\.\d /], @good], rules => ['mail conn=1 reply "421 4.3.2 Shutting down" close'], sent => 1);
conversation('421 at RCPT: the envelope is repeated', [[$mail, qr/^250 /], [$rcpt, qr/^250 /], [$second, qr/^250 /], $data, $text], rules => ['rcpt#2 conn=1 reply "421 4.3.2 Shutting down" close'], sent => 1,
    also => sub {
	my ($message) = $_[0]->server->messages;

	is(connections($_[0]), 2, 'two connections');
	is(join(' ', @{$message->{env}{rcpt}}), '<b@example.net> <c@example.net>', 'all recipients');
});
conversation('421 at RCPT, always', [[$mail, qr/^250 /], [$rcpt, qr/^451 /]], rules => ['rcpt reply "421 4.3.2 Shutting down" close']);
conversation('421 at the end of the message', [@good[0 .. 2], [join("\r\n", @message), qr/^451 4\.3\.2 /], @good], rules => ['dot conn=1 reply "421 4.3.2 Shutting down" close'], sent => 1);

# --- lost connections

conversation('lost between two messages', [@good, $gone, @good], rules => ['dot conn=1 pass close'], sent => 2, also => sub {
	is(connections($_[0]), 2, 'opened again');
});
conversation('lost, and only seen at MAIL', [@good, @good], rules => ['mail#2 conn=1 close'], sent => 2);
conversation('lost at RCPT', [[$mail, qr/^250 /], [$rcpt, qr/^250 /], [$second, qr/^250 /], $data, $text], rules => ['rcpt#2 conn=1 close'], sent => 1, also => sub {
	is(join(' ', @{($_[0]->server->messages)[0]{env}{rcpt}}), '<b@example.net> <c@example.net>', 'all recipients');
});
conversation('lost while the caller writes', [@good[0 .. 2], $gone, $text], rules => ['rcpt conn=1 pass close'], sent => 1, also => sub {
	is(connections($_[0]), 2, 'the envelope was repeated');
});
conversation('lost at DATA', \@good, rules => ['data conn=1 close'], ext => '-CHUNKING', sent => 1);
conversation('lost within the message', [@good[0 .. 2], [join("\r\n", @message[0 .. 3], ('x' x 70) x 100_000, '.'), qr/^250 /]], rules => ['body conn=1 close'], ext => '-CHUNKING', sent => 1);
conversation('lost after the dot: nobody knows', [@good[0 .. 2], [join("\r\n", @message), qr/^451 4\.4\.2 .*may have taken/s], @good], rules => ['dot conn=1 close'], sent => 1, also => sub {
	like(($_[0]->log_lines)[0], qr/status=failed .*may have taken/, 'the log says so');
});
conversation('repeated, and a recipient is not taken again', [[$mail, qr/^250 /], [$rcpt, qr/^250 /], [$second, qr/^451 4\.4\.2 /], $data, [join("\r\n", @message), qr/^451 4\.4\.2 .*not taken again/s], @good[0, 1], ['RSET', qr/^250/]],
    rules => ['rcpt#2 conn=1 close', 'rcpt##1 conn=2 reply "550 5.1.1 Gone"'], sent => 0);
conversation('repeated while the caller writes, and a recipient is not taken again', [@good[0 .. 2], $gone, [join("\r\n", @message), qr/^451 4\.4\.2 /], @good],
    rules => ['rcpt conn=1 pass close', 'rcpt##1 conn=2 reply "450 4.2.0 Later"'], sent => 1);
conversation('one that was refused is not asked again', [[$mail, qr/^250 /], ['RCPT TO:<nobody@example.net>', qr/^550 /], [$rcpt, qr/^250 /], $data, $text],
    rules => ['rcpt@nobody* conn=1 reply "550 5.1.1 No"', 'rcpt@b@* conn=1 close'], sent => 1, also => sub {
	is(join(' ', @{($_[0]->server->messages)[0]{env}{rcpt}}), '<b@example.net>', 'the envelope');
});
conversation('repeated, and the sender is not taken again', [[$mail, qr/^250 /], [$rcpt, qr/^250 /], [$second, qr/^451 4\.4\.2 /], $data, [join("\r\n", @message), qr/^451 4\.4\.2 /]],
    rules => ['rcpt#2 conn=1 close', 'mail conn=2- reply "553 5.7.1 No"'], sent => 0);
conversation('lost at RSET', [[$mail, qr/^250 /], [$rcpt, qr/^250 /], ['RSET', qr/^250 /], @good], rules => ['rset conn=1 close'], sent => 1);

# --- it cannot be reached, or not be signed in to

my $nobody = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'tcp') or die "bind: $@";	# bound, but nobody listens
my $port = $nobody->sockport;
my $dead = "smarthost 'dead' {\nhost = '127.0.0.1'\nport = $port\ntls = 'none'\n}\n";

conversation('nobody is there', [[$mail, qr/^451 4\.4\.1 cannot connect .*Likely cause: .*Remedy: /s], ['RCPT TO:<b@example.net>', qr/^503 /], [$mail, qr/^451 4\.4\.1 /]], server => 0,
    conf => conf({log => '@LOG@', domain => 'example.com'}, $dead), also => sub { is(scalar($_[0]->log_lines), 2, 'two log lines') });
conversation('wrong password', [([$mail, qr/^451 4\.3\.5 .*535.*Remedy: /s]) x 3], rules => ['auth reply "535 5.7.8 No"'], also => sub {
	is(scalar(() = $_[0]->server->auth), 1, 'it is not tried at each message: accounts are locked for less');
});
conversation('the smarthost cannot look the password up for now', [[$mail, qr/^451 4\.3\.5 .*454 4\.7\.0/s], @good], rules => ['auth conn=1 reply "454 4.7.0 Temporary"'], sent => 1);
conversation('certificate', [[$mail, qr/^451 4\.3\.5 .*certificate/s]], cert => 'expired');
conversation('no STARTTLS', [[$mail, qr/^451 4\.3\.5 .*STARTTLS/s]], ext => '-STARTTLS');
conversation('greylisted at the door', [[$mail, qr/^451 4\.4\.2 /], @good], rules => ['banner conn=1 reply "450 4.3.2 Later" close'], sent => 1);
conversation('the password file is gone', [[$mail, qr/^451 4\.3\.5 .*password/s]], host => {password => undef, 'password-file' => '/nonexistent/password'});
conversation('silent at MAIL, within timeout', [[$mail, qr/^451 4\.4\.2 .*deadline/s]], rules => ['mail stall'], top => {timeout => '4s'});
conversation('silent at the second MAIL', [@good, [$mail, qr/^451 4\.4\.2 .*MAIL.*deadline/s]], rules => ['mail#2 stall'], top => {timeout => '4s'}, sent => 1, also => sub { is(connections($_[0]), 1, 'no time for another connection') });
conversation('silent at RCPT', [[$mail, qr/^250 /], [$rcpt, qr/^451 4\.4\.2 .*RCPT.*deadline/s]], rules => ['rcpt stall'], top => {timeout => '4s'});
conversation('the time of the caller does not count', [[$mail, qr/^250 /], [sub { sleep 3 }], [$rcpt, qr/^250 /], [sub { sleep 3 }], $data, $text], top => {timeout => '5s'}, sent => 1);

# --- out of step: what nobody asked for is not taken for an answer

my $stray = 'raw "250 2.1.5 ok\r\n250 2.0.0 extra\r\n"';
my $pause = [sub { select undef, undef, undef, 0.3 }];
conversation('an answer too many, then the message', [@good[0 .. 2], $pause, [join("\r\n", @message), qr/^554 5\.7\.1 Spam/]], rules => ["rcpt##1 conn=1 $stray", 'dot reply "554 5.7.1 Spam"'], also => sub {
	is($_[0]->log->{status}, 'failed', 'the log too');
	is(connections($_[0]), 2, 'a new connection');
});
conversation('an answer too many, then RCPT', [[$mail, qr/^250 /], [$rcpt, qr/^250 /], $pause, ['RCPT TO:<nobody@example.net>', qr/^550 5\.1\.1 /], [$second, qr/^250 /], $data, $text],
    rules => ["rcpt##1 conn=1 $stray", 'rcpt@nobody@* reply "550 5.1.1 No"'], sent => 1, also => sub {
	is(join(' ', @{($_[0]->server->messages)[0]{env}{rcpt}}), '<b@example.net> <c@example.net>', 'the right ones');
});
conversation('an answer too many, then another message', [@good, $pause, @good], rules => ['dot##1 conn=1 raw "250 2.0.0 ok\r\n250 2.0.0 extra\r\n"'], sent => 2, also => sub { is(connections($_[0]), 2, 'a new connection') });
my @spam = ('dot reply "554 5.7.1 Spam"');
my $refused = [join("\r\n", @message), qr/^554 5\.7\.1 Spam/];
my $list = spew(scratch() . '/aliases', "list: a\@example.net, bad\@example.net\n", 0644);
conversation('too many behind RSET', [@good[0, 1], ['RCPT TO:<list>', qr/^550 /], $data, $refused], rules => ['rcpt@bad@* reply "550 5.1.1 no"', 'rset conn=1 inject "250 stray\r\n"', @spam], top => {aliases => $list});
conversation('too many behind a RCPT that is repeated', [@good[0, 1], $gone, $data, [join("\r\n", @message), qr/^(?:250 2\.0\.0|451 4\.4\.2) /]], rules => ['rcpt conn=1 pass close', 'rcpt conn=2 inject "550 5.1.1 stray\r\n"'], sent => undef, also => sub {
	my ($run) = @_;

	is(scalar(() = $run->server->messages), $run->log->{status} eq 'sent' ? 1 : 0, 'the answer is true');
});
conversation('too many behind 354', [@good[0 .. 2], $refused], rules => ['data conn=1 inject "250 stray\r\n"', @spam], ext => '-CHUNKING');
conversation('too many behind EHLO', [[$mail, qr/^451 /], [$mail, qr/^250 /], [$rcpt, qr/^250 /], $data, $refused], rules => ['ehlo#2 conn=1 inject "250 stray\r\n"', @spam], auth => 'PLAIN', user => undef);
conversation('RSET is refused: a new connection', [@good[0 .. 2], [join("\r\n", @message[0 .. 3], "\xc3\xa4", '.'), qr/^250 /], [$mail, qr/^250 /], ['RSET', qr/^250 /], @good], rules => ['rset reply "502 5.5.1 not implemented"'], sent => 2);

# --- the envelope repeated on the same connection

my @eight = ('From: a@example.com', 'To: b@example.net', '', "\xc3\xa4", '.');
conversation('BODY=8BITMIME that the caller has not asked for, and a refusal then', [@good[0 .. 2], [join("\r\n", @eight), qr/^552 5\.3\.4 big/], @good], rules => ['mail#2 reply "552 5.3.4 big"'], sent => 1);
conversation('the connection is lost at that', [@good[0 .. 2], [join("\r\n", @eight), qr/^250 /]], rules => ['rset conn=1 close'], sent => 1, also => sub {
	like(($_[0]->server->messages)[0]{env}{mail}[0], qr/BODY=8BITMIME/, 'declared');
});
conversation('421 to DATA: the message had not left', [@good], rules => ['data conn=1 reply "421 4.3.2 bye"'], ext => '-CHUNKING', sent => 1, also => sub { is(connections($_[0]), 2, 'a new connection') });
conversation('a connection that said 421 is not used again', [@good[0 .. 2], [join("\r\n", @message), qr/^451 4\.7\.0 /], @good], rules => ['dot##1 conn=1 reply "421 4.7.0 limit"'], sent => 1, also => sub { is(connections($_[0]), 2, 'a new connection') });

# --- several

my $live = smarthost();
conversation('the first is dead', [@good, @good], server => $live, conf => conf({log => '@LOG@', domain => 'example.com', hostname => 'client.example.com'}, $dead, section($live, title => 'live')), sent => 2, also => sub {
	is(connections($_[0]), 1, 'the second is kept');
	like($_[0]->log_text, qr/passed-over=/, 'the log tells');
});
$live->stop;
my ($busy, $idle) = (smarthost(rules => ['mail reply "451 4.3.0 Busy"']), smarthost());
conversation('4xx at MAIL: the next', \@good, server => $idle, conf => conf({log => '@LOG@', domain => 'example.com', hostname => 'client.example.com'}, section($busy, title => 'busy'), section($idle, title => 'idle')), sent => 1);
$idle->stop;
my ($locked, $slow) = (smarthost(rules => ['auth reply "535 5.7.8 No"']), smarthost(rules => ['banner conn=1 reply "450 4.3.2 Busy" close', 'dot pass close']));
conversation('a refused password is remembered for its smarthost alone', [[$mail, qr/^451 4\.3\.5 .*535/s], @good, $pause, @good], server => $slow,
    conf => conf({log => '@LOG@', domain => 'example.com', hostname => 'client.example.com'}, section($locked, title => 'locked'), section($slow, title => 'slow')), sent => 2, also => sub {
	is(scalar(() = $locked->auth), 1, 'it was tried once');
	is(connections($_[0]), 3, 'the other each time');
});
my $refusing = smarthost(rules => ['mail reply "550 5.7.1 No"']);
my $unused = smarthost();
my ($first, $other) = (smarthost(rules => ['rcpt#2 close', 'connect conn=2- close']), smarthost());
conversation('lost after a verdict on a recipient: no other smarthost is asked', [[$mail, qr/^250 /], [$rcpt, qr/^250 /], [$second, qr/^451 4\.4\.2 /]], server => $other,
    conf => conf({log => '@LOG@', domain => 'example.com', hostname => 'client.example.com'}, section($first, title => 'f'), section($other, title => 'o')), sent => 0, also => sub { is($other->dialogue, '', 'it was not asked') });
conversation('5xx at MAIL: not the next', [[$mail, qr/^550 5\.7\.1 /]], server => $unused, conf => conf({log => '@LOG@', domain => 'example.com', hostname => 'client.example.com'}, section($refusing, title => 'r'), section($unused, title => 'u')),
    sent => 0, also => sub { is($unused->dialogue, '', 'it was not asked') });

done_testing;
