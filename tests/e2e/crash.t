# The queue under kill -9, and under a system that fails, at every system call that matters.
# strace counts the calls of a run; then the same run is made anew for each of them, and is killed there or told
# that the call has failed. After each the queue is run to its end with a smarthost that works, and then:
#
#	- every message whose submitter saw exit 0 has arrived, none of them torn;
#	- none has arrived twice, unless the run was killed before it had read the reply, or before the next call;
#	- nothing is left in the queue, not even a temporary file.
#
# At the end: two containers with the same pids, a clock that was wrong, SIGTERM in the midst of a message.
#
# CRASH_KILLS=N and CRASH_ERRORS=N bound the runs. Where there are more calls than that, CRASH_SEED=N (the day,
# unless given) chooses; the output tells it.
use lib 'tests/e2e/lib';
use E2E;
use File::Path ();
use File::Temp ();
use POSIX ();
use Time::HiRes ();

use constant LIMIT => 10;		# seconds that a process may take
use constant ACCEPTED => '250 2.0.0 Message accepted';
use constant LARGE => 200_000;		# octets: several blocks of the spool

my $seed = $ENV{CRASH_SEED} // int(time / 86400);
my $kills_max = $ENV{CRASH_KILLS} // (sanitized() ? 40 : 300);
my $errors_max = $ENV{CRASH_ERRORS} // (sanitized() ? 40 : 150);
my $dir = scratch();
# In memory where that is to be had: what a kill leaves is the same on every file system, and syncing costs nothing there.
my $memory = -d '/dev/shm' && -w _ ? File::Temp::tempdir('sendmail-e2e-XXXXXXXX', DIR => '/dev/shm', CLEANUP => 1) : $dir;
my $queue = "$memory/queue";
my %server;		# the smarthosts by name
my %conf;		# configurations: one for each of them, and 'none', which leads nowhere
my %rcpt;		# by address: what is known of a recipient
my %problem;		# by kind: [what went wrong ...]
my %count = map { $_ => 0 } qw(kills errors acknowledged lost doubled_unread doubled_unwritten doubled_by_error doubled
    not_reached);
my $trials = 0;

# --- processes ---------------------------------------------------------------------------------------------------

# Begins the program for a smarthost. Keys: argv, stdin (a text), env (more environment), wrap (a command before it),
# name (of its files, where several run at a time).
sub begin
{
	my ($conf, %o) = @_;
	my $name = $o{name} // 'one';
	my $env = E2E::environment({}, {dir => $dir, conf_path => $conf{$conf}});

	s/detect_leaks=1/detect_leaks=0/ for values %$env;	# it cannot work under ptrace
	spew("$dir/$name.in", $o{stdin} // '');
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		POSIX::setsid();
		$SIG{PIPE} = 'DEFAULT';
		open STDIN, '<', "$dir/$name.in" or POSIX::_exit(126);
		open STDOUT, '>', "$dir/$name.out" or POSIX::_exit(126);
		open STDERR, '>', "$dir/$name.err" or POSIX::_exit(126);
		%ENV = (%$env, %{$o{env} // {}});
		exec @{$o{wrap} // []}, $o{command} ? @{$o{command}} : (program(), @{$o{argv}}) or POSIX::_exit(127);
	}
	return {pid => $pid, name => $name};
}

# Waits for its end: status is as in $?.
sub finish
{
	my ($run) = @_;
	local $SIG{ALRM} = sub {
		$run->{hung} = 1;
		kill 'KILL', -$run->{pid};
	};

	alarm LIMIT;
	while (waitpid($run->{pid}, 0) != $run->{pid}) {
		die "waitpid: $!" if !$!{EINTR};
	}
	$run->{status} = $?;
	alarm 0;
	$run->{err} = slurp("$dir/$run->{name}.err");
	return $run;
}

sub run { return finish(begin(@_)) }

sub outcome_of
{
	my ($run) = @_;
	my $how = $run->{hung} ? 'did not end' : $run->{status} & 127 ? 'signal ' . ($run->{status} & 127) :
	    'exit ' . ($run->{status} >> 8);

	return join ', ', $how, ($run->{err} =~ /\A(.{1,100})/ ? "stderr $1" : ());
}

# Until it is true; false if it never was.
sub wait_until
{
	my ($is_so) = @_;
	my $end = Time::HiRes::time() + LIMIT;

	until ($is_so->()) {
		return 0 if Time::HiRes::time() > $end;
		Time::HiRes::sleep(0.01);
	}
	return 1;
}

# --- messages, and where they arrive -----------------------------------------------------------------------------

# The arguments and the text of a message, which tells at its end that it is whole.
sub message
{
	my ($token, $size, @rcpt) = @_;
	my $sender = "sender.$token\@example.com";
	my $body = join '', map { sprintf "line %05d of %s\n", $_, $token } 1 .. $size / 30 + 1;

	return (argv => ['-i', '-f', $sender, @rcpt], stdin => "From: $sender\nTo: undisclosed-recipients:;\n" .
	    "Subject: $token\nMessage-ID: <$token\@example.com>\n\n${body}end of $token\n");
}

# A new recipient. must: he has to get it. more: what excuses that he gets it twice.
sub expect
{
	my ($what, $must, $rcpts, %more) = @_;

	$rcpt{$_} = {what => $what, must => $must, arrived => 0, %more} for @$rcpts;
}

sub problem
{
	my ($kind, $text) = @_;

	push @{$problem{$kind}}, $text;
}

# Every connection has ended, and so whatever a killed client had sent is stored or dropped.
sub is_quiet
{
	my ($server) = @_;
	my $dialogue = $server->dialogue;
	my $begun = () = $dialogue =~ /^\d+ \S+ #: connection from/mg;
	my $ended = () = $dialogue =~ /^\d+ \S+ #: end(?:, without QUIT)?$/mg;

	return $begun == $ended;
}

# What a smarthost has got since the last time.
sub harvest
{
	my ($server) = @_;

	while (-e $server->dir . '/' . ($server->{seen} + 1) . '.env') {
		my $file = $server->dir . '/' . ++$server->{seen};
		my $text = slurp("$file.msg");
		my ($token) = $text =~ /^Message-ID: <([^@>]*)\@/m;

		for my $to (slurp("$file.env") =~ /^rcpt <?([^\s>]+)/mg) {
			if (!$rcpt{$to}) {
				problem('strange', $to . ($to =~ /^sender/ ? ', a notice: ' .
				    ($text =~ /^(Diagnostic-Code:.*\S)/m)[0] : ''));
				next;
			}
			$rcpt{$to}{arrived}++;
			problem('torn', "$to: $rcpt{$to}{what}")
			    if !$rcpt{$to}{notice} && $text !~ /^end of \Q$token\E\r\n\z/m;
		}
	}
}

# --- what strace saw ---------------------------------------------------------------------------------------------

# Calls that neither change nor ask anything outside the process: a kill there is a kill at the next one.
my %is_inward = map { $_ => 1 } qw(getpid gettid getuid geteuid getgid getegid getrandom mmap munmap mprotect madvise
    brk futex clock_gettime gettimeofday rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack set_robust_list rseq
    arch_prctl set_tid_address prlimit64 umask sched_yield sched_getaffinity uname sysinfo exit);

# Calls that are not of disk or network and so never fail as these do.
my %is_no_io = map { $_ => 1 } qw(exit_group clone clone3 fork vfork setsid prctl restart_syscall chdir close_range);

my %is_network = map { $_ => 1 } qw(socket connect poll ppoll select sendto sendmsg recvfrom recvmsg getsockopt
    setsockopt getsockname);

# What says in its manual page that a signal may interrupt it. All of it must go on as if nothing had been. (Not connect,
# which goes on in the kernel then; here it would never have begun.)
my %is_interruptible = map { $_ => 1 } qw(open openat read pread64 readv preadv write pwrite64 writev pwritev fsync
    fdatasync ftruncate flock poll ppoll select recvfrom recvmsg sendto sendmsg wait4 nanosleep
    clock_nanosleep);

# The calls from the first one that fits to the last, as [name, the how-manyeth of that name in its process or thread]. Not those whose
# number comes before as well: what befalls the one befalls the other, and before there is the loader.
sub calls
{
	my ($trace, $from) = @_;
	my (%nth, %early, %have, @calls);
	my $begun = 0;

	for (split /\n/, $trace) {
		my ($pid, $name) = /^(\d+) +(\w+)\(/ or next;
		my $n = ++$nth{$pid}{$name};

		$begun ||= /$from/;
		$early{"$name $n"} = 1 if !$begun;
		push @calls, [$name, $n] if $begun && !$early{"$name $n"} && !$is_inward{$name} && !$have{"$name $n"}++;
	}
	return @calls;
}

# For each recipient whose message the smarthost had answered: the outward calls that were made after the answer was
# read, without the last one, which was not made any more.
sub calls_after_reply
{
	my ($trace) = @_;
	my (@now, %after);

	for (split /\n/, $trace) {
		my ($name, $rest) = /^\d+ +(\w+)\((.*)/ or next;
		my @to = $name =~ /^send/ ? $rest =~ /RCPT TO:<([^>]*)>/g : ();

		next if $rest =~ /MSG_DONTWAIT.*EAGAIN/;	# a look whether there is more
		push @$_, $name for values %after;
		@now = @to if @to;
		next if $name !~ /^recv/ || index($rest, ACCEPTED) < 0;
		$after{$_} = [] for @now;
		@now = ();
	}
	pop @$_ for values %after;
	return map { $_ => [grep { !$is_inward{$_} } @{$after{$_}}] } keys %after;
}

# --- one trial ---------------------------------------------------------------------------------------------------

sub entries { return sort map { s{.*/}{}r } glob "$_[0]/*" }
sub messages_in_queue { return grep { /^[0-9a-f]{20,}$/ } entries($queue) }
sub new_token { return sprintf 't%05d', ++$trials }

sub new_queue
{
	File::Path::remove_tree($queue);
	mkdir $queue, 0700 or die "$queue: $!";
	spew("$dir/log", '');
}

# Puts a message into the queue, acknowledged.
sub put
{
	my ($name, @rcpt) = @_;
	my %m = message($name, 0, @rcpt);
	my $run = run('none', argv => ['-odq', @{$m{argv}}], stdin => $m{stdin});

	die 'cannot queue a message: ', outcome_of($run) if $run->{status} != 0;
	$count{acknowledged}++;
}

# A queue with the messages that the scenario begins with, each told by the local parts of its recipients.
sub prepare
{
	my ($s, $token, $what, %more) = @_;
	my $n = 0;

	new_queue();
	for my $to (@{$s->{queued} // []}) {
		my $name = $token . '.' . ++$n;
		my @to = map { "$_.$name\@example.net" } @$to;
		my @refused = grep { /^refused/ } @to;

		put($name, @to);
		expect($what, 1, [grep { !/^refused/ } @to], %more);
		expect("$what, notice", 1, ["sender.$name\@example.com"], %more, notice => 1) if @refused;
	}
}

# The run that the scenario is about, under strace; the run and the trace.
sub traced
{
	my ($s, $token, @inject) = @_;
	my ($argv, $stdin) = ($s->{run}, '');

	if ($s->{submits}) {
		my %m = message($token, $s->{size} // 0, map { "$_.$token\@example.net" } @{$s->{submits}});

		($argv, $stdin) = ([@$argv, @{$m{argv}}], $m{stdin});
	}
	unlink "$dir/trace";
	my $run = run($s->{server}, argv => $argv, stdin => $stdin,
	    wrap => ['strace', '-f', '-qq', '-s', 3000, '-o', "$dir/trace", @{$s->{inject} // []}, @inject]);
	return ($run, slurp("$dir/trace"));
}

# The new message of a scenario that submits one: acknowledged or not.
sub judge_submission
{
	my ($s, $token, $run, $what, %more) = @_;
	my $good = $run->{status} == 0;

	return if !$s->{submits};
	$count{acknowledged} += $good;
	expect($what, $good, [map { "$_.$token\@example.net" } @{$s->{submits}}], %more, sent_first => $s->{sends_first});
}

# Runs the queue to its end and looks for what is left.
sub flush
{
	my ($what) = @_;

	spew("$dir/log", '');
	my $run = run('works', argv => ['-q']);

	problem('flush', "$what: " . outcome_of($run)) if $run->{status} != 0 || $run->{err} ne '';
	problem('broken', "$what: $1") if slurp("$dir/log") =~ /^(.*status=broken.*)/m;
	my @temporary = grep { /^new/ } entries($queue);
	if (@temporary) {	# made so old that no writer can be at it
		utime time - 172800, time - 172800, map { "$queue/$_" } @temporary;
		run('works', argv => ['-q']);
	}
	my @left = grep { !/^(?:failed|runner)\z/ } entries($queue);
	my @failed = entries("$queue/failed");

	problem('left', "$what: @left") if @left;
	problem('left', "$what: failed/ has @failed") if @failed;
}

sub try_kill
{
	my ($s, $name, $n) = @_;
	my $token = new_token();
	my $what = "$s->{name}, killed at $name $n ($token)";

	prepare($s, $token, $what);
	my ($run, $trace) = traced($s, $token, '-e', "inject=$name:signal=KILL:when=$n");
	my $killed = $trace =~ /\+\+\+ killed by SIGKILL/;

	$count{$killed ? 'kills' : 'not_reached'}++;
	$s->{$killed ? 'hit' : 'missed'}++;
	problem('hung', "$what: " . outcome_of($run)) if $run->{hung} || (!$killed && $run->{status} != 0);
	judge_submission($s, $token, $run, $what);
	if ($killed) {
		my %after = calls_after_reply($trace);

		$rcpt{$_}{after} = $after{$_} for grep { $rcpt{$_} } keys %after;
	}
	flush($what);
}

# The run must have been as if nothing had happened.
sub judge_interrupted
{
	my ($s, $run, $what) = @_;
	my $left = messages_in_queue();
	my $wrong = outcome_of($run) ne 'exit 0' ? outcome_of($run) :
	    slurp("$dir/log") =~ /(status=broken.*)/ ? $1 :
	    $left != $s->{leaves} ? "$left messages are left" : undef;

	problem('interrupted', "$what: $wrong") if defined $wrong;
}

sub try_error
{
	my ($s, $name, $n, $error, $every) = @_;
	my $token = new_token();
	my $what = "$s->{name}, $error at $name $n$every ($token)";
	# Who cannot read the reply or write down what it was has no choice.
	my %more = (error => $is_network{$name} || $name =~ /write|fdatasync/ ? 'excused' : 'unexcused');

	prepare($s, $token, $what, %more);
	my ($run, $trace) = traced($s, $token, '-e', "inject=$name:error=$error:when=$n$every");
	my $hit = $trace =~ /\(INJECTED\)/;

	$count{$hit ? 'errors' : 'not_reached'}++;
	$s->{$hit ? 'hit' : 'missed'}++;
	problem('hung', "$what: " . outcome_of($run)) if $run->{hung} || $run->{status} & 127;
	problem('untold', "$what: " . outcome_of($run))
	    if !$run->{hung} && $run->{status} != 0 && $run->{err} !~ /\Asendmail: ./;
	judge_submission($s, $token, $run, $what, %more);
	judge_interrupted($s, $run, $what) if $error eq 'EINTR' && $is_interruptible{$name};
	flush($what);
}

# --- judging -----------------------------------------------------------------------------------------------------

# Who got it more than once, and whether that had to be.
sub judge_double
{
	my ($to, $r) = @_;
	my $how = $r->{arrived} > 2 || ($r->{error} // '') eq 'unexcused' ? 'doubled' :
	    $r->{error} ? 'doubled_by_error' :
	    !$r->{after} ? 'doubled_unread' :
	    !@{$r->{after}} ? 'doubled_unwritten' : 'doubled';

	$count{$how}++;
	problem('doubled', "$to, $r->{arrived} times: $r->{what}" . ($r->{after} ? "; after the reply: @{$r->{after}}" : ''))
	    if $how eq 'doubled';
}

# Has everybody got what he must, and nobody more than he may?
sub judge_arrivals
{
	for my $server (values %server) {
		wait_until(sub { is_quiet($server) }) or die 'a connection to the smarthost does not end';
		harvest($server);
	}
	for my $to (sort keys %rcpt) {
		my $r = $rcpt{$to};

		if ($r->{must} && $r->{arrived} == 0) {
			$count{lost}++;
			problem('lost', "$to: $r->{what}");
		}
		# What was not taken is sent again by whoever was told so. (interactive: others may have got it.)
		problem('kept', "$to: $r->{what}") if $r->{error} && !$r->{must} && $r->{arrived} > 0 && !$r->{sent_first};
		judge_double($to, $r) if $r->{arrived} > 1;
	}
	%rcpt = ();
}

my %kinds = (
	lost => 'every message that was acknowledged arrives',
	torn => 'none is torn',
	doubled => 'none arrives twice without need',
	strange => 'nobody gets what is not for him',
	left => 'nothing is left in the queue',
	flush => 'the queue can be run afterwards',
	broken => 'no file of it is found broken',
	hung => 'each run ends by itself, as it should',
	untold => 'whoever fails says why',
	interrupted => 'EINTR does no harm',
	kept => 'what was refused with a status is not sent all the same',
);

# One test for each kind of problem.
sub verdict
{
	my ($name, @more) = @_;

	for my $kind (qw(lost torn doubled strange left flush broken hung), @more) {
		my @wrong = @{delete $problem{$kind} // []};
		my $last = $#wrong < 9 ? $#wrong : 9;

		ok(!@wrong, "$name: $kinds{$kind}") or diag(scalar @wrong, " times:\n", map { "  $_\n" } @wrong[0 .. $last]);
	}
}

# --- the scenarios -----------------------------------------------------------------------------------------------

# server: the smarthost of the run under test, run: its flags. queued: the messages in the queue before, submits: the
# recipients of the message that it takes itself. from: the first call that is tried. leaves: messages in the queue
# after it, where nothing befell it. A recipient is told by his local part: now, also (accepted), later (deferred by
# the smarthost "defers"), refused.
my $in_queue = qr/"\Q$queue\E/;
my $connects = qr/AF_INET/;
my @scenarios = (
	{name => 'enqueue', server => 'none', run => ['-odq'], submits => [qw(now also)], size => LARGE,
	    from => $in_queue, leaves => 1},
	{name => 'enqueue without O_TMPFILE', server => 'none', run => ['-odq'], submits => ['now'],
	    from => $in_queue, leaves => 1, without_proc => 1},
	{name => 'interactive, deferred', server => 'defers', run => ['-odi'], submits => [qw(now later)],
	    from => $connects, leaves => 1, sends_first => 1},
	{name => 'background', server => 'works', run => ['-odb'], submits => ['now'],
	    from => $in_queue, leaves => 0, detaches => 1},
	{name => 'a run that sends', server => 'works', run => ['-q'], queued => [['now', 'also'], ['now']],
	    from => $in_queue, leaves => 0},
	{name => 'a run that sends by DATA', server => 'data', run => ['-q'], queued => [['now'], ['now']],
	    from => $connects, leaves => 0},
	{name => 'a run that defers', server => 'defers', run => ['-q'], queued => [['now', 'later'], ['later']],
	    from => $in_queue, leaves => 2},
	{name => 'a run with refusals', server => 'works', run => ['-q'],
	    queued => [['now', 'refused'], ['refused'], ['now']], from => $in_queue, leaves => 0},
);

# Why nothing of this can be done here, or undef.
sub hindrance
{
	my $said = `strace -f -qq -o $dir/trace -e inject=getppid:error=EPERM sh -c 'exit 42' 2>&1`;

	return undef if $? >> 8 == 42;
	return 'strace is not installed' if $said =~ /not found/;
	return 'strace cannot be used here: ' . ($said =~ /\A(.*)/)[0];
}

sub begin_servers
{
	my $refuses = 'rcpt@refused* reply "550 5.1.1 No such user"';
	my @common = (tls => 'none', user => undef, args => ['--lifetime', 290]);
	my %top = (queue => $queue, log => "$dir/log", timeout => '15s', domain => 'example.com',
	    hostname => 'client.example.com');

	%server = (
		works => smarthost(@common, rules => [$refuses]),
		data => smarthost(@common, rules => [$refuses], ext => '-CHUNKING,-PIPELINING'),
		defers => smarthost(@common, rules => [$refuses, 'rcpt@later* reply "451 4.2.0 Later"']),
		slow => smarthost(@common, rules => ['dot delay 300']),
	);
	my %section = map { $_ => section($server{$_}) } keys %server;

	$_->{seen} = 0 for values %server;
	$section{none} = section($server{works}, port => 1);
	$conf{$_} = spew("$dir/$_.conf", conf(\%top, $section{$_}), 0600) for keys %section;
}

# Without /proc there is no name for an O_TMPFILE, and the program has another way. The call that looks for it is told
# that there is none, and is not tried itself.
sub hide_proc
{
	my ($s) = @_;
	my $token = new_token();

	prepare($s, $token, $s->{name});
	my ($run, $trace) = traced($s, $token);
	my ($probe) = $trace =~ /^\d+ +(\w+)\(.*"\/proc\/self\/fd"/m;

	judge_submission($s, $token, $run, $s->{name});
	flush($s->{name});
	ok(defined $probe, "$s->{name}: the call that looks for /proc is seen") or return '';
	$s->{inject} = ['-e', "inject=$probe:error=ENOENT"];
	return $probe;
}

# How the run goes when nothing befalls it, and so which calls there are.
sub count_calls
{
	my ($s) = @_;
	my $hidden = $s->{without_proc} ? hide_proc($s) : '';
	my $token = new_token();

	prepare($s, $token, $s->{name});
	my ($run, $trace) = traced($s, $token);

	is(outcome_of($run), 'exit 0', "$s->{name}: exit status where nothing befalls it");
	is(scalar messages_in_queue(), $s->{leaves}, "$s->{name}: messages in the queue then");
	is(join(' ', grep { /^new/ } entries($queue)), '', "$s->{name}: no temporary file then");
	judge_submission($s, $token, $run, $s->{name});
	$s->{calls} = [grep { $_->[0] ne $hidden } calls($trace, $s->{from})];
	cmp_ok(scalar @{$s->{calls}}, '>', 15, "$s->{name}: there are calls to try");
	flush($s->{name});
	judge_arrivals();
	verdict($s->{name});
}

# So many of them, spread evenly, others for each seed; all where there are not more.
sub some
{
	my ($max, @all) = @_;

	return @all if @all <= $max;
	return @all[sort { $a <=> $b } map { ($seed + int($_ * @all / $max)) % @all } 0 .. $max - 1];
}

# Tries each fault that was chosen, [scenario, what try takes ...], and judges scenario by scenario.
sub try_all
{
	my ($how, $try, $chosen, @kinds) = @_;

	for my $s (@scenarios) {
		my @mine = grep { $_->[0] == $s } @$chosen or next;

		@$s{qw(hit missed)} = (0, 0);
		for my $fault (@mine) {
			$try->(@$fault);
			last if $problem{hung};	# each takes its time
		}
		judge_arrivals();
		verdict("$s->{name}, $how", @kinds);
		# Else the trials have tried nothing. Of a few it tells nothing.
		ok($s->{hit} > $s->{missed} || $s->{hit} + $s->{missed} < 10,
		    "$s->{name}, $how: most calls come again ($s->{hit} did, $s->{missed} did not)");
	}
}

sub kill_everywhere
{
	my @all = map { my $s = $_; map { [$s, @$_] } @{$s->{calls}} } @scenarios;
	my @chosen = some($kills_max, @all);

	note('kills: ', scalar @chosen, ' of ', scalar @all, ' calls');
	try_all('killed', \&try_kill, \@chosen);
}

# Errors that come once; on the disk also those that stay.
sub fail_everywhere
{
	my @all;

	for my $s (grep { !$_->{detaches} } @scenarios) {
		for my $call (grep { !$is_no_io{$_->[0]} } @{$s->{calls}}) {
			my @errors = (['EIO', ''], ['EINTR', ''], ['EDQUOT', '']);

			push @errors, ['EIO', '+'], ['ENOSPC', '+'] if !$is_network{$call->[0]};
			push @all, map { [$s, @$call, @$_] } @errors;
		}
	}
	my @chosen = some($errors_max, @all);

	note('errors: ', scalar @chosen, ' of ', scalar @all);
	try_all('failing', \&try_error, \@chosen, qw(untold interrupted kept));
}

# --- what cannot be done call by call ----------------------------------------------------------------------------

sub arrived
{
	my ($to) = @_;

	for my $server (values %server) {
		wait_until(sub { is_quiet($server) }) or die 'a connection to the smarthost does not end';
		harvest($server);
	}
	return $rcpt{$to}{arrived};
}

# A message that was sent but cannot be removed: not sent again, neither by this run nor by a later one.
sub test_not_removable
{
	my $to = 'now.stays@example.net';

	new_queue();
	put('stays', $to);
	expect('not removable', 1, [$to]);
	my @runs = map { run('works', argv => ['-q'], wrap => ['strace', '-f', '-qq', '-o', "$dir/trace", '-e',
	    'inject=unlinkat,renameat,renameat2:error=EACCES']) } 1 .. 3;

	is(join(' ', map { $_->{hung} ? 'hung' : () } @runs), '', 'not removable: the runs end');
	is(arrived($to), 1, 'not removable: sent once by three runs');
	isnt($runs[0]{err}, '', 'not removable: stderr says so');
	flush('not removable');
	is(arrived($to), 1, 'not removable: and not again when it can be removed');
	%rcpt = ();
	verdict('not removable');
}

# Two containers with one queue: pids say nothing.
sub test_containers
{
	my @names = qw(first second);
	my $writes = 'for n in 1 2 3 4 5 6 7 8; do printf "Message-ID: <%s@x>\n\nend of %s\n" $0.$n $0.$n | ' .
	    '"$1" -odq -f a@example.com now.$0.$n@example.net || exit 1; done';
	my @container = qw(unshare --pid --fork --mount-proc);

	new_queue();
	my @runs = map { finish($_) } map { begin('none', name => $_, wrap => \@container,
	    command => ['sh', '-c', $writes, $_, program()]) } @names;

	is(join(' ', map { outcome_of($_) } @runs), 'exit 0 exit 0', 'containers: both write');
	my %of_pid;
	$of_pid{$_}++ for slurp("$dir/log") =~ /sendmail\[(\d+)\]: status=queued/g;
	is(join(' ', sort values %of_pid), join(' ', (2) x 8), 'containers: each pid was there twice');
	is(scalar messages_in_queue(), 16, 'containers: all is in the queue');
	for my $name (@names) {
		expect('containers', 1, [map { "now.$name.$_\@example.net" } 1 .. 8]);
	}
	my @who = map { begin('slow', name => $_, wrap => \@container, argv => ['-q']) } @names;
	@runs = map { finish($_) } @who;
	is(join(' ', map { outcome_of($_) } @runs), 'exit 0 exit 0', 'containers: both run the queue');
	flush('containers');
	arrived('now.first.1@example.net');
	is(join(' ', map { "$_:$rcpt{$_}{arrived}" } grep { $rcpt{$_}{arrived} != 1 } sort keys %rcpt), '',
	    'containers: each message arrives once');
	%rcpt = ();
	verdict('containers');
}

# A library that shifts the clock by $CLOCK_SHIFT seconds, or undef where it cannot be made or does not work.
sub clock_shift
{
	spew("$dir/clock.c", <<'END');
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int
clock_gettime(clockid_t id, struct timespec *t)
{
	const char *shift = getenv("CLOCK_SHIFT");
	int r = (int)syscall(SYS_clock_gettime, id, t);

	if (r == 0 && id == CLOCK_REALTIME && shift != NULL)
		t->tv_sec += atol(shift);
	return r;
}

time_t
time(time_t *p)
{
	struct timespec t;

	if (clock_gettime(CLOCK_REALTIME, &t) == -1)
		return -1;
	if (p != NULL)
		*p = t.tv_sec;
	return t.tv_sec;
}
END
	return undef if sanitized() || system("cc -shared -fPIC -o $dir/clock.so $dir/clock.c 2>$dir/clock.err") != 0;
	return "$dir/clock.so";
}

# What was deferred while the clock was a day ahead is due when it is right again.
sub test_clock_set_back
{
	my ($library) = @_;
	my $to = 'later.ahead@example.net';
	my %m = message('ahead', 0, $to);

	new_queue();
	my $run = run('defers', argv => ['-odi', @{$m{argv}}], stdin => $m{stdin},
	    env => {LD_PRELOAD => $library, CLOCK_SHIFT => 86400});
	my ($day) = slurp("$dir/log") =~ /\A(\d+-\d+-\d+)/;

	is(outcome_of($run), 'exit 0', 'clock: deferred, and kept');
	is($day, POSIX::strftime('%Y-%m-%d', gmtime(time + 86400)), 'clock: it was a day ahead then');
	expect('clock', 1, [$to]);
	my $runner = begin('works', argv => ['-q1h']);	# only what is due
	ok(wait_until(sub { !messages_in_queue() }), 'clock: it is due when the clock is right');
	kill 'TERM', $runner->{pid};
	finish($runner);
	is(arrived($to), 1, 'clock: it arrives once');
	flush('clock');
	%rcpt = ();
	verdict('clock');
}

# A notice that cannot be sent now waits as a message does, though nothing else of its message is to be sent.
sub test_notice_deferred
{
	my ($library) = @_;
	my $to = 'refused.notice@example.net';
	my $sender = 'later.notice@example.com';

	new_queue();
	run('none', argv => ['-odq', '-f', $sender, $to], stdin => "Message-ID: <notice\@example.com>\n\nend of notice\n");
	run('defers', argv => ['-q']);
	is(scalar messages_in_queue(), 1, 'notice deferred: its message is kept');
	my $before = () = $server{defers}->dialogue =~ /MAIL FROM:<>/g;
	my $run = run('defers', argv => ['-q'], env => {LD_PRELOAD => $library, CLOCK_SHIFT => 7200});
	my $after = () = $server{defers}->dialogue =~ /MAIL FROM:<>/g;

	is(outcome_of($run), 'exit 0', 'notice deferred: a run two hours later ends');
	is($after - $before, 1, 'notice deferred: and tries it once');
	expect('notice deferred', 1, [$sender], notice => 1);
	flush('notice deferred');
	is(arrived($sender), 1, 'notice deferred: it arrives at last');
	%rcpt = ();
	verdict('notice deferred');
}

# The init system ends the runner while the smarthost has a message and has not answered.
sub test_sigterm
{
	my $to = 'now.term@example.net';

	new_queue();
	put('term', $to);
	expect('SIGTERM', 1, [$to]);
	my $before = $server{slow}->dialogue;
	my $runner = begin('slow', argv => ['-q5m']);
	my $sent = sub { substr($server{slow}->dialogue, length $before) =~ / B: \d+ octets/ };

	ok(wait_until($sent), 'SIGTERM: the message was on its way');
	kill 'TERM', $runner->{pid};
	finish($runner);
	ok(!$runner->{hung}, 'SIGTERM: -q5m ends');
	flush('SIGTERM');
	my $times = arrived($to);
	ok($times == 1 || $times == 2, 'SIGTERM: the message arrives; twice at most, as its answer had not been read');
	note('SIGTERM in the midst of a message: ', outcome_of($runner), ", it arrived $times times");
	%rcpt = ();
	verdict('SIGTERM');
}

# --- all of it ---------------------------------------------------------------------------------------------------

my $hindrance = hindrance();
plan skip_all => $hindrance if defined $hindrance;

note("CRASH_SEED=$seed");
begin_servers();
count_calls($_) for @scenarios;
note("$_->{name}: ", scalar @{$_->{calls}}, ' calls') for @scenarios;
kill_everywhere();
fail_everywhere();
test_not_removable();
SKIP: {
	skip 'no pid namespace is to be had', 1 if $> != 0 || system('unshare --pid --fork --mount-proc true 2>/dev/null') != 0;
	test_containers();
}
SKIP: {
	my $library = clock_shift() // skip 'the clock cannot be shifted here', 1;

	test_clock_set_back($library);
	test_notice_deferred($library);
}
test_sigterm();
is(join('', map { slurp($_) } glob "$dir/findings/*"), '', 'the sanitizers found nothing') if sanitized();
my $summary = join ', ', map { "$_ $count{$_}" } sort keys %count;
note("summary: $summary (seed $seed)");
done_testing;
