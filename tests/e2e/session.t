# TLS sessions kept across runs, and the key of a client certificate behind a passphrase.
use lib 'tests/e2e/lib';
use E2E;

my $certs = certs();

# --- sessions

sub cache
{
	my ($mode, $uid) = @_;
	my $dir = scratch();

	chmod $mode // 0700, $dir or die "chmod: $!";
	chown $uid, $uid, $dir or die "chown: $!" if defined $uid;
	return $dir;
}

sub files
{
	my @files = glob "$_[0]/*";

	return @files;
}

# Runs with that directory at that server; the log tells whether the session went on.
sub run_with
{
	my ($name, $dir, $server, $resumed, %o) = @_;

	return check $name, server => $server, top => {'tls-session-cache' => $dir}, log => {tls => $resumed ? qr/ resumed$/ : qr/^TLSv1\.[23] \S+$/}, %o;
}

for my $version ('1.2', '1.3') {
	for my $tls ('starttls', 'implicit') {
		my $server = smarthost(tls => $tls, auth => 'SCRAM-SHA-256-PLUS', args => ['--tls-max', $version]);
		my $dir = cache();
		my $way = "TLS $version, $tls";

		run_with("$way: the first run", $dir, $server, 0);
		is(scalar files($dir), 1, 'one session is kept');
		is((stat((files($dir))[0]))[2] & 07777, 0600, 'for its owner alone');
		run_with("$way: the second goes on from it, also for channel binding", $dir, $server, 1);
		run_with("$way: so does the third", $dir, $server, 1);
		like($server->dialogue, qr/resumed=no(?s:.*)resumed=yes(?s:.*)resumed=yes/, 'as the smarthost has it');
		is(scalar files($dir), 1, 'still one');
	}
}

my $server = smarthost(args => ['--listen', '127.0.0.1:0', '--listen', '127.0.0.1:0']);
my $dir = cache();
run_with('a session', $dir, $server, 0);
run_with('another port', $dir, $server, 0, host => {port => $server->port(1)});
run_with('another name', $dir, $server, 0, host => {'tls-name' => 'smtp.example.com'});
run_with('another file of authorities', $dir, $server, 0, host => {'tls-ca-file' => "$certs/ca-dir"});
run_with('another least version', $dir, $server, 0, host => {'tls-min-version' => '1.3'});
run_with('the same again', $dir, $server, 1);
chomp(my $pin = slurp("$certs/good.sha256"));
my $pinned = {'tls-ca-file' => undef, 'tls-fingerprint' => $pin =~ /:/ ? $pin : "sha256:$pin"};
run_with('a pinned certificate', $dir, $server, 0, host => $pinned);
run_with('a pinned certificate, resumed', $dir, $server, 1, host => $pinned);

# What is kept is not trusted blindly.
for my $case (['cut short', sub { substr $_[0], 0, length($_[0]) / 2 }], ['empty', sub { '' }], ['of other octets', sub { 'x' x 3000 }],
    ['followed by more', sub { $_[0] . 'x' x 70000 }]) {
	my ($name, $change) = @$case;
	my $own = cache();

	run_with("$name: a session", $own, $server, 0);
	my ($file) = files($own);
	spew($file, $change->(slurp($file)));
	run_with("$name: it is not used", $own, $server, 0);
	run_with("$name: and replaced", $own, $server, 1);
}
my $own = cache();
run_with('a session', $own, $server, 0);
my ($file) = files($own);
chmod 0666, $file;
run_with('a file that others may write to', $own, $server, 0);
$own = cache();
run_with('a session', $own, $server, 0);
($file) = files($own);
for my $case ([30, 1, "a file system's clock that is a little ahead"], [3600, 0, 'a session of the future'], [-90000, 0, 'a session that is too old']) {
	my ($ahead, $used, $name) = @$case;

	utime time + $ahead, time + $ahead, $file or die "utime: $!";
	run_with($name, $own, $server, $used);
}
for my $mode (0777, 0770) {
	my $open = cache($mode);

	run_with(sprintf('a directory that others may write to (%o)', $mode), $open, $server, 0) for 1, 2;
	is(scalar files($open), 0, 'nothing is kept');
}
run_with('no such directory', '/nonexistent/sessions', $server, 0);
SKIP: {
	skip 'only root can be somebody else', 2 if $> != 0;
	run_with('a directory of somebody else', cache(0700, 54321), $server, 0) for 1, 2;
}
if (can_unshare()) {
	my $full = cache();

	run_with('no room', $full, $server, 0, wrap => ['unshare', '-m', '/bin/sh', '-c', "mount -t tmpfs -o size=4k,nr_inodes=1 none $full; exec \"\$@\"", 'sh']) for 1, 2;
}

# A smarthost that breaks off where a session is offered gets the mail without.
my $picky = smarthost(rules => ['tls conn=2 close']);
$dir = cache();
run_with('a smarthost before it breaks', $dir, $picky, 0);
run_with('a handshake that fails with the session goes well without', $dir, $picky, 0);
like($picky->dialogue, qr/^3 tls/m, 'at the third connection');
run_with('and keeps the new one', $dir, $picky, 1);
my $dead = smarthost(rules => ['tls conn=2- close']);
$dir = cache();
run_with('a smarthost before it breaks for good', $dir, $dead, 0);
check 'it is tried twice, not for ever', server => $dead, top => {'tls-session-cache' => $dir}, exit => 75, err => [qr/TLS handshake/];
is(scalar(() = $dead->dialogue =~ /^\d+ clear C: STARTTLS/mg), 3, 'three connections in all');

# A session that keeps the smarthost from answering is offered once.
for my $case (['at the greeting', 'implicit', 'banner conn=2 close'], ['at EHLO', 'starttls', 'ehlo#2 conn=2 close'], ['in silence', 'starttls', 'tls conn=2 stall']) {
	my ($where, $tls, $rule) = @$case;
	my $odd = smarthost(tls => $tls, rules => [$rule]);

	$dir = cache();
	run_with("a smarthost before it breaks off $where", $dir, $odd, 0);
	run_with("and when it does", $dir, $odd, 0, limit => 60);
	run_with("and behind it", $dir, $odd, 1);
}

# What a session stands for has an end, and it does not renew itself.
$dir = cache();
run_with('a session', $dir, $server, 0);
($file) = files($dir);
my $then = time - 23 * 3600;
utime $then, $then, $file;
run_with('of yesterday', $dir, $server, 1);
is((stat $file)[9], $then, 'is not made new by its use');
utime $then - 7200, $then - 7200, $file;
run_with('older than a day', $dir, $server, 0);
run_with('is replaced', $dir, $server, 1);
my @old = map { spew("$dir/session-$_", 'x') } 'a' x 64, 'b' x 64 . '.77';
my @others = map { spew("$dir/$_", 'x') } 'notes', 'c' x 64, 'session-' . 'd' x 64;
utime $then - 7200, $then - 7200, @old, @others[0, 1];
run_with('another policy', $dir, $server, 0, host => {'tls-name' => 'smtp.example.com'});
is_deeply([grep { -e } @old], [], 'what is too old is removed');
is_deeply([grep { !-e } @others], [], 'nothing else');

# The system's authorities are a part of the policy.
$dir = cache();
my %system = (host => {'tls-ca-file' => undef});
run_with('an authority that the environment names', $dir, $server, 0, %system, env => {SSL_CERT_FILE => "$certs/ca.pem"});
run_with('and names again', $dir, $server, 1, %system, env => {SSL_CERT_FILE => "$certs/ca.pem"});
check 'the session does not stand for another one', server => $server, top => {'tls-session-cache' => $dir}, %system, exit => 76, sent => undef,
    env => {SSL_CERT_FILE => "$certs/other.pem", SSL_CERT_DIR => '/nonexistent'}, err => [qr/not trusted/];
# A directory of authorities whose files were changed in place.
my $authorities = scratch();
for (glob "$certs/ca-dir/*") {
	my ($name) = m{([^/]+)\z};

	spew("$authorities/$name", slurp($_));
}
$dir = cache();
my %directory = (host => {'tls-ca-file' => $authorities});
run_with('a directory of authorities', $dir, $server, 0, %directory);
run_with('and again', $dir, $server, 1, %directory);
spew($_, slurp("$certs/other.pem")) for glob "$authorities/*";
check 'one that was changed', server => $server, top => {'tls-session-cache' => $dir}, %directory, exit => 76, sent => undef, err => [qr/not trusted/];
$dir = cache();
check 'nor for none', server => $server, top => {'tls-session-cache' => $dir}, %system, exit => 76, sent => undef, err => [qr/not trusted|no certificate of any authority/];

# Nor does it stand for a client certificate, which not every smarthost keeps with it.
$dir = cache();
my $external = smarthost(auth => 'EXTERNAL', args => ['--client-cert', 'require']);
my %client = (host => {'tls-certificate' => "$certs/client.pem", 'tls-key' => "$certs/client.key", user => undef, password => undef, auth => 'EXTERNAL'});
run_with('with a client certificate', $dir, $external, 0, %client) for 1, 2;
is(scalar files($dir), 0, 'nothing is kept');

# A certificate that has changed for the worse is noticed where no session is left to stand for it.
$dir = cache();
my $wrong = smarthost(cert => 'wrong-name');
check 'a wrong name leaves no session', server => $wrong, top => {'tls-session-cache' => $dir}, exit => 76, err => [qr/certificate is for/];
is(scalar files($dir), 0, 'nothing is kept');

# --- the key's passphrase

my $secrets = scratch();
my %key = ('tls-certificate' => "$certs/client.pem", 'tls-key' => "$certs/client-encrypted.key", user => undef, password => undef, auth => 'EXTERNAL');
for my $case (['the configuration', 'tls-key-password', 'secret'], ['a file', 'tls-key-password-file', spew("$secrets/passphrase", "secret\n", 0600)],
    ['a command', 'tls-key-password-command', 'echo secret'], ['the environment', 'tls-key-password-env', 'KEY_PASSPHRASE']) {
	my ($name, $option, $value) = @$case;

	check "a passphrase from $name", auth => 'EXTERNAL', args => ['--client-cert', 'require'], host => {%key, $option => $value}, env => {KEY_PASSPHRASE => 'secret'},
	    log => {auth => 'EXTERNAL'};
}
my %failing = (args => ['--client-cert', 'request'], sent => 0, exit => 78);
check 'no passphrase', %failing, host => {%key, auth => undef, user => USER, password => PASSWORD},
    err => [qr/client-encrypted\.key: the key is encrypted with a passphrase, and tls-key-password is not set\. Remedy: /];
check 'the wrong passphrase', %failing, host => {%key, 'tls-key-password' => 'sesame'}, err => [qr/tls-key-password is not its passphrase/], err_not => qr/sesame/;
check 'a passphrase beyond all bounds', %failing, host => {%key, 'tls-key-password' => 'sesame' x 1000}, err => [qr/tls-key-password is not its passphrase/];
check 'a passphrase that cannot be had', %failing, host => {%key, 'tls-key-password-file' => '/nonexistent/p'}, err => [qr{cannot read the passphrase .* from /nonexistent/p}];
check 'a passphrase for a key that needs none', auth => 'EXTERNAL', args => ['--client-cert', 'require'],
    host => {%key, 'tls-key' => "$certs/client.key", 'tls-key-password' => 'secret'}, log => {auth => 'EXTERNAL'};
check 'a passphrase in two ways', host => {%key, 'tls-key-password' => 'secret', 'tls-key-password-env' => 'X'}, exit => 78, err => [qr/two ways/];
check 'a passphrase without a certificate', host => {'tls-key-password' => 'secret'}, exit => 78, err => [qr/no tls-certificate/];
check 'a passphrase in a file that others can read', host => {%key, 'tls-key-password' => 'secret'}, exit => 78,
    setup => sub { chmod 0644, $ENV{SENDMAIL_CONF} }, err => [qr/others can read the password in it/];

done_testing;
