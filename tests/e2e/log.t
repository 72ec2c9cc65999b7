# The log as a program reads it: JSON, what each run has cost, and who has called.
use lib 'tests/e2e/lib';
use E2E;
use JSON::PP ();
use Queue;

# The lines of a log of objects.
sub objects
{
	my ($file) = @_;
	my @lines = split /\n/, slurp($file);
	my @objects = map { eval { JSON::PP->new->decode($_) } } @lines;

	is(scalar @objects, scalar @lines, 'each line is an object');
	return @objects;
}

# Runs with a log of its own in that format; the run, and the objects.
sub run_logged
{
	my ($name, %o) = @_;
	my $file = scratch() . '/log';
	my $run = submit(%o, top => {log => $file, 'log-format' => 'json', %{$o{top} // {}}});
	my @objects = objects($file);

	is($run->exit, $o{exit} // 0, $name) or diag($run->err);
	return ($run, @objects);
}

{
	my ($run, $log, @more) = run_logged('a message that is sent');

	is(scalar @more, 0, 'one line');
	like($log->{time}, qr/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}\z/, 'when');
	like($log->{pid}, qr/\A\d+\z/, 'pid');
	is("$log->{tag} $log->{status} $log->{exit} $log->{uid} $log->{to} $log->{sent}", "sendmail sent 0 $> b\@example.net 1", 'what');
	is($log->{reply}, '250 2.0.0 Message accepted', 'the reply');
	for my $key (qw(lookup-ms connect-ms tls-ms auth-ms transfer-ms ms)) {
		like($log->{$key}, qr/\A\d+\z/, $key);
	}
	my $sum = 0;
	$sum += $log->{$_} for qw(lookup-ms connect-ms tls-ms auth-ms transfer-ms);
	cmp_ok($sum, '<=', $log->{ms} + 5, 'the parts are no more than the whole');
}
{
	my (undef, $log) = run_logged('octets of a smarthost', rules => ['rcpt reply "550 5.1.1 \\"no\\" \\\\ \\x1b[31m \\xc3\\xbc {},:"'], exit => 67);

	is("$log->{status} $log->{exit}", 'failed 67', 'status');
	is($log->{why}, '550 5.1.1 "no" \\\\ \\033[31m \\303\\274 {},:', 'are escaped as in text, and make no member');
}
for my $case (['banner', 'banner stall', 75, ['lookup-ms', 'connect-ms'], ['tls-ms', 'auth-ms', 'transfer-ms']], ['AUTH', 'auth reply "535 5.7.8 No"', 77,
    ['lookup-ms', 'connect-ms', 'tls-ms', 'auth-ms'], ['transfer-ms']], ['MAIL', 'mail delay 300 reply "550 5.7.1 No"', 77, ['transfer-ms'], []]) {
	my ($where, $rule, $exit, $there, $missing) = @$case;
	my (undef, $log) = run_logged("it ends at $where", rules => [$rule], exit => $exit, top => {timeout => '2s'});

	is(join(' ', grep { !defined $log->{$_} } @$there), '', 'what it has come to is told');
	is(join(' ', grep { defined $log->{$_} } @$missing), '', 'and nothing else');
	cmp_ok($log->{'transfer-ms'}, '>=', 290, 'as long as it took') if $where eq 'MAIL';
}
# Many recipients and smarthosts that are passed over: the line stays whole.
{
	my @to = map { 'r' . ('x' x 50) . "$_\@example.net" } 1 .. 200;
	my (undef, $log) = run_logged('many recipients', argv => \@to, stdin => MESSAGE);

	is($log->{recipients}, 200, 'their number');
}
{
	my ($queue, $server, $file) = (new_queue(), smarthost(), scratch() . '/log');
	my $run = deliver_and_wait(server => $server, top => {queue => $queue, log => $file, 'log-format' => 'json'}, argv => ['-odb', 'b@example.net']);
	my @log = objects($file);

	is(join(' ', map { $_->{status} } @log), 'queued sent', 'in the background: one line for the run, and one for the attempt');
	is(defined $log[1]{caller} ? 1 : 0, 0, 'which nobody has called');
	is(defined $log[0]{'connect-ms'} ? 1 : 0, 0, 'the first one has not connected');
	enqueue($queue, argv => ["r$_\@example.net"]) for 1, 2;
	spew($file, '');
	submit(server => $server, top => {queue => $queue, log => $file, 'log-format' => 'json'}, argv => ['-q'], stdin => '');
	@log = objects($file);
	is(join(' ', map { defined $_->{'connect-ms'} ? 'new' : 'stood' } @log), 'new stood', 'a connection that stands costs the second message nothing');
	like($log[1]{'transfer-ms'}, qr/\A\d+\z/, 'but its transfer');
}
# -bs: each transaction.
{
	my $file = scratch() . '/log';
	my $talk = talk(top => {log => $file, 'log-format' => 'json'});

	$talk->hear;
	$talk->ask('EHLO client.example.com');
	for (1, 2) {
		$talk->ask($_) for 'MAIL FROM:<a@example.com>', 'RCPT TO:<b@example.net>', 'DATA';
		$talk->ask((split /\n/, MESSAGE), '.');
	}
	$talk->end;
	my @log = objects($file);
	is(join(' ', map { defined $_->{'connect-ms'} ? 'new' : 'stood' } grep { $_->{status} eq 'sent' } @log), 'new stood', '-bs: a line for each transaction');
}
SKIP: {
	skip 'the system does not tell the name of a process', 1 if !-r "/proc/$$/comm";
	check 'who has called', wrap => ['/bin/sh', '-c', '"$@"; exit $?', 'sh'], log => {status => 'sent', caller => 'sh'};
}
# Text is as it was.
check 'text', top => {'log-format' => 'text'}, log => {status => 'sent', 'connect-ms' => qr/^\d+$/};
check 'no such format', top => {'log-format' => 'xml'}, exit => 78, sent => 0, err => qr/'log-format'.*Remedy: /, log => undef;

done_testing;
