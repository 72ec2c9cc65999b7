# The configuration: what is wrong with it is told with file and line, 78, and nothing is sent (CONTRACT section 7).
use lib 'tests/e2e/lib';
use E2E;

my $server = smarthost(args => ['--listen', '127.0.0.1:0', '--listen', '127.0.0.1:0/implicit', '--listen', '127.0.0.1:0/none', '--auth-clear',
    'PLAIN', '--tls-optional']);
my ($port, $implicit, $clear) = map { $server->port($_) } 0 .. 2;
my $ca = certs() . '/ca.pem';

# A whole file around one line of the top or of the smarthost's section.
sub around
{
	my ($top, $section) = @_;

	return "log = '\@LOG\@'\n$top\nsmarthost '127.0.0.1' {\n\tport = $port\n\ttls-ca-file = '$ca'\n\tuser = 'app\@example.com'\n" .
	    "\tpassword = '${\ PASSWORD}'\n\t$section\n}\n";
}

sub wrong
{
	my ($name, $conf, $words, %more) = @_;
	my $before = scalar(() = $server->messages);

	check $name, server => $server, conf => $conf, exit => 78, err => [qr/(?:$words)/], log => undef, %more, also => sub {
		is(scalar(() = $server->messages), $before, 'nothing was sent');
	};
}

# --- what a file may not say. The line is the second, or the eighth in the section.

for my $case (['an unknown option', 'colour = "blue"'], ['an unknown option with a known beginning', 'fromm = "a@example.com"'],
    ['an option of the other level', 'port = 25'], ['a queue in no directory', 'queue = "spool"'],
    ['delivery in the background', 'delivery = "background"', 'queue is not set'], ['delivery by queue', 'delivery = "queue"', 'queue is not set'],
    ['no messages in the queue', 'queue-max-messages = 0'], ['a size that is none', 'queue-max-size = "10G"'], ['no connection', 'queue-connections = 0'], ['too many connections', 'queue-connections = 101'], ['a lifetime that is none', 'queue-lifetime = "0d"'],
    ['delivery unknown', 'delivery = "fast"'], ['a domain with a control character', "domain = \"a\\nb\""],
    ['a domain with a line of SMTP', "domain = \"a\\r\\nRCPT TO:<x\@y>\""], ['a domain with blanks', 'domain = "a b"'],
    ['hostname with a control character', "hostname = \"a\\r\\nMAIL\""], ['hostname empty', 'hostname = ""'],
    ['from without a domain', 'from = "root"'], ['from with a line of SMTP', "from = \"a\@b\\r\\nRCPT TO:<c\@d>\""],
    ['local-to without a domain', 'local-to = "admin"'], ['timeout as a word', 'timeout = "soon"'], ['timeout of zero', 'timeout = "0"'],
    ['timeout with a leading zero', 'timeout = "05m"'], ['timeout too long', 'timeout = "8d"'], ['timeout backwards', 'timeout = "5s1h"'],
    ['timeout negative', 'timeout = "-5m"'], ['a yes that is none', 'override-from = "perhaps"'], ['log nowhere', 'log2 = "x"'],
    ['an unended string', 'domain = "example.com'], ['an unended section', 'smarthost "x" {'], ['no value', 'domain = '],
    ['a brace too many', '}'], ['no equals sign', 'domain "example.com"'], ['a list where one value belongs', 'domain = {"a", "b"}'],
    ['override-from without from', 'override-from = true', 'from']) {
	my ($name, $line, $words) = @$case;

	wrong("top: $name", around($line, ''), $words // 'sendmail\.conf line \d+');
}
for my $case (['an unknown option', 'pasword = "x"'], ['a port of zero', 'port2 = 0'], ['port as a word', 'port = "smtp"'],
    ['tls unknown', 'tls = "ssl"'], ['tls empty', 'tls = ""'], ['tls-min-version unknown', 'tls-min-version = "1.1"'],
    ['auth unknown', 'auth = "NTLM"'], ['auth in small letters', 'auth = "plain"'], ['a fingerprint that is none', 'tls-fingerprint = "md5:00"'],
    ['a fingerprint too short', 'tls-fingerprint = "sha256:0011"'], ['a fingerprint with other letters', 'tls-fingerprint = "sha256:' . 'zz' x 32 . '"'],
    ['a host with blanks', 'host = "a b"'], ['a host with a slash', 'host = "smtp://x"'], ['a host outside ASCII', "host = \"m\xc3\xbcller.example\""],
    ['two ways to the password', 'password-file = "/x"', 'two ways|more than one password'], ['a key without a certificate', 'tls-key = "/x"', 'tls-certificate'],
    ['EXTERNAL without a certificate', 'auth = "EXTERNAL"', 'tls-certificate']) {
	my ($name, $line, $words) = @$case;

	wrong("smarthost: $name", around('', $line), $words // 'sendmail\.conf line \d+');
}
for my $number (qw(0 65536 99999999999 -1 0587 0x10 00025 1e3 25.5)) {
	wrong("port $number", around('', '') =~ s/port = \d+/port = $number/r, 'sendmail\.conf line \d+.*port');
}

# --- twice

for my $option ('domain = "a.example"', 'from = "a@example.com"', 'timeout = "5m"', 'log = "syslog"', 'override-from = false',
    'encode-headers = true', 'requiretls = false', 'aliases = "/x"', 'local-to = "a@b.c"', 'hostname = "a.b"') {
	wrong("twice: $option", around("$option\n$option", ''), 'sendmail\.conf line \d+.*twice');
}
for my $option ('password = "x"', 'user = "x"', "port = $port", "tls-ca-file = '$ca'") {
	wrong("twice in a smarthost: $option", around('', $option), 'sendmail\.conf line \d+.*twice');
}
wrong('two smarthosts of one title', around('', '') . "smarthost '127.0.0.1' {\n\tport = 25\n}\n", 'sendmail\.conf line \d+');
wrong('no smarthost', "log = '\@LOG\@'\n", 'no smarthost');
wrong('an empty file', '', 'no smarthost');
wrong('half of the credentials: no password', around('', '') =~ s/\tpassword = .*\n//r, 'user is given, but no password');
wrong('half of the credentials: no user', around('', '') =~ s/\tuser = .*\n//r, 'password is given, but no user');
wrong('a title that is no host', "log = '\@LOG\@'\nsmarthost 'my provider' {\n}\n", 'title');
wrong('NUL in the file', around("# \0", ''), 'no text');
wrong('more than a mebibyte', around('#' . 'x' x 1100000, ''), '1 MiB');

# --- ${...} in a password

for my $password ('"pa${HOME}ss"', '"${X}"', '"a${"', 'a${b}') {
	wrong("expansion in a password: $password", around('', '') =~ s/password = .*/password = $password/r, 'sendmail\.conf line 7.*single quotes',
	    err_not => qr/pa\$|HOME/);
}
my $dollars = smarthost(password => 'pa${HOME}ss');
check 'the same in single quotes is the password', server => $dollars, conf => conf({log => '@LOG@', domain => 'example.com'}, section($dollars)), exit => 0,
    password => 'pa${HOME}ss', sent => 1;
check 'expansion elsewhere', server => $server, conf => around('domain = "${DOMAIN}"', ''), env => {DOMAIN => 'example.com'}, exit => 0;
my $hash = smarthost(password => 'a#b\'c"d\\e');
check 'quotes, # and backslash in a password', server => $hash, password => 'a#b\'c"d\\e', exit => 0, sent => 1,
    conf => conf({log => '@LOG@', domain => 'example.com'}, section($hash, password => \q('a#b\'c"d\\\\e')));

# --- the file itself

my $dir = scratch();
sub conf_file
{
	my ($name, $text, $mode) = @_;

	$text =~ s/\@LOG\@/\/dev\/null/;
	return spew("$dir/$name", $text, $mode);
}

check 'a file that is not there', server => $server, conf => undef, env => {SENDMAIL_CONF => '/nonexistent/x.conf'}, exit => 78, log => undef,
    err => [qr{cannot read the configuration /nonexistent/x\.conf: No such file or directory.*Remedy: }], err_not => qr/no configuration/;
check 'a directory', server => $server, conf => undef, env => {SENDMAIL_CONF => '/usr'}, exit => 78, log => undef,
    err => [qr{cannot read the configuration /usr: Is a directory}];
POSIX::mkfifo("$dir/fifo", 0600);
check 'a FIFO without a writer', server => $server, conf => undef, env => {SENDMAIL_CONF => "$dir/fifo"}, exit => 78, log => undef, err => [qr/./];
SKIP: {
	skip 'only root can become somebody else', 2 if $> != 0;
	conf_file('secret.conf', around('', ''), 0600);
	check 'a file of somebody else', server => $server, uid => 54321, conf => undef, env => {SENDMAIL_CONF => "$dir/secret.conf"}, exit => 78, log => undef,
	    err => [qr{cannot read the configuration \Q$dir\E/secret\.conf: [Pp]ermission denied.*Likely cause: .*Remedy: .*rights}],
	    err_not => qr/no configuration/i;
	mkdir "$dir/closed", 0700;
	spew("$dir/closed/x.conf", "x\n", 0644);
	check 'a file in a directory of somebody else', server => $server, uid => 54321, conf => undef, env => {SENDMAIL_CONF => "$dir/closed/x.conf"},
	    exit => 78, log => undef, err => [qr{cannot read the configuration \Q$dir\E/closed/x\.conf: [Pp]ermission denied}], err_not => qr/no configuration/i;
}
conf_file('exposed.conf', around('', ''), 0644);
check 'a password that others can read', server => $server, conf => undef, env => {SENDMAIL_CONF => "$dir/exposed.conf"}, exit => 78, log => undef,
    err => [qr{exposed\.conf: others can read the password in it.*Remedy: chmod o-r}], auths => scalar(() = $server->auth);
spew("$dir/password", PASSWORD . "\n", 0600);
my $elsewhere = around('', '') =~ s/\tpassword = .*/\tpassword-file = '$dir\/password'/r;
conf_file('public.conf', $elsewhere, 0644);
check 'without a password in it others may read it', server => $server, conf => undef, env => {SENDMAIL_CONF => "$dir/public.conf"}, exit => 0, log => undef;

# --- no file: the default one, the environment's short form. /etc/sendmail.conf is hidden or made in a namespace.

my %good = (SENDMAIL_SMARTHOST => "submission://app%40example.com\@127.0.0.1:$port", SENDMAIL_PASSWORD => PASSWORD, SENDMAIL_CA_FILE => $ca,
    SENDMAIL_DOMAIN => 'example.com');

sub environment
{
	my ($name, $env, %more) = @_;

	SKIP: {
		skip 'no mount namespace to hide /etc/sendmail.conf in', 1 if !can_unshare() && -e '/etc/sendmail.conf';
		my @wrap = -e '/etc/sendmail.conf' ? ('unshare', '-m', '/bin/sh', '-c',
		    'mount -t tmpfs none /mnt && cp -a /etc/. /mnt && rm /mnt/sendmail.conf && mount --bind /mnt /etc && exec "$@"', 'sh') : ();

		my $before = () = $server->messages;
		check $name, server => $server, conf => undef, log => undef, env => $env, (@wrap ? (wrap => \@wrap) : ()), %more, also => sub {
			my $arrived = ($server->messages) - $before;

			is($arrived, ($more{exit} // 0) == 0 ? 1 : 0, 'messages that arrived');
			$more{then}->($_[0], ($server->messages)[-1]) if $more{then};
		};
	}
}

environment('no configuration at all', {}, exit => 78, err => [qr{no configuration: there is no /etc/sendmail\.conf.*Remedy: .*sendmail\.conf.*SENDMAIL_SMARTHOST}]);
environment('submission://', {%good});
environment('submission:// in capitals, with a slash at its end', {%good, SENDMAIL_SMARTHOST => "SUBMISSION://app\@example.com\@127.0.0.1:$port/"});
environment('submissions://', {%good, SENDMAIL_SMARTHOST => "submissions://app%40example.com\@127.0.0.1:$implicit"});
environment('smtp://', {%good, SENDMAIL_SMARTHOST => "smtp://app%40example.com\@127.0.0.1:$clear"});
environment('SENDMAIL_PASSWORD_FILE', {%good, SENDMAIL_PASSWORD => undef, SENDMAIL_PASSWORD_FILE => "$dir/password"});
environment('SENDMAIL_FROM', {%good, SENDMAIL_FROM => 'robot@example.org'}, then => sub { is($_[1]{env}{mail}[0] =~ s/ .*//r, '<robot@example.org>', 'sender') });
environment('SENDMAIL_DOMAIN', {%good, SENDMAIL_DOMAIN => 'example.edu'}, argv => ['bob'],
    then => sub { is($_[1]{env}{rcpt}[0], '<bob@example.edu>', 'recipient') });
environment('an unknown authority', {%good, SENDMAIL_CA_FILE => undef}, exit => 76, err => [qr/authorit/]);
environment('a wrong password', {%good, SENDMAIL_PASSWORD => 'no'}, exit => 77, err => [qr/535/]);
environment('no password', {%good, SENDMAIL_PASSWORD => undef}, exit => 78, err => [qr/SENDMAIL_PASSWORD/]);
environment('a password file that is not there', {%good, SENDMAIL_PASSWORD => undef, SENDMAIL_PASSWORD_FILE => '/nonexistent/p'}, exit => 78,
    err => [qr{/nonexistent/p: No such file}]);
for my $url ('smtp.example.com', 'http://x@127.0.0.1', 'submission://', 'submission://@127.0.0.1', 'submission://u:pw-in-it@127.0.0.1', 'submission://u%zz@127.0.0.1',
    'submission://u%00@127.0.0.1', "submission://u\@127.0.0.1:0", "submission://u\@127.0.0.1:65536", "submission://u\@127.0.0.1:025",
    'submission://u@127.0.0.1:', 'submission://u@[::1', 'submission://u@a b', "submission://u\@a\r\nMAIL", 'submission://u@host/path') {
	environment("SENDMAIL_SMARTHOST=$url", {%good, SENDMAIL_SMARTHOST => $url}, exit => 78, err => [qr/SENDMAIL_SMARTHOST/], err_not => qr/pw-in-it/);
}
environment('a control character in SENDMAIL_DOMAIN', {%good, SENDMAIL_DOMAIN => "a\r\nRCPT TO:<x\@y>"}, exit => 78, err => [qr/SENDMAIL_DOMAIN/]);
environment('a control character in SENDMAIL_FROM', {%good, SENDMAIL_FROM => "a\@b\r\nRCPT TO:<x\@y>"}, exit => 78, err => [qr/SENDMAIL_FROM/]);
environment('a control character in the user', {%good, SENDMAIL_SMARTHOST => "submission://a%0d%0aMAIL\@127.0.0.1:$port"}, exit => qr/^7[78]$/, err => [qr/./]);
environment('a file wins over the environment', {%good, SENDMAIL_SMARTHOST => 'submission://u@192.0.2.1', SENDMAIL_CONF => "$dir/public.conf"});

# --- the password

sub password_from
{
	my ($name, $options, %more) = @_;

	check "password: $name", host => {password => undef, %$options}, %more;
}
password_from('a file', {'password-file' => "$dir/password"});
password_from('a file without a line end', {'password-file' => spew("$dir/bare", PASSWORD, 0600)});
password_from('a file with CRLF', {'password-file' => spew("$dir/crlf", PASSWORD . "\r\n", 0600)});
password_from('a file with two line ends', {'password-file' => spew("$dir/two", PASSWORD . "\n\n", 0600)}, exit => 77, auths => 1);
password_from('a file that others can read is the administrator\'s choice', {'password-file' => spew("$dir/open", PASSWORD . "\n", 0644)});
password_from('an empty file', {'password-file' => spew("$dir/nothing", '', 0600)}, exit => 78, auths => 0, err => [qr{\Q$dir\E/nothing: it is empty}],
    log => {stage => 'secret'});
password_from('a file with a NUL', {'password-file' => spew("$dir/nul", "a\0b", 0600)}, exit => 78, auths => 0, err => [qr/NUL/], log => {stage => 'secret'});
password_from('a file that is too long', {'password-file' => spew("$dir/long", 'x' x 70000, 0600)}, exit => 78, auths => 0, err => [qr/longer/]);
password_from('no such file', {'password-file' => '/nonexistent/p'}, exit => 78, auths => 0, log => {stage => 'secret'},
    err => [qr{/nonexistent/p: No such file or directory.*Remedy: }]);
password_from('a directory', {'password-file' => '/usr'}, exit => 78, auths => 0, err => [qr{/usr: Is a directory}]);
SKIP: {
	skip 'only root can become somebody else', 1 if $> != 0;
	password_from('a file of somebody else', {'password-file' => "$dir/password"}, uid => 54321, exit => 78, auths => 0, log => {stage => 'secret'},
	    err => [qr{\Q$dir\E/password: [Pp]ermission denied.*Remedy: .*rights}]);
}
password_from('the environment', {'password-env' => 'MY_PASSWORD'}, env => {MY_PASSWORD => PASSWORD});
password_from('the environment has it not', {'password-env' => 'MY_PASSWORD'}, exit => 78, auths => 0, err => [qr/MY_PASSWORD/], log => {stage => 'secret'});
password_from('the environment has it empty', {'password-env' => 'MY_PASSWORD'}, env => {MY_PASSWORD => ''}, exit => 78, auths => 0, err => [qr/MY_PASSWORD/]);
password_from('a command', {'password-command' => "cat $dir/password"});
password_from('a command gets an empty stdin', {'password-command' => "cat; cat $dir/password"});
password_from('a command that fails', {'password-command' => 'echo no vault >&2; exit 3'}, exit => 78, auths => 0, err => [qr/exit status 3, it says: no vault.*Remedy: /],
    log => {stage => 'secret'});
password_from('a command that prints and fails', {'password-command' => "cat $dir/password; exit 1"}, exit => 78, auths => 0, err => [qr/exit status 1/]);
password_from('a command that is killed', {'password-command' => 'kill -9 $$'}, exit => 78, auths => 0, err => [qr/signal 9/]);
password_from('a command that is not there', {'password-command' => '/nonexistent/command'}, exit => 78, auths => 0, err => [qr/exit status 127.*not found/]);
password_from('a command that prints nothing', {'password-command' => 'true'}, exit => 78, auths => 0, err => [qr/empty/]);
password_from('a command whose words are hostile', {'password-command' => 'printf "\033[31mred\007" >&2; exit 1'}, exit => 78, auths => 0, err => [qr/red/]);
mkdir "$dir/credentials";
spew("$dir/credentials/smtp", PASSWORD . "\n", 0600);
password_from('a name without a slash, from $CREDENTIALS_DIRECTORY', {'password-file' => 'smtp'}, env => {CREDENTIALS_DIRECTORY => "$dir/credentials"});
password_from('a name with a slash, not from $CREDENTIALS_DIRECTORY', {'password-file' => "$dir/password"}, env => {CREDENTIALS_DIRECTORY => '/nonexistent'});
password_from('not in $CREDENTIALS_DIRECTORY', {'password-file' => 'other'}, env => {CREDENTIALS_DIRECTORY => "$dir/credentials"}, exit => 78, auths => 0,
    err => [qr{\Q$dir\E/credentials/other}]);
password_from('never from the directory that the caller is in', {'password-file' => 'smtp'}, cwd => "$dir/credentials", exit => 78, auths => 0, err => [qr/smtp/]);
for my $octets ("p\xc3\xa4ss", "p\xe4ss", 'p"a\'s\\s', ' blank ', "tab\tin it", 'x' x 1000) {
	my $other = smarthost(password => $octets);

	spew("$dir/octets", "$octets\n", 0600);
	check 'password: its octets go as they are: ' . (length $octets > 20 ? 'long' : $octets =~ s/[^ -~]/?/gr), server => $other, password => $octets, exit => 0, sent => 1,
	    user => 'u', host => {password => undef, 'password-file' => "$dir/octets"};
}

# --- -C: a name that the caller gives

my $mounted = "mount -t tmpfs none /mnt && cp -a /etc/. /mnt && mount --bind /mnt /etc && cp $dir/public.conf /etc/x.conf && chmod 644 /etc/x.conf; %s; exec \"\$@\"";
sub flag
{
	my ($name, $prepare, $file, %more) = @_;

	SKIP: {
		skip 'no mount namespace to be had', 1 if !can_unshare();
		check "-C $name", server => $server, conf => undef, log => undef, argv => ['-C', $file, 'b@example.net'],
		    wrap => ['unshare', '-m', '/bin/sh', '-c', sprintf($mounted, $prepare), 'sh'], %more;
	}
}
flag('a file below /etc', ':', '/etc/x.conf');
flag('a link below /etc to a file there', 'ln -s x.conf /etc/y.conf', '/etc/y.conf');
flag('wins over SENDMAIL_CONF', ':', '/etc/x.conf', env => {SENDMAIL_CONF => '/nonexistent'});
flag('a file elsewhere', ':', "$dir/public.conf", exit => 78, err => [qr/refusing -C .*SENDMAIL_CONF/]);
flag('a link out of /etc', "ln -s $dir/public.conf /etc/z.conf", '/etc/z.conf', exit => 78, err => [qr/refusing -C .*SENDMAIL_CONF/]);
flag('a way out of /etc', ':', "/etc/..$dir/public.conf", exit => 78, err => [qr/refusing -C/]);
flag('another owner', 'chown 54321 /etc/x.conf', '/etc/x.conf', exit => 78, err => [qr/owned by root/]);
flag('the group may write', 'chmod g+w /etc/x.conf', '/etc/x.conf', exit => 78, err => [qr/nobody else may write/]);
flag('others may write', 'chmod o+w /etc/x.conf', '/etc/x.conf', exit => 78, err => [qr/nobody else may write/]);
flag('a directory', 'mkdir /etc/d', '/etc/d', exit => 78, err => [qr/regular file/]);
flag('not there', ':', '/etc/nonexistent.conf', exit => 78, err => [qr/refusing -C/]);
flag('an error in it tells its name and line, never its text', "printf 'root:verysecret:1:2:3\\n' > /etc/x.conf", '/etc/x.conf', exit => 78,
    err => [qr{/etc/x\.conf line \d+}], err_not => qr/verysecret/);
flag('the shadow file is not told', ':', '/etc/shadow', exit => 78, err => [qr{/etc/shadow}], err_not => qr/[*!]:/);
check 'an error in a file of SENDMAIL_CONF is told in full', server => $server, conf => "colour = 'blue'\n", exit => 78, err => [qr/line 1.*colour/], log => undef;

# --- several smarthosts

sub two
{
	my ($name, $first, %more) = @_;
	my $second = smarthost();

	check "two smarthosts: $name", server => $second, sent => ($more{exit} // 0) == 0 ? 1 : 0,
	    conf => conf({log => '@LOG@', domain => 'example.com', timeout => '40s'}, $first, section($second, title => 'second')),
	    (($more{exit} // 0) == 0 ? (log => {status => 'sent', port => $second->port, 'passed-over' => qr/./}) : ()), %more;
	return $second;
}
sub scripted { return section(smarthost_kept(@_), title => 'first') }
my @kept;
sub smarthost_kept { push @kept, smarthost(@_); return $kept[-1] }

two('the first is not there', "smarthost 'first' {\n\thost = '127.0.0.1'\n\tport = 1\n}\n");
two("the first says $_", scripted(rules => [$_])) for 'banner reply "554 No"', 'banner reply "421 Later"', 'banner close', 'ehlo reply "421 Later"',
    'starttls reply "454 Later"', 'auth reply "535 5.7.8 No"', 'auth reply "454 4.7.0 Later"', 'mail reply "451 4.3.0 Later"', 'mail reply "421 4.3.2 Bye"';
{
	my $dead = smarthost_kept(args => ['--listen', '127.0.0.1:0', '--listen', '127.0.0.1:0/hole']);
	my $second = smarthost();

	# Its share of the time would be two minutes and a half.
	check 'two smarthosts: the first is dead, which costs seconds', server => $second, limit => 60, sent => 1,
	    conf => conf({log => '@LOG@', domain => 'example.com'}, section($dead, port => $dead->port(1), title => 'first'), section($second, title => 'second')),
	    log => {status => 'sent', port => $second->port, 'passed-over' => qr/cannot connect/};
}
two('the first has a certificate that is not trusted', scripted(cert => 'other-ca'));
two('the first offers no STARTTLS', scripted(ext => '-STARTTLS'));
for my $refusal (['mail reply "550 5.7.1 No"', 77], ['rcpt reply "550 5.1.1 No"', 67], ['rcpt reply "450 4.2.0 Later"', 75], ['dot reply "554 5.7.1 Spam"', 69],
    ['dot reply "451 4.3.0 Later"', 75], ['dot close', 75], ['data reply "451 4.3.0 Later"', 75, ext => '-CHUNKING']) {
	my ($rule, $exit, @more) = @$refusal;
	my $second = two("no second try after $rule", scripted(rules => [$rule], @more), exit => $exit);

	is(scalar(() = $second->commands), 0, "the second was not asked after $rule");
}
my $failing = smarthost(rules => ['banner reply "421 4.3.2 second is busy"']);
check 'two smarthosts: both fail, both are told', server => $failing, sent => 0, exit => 69,
    conf => conf({log => '@LOG@', domain => 'example.com'}, scripted(rules => ['banner reply "554 5.7.1 first says no"']), section($failing, title => 'second')),
    err => [qr/first says no/, qr/second is busy/], log => {status => 'failed', exit => 69};

done_testing;
