#!/usr/bin/perl
# What the system itself sends: cron, at, sudo, smartd, mdadm, on a host whose
# name has no domain, and to a provider that takes one sender only.  They write
# as root, to root; what arrives has to have full addresses and the account's
# own sender.  RealCallers.pm has the environment and says what is compared.
#
# Environment: BUILD (build), SENDMAIL (the program, $BUILD/sendmail),
# INTEROP_REQUIRED (if set, fail where the test would be skipped).

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use RealCallers;

my $world = RealCallers->begin;
my @conf = (from => '"app@example.com"', 'override-from' => 'true',
    domain => '"box.example.com"', 'local-to' => '"admin@example.net"');
$world->conf(@conf);
my @strict = ('mail@app@example.com pass',
    'mail reply "553 5.7.1 Sender address rejected: not owned by user"',
    'rcpt@admin@example.net pass', 'rcpt reply "550 5.1.1 No such user here"');

# The fields of which each address has to be a full one.
my @addresses = qw(from to cc reply-to sender resent-from resent-to);

sub only_full_addresses {
	my ($run) = @_;

	for my $message (@{$run->{arrived}}) {
		my ($fields) = RealCallers::parse($message->{bytes});
		for my $name (@addresses) {
			for (map { split /,/ } @{$fields->{$name} // []}) {
				my $text = $_;
				$text =~ s/"(?:[^"\\]|\\.)*"|\((?:[^()\\]|\\.)*\)//g;
				$text = $1 if $text =~ /<(.*?)>/;
				like($text, qr/^\s*[^\s\@]+\@[^\s\@]+\.[a-z]+\s*$/,
				    "$name has full addresses");
			}
		}
	}
}

# A caller that writes to a local name; once for each connection.
sub system_mail {
	my ($name, %o) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my %message = (sender => 'app@example.com', to => ['admin@example.net'],
	    map { $_ => delete $o{$_} } qw(fields body));
	my $messages = $o{connections} // 1;
	delivers $world, $name, %o, rules => \@strict,
	    each => [(\%message) x $messages], also => \&only_full_addresses;
	delete @o{qw(says also status)};
	refuses $world, $name, %o, %{$o{refused}};
}

# cron: jobs of the time of start need no waiting for a full minute.

system("rm -rf '" . $world->path('/etc') . "'/cron*; mkdir '" .
    $world->path('/etc/cron.d') . "'");
for my $user (qw(root alice)) {
	$world->file('/etc/cron.d/job', "\@reboot $user printf 'one\\n.\\nlast'\n");
	system_mail "cron, a job of $user\'s", package => 'cron',
	    before => sub { unlink glob "'" . $world->path('/run') . "'/cron*" },
	    daemon => [qw(cron -f)],
	    args => ['/usr/sbin/sendmail', '-FCronDaemon', '-i', '-B8BITMIME', '-oem', $user],
	    fields => { From => qr/app\@example\.com/, To => "$user\@box.example.com",
		Subject => qr/^Cron <$user\@box> printf/ }, body => "one\n.\nlast\n",
	    refused => { logs => qr/CRON.* but got status 0x0043/ };
}

# A recipient of its own; and what it comes to where nothing is configured but
# the smarthost, which does not take www-data@box.example.com for a sender.

$world->file('/etc/cron.d/job', "MAILTO=b\@example.net\n\@reboot www-data echo text\n");
my @cron = (package => 'cron', daemon => [qw(cron -f)],
    before => sub { unlink glob "'" . $world->path('/run') . "'/cron*" });
delivers $world, 'cron, MAILTO', @cron, rules => [@strict[0, 1]],
    sender => 'app@example.com', to => ['b@example.net'],
    fields => { From => qr/app\@example\.com/, To => 'b@example.net' },
    body => "text\n", also => \&only_full_addresses;

# Cron does not look at our status but for its log, and asks with -oem for a
# notice in its place. The account's own sender gets it.
delivers $world, 'cron, a notice of what was refused', @cron,
    rules => ['rcpt@b@example.net reply "550 5.1.1 No such user here"'],
    connections => 2, sender => '', to => ['app@example.com'],
    fields => { To => qr/app\@example\.com/ },
    body => qr/No such user here.*^text$/ms, also => \&only_full_addresses;

$world->conf(domain => '"box.example.com"');
refuses $world, 'cron, a sender that is not the account\'s', @cron, rules => \@strict,
    logs => qr/from=www-data\@box\.example\.com .*553 5\.7\.1/;
$world->conf(@conf);

# Names that mean this host, in whatever form.

system_mail 'local names with a host', package => 'bsd-mailx',
    command => [qw(bsd-mailx -s Subject root@localhost root@box root)],
    input => "text\n", args => [qw(sendmail -i -t)],
    fields => { From => qr/app\@example\.com/ }, body => "text\n",
    refused => { status => 1, says => qr/No such user here/ };

# at; its list of those who may not is for its group alone, as the package has it.

$world->file('/etc/at.deny', "nobody\n");
$world->set_id('/usr/bin/at', 1, 1, 06755);
system_mail 'at', package => 'at', daemon => [qw(atd -f)],
    command => [qw(at now)], input => "printf 'one\\n.\\nlast'\n",
    says => qr/^job \d+ at /m,
    args => ['sendmail', '-i', 'alice'],
    fields => { From => qr/app\@example\.com/, To => 'alice@box.example.com',
	Subject => qr/^Output from your job/ }, body => "one\n.\nlast\n",
    refused => {};

# sudo: it runs us as the user, but without the user's groups, so that everybody
# has to be able to read the password.

chmod 0644, $world->path('/etc/sendmail.password') or die;
$world->set_id('/usr/bin/sudo', 0, 0, 04755);
$world->file('/etc/sudoers', "Defaults mail_always\nalice ALL = NOPASSWD: ALL\n", 0440);
system_mail 'sudo', package => 'sudo',
    command => [qw(sudo true)],
    # When the command begins, and when it has ended.
    args => [qw(sendmail -t sendmail -t)], connections => 2,
    fields => { From => qr/app\@example\.com/, To => 'root@box.example.com',
	Subject => qr/SECURITY information/ }, body => qr/alice : .*COMMAND=/,
    refused => { status => 0 };
chmod 0640, $world->path('/etc/sendmail.password') or die;

# smartd: its script, as smartd runs it; by way of mail(1).

system_mail 'smartd', package => 'smartmontools', user => 'root',
    command => ['/usr/share/smartmontools/smartd_warning.sh'],
    env => { SMARTD_MAILER => '', SMARTD_ADDRESS => 'root',
	SMARTD_MESSAGE => 'TEST EMAIL from smartd for device: /dev/sda',
	SMARTD_FAILTYPE => 'EmailTest', SMARTD_TFIRST => '', SMARTD_PREVCNT => 0,
	SMARTD_NEXTDAYS => '', SMARTD_DEVICEINFO => 'none' },
    args => [qw(sendmail -i -t)],
    fields => { From => qr/app\@example\.com/, To => 'root@box.example.com',
	Subject => 'SMART error (EmailTest) detected on host: box' },
    body => qr/^TEST EMAIL from smartd/m,
    refused => { status => 1, says => qr/No such user here/ };

# mdadm

system_mail 'mdadm', package => 'mdadm', user => 'root',
    command => [qw(mdadm --monitor --test --oneshot --mail root /dev/md0)],
    args => ['/usr/sbin/sendmail', '-t'],
    fields => { From => qr/app\@example\.com/, To => 'root@box.example.com' },
    body => qr/./, refused => {};

done_testing;
