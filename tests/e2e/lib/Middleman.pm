package Middleman;

# A man in the middle, between the program and the smarthost, who counts flights.
use E2E;
use Exporter 'import';
use IO::Select;
use IO::Socket::INET;
use POSIX ();

our @EXPORT = qw(middleman);

use constant GATHER => 0.03;	# seconds without octets after which a flight is taken to be whole

# Passes octets on as whole flights, each a file in a directory. {port, flights}.
sub middleman
{
	my ($server) = @_;
	my $dir = scratch();
	my $listener = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1', ReuseAddr => 1) or die "listen: $!";
	my $pid = fork // die "fork: $!";

	if ($pid == 0) {
		my $n = 0;

		alarm 60;
		my $client = $listener->accept or POSIX::_exit(1);
		my $there = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $server->port) or POSIX::_exit(1);
		my $select = IO::Select->new($client, $there);
		while (my @ready = $select->can_read) {
			for my $from (@ready) {
				my ($text, $more) = ('', 1);

				while ($more && IO::Select->new($from)->can_read(GATHER)) {
					$more = sysread $from, my $piece, 65536;
					$text .= $piece if $more;
				}
				spew(sprintf('%s/%05d', $dir, $n++), $text) if $from == $client && $text ne '';
				syswrite $from == $client ? $there : $client, $text if $text ne '';
				POSIX::_exit(0) if !$more;
			}
		}
		POSIX::_exit(0);
	}
	my $port = $listener->sockport;
	close $listener;
	return {port => $port, pid => $pid, flights => sub { waitpid $pid, 0; return map { slurp($_) } sort glob "$dir/*" }};
}

1;
