# sendmail -bs as inetd or systemd starts it for localhost:25: the connection is its standard input and output. The client is real: our own
# program, configured with that port as its smarthost; what it sends goes through the -bs to the smarthost behind.
use strict;
use warnings;
use lib 'tests/e2e/lib';
use E2E;
use IO::Socket::INET;
use POSIX ();

my $behind = smarthost();
my $dir = scratch();
my $conf = spew("$dir/conf", conf({log => "$dir/log", domain => 'example.com', hostname => 'relay.example.com'}, section($behind)), 0600);
my $listener = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1', ReuseAddr => 1) or die "listen: $@";
my $pid = fork // die "fork: $!";

if ($pid == 0) {
	$SIG{CHLD} = 'IGNORE';
	alarm 280;
	while (my $peer = $listener->accept) {
		next if fork;
		POSIX::dup2(fileno $peer, $_) for 0, 1;
		%ENV = (PATH => '/usr/bin:/bin', SENDMAIL_CONF => $conf, map { ($_ => $ENV{$_}) } grep { /SAN_OPTIONS$/ } keys %ENV);
		exec {program()} 'sendmail', '-bs' or POSIX::_exit(127);
	}
	POSIX::_exit(0);
}
END {
	if ($pid) {
		local $?;
		kill 'KILL', $pid;
		waitpid $pid, 0;
	}
}

my $front = conf({log => '@LOG@', domain => 'example.com', hostname => 'client.example.com'}, "smarthost 'localhost' {\nhost = '127.0.0.1'\nport = " . $listener->sockport . "\ntls = 'none'\n}\n");
my $n = 0;

sub passes
{
	my ($name, %o) = @_;
	my $also = delete $o{also};

	check $name, server => 0, conf => $front, %o, also => sub {
		my @messages = $behind->messages;

		is(scalar @messages, ++$n, 'it has gone through') if !$o{exit};
		is($behind->violations, '', 'no violation of the protocol');
		$also->($messages[-1], $_[0]) if $also;
	};
}

passes('a message', also => sub {
	my ($message, $run) = @_;

	is($message->{data}, MESSAGE =~ s/\n/\r\n/gr, 'byte for byte');
	like($message->{env}{auth}[0], qr/^PLAIN /, 'signed in there');
	like($run->log->{reply}, qr/^250 2\.0\.0 /, 'the verdict is that of the smarthost behind');
});
passes('8-bit, many recipients, DSN', argv => ['-N', 'success,delay', '-R', 'hdrs', '-V', 'id 1', '-f', 'me@example.com', map { "r$_\@example.net" } 1 .. 100],
    stdin => "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n" . MESSAGE . "\xc3\xa4\n.\n..\n", also => sub {
	my ($message) = @_;

	is(scalar @{$message->{env}{rcpt}}, 100, 'recipients');
	like($message->{env}{mail}[0], qr/BODY=8BITMIME.* RET=HDRS ENVID=id\+201/, 'what MAIL says');
	like($message->{env}{rcpt}[0], qr/ NOTIFY=SUCCESS,DELAY ORCPT=rfc822;r1\@example\.net/, 'what RCPT says');
});
passes('10 MiB', stdin => MESSAGE . ('.' . 'x' x 70 . "\n") x 100_000, argv => ['-i', 'b@example.net'], also => sub {
	is(length $_[0]{data}, length(MESSAGE =~ s/\n/\r\n/gr) + 73 * 100_000, 'all of it');
});
passes('an address outside ASCII', argv => ["\xc3\xb6\@example.net"], also => sub { like($_[0]{env}{mail}[0], qr/ SMTPUTF8/, 'SMTPUTF8') });
passes('refused', argv => ['x y@example.net'], exit => 64);

done_testing;
