# The look-up of the smarthost's name, against a name server of our own on loopback: it is named in a resolv.conf that only the
# program sees, in a mount namespace.
use lib 'tests/e2e/lib';
use E2E;
use Socket;

plan(skip_all => 'no mount namespace to be had') if !can_unshare();
my $address = '127.0.0.' . (2 + $$ % 250);
socket my $server, PF_INET, SOCK_DGRAM, 0 or die "socket: $!";
plan(skip_all => "cannot be a name server on $address: $!") if !bind $server, sockaddr_in(53, inet_aton($address));

my $dir = scratch();
spew("$dir/resolv.conf", "nameserver $address\noptions timeout:60 attempts:1\n", 0644);
spew("$dir/nsswitch.conf", "hosts: files dns\n", 0644);
spew("$dir/hosts", "127.0.0.1 localhost\n", 0644);
my $inside = "for f in resolv.conf nsswitch.conf hosts; do mount --bind $dir/\$f /etc/\$f; done; exec \"\$@\"";

# Answers what is there with that code (RFC 1035 section 4.1.1); nothing at all where it is undef.
sub answer
{
	my ($code) = @_;

	return sub {
		my $ready = '';
		vec($ready, fileno($server), 1) = 1;
		while (select(my $r = $ready, undef, undef, 0) > 0) {
			my $peer = recv $server, my $query, 4096, 0;
			next if !defined $code || length $query < 12;
			my ($id, $flags, $questions) = unpack 'nnn', $query;
			send $server, pack('n6', $id, 0x8180 | $code, $questions, 0, 0, 0) . substr($query, 12), 0, $peer;
		}
	};
}

for my $case (['the name does not exist', 3, 68, qr/cannot find smtp\.example\.com.*Remedy: .*name/], ['the name server has a trouble', 2, 75,
    qr/cannot look up smtp\.example\.com.*Remedy: /], ['the name server says nothing', undef, 75, qr/deadline.*Remedy: /],
    ['the name has no address', 0, 68, qr/cannot find smtp\.example\.com/]) {
	my ($name, $code, $exit, $err) = @$case;

	check $name, wrap => ['unshare', '-m', '/bin/sh', '-c', $inside, 'sh'], host => {host => 'smtp.example.com'}, top => {timeout => '2s'},
	    watch => answer($code), exit => $exit, err => [$err], log => {stage => 'lookup', smarthost => 'smtp.example.com'};
}
check 'a name from /etc/hosts', wrap => ['unshare', '-m', '/bin/sh', '-c', $inside, 'sh'], host => {host => 'localhost'}, watch => answer(3);

done_testing;
