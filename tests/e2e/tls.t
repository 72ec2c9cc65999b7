# The line to the smarthost is secure, or nothing goes over it: no credential, no message (CONTRACT section 5).
use lib 'tests/e2e/lib';
use E2E;

my $certs = certs();
my @modes = qw(starttls implicit);

# Each of these fails in the handshake or before it, and nothing was told to the server.
sub refused
{
	my ($name, $words, $remedy, %more) = @_;
	my $exit = delete $more{exit} // 76;
	my $stage = delete $more{stage} // 'tls';

	check $name, exit => $exit, sent => 0, auths => 0, err => [qr/(?:$words).*Remedy: .*(?:$remedy)/], log => {status => 'failed', stage => $stage,
	    auth => undef}, %more;
}

for my $tls (@modes) {
	my @mode = (tls => $tls);

	check "$tls: good", @mode, log => {tls => qr/^TLSv1\.3 TLS_/};
	check "$tls: by name", @mode, host => {'tls-name' => 'smtp.example.com'}, also => sub { like($_[0]->server->dialogue, qr/sni=smtp\.example\.com/, 'SNI') };
	check "$tls: the host's name", @mode, host => {host => 'localhost'}, args => ['--listen', '127.0.0.1:0'],
	    also => sub { like($_[0]->server->dialogue, qr/sni=localhost/, 'SNI') };
	check "$tls: a certificate for the address alone", @mode, cert => 'ip-only';
	check "$tls: a wildcard", @mode, cert => 'wildcard', host => {'tls-name' => 'mail.example.com'};
	check "$tls: through an intermediate", @mode, cert => 'chain';
	check "$tls: TLS 1.2", @mode, args => ['--tls-max', '1.2'], log => {tls => qr/^TLSv1\.2 /};
	check "$tls: a directory of authorities", @mode, host => {'tls-ca-file' => "$certs/ca-dir"};

	refused("$tls: expired", 'expired on \d{4}-\d\d-\d\d', 'clock', @mode, cert => 'expired');
	refused("$tls: not yet valid", 'not valid before \d{4}-\d\d-\d\d', 'clock', @mode, cert => 'not-yet-valid');
	refused("$tls: wrong name", 'is for wrong\.example\.net, not for 127\.0\.0\.1', 'tls-name', @mode, cert => 'wrong-name');
	refused("$tls: the right address, another name asked for", 'not for mail\.example\.org', 'tls-name', @mode,
	    host => {'tls-name' => 'mail.example.org'});
	refused("$tls: a certificate for the address alone, a name asked for", 'not for localhost', 'tls-name', @mode, cert => 'ip-only',
	    host => {'tls-name' => 'localhost'});
	refused("$tls: a wildcard stands for one label", 'not for a\.b\.example\.com', 'tls-name', @mode, cert => 'wildcard',
	    host => {'tls-name' => 'a.b.example.com'});
	refused("$tls: the common name is no name", 'not for localhost', 'tls-name', @mode, cert => 'no-san', host => {'tls-name' => 'localhost'});
	refused("$tls: signed by itself", 'signed by itself', 'tls-ca-file', @mode, cert => 'self-signed');
	refused("$tls: another authority", 'signed by an authority that is not trusted', 'tls-ca-file', @mode, cert => 'other-ca');
	refused("$tls: the intermediate is missing", 'not trusted', 'tls-ca-file', @mode, cert => 'broken-chain');
	refused("$tls: the system's authorities do not include a private one", 'not trusted|no certificate of any authority', 'ca-', @mode,
	    host => {'tls-ca-file' => undef});
	refused("$tls: TLS 1.1 alone", 'no version of TLS', 'tls', @mode, args => ['--tls-max', '1.1']);
	refused("$tls: tls-min-version", 'no version of TLS', 'tls', @mode, args => ['--tls-max', '1.2'], host => {'tls-min-version' => \"'1.3'"});

	refused("$tls: tls-ca-file is not there", 'cannot use tls-ca-file /nonexistent/ca\.pem: No such file', 'name', @mode, exit => 78,
	    host => {'tls-ca-file' => '/nonexistent/ca.pem'});
	my $empty = spew(scratch() . '/empty.pem', '');
	refused("$tls: tls-ca-file is empty", "cannot use tls-ca-file \Q$empty\E", '.', @mode, exit => 78, host => {'tls-ca-file' => $empty});

	for my $form ('sha256', 'spki-sha256') {
		my ($digest) = slurp("$certs/self-signed.$form") =~ /([0-9a-fA-F:]{64,})/;
		my $plain = $digest =~ tr/://dr;
		my $other = ($plain =~ /^0/ ? '1' : '0') . substr $plain, 1;

		check "$tls: fingerprint $form", @mode, cert => 'self-signed', host => {'tls-ca-file' => undef, 'tls-fingerprint' => "$form:" . lc $plain};
		check "$tls: fingerprint $form with colons, in capitals", @mode, cert => 'self-signed', host => {'tls-ca-file' => undef,
		    'tls-fingerprint' => "$form:" . join ':', map { uc } $plain =~ /../g};
		refused("$tls: fingerprint $form of another", 'fingerprint|pinned', 'tls-fingerprint', @mode, cert => 'self-signed',
		    host => {'tls-ca-file' => undef, 'tls-fingerprint' => "$form:$other"});
		refused("$tls: fingerprint $form of another, though the authority is trusted", 'fingerprint|pinned', 'tls-fingerprint', @mode,
		    host => {'tls-fingerprint' => "$form:$plain"});
	}
	my ($expired) = slurp("$certs/expired.sha256") =~ /([0-9a-fA-F:]{64,})/;
	check "$tls: a fingerprint stands for chain, name and dates", @mode, cert => 'expired',
	    host => {'tls-ca-file' => undef, 'tls-name' => 'other.example.org', 'tls-fingerprint' => 'sha256:' . $expired =~ tr/://dr};

	check "$tls: a client certificate, EXTERNAL", @mode, args => ['--client-cert', 'require'], auth => 'EXTERNAL',
	    host => {'tls-certificate' => "$certs/client.pem", 'tls-key' => "$certs/client.key", user => undef, password => undef, auth => 'EXTERNAL'},
	    log => {auth => 'EXTERNAL'};
	check "$tls: a client certificate and a password", @mode, args => ['--client-cert', 'require'], auth => 'PLAIN',
	    host => {'tls-certificate' => "$certs/client.pem", 'tls-key' => "$certs/client.key"}, log => {auth => 'PLAIN'};
	check "$tls: no client certificate where one is demanded", @mode, args => ['--client-cert', 'require'], exit => 76, auths => 0,
	    err => [qr/certificate.*Remedy: .*tls-certificate/], log => {stage => qr/^(?:tls|ehlo|banner)$/};
	refused("$tls: the key is encrypted", 'passphrase', 'tls-key', @mode, exit => 78,
	    host => {'tls-certificate' => "$certs/client.pem", 'tls-key' => "$certs/client-encrypted.key"});
	refused("$tls: the key belongs to another certificate", 'does not belong', 'tls-key', @mode, exit => 78,
	    host => {'tls-certificate' => "$certs/client.pem", 'tls-key' => "$certs/good.key"});
	refused("$tls: the client certificate is not there", 'tls-certificate /nonexistent/x\.pem: No such file', 'tls-certificate', @mode, exit => 78,
	    host => {'tls-certificate' => '/nonexistent/x.pem', 'tls-key' => '/nonexistent/x.key'});

	for my $garbage (['text', 'HTTP/1.1 400 Bad Request\r\n\r\n'], ['an alert', '\x15\x03\x03\x00\x02\x02\x28', 'alert handshake failure'],
	    ['octets', '\xff\xfe\x00\x01\x02\x03\x04\x05\x06\x07\x08']) {
		refused("$tls: garbage in place of the handshake: $garbage->[0]", $tls eq 'implicit' && $garbage->[2] || 'TLS handshake|came in clear', '.', @mode, stage => qr/^(?:tls|starttls)$/,
		    rules => ["tls raw \"$garbage->[1]\" close"]);	# in STARTTLS it may come together with the answer
	}
}

# Without any authority: never a silent yes. The places where one could be are covered in a mount namespace.
for my $tls (@modes) {
	SKIP: {
		skip 'no mount namespace to be had', 1 if !can_unshare();
		my $hide = 'for d in /etc/ssl /usr/lib/ssl /etc/pki /usr/share/ca-certificates; do [ -d $d ] && mount -t tmpfs none $d; done; exec "$@"';

		refused("$tls: no trust store", 'no certificate of any authority', 'ca-certificates', tls => $tls, host => {'tls-ca-file' => undef},
		    wrap => ['unshare', '-m', '/bin/sh', '-c', $hide, 'sh']);
	}
	refused("$tls: a trust store that the environment names, and that is not there", 'no certificate of any authority', 'ca-certificates', tls => $tls,
	    host => {'tls-ca-file' => undef}, env => {SSL_CERT_FILE => '/nonexistent/cert.pem', SSL_CERT_DIR => '/nonexistent'});
	check "$tls: a trust store that the environment names", tls => $tls, host => {'tls-ca-file' => undef}, env => {SSL_CERT_FILE => "$certs/ca.pem"};
}

# Where the store is a hashed directory, the bundle with all authorities is not even opened: this one would never end.
{
	my $fifo = scratch() . '/bundle.pem';

	POSIX::mkfifo($fifo, 0600) or die "mkfifo: $!";
	check 'authorities are looked up, not read all', host => {'tls-ca-file' => undef}, env => {SSL_CERT_DIR => "$certs/ca-dir", SSL_CERT_FILE => $fifo}, limit => 20;
}

# What the system's policy (openssl.cnf) asks for is kept, and is no way below our own floor.
sub policy
{
	return {OPENSSL_CONF => spew(scratch() . '/openssl.cnf', "openssl_conf = init\n[init]\nssl_conf = ssl\n[ssl]\nsystem_default = policy\n[policy]\n$_[0]\n")};
}
refused('the system asks for TLS 1.3', 'no version of TLS', 'tls', env => policy('MinProtocol = TLSv1.3'), args => ['--tls-max', '1.2']);
check 'the system asks for TLS 1.3, and gets it', env => policy('MinProtocol = TLSv1.3'), host => {'tls-min-version' => \"'1.2'"}, log => {tls => qr/^TLSv1\.3 /};
check 'the system allows TLS 1.2 at most', env => policy('MaxProtocol = TLSv1.2'), log => {tls => qr/^TLSv1\.2 /};
refused('the system would allow TLS 1.1', 'no version of TLS', 'tls', env => policy("MinProtocol = TLSv1\nCipherString = DEFAULT:\@SECLEVEL=0"), args => ['--tls-max', '1.1']);
check 'the system chooses the ciphers', env => policy('Ciphersuites = TLS_CHACHA20_POLY1305_SHA256'), log => {tls => qr/CHACHA20/};

# A numeric IPv6 address is a name of the certificate, too.
SKIP: {
	my $six = eval { smarthost(tls => 'implicit', args => ['--listen', '[::1]:0']) };

	skip 'no IPv6 on loopback', 1 if !$six;
	check 'the address is IPv6', server => $six, host => {host => '::1'}, log => {address => '::1', tls => qr/^TLSv1\.3 /};
}

# STARTTLS itself
refused('STARTTLS is not offered', 'does not offer STARTTLS', 'port', ext => '-STARTTLS', stage => 'starttls');
refused('STARTTLS is not offered, but AUTH is', 'does not offer STARTTLS', 'port', ext => '-STARTTLS', stage => 'starttls',
    args => ['--auth-clear', 'PLAIN,LOGIN', '--tls-optional']);
for my $injected ('250 injected\r\n', '2', '250-smtp.example.com\r\n250 AUTH PLAIN\r\n235 2.7.0 ok\r\n250 ok\r\n250 ok\r\n354 ok\r\n250 ok\r\n') {
	refused("plaintext after the answer to STARTTLS: $injected", 'clear after the answer to STARTTLS', 'operator', stage => 'starttls',
	    rules => ["starttls inject \"$injected\""]);
}
check 'what EHLO said in clear is forgotten', args => ['--auth-clear', 'LOGIN'], auth => 'PLAIN', log => {auth => 'PLAIN'},
    ext => '+CHUNKING', ext_tls => '-CHUNKING', also => sub { unlike($_[0]->server->dialogue, qr/BDAT/, 'no BDAT') };
check 'EHLO is said again in TLS', also => sub { is(scalar(grep { /^EHLO / } $_[0]->server->commands), 2, 'twice') };
refused('STARTTLS on a port that speaks TLS at once', '.', 'implicit|network', tls => 'implicit', host => {tls => 'starttls'}, top => {timeout => '2s'}, exit => 75,
    stage => 'banner');
refused('implicit TLS on a port that speaks STARTTLS', 'does not speak TLS', 'tls', tls => 'starttls', violations => qr/./, host => {tls => 'implicit'});

# tls = none
check 'tls none: credentials go to a loopback address', tls => 'none', log => {auth => 'PLAIN', tls => undef};
check 'requiretls: not offered', argv => ['-O', 'requiretls=yes', 'b@example.net'], exit => 69, err => [qr/REQUIRETLS.*Remedy: /];
check 'requiretls: offered', argv => ['-O', 'requiretls=yes', 'b@example.net'], ext_tls => '+REQUIRETLS',
    also => sub { like($_[0]->server->dialogue, qr/MAIL FROM:.* REQUIRETLS/, 'said at MAIL') };
check 'requiretls: no TLS', argv => ['-O', 'requiretls=yes', 'b@example.net'], tls => 'none', ext => '+REQUIRETLS', exit => 69;

# Private keys in the older form, which names its cipher: OpenSSL knows of none by itself here
for my $cipher (qw(aes128 aes192 aes256 des3 camellia256)) {
	my $dir = scratch();

	system('openssl', 'ec', '-in', certs() . '/client.key', "-$cipher", '-passout', 'pass:geheim', '-out', "$dir/key") == 0 or die 'openssl ec';
	check "a key in the older form, encrypted with $cipher", host => {'tls-certificate' => certs() . '/client.pem', 'tls-key' => "$dir/key", 'tls-key-password' => 'geheim'};
}

# OpenSSL is loaded when it is needed, and not before
{
	my ($library) = slurp(program()) =~ /(libssl\.so\.[\d.]+)\0/;
	my $dir = scratch();
	my %without = (env => {LD_LIBRARY_PATH => $dir});

	spew("$dir/$library", "no library\n");
	check 'OpenSSL cannot be loaded', %without, exit => 76, err => [qr/cannot load OpenSSL \(\Q$library\E\).*Remedy: install/], sent => 0, log => {stage => 'tls'};
	check 'nor can it: the mail is kept', %without, top => {queue => scratch()}, exit => 0, sent => 0, log => {status => 'queued'};
	check 'nor can it: SCRAM', %without, tls => 'none', auth => 'SCRAM-SHA-256', exit => 76, err => [qr/cannot load OpenSSL/], sent => 0;
	check 'nor can it: CRAM-MD5', %without, tls => 'none', auth => 'CRAM-MD5', exit => 76, err => [qr/cannot load OpenSSL/], sent => 0;
	check 'not needed without TLS', %without, tls => 'none', auth => 'PLAIN';
	check 'not needed to queue', %without, top => {queue => scratch()}, argv => ['-odq', 'b@example.net'], sent => 0, log => {status => 'queued'};
	check 'not needed to show', %without, argv => ['--version'], stdin => '', sent => 0, log => 0, printed => 1, out => qr/^sendmail-submit/;
}

done_testing;
