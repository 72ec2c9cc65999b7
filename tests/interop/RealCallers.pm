# The programs that call sendmail, for a test: in namespaces of their own and
# from a tree of Debian packages that nobody installed (see OwnTree.pm and
# fetch.sh), with our program at /usr/sbin/sendmail, and with the scriptable
# smarthost (tests/smarthost) as the only thing that can be reached.
#
#	use lib $FindBin::Bin;
#	use RealCallers;		# brings Test::More along
#
#	my $world = RealCallers->begin;	# or the script is skipped
#	$world->conf(from => '"app@example.com"');
#	caller_is $world, 'mutt', package => 'mutt',
#	    command => [qw(mutt -s subject b@example.net)], input => "text\n",
#	    args => [qw(sendmail -oem -oi -- b@example.net)],
#	    sender => 'app@example.com', to => ['b@example.net'],
#	    fields => { Subject => 'subject' }, body => "text\n",
#	    refused => { status => 1, says => qr/no such user/i };
#	done_testing;
#
# The tree's /etc is a copy, and that and /dev, /home, /mnt, /root, /run, /tmp
# and /var are in memory.  Users: root, daemon, mail, www-data (who owns
# /var/www), alice (1000), nobody.  The host is called "box", without a domain.
# /dev/log is read by the test.  /mnt is for the test alone.
#
# Each call has a smarthost of its own: smtp.example.com, port 587, STARTTLS and
# AUTH required as app@example.com.
#
# How a caller calls us is seen by strace, where that is permitted; elsewhere
# it is not compared.

package RealCallers;

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter ();
use Fcntl qw(O_NONBLOCK F_SETFL);
use File::Path qw(make_path remove_tree);
use FindBin;
use IO::Socket::UNIX;
use POSIX qw(WNOHANG _exit);
use Socket qw(SOCK_DGRAM);
use Test::More;
use Time::HiRes qw(sleep time);

use lib $FindBin::Bin;
use OwnTree qw(mount_memory mount_devices run spew slurp);

our @ISA = qw(Exporter);
our @EXPORT = (@Test::More::EXPORT, qw(caller_is delivers refuses));

use constant {
	USER		=> 'app@example.com',
	PASSWORD	=> 'open sesame',
	LIFETIME	=> 240,		# seconds; no script takes half of it
	PATIENCE	=> 20,		# seconds that any one call may take
	MAILERS_GID	=> 800,		# who may read the password
};

# What is unpacked: the callers, what our program needs, and what scripts need.
my @packages = qw(libssl3 libconfuse2 libbsd0 ca-certificates strace
    bash coreutils dash debianutils findutils grep hostname libc-bin passwd sed
    php-cli php-symfony-mailer libphp-phpmailer cron at bsd-mailx mailutils
    s-nail mutt git-email libmailtools-perl ruby-mail libemail-sender-perl
    nodejs node-nodemailer sudo smartmontools mdadm);

# Name, uid, gid, home.
my @users = ([root => 0, 0, '/root'], [daemon => 1, 1, '/usr/sbin'],
    [mail => 8, 8, '/var/mail'], ['www-data' => 33, 33, '/var/www'],
    [alice => 1000, 1000, '/home/alice'], [nobody => 65534, 65534, '/nonexistent']);
my %user = map { $_->[0] => { uid => $_->[1], gid => $_->[2], home => $_->[3] } }
    @users;

# Skips the script, or fails it where nothing may be skipped.
sub cannot {
	my ($why) = @_;

	die "$why\n" if $ENV{INTEROP_REQUIRED};
	plan skip_all => $why;
}

# All that comes before the first test.
sub begin {
	my ($class) = @_;
	my $build = $ENV{BUILD} // 'build';
	my $sendmail = abs_path($ENV{SENDMAIL} // "$build/sendmail") // '';
	my $smarthost = abs_path("$build/tests/smarthost/smarthost") // '';

	-x $_ or die "no program and no smarthost in $build: make all smarthost\n"
	    for $sendmail, $smarthost;
	my $root = OwnTree::fetch($FindBin::Bin, $build, 'callers', @packages)
	    or cannot('the callers cannot be downloaded');
	my $why_not = OwnTree::enter();
	cannot($why_not) if defined $why_not;

	$SIG{$_} = sub { die "ended by a signal\n" } for qw(HUP INT TERM);
	$SIG{ALRM} = sub { die "took too long\n" };
	$SIG{PIPE} = 'IGNORE';
	alarm LIFETIME;
	my $self = bless { root => $root, build => abs_path($build),
	    sendmail => $sendmail, smarthost => $smarthost, calls => 0,
	    log => '' }, $class;
	$self->furnish;
	$self->certificate;
	$self->conf;
	$self->{ptrace} = system("chroot '$root' strace -o /dev/null true " .
	    '>/dev/null 2>&1') == 0;
	note 'ptrace is not permitted: how we are called is not compared'
	    if !$self->{ptrace};
	return $self;
}

# A path of the callers', as the test sees it.
sub path {
	my ($self, $path) = @_;

	return "$self->{root}$path";
}

# The version of an unpacked package.
sub version {
	my ($self, $package) = @_;

	return slurp($self->path('/.packages')) =~ /^\Q$package\E (.*)$/m ? $1 : '?';
}

sub furnish {
	my ($self) = @_;
	my $root = $self->{root};

	# What the package would have: its program and its links.
	symlink 'bsd-mailx', "$root/usr/bin/mail";	# an alternative
	-e "$root/usr/sbin/sendmail" or spew("$root/usr/sbin/sendmail", '', 0755);
	for my $link (qw(lib/sendmail bin/mailq bin/newaliases)) {
		-l "$root/usr/$link" or symlink '../sbin/sendmail', "$root/usr/$link"
		    or -l "$root/usr/$link" or die "$link: $!";
	}
	# No caller changes the tree, which other tests use. An ordinary user may
	# not be permitted to say so.
	run("mount --bind '$root' '$root'");
	system("mount -o remount,bind,ro '$root' 2>/dev/null");
	run("mount --bind '$self->{sendmail}' '$root/usr/sbin/sendmail'");

	mount_memory($root, '/mnt');
	run("cp -a '$root/etc/.' '$root/mnt'");
	run("mount --bind '$root/mnt' '$root/etc'");
	run("umount '$root/mnt'");
	mount_memory($root, qw(/dev /home /mnt /root /run /tmp /var));
	mount_devices($root, qw(/dev/null /dev/zero /dev/urandom /dev/random));
	run("mount --rbind /proc '$root/proc'");
	run('hostname box');
	chmod 01777, "$root/tmp" or die;
	chmod 0700, "$root/mnt", "$root/root" or die;
	make_path(map { "$root$_" } qw(/var/tmp /var/mail /var/log /var/cache
	    /var/lib/php /var/lib/sudo/lectured /var/www/html /home/alice
	    /var/spool/cron/crontabs /var/spool/cron/atjobs
	    /var/spool/cron/atspool));
	symlink '/run', "$root/var/run" or die;
	chmod 01777, "$root/var/tmp", "$root/var/mail";

	spew("$root/etc/passwd", join '', map {
	    "$_->[0]:x:$_->[1]:$_->[2]:\u$_->[0]:$_->[3]:/bin/sh\n" } @users);
	spew("$root/etc/group", join '', (map { "$_->[0]:x:$_->[2]:\n" } @users),
	    "crontab:x:801:\n", 'mailers:x:' . MAILERS_GID . ":www-data,alice,daemon\n");
	spew("$root/etc/shadow", join('', map { "$_->[0]:*:19000:0:99999:7:::\n" }
	    @users), 0640);
	spew("$root/etc/hosts", "127.0.0.1 localhost smtp.example.com\n127.0.1.1 box\n");
	spew("$root/etc/hostname", "box\n");
	spew("$root/etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\n" .
	    "hosts: files\nservices: files\n");
	spew("$root/etc/services", "smtp 25/tcp\nsubmission 587/tcp\n");
	run("rm -rf '$root/etc/pam.d'; mkdir '$root/etc/pam.d'");
	spew("$root/etc/pam.d/other", join '', map { "$_ required pam_permit.so\n" }
	    qw(auth account password session));
	spew("$root/etc/localtime", slurp("$root/usr/share/zoneinfo/Etc/UTC"));
	chown 33, 33, map { "$root$_" } '/var/www', '/var/www/html';
	chown 1000, 1000, "$root/home/alice";
	chown 1, 1, map { "$root/var/spool/cron/$_" } 'atjobs', 'atspool';
	chmod 01770, map { "$root/var/spool/cron/$_" } 'atjobs', 'atspool';
	chown 0, 801, "$root/var/spool/cron/crontabs";
	chmod 01730, "$root/var/spool/cron/crontabs";
	spew("$root/var/spool/cron/atjobs/.SEQ", "0\n", 0600);
	chown 1, 1, "$root/var/spool/cron/atjobs/.SEQ";

	# The log. A path of a socket has to be short.
	my $here = Cwd::getcwd();
	chdir "$root/dev" or die;
	$self->{log_socket} = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => 'log')
	    or die "/dev/log: $!";
	chdir $here or die "$here: $!";
	chmod 0666, "$root/dev/log";
	fcntl $self->{log_socket}, F_SETFL, O_NONBLOCK or die "fcntl: $!";
}

# The smarthost's certificate, and its authority where the callers find it.
sub certificate {
	my ($self) = @_;

	$self->start;
	$self->stop;
	spew($self->path('/etc/ssl/smarthost.pem'),
	    slurp($self->path('/mnt/certs/ca.pem')));
	spew($self->path('/etc/sendmail.password'), PASSWORD . "\n", 0640);
	chown 0, MAILERS_GID, $self->path('/etc/sendmail.password') or die;
}

# Writes /etc/sendmail.conf: the smarthost and these options.
sub conf {
	my ($self, %option) = @_;

	spew($self->path('/etc/sendmail.conf'), <<~END .
		smarthost "smtp.example.com" {
			user = "${\USER}"
			password-file = "/etc/sendmail.password"
			tls-ca-file = "/etc/ssl/smarthost.pem"
		}
		timeout = "20s"
		END
	    join '', map { "$_ = $option{$_}\n" } sort keys %option);
}

# Copies a program into memory to have its set-user-ID bit there; fetch.sh took
# that away.
sub set_id {
	my ($self, $program, $uid, $gid, $mode) = @_;
	my $copy = $self->path("/mnt/bin$program");

	make_path($copy =~ s{/[^/]*\z}{}r);
	spew($copy, slurp($self->path($program)));
	chown $uid, $gid, $copy or die "$copy: $!";
	chmod $mode, $copy or die "$copy: $!";
	run("mount --bind '$copy' '" . $self->path($program) . "'");
}

# A file for a caller, in its user's home.
sub file {
	my ($self, $path, $text, $mode) = @_;

	make_path($self->path($path =~ s{/[^/]*\z}{}r));
	spew($self->path($path), $text, $mode);
	return $path;
}

# The name of the unpacked PHP, with what its maintainer scripts would have
# switched on.
sub php_program {
	my ($self) = @_;

	for my $ini (map { glob "'$_'/*/*.ini" } grep { !/readline|opcache/ }
	    glob "'" . $self->path('/usr/share') . "'/php[0-9]*") {
		$self->file('/etc/php-modules/' . $ini =~ s{.*/}{}r, slurp($ini));
	}
	my ($program) = glob "'" . $self->path('/usr/bin') . "'/php[0-9]*";
	return $self->{php} = $program =~ s{.*/}{}r;
}

# What call() needs to run a script of PHP's as www-data.
sub php {
	my ($self, $code, @options) = @_;

	return (user => 'www-data', cwd => '/var/www/html',
	    env => { PHP_INI_SCAN_DIR => '/etc/php-modules' },
	    command => [$self->{php}, @options, '-r', $code]);
}

# A directory for the callers.
sub copy {
	my ($self, $from, $to) = @_;

	run("cp -r '$from' '" . $self->path($to) . "'");
}

# --- the smarthost -------------------------------------------------------

sub start {
	my ($self, @rules) = @_;
	my $dir = $self->path('/mnt/smarthost');

	remove_tree($dir);
	mkdir $dir or die "$dir: $!";
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', "$dir/stdout";
		open STDERR, '>&', \*STDOUT;
		$SIG{PIPE} = 'DEFAULT';
		exec { $self->{smarthost} } 'smarthost', '--dir', $dir,
		    '--certs', $self->path('/mnt/certs'),
		    '--listen', '127.0.0.1:587', '--user', USER,
		    '--password', PASSWORD, '--lifetime', LIFETIME,
		    '--die-with-parent', map { ('--rule', $_) } @rules or _exit(127);
	}
	$self->{server} = $pid;
	my $end = time + PATIENCE;
	until (-s "$dir/port") {
		die 'no smarthost: ' . slurp("$dir/stdout")
		    if waitpid($pid, WNOHANG) != 0 || time > $end;
		sleep 0.005;
	}
}

sub stop {
	my ($self) = @_;
	my $pid = delete $self->{server} or return;

	kill 'KILL', $pid;
	waitpid $pid, 0;
}

# What arrived: [{ sender, to, bytes, connection, auth, tls } ...]. The bytes
# have LF line ends, and no CR is left but one that stood alone.
sub arrivals {
	my ($self) = @_;
	my $dir = $self->path('/mnt/smarthost');
	my @messages;

	for (my $n = 1; -e "$dir/$n.env"; $n++) {
		my %env;
		for (split /\n/, slurp("$dir/$n.env")) {
			my ($key, $value) = /^(\S+) ?(.*)/;
			push @{$env{$key}}, $value;
		}
		# "<address>", and the parameters of MAIL and RCPT.
		push @messages, { sender => $env{mail}[0] =~ s/^<(.*?)>.*/$1/r,
		    parameters => $env{mail}[0],
		    to => [sort map { /^<(.*?)>/ } @{$env{rcpt}}],
		    connection => $env{connection}[0], auth => $env{auth}[0],
		    tls => $env{tls}[0],
		    bytes => slurp("$dir/$n.msg") =~ s/\r\n/\n/gr };
	}
	return \@messages;
}

# --- calls ---------------------------------------------------------------

sub drain_log {
	my ($self) = @_;

	while (defined $self->{log_socket}->recv(my $text, 65536)) {
		$self->{log} .= "$text\n";
	}
}

# In the child: becomes the user, in the tree.
sub become {
	my ($self, $name, $traced) = @_;
	my $user = $user{$name};
	my @groups = ($user->{gid},
	    $name =~ /^(?:www-data|alice|daemon)$/ ? MAILERS_GID : ());

	chroot $self->{root} or _exit(71);
	return if $traced;	# strace does it
	$( = $user->{gid};
	$) = "$user->{gid} @groups";
	($<, $>) = ($user->{uid}) x 2;
	_exit(71) if $< != $user->{uid} || $> != $user->{uid};
}

# Starts a command as the user; returns its process.
sub spawn {
	my ($self, %call) = @_;
	my $name = $call{user} // 'alice';
	my @command = @{$call{command}};
	my $traced = $self->{ptrace} && $call{trace};

	unshift @command, 'strace', '-D', '-f', '--seccomp-bpf', '-qq',
	    '-s', '8192', '-e', 'signal=none', '-e', "trace=$call{trace}",
	    '-o', "/mnt/$call{out}.trace", $name ne 'root' ? ('-u', $name) : ()
	    if $traced;
	my $pid = fork // die "fork: $!";
	return $pid if $pid != 0;
	$SIG{$_} = 'DEFAULT' for qw(PIPE HUP INT TERM ALRM);
	POSIX::setsid();
	open STDIN, '<', $self->path("/mnt/$call{out}.in") or _exit(99);
	open STDOUT, '>', $self->path("/mnt/$call{out}.out") or _exit(99);
	open STDERR, '>', $self->path("/mnt/$call{out}.err") or _exit(99);
	umask 022;
	%ENV = (PATH => '/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
	    HOME => $user{$name}{home}, USER => $name, LOGNAME => $name,
	    LC_ALL => 'C.UTF-8', %{$call{env} // {}});
	delete $ENV{$_} for grep { !defined $ENV{$_} } keys %ENV;
	$self->become($name, $traced);
	chdir($call{cwd} // $user{$name}{home}) or _exit(99);
	exec { $command[0] } @command or _exit(127);
}

# The processes in our namespace that are neither ours nor the smarthost.
sub others {
	my ($self) = @_;

	opendir my $proc, '/proc' or die "/proc: $!";
	return grep { /^\d+\z/ && $_ != $$ && $_ != ($self->{server} // 0) }
	    readdir $proc;
}

# Runs a caller and waits until it and all that it started have ended.  Keys:
#
#	command	what is run, in the tree; a program without a slash is looked
#		for in $PATH
#	user	as whom (alice); env, cwd, input: what it has
#	rules	of the smarthost
#	daemon	a command that is started before, as root, and ended when
#	before	a sub called before it
#	until	what we logged or a daemon logged fits this pattern (our line)
#	trace	what strace traces (execve)
#
# Returns { status, out, err, log, arrived, violations, connections, left,
# trace, calls }: left is how many processes had to be ended, calls has the
# argument vector of each sendmail that was started, if that could be seen.
sub call {
	my ($self, %call) = @_;
	my ($daemon, $status);
	my $end = time + PATIENCE;

	$call{trace} //= 'execve';
	$call{before}->() if $call{before};
	$self->drain_log;
	$self->{log} = '';
	$self->start(@{$call{rules} // []});
	unlink glob "'" . $self->path('/mnt') . "'/{call,daemon}.*";
	spew($self->path('/mnt/call.in'), $call{input} // '');
	spew($self->path('/mnt/daemon.in'), '');
	if ($call{daemon}) {
		$daemon = $self->spawn(command => $call{daemon}, user => 'root',
		    trace => $call{trace}, out => 'daemon');
		sleep 0.3;
	}
	if ($call{command}) {
		my $pid = $self->spawn(%call, out => 'call');
		while (waitpid($pid, WNOHANG) == 0) {
			$self->drain_log;
			kill 'KILL', $pid if time > $end;
			sleep 0.01;
		}
		$status = $? & 127 ? 'signal ' . ($? & 127) : $? >> 8;
	}
	if ($daemon) {
		my $until = $call{until} // qr/sendmail\[\d+\]: status=/;
		until ($self->{log} =~ $until || time > $end) {
			$self->drain_log;
			sleep 0.01;
		}
		kill 'TERM', $daemon;
	}
	# As process 1 we inherit whatever is left.
	my $left = 0;
	while (my @others = $self->others) {
		$self->drain_log;
		1 while waitpid(-1, WNOHANG) > 0;
		if (time > $end) {
			$left += @others;
			kill 'KILL', @others;
			$end = time + 1;
		}
		sleep 0.01;
	}
	die "the smarthost ended\n" if !kill 0, $self->{server};
	$self->stop;
	$self->drain_log;

	my %text = map { my $path = $self->path("/mnt/$_");
	    $_ => -e $path ? slurp($path) : '' } map { ("call.$_", "daemon.$_") }
	    qw(out err trace);
	my $trace = $text{'daemon.trace'} . $text{'call.trace'};
	my $dir = $self->path('/mnt/smarthost');
	return {
		status => $status, left => $left, log => $self->{log},
		out => $text{'daemon.out'} . $text{'call.out'},
		err => $text{'daemon.err'} . $text{'call.err'},
		arrived => $self->arrivals, trace => $trace,
		violations => slurp("$dir/violations"),
		dialogue => slurp("$dir/dialogue"),
		connections => scalar(my @seen = slurp("$dir/dialogue") =~
		    /^\d+ \w+ #: connection/mg),
		calls => $self->{ptrace} ? [calls($trace)] : undef,
	};
}

# What strace saw, a line for each call, "PROCESS CALL", put together where it was
# interrupted by another process's.
sub traced {
	my ($trace) = @_;
	my (%begun, @lines);

	for (split /\n/, $trace) {
		my ($pid, $text) = /^(\d+) +(.*)/ or next;
		if ($text =~ s/ <unfinished \.\.\.>$//) {
			$begun{$pid} = $text;
			next;
		}
		$text =~ s/^<\.\.\. \w+ resumed>/delete $begun{$pid} \/\/ ''/e;
		push @lines, "$pid $text";
	}
	return @lines, map { "$_ $begun{$_}" } sort keys %begun;
}

# The argument vectors of those that became our program.
sub calls {
	my ($trace) = @_;
	my @calls;

	for (traced($trace)) {
		my ($args) = m{^\d+ execve\("[^"]*/(?:sendmail|mailq|newaliases)", \[(.*)\], 0x}
		    or next;
		next if / = -1 E/;
		push @calls, [map { unquote($_) } $args =~ /"((?:[^"\\]|\\.)*)"/g];
	}
	return @calls;
}

# A string as strace shows it.
sub unquote {
	my ($text) = @_;
	my %plain = (n => "\n", r => "\r", t => "\t", v => "\x0b", f => "\f");

	$text =~ s/\\(?:x([0-9a-f]{2})|([0-7]{1,3})|(.))/
	    defined $1 ? chr hex $1 : defined $2 ? chr oct $2 : $plain{$3} \/\/ $3/gex;
	return $text;
}

# --- comparisons ---------------------------------------------------------

# Compares long texts without printing them whole.
sub same_bytes {
	my ($got, $want, $name) = @_;

	return pass($name) if $got eq $want;
	my $at = 0;
	$at++ while substr($got, $at, 1) eq substr($want, $at, 1);
	my $from = $at < 30 ? 0 : $at - 30;
	fail($name);
	diag(sprintf 'lengths %d and %d differ at %d: got %s, expected %s',
	    length $got, length $want, $at,
	    map { my $part = substr $_, $from, 200;
		$part =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ge; $part } $got, $want);
}

# A message's fields, unfolded, and its body.
sub parse {
	my ($bytes) = @_;
	my ($header, $body) = $bytes =~ /\A(.*?\n)(?:\n(.*))?\z/s;
	my %fields;

	$header =~ s/\n(?=[ \t])//g;
	for (split /\n/, $header) {
		my ($name, $value) = /^([!-9;-~]+)\s*:\s*(.*)\z/ or next;
		push @{$fields{lc $name}}, $value;
	}
	return (\%fields, $body // '');
}

sub shown {
	my ($run) = @_;

	return "out: $run->{out}err: $run->{err}log: $run->{log}" .
	    "dialogue:\n$run->{dialogue}";
}

# How a caller called us, and what it came to: the row of a table.
sub describe {
	my ($world, $name, $run, %o) = @_;

	note join ' | ', $name, ($o{package} ?
	    "$o{package} " . $world->version($o{package}) : '-'),
	    $run->{calls} ? join(' AND ', map { join ' ', map {
		/[^\w.,:=\@+\/%-]/ || $_ eq '' ? "'$_'" : $_ } @$_ } @{$run->{calls}}) : '?',
	    'status ' . ($run->{status} // 'none'),
	    map { (split /\n/, $_)[0] // '' } $run->{out}, $run->{err};
}

# One run of a caller whose mail has to arrive.  Keys as for call(), and:
#
#	package	the package it is from
#	status	its exit status (0); says: a pattern that its output has to fit;
#		silent: 0 if it may print something else
#	args	the argument vector with which it calls us (or a pattern for it,
#		joined by blanks)
#	sender, to, fields, no_fields, body	of the one message; to is sorted,
#		a field may be a pattern
#	each	in place of these: [{ sender ... } ...] for several messages
#	connections	how many there were (1)
#	also	a sub called with the run
sub delivers {
	my ($world, $name, %o) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	subtest $name => sub {
		my $run = $world->call(%o);
		my $before = grep { !$_ } Test::More->builder->summary;

		describe($world, $name, $run, %o);
		is($run->{status}, $o{status} // 0, 'the caller is content') if $o{command};
		if ($o{says}) {
			like($run->{out} . $run->{err}, $o{says}, 'what it says');
		} elsif ($o{silent} // 1) {
			is($run->{out} . $run->{err}, '', 'nothing is printed');
		}
		compare_args($run, $o{args}) if $o{args};
		my @want = @{$o{each} // [\%o]};
		is(scalar @{$run->{arrived}}, scalar @want, 'as many messages as sent');
		for my $n (0 .. $#want) {
			my $message = $run->{arrived}[$n] or last;
			subtest 'message ' . ($n + 1) => sub {
				compare_message($message, %{$want[$n]});
			};
		}
		is($run->{connections}, $o{connections} // 1, 'on one connection')
		    if @want;
		is($run->{violations}, '', 'the smarthost saw no violation');
		is($run->{left}, 0, 'no process is left');
		$o{also}->($run) if $o{also};
		diag(shown($run)) if (grep { !$_ } Test::More->builder->summary) > $before;
	};
}

sub compare_args {
	my ($run, $want) = @_;

	SKIP: {
		skip 'ptrace is not permitted', 1 if !$run->{calls};
		my @got = map { join ' ', @$_ } @{$run->{calls}};
		ref $want eq 'ARRAY' ? is("@got", "@$want", 'how it calls us') :
		    like("@got", $want, 'how it calls us');
	}
}

sub compare_message {
	my ($message, %o) = @_;
	my ($fields, $body) = parse($message->{bytes});

	is($message->{sender}, $o{sender}, 'envelope sender');
	is_deeply($message->{to}, [sort @{$o{to}}], 'recipients');
	is($message->{auth}, 'PLAIN ' . USER, 'signed in');
	like($message->{tls}, qr/^TLS/, 'by TLS');
	for my $name (sort keys %{$o{fields} // {}}) {
		my $want = $o{fields}{$name};
		my $got = join ' | ', @{$fields->{lc $name} // ['(none)']};
		ref $want ? like($got, $want, $name) : is($got, $want, $name);
	}
	is(scalar @{$fields->{$_} // []}, 1, "one $_") for qw(date message-id from);
	for my $name (qw(Bcc Return-Path), @{$o{no_fields} // []}) {
		ok(!exists $fields->{lc $name}, "no $name");
	}
	if (ref $o{body}) {
		like($body, $o{body}, 'body');
	} elsif (defined $o{body}) {
		same_bytes($body, $o{body}, 'body');
	}
}

# One run of a caller whose mail is refused: it has to notice.  Keys as for
# call(), and:
#
#	status	its exit status, or a pattern; says: a pattern for its output
#	logs	a pattern for the log, of a caller that tells nobody else
#	reply	what the smarthost says to RCPT; rules, if it is something else
#	arrived	how many messages arrive all the same (0)
#	unlogged	1: no reply of the smarthost's is in our log line
sub refuses {
	my ($world, $name, %o) = @_;
	my $reply = $o{reply} // '550 5.1.1 No such user here';
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	subtest "$name: refused" => sub {
		my $run = $world->call(rules => ["rcpt reply \"$reply\""], %o);
		my $before = grep { !$_ } Test::More->builder->summary;

		describe($world, "$name, refused", $run, %o);
		is(scalar @{$run->{arrived}}, $o{arrived} // 0, 'nothing arrived');
		ref $o{status} ? like($run->{status}, $o{status}, 'exit status') :
		    is($run->{status}, $o{status}, 'exit status')
		    if defined $o{status};
		like($run->{out} . $run->{err}, $o{says}, 'it says so') if $o{says};
		like($run->{log}, $o{logs}, 'it logs it') if $o{logs};
		like($run->{log}, qr/sendmail\[\d+\]: status=(?:failed|partial|dropped) .*[" ][45]\d\d /,
		    'and so do we') if !$o{unlogged};
		is($run->{left}, 0, 'no process is left');
		diag(shown($run)) if (grep { !$_ } Test::More->builder->summary) > $before;
	};
}

# Both: the mail arrives, and is refused.  The key refused has what differs.
sub caller_is {
	my ($world, $name, %o) = @_;
	my %refused = %{delete $o{refused}};
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	delivers($world, $name, %o);
	delete @o{qw(status says rules also logs)};
	refuses($world, $name, %o, %refused);
}

1;
