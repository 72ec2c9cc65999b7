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

# --- SRV (RFC 6186, RFC 8314): the servers of a domain

# A name as DNS has it.
sub labels { return join('', map { pack 'C/a', $_ } split /\./, $_[0]) . "\0" }

# Answers by name and type from {'_submission._tcp.example.com' => [[priority, weight, port, target], ...], 'mx.example.com' => '127.0.0.1'}; a number is
# the code of a failure, undef silence, what is not there NXDOMAIN. Names asked for are pushed on @$asked.
sub zone
{
	my ($zone, $asked) = @_;

	return sub {
		my $ready = '';
		vec($ready, fileno($server), 1) = 1;
		while (select(my $r = $ready, undef, undef, 0) > 0) {
			my $peer = recv $server, my $query, 4096, 0;
			my ($id) = unpack 'n', $query;
			my ($name, $rest) = ('', substr $query, 12);
			while ((my $n = unpack 'C', $rest) > 0) {
				$name .= ($name eq '' ? '' : '.') . substr $rest, 1, $n;
				$rest = substr $rest, $n + 1;
			}
			my $type = unpack 'x n', $rest;
			my $question = labels($name) . pack 'n2', $type, 1;
			my $what = $zone->{$name};
			push @$asked, $name if $type == 33;
			next if exists $zone->{$name} && !defined $what;
			my @records = ref $what ? ($type == 33 ? map { pack 'n3 a*', @$_[0 .. 2], labels($_->[3]) } @$what : ()) :
			    defined $what && $what =~ /\./ && $type == 1 ? (inet_aton($what)) : ();
			my $code = !exists $zone->{$name} ? 3 : $what =~ /^\d+$/ ? $what : 0;
			send $server, pack('n6', $id, 0x8180 | $code, 1, scalar @records, 0, 0) . $question .
			    join('', map { "\xc0\x0c" . pack 'n2 N n/a', $type, 1, 60, $_ } @records), 0, $peer;
		}
	};
}

# One run with the domain example.com, whose servers are what zone says; ports by name of the smarthosts.
sub by_srv
{
	my ($name, $zone, %o) = @_;
	my @asked;

	return check $name, wrap => ['unshare', '-m', '/bin/sh', '-c', $inside, 'sh'], watch => zone($zone, \@asked), %o,
	    host => {host => 'example.com', srv => 'true', port => undef, tls => undef, 'tls-name' => '127.0.0.1', %{$o{host} // {}}}, also => sub {
		$o{also}->(@_, \@asked) if $o{also};
	};
}

my $starttls = smarthost(args => ['--listen', '127.0.0.1:0', '--listen', '127.0.0.1:0/implicit', '--listen', '127.0.0.1:0/hole']);
my ($first, $implicit, $hole) = map { $starttls->port($_) } 0 .. 2;
my @implicit = ('_submissions._tcp.example.com', [[0, 0, $implicit, 'mx.example.com']]);
my @starttls = ('_submission._tcp.example.com', [[0, 0, $first, 'mx.example.com']]);
my @host = ('mx.example.com', '127.0.0.1');
my @server = (server => $starttls);

by_srv('implicit TLS goes first', {@implicit, @starttls, @host}, @server, log => {smarthost => 'mx.example.com', port => $implicit, address => '127.0.0.1'}, also => sub {
	is_deeply($_[1], ['_submissions._tcp.example.com', '_submission._tcp.example.com'], 'what was asked');
});
by_srv('STARTTLS where there is nothing else', {@starttls, @host}, @server, log => {smarthost => 'mx.example.com', port => $first});
by_srv('option tls picks one', {@implicit, @starttls, @host}, @server, host => {tls => 'starttls'}, log => {port => $first}, also => sub {
	is_deeply($_[1], ['_submission._tcp.example.com'], 'what was asked');
});
by_srv('option tls picks the other', {@implicit, @starttls, @host}, @server, host => {tls => 'implicit'}, log => {port => $implicit});
by_srv('the lower priority goes first', {'_submission._tcp.example.com' => [[20, 0, 1, 'mx.example.com'], [10, 0, $first, 'mx.example.com']], @host}, @server,
    log => {port => $first});
by_srv('a closed port: the next', {'_submission._tcp.example.com' => [[10, 0, 1, 'mx.example.com'], [20, 0, $first, 'mx.example.com']], @host}, @server,
    log => {port => $first});
by_srv('a name that does not exist: the next', {'_submission._tcp.example.com' => [[10, 0, $first, 'old.example.com'], [20, 0, $first, 'mx.example.com']], @host},
    @server, log => {smarthost => 'mx.example.com'});
by_srv('one that is dead costs seconds', {'_submission._tcp.example.com' => [[10, 0, $hole, 'mx.example.com'], [20, 0, $first, 'mx.example.com']],
    @host}, @server, limit => 60, log => {port => $first});
by_srv('a look-up that fails, of two', {'_submissions._tcp.example.com' => 2, @starttls, @host}, @server, log => {port => $first});
by_srv('a refused password is not tried at the next', {'_submission._tcp.example.com' => [[10, 0, $first, 'mx.example.com'], [20, 0, $first, 'mx.example.com']], @host},
    @server, host => {password => 'wrong'}, exit => 77, err => [qr/535/], also => sub { is(scalar(grep { /wrong/ } $starttls->auth), 1, 'once') });

by_srv('no records', {'example.com' => '127.0.0.1'}, exit => 68, err => [qr/cannot find the submission servers of example\.com.*Remedy: .*srv/],
    log => {stage => 'lookup', smarthost => 'example.com', port => undef});
by_srv('records that say no', {'_submissions._tcp.example.com' => [[0, 0, 0, '']], '_submission._tcp.example.com' => [[0, 0, 0, '']]}, exit => 68,
    err => [qr/says that it has no submission server/]);
by_srv('look-ups that fail', {'_submissions._tcp.example.com' => 2, '_submission._tcp.example.com' => 2}, exit => 75, err => [qr/cannot look up the SRV records of example\.com.*Remedy: /]);
by_srv('a name server that is silent', {'_submissions._tcp.example.com' => undef, '_submission._tcp.example.com' => undef}, top => {timeout => '2s'}, exit => 75,
    err => [qr/SRV records.*deadline/]);
by_srv('all fail: the worst is told', {'_submission._tcp.example.com' => [[10, 0, 1, 'mx.example.com'], [20, 0, 2, 'mx.example.com']], @host}, @server, exit => 75,
    err => [qr/cannot connect to mx\.example\.com port [12]: /]);

# Who is believed to be the domain's server: its certificate is for the domain, or for the server's own name if that lies in the domain. The smarthost's
# is for smtp.example.com.
by_srv('a server in the domain, by its own name', {'_submission._tcp.example.com' => [[0, 0, $first, 'smtp.example.com']], 'smtp.example.com' => '127.0.0.1'}, @server,
    host => {'tls-name' => undef}, log => {smarthost => 'smtp.example.com'}, also => sub { like($starttls->dialogue, qr/sni=smtp\.example\.com/, 'as SNI too') });
by_srv('a server elsewhere, its certificate for the domain', {'_submission._tcp.smtp.example.com' => [[0, 0, $first, 'mx.hoster.example']], 'mx.hoster.example' => '127.0.0.1'},
    @server, host => {host => 'smtp.example.com', 'tls-name' => undef}, log => {smarthost => 'mx.hoster.example'});
by_srv('a server elsewhere with a certificate of its own: DNS may lie', {'_submission._tcp.example.org' => [[0, 0, $first, 'smtp.example.com']], 'smtp.example.com' => '127.0.0.1'},
    @server, host => {host => 'example.org', 'tls-name' => undef}, exit => 76, err => [qr/certificate is for .*smtp\.example\.com.*, not for example\.org.*Remedy: .*tls-name/], auths => undef);
by_srv('a name that only ends like the domain', {'_submission._tcp.ample.com' => [[0, 0, $first, 'smtp.example.com']], 'smtp.example.com' => '127.0.0.1'},
    @server, host => {host => 'ample.com', 'tls-name' => undef}, exit => 76, err => [qr/not for ample\.com/], auths => undef);
by_srv('tls-name vouches for it', {'_submission._tcp.example.org' => [[0, 0, $first, 'smtp.example.com']], 'smtp.example.com' => '127.0.0.1'},
    @server, host => {host => 'example.org', 'tls-name' => 'smtp.example.com'}, log => {smarthost => 'smtp.example.com'});

by_srv('a domain with its dot', {'_submission._tcp.example.com' => [[0, 0, $first, 'smtp.example.com']], 'smtp.example.com' => '127.0.0.1'}, @server,
    host => {host => 'example.com.', 'tls-name' => undef}, log => {smarthost => 'smtp.example.com'});

# Where the envelope has to be repeated, it goes to the same smarthost again.
{
	my $lost = smarthost(rules => ['rcpt#2 conn=1 close']);
	my $enough = smarthost(rules => ['rcpt#2 conn=1 reply "452 4.5.3 Too many recipients"']);
	my $zone = sub { return {'_submission._tcp.example.com' => [[0, 0, $_[0]->port, 'mx.example.com']], @host} };

	by_srv('-bs, the connection lost after a recipient', $zone->($lost), server => $lost, argv => ['-bs'], raw => 1, printed => 1, sent => undef,
	    stdin => join('', map { "$_\r\n" } 'EHLO x', 'MAIL FROM:<a@example.com>', 'RCPT TO:<b@example.net>', 'RCPT TO:<c@example.net>', 'DATA',
	    'Subject: x', '', 'hi', '.', 'QUIT'), out => qr/^354 .*^250 .*^221 /ms, log => undef, also => sub {
		is(scalar(() = $lost->messages), 1, 'it arrived once');
	});
	by_srv('-bv, more recipients than it takes at once', $zone->($enough), server => $enough, argv => ['-bv', map { "$_\@example.net" } 'a' .. 'c'], raw => 1,
	    printed => 1, sent => undef, out => qr/a\@example\.net.* deliverable.*b\@example\.net.* deliverable.*c\@example\.net.* deliverable/s);
}

for my $case (['a port', {port => 587}, 'port'], ['no TLS', {tls => 'none'}, 'none'], ['an address', {host => '127.0.0.1'}, 'domain']) {
	my ($name, $host, $word) = @$case;

	check "srv with $name", host => {port => undef, tls => undef, srv => 'true', %$host}, exit => 78, err => [qr/error in .*srv.*\Q$word\E/];
}

done_testing;
