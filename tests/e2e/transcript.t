# The transcript: the dialogues of all runs in a file, with nothing in it that -v would not show, and no mail that depends on it.
use lib 'tests/e2e/lib';
use E2E;
use Queue;

sub transcript { return scratch() . '/transcript' }

# The lines of it as [run, milliseconds, clear or tls, who, text].
sub lines_of
{
	my ($file) = @_;

	return map { [/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} ([0-9a-f]{8}) +(\d+) ms (clear|tls  |     ) (C:|S:|\* ) (.*)\z/] } split /\n/, slurp($file);
}

{
	my ($file, $server) = (transcript(), smarthost());

	check 'a run', server => $server, top => {transcript => $file}, sent => 1;
	is((stat $file)[2] & 07777, 0600, 'the file is for its owner alone');
	my @lines = lines_of($file);
	is(scalar(grep { !@$_ } @lines), 0, 'each line has its form');
	my %runs = map { $_->[0] => 1 } @lines;
	is(scalar keys %runs, 1, 'and is of one run');
	like($lines[0][4], qr/^process \d+ of user $>$/, 'which is told');
	my $said = join "\n", map { "$_->[3] $_->[4]" } @lines;
	like($said, qr/^C: EHLO client\.example\.com$(?s:.*)^C: MAIL FROM:<a\@example\.com>(?s:.*)^C: RCPT TO:<b\@example\.net>(?s:.*)^S: 250 2\.0\.0 Message accepted$/m,
	    'the dialogue');
	unlike($said, qr/\Q${\PASSWORD}\E|c3Mzt|AGFwc/, 'without the password');
	unlike($said, qr/^.. Hello$/m, 'nor the message');
	check 'another run', server => $server, top => {transcript => $file}, argv => ['-v', 'b@example.net'], printed => 1, err => qr/MAIL FROM/, sent => 2;
	%runs = map { $_->[0] => 1 } lines_of($file);
	is(scalar keys %runs, 2, 'is told from the first one');
}
{
	my ($file, $server) = (transcript(), smarthost(rules => ['rcpt reply "550 5.1.1 \\x1b[31mNo\\x07"']));

	check 'a smarthost with control characters', server => $server, top => {transcript => $file}, exit => 67, sent => 0, err => qr/550/;
	unlike(slurp($file), qr/[^\x20-\x7e\n]/, 'they are escaped');
	like(slurp($file), qr/S: 550 5\.1\.1 \\033\[31mNo\\a$/m, 'and there');
}
{
	my ($file, $queue, $server) = (transcript(), new_queue(), smarthost());

	my $run = deliver_and_wait(server => $server, top => {transcript => $file, queue => $queue}, argv => ['-odb', 'b@example.net']);
	is($run->exit, 0, 'in the background');
	like(slurp($file), qr/S: 250 2\.0\.0 Message accepted$/m, 'the dialogue is kept, too');
	enqueue($queue);
	run_queue($queue, 'a run of the queue', $server, top => {transcript => $file}, sent => 2);
	is(scalar(() = slurp($file) =~ /S: 250 2\.0\.0 Message accepted$/mg), 2, 'and that of a run of the queue');
}

# It costs no mail, and breaks no silence; only a run that fails tells it.
my $dir = scratch();
mkdir "$dir/directory";
POSIX::mkfifo("$dir/fifo", 0600);
for my $case (['there is no such directory', '/nonexistent/transcript', 'No such file or directory'], ['it is a directory', "$dir/directory", 'Is a directory'],
    ['it is a FIFO that nobody reads', "$dir/fifo", 'No such device or address'], ['there is no room', '/dev/full', 'No space left on device']) {
	my ($name, $file, $why) = @$case;

	check "$name: the mail goes", top => {transcript => $file};
	check 'a run that fails tells it', top => {transcript => $file}, rules => ['rcpt reply "550 5.1.1 No"'], exit => 67, sent => 0,
	    err => qr/cannot write the transcript \Q$file\E: $why\.$/m;
}
check 'by its full name alone', top => {transcript => 'transcript'}, exit => 78, sent => 0, err => qr/'transcript'.*begins with \//, log => undef;

done_testing;
