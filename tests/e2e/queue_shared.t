# The queue that many share: a set-group-id sendmail only puts messages into it, its owner alone sees and sends them, and needs the secret
# alone (sendmail.conf(5), MANY USERS; CONTRACT section 6). Who may do what, and what a queue does that is full, broken, or another's.
#
# A set-group-id program reads /etc/sendmail.conf and no other. So all of this runs in a mount namespace of its own, with a copy of /etc that
# it may change, and a file system where set-group-id counts.
use lib 'tests/e2e/lib';
use E2E;
use Socket;

use constant {
	PATIENCE => 10,		# seconds after which what should happen has failed to
	LIMIT => 20,		# of a run
	Q => 61001, A => 61002, B => 61003, C => 61004,	# the owner of the queue, two who send, and one who is in the group
	G => 61010,		# the group
	STATE_AT => 96, RECORD => 256,	# of a file of the queue: sendmail-queue(5)
};

plan(skip_all => 'only root can be other users') if $> != 0;
plan(skip_all => 'with the sanitizers a set-group-id program is another') if sanitized();
plan(skip_all => 'no mount namespace to be had') if !can_unshare();
plan(skip_all => 'set-group-id does nothing here') if slurp('/proc/self/status') =~ /^NoNewPrivs:\s*1/m;
if (!$ENV{QUEUE_SHARED_ALONE}) {
	$ENV{QUEUE_SHARED_ALONE} = 1;
	$ENV{SENDMAIL_UNDER_TEST} = program();
	exec 'unshare', '-m', '--', $^X, $0 or die "unshare: $!";
}
delete $ENV{QUEUE_SHARED_ALONE};

sub command { system(@_) == 0 or die "@_: failed" }

my $owner = $$;
my $base = scratch() =~ s{/[^/]+\z}{}r;	# where E2E makes what it makes
command('mount', '-t', 'tmpfs', '-o', 'mode=755,suid,exec', 'tmpfs', $base);
END {
	if (defined $base && $$ == $owner) {
		local $?;
		system 'umount', '-l', $base;	# so that E2E can remove it
	}
}
system 'cp', '-a', '/etc', "$base/etc";
command('mount', '--bind', "$base/etc", '/etc');
unlink '/etc/sendmail.conf';

my $id = qr/\A[0-9a-f]{26}\z/;
my $home = scratch();
my $sendmail = "$home/sendmail";
command('cp', program(), $sendmail);
chown 0, G, $sendmail;
chmod 02755, $sendmail or die "chmod: $!";

# --- helpers

# Who is who: [uid, gid, more groups].
my @q = (Q, G);
my @a = (A, A);
my @b = (B, B);
my @c = (C, G);
my @root = (0, 0);

sub become
{
	my ($uid, $gid, @more) = @_;

	$) = join ' ', $gid, $gid, @more;
	POSIX::setgid($gid) or POSIX::_exit(126);
	POSIX::setuid($uid) or POSIX::_exit(126);
}

# What a sub returns that runs as that user: true or false.
sub as_user
{
	my ($who, $code) = @_;
	my $pid = fork // die "fork: $!";

	if ($pid == 0) {
		become(@$who);
		chdir '/';
		POSIX::_exit($code->() ? 0 : 1);
	}
	waitpid $pid, 0;
	return $? == 0;
}

sub wait_for
{
	my ($is_so) = @_;
	my $end = Time::HiRes::time() + PATIENCE;

	while (!$is_so->()) {
		return 0 if Time::HiRes::time() > $end;
		Time::HiRes::sleep(0.01);
	}
	return 1;
}

sub names
{
	my ($dir) = @_;

	opendir my $handle, $dir or return;
	return sort grep { !/\A\.\.?\z/ } readdir $handle;
}

sub ids { return grep { /$id/ } names($_[0]) }

# A port where nobody listens as long as this is there.
socket my $closed, PF_INET, SOCK_STREAM, 0 or die "socket: $!";
bind $closed, sockaddr_in(0, INADDR_LOOPBACK) or die "bind: $!";
my ($closed_port) = sockaddr_in(getsockname $closed);

# A queue as the manual has it, its configuration, and a smarthost. {top, host} are more options; server 0: there is none; user undef: it
# asks for no secret. The secret comes from a command that notes who asked.
sub site
{
	my %o = @_;
	my $dir = scratch();
	my %site = (dir => $dir, queue => "$dir/queue", log => "$dir/log", asked => "$dir/asked", secret => "$dir/secret",
	    server => smarthost(tls => 'none', map { exists $o{$_} ? ($_ => $o{$_}) : () } qw(user rules)));

	chmod 0755, $dir;
	mkdir $site{queue};
	chown Q, G, $site{queue};
	chmod 02770, $site{queue};
	spew($site{$_}, '', 0666) for qw(log asked);
	spew($site{secret}, PASSWORD . "\n", 0400);
	chown Q, G, $site{secret};
	configure(\%site, %o);
	return \%site;
}

sub configure
{
	my ($site, %o) = @_;
	my %host = exists $o{user} ? () :
	    (password => undef, 'password-command' => "id -u >>$site->{asked}; cat $site->{secret}");

	$host{port} = $closed_port if exists $o{server} && !$o{server};
	spew('/etc/sendmail.conf', conf({queue => $site->{queue}, log => $site->{log}, domain => 'example.com', timeout => '10s',
	    hostname => 'client.example.com', %{$o{top} // {}}}, section($site->{server}, %host, %{$o{host} // {}})), 0644);
}

# The processes of the program that there are.
sub running { return grep { (readlink "/proc/$_/exe" // '') eq $sendmail } map { m{(\d+)\z} } glob '/proc/[0-9]*' }

# The program run as somebody: by($site, [uid, gid], argv => [...], KEY => VALUE ...) as submit() has it. What it leaves running has ended.
sub by
{
	my ($site, $who, %o) = @_;

	spew($site->{log}, '', 0666);
	my $setup = delete $o{setup};
	my $run = submit(server => 0, conf => undef, program => $sendmail, limit => LIMIT, %o, setup => sub {
		$setup->() if $setup;
		become(@$who);
	});
	$run->{detached} = scalar(my @left = running());
	wait_for(sub { !running() }) or kill 'KILL', running();
	$run->{log_text} = slurp($site->{log});
	return $run;
}

sub run_queue { my ($site, @o) = @_; return by($site, \@q, argv => ['-q'], stdin => '', @o) }

sub silent
{
	my ($run, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(join('|', $run->exit // 'signal ' . $run->signal, $run->timed_out ? 'hung' : '', $run->out, $run->err), '0|||', $name);
}

# It fails with that status, and a person is told what, why and what to do, on lines that all look the same.
sub tells
{
	my ($run, $status, $pattern, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	subtest $name => sub {
		like($run->exit // 'signal ' . $run->signal, qr/\A(?:$status)\z/, 'status');
		is($run->timed_out, undef, 'it ended by itself');
		is($run->out, '', 'stdout is empty');
		like($run->err, $pattern, 'what it is');
		is(scalar(grep { !/\Asendmail: .+ Remedy: .+\.\z/ } $run->err_lines), 0, 'each line has what to do') or diag($run->err);
		unlike($run->err, qr/\Q${\PASSWORD}\E/, 'no secret');
	};
}

# What is in the queue belongs to who put it there, and its owner can use it.
sub is_for_owner
{
	my ($site, $name) = @_;
	my @bad = grep {
		my $path = "$site->{queue}/$_";

		!as_user(\@q, sub { -d $path ? opendir(my $d, $path) && -w $path : open(my $f, '+<', $path) });
	} names($site->{queue});

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(join(' ', @bad), '', $name);
}

sub path_of { return ($_[0] // '') =~ /<(.*?)>/ ? $1 : '(none)' }
sub arrived { return join ', ', sort map { join ' ', map { path_of($_) } @{$_->{env}{rcpt}} } $_[0]{server}->messages }
sub connections { return scalar keys %{{map { /^(\d+) / ? ($1 => 1) : () } split /\n/, $_[0]{server}->dialogue}} }

sub put_message
{
	my ($site, $who, @argv) = @_;
	my %before = map { $_ => 1 } ids($site->{queue});
	my $run = by($site, $who, argv => [@argv ? @argv : 'b@example.net']);
	my ($new) = grep { !$before{$_} } ids($site->{queue});

	die 'cannot fill the queue: ', $run->err if !defined $new;
	return $new;
}

# --- everybody puts messages into it, and the owner sends them

my $dialogue = join "\r\n", 'EHLO client.example.com', 'MAIL FROM:<a@example.com>', 'RCPT TO:<b@example.net>', 'DATA',
    split(/\n/, MESSAGE), '.', 'QUIT', '';
my @forms = (
    ['an argument', ['b@example.net'], MESSAGE, 'a@example.com', 'b@example.net'],
    ['as PHP does', ['-t', '-i'], MESSAGE =~ s/^Subject/Bcc: hidden\@example.org\nSubject/mr, 'a@example.com',
	'b@example.net hidden@example.org'],
    ['-f', ['-f', 'www@example.org', '-F', 'Web', 'b@example.net'], MESSAGE =~ s/^From:.*\n//mr, 'www@example.org', 'b@example.net'],
    ['no sender at all', ['b@example.net'], MESSAGE =~ s/^From:.*\n//mr, 'uid-' . A . '@example.com', 'b@example.net'],
    ['-bs', ['-bs'], $dialogue, 'a@example.com', 'b@example.net'],
    ['-odi', ['-odi', 'b@example.net'], MESSAGE, 'a@example.com', 'b@example.net'],
    ['-odb', ['-odb', 'b@example.net'], MESSAGE, 'a@example.com', 'b@example.net'],
    ['a large one', ['b@example.net'], MESSAGE . ('x' x 70 . "\n") x 30000, 'a@example.com', 'b@example.net'],
);
for my $delivery (qw(interactive background queue)) {
	my $site = site(top => {delivery => $delivery});
	my %expected;

	for my $form (@forms) {
		my ($name, $argv, $stdin, $sender, $recipients) = @$form;

		subtest "$delivery, $name: it is put into the queue" => sub {
			my %before = map { $_ => 1 } ids($site->{queue});
			my $run = by($site, \@a, argv => $argv, stdin => $stdin);
			my ($new, @more) = grep { !$before{$_} } ids($site->{queue});

			is($run->exit, 0, 'status') or diag($run->err);
			is($run->err, '', 'stderr');
			$name eq '-bs' ? like($run->out, qr/^250 .*In the queue as \Q$new\E\r\n/m, 'the answer') : is($run->out, '', 'stdout');
			ok(defined $new && !@more, 'there is one more') or return;
			my @stat = stat "$site->{queue}/$new";
			is(sprintf('%d:%d %04o', @stat[4, 5], $stat[2] & 07777), sprintf('%d:%d 0660', A, G), 'whose it is');
			is($run->log->{status}, 'queued', 'the log');
			is($run->detached, 0, 'nothing is left running');
			$expected{"$sender $recipients"}++;
		};
	}
	is(connections($site), 0, "$delivery: the smarthost was not asked");
	is(slurp($site->{asked}), '', 'nor was the secret');
	is(join(' ', grep { !/$id/ } names($site->{queue})), '', 'and nothing else was made');

	silent(run_queue($site), "$delivery: its owner sends them");
	is_deeply({map { (path_of($_->{env}{mail}[0]) . ' ' . join(' ', map { path_of($_) } @{$_->{env}{rcpt}}) => 1) } $site->{server}->messages},
	    {map { $_ => 1 } keys %expected}, 'with the right senders and recipients');
	is(scalar(my @all = $site->{server}->messages), scalar @forms, 'all of them');
	is(scalar(grep { $_->{data} =~ /^Bcc:|hidden/m } $site->{server}->messages), 0, 'Bcc is gone');
	is(join(' ', ids($site->{queue})), '', 'nothing is left');
	is(slurp($site->{asked}), Q . "\n", 'the secret was asked for once, by the owner');
	is($site->{server}->violations, '', 'no violation');
}

# With entries in passwd it is the same, but for the names.
{
	my $site = site();
	my $passwd = slurp('/etc/passwd');

	spew('/etc/passwd', $passwd . sprintf("smtpq:x:%d:%d::/nonexistent:/bin/false\nalice:x:%d:%d:Alice A:/nonexistent:/bin/sh\n", Q, G, A, A), 0644);
	silent(by($site, \@a, argv => ['-t', '-i'], stdin => MESSAGE =~ s/^From:.*\n//mr, env => {USER => 'root', LOGNAME => 'root', HOME => '/root'}),
	    'a user with a name');
	silent(run_queue($site), 'is sent for');
	my ($message) = $site->{server}->messages;
	is(path_of($message->{env}{mail}[0]), 'alice@example.com', 'as the one he is');
	like($message->{data}, qr/^From: .*Alice A.*<alice\@example\.com>\r$/m, 'From, too');
	spew('/etc/passwd', $passwd, 0644);
}

# -q at an interval, which sends what comes in while it runs.
{
	my $site = site();
	my ($put, $later, $asked);

	put_message($site, \@a);
	my $run = run_queue($site, argv => ['-q1s'], limit => PATIENCE, watch => sub {
		my ($pid) = @_;
		my $n = my @messages = $site->{server}->messages;

		if ($n == 1 && !$put++) {
			$later = submit(server => 0, conf => undef, program => $sendmail, argv => ['later@example.net'], setup => sub { become(@b) });
		}
		kill 'TERM', $pid if $n == 2 && !$asked++;
	});
	silent($later, 'what another one sends while -q1s runs');
	is(arrived($site), 'b@example.net, later@example.net', 'it is sent as well');
	is($run->exit, 0, 'and -q1s ran until it was ended');
	is(slurp($site->{asked}), Q . "\n" . Q . "\n", 'the secret is fetched anew by each run');
}

# --- umasks of the callers

for my $umask (0000, 0077, 0777) {
	my $site = site();

	silent(by($site, \@a, argv => ['b@example.net'], setup => sub { umask $umask }), sprintf 'umask %03o: put there', $umask);
	is(join(' ', map { sprintf '%04o', (stat "$site->{queue}/$_")[2] & 07777 } ids($site->{queue})), '0660', 'its mode');
	silent(run_queue($site, setup => sub { umask $umask }), 'and sent');
	is(arrived($site), 'b@example.net', 'it has arrived');
	is(join(' ', map { sprintf '%s %04o', $_, (stat "$site->{queue}/$_")[2] & 0777 } names($site->{queue})), 'runner 0600', 'what stays');
}

# --- nobody sees or touches another's mail, nor his own once it is there

{
	my $site = site();
	my $dir = $site->{dir};
	my $mine = put_message($site, \@a);
	my $his = put_message($site, \@b, '-f', 'bert@example.org', 'secret-recipient@example.net');
	my $before = slurp("$site->{queue}/$his");
	my @tries = (['-bp'], ['-q'], ['-qf'], ['-q1s'], map({ ["-qI$_"] } $his, $mine), ['-qSbert'], ['-qRsecret-recipient'],
	    map { my $flag = $_; map { [$flag, $_] } $his, $mine } qw(--queue-show --queue-remove --queue-hold --queue-release));

	for my $argv (@tries) {
		tells(by($site, \@a, argv => $argv, stdin => ''), 77, qr/\Q$site->{queue}\E.*another user/, "another user: @{$argv}[0] " .
		    (($argv->[1] // '') eq $his ? 'of another' : $argv->[1] ? 'of his own' : ''));
	}
	for my $flags ([], ['--json'], ['--older-than', '1s']) {
		tells(by($site, \@a, argv0 => 'mailq', argv => $flags, stdin => ''), 77, qr/another user/, "another user: mailq @$flags");
	}
	is(slurp("$site->{queue}/$his"), $before, 'nothing was changed');
	is(connections($site), 0, 'nothing was sent');
	is(slurp($site->{asked}), '', 'no secret was asked for');

	my %direct = (
	    list => sub { opendir my $d, $site->{queue} }, enter => sub { chdir $site->{queue} },
	    'look at' => sub { lstat "$site->{queue}/$his" }, read => sub { open my $f, '<', "$site->{queue}/$his" },
	    'read his own' => sub { open my $f, '<', "$site->{queue}/$mine" }, 'change his own' => sub { chmod 0666, "$site->{queue}/$mine" },
	    remove => sub { unlink "$site->{queue}/$his" }, rename => sub { rename "$site->{queue}/$mine", "$site->{queue}/$his" },
	    link => sub { link "$site->{queue}/$his", "$dir/tmp" }, make => sub { open my $f, '>', "$site->{queue}/new" },
	    'read the secret' => sub { open my $f, '<', $site->{secret} });
	is(join(', ', grep { as_user(\@a, $direct{$_}) } sort keys %direct), '', 'what he can do without the program');

	# By its two hands: a program that is ended, or whose descriptors are looked into, gives nothing away.
	my %seen;
	by($site, \@a, argv => ['b@example.net'], stdin => {code => sub { return undef if $seen{done}; select undef, undef, undef, 0.01; return "\n" }},
	    watch => sub {
		my ($pid) = @_;

		return if $seen{done} || (readlink "/proc/$pid/exe" // '') ne $sendmail || slurp("/proc/$pid/status") !~ /^Gid:\s+${\A}\s+${\G}\s/m;
		$seen{group} = 1;
		return if (stat "/proc/$pid/fd")[4] != 0 && !$seen{waited}++;	# it has just begun
		$seen{done} = 1;
		$seen{open} = as_user(\@a, sub { opendir my $d, "/proc/$pid/fd" or open my $f, '<', "/proc/$pid/mem" });
	    });
	ok($seen{group}, 'while it runs it has the group');
	ok(!$seen{open}, 'and nobody looks into it');

	# The owner and root can do all of it.
	for my $who (\@q, \@root) {
		my $name = $who->[0] == 0 ? 'root' : 'its owner';
		my $list = by($site, $who, argv0 => 'mailq', argv => [], stdin => '');

		is($list->exit, 0, "$name: mailq");
		like($list->out, qr/^\Q$his\E .*<bert\@example\.org>.*\n\s+secret-recipient\@example\.net$/m, 'lists it');
		like(by($site, $who, argv => ['--queue-show', $his], stdin => '')->out, qr/^Subject: test\r?$/m, "$name: --queue-show");
		silent(by($site, $who, argv => [$_, $his], stdin => ''), "$name: $_") for qw(--queue-hold --queue-release);
	}
	is_for_owner($site, 'and the owner can still use all of it');
	silent(by($site, \@root, argv => ['--queue-remove', $his], stdin => ''), 'root: --queue-remove');
	silent(by($site, \@q, argv => ['--queue-remove', $mine], stdin => ''), 'its owner: --queue-remove');
}

# --- neither environment nor flags lead the group's rights elsewhere

{
	my $site = site();
	my ($other, $own) = (site(), scratch());
	my $group_file = spew('/etc/group-secret', "top-secret-line = 1\n", 0640);

	configure($site);	# the last one counts
	chown 0, G, $group_file;
	chmod 0777, $own;
	chmod 01777, $other->{queue};
	spew("$own/sendmail.conf", conf({queue => $other->{queue}, log => "$own/log"}, section($other->{server})), 0644);
	spew("$own/openssl.cnf", "openssl_conf = x\n[x]\n.include = $group_file\n", 0644);
	my %hostile = (SENDMAIL_CONF => "$own/sendmail.conf", SENDMAIL_SMARTHOST => 'smtp://127.0.0.1:' . $other->{server}->port,
	    SENDMAIL_FROM => 'evil@example.org', SENDMAIL_DOMAIN => 'example.org', SENDMAIL_CA_FILE => $group_file, SENDMAIL_PASSWORD_FILE => $group_file,
	    TMPDIR => $own, HOME => $own, XDG_CONFIG_HOME => $own, XDG_RUNTIME_DIR => $own, CREDENTIALS_DIRECTORY => $own, OPENSSL_CONF => "$own/openssl.cnf",
	    SSL_CERT_FILE => $group_file, SSL_CERT_DIR => $own, SSLKEYLOGFILE => "$own/keys", LD_PRELOAD => "$own/evil.so", LD_LIBRARY_PATH => $own,
	    LD_AUDIT => "$own/evil.so", LD_DEBUG_OUTPUT => "$own/debug", LD_DEBUG => 'all', GCONV_PATH => $own, LOCPATH => $own, NLSPATH => "$own/%N",
	    MALLOC_TRACE => "$own/trace", GMON_OUT_PREFIX => "$own/gmon", HOSTALIASES => $group_file, TZ => ":$group_file",
	    RESOLV_HOST_CONF => $group_file, USER => 'root', LOGNAME => 'root', POSIXLY_CORRECT => '1');
	for my $name (undef, sort keys %hostile) {
		my $before = ids($site->{queue});
		my $run = by($site, \@a, argv => ['b@example.net'], env => defined $name ? {$name => $hostile{$name}} : \%hostile, cwd => $own);

		silent($run, 'the environment: ' . ($name // 'all of it'));
		is(scalar(ids($site->{queue})), $before + 1, 'it is in the queue');
	}
	is(scalar(grep { slurp("$site->{queue}/$_") !~ /^sender a\@example\.com$/m } ids($site->{queue})), 0, 'with its sender');

	my @flags = (['-O', "QueueDirectory=$other->{queue}"], ["-oQ$other->{queue}"], ['-X', "$own/transcript"], ['-D', "$own/debug"], ['-d0-99.100'],
	    ['-oA' . $group_file], ['-O', "AliasFile=$group_file"], ['-O', "DeadLetterDrop=$own/dead"], ['-O', 'RunAsUser=root'], ['-O', 'DeliveryMode=i'],
	    ['-L', "$own/x"], ['-p', "x:$own"], ['-M', 'X1'], ['-Q' . $own], ['-odi', '-v']);
	for my $flags (@flags) {
		my $before = ids($site->{queue});

		silent(by($site, \@a, argv => [@$flags, 'b@example.net'], cwd => $own), "the flags @$flags[0]");
		is(scalar(ids($site->{queue})), $before + 1, 'it is in the queue');
	}
	for my $file ("$own/sendmail.conf", $group_file, '/etc/shadow', "/etc/../$own/sendmail.conf", '/proc/self/environ') {
		my $run = by($site, \@a, argv => ["-C$file", 'b@example.net'], env => \%hostile);

		tells($run, 78, qr/./, '-C ' . ($file =~ m{\A/etc/\w|^/proc} ? $file : 'a file elsewhere'));
		unlike($run->err, qr/top-secret|root:/, 'nothing of it is told');
	}
	is(join(' ', names($other->{queue}), grep { $_ ne 'sendmail.conf' && $_ ne 'openssl.cnf' } names($own)), '', 'nothing was written elsewhere');
	is(connections($other) + connections($site), 0, 'and nobody was spoken to');
	unlink $group_file;

	# A large message lies in no directory of the caller's while it is read.
	my ($fed, $looked, $where) = (0, 0, '');
	by($site, \@a, argv => ['b@example.net'], env => {TMPDIR => $own}, stdin => {code => sub {
		return undef if $looked;
		select undef, undef, undef, 0.01 if $fed > 4e6;
		return $fed > 20e6 ? undef : do { $fed += 7100; ('x' x 70 . "\n") x 100 };
	}}, watch => sub {
		my ($pid) = @_;
		return if (readlink "/proc/$pid/exe" // '') ne $sendmail;
		my @files = grep { / \(deleted\)\z/ } map { readlink($_) // '' } glob "/proc/$pid/fd/*";

		($looked, $where) = (1, "@files") if @files;
	});
	unlike($where, qr/^\Q$own\E/, 'where a large message is kept is not for the caller to say');
	like($where, qr{^\Q$site->{queue}/\E}, 'it is kept in the queue, while it is read');
}

# What the program may read for him is not shown to him.
{
	my $site = site();

	chown 0, G, '/etc/sendmail.conf';
	chmod 0640, '/etc/sendmail.conf';
	tells(by($site, \@a, argv => ['--print-config'], stdin => ''), 77, qr{cannot show the configuration /etc/sendmail\.conf}, 'one who may not read it');
	silent(by($site, \@a, argv => ['b@example.net']), 'though he may send');
	chmod 0644, '/etc/sendmail.conf';
	like(by($site, \@a, argv => ['--print-config'], stdin => '')->out, qr/^queue = "\Q$site->{queue}\E" +# line \d+$/m, 'one who may');
}

# --- one who is in the group, and hostile

sub checksum
{
	use integer;
	my $sum = 14695981039346656037;

	$sum = ($sum ^ $_) * 1099511628211 for unpack 'C*', $_[0];
	return sprintf '%016x', $sum;
}

# He plants something that is first in the queue; a message of A's is there. [name, sub ($path, $site, $id of A's) as that user,
# messages that may arrive (1), whether it stays (1)]
my @planted = (
    ['garbage', sub { spew($_[0], "nonsense\n" x 1000, 0666) }],
    ['an empty file', sub { spew($_[0], '', 0666) }],
    ['a head and nothing else', sub { spew($_[0], substr(slurp("$_[1]{queue}/$_[2]"), 0, RECORD), 0666) }],
    ['a symbolic link to what only root can read', sub { symlink '/etc/shadow', $_[0] }],
    ['a symbolic link to the secret', sub { symlink $_[1]{secret}, $_[0] }],
    ['a symbolic link to itself', sub { symlink $_[0] =~ s{.*/}{}r, $_[0] }],
    ['a symbolic link to a device', sub { symlink '/dev/zero', $_[0] }],
    ['a FIFO', sub { POSIX::mkfifo($_[0], 0666) && chmod 0666, $_[0] }],
    ['a directory', sub { mkdir $_[0] }],
    ['a socket', sub { socket my $s, PF_UNIX, SOCK_STREAM, 0; bind $s, sockaddr_un($_[0]) }],
    ['a file that its owner alone can read', sub { spew($_[0], slurp("$_[1]{queue}/$_[2]"), 0600) }],
    ['a file of 10 GiB without a byte', sub { open my $f, '>', $_[0]; truncate $f, 10 * 2 ** 30 }],
    # Nothing but holes, but of the size that its head tells: reading all of it takes hours.
    ['a file of 1 TiB with a head', sub {
	my $text = slurp("$_[1]{queue}/$_[2]");
	my ($lines) = $text =~ /envelope=(\d+)/;
	my $size = 2 ** 40;

	$text =~ s/message=\d+/sprintf 'message=%015d', $size/e;
	spew($_[0], substr($text, 0, 3 * RECORD + $lines), 0666);
	truncate $_[0], 3 * RECORD + $lines + $size + 27;
    }],
    ['a hard link to another\'s message', sub { link "$_[1]{queue}/$_[2]", $_[0] }, 1, 0],
    ['a copy of another\'s message that is altered', sub { spew($_[0], slurp("$_[1]{queue}/$_[2]") =~ s/Hello/Jello/r, 0666) }],
    ['a world-writable message of his own', sub {
	my $text = slurp("$_[1]{queue}/$_[2]");
	my ($lines, $octets) = $text =~ /envelope=(\d+) message=(\d+)/;

	$text =~ s/^sender a\@/sender z\@/m;	# of another, who is not asked
	spew($_[0], substr($text, 0, -27) . "\r\nend sum=" . checksum(substr($text, 0, STATE_AT) . substr($text, 3 * RECORD, $lines + $octets)) . "\n", 0666);
    }, 2, 0],
    ['a temporary file with a wish', sub { spew($_[0] =~ s{/([^/]+)\z}{/new.$1}r, 'x', 0666) }],
);
for my $case (@planted) {
	my ($name, $plant, $sent, $stays) = @$case;
	my $site = site();
	my $his = put_message($site, \@a);
	my $first = "$site->{queue}/" . '0' x 26;

	subtest "in the queue there is $name" => sub {
		ok(as_user(\@c, sub { umask 0; $plant->($first, $site, $his) }), 'it is there');
		my $run = run_queue($site, limit => 5);
		is($run->timed_out, undef, 'the run ends');
		is($run->signal, 0, 'and by itself');
		is(join(' ', grep { $_ ne 'b@example.net' } split /, /, arrived($site)), '', 'nothing else is sent');
		is(scalar(my @m = $site->{server}->messages), $sent // 1, 'messages that arrived');
		ok(!-e "$site->{queue}/$his", 'the other one is gone');
		is(-l $first || -e $first ? 1 : 0, $stays // 1, 'whether it stays') if $name !~ /temporary/;
		unlike($run->{log_text} . $run->err . $run->out, qr/root:|\Q${\PASSWORD}\E/, 'nothing of others is told');
		is($site->{server}->violations, '', 'no violation');
		my $list = by($site, \@q, argv => ['-bp'], stdin => '', limit => 5);
		is($list->exit, 0, 'it can be listed');
		is(slurp($site->{secret}), PASSWORD . "\n", 'the secret is as it was');
		silent(by($site, \@b, argv => ['b@example.net']), 'others go on');
	};
}

# What the runs need is not there, or not what it was.
for my $case (
    ['runner is a symbolic link', sub { symlink $_[0]{secret}, "$_[0]{queue}/runner" }],
    ['runner is a directory', sub { mkdir "$_[0]{queue}/runner" }]) {
	my ($name, $plant) = @$case;
	my $site = site();

	put_message($site, \@a);
	as_user(\@c, sub { $plant->($site) });
	for my $argv (['-q'], ['-q1s']) {
		my $run = run_queue($site, argv => $argv, limit => 5);

		tells($run, 73, qr/\Q$site->{queue}\E/, "$name: @$argv says so");
	}
	is(slurp($site->{secret}), PASSWORD . "\n", 'what it leads to is left alone');
	silent(by($site, \@b, argv => ['b@example.net']), 'and messages can still be put there');
	is(scalar(ids($site->{queue})), 2, 'nothing is lost');
}

# Where there is no place for what nobody can be told of, all else goes on.
for my $case (['a file', sub { spew("$_[0]{queue}/failed", '', 0666) }], ['a symbolic link', sub { symlink '/etc', "$_[0]{queue}/failed" }]) {
	my ($name, $plant) = @$case;
	my $site = site();

	put_message($site, \@a);
	as_user(\@c, sub { $plant->($site) });
	silent(run_queue($site), "failed is $name: a run");
	is(arrived($site), 'b@example.net', 'sends');
	is(join(' ', ids($site->{queue})), '', 'what can be sent');
}

# He puts something of his own in the place of the file that has the lock. A run may refuse that, or do without; but neither wait for him, nor
# do nothing and say nothing.
for my $case (
    ['locked by him', sub { open my $f, '>', $_[0] or return; chmod 0666, $_[0]; flock $f, 2; $f }],
    ['a FIFO that is full', sub {
	POSIX::mkfifo($_[0], 0666) && chmod 0666, $_[0];
	sysopen my $f, $_[0], POSIX::O_RDWR() | POSIX::O_NONBLOCK() or return;
	1 while syswrite $f, 'x' x 4096;
	1 while syswrite $f, 'x';
	$f;
    }]) {
	my ($name, $plant) = @$case;
	my $site = site();
	my $ready = "$site->{dir}/asked";

	put_message($site, \@a);
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		become(@c);
		my $kept = $plant->("$site->{queue}/runner");
		spew($ready, 'ready') if $kept;
		sleep PATIENCE * 3;
		POSIX::_exit(0);
	}
	ok(wait_for(sub { slurp($ready) eq 'ready' }), "runner is $name");
	my $run = run_queue($site, limit => 5);
	is($run->timed_out, undef, 'the run ends');
	$run->exit ? tells($run, 73, qr/\Q$site->{queue}\E/, 'and says that it cannot be') : is(arrived($site), 'b@example.net', 'and sends');
	kill 'KILL', $pid;
	waitpid $pid, 0;
}

# Nor is anything written to what else has that name: the message of another, which he may give a second one.
{
	my $site = site();
	my $his = put_message($site, \@a);

	ok(as_user(\@c, sub { link "$site->{queue}/$his", "$site->{queue}/runner" }), 'runner is another name of a message');
	my $run = run_queue($site);
	is(slurp("$site->{queue}/$his") =~ /sum=[0-9a-f]{16}\n\z/ || arrived($site) ne '' ? 1 : 0, 1, 'which is not altered');
	$run->exit ? tells($run, 73, qr/\Q$site->{queue}\E/, 'the owner is told') : is(arrived($site), 'b@example.net', 'and is sent');
}
# An administrator may set the sticky bit, so that not even the group can take another's message away.
{
	my $site = site();

	chmod 03770, $site->{queue};
	my $his = put_message($site, \@a);
	ok(!as_user(\@c, sub { unlink "$site->{queue}/$his" or rename "$site->{queue}/$his", "$site->{queue}/x" }),
	    'with the sticky bit nobody removes another\'s message');
	silent(run_queue($site), 'its owner runs it');
	is(arrived($site), 'b@example.net', 'it is sent');
	is(join(' ', names($site->{queue})), 'runner', 'and removed');
	put_message($site, \@b);
	silent(by($site, \@root, argv => ['-q'], stdin => ''), 'root runs it as well');
	is(join(' ', ids($site->{queue})), '', 'nothing is left');
}

# One who is in the group, and means no harm: his mail is sent as everybody's, and he sees no more than others do.
for my $case (['as his own group', \@c], ['as one of his groups', [C, C, G]]) {
	my ($name, $who) = @$case;
	my $site = site();

	silent(by($site, $who, argv => ['-odq', 'b@example.net']), "one who has the group $name puts a message there");
	is_for_owner($site, 'its owner can use it');
	tells(by($site, $who, argv => ['-bp'], stdin => ''), 77, qr/another user/, 'only the owner can see it: mailq');
	run_queue($site);
	is(arrived($site), 'b@example.net', 'and he sends it');
}
# The owner may have another group himself: the program has the right one.
{
	my $site = site();

	put_message($site, \@a);
	silent(by($site, [Q, Q], argv => ['-q'], stdin => ''), 'the owner, who is not in the group, runs it');
	is(arrived($site), 'b@example.net', 'it is sent');
	is_for_owner($site, 'he can use what that makes');
}

# --- the bounds of the configuration

for my $case ([{'queue-max-messages' => 2}, MESSAGE], [{'queue-max-size' => 1}, MESSAGE . ('x' x 70 . "\n") x 7400]) {
	my ($bound, $message) = @$case;
	my ($key) = keys %$bound;
	my $site = site(top => $bound);

	silent(by($site, \@b, argv => ['b@example.net'], stdin => $message), "$key: there is room for the first message");
	put_message($site, \@b) if $key eq 'queue-max-messages';
	my @before = ids($site->{queue});
	for my $argv (['a@example.net'], ['-odq', 'a@example.net'], ['-t', '-i']) {
		my $run = by($site, \@a, argv => $argv, stdin => $message);

		tells($run, 73, qr/queue \Q$site->{queue}\E is full/, "$key: @$argv, and there is no more: the caller sees it");
		is($run->log->{status}, 'failed', 'the log, too');
		unlike($run->err, qr/run the command by hand/, 'nobody but the owner is told to get at the secret');
	}
	my $run = by($site, \@a, argv => ['-bs'], stdin => $dialogue =~ s/^Hello\r\n/('x' x 70 . "\r\n") x 7400/mer);
	like($run->out, qr/^354 .*\n45\d[- ]4\.\d\.\d .*queue/m, "$key: -bs says so at the dot");
	is(join(' ', ids($site->{queue})), "@before", 'nothing was added or removed');
	is(slurp($site->{server}->dir . '/auth'), '', 'nor sent');
	silent(run_queue($site), 'its owner sends what there is');
	silent(by($site, \@a, argv => ['a@example.net'], stdin => $message), 'and there is room again');
}

# The smarthost asks for no secret, so what the queue does not take is sent at once. That is all: others' messages are the owner's.
{
	my $site = site(user => undef, top => {'queue-max-messages' => 1});
	my $his = put_message($site, \@b, 'waits@example.net');

	my $run = by($site, \@a, argv => ['at-once@example.net']);
	$run->exit == 0 ? silent($run, 'no room in the queue, and a smarthost that takes all: it is sent at once') :
	    tells($run, 73, qr/is full/, 'no room in the queue: the caller is told');
	is(arrived($site), $run->exit == 0 ? 'at-once@example.net' : '', 'that message alone');
	is(join(' ', names($site->{queue})), $his, 'nothing is made or removed in the queue');
	silent(run_queue($site), 'its owner can run it');
	is(join(', ', grep { !/^at-once/ } split /, /, arrived($site)), 'waits@example.net', 'and sends the other, once');
}

# What is in failed/ waits for nobody, and takes no place.
{
	my $site = site(top => {'queue-max-messages' => 1});
	my $given_up = put_message($site, \@a);

	silent(run_queue($site, argv => ['-qInone']), 'a run that finds nothing to do');
	mkdir "$site->{queue}/failed", 0700;
	rename "$site->{queue}/$given_up", "$site->{queue}/failed/$given_up" or die "rename: $!";
	silent(by($site, \@a, argv => ['b@example.net']), 'a message in failed/ does not count');
	is(scalar(ids($site->{queue})), 1, 'it is in the queue');
}

# --- a queue that cannot be used

# Neither those who send nor the owner can use it. All are told; the message is not lost, for its caller knows.
sub unusable
{
	my ($name, $site, %o) = @_;
	my $pattern = $o{pattern} // qr/\Q$site->{queue}\E/;

	for my $argv (['b@example.net'], ['-odq', '-t', '-i']) {
		tells(by($site, \@a, argv => $argv), $o{status} // 73, $pattern, "$name: @$argv");
	}
	like(by($site, \@a, argv => ['-bs'], stdin => $dialogue)->out, qr/^354 .*\n4\d\d[- ]4\.\d\.\d .*queue/m, "$name: -bs");
	tells(run_queue($site, argv => ['-q']), $o{run} // 73, $pattern, "$name: -q") if !$o{runs};
	tells(run_queue($site, argv => ['-q1s'], limit => 5), $o{run} // 73, $pattern, "$name: -q1s") if !$o{runs};
	is(slurp($site->{server}->dir . '/auth'), '', "$name: no secret was told");
}

{
	my $site = site();

	rmdir $site->{queue};
	unusable('the queue is missing', $site);
	for my $argv (['-bp'], ['--queue-show', 'x']) {
		tells(by($site, \@q, argv => $argv, stdin => ''), 73, qr/\Q$site->{queue}\E/, "the queue is missing: $argv->[0] of its owner");
	}
}
{
	my $site = site();

	chmod 0777, $site->{queue};
	unusable('everybody may write to the queue', $site, pattern => qr/everybody may write/);
	my $run = by($site, \@q, argv => ['-bp'], stdin => '');
	tells($run, 73, qr/everybody may write/, 'everybody may write to the queue: mailq of its owner');
	unlike($run->err, qr/is missing|may not write/, 'the cause is not another one');
	like($run->err, qr/Remedy: .*(?:chmod|o-w|others|nobody)/, 'the remedy is for this');
}
{
	my $site = site();

	chown 0, 0, $site->{queue};
	chmod 0700, $site->{queue};
	unusable('the queue is root\'s', $site, run => '73|77');
}
{
	my $site = site();
	my $victim = spew("$site->{queue}.real", '', 0600);

	chown Q, G, $victim;
	rmdir $site->{queue};
	spew($site->{queue}, '', 0660);
	chown Q, G, $site->{queue};
	unusable('the queue is a file', $site);
	unlink $site->{queue};
	symlink $victim, $site->{queue};
	unusable('the queue is a symbolic link to a file', $site);
	unlink $site->{queue};
	symlink $site->{queue}, $site->{queue};
	unusable('the queue is a symbolic link to itself', $site);
}
# A link to a directory is an administrator's way to have it on another disk.
{
	my $site = site();

	rename $site->{queue}, "$site->{queue}.real";
	symlink "$site->{queue}.real", $site->{queue};
	silent(by($site, \@a, argv => ['b@example.net']), 'the queue is a symbolic link to a queue');
	silent(run_queue($site), 'it is run');
	is(arrived($site), 'b@example.net', 'as any other');
}

sub mounted
{
	my ($site, $options, $code) = @_;

	command('mount', '-t', 'tmpfs', '-o', "mode=2770,uid=${\Q},gid=${\G},$options", 'tmpfs', $site->{queue});
	$code->();
	command('umount', $site->{queue});
}

{
	my $site = site();

	mounted($site, 'size=1m', sub {
		my $his = put_message($site, \@b);

		command('mount', '-o', 'remount,ro', $site->{queue});
		unusable('the queue is on a disk that is read-only', $site);
		is(join(' ', names($site->{queue})), $his, 'nothing is lost');
		command('mount', '-o', 'remount,rw', $site->{queue});
		silent(run_queue($site), 'when it can be written again, it is sent');
		is(arrived($site), 'b@example.net', 'to whom it was for');
	});
}
{
	my $site = site();

	mounted($site, 'size=64k', sub {
		my $his = put_message($site, \@b);
		my @before = names($site->{queue});
		my $fill = "$site->{queue}/fill";

		open my $file, '>', $fill;
		1 while syswrite $file, 'x' x 4096;
		close $file;
		for my $argv (['b@example.net'], ['-t', '-i']) {
			my $run = by($site, \@a, argv => $argv);

			tells($run, '73|74', qr/\Q$site->{queue}\E.*No space/, "the disk is full: @$argv");
		}
		like(by($site, \@a, argv => ['-bs'], stdin => $dialogue)->out, qr/^354 .*\n4\d\d[- ]4\.\d\.\d .*queue/m, 'the disk is full: -bs');
		is(join(' ', grep { $_ ne 'fill' } names($site->{queue})), "@before", 'no part of a message stays');
		silent(run_queue($site), 'its owner sends what there is all the same');
		is(arrived($site), 'b@example.net', 'it has arrived');
		is(join(' ', ids($site->{queue})), '', 'and makes room');
		unlink $fill;
		silent(by($site, \@a, argv => ['b@example.net']), 'then messages can be put there');
	});
}
{
	my $site = site();

	mounted($site, 'nr_inodes=8', sub {
		silent(run_queue($site), 'a first run makes what it needs');
		my $his = put_message($site, \@b);
		my $n = 0;

		$n++ while open my $file, '>', "$site->{queue}/fill$n";
		tells(by($site, \@a, argv => ['b@example.net']), '73|74', qr/\Q$site->{queue}\E.*No space/, 'no room for a further file');
		is(join(' ', ids($site->{queue})), $his, 'nothing was added');
		silent(run_queue($site), 'its owner sends what there is all the same');
		is(arrived($site), 'b@example.net', 'it has arrived');
	});
}
# What was put there before any run, which finds no room for its own two names.
{
	my $site = site();

	mounted($site, 'nr_inodes=2', sub {
		put_message($site, \@b);
		my $run = run_queue($site);

		tells($run, '73|74', qr/\Q$site->{queue}\E.*No space/, 'no room for what a first run needs');
		is(scalar(ids($site->{queue})), 1, 'the message is still there');
	});
}

# It goes away under a run.
{
	my $site = site();
	my $gone;

	put_message($site, \@a);
	my $run = run_queue($site, argv => ['-q1s'], limit => PATIENCE, watch => sub {
		command('rm', '-r', $site->{queue}) if !$gone && arrived($site) ne '' && !ids($site->{queue}) && ++$gone;
	});
	tells($run, 73, qr/\Q$site->{queue}\E/, 'the queue is removed while -q1s runs');
}

# Nobody can be told of a message, and it cannot be moved: it stays, and the others go.
{
	my $site = site(rules => ['rcpt@no@* reply "550 5.1.1 No such user"', 'mail@a@* reply "550 5.7.1 Not you"',
	    'rcpt@a@example.com reply "550 5.1.1 No such user"', 'rcpt@postmaster@* reply "550 5.1.1 No such user"']);

	put_message($site, \@a, '-f', 'a@example.com', 'no@example.net');
	put_message($site, \@b, '-f', 'b@example.com', 'good@example.net');
	mkdir "$site->{queue}/failed";
	chown Q, G, "$site->{queue}/failed";
	chmod 0500, "$site->{queue}/failed";
	my $run = run_queue($site);
	is($run->timed_out, undef, 'failed/ is read-only: the run ends');
	is(arrived($site), 'good@example.net', 'what can be sent is sent');
	tells($run, '74', qr{failed/.*Permission}, 'the owner is told of the other');
	is(scalar(ids($site->{queue})), 1, 'which stays');
	chmod 0700, "$site->{queue}/failed";
	run_queue($site);
	is(scalar(ids("$site->{queue}/failed")), 1, 'and is moved when that can be done');
	is_for_owner($site, 'all of it is the owner\'s');
}

# --- root, who may do everything, and whose mail is cron's

for my $case (['-q', ['-q']], ['mailq', ['-bp']], ['--queue-hold', ['--queue-hold', '0' x 26]]) {
	my ($name, $argv) = @$case;
	my $site = site();

	by($site, \@root, argv => $argv, stdin => '');
	is_for_owner($site, "root is the first to use the queue, by $name: its owner can use what that makes");
	put_message($site, \@a);
	silent(run_queue($site), 'and run it');
	is(arrived($site), 'b@example.net', 'and send');
}
for my $delivery (qw(interactive background queue)) {
	my $site = site(top => {delivery => $delivery}, server => 0);

	silent(by($site, \@root, argv => ['-t', '-i']), "root sends, $delivery, and the smarthost is away");
	is(scalar(ids($site->{queue})), 1, 'it is in the queue');
	is_for_owner($site, 'and its owner can use it');
	configure($site, top => {delivery => $delivery});
	silent(run_queue($site), 'he runs it');
	is(arrived($site), 'b@example.net', 'and it is sent');
}
{
	my $site = site();

	put_message($site, \@a);
	silent(by($site, \@root, argv => ['-odi', 'root@example.net']), 'root sends while messages wait');
	wait_for(sub { arrived($site) =~ /b\@/ });
	is_for_owner($site, 'what that leaves behind can be used by the owner of the queue');
	put_message($site, \@b);
	silent(run_queue($site), 'who runs it');
}
{
	my $site = site(rules => ['rcpt reply "450 4.2.1 Busy"']);

	silent(run_queue($site), 'the owner runs it first');
	put_message($site, \@a);
	silent(by($site, \@root, argv => ['-q'], stdin => ''), 'root runs it, and a message has to wait');
	is_for_owner($site, 'its owner can use it as before');
	like(by($site, \@q, argv => ['-bp'], stdin => '')->out, qr/Busy/, 'and sees why');
}

# --- a queue of one user, and a program without rights of its own: a container

{
	my $site = site();
	my $plain = "$home/plain";
	my $conf = slurp('/etc/sendmail.conf');
	my @own = (program => $plain, env => {SENDMAIL_CONF => "$site->{dir}/sendmail.conf"});

	command('cp', program(), $plain);
	chmod 0755, $plain;
	spew("$site->{dir}/sendmail.conf", $conf, 0644);
	chmod 0700, $site->{queue};
	my @user = (Q, Q);
	silent(by($site, \@user, @own, argv => ['-odq', 'b@example.net']), 'the queue of the one user there is');
	is(sprintf('%04o', (stat "$site->{queue}/$_")[2] & 07777), '0600', 'a message in it') for ids($site->{queue});
	for my $argv (['-bp'], ['-q'], ['-q1s'], ['--queue-show', ids($site->{queue})]) {
		tells(by($site, \@a, @own, argv => $argv, stdin => '', limit => 5), $argv->[0] eq '-bp' ? 77 : '73|77', qr/\Q$site->{queue}\E/,
		    "a program without rights of its own, another user: $argv->[0]");
	}
	tells(by($site, \@a, @own, argv => ['-odq', 'b@example.net']), 73, qr/\Q$site->{queue}\E/, 'another user: a message');
	silent(by($site, \@user, @own, argv => ['-q'], stdin => ''), 'the one user sends it');
	is(arrived($site), 'b@example.net', 'it has arrived');
	is_for_owner($site, 'all is his');
}

# --- set-group-id without a queue is what it was

{
	my $site = site();

	configure($site, top => {queue => undef}, host => {password => undef, 'password-command' => undef, 'password-file' => $site->{secret}});
	chown 0, G, $site->{secret}, '/etc/sendmail.conf';
	chmod 0640, $site->{secret}, '/etc/sendmail.conf';
	for my $flags ([], ['-odi'], ['-odb'], ['-odq']) {
		my $run = by($site, \@a, argv => [@$flags, 'b@example.net'], env => {SENDMAIL_CONF => '/nonexistent'});

		silent($run, "no queue, set-group-id, @$flags: it is sent");
		is($run->log->{status}, 'sent', 'at once');
	}
	is(scalar(my @messages = $site->{server}->messages), 4, 'all have arrived');
	my $run = by($site, \@a, argv => ['-bp'], stdin => '');
	is($run->exit . $run->out . $run->err, "0Mail queue is empty (no queue is configured)\n", 'no queue: mailq');
	tells(by($site, \@a, argv => ['-q'], stdin => ''), 78, qr/no queue/, 'no queue: -q');
	tells(by($site, \@a, argv => ['--queue-show', '0' x 26], stdin => ''), 78, qr/no queue/, 'no queue: --queue-show');
	like(by($site, \@a, argv => ['-bs'], stdin => $dialogue)->out, qr/^354 .*\n250 2\.0\.0 /m, 'no queue: -bs');
	chmod 0600, $site->{secret};
	tells(by($site, \@a, argv => ['b@example.net']), 78, qr/cannot read/, 'no queue: a secret that the group may not read');
}

done_testing;
