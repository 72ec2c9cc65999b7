# Runs of the queue beside one another and beside deliveries, what they do when something here does not work, and -bs with a queue (CONTRACT section 6).
use lib 'tests/e2e/lib';
use E2E;
use File::Temp ();
use Queue;

my $wire = MESSAGE =~ s/\n/\r\n/gr;
my $id = qr/\A[0-9a-f]{26}\z/;

# --- who asks for a run while there is one

# A run that is busy with first@ at a smarthost that takes its time; what to do then; when all has ended.
sub while_busy
{
	my ($name, $queue, $server, $argv, $then) = @_;
	my @tags = (new_tag(), new_tag());
	my $pid = fork // die "fork: $!";

	if ($pid == 0) {
		my $run = submit(server => $server, top => {queue => $queue}, argv => [@$argv, '-L', $tags[0]], stdin => '');
		POSIX::_exit($run->exit // 99);
	}
	ok(wait_for(sub { grep { /^(?:BDAT|DATA)/ } $server->commands }), "$name: while a run is busy");
	my $run = $then->($tags[1]);
	waitpid $pid, 0;
	is($?, 0, 'it ends well');
	ok(wait_for(sub { !left_running($tags[0]) && !left_running($tags[1]) }), 'and so do all');
	return $run;
}

{
	my ($queue, $server) = (new_queue(), smarthost(rules => ['dot##1 conn=1 delay 3000']));
	my $later = enqueue_as($queue, 1, argv => ['later@example.net']);

	set_state($queue, $later, next => time + 600);
	enqueue_as($queue, 2, argv => ['first@example.net']);
	my $run = while_busy('-q', $queue, $server, ['-qRfirst'], sub {
		return submit(server => $server, top => {queue => $queue}, argv => ['-q', '-L', $_[0]], stdin => '');
	});
	is($run->exit . $run->err, '0', 'who asks for all is not told to wait');
	is(arrived($server), 'first@example.net, later@example.net', 'and gets what is not due, too');
	is(join(' ', ids($queue)), '', 'nothing is left');
}
{
	my ($queue, $server) = (new_queue(), smarthost(rules => ['dot##1 conn=1 delay 3000']));

	enqueue($queue, argv => ['first@example.net']);
	my $run = while_busy('a message', $queue, $server, ['-qRfirst'], sub {
		return submit(server => $server, top => {queue => $queue}, argv => ['-L', $_[0], '-odb', 'second@example.net']);
	});
	is($run->log->{status}, 'queued', 'one comes for the background');
	is(arrived($server), 'first@example.net, second@example.net', 'the run that was for some alone does not miss it');
	is(join(' ', ids($queue)), '', 'nothing is left');
}
{
	my ($queue, $server) = (new_queue(), smarthost(rules => ['dot##1 conn=1 delay 3000']));

	enqueue_as($queue, 1, argv => ['first@example.net']);
	my $held = enqueue_as($queue, 2, argv => ['second@example.net']);
	set_state($queue, $held, next => time + 600);
	my $other = enqueue_as($queue, 3, argv => ['third@example.net']);
	set_state($queue, $other, next => time + 600);
	my $run = while_busy('-qR', $queue, $server, ['-qRfirst'], sub {
		return submit(server => $server, top => {queue => $queue}, argv => ['-qRsecond', '-L', $_[0]], stdin => '');
	});
	is($run->exit . $run->err, '0', 'who asks for some waits');
	is(arrived($server), 'first@example.net, second@example.net', 'and gets them');
	is(join(' ', ids($queue)), $other, 'and no other');
}
{
	my ($queue, $server) = (new_queue(), smarthost(rules => ['dot##1 conn=1 delay 4000']));

	enqueue($queue, argv => ['first@example.net']);
	my $run = while_busy('not for ever', $queue, $server, ['-qRfirst'], sub {
		return submit(server => $server, top => {queue => $queue, timeout => '1s'}, argv => ['-qRsecond', '-L', $_[0]], stdin => '');
	});
	is($run->exit, 75, 'who asks for some waits as long as a message may take');
	like($run->err, qr/another run of it goes on.*Remedy: /, 'and is told');
	is($run->log->{status}, 'failed', 'as is the log');
}

# A message is busy: it cannot be changed, but seen.
{
	my ($queue, $server) = (new_queue(), smarthost(rules => ['dot##1 conn=1 delay 5000']));
	my $name = enqueue($queue, argv => ['first@example.net']);

	while_busy('a message that is being sent', $queue, $server, ['-q'], sub {
		my @with = (server => $server, top => {queue => $queue}, stdin => '');

		like(submit(@with, argv => ['-bp'])->out, qr/^$name .* is being sent$/m, 'mailq says so');
		for my $flag (qw(--queue-remove --queue-hold --queue-release)) {
			my $run = submit(@with, argv => [$flag, $name]);

			is($run->exit, 75, "$flag cannot be");
			like($run->err, qr/it is being sent.*Remedy: /, 'and says why');
		}
		my $run = submit(@with, argv => ['--queue-show', $name]);
		is($run->exit . $run->out, "0$wire", '--queue-show can');
		return $run;
	});
	is(arrived($server), 'first@example.net', 'it is sent once');
}

# --- a run whose smarthost does not do as it should

{
	my ($queue, $server) = (new_queue(), smarthost(rules => ['mail##1 conn=1 pass', 'mail conn=1 reply "421 4.7.0 Too many messages" close']));

	enqueue($queue, argv => ["r$_\@example.net"]) for 1 .. 4;
	run_queue($queue, 'one that takes one message a connection', $server, sent => 4, also => sub { is(connections($server), 2, 'is asked again') });
}
{
	my ($queue, $server) = (new_queue(), smarthost(rules => ['mail stall']));

	enqueue($queue, argv => ["r$_\@example.net"]) for 1 .. 5;
	run_queue($queue, 'one that says nothing to MAIL', $server, top => {timeout => '2s'}, sent => 0, also => sub {
		is(scalar(grep { /^MAIL/ } $server->commands), 1, 'costs a run its time once');
		is(scalar ids($queue), 5, 'and nothing is lost');
	});
}
{
	my ($queue, $server) = (new_queue(), smarthost(rules => ['dot stall']));

	enqueue($queue, argv => ["r$_\@example.net"]) for 1 .. 5;
	run_queue($queue, 'one that says nothing at the end', $server, top => {timeout => '2s'}, sent => undef, also => sub {
		is(scalar(grep { /^MAIL/ } $server->commands), 2, 'costs it twice, since that may be the message\'s fault');
		is(scalar ids($queue), 5, 'and nothing is lost');
	});
}
# Whoever makes a smarthost say nothing is not in the way of others for ever.
{
	my ($queue, $server) = (new_queue(), smarthost(rules => ['rcpt@bad@* stall']));

	enqueue_as($queue, $_, argv => ['-f', 'me@example.com', $_ < 3 ? 'bad@example.net' : "good$_\@example.net"]) for 1 .. 4;
	run_queue($queue, 'two messages at which a smarthost says nothing', $server, top => {timeout => '3s'}, sent => 0, also => sub {
		like(($_[0]->log_lines)[2], qr/127\.0\.0\.1 was not asked again/, 'what the log says of those behind them');
	});
	run_queue($queue, 'the next run', $server, top => {timeout => '3s'}, sent => 2,
	    also => sub { is(arrived($server), 'good3@example.net, good4@example.net', 'begins with those that were not asked for') });
}
# Nor is a notice that it does not take.
{
	my ($queue, $server) = (new_queue(), smarthost(rules => ['rcpt@no@* reply "550 5.1.1 No"', 'mail@ stall', 'rcpt@later@*#1 conn=1 reply "450 4.2.0 Not now"']));

	enqueue_as($queue, 1, argv => ['-f', 'me@example.com', 'no@example.net']);
	enqueue_as($queue, 2, argv => ['later@example.net']);
	run_queue($queue, 'a smarthost that says nothing to the null sender', $server, top => {timeout => '3s'}, sent => undef, limit => 90) for 1, 2;
	like(arrived($server), qr/later\@example\.net/, 'what waits is sent all the same');
}
# Nor does one smarthost use up the time of another for ever.
{
	my ($queue, $silent, $good) = (new_queue(), smarthost(rules => ['mail stall']), smarthost());
	my $conf = conf({log => \"'\@LOG\@'", domain => 'example.com', hostname => 'client.example.com', queue => $queue, timeout => '2s'},
	    section($silent, title => 'silent'), section($good, title => 'good'));

	enqueue_as($queue, $_, argv => ["r$_\@example.net"]) for 1 .. 3;
	submit(server => $good, conf => $conf, argv => ['-q'], stdin => '');
	is(arrived($good), 'r2@example.net, r3@example.net', 'the first smarthost says nothing: the second one gets what comes after');
	enqueue($queue, argv => ["r4\@example.net"]);
	submit(server => $good, conf => $conf, argv => ['-q'], stdin => '');
	is(arrived($good), 'r1@example.net, r2@example.net, r3@example.net', 'and that, when another one is the first');
}
{
	my ($queue, $server) = (new_queue(), smarthost(rules => ['mail reply "421 4.7.0 Not now" close']));

	enqueue($queue) for 1 .. 5;
	run_queue($queue, 'one that takes the sign-in, then refuses to go on', $server, sent => 0, also => sub {
		is(connections($server), 1, 'is signed in to once');
		is(scalar ids($queue), 5, 'and nothing is lost');
	});
}
{
	my ($queue, $server) = (new_queue(), smarthost(rules => ['rset stall', 'rcpt@no@* reply "550 5.1.1 No"']));

	enqueue_as($queue, 1, argv => ['-f', '<>', 'no@example.net', 'b@example.net']);
	enqueue_as($queue, 2, argv => ['good@example.net']);
	run_queue($queue, 'one that does not answer RSET', $server, top => {timeout => '40s'}, sent => 2, limit => 30,
	    also => sub { is(arrived($server), 'b@example.net, good@example.net', 'all is sent') });
}
for my $stage (qw(mail rcpt)) {
	my ($queue, $server) = (new_queue(), smarthost(rules => ["$stage reply \"530 5.7.0 Authentication required\""]));

	enqueue($queue, argv => ['-f', 'me@example.com', 'b@example.net']);
	run_queue($queue, "530 at $stage is for the configuration to see to", $server, sent => 0,
	    also => sub { is(scalar ids($queue), 1, 'it waits') });
}

# --- a run that cannot do what it should, for want of something here

sub bounded { return ['/bin/sh', '-c', "ulimit -f $_[0] && exec \"\$@\"", 'sh'] }

# What was not refused is not given up: converting it takes more room than there is.
{
	my ($queue, $server) = (new_queue(), smarthost(ext => '-8BITMIME,-SMTPUTF8,-CHUNKING'));
	my $name = enqueue($queue, argv => ['-f', 'me@example.com', 'b@example.net'], stdin => MESSAGE . ("\xfc" x 70 . "\n") x 12000);

	run_queue($queue, 'no room to convert a message', $server, wrap => bounded(2400), sent => 0, also => sub {
		is(join(' ', ids($queue)), $name, 'it waits');
		is($_[0]->log->{status}, 'deferred', 'the log');
		cmp_ok(item($queue, $name)->{next}, '>', time + 30, 'for a while');
	});
	run_queue($queue, 'when there is room', $server, sent => 1);
}
# The same of a notice.
{
	my ($queue, $server) = (new_queue(), smarthost(rules => [REFUSALS]));
	my $name = enqueue($queue, argv => ['-R', 'full', '-f', 'me@example.com', 'no@example.net'], stdin => MESSAGE . ('x' x 70 . "\n") x int((4096 * 512 - 1000) / 72));

	run_queue($queue, 'no room to make a notice', $server, wrap => bounded(4096), sent => 0, also => sub {
		is(join(' ', ids($queue)), $name, 'the message waits');
		is(join(' ', names("$queue/failed")), '', 'and is not given up');
	});
	run_queue($queue, 'when there is room', $server, sent => 1, also => sub { is(arrived($server), 'me@example.com', 'the sender is told') });
}
# Where it cannot be written down that it is tried, it is not: else it would be sent again and again. (Nor can this tell it: stderr is a file here.)
{
	my ($queue, $server) = (new_queue(), smarthost());
	my $name = enqueue($queue);

	check_with($queue, 'no room to write down an attempt', argv => ['-q'], stdin => '', server => $server, wrap => bounded(0), exit => 74,
	    err => [], sent => 0, top => {log => \"'syslog'"}, also => sub {
		is(scalar(grep { /^MAIL/ } $server->commands), 0, 'the smarthost is not asked');
		is(join(' ', ids($queue)), $name, 'it waits');
	});
	run_queue($queue, 'when there is room again', $server, sent => 1);
}
# Whoever is killed by a message does not begin with it for ever.
{
	my ($queue, $server) = (new_queue(), smarthost(rules => ['rcpt@first@* stall']));
	my $first = enqueue_as($queue, 1, argv => ['first@example.net']);
	my $asked = 0;

	enqueue_as($queue, 2, argv => ['second@example.net']);
	my $run = submit(server => $server, top => {queue => $queue}, argv => ['-q1h'], stdin => '',
	    watch => sub { kill 'KILL', $_[0] if grep { /^RCPT/ } $server->commands });
	is($run->signal, POSIX::SIGKILL(), 'a run is killed at a message');
	is(item($queue, $first)->{attempts}, 1, 'which counts as an attempt');
	$run = submit(server => $server, top => {queue => $queue}, argv => ['-q1h'], stdin => '',
	    watch => sub { kill 'TERM', $_[0] if $server->messages && !$asked++ });
	is(arrived($server), 'second@example.net', 'the next run goes on with the others');
}
# A time before anything of this was written: the clock was not set yet when it came.
{
	my ($queue, $server) = (new_queue(), smarthost(rules => ['mail reply "451 4.3.0 No"']));
	my $name = enqueue($queue, argv => ['-f', 'me@example.com', 'b@example.net']);

	forge($queue, $name, sub { $_[0]{envelope} =~ s/^created \d+$/created 1000/m });
	run_queue($queue, 'it came in 1970', $server, sent => 0, also => sub {
		is(join(' ', ids($queue)), $name, 'it is not too old');
		is(item($queue, $name)->{waited}, DAY, 'a day is what counts');
	});
}
{
	my ($queue, $server) = (new_queue(), smarthost(rules => ['mail reply "451 4.3.0 No"']));
	my $name = enqueue($queue);

	submit(server => $server, top => {queue => $queue}, argv => ['-q'], stdin => '');
	spew("$queue/$name", 'x' x 300, 0600);
	check_with($queue, 'a file that nobody can read', argv => ['--queue-remove', $name], stdin => '', server => $server);
	is(join(' ', ids($queue)), '', 'can be removed');
}
{
	my ($queue, $server) = (new_queue(), smarthost(rules => ['mail@ reply "550 5.7.1 No"']));

	enqueue($queue, argv => ['-f', '<>', 'b@example.net']);
	run_queue($queue, 'of which nobody may be told', $server, sent => 0);
	my $run = submit(top => {queue => $queue}, argv => ['-bp'], stdin => '', server => $server);
	is($run->out, "Mail queue is empty\nIn $queue/failed, where nobody could be told of them: 1\n", 'mailq counts what rests in failed/');
}

SKIP: {
	skip 'strace and the sanitizers', 2 if sanitized();
	skip 'strace cannot be used here', 2 if system('strace', '-qq', '-o', '/dev/null', '-e', 'inject=getppid:error=EPERM', 'true') != 0;
	my ($queue, $server) = (new_queue(), smarthost());

	enqueue($queue);
	for my $argv (['-q'], ['-qRb@']) {
		check_with($queue, "a file system without locks: @$argv", argv => $argv, stdin => '', server => $server, exit => 73,
		    wrap => ['strace', '-f', '-qq', '-o', '/dev/null', '-e', 'inject=flock:error=ENOLCK'],
		    err => qr/cannot lock the file runner.*No locks available.*Remedy: /, sent => 0);
	}
}
# Root that may not give files away leaves none that the owner cannot use.
SKIP: {
	skip 'only root is root', 2 if $> != 0;
	my ($queue, $server) = (new_queue(), smarthost());

	chown 12345, 12345, $queue or die "chown: $!";
	my $run = submit(server => $server, top => {queue => $queue}, argv => ['-q'], stdin => '', wrap => ['setpriv', '--bounding-set', '-chown']);
	like($run->err, qr/cannot .* the queue.*Remedy: /, 'root without the right to give files away is told');
	is(join(' ', names($queue)), '', 'and leaves nothing');
}
{
	my ($queue, $server) = (new_queue(), smarthost(rules => [REFUSALS, 'mail@ reply "550 5.7.1 No"']));

	enqueue($queue, argv => ['-f', 'me@example.com', 'no@example.net']);
	spew("$queue/failed", '', 0600);
	check_with($queue, 'failed is a file', argv => ['-q'], stdin => '', server => $server, exit => 74, err => qr{cannot move to failed/}, sent => 0, also => sub {
		is(scalar(grep { /rests in failed/ } $_[0]->log_lines), 0, 'the log does not say that it rests there');
		is(scalar ids($queue), 1, 'it stays');
	});
}
# The log of a message that is refused for one, and waits for another.
{
	my $queue = new_queue();

	check_with($queue, 'refused for one, kept for another', rules => [REFUSALS], argv => ['no@example.net', 'later@example.net'], exit => 67, sent => 0,
	    err => qr/550 5\.1\.1/, log => {status => 'partial', queued => 'later@example.net', failed => 'no@example.net'});
}

# --- what is left running holds nothing of the caller's, though there is nothing to hold instead

SKIP: {
	skip 'no mount namespace to be had', 3 if !can_unshare();
	my ($queue, $server) = (new_queue(), smarthost(rules => ['banner conn=1 delay 9000']));
	my $tag = new_tag();
	pipe my $reader, my $writer or die "pipe: $!";

	my $run = submit(server => $server, argv => ['-L', $tag, '-odb', 'b@example.net'], top => {queue => $queue},
	    wrap => ['unshare', '-m', '/bin/sh', '-c', 'mount -t tmpfs none /dev && exec "$@"', 'sh'], setup => sub {
		open STDOUT, '>&', $writer or die;
		open STDERR, '>&', $writer or die;
	});
	close $writer;
	is($run->exit, 0, 'without /dev/null: the caller goes on');
	my $ready = '';
	vec($ready, fileno $reader, 1) = 1;
	ok(select($ready, undef, undef, 6) && sysread($reader, my $octets, 100) == 0, 'a reader of its output is at the end');
	ok(wait_for(sub { $server->messages && !left_running($tag) }), 'and the message is sent');
}

# --- -bs

sub by_smtp
{
	my (@to) = @_;

	return ('EHLO client.example.com', 'MAIL FROM:<a@example.com>', (map { "RCPT TO:<$_>" } @to), 'DATA');
}

for my $case (['a wrong password', {rules => ['auth reply "535 5.7.8 No"']}], ['421 as a greeting', {rules => ['banner reply "421 4.3.2 Busy" close']}],
    ['EHLO and HELO refused', {rules => ['ehlo reply "550 5.7.1 No"', 'helo reply "550 5.7.1 No"']}],
    ['421 at MAIL', {rules => ['mail reply "421 4.3.2 Bye" close']}], ['421 at RCPT', {rules => ['rcpt reply "421 4.3.2 Bye" close']}],
    ['no TLS', {ext => '-STARTTLS'}], ['a certificate that has expired', {cert => 'expired'}],
    ['a connection that ends at the end', {rules => ['dot close']}]) {
	my ($name, $how) = @$case;
	my $queue = new_queue();
	my $talk = talk(top => {queue => $queue}, %$how);

	$talk->hear;
	my @answers = map { $talk->ask($_) } by_smtp('b@example.net');
	push @answers, $talk->ask((split /\r\n/, $wire), '.');
	like(join(' ', map { substr $_, 0, 3 } @answers), qr/^(?:250 ){3}354 250$/, "-bs, $name: the caller is not refused");
	# And the session goes on.
	@answers = map { $talk->ask($_) } by_smtp('c@example.net');
	push @answers, $talk->ask((split /\r\n/, $wire), '.');
	like(join(' ', map { substr $_, 0, 3 } @answers), qr/^(?:250 ){3}354 250$/, 'nor the next message');
	$talk->end;
	is(scalar ids($queue), 2, 'both are in the queue');
}
for my $case (['451 at MAIL', 'mail reply "451 4.3.0 No"', 1], ['550 at MAIL', 'mail reply "550 5.7.1 No"', 1], ['450 at RCPT', 'rcpt reply "450 4.2.0 No"', 2],
    ['451 at the end', 'dot reply "451 4.3.0 No"', 4]) {
	my ($name, $rule, $at) = @$case;
	my $queue = new_queue();
	my $talk = talk(top => {queue => $queue}, rules => [$rule]);

	$talk->hear;
	my @answers = map { $talk->ask($_) } by_smtp('b@example.net');
	push @answers, $talk->ask((split /\r\n/, $wire), '.') if $at == 4;
	like($answers[$at], qr/^[45]\d\d/, "-bs, $name is a verdict, and the caller's");
	$talk->end;
	is(scalar ids($queue), 0, 'nothing is queued');
}
# What MAIL need not say is known when it is sent: the caller has no ESMTP, or an alias leads to such an address.
for my $case (['HELO', "j\xc3\xb6rg\@example.net"], ['EHLO', 'joerg']) {
	my ($hello, $to) = @$case;
	my ($queue, $server) = (new_queue(), smarthost());
	my $aliases = scratch() . '/aliases';

	spew($aliases, "joerg: j\xc3\xb6rg\@example.net\n", 0644);
	my $talk = talk(top => {queue => $queue, delivery => 'queue', aliases => $aliases, domain => 'example.com'}, host => {port => closed_port()});
	$talk->hear;
	$talk->ask($_) for "$hello client.example.com", 'MAIL FROM:<a@example.com>', "RCPT TO:<$to>", 'DATA';
	like($talk->ask((split /\r\n/, $wire), '.'), qr/^250/, "-bs, $hello and an address that is not ASCII");
	$talk->end;
	run_queue($queue, 'it is sent', $server, sent => 1, also => sub { is(arrived($server), "j\xc3\xb6rg\@example.net", 'to him') });
}
{
	my ($queue, $tag) = (new_queue(), new_tag());

	enqueue($queue, argv => ['waiting@example.net']);
	my $talk = talk(top => {queue => $queue}, argv => ['-bs', '-L', $tag]);
	$talk->hear;
	$talk->ask($_) for by_smtp('b@example.net');
	like($talk->ask((split /\r\n/, $wire), '.'), qr/^250/, '-bs and a smarthost that is there');
	my $run = $talk->end;
	ok(wait_for(sub { !left_running($tag) }), 'when all has ended');
	is(arrived($run->server), 'b@example.net, waiting@example.net', 'what waited is sent, too');
	is(join(' ', ids($queue)), '', 'nothing is left');
}
{
	my $queue = new_queue();
	my $talk = talk(top => {queue => $queue, delivery => 'queue', 'queue-max-messages' => 1});

	enqueue($queue);
	$talk->hear;
	$talk->ask($_) for by_smtp('b@example.net');
	like($talk->ask((split /\r\n/, $wire), '.'), qr/^452[- ]4\.3\.1 /, '-bs and a queue that is full');
	$talk->end;
	is(scalar ids($queue), 1, 'nothing was added');
}

# Many.
{
	# In memory where that is to be had: each is synced, and what is tested is the number.
	my $memory = -d '/dev/shm' && -w _ ? File::Temp::tempdir('sendmail-e2e-XXXXXXXX', DIR => '/dev/shm', CLEANUP => 1) : undef;
	my $many = sanitized() || !defined $memory ? 500 : 10_000;
	my ($queue, $server) = (new_queue(), smarthost(args => ['--lifetime', 240]));
	if (defined $memory) {
		$queue = "$memory/queue";
		mkdir $queue, 0700 or die "$queue: $!";
	}
	my $session = join '', "EHLO client.example.com\r\n", (map {
		"MAIL FROM:<a\@example.com>\r\nRCPT TO:<b$_\@example.net>\r\nDATA\r\nSubject: $_\r\n\r\nHello\r\n.\r\n" } 1 .. $many), "QUIT\r\n";

	my $run = submit(argv => ['-bs'], stdin => $session, top => {queue => $queue, delivery => 'queue'}, server => $server, limit => 120);
	is(scalar(() = $run->out =~ /^250 2\.0\.0 In the queue as /mg), $many, "$many messages are put into the queue");
	is(scalar ids($queue), $many, 'and are there');
	$run = submit(argv => ['-q'], stdin => '', top => {queue => $queue}, server => $server, limit => 120);
	is($run->exit . $run->err, '0', 'a run');
	my %got;
	$got{recipients($_)}++ for $server->messages;
	is(scalar(grep { $_ == 1 } values %got), $many, 'sends each once');
	is(connections($server), 1, 'over one connection');
	is(join(' ', ids($queue)), '', 'nothing is left');
}

# Whoever can do nothing else is told, and the log.
for my $argv (['-q'], ['-bp'], ['--queue-show', '0' x 26]) {
	my $queue = new_queue();

	rmdir $queue;
	check_with($queue, "no directory: @$argv", argv => $argv, stdin => '', exit => 73, sent => 0, err => qr/cannot open the queue.*Remedy: /,
	    log => {status => 'failed', stage => 'queue'});
}

done_testing;
