# Who sends and who gets it (CONTRACT section 4): flags, configuration, header, user id, host name, alias file.
use strict;
use warnings;
use lib 'tests/e2e/lib';
use E2E;
use POSIX ();

my %plain = (tls => 'none', user => undef);
my $rest = "Date: Sun, 22 Nov 2026 03:14:15 +0000\nMessage-ID: <1\@example.com>\n";
my $me = getpwuid($>) // "uid-$>";

sub sender
{
	my ($run) = @_;
	my ($message) = $run->server->messages;

	return ($message->{env}{mail}[0] // '') =~ /^<(.*?)>(?: |\z)/ ? $1 : undef;
}

sub recipients { return [map { /^<(.*?)>/ ? $1 : $_ } map { @{$_->{env}{rcpt}} } $_[0]->server->messages] }
sub from { return (($_[0]->server->messages)[0]{data} // '') =~ /^From: (.*?)\r$/m ? $1 : undef }

# The message has these fields (and Date, Message-ID); this is the sender.
sub sends
{
	my ($name, $fields, $sender, %o) = @_;
	my $also = delete $o{also};

	check($name, %plain, stdin => "$fields$rest\nHello\n", log => {from => $sender}, %o, also => sub {
		is(sender($_[0]), $sender, 'sender');
		$also->($_[0]) if $also;
	});
}

sub reaches
{
	my ($name, $arguments, $recipients, %o) = @_;
	my $also = delete $o{also};

	check($name, %plain, argv => $arguments, %o, also => sub {
		is_deeply(recipients($_[0]), $recipients, 'recipients');
		$also->($_[0]) if $also;
	});
}

# --- the sender --------------------------------------------------------------------------------------------------------------------------

my $all = "From: A <from\@h.example>\nSender: S <sender\@h.example>\nTo: b\@example.net\n";
my @to = ('b@example.net');
my %from = (top => {from => 'conf@c.example'});

sends('-f goes before all', $all, 'flag@f.example', argv => ['-f', 'flag@f.example', @to], %from);
sends('-r is the same', $all, 'flag@f.example', argv => ['-r', 'flag@f.example', @to], %from);
sends('-f attached', $all, 'flag@f.example', argv => ['-fflag@f.example', @to]);
sends('the last of -f and -r wins', $all, 'c@f.example', argv => ['-f', 'a@f.example', '-r', 'b@f.example', '-fc@f.example', @to]);
sends('-f in brackets', $all, 'flag@f.example', argv => ['-f', '<flag@f.example>', @to]);
sends('-f with a name', $all, 'flag@f.example', argv => ['-f', 'Flag F <flag@f.example>', @to]);
sends('-f, quoted local part', $all, '"a b"@f.example', argv => ['-f', '"a b"@f.example', @to]);
sends('-f, a bare name', $all, 'root@example.com', argv => ['-f', 'root', @to]);
sends('from goes before the header', $all, 'conf@c.example', %from);
check('from without a domain is refused', %plain, top => {from => 'conf'}, exit => 78, err => [qr/from/], log => undef);
sends('Sender goes before From', $all, 'sender@h.example');
sends('From', $all =~ s/^Sender.*\n//mr, 'from@h.example');
sends('Sender without a domain, From with one', "Sender: root\nFrom: from\@h.example\n", 'from@h.example');
sends('the first mailbox of From that has a domain', "From: bare, A <a\@h.example>, b\@h.example\n", 'a@h.example');
sends('From in an old form', "From: from\@h.example (A (nested) name)\n", 'from@h.example');
sends('From is folded', "From: A\n <from\@h.example>\n", 'from@h.example');
sends('From with blanks before the colon, any case', "fROM : from\@h.example\n", 'from@h.example');
sends('From is bare: the user', "From: root\n", "$me\@example.com");
sends('From is broken: the user', "From: \"A <a\@h.example>\n", "$me\@example.com");
sends('From cannot be used: the user', "From: a\@h..example\n", "$me\@example.com");
sends('From is empty: the user', "From:\n", "$me\@example.com");
sends('no From: the user, who is in From as well', "To: b\@example.net\n", "$me\@example.com", also => sub {
	like(from($_[0]), qr/(?:\A|<)\Q$me\E\@example\.com>?\z/, 'From');
});
sends('-f and no From: -f is in From as well', "To: b\@example.net\n", 'flag@f.example', argv => ['-f', 'flag@f.example', @to], also => sub {
	like(from($_[0]), qr/(?:\A|<)flag\@f\.example>?\z/, 'From');
});
sends('USER and LOGNAME say nothing', "To: b\@example.net\n", "$me\@example.com", env => {USER => 'evil', LOGNAME => 'evil', MAIL => 'evil@x', MAILFROM => 'evil@x'});
sends('override-from goes before -f', $all, 'conf@c.example', argv => ['-f', 'flag@f.example', @to], top => {from => 'conf@c.example', 'override-from' => 'true'}, also => sub {
	is(from($_[0]), 'A <conf@c.example>', 'From');
	like(($_[0]->server->messages)[0]{data}, qr/^Reply-To: A <from\@h\.example>\r$/m, 'Reply-To');
});
sends('override-from goes before the null sender as well', $all, 'conf@c.example', argv => ['-f', '<>', @to], top => {from => 'conf@c.example', 'override-from' => 'true'});

for (['-f', ''], ['-f', '<>'], ['-f<>'], ['-r', ''], ['-f', ' '], ['-f', '< >'], ['-f', 'a@x', '-f', '<>']) {
	sends("the null sender: @$_", $all, '', argv => [@$_, @to], %from);
}
sends('the null sender and no From: the user is in From', "To: b\@example.net\n", '', argv => ['-f', '<>', @to], also => sub {
	like(from($_[0]), qr/(?:\A|<)\Q$me\E\@example\.com>?\z/, 'From');
});
for ('a@x, b@y', 'a b', 'a@x b', '"a', 'a@', 'a@x..y', 'l' x 65 . '@x', 'Group: a@x;, b@y') {
	check("-f $_ is refused", %plain, argv => ['-f', $_, @to], exit => 64, err => [qr/sender "\Q$_\E/], log => {status => 'failed'}, also => sub {
		is($_[0]->server->dialogue, '', 'the smarthost heard nothing');
	});
}
check('from that is no address', %plain, top => {from => 'a@b@c'}, exit => 78, err => [qr/from/], log => undef);

# --- users -----------------------------------------------------------------------------------------------------------------------------------

SKIP: {
	skip 'only root can be somebody else', 3 if $> != 0;
	sends('a uid without a passwd entry', "To: b\@example.net\n", 'uid-54321@example.com', uid => 54321, log => {from => 'uid-54321@example.com', uid => 54321});
	sends('a uid without a passwd entry, no environment', "To: b\@example.net\n", 'uid-54321@example.com', uid => 54321, env => {PATH => undef});
	sends('a uid without a passwd entry and From', "From: app\@h.example\n", 'app@h.example', uid => 54321);
}

# In a namespace of one's own: a host name, and who is who. %h: host, passwd.
sub world
{
	my (%h) = @_;
	my $script = 'umask 022 && echo "$1" >/proc/sys/kernel/hostname && mount -t tmpfs tmpfs /mnt && printf "$2" >/mnt/passwd && mount --bind /mnt/passwd /etc/passwd && ' .
	    'id=$3 && shift 3 && exec setpriv --reuid="$id" --clear-groups "$@"';

	return ['unshare', '-m', '-u', '--', 'sh', '-c', $script, 'sh', $h{host} // 'zoo.example.net', $h{passwd} // 'root:x:0:0:root:/:/bin/sh\n', $h{uid} // 0];
}

SKIP: {
	skip 'no namespace of our own', 1 if !can_unshare();

	# The configuration has to be the user's; the log may be anybody's.
	my $www = 'root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data,,,:/var/www:/bin/false\nalice:x:1000:1000:Alice & Co,Room 1:/:/bin/sh\n';
	my %no_domain = (top => {domain => undef, hostname => undef});

	sends('domain: the host name, if it has a dot', "To: b\@example.net\n", 'root@h1.example.org', wrap => world(host => 'h1.example.org'), %no_domain);
	sends('domain: else that of from', "Subject: x\n", 'root@c.example', wrap => world(host => 'h1'), top => {domain => undef, hostname => undef, from => 'x@c.example'},
	    argv => ['-f', 'root', @to]);
	sends('domain: else that of user', "Subject: x\n", 'root@u.example', wrap => world(host => 'h1'), %no_domain, tls => 'starttls', user => 'app@u.example');
	check('domain: else there is none', %plain, %no_domain, wrap => world(host => 'h1'), stdin => "Subject: x\n\nx\n", exit => 78, err => [qr/domain/], log => {status => 'failed'});
	sends('domain goes before the host name', "Subject: x\n", 'root@d.example', wrap => world(host => 'h1.example.org'), top => {domain => 'd.example', hostname => undef});
	reaches('root@<this host> is local', ['root@h1.example.org', 'root@H1.Example.ORG', 'bob'], ['admin@far.example'], wrap => world(host => 'h1.example.org'),
	    top => {domain => 'd.example', 'local-to' => 'admin@far.example'});
	reaches('root@<this host>, without a dot', ['root@3f2a1b9c'], ['root@d.example'], wrap => world(host => '3f2a1b9c'), top => {domain => 'd.example'});

	# What callers in containers send: the host is a number, and mail is for root.
	my %container = (wrap => world(host => '3f2a1b9c0d1e', passwd => $www), tls => 'starttls', user => 'app@u.example', top => {domain => undef, hostname => undef});
	my $cron = "From: root (Cron Daemon)\nTo: root\nSubject: Cron <root\@3f2a1b9c0d1e> run-parts\nX-Cron-Env: <SHELL=/bin/sh>\n";

	sends('cron in a container', $cron, 'root@u.example', %container, argv => [qw(-FCronDaemon -i -B8BITMIME -oem root)], also => sub {
		is_deeply(recipients($_[0]), ['root@u.example'], 'recipients');
		is(from($_[0]), 'root@u.example (Cron Daemon)', 'From');
		like(($_[0]->server->messages)[0]{data}, qr/^To: root\@u\.example\r$/m, 'To');
	});
	sends('cron in a container, from and local-to', $cron, 'app@u.example', %container, argv => [qw(-FCronDaemon -i -B8BITMIME -oem root)],
	    top => {domain => undef, hostname => undef, from => 'app@u.example', 'local-to' => 'admin@far.example'}, also => sub {
		is_deeply(recipients($_[0]), ['admin@far.example'], 'recipients');
	});
	sends('PHP in a container', "To: bob\@example.net\nFrom: www-data\@3f2a1b9c0d1e\n", 'app@u.example', %container, argv => ['-t', '-i'],
	    top => {domain => undef, hostname => undef, from => 'app@u.example', 'override-from' => 'true'}, also => sub {
		is(from($_[0]), 'app@u.example', 'From');
		is_deeply(recipients($_[0]), ['bob@example.net'], 'recipients');
	});
	sends('PHP in a container, without from: a name that nobody else knows is completed', "To: bob\@example.net\nFrom: Shop <www-data\@3f2a1b9c0d1e>\nCc: x\@localhost, \"a b\"\@3F2A1B9C0D1E (c), y\@3f2a\n", 'www-data@u.example', %container, argv => ['-t', '-i'], also => sub {
		is(from($_[0]), 'Shop <www-data@u.example>', 'From');
		like(($_[0]->server->messages)[0]{data}, qr/^Cc: x\@u\.example, "a b"\@u\.example \(c\), y\@3f2a\r$/m, 'Cc: only what means this host');
	});
	sends('from is completed, in the envelope and in the header', "To: bob\@example.net\nFrom: A <a\@far.example>\n", 'root@u.example', %container, argv => ['-t'],
	    top => {domain => undef, hostname => undef, from => 'root@localhost', 'override-from' => 'true'}, also => sub { is(from($_[0]), 'A <root@u.example>', 'From') });
	sends('no domain is guessed for it from the sender', "To: bob\@example.net\nFrom: me\@gmail.example\nCc: root\@localhost, x\@3f2a1b9c0d1e, admin\n", 'me@gmail.example', %container, user => undef, tls => 'none',
	    argv => ['-f', 'me@gmail.example', 'bob@example.net'], also => sub {
		like(($_[0]->server->messages)[0]{data}, qr/^Cc: root\@localhost, x\@3f2a1b9c0d1e, admin\@gmail\.example\r$/m, 'addresses stay');
	});
	sends('mutt in a container', "To: bob\@example.net\nFrom: bob\@3f2a1b9c0d1e\n", 'bob@u.example', %container, argv => ['-f', 'bob@3f2a1b9c0d1e', '-t']);
	sends('a host name with a dot is known to others', "To: bob\@example.net\nFrom: bob\@h1.example.org\n", 'bob@h1.example.org', wrap => world(host => 'h1.example.org'), argv => ['-f', 'bob@h1.example.org', '-t'],
	    top => {domain => 'd.example', hostname => undef}, also => sub { is(from($_[0]), 'bob@h1.example.org', 'From') });
	sends('PHP in a container, -f', "To: bob\@example.net\nFrom: Site <site\@u.example>\n", 'site@u.example', %container, argv => ['-t', '-i', '-fsite@u.example']);
	reaches('mail for root of the container by its full name', ['-t'], ['admin@far.example'], %container, stdin => "To: root\@3f2a1b9c0d1e\n\nx\n",
	    top => {domain => undef, hostname => undef, 'local-to' => 'admin@far.example'});
}

# --- local recipients --------------------------------------------------------------------------------------------------------------------------

my %local_to = (top => {'local-to' => 'Admin <admin@far.example>'});
reaches('a bare name gets the domain', ['root'], ['root@example.com']);
reaches('localhost is local', ['root@localhost', 'bob@localhost.localdomain', 'x@LocalHost'], [qw(root@example.com bob@example.com x@example.com)]);
reaches('local-to gets all that is local, once', ['root', 'bob@localhost', 'c@example.net'], ['admin@far.example', 'c@example.net'], %local_to);
reaches('local-to gets nothing else', ['c@example.com', 'localhost@example.net'], ['c@example.com', 'localhost@example.net'], %local_to);
reaches('local-to from the header, -t', ['-t'], ['admin@far.example'], %local_to, stdin => "To: root, bob\nBcc: root\@localhost\n\nx\n");
reaches('a quoted bare name', ['"john doe"'], ['"john doe"@example.com']);
check('local-to that is no address', %plain, top => {'local-to' => 'a@b@c'}, exit => 78, err => [qr/local-to/], log => undef);

# --- aliases -----------------------------------------------------------------------------------------------------------------------------------

# An alias file, and what a name of it reaches.
sub aliased
{
	my ($name, $text, $arguments, $recipients, %o) = @_;
	my $path = spew(scratch() . '/aliases', $text, 0644);
	my $top = delete $o{top} // {};

	reaches("alias: $name", $arguments, $recipients, top => {aliases => $path, %$top}, %o);
}

aliased('to an address', "root: admin\@far.example\n", ['root'], ['admin@far.example']);
aliased('any case', "ROOT: admin\@far.example\n", ['rOOt'], ['admin@far.example']);
aliased('before local-to, which gets the others', "root: admin\@far.example\n", ['root', 'bob'], ['admin@far.example', 'else@far.example'], top => {'local-to' => 'else@far.example'});
aliased('root@localhost as well', "root: admin\@far.example\n", ['root@localhost'], ['admin@far.example']);
aliased('not for the same name elsewhere', "root: admin\@far.example\n", ['root@example.net'], ['root@example.net']);
aliased('not for the completed name', "root: admin\@far.example\n", ['root@example.com'], ['root@example.com']);
aliased('several, folded, with names and comments', "team: a\@x.example, Bob <b\@y.example>,\n# a comment\n\tc\@z.example (C)\n", ['team'], [qw(a@x.example b@y.example c@z.example)]);
aliased('nested', "webmaster: postmaster\npostmaster: root, c\@x.example\nroot: admin\@far.example\n", ['webmaster'], ['admin@far.example', 'c@x.example']);
aliased('nested, to a name without alias', "webmaster: bob\n", ['webmaster'], ['bob@example.com']);
aliased('nested, to local-to', "webmaster: bob\n", ['webmaster'], ['admin@far.example'], top => {'local-to' => 'admin@far.example'});
aliased('itself', "bob: bob, b\@x.example\n", ['bob'], ['bob@example.com', 'b@x.example']);
aliased('a backslash stops it', "bob: \\bob, b\@x.example\nroot: \\bob\n", ['root'], ['bob@example.com']);
aliased('each once', "a: x\@x.example, b\nb: x\@X.example, y\@x.example\n", ['a', 'b', 'x@x.example'], ['x@x.example', 'y@x.example']);
aliased('a quoted name', "\"john doe\": jd\@x.example\n", ['"john doe"'], ['jd@x.example']);
aliased('in the header with -t', "root: admin\@far.example\n", ['-t'], ['admin@far.example'], stdin => "From: root\nTo: root\n\nx\n", also => sub {
	like(($_[0]->server->messages)[0]{data}, qr/^To: root\@example\.com\r$/m, 'To does not tell');
});
aliased('a loop with a way out', "a: b\nb: c, out\@x.example\nc: a\n", ['a'], ['out@x.example'], log => {warning => qr/leads back to itself/});
aliased('a loop without', "a: b\nb: a\n", ['a', 'c@x.example'], ['c@x.example'], exit => 67, sent => 1, err => [qr/alias "a" leads to no address/]);
aliased('a loop without, alone', "a: b\nb: a\n", ['a'], [], exit => 67, sent => 0, err => [qr/alias "a" leads to no address/]);

my $marker = scratch() . '/marker';
aliased('a pipe is not run', "run: \"|touch $marker\", a\@x.example\n", ['run'], ['a@x.example'], log => {warning => qr/skipped/}, also => sub { ok(!-e $marker, 'not run') });
aliased('a file is not written', "file: $marker, a\@x.example\n", ['file'], ['a@x.example'], log => {warning => qr/skipped/}, also => sub { ok(!-e $marker, 'not written') });
aliased('nothing but a pipe', "run: |touch $marker\n", ['run'], [], exit => 67, sent => 0, err => [qr/alias "run"/], also => sub { ok(!-e $marker, 'not run') });
aliased('/dev/null', "nobody: /dev/null\n", ['nobody', 'b@x.example'], ['b@x.example'], exit => 67, sent => 1, err => [qr/alias "nobody"/]);
aliased('a line that makes no sense does no harm', "what is this\nroot: admin\@far.example\n", ['root'], ['admin@far.example'], log => {warning => qr/line 1/});
aliased('ORCPT has the name that was asked for', "root: admin\@far.example\n", ['-N', 'failure', 'root'], ['admin@far.example'], also => sub {
	like((grep { /^RCPT/ } $_[0]->server->commands)[0], qr/ ORCPT=rfc822;root\@example\.com(?: |\z)/, 'ORCPT');
});
aliased('5,000 values', 'all: ' . join(",\n ", map { "u$_\@x.example" } 1 .. 5000) . "\n", ['all'], [map { "u$_\@x.example" } 1 .. 5000]);
aliased('a chain of 10,000 aliases ends', join('', map { "a$_: a" . ($_ + 1) . "\n" } 1 .. 10_000) . "b: b\@x.example\n", ['a1', 'b'], ['b@x.example'], exit => 67, sent => 1,
    err => [qr/alias "a1"/]);
aliased('two ways to each of 40 aliases are not walked over and over', join('', map { "g$_: g" . ($_ + 1) . ', g' . ($_ + 1) . ", h$_\@x.example\n" } 1 .. 40) . "g41: end\@x.example\n",
    ['g1'], ['end@x.example', map { "h$_\@x.example" } reverse 1 .. 40], limit => 30);

SKIP: {
	skip 'included files have to be root\'s', 6 if $> != 0;
	my $dir = scratch();
	my $list = spew("$dir/list", "# members\na\@x.example\n  b\@x.example, c\@x.example\n\nroot\n", 0644);

	aliased(':include:', "list: :include:$list\nroot: admin\@far.example\n", ['list'], [qw(a@x.example b@x.example c@x.example admin@far.example)]);
	aliased(':include: in quotes, beside another', "list: \":include:$list\", d\@x.example\nroot: r\@x.example\n", ['list'], [qw(a@x.example b@x.example c@x.example r@x.example d@x.example)]);
	aliased(':include: of a file that is not there', "list: :include:$dir/none, d\@x.example\n", ['list'], ['d@x.example'], log => {warning => qr/none/});
	my $others = spew("$dir/others", "evil\@x.example\n", 0644);
	chown 12345, 12345, $others;
	aliased(':include: of another one\'s file', "list: :include:$others, d\@x.example\n", ['list'], ['d@x.example'], log => {warning => qr/others/});
	my $writable = spew("$dir/writable", "evil\@x.example\n", 0644);
	chmod 0666, $writable;
	aliased(':include: of a file that anybody may write', "list: :include:$writable, d\@x.example\n", ['list'], ['d@x.example'], log => {warning => qr/writable/});
	my $commands = spew("$dir/commands", "|touch $marker\n$marker\n:include:$dir/commands\nok\@x.example\n", 0644);
	aliased('pipes, files and a loop in an included file', "list: :include:$commands\n", ['list'], ['ok@x.example'], log => {warning => qr/skipped/}, also => sub { ok(!-e $marker, 'not run, not written') });
}
check('an alias file that is not there', %plain, top => {aliases => '/nonexistent/aliases'}, exit => 78, err => [qr{/nonexistent/aliases}], log => {status => 'failed'});

done_testing;
