# A large message in a file that can be read again: it is sent from there, no copy of it is made, and a file that is changed meanwhile is not sent.
use lib 'tests/e2e/lib';
use E2E;
use Queue;

use constant MIB => 1024 * 1024;

my %ways = (CHUNKING => 'PIPELINING,SIZE 1000000000,8BITMIME,CHUNKING', DATA => 'PIPELINING,SIZE 1000000000,8BITMIME');
my $line = ("x" x 63) . "\n";

# Lines of which each is another one, and every seventh begins with a dot.
sub text { return MESSAGE . join '', map { sprintf "%s%-62d\n", $_ % 7 == 0 ? '.' : 'x', $_ } 1 .. $_[0] * MIB / 64 }

# A file with that in it.
sub file_of { return spew(scratch() . '/message', $_[0]) }

# What of the text arrives.
sub wire { return $_[0] =~ s/\r?\n/\r\n/gr }

sub arrived_whole
{
	my ($run, $text) = @_;
	my ($m) = $run->server->messages;

	ok(($m->{data} // '') eq wire($text), 'it arrived as it is');
}

my $text = text(3);

for my $way (sort keys %ways) {
	my @common = (argv => ['-i', 'b@example.net'], ext => $ways{$way});
	my $tmp = scratch();

	check "$way: a file", @common, stdin => {file => file_of($text)}, env => {TMPDIR => $tmp}, log => {size => length wire($text)},
	    also => sub { arrived_whole($_[0], $text) };
	check "$way: a file with CRLF", @common, stdin => {file => file_of(wire($text))}, also => sub { arrived_whole($_[0], $text) };
	check "$way: without -i", argv => ['b@example.net'], ext => $ways{$way}, stdin => {file => file_of(MESSAGE . $line x 50000 . "\n.\n" . $line x 50000)},
	    also => sub { arrived_whole($_[0], MESSAGE . $line x 50000 . "\n") };
	check "$way: -t", argv => ['-t', '-i'], ext => $ways{$way}, stdin => {file => file_of($text)}, also => sub { arrived_whole($_[0], $text) };

	# --- changed while the smarthost thinks about the sign-in: all of the message leaves after that
	my %changes = (
	    'an octet' => sub { my ($file) = @_; open my $f, '+<', $file or die; seek $f, 2 * MIB, 0; print $f 'y'; close $f },
	    'cut short' => sub { truncate $_[0], 2 * MIB or die },
	    'emptied' => sub { truncate $_[0], 0 or die },
	    'written anew' => sub { spew($_[0], text(3) =~ tr/x/y/r) },
	);
	for my $change (sort keys %changes) {
		my ($file, $done) = (file_of($text), 0);

		check "$way: $change", @common, stdin => {file => $file}, rules => ['auth delay 700'], exit => 74, sent => 0,
		    watch => sub {
			return if $done || $_[1]->server->dialogue !~ /C: AUTH/;
			$changes{$change}->($file);
			$done = 1;
		    },
		    err => [qr/cannot read the message from standard input again: somebody has changed it meanwhile\. Likely cause: somebody writes to the file/];
		ok($done, "$change: it was changed in time");
	}
	my ($file, $done) = (file_of($text), 0);
	check "$way: something is appended", @common, stdin => {file => $file}, rules => ['auth delay 700'],
	    watch => sub {
		return if $done || $_[1]->server->dialogue !~ /C: AUTH/;
		open my $f, '>>', $file or die;
		print $f "more\n";
		close $f;
		$done = 1;
	    }, also => sub { arrived_whole($_[0], $text) };
	ok($done, 'it was appended in time');
}

# --- no room is needed

SKIP: {
	skip 'no mount namespace to be had', 1 if !can_unshare();
	my $home = "/run/sendmail-large.$$";	# what the test needs is not below /tmp
	my $huge = MESSAGE . $line x (40 * MIB / length $line);
	mkdir $home or die "$home: $!";
	my $server = smarthost(ext => $ways{DATA});
	my $conf = spew("$home/conf", conf({log => "$home/log", domain => 'example.com'}, section($server, 'tls-ca-file' => "$home/ca.pem")), 0600);

	system('cp', certs() . '/ca.pem', program(), $home) == 0 or die 'cp failed';
	check 'a file larger than what memory may hold, and nowhere to write', program => "$home/sendmail", server => $server, conf => undef, env => {SENDMAIL_CONF => $conf},
	    log => undef, cwd => '/', stdin => {file => file_of($huge)},
	    wrap => ['unshare', '-m', '/bin/sh', '-c', 'for d in /tmp /var/tmp /dev/shm; do [ -d $d ] && mount -t tmpfs -o ro none $d; done; exec "$@"', 'sh'],
	    also => sub { is(($server->messages)[0]{data}, wire($huge), 'it arrived') };
	unlink map { "$home/$_" } qw(conf log sendmail ca.pem);
	rmdir $home;
}

# --- through the queue, whose file is read again as well

my $queue = new_queue();
my $server = smarthost(ext => $ways{CHUNKING});
my $id = enqueue($queue, stdin => {file => file_of($text)}, argv => ['-i', '-f', 'a@example.com', 'b@example.net']);
ok(defined $id, 'it is in the queue');
run_queue($queue, 'the queue is run', $server);
ok((($server->messages)[0]{data} // '') eq wire($text), 'it arrived from there');
is_deeply([ids($queue)], [], 'and the queue is empty');

done_testing;
