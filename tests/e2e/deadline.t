# One deadline bounds the whole job: a smarthost that says nothing, or next to nothing, at any stage ends it with 75, and nothing was
# sent (CONTRACT section 5). The upper bound is there to find a hang, no measure of speed.
use lib 'tests/e2e/lib';
use E2E;
use IO::Handle;
use Socket;

use constant HANG => 40;

sub too_late
{
	my ($name, %more) = @_;
	my $stage = delete $more{stage};

	check $name, exit => 75, sent => 0, err => [qr/deadline.*Remedy: /], log => {status => 'failed', stage => $stage, why => qr/deadline/},
	    top => {timeout => '1s', %{delete $more{top} // {}}}, also => sub {
		cmp_ok($_[0]->seconds, '<', HANG, 'it did not hang');
		cmp_ok($_[0]->seconds, '>', 0.9, 'it waited');
	    }, %more;
}

# The stage, a rule's stage, and what is offered.
for my $case (['banner', 'banner'], ['ehlo', 'ehlo'], ['starttls', 'starttls'], ['tls', 'tls'], ['ehlo', 'ehlo#2'], ['auth', 'auth'],
    ['auth', 'auth-cont', auth => 'LOGIN'], ['auth', 'auth-done', auth => 'LOGIN'], ['mail', 'mail'], ['mail', 'mail', ext => '-PIPELINING'],
    ['rcpt', 'rcpt'], ['data', 'data', ext => '-CHUNKING'], ['dot', 'dot'], ['dot', 'dot', ext => '-CHUNKING']) {
	my ($stage, $rule, @more) = @$case;

	too_late("silence at $rule @more", stage => $stage, rules => ["$rule stall"], @more);
}
too_late('silence in the handshake of implicit TLS', stage => 'tls', tls => 'implicit', rules => ['tls stall']);
too_late('silence at the banner within implicit TLS', stage => 'banner', tls => 'implicit', rules => ['banner stall']);

# A server that reads no octet of the message. How much of it the system's buffers take decides whether the wait is within it or at its end.
sub deaf
{
	my ($listener, @offers) = @_;

	for (1 .. 4) {
		accept my $peer, $listener or last;
		$peer->autoflush(1);
		print $peer "220 deaf.example.com\r\n";
		while (<$peer>) {
			print $peer join '', /^EHLO/ ? ("250-deaf.example.com\r\n", map({ "250-$_\r\n" } @offers), "250 HELP\r\n") :
			    /^DATA/ ? "354 go\r\n" : "250 ok\r\n" if !/^BDAT/;
			last if /^(?:DATA|BDAT)/;
		}
		sleep HANG;
	}
}

for my $offers ([], ['CHUNKING']) {
	socket my $listener, PF_INET, SOCK_STREAM, 0 or die "socket: $!";
	setsockopt $listener, SOL_SOCKET, SO_RCVBUF, 4096;
	bind $listener, sockaddr_in(0, INADDR_LOOPBACK) or die "bind: $!";
	listen $listener, 4;
	my ($port) = sockaddr_in(getsockname $listener);
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		alarm 2 * HANG;
		deaf($listener, @$offers);
		POSIX::_exit(0);
	}
	too_late("the message is not read (@$offers)", stage => qr/^(?:data|dot)$/, server => 0, stdin => MESSAGE . ("x" x 72 . "\n") x 5500,
	    conf => conf({log => '@LOG@', timeout => '1s', domain => 'example.com'}, "smarthost '127.0.0.1' {\n\ttls = 'none'\n\tport = $port\n}\n"));
	kill 'KILL', $pid;
	waitpid $pid, 0;
}
too_late('an answer that comes octet by octet', stage => 'banner', rules => ['banner reply "220 ' . 'x' x 400 . '" trickle 100']);
too_late('an answer that has line after line', stage => 'ehlo', rules => ['ehlo reply ' . join(' ', map { "\"250-X$_\"" } 1 .. 200) . ' "250 X" trickle 20']);
too_late('an answer to the dot that comes octet by octet', stage => 'dot', sent => undef, rules => ['dot reply "250 ' . 'x' x 400 . '" trickle 100']);
too_late('each answer in time, all of them too late', stage => qr/./, sent => undef, rules => [map { "$_ delay 400" } qw(banner ehlo starttls auth mail)]);

# connect: a port that swallows
my $hole = smarthost(args => ['--listen', '127.0.0.1:0', '--listen', '127.0.0.1:0/hole']);
too_late('silence at connect', stage => 'connect', server => $hole, host => {port => $hole->port(1)});

# the secret
my $dir = scratch();
too_late('a password-command that does not end', stage => 'secret', log => {stage => 'secret'}, auths => 0,
    host => {password => undef, 'password-command' => 'exec sleep 30'});
too_late('a password-command that ignores TERM', stage => 'secret', log => {stage => 'secret'}, auths => 0,
    host => {password => undef, 'password-command' => 'trap "" TERM HUP INT; sleep 30; sleep 1'});
too_late('a password-command that prints without end', stage => 'secret', log => {stage => 'secret'}, auths => 0,
    host => {password => undef, 'password-command' => 'i=0; while [ $i -lt 30 ]; do echo x; sleep 1; i=$((i+1)); done'});
POSIX::mkfifo("$dir/silent", 0600) or die "mkfifo: $!";
sysopen my $writer, "$dir/silent", Fcntl::O_RDWR() or die "fifo: $!";
too_late('a password-file that is a FIFO whose writer is silent', stage => 'secret', log => {stage => 'secret'}, auths => 0,
    host => {password => undef, 'password-file' => "$dir/silent"});
close $writer;
POSIX::mkfifo("$dir/empty", 0600) or die "mkfifo: $!";
check 'a password-file that is a FIFO without a writer', exit => qr/^(?:75|78)$/, err => [qr/\Q$dir\E\/empty.*Remedy: /], log => {stage => 'secret'},
    host => {password => undef, 'password-file' => "$dir/empty"}, top => {timeout => '1s'}, auths => 0,
    also => sub { cmp_ok($_[0]->seconds, '<', HANG, 'it did not hang') };

# stdin sets its own pace: the deadline starts when it has ended
my @pieces = map { [split /(?<=\n)/, MESSAGE] } 1;
my $next = 0;
check 'a caller that takes longer than the deadline', top => {timeout => '1s'}, exit => 0, stdin => {code => sub {
	my @lines = @{$pieces[0]};
	Time::HiRes::sleep(0.3);
	return $lines[$next++];
}}, also => sub { cmp_ok($_[0]->seconds, '>', 1.2, 'it took longer') };

# a large message has a second more for each 64 KiB
check 'the size of the message counts', top => {timeout => '1s'}, exit => 0, stdin => MESSAGE . ("x" x 72 . "\n") x 20000, rules => ['dot delay 2500'];

# several smarthosts: one that hangs leaves time for the next
my $second = smarthost();
my $first = smarthost(rules => ['banner stall']);
my $run = check 'the first one hangs, the second gets it', server => $second, sent => 1,
    conf => conf({log => \"'\@LOG\@'", timeout => '13s', domain => 'example.com'}, section($first, title => 'first'), section($second, title => 'second')),
    log => {status => 'sent', port => $second->port, 'passed-over' => qr/./};

done_testing;
