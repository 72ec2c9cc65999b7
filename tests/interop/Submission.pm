# Submission to a real server: what its tests share.
#
#	use lib $FindBin::Bin;
#	use PrivateExim;
#	use Submission;			# brings Test::More along
#
#	my $server = begin('PrivateExim');
#	common_cases();
#	subtest 'a case of its own' => sub {
#		my $result = submit(args => [qw(-t -i)], input => header() . "\ntext\n");
#		succeeded($result);
#		arrived_alone($result, header() . "\ntext\n");
#	};
#	done_testing;
#
# begin() unpacks the server, enters its namespaces and starts it, or skips the
# script.  Environment: BUILD (build), SENDMAIL (the program, $BUILD/sendmail),
# INTEROP_REQUIRED (if set, fail where the test would be skipped: no network to
# download the server from, or no permission to make namespaces).

package Submission;

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter ();
use FindBin;
use POSIX qw(_exit);
use Test::More;

use lib $FindBin::Bin;
use OwnTree qw(spew slurp);
use PrivateServer;

our @ISA = qw(Exporter);
our @EXPORT = (@Test::More::EXPORT, qw(begin common_cases submit header counts
    succeeded failed nothing_arrived same_bytes arrived_alone for_each_way
    best_mechanism no_credentials cannot));

my $domain = PrivateServer::DOMAIN;
my $program;
my $server;
my $owner = $$;

# The status that the test ends with is not that of stopping the server.
END {
	my $status = $?;
	$server->stop if $server && $$ == $owner;
	$? = $status;
}

sub cannot {
	my ($why) = @_;

	die "$why\n" if $ENV{INTEROP_REQUIRED};
	plan skip_all => $why;
}

sub begin {
	my ($class) = @_;
	my $build = $ENV{BUILD} // 'build';
	my $name = $ENV{SENDMAIL} // "$build/sendmail";

	$program = abs_path($name);
	die "no program at $name\n" if !defined $program || !-x $program;
	my $root = $class->can('fetch')->($FindBin::Bin, $build)
	    or cannot('the server cannot be downloaded');
	my $why_not = OwnTree::enter();
	cannot($why_not) if defined $why_not;
	$owner = $$;
	$SIG{$_} = sub { die "ended by a signal\n" } for qw(HUP INT TERM);
	$SIG{ALRM} = sub { die "took too long\n" };
	alarm PrivateServer::LIFETIME;
	$server = $class->new($root);
	diag($server->version);
	return $server;
}

# A header to which nothing has to be added.
sub header {
	my (%field) = @_;
	my %all = (
		From => "User <user\@$domain>", To => "usera\@$domain",
		Subject => 'interop', Date => 'Sat, 22 Nov 2025 12:00:00 +0000',
		'Message-ID' => "<interop\@$domain>", 'MIME-Version' => '1.0',
		'Content-Type' => 'text/plain; charset=iso-8859-1',
		'Content-Transfer-Encoding' => '8bit', %field,
	);
	return join '', map { "$_: $all{$_}\n" } sort keys %all;
}

sub write_conf {
	my ($path, $host, $section) = @_;

	spew($path, "smarthost \"$host\" {\n" . join('', map { $_ eq 'oauth' ? "\t$_ $section->{$_}\n" : "\t$_ = $section->{$_}\n" }
	    grep { defined $section->{$_} && $_ ne 'token-cache' } sort keys %$section) .
	    "}\n" . (defined $section->{'token-cache'} ? "token-cache = $section->{'token-cache'}\n" : '') . "log = " . $server->quoted('/tmp/log') . "\ntimeout = \"1m\"\n", 0600);
}

# Runs the program.  args, input; way: the smarthost section, in which an undef
# drops an option; host: its title.  expect: the status that needs no comment, 0
# unless given.
# Waits for the mail to settle and returns { status, out, err, arrived, log,
# own_log }.
sub submit {
	my (%run) = @_;
	my $file = sub { $server->path("/tmp/$_[0]") };

	write_conf($file->('conf'), $run{host} // 'localhost',
	    $run{way} // $server->section);
	spew($file->('in'), $run{input});
	unlink $file->('log');

	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		alarm 120;
		open STDIN, '<', $file->('in') or _exit(99);
		open STDOUT, '>', $file->('out') or _exit(99);
		open STDERR, '>', $file->('err') or _exit(99);
		%ENV = (PATH => '/usr/bin:/bin', SENDMAIL_CONF => $file->('conf'),
		    map { ($_ => $ENV{$_}) } grep { /SAN_OPTIONS$/ } keys %ENV);
		exec { $program } 'sendmail', @{$run{args}} or _exit(99);
	}
	waitpid $pid, 0;
	my %result = (status => $? & 127 ? "signal $?" : $? >> 8,
	    out => slurp($file->('out')), err => slurp($file->('err')));
	diag("status $result{status}: $result{err}")
	    if $result{status} ne ($run{expect} // 0);
	$result{log} = $server->settle;
	$result{arrived} = $server->arrivals;
	$result{own_log} = -e $file->('log') ? slurp($file->('log')) : '';
	return \%result;
}

# How many messages each user got.
sub counts {
	my ($result) = @_;

	return { map { $_ => scalar @{$result->{arrived}{$_}} }
	    keys %{$result->{arrived}} };
}

sub succeeded {
	my ($result) = @_;

	is($result->{status}, 0, 'exit status');
	is($result->{out} . $result->{err}, '', 'nothing is printed');
	is($result->{own_log} =~ tr/\n//, 1, 'one log line');
}

sub failed {
	my ($result, $status, $words) = @_;

	is($result->{status}, $status, "exit status $status");
	is($result->{out}, '', 'nothing on stdout');
	like($result->{err}, $words, 'stderr says why');
	is($result->{own_log} =~ tr/\n//, 1, 'one log line');
}

sub nothing_arrived {
	my ($result) = @_;

	is_deeply(counts($result), {}, 'nothing arrived');
}

# Compares long texts without printing them whole.
sub same_bytes {
	my ($got, $want, $name) = @_;

	return pass($name) if $got eq $want;
	my $at = 0;
	$at++ while substr($got, $at, 1) eq substr($want, $at, 1);
	my $from = $at < 30 ? 0 : $at - 30;
	fail($name);
	diag(sprintf 'lengths %d and %d differ at %d: got %s, expected %s',
	    length $got, length $want, $at,
	    map { my $part = substr $_, $from, 90;
		$part =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ge; $part } $got, $want);
}

# One message to usera, whole, from user, and to nobody else.
sub arrived_alone {
	my ($result, $want) = @_;

	is_deeply(counts($result), { usera => 1 }, 'one message, to one mailbox');
	my $message = $result->{arrived}{usera}[0] // { bytes => '', sender => '' };
	is($message->{sender}, "user\@$domain", 'envelope sender');
	same_bytes($message->{bytes}, $want, 'every byte as it was');
}

sub for_each_way {
	my ($name, $case) = @_;
	my $ways = $server->ways;

	subtest "$name ($_)" => sub { $case->($ways->{$_}) } for sort keys %$ways;
}

# ---- what every server has to pass ----

my %bodies = (
	dots => ".\n..\n...\n.one\n..two\n. \n \n.\n",
	'8 bit' => join('', map { chr } 0xa0 .. 0xff) . "\n" .
	    join('', map { chr } 0x80 .. 0x9f) . "\n",
	controls => join('', map { chr } 1 .. 8, 11, 12, 14 .. 31, 127) . "\n",
	'998 octets' => 'x' x 998 . "\n" . '.' x 998 . "\n" . "\xe4" x 998 . "\n",
	blanks => " \n\t\nend \t\n  begin\n",
	'empty lines at the end' => "text\n\n\n\n",
	'only empty lines' => "\n\n\n",
	'no body' => '',
	'lines that look like SMTP' => "QUIT\nRSET\nMAIL FROM:<a\@b>\nFrom x\n",
	'200,000 octets' => join('', map { "line $_ \xe9\n" } 1 .. 14000),
);

sub all_bodies {
	my ($way) = @_;

	for my $name (sort keys %bodies) {
		my $text = header() . "\n$bodies{$name}";
		subtest $name => sub {
			my $result = submit(way => $way,
			    args => [qw(-t -i)], input => $text);
			succeeded($result);
			arrived_alone($result, $text);
		};
	}
}

sub line_ends {
	my ($way) = @_;
	my $text = header() . "\none\n.\n\nlast\n";
	my %inputs = ('CRLF' => $text =~ s/\n/\r\n/gr,
	    'CR CR LF' => $text =~ s/\n/\r\r\n/gr,
	    'none at the end' => $text =~ s/\n\z//r,
	    'CRLF but none at the end' => $text =~ s/\n\z//r =~ s/\n/\r\n/gr);

	for my $name (sort keys %inputs) {
		subtest $name => sub {
			my $result = submit(way => $way,
			    args => [qw(-t -i)], input => $inputs{$name});
			succeeded($result);
			arrived_alone($result, $text);
		};
	}
}

sub blind_copies {
	my ($way) = @_;
	my $result = submit(way => $way, args => [qw(-t -i)], input => header() .
	    "Cc: userb\@$domain\nBcc: userc\@$domain,\n userd\@$domain\n" .
	    "bcc : \"E\" <usere\@$domain>\n\ntext\n");

	succeeded($result);
	is_deeply(counts($result), { map { $_ => 1 }
	    qw(usera userb userc userd usere) }, 'each got one');
	for my $user (sort keys %{$result->{arrived}}) {
		same_bytes($result->{arrived}{$user}[0]{bytes},
		    header() . "Cc: userb\@$domain\n\ntext\n", "no Bcc for $user");
	}
}

sub null_sender {
	my ($way) = @_;
	my $result = submit(way => $way, args => ['-f', '<>', qw(-t -i)],
	    input => header() . "\ntext\n");

	succeeded($result);
	is_deeply(counts($result), { usera => 1 }, 'arrived');
	is($result->{arrived}{usera}[0]{sender}, '', 'from the null sender');
}

sub one_bad_recipient {
	my ($way) = @_;
	my $result = submit(way => $way, expect => 67, args => [qw(-t -i)],
	    input => header(To => join ', ', map { "$_\@$domain" }
		qw(usera userb nobody userc)) . "\ntext\n");

	failed($result, 67, qr/\bnobody\@\Q$domain\E\b.*55[013]/);
	unlike($result->{err}, qr/user[abc]\@/, 'the others are not named');
	is_deeply(counts($result), { usera => 1, userb => 1, userc => 1 },
	    'the others got it');
}

sub no_good_recipient {
	my ($way) = @_;
	my $result = submit(way => $way, expect => 67, args => [qw(-t -i)],
	    input => header(To => "nobody\@$domain, noone\@$domain") . "\ntext\n");

	failed($result, 67, qr/nobody\@.*55[013].*\n(?s:.*)noone\@.*55[013]/);
	nothing_arrived($result);
}

sub wrong_password {
	my ($way) = @_;
	my $result = submit(expect => 77, args => [qw(-t -i)], way => { %$way,
	    'password-file' => $server->quoted('/tmp/wrong-password') },
	    input => header() . "\ntext\n");

	failed($result, 77, qr/535/);
	unlike($result->{err}, qr/sesame/, 'the password is not shown');
	unlike($result->{own_log}, qr/sesame/, 'nor logged');
	nothing_arrived($result);
}

sub too_large {
	my ($way) = @_;
	my $lines = int($server->offers->{size} * 1.02 / 71) + 1;
	my $result = submit(way => $way, expect => 65, args => [qw(-t -i)],
	    input => header() . "\n" . ('x' x 70 . "\n") x $lines);

	failed($result, 65, qr/552|size|too large|too big/i);
	nothing_arrived($result);
}

sub another_authority {
	my ($way) = @_;
	my $result = submit(expect => 76, args => [qw(-t -i)], way => { %$way,
	    'tls-ca-file' => $server->quoted('/tmp/tls/other-ca.pem') },
	    input => header() . "\ntext\n");

	failed($result, 76, qr/certificate.*trust/i);
	nothing_arrived($result);
}

sub success_notice {
	my $result = submit(args => [qw(-t -i -N success -R hdrs), '-V', 'id+=7'],
	    input => header() . "\ntext\n");
	my $asked = $server->dsn_asked($result->{log}, $result->{arrived});

	succeeded($result);
	same_bytes($result->{arrived}{usera}[0]{bytes} // '', header() . "\ntext\n",
	    'the message arrived');
	if ($server->offers->{dsn}) {
		ok($asked, 'asked for, with its envelope id and recipient');
	} else {
		ok(!$asked, 'not asked for, since it is not offered');
		like($result->{own_log}, qr/ dropped=DSN /, 'which the log notes');
	}
}

# usera is known, the sender is not of ASCII alone: it takes SMTPUTF8.
sub international_sender {
	my $utf8 = $server->offers->{utf8};
	my $sender = "us\xc3\xa9r\@$domain";
	my $result = submit(args => ['-f', $sender, qw(-t -i)],
	    expect => $utf8 ? 0 : 65, input => header() . "\ntext\n");

	if (!$utf8) {
		failed($result, 65, qr/SMTPUTF8/);
		nothing_arrived($result);
		return;
	}
	succeeded($result);
	is_deeply(counts($result), { usera => 1 }, 'arrived');
	is($result->{arrived}{usera}[0]{sender}, $sender, 'envelope sender');
}

sub mechanism {
	my ($name) = @_;
	my $way = $server->section(auth => "\"$name\"",
	    %{$server->offers->{sections}{$name} // {}});
	my $result = submit(args => [qw(-t -i)], way => $way,
	    input => header() . "\ntext\n");

	succeeded($result);
	is($server->auth_used($result->{log}), $name, 'was used');
	like($result->{own_log}, qr/ auth=\Q$name\E /, 'as our own log has it');
	arrived_alone($result, header() . "\ntext\n");
}

# For servers that want AUTH, and offer this one as their best.
sub best_mechanism {
	my ($name) = @_;
	my $result = submit(args => [qw(-t -i)], input => header() . "\ntext\n");

	succeeded($result);
	is($server->auth_used($result->{log}), $name, 'is used');
	arrived_alone($result, header() . "\ntext\n");
}

sub no_credentials {
	my $result = submit(expect => 77, args => [qw(-t -i)], way => $server->section(
	    user => undef, 'password-file' => undef), input => header() . "\ntext\n");

	failed($result, 77, qr/530/);
	nothing_arrived($result);
}

# The mechanisms by which a wrong password is a wrong password.
sub mechanism_wrong_password {
	my ($name) = @_;
	my $result = submit(expect => 77, args => [qw(-t -i)],
	    way => $server->section(auth => "\"$name\"",
		'password-file' => $server->quoted('/tmp/wrong-password')),
	    input => header() . "\ntext\n");

	failed($result, 77, qr/AUTH \Q$name\E\b.*535/);
	nothing_arrived($result);
}

sub common_cases {
	for_each_way('all bodies' => \&all_bodies);
	for_each_way('line ends' => \&line_ends);
	for_each_way('Bcc' => \&blind_copies);
	for_each_way('null sender' => \&null_sender);
	for_each_way('one bad recipient of four' => \&one_bad_recipient);
	for_each_way('no good recipient' => \&no_good_recipient);
	for_each_way('wrong password' => \&wrong_password);
	for_each_way('larger than the server takes' => \&too_large);
	for_each_way('another authority' => \&another_authority);
	subtest 'DSN: a notice of success' => \&success_notice;
	subtest 'SMTPUTF8: an international sender' => \&international_sender;
	for my $name (@{$server->offers->{mechanisms}}) {
		subtest "AUTH $name" => sub { mechanism($name) };
		next if $name =~ /^(?:EXTERNAL|OAUTHBEARER|XOAUTH2)$/;
		subtest "AUTH $name, wrong password" =>
		    sub { mechanism_wrong_password($name) };
	}
}

1;
