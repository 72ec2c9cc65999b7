package Queue;

# What tests of the queue share: queues, what is in them, who got what, and the format of a file (sendmail-queue(5)).
use E2E;
use Exporter 'import';
use Socket;
use Time::HiRes ();

our @EXPORT = qw(new_queue names ids wait_for check_with run_queue enqueue enqueue_as log_of new_tag left_running deliver_and_wait closed_port path_of recipients senders
    arrived connections is_notice notices REFUSALS item set_state forge age PATIENCE DAY STATE_AT RECORD);

use constant PATIENCE => 40;	# seconds after which what should happen in the background has failed to
use constant DAY => 86400;
use constant STATE_AT => 96;	# where in a file of the queue its state begins
use constant RECORD => 256;	# octets of its head, of its error, and of each recipient

# A smarthost that does not take all: rules for it.
use constant REFUSALS => ('rcpt@no@* reply "550 5.1.1 User unknown"', 'rcpt@later@* reply "450 4.2.0 Greylisted"');

my $id = qr/\A[0-9a-f]{26}\z/;

sub new_queue
{
	my $queue = scratch() . '/queue';

	mkdir $queue, 0700 or die "$queue: $!";
	return $queue;
}

sub names
{
	my ($dir) = @_;

	return () if $dir =~ m{/failed\z} && !-e $dir;	# it is made when it is needed
	opendir my $handle, $dir or die "$dir: $!";
	return sort grep { !/\A\.\.?\z/ } readdir $handle;
}

# The messages in it, the oldest first.
sub ids { return grep { /$id/ } names($_[0]) }

# Waits until it is so; false: it never was.
sub wait_for
{
	my ($is_so) = @_;
	my $end = Time::HiRes::time() + PATIENCE;

	while (!$is_so->()) {
		return 0 if Time::HiRes::time() > $end;
		Time::HiRes::sleep(0.02);
	}
	return 1;
}

# check() with a queue, and any number of log lines.
sub check_with
{
	my ($queue, $name, %o) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return check $name, log => undef, %o, top => {queue => $queue, %{$o{top} // {}}};
}

# sendmail -q.
sub run_queue
{
	my ($queue, $name, $server, %o) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return check_with($queue, $name, argv => ['-q'], stdin => '', server => $server, %o);
}

# Leaves a message in the queue without asking a smarthost. Its identifier.
sub enqueue
{
	my ($queue, %o) = @_;
	my %top = (log => \"'\@LOG\@'", domain => 'example.com', hostname => 'client.example.com', queue => $queue,
	    %{$o{top} // {}});
	my $run = submit(%o, server => 0, argv => ['-odq', @{$o{argv} // ['b@example.net']}],
	    conf => conf(\%top, "smarthost '127.0.0.1' {\n\ttls = 'none'\n}\n"));

	die 'cannot fill the queue: ', $run->err if $run->exit != 0 || $run->err ne '' || ($run->log->{status} // '') ne 'queued';
	return $run->log->{queue};
}

# The same as the n-th of several: what comes in the same second has no order by itself.
sub enqueue_as
{
	my ($queue, $n, %o) = @_;
	my $old = enqueue($queue, %o);
	my $new = sprintf '%s%016x', substr($old, 0, 10), $n;

	rename "$queue/$old", "$queue/$new" or die "rename: $!";
	return $new;
}

# The lines of the log as {key => value}.
sub log_of { return map { E2E::parse_log($_) } $_[0]->log_lines }

# What a delivery has left running behind itself is found by the tag that it was given with -L.
my $tags = 0;
sub new_tag { return "queue-$$-" . ++$tags }

sub left_running
{
	my ($tag) = @_;

	return grep { index(slurp("/proc/$_/cmdline"), "\0-L\0$tag\0") >= 0 } map { m{(\d+)\z} } glob '/proc/[0-9]*';
}

# Delivers, and waits for the end of what was left running. The run, with all of its log.
sub deliver_and_wait
{
	my (%o) = @_;
	my $tag = new_tag();
	my $run = submit(%o, argv => ['-L', $tag, @{$o{argv}}]);

	wait_for(sub { !left_running($tag) }) or fail('what was left running has ended');
	return E2E::settle($run);
}

# A port at which nobody answers, for as long as the test lives.
my $closed;
sub closed_port
{
	if (!defined $closed) {
		socket $closed, PF_INET, SOCK_STREAM, 0 or die "socket: $!";
		bind $closed, sockaddr_in(0, INADDR_LOOPBACK) or die "bind: $!";
	}
	return (sockaddr_in(getsockname $closed))[0];
}

sub path_of { return ($_[0] // '') =~ /<(.*?)>/ ? $1 : '(none)' }
sub recipients { return join ' ', map { path_of($_) } @{$_[0]{env}{rcpt}} }
sub senders { return join ' ', sort map { path_of($_->{env}{mail}[0]) } $_[0]->messages }
sub arrived { return join ', ', sort map { recipients($_) } $_[0]->messages }
sub connections { return scalar keys %{{map { /^(\d+) / ? ($1 => 1) : () } split /\n/, $_[0]->dialogue}} }
sub is_notice { return $_[0]{data} =~ m{^Content-Type: multipart/report; report-type=delivery-status;}m }
sub notices { return grep { is_notice($_) } $_[0]->messages }

# --- helpers that know the format of a file

# FNV-1a of 64 bits.
sub checksum
{
	use integer;
	my $sum = 14695981039346656037;

	$sum = ($sum ^ $_) * 1099511628211 for unpack 'C*', $_[0];
	return sprintf '%016x', $sum;
}

# A message in the queue: what changes, the envelope's lines, the octets.
sub item
{
	my ($queue, $name) = @_;
	my $text = slurp("$queue/$name");
	my ($count, $lines, $octets) =
	    $text =~ /\Asendmail-submit queue 1\nrecipients=(\d{9}) envelope=(\d{12}) message=(\d{15}) *\n/ or die "$name: no message";
	my $at = RECORD * (2 + $count);
	my %item = (text => $text, count => $count, changing => substr($text, STATE_AT, $at - STATE_AT),
	    envelope => substr($text, $at, $lines), message => substr($text, $at + $lines, $octets));

	@item{qw(next tried asked waited attempts held warned)} = map { $_ + 0 }
	    $item{changing} =~ /\Anext=(\d{12}) tried=(\d{12}) asked=(\d{12}) waited=(\d{12}) attempts=(\d{9}) held=(\d) warned=(\d)/;
	$item{states} = join '', map { substr $text, RECORD * (2 + $_), 1 } 0 .. $count - 1;
	$item{rcpt} = join ' ', $item{envelope} =~ /^rcpt (.*)$/mg;
	($item{created}) = $item{envelope} =~ /^created (\d+)$/m;
	return \%item;
}

# Changes next, attempts or held, which no checksum is over.
sub set_state
{
	my ($queue, $name, %new) = @_;
	open my $file, '+<:raw', "$queue/$name" or die "$name: $!";
	read $file, my $head, RECORD;

	for my $key (keys %new) {
		$head =~ s/\b$key=(\d+)/sprintf "%s=%0*d", $key, length $1, $new{$key}/e or die "no $key in $name";
	}
	seek $file, 0, 0;
	print $file $head;
	close $file or die "$name: $!";
}

# Changes {envelope, message, count} by a sub, and makes the checksum right again.
sub forge
{
	my ($queue, $name, $change) = @_;
	my $item = item($queue, $name);

	$change->($item);
	my $head = sprintf "sendmail-submit queue 1\nrecipients=%09d envelope=%012d message=%015d", $item->{count},
	    length $item->{envelope}, length $item->{message};
	$head .= ' ' x (STATE_AT - 1 - length $head) . "\n";
	spew("$queue/$name", $head . $item->{changing} . $item->{envelope} . $item->{message} . "\r\nend sum=" .
	    checksum($head . $item->{envelope} . $item->{message}) . "\n", 0600);
}

# Makes it that old, and tried until now.
sub age
{
	my ($queue, $name, $seconds) = @_;

	forge($queue, $name, sub { my $created = time - $seconds; $_[0]{envelope} =~ s/^created \d+$/created $created/m });
	set_state($queue, $name, tried => time, waited => $seconds < 0 ? 0 : $seconds);
}

1;
