# A long queue and a smarthost that takes its time: several connections at once where one would take long, each message once (sendmail.conf(5), queue-connections).
use lib 'tests/e2e/lib';
use E2E;
use Queue;

my $n = 60;

# A queue of so many, each to a recipient of its own.
sub filled
{
	my $queue = new_queue();

	enqueue($queue, argv => ["r$_\@example.net"]) for 1 .. $n;
	return $queue;
}

# Runs it; each has got his message once, and the log tells so.
sub all_arrive
{
	my ($name, $queue, $server, %o) = @_;
	my $run = run_queue($queue, $name, $server, limit => 120, %o);

	is(arrived($server), join(', ', sort map { "r$_\@example.net" } 1 .. $n), 'each message once');
	is(join(' ', ids($queue)), '', 'nothing is left');
	is(scalar(grep { ($_->{status} // '') eq 'sent' } log_of($run)), $n, 'a line of the log for each');
	return $run;
}

# What the sanitizers could see of it they see in the first.
my $all = !E2E::sanitized();
my @slow = (ext_tls => '-CHUNKING', rules => ['dot delay 150']);
{
	my $server = smarthost(@slow);

	all_arrive('several connections', filled(), $server);
	cmp_ok(connections($server), '>', 3, 'there are some');
	cmp_ok(connections($server), '<=', 20, 'and not too many');
}
if ($all) {
	my $server = smarthost(@slow);

	all_arrive('no more than the configuration says', filled(), $server, top => {'queue-connections' => 2});
	is(connections($server), 2, 'two');
}
if ($all) {
	my $server = smarthost(ext_tls => '-CHUNKING', rules => ['banner conn=3- reply "421 4.7.0 Too many connections" close', 'dot delay 150']);

	all_arrive('a smarthost that takes no more than two', filled(), $server);
}
{
	my $server = smarthost(rules => ['dot delay 20']);

	all_arrive('with CHUNKING', filled(), $server);
	is(connections($server), 1, 'one is enough');
}
if ($all) {
	my ($queue, $server) = (filled(), smarthost(@slow));
	my $run = run_queue($queue, 'ended by a signal', $server, limit => 60, argv => ['-q1h'], exit => 0, watch => sub {
		kill 'TERM', $_[0] if !our $ended && connections($server) > 3 && ($ended = 1);
	});
	my @arrived = split /, /, arrived($server);
	my %times;

	$times{$_}++ for @arrived;
	is(scalar(grep { $_ > 1 } values %times), 0, 'none arrives twice');
	is(scalar(ids($queue)) + @arrived, $n, 'and what has not is still there');
	cmp_ok(scalar ids($queue), '>', 0, 'some are');
	all_arrive_rest($queue, $server);
}

# What an ended run has left, all of it once.
sub all_arrive_rest
{
	my ($queue, $server) = @_;

	run_queue($queue, 'and the next run goes on', $server, limit => 120);
	is(arrived($server), join(', ', sort map { "r$_\@example.net" } 1 .. $n), 'each message once in all');
}

done_testing;
