# The process as its callers make it: descriptors, signals, limits, an empty world around it (CONTRACT section 3).
use lib 'tests/e2e/lib';
use E2E;
use POSIX qw(:signal_h);

my $root = $> == 0;

# --- stdin

check 'stdin closed', stdin => 'closed', exit => 66, sent => 0, auths => 0, err => [qr/standard input.*closed.*Remedy: /], log => {stage => 'input'};
check 'stdin closed, -t', stdin => 'closed', argv => ['-t'], exit => 66, sent => 0, err => [qr/standard input/], log => {stage => 'input'};
check 'stdin a directory', stdin => {file => '/usr'}, exit => 66, sent => 0, err => [qr/standard input.*directory.*Remedy: /], log => {stage => 'input'};
check 'stdin a file', stdin => {file => spew(scratch() . '/message', MESSAGE)}, exit => 0;
check 'stdin /dev/null', stdin => {file => '/dev/null'}, exit => 0;
check 'stdin in single octets', stdin => {code => do { my @octets = split //, MESSAGE; sub { shift @octets } }}, exit => 0,
    also => sub { like(($_[0]->server->messages)[0]{data}, qr/\r\nHello\r\n\z/, 'whole') };

my $mebibyte = MESSAGE . ("x" x 63 . "\n") x 16384;
for my $case (['an unknown flag', 64, argv => ['-Z']], ['no recipient', 64, argv => ['-i']], ['no configuration', 78, env => {SENDMAIL_CONF => '/nonexistent'},
    log => undef], ['a wrong configuration', 78, conf => "x\n", log => undef], ['no recipient in the header', 65, argv => ['-t'],
    stdin => "From: a\@example.com\n\n" . 'x' x 1048576], ['an argument that is no address', 64, argv => ['a b']],
    ['a header that does not end', 65, stdin => "To: b\@example.net\nX: " . "x" x 60 . "\n" . ("X-Long: " . "x" x 900 . "\n") x 8000]) {
	my ($name, $exit, %more) = @$case;

	check "stdin is drained: $name", exit => $exit, sent => undef, stdin => $mebibyte, %more, also => sub {
		is($_[0]->stdin_broken, undef, 'no EPIPE');
		is($_[0]->stdin_left, 0, 'read to its end');
	};
}
check 'stdin is drained: the smarthost refuses', exit => 77, stdin => $mebibyte, rules => ['auth reply "535 5.7.8 No"'],
    also => sub { is($_[0]->stdin_broken, undef, 'no EPIPE') };

# --- stdout, stderr

check 'stdout closed', close => [1], exit => 0;
check 'stdout and stderr closed', close => [1, 2], exit => 0;
check 'all closed', stdin => 'closed', close => [0, 1, 2], exit => 66, err => [], log => {stage => 'input'};
check 'stderr closed, and a failure to tell', close => [2], rules => ['rcpt reply "550 5.1.1 No"'], exit => 67, err => [], log => {status => 'failed'};
check 'stderr closed, -v', close => [2], argv => ['-v', 'b@example.net'], exit => 0;
check 'stderr full', setup => sub { open STDERR, '>', '/dev/full' }, rules => ['rcpt reply "550 5.1.1 No"'], exit => 67, err => [], log => {status => 'failed'}
    if -e '/dev/full';
check 'stdout full, -bp', argv => ['-bp'], setup => sub { open STDOUT, '>', '/dev/full' }, exit => 74, sent => 0, printed => 1, log => undef
    if -e '/dev/full';
check 'stderr a pipe that nobody reads', setup => sub { pipe my $r, my $w; open STDERR, '>&', $w; close $r; }, argv => ['-v', 'b@example.net'], exit => 0;

# --- descriptors above 2: closed, or a child and a connection would hold them

my $dir = scratch();
check 'descriptors above 2 are closed', exit => 0, host => {password => undef,
    'password-command' => "ls -l /proc/self/fd > $dir/fds; cat $dir/password"}, setup => sub {
	for my $fd (5, 9, 200) {
		POSIX::dup2(POSIX::open("$dir/held-$fd", POSIX::O_CREAT() | POSIX::O_RDWR(), 0600), $fd);
	}
    }, stdin => do { spew("$dir/password", PASSWORD . "\n", 0600); MESSAGE },
    also => sub { unlike(slurp("$dir/fds"), qr/held-/, 'none is inherited'); like(slurp("$dir/fds"), qr/ 0 -> /, 'the list was made') };
my $open = '';
check 'descriptors above 2 are closed in the program itself', exit => 0, rules => ['dot delay 300'], setup => sub {
	POSIX::dup2(POSIX::open("$dir/held", POSIX::O_CREAT() | POSIX::O_RDWR(), 0600), 77);
    }, watch => sub {
	return if slurp("/proc/$_[0]/cmdline") !~ /b\@example\.net/;
	my $now = join ' ', map { readlink // '' } glob "/proc/$_[0]/fd/*";
	$open = $now if $now =~ /socket/;
    }, also => sub { like($open, qr/socket/, 'the descriptors were seen'); unlike($open, qr/held/, 'without the one that was inherited') } if $root;

# --- signals, umask

my @signals = map { $_->{n} } map { {n => $_} } (SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGALRM, SIGTERM, SIGCHLD, SIGUSR1, SIGUSR2);
check 'every signal ignored at the start', setup => sub { $SIG{$_} = 'IGNORE' for qw(HUP INT QUIT PIPE ALRM TERM CHLD USR1 USR2) }, exit => 0,
    host => {password => undef, 'password-command' => "cat $dir/password"};
check 'every signal blocked at the start', setup => sub { sigprocmask(SIG_SETMASK, POSIX::SigSet->new(@signals)) }, exit => 0,
    host => {password => undef, 'password-command' => "cat $dir/password"};
check 'SIGCHLD ignored and blocked', setup => sub { $SIG{CHLD} = 'IGNORE'; sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGCHLD)) }, exit => 0,
    host => {password => undef, 'password-command' => "cat $dir/password"};

# Sends a signal once the program waits for the rest of its stdin; what it looks like in /proc is what it waits in.
sub interrupted
{
	my ($name, $signal, %more) = @_;
	my $since;

	check $name, stdin => {data => MESSAGE, hold => 1}, watch => sub {
		my ($pid, $run) = @_;

		return if $run->written < length MESSAGE || slurp("/proc/$pid/cmdline") !~ /b\@example\.net/;
		$since //= Time::HiRes::time();
		kill $signal, $pid if Time::HiRes::time() - $since > 0.3;
	}, sent => 0, auths => 0, log => undef, %more, also => sub { is(scalar(() = $_[0]->server->commands), 0, 'nothing was said to the smarthost') };
}
interrupted('killed before the end of stdin', 'KILL', signal => SIGKILL);
interrupted('interrupted before the end of stdin', 'INT', signal => SIGINT);
interrupted('terminated before the end of stdin', 'TERM', signal => SIGTERM);
interrupted('terminated, though TERM was ignored and blocked at the start', 'TERM', signal => SIGTERM,
    setup => sub { $SIG{TERM} = 'IGNORE'; sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGTERM)) });
my $hups = 0;
check 'an ignored HUP stays ignored', setup => sub { $SIG{HUP} = 'IGNORE' }, rules => ['dot delay 400'], exit => 0, watch => sub {
	kill 'HUP', $_[0] if $hups++ < 2000 && slurp("/proc/$_[0]/cmdline") =~ /b\@example\.net/;
};
for my $umask (0000, 0177, 0777) {
	check sprintf('umask %03o', $umask), setup => sub { umask $umask }, exit => 0, stdin => MESSAGE . ("x" x 63 . "\n") x 40000, also => sub {
		is((stat "$_[0]{dir}/log/log")[2] & 07777, 0600, 'the log file is private');
	};
}

# --- the world around it

check 'an empty environment', wrap => ['/usr/bin/env', '-i', (map { "$_=$ENV{$_}" } grep { /SAN_OPTIONS/ && defined $ENV{$_} } keys %ENV)], exit => 78, sent => 0,
    log => undef, err => [qr/no configuration/] if !-e '/etc/sendmail.conf';
SKIP: {
	skip 'no mount namespace to be had', 1 if !can_unshare();
	my $server = smarthost();
	my $conf = spew("$dir/etc.conf", conf({log => "$dir/etc.log", domain => 'example.com'}, section($server)), 0600);
	check 'an empty environment, and the default configuration', server => $server, sent => 1, conf => undef, log => undef,
	    wrap => ['unshare', '-m', '/bin/sh', '-c', "mount -t tmpfs none /mnt && cp -a /etc/. /mnt && cp $conf /mnt/sendmail.conf && mount --bind /mnt /etc && exec env -i \"\$@\"", 'sh'];
}
check 'no PATH', env => {PATH => undef}, exit => 0;
check 'strange variables', env => {HOME => "/nonexistent\e", USER => "x\r\nBcc: y\@z", LOGNAME => '-', LANG => 'xx_YY', TZ => '../../../etc/shadow',
    TMPDIR => '/nonexistent', IFS => 'a', LC_ALL => '%n%n'}, exit => 0, also => sub { unlike(($_[0]->server->messages)[0]{data}, qr/y\@z/, 'who we are is the uid') };
check 'the current directory is gone', setup => sub { mkdir "$dir/gone"; chdir "$dir/gone"; rmdir "$dir/gone" }, exit => 0;
SKIP: {
	skip 'only root can become somebody else', 2 if !$root;
	check 'a uid without a passwd entry', uid => 54321, exit => 0, stdin => "Subject: x\n\nx\n", log => {uid => 54321, from => 'uid-54321@example.com'},
	    also => sub { like(($_[0]->server->messages)[0]{data}, qr/^From: <?uid-54321\@example\.com>?\r$/m, 'From') };
	check 'the user by uid, not by environment', uid => (getpwnam 'daemon')[2], env => {USER => 'root', LOGNAME => 'root', HOME => '/root'}, exit => 0,
	    stdin => "Subject: x\n\nx\n", log => {from => 'daemon@example.com'};
}
check 'limits: few descriptors', wrap => ['prlimit', '--nofile=16'], exit => 0;
check 'limits: no file may grow, and the log is one', wrap => ['prlimit', '--fsize=0'], exit => 0, log => 0;
check 'limits: no core', wrap => ['prlimit', '--core=unlimited'], exit => 0;

my $large = MESSAGE . ("x" x 63 . "\n") x (16384 * 3);	# 3 MiB: past what is kept in memory
my $readonly = 'for d in /tmp /var/tmp /dev/shm; do [ -d $d ] && mount -t tmpfs -o ro none $d; done; exec "$@"';
SKIP: {
	skip 'no mount namespace to be had', 6 if !can_unshare();
	my $home = "/run/sendmail-e2e.$$";	# what the test needs is not below /tmp
	mkdir $home or die "$home: $!";
	my $server = smarthost(ext => 'PIPELINING,SIZE 100000000,8BITMIME');
	my $conf = spew("$home/conf", conf({log => "$home/log", domain => 'example.com'}, section($server, 'tls-ca-file' => "$home/ca.pem")), 0600);
	my $copy = "$home/sendmail";	# nor may the program be, wherever it was built
	system('cp', certs() . '/ca.pem', program(), $home) == 0 or die 'cp failed';
	my @in = ('unshare', '-m', '/bin/sh', '-c');
	my @common = (program => $copy, server => $server, conf => undef, env => {SENDMAIL_CONF => $conf}, log => undef, cwd => '/');

	check 'a read-only file system', @common, wrap => [@in, "mount -o remount,bind,ro / && ! touch $home/x 2>/dev/null && $readonly", 'sh'], stdin => MESSAGE;
	is(scalar(() = $server->messages), 1, 'it arrived');
	check 'a read-only file system without /tmp, a large message', @common, wrap => [@in, $readonly, 'sh'], stdin => $large;
	is(scalar(() = $server->messages), 2, 'it arrived');
	my ($message) = ($server->messages)[1];
	is(length($message->{data}), length($large) + ($large =~ tr/\n//), 'whole');
	check 'no room for a message past what memory may hold', @common, wrap => [@in, $readonly, 'sh'], exit => 74,
	    stdin => MESSAGE . ("x" x 63 . "\n") x (16384 * 40), err => [qr/.*Remedy: make room/],
	    also => sub { is($_[0]->stdin_broken, undef, 'stdin is drained') };
	is(scalar(() = $server->messages), 2, 'it did not arrive');
	my $full = $readonly =~ s/exec/mount -t tmpfs -o size=2m none \/mnt; exec/r;
	check 'TMPDIR is small, a message that memory can hold', @common, wrap => [@in, $full, 'sh'], env => {SENDMAIL_CONF => $conf, TMPDIR => '/mnt'},
	    exit => qr/^(?:0|74)$/, printed => 1, stdin => $large;
	check 'TMPDIR is small, a message that memory cannot hold', @common, wrap => [@in, $full, 'sh'], env => {SENDMAIL_CONF => $conf, TMPDIR => '/mnt'}, exit => 74,
	    stdin => MESSAGE . ("x" x 63 . "\n") x (16384 * 40), err => [qr/.*Remedy: make room/],
	    also => sub { is($_[0]->stdin_broken, undef, 'stdin is drained') };
	unlink map { "$home/$_" } qw(conf log sendmail ca.pem);
	rmdir $home;
}
my $tmp = scratch();
check 'a message in a file leaves nothing behind', env => {TMPDIR => $tmp}, stdin => $large, exit => 0, ext => 'PIPELINING,SIZE 100000000,8BITMIME,CHUNKING',
    also => sub { is_deeply([glob "$tmp/*"], [], 'nothing'); is((-s $_[0]->server->dir . '/1.msg'), length($large) + ($large =~ tr/\n//), 'whole') };

# --- the log

check 'a log that cannot be written costs no mail', top => {log => '/nonexistent/log'}, exit => 0, log => 0;
check 'a log that cannot be written is told by a run that fails', top => {log => '/nonexistent/log'}, rules => ['rcpt reply "550 5.1.1 No"'], exit => 67, log => 0,
    err => [qr/550 5\.1\.1/, qr{cannot write the log /nonexistent/log: No such file}];
check 'the log on a full device', top => {log => '/dev/full'}, exit => 0, log => 0 if -e '/dev/full';
check 'log = stderr', top => {log => 'stderr'}, exit => 0, log => 0, printed => 1, err => [qr/ sendmail\[\d+\]: status=sent exit=0 /];

# --- memory does not grow with the message: 1 GiB through a pipe

SKIP: {
	skip 'memory is not measured with the sanitizers', 1 if sanitized();
	my $block = ("x" x 63 . "\n") x 1024;
	my ($blocks, $peak, $first) = (16384, 0, MESSAGE);

	check '1 GiB in less than 16 MiB', limit => 200, ext => 'PIPELINING,8BITMIME,CHUNKING', args => ['--no-store', '--lifetime', 250],
	    rules => ['dot delay 500'], top => {timeout => '5m'}, stdin => {code => sub {
		my $text = $first;

		$first = '';
		return $text if $text ne '';
		return $blocks-- > 0 ? $block : undef;
	    }}, watch => sub {
		my ($now) = slurp("/proc/$_[0]/status") =~ /^VmHWM:\s+(\d+) kB/m;

		$peak = $now if slurp("/proc/$_[0]/cmdline") =~ /b\@example\.net/ && ($now // 0) > $peak;
	    }, exit => 0, also => sub {
		my ($m) = $_[0]->server->messages;

		is($m->{env}{size}[0], 1073741824 + 16777216 + length(MESSAGE) + (MESSAGE =~ tr/\n//), 'all of it arrived');
		cmp_ok($peak, '>', 1000, 'the peak was seen');
		cmp_ok($peak, '<', 16384, 'kibibytes at the peak');
	    };
	diag("peak $peak KiB") if $ENV{TEST_VERBOSE};
}

done_testing;
