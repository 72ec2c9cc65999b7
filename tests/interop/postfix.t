#!/usr/bin/perl
# Mail through a real Postfix with Cyrus SASL, TLS and AUTH required: does what
# goes in by sendmail(8) come out of the mailboxes, byte for byte and to the right
# people, and does every refusal end in the right status?  PrivatePostfix.pm
# has the server, fetch.sh its packages.
#
# Environment: BUILD (build), SENDMAIL (the program, $BUILD/sendmail),
# INTEROP_REQUIRED (if set, fail where the test would be skipped: no network to
# download Postfix from, or no permission to make namespaces).

use strict;
use warnings;

use Cwd qw(abs_path);
use FindBin;
use POSIX qw(_exit);
use Test::More;

use lib $FindBin::Bin;
use PrivatePostfix;

my $build = $ENV{BUILD} // 'build';
my $sendmail = abs_path($ENV{SENDMAIL} // "$build/sendmail");
die "no program at " . ($ENV{SENDMAIL} // "$build/sendmail") . "\n"
    if !defined $sendmail || !-x $sendmail;
my $root = PrivatePostfix::fetch($FindBin::Bin, $build)
    or cannot('Postfix cannot be downloaded');
my $why_not = PrivatePostfix::enter();
cannot($why_not) if defined $why_not;

my $postfix;
$SIG{$_} = sub { die "ended by a signal\n" } for qw(HUP INT TERM);
$SIG{ALRM} = sub { die "took too long\n" };
alarm PrivatePostfix::LIFETIME;
END { my $status = $?; $postfix->stop if $postfix; $? = $status; }

$postfix = PrivatePostfix->new($root);

my $domain = PrivatePostfix::DOMAIN;
my $limit = PrivatePostfix::RECIPIENT_LIMIT;

# What a smarthost section has, unless a case says otherwise; undef drops it.
my %submission = (
	port => 587, tls => '"starttls"', user => "\"user\@$domain\"",
	'password-file' => quoted('/tmp/password'),
	'tls-ca-file' => quoted('/tmp/tls/ca.pem'),
);
my %submissions = (%submission, port => 465, tls => '"implicit"');
my %ways = (
	'587, STARTTLS, all extensions' => \%submission,
	'465, implicit TLS, few extensions' => \%submissions,
);

sub cannot {
	my ($why) = @_;

	die "$why\n" if $ENV{INTEROP_REQUIRED};
	plan skip_all => $why;
}

sub quoted {
	my ($path) = @_;

	return '"' . $postfix->path($path) . '"';
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

# Runs the program.  args, input; way: the smarthost section; host: its title.
# expect, or_expect: statuses that need no comment, 0 unless given.
# Waits for the mail to settle and returns { status, out, err, arrived, log,
# own_log }.
sub submit {
	my (%run) = @_;
	my %section = %{$run{way} // \%submission};
	my $file = sub { $postfix->path("/tmp/$_[0]") };
	my $host = $run{host} // 'localhost';

	PrivatePostfix::spew($file->('conf'), "smarthost \"$host\" {\n" .
	    join('', map { "\t$_ = $section{$_}\n" }
		grep { defined $section{$_} } sort keys %section) .
	    "}\nlog = " . quoted('/tmp/log') . "\ntimeout = \"1m\"\n", 0600);
	PrivatePostfix::spew($file->('in'), $run{input});
	unlink $file->('log');

	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		alarm 120;
		open STDIN, '<', $file->('in') or _exit(99);
		open STDOUT, '>', $file->('out') or _exit(99);
		open STDERR, '>', $file->('err') or _exit(99);
		%ENV = (PATH => '/usr/bin:/bin', SENDMAIL_CONF => $file->('conf'),
		    map { ($_ => $ENV{$_}) } grep { /SAN_OPTIONS$/ } keys %ENV);
		exec { $sendmail } 'sendmail', @{$run{args}} or _exit(99);
	}
	waitpid $pid, 0;
	my %result = (status => $? & 127 ? "signal $?" : $? >> 8,
	    out => PrivatePostfix::slurp($file->('out')),
	    err => PrivatePostfix::slurp($file->('err')));
	diag("status $result{status}: $result{err}")
	    if $result{status} ne ($run{expect} // 0) &&
	    $result{status} ne ($run{or_expect} // 0);
	$result{log} = $postfix->settle;
	$result{arrived} = $postfix->arrivals;
	$result{own_log} = -e $file->('log') ?
	    PrivatePostfix::slurp($file->('log')) : '';
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

	subtest "$name ($_)" => sub { $case->($ways{$_}) } for sort keys %ways;
}

# Bytes, line by line.

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
for_each_way('all bodies' => sub {
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
});

for_each_way('line ends' => sub {
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
});

# Smuggling: whatever a server may take for the end of the data, followed by a
# message to userh.

for_each_way('smuggling' => sub {
	my ($way) = @_;
	my $forged = join "\r\n", "MAIL FROM:<userg\@$domain>",
	    "RCPT TO:<userh\@$domain>", 'DATA', 'Subject: forged', '', 'forged', '.', '';

	for my $end ("\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r\n", "\r.\r", "\n.\r",
	    "\r\n.\r", "\r\n.\r\n", "\r\n\0.\r\n", "\r\n.\0\r\n", "\r\r\n.\r\r\n") {
		my $body = "before${end}$forged";
		my $name = $end =~ s/([^.])/sprintf '\\x%02x', ord $1/ger;
		# As the contract has it: NUL goes, CRLF, LF and CR CR LF end a
		# line, any other CR is a space.
		my $want = $body =~ tr/\0//dr;
		$want =~ s/\r{0,2}\n/\n/g;
		$want =~ tr/\r/ /;
		subtest $name => sub {
			my $result = submit(way => $way, args => [qw(-t -i)],
			    input => header() . "\n$body");
			succeeded($result);
			arrived_alone($result, header() . "\n$want");
		};
	}
});

subtest 'without -i a lone dot is the end, and .. is .' => sub {
	my $result = submit(args => ['-t'], input => header() .
	    "\none\n..two\n.\nMAIL FROM:<userg\@$domain>\n");
	succeeded($result);
	arrived_alone($result, header() . "\none\n.two\n");
};

# Envelopes.

for_each_way('Bcc' => sub {
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
});

subtest 'recipients as arguments, and twice' => sub {
	my $result = submit(args => ['-i', "userb\@$domain",
	    "userc\@$domain,userb\@$domain", "C <userc\@$domain>"],
	    input => header() . "\ntext\n");
	succeeded($result);
	is_deeply(counts($result), { userb => 1, userc => 1 }, 'each got one');
};

my @senders = (["-fuserb\@$domain", "userb\@$domain"],
    ['-f', "B <userb\@$domain>", "userb\@$domain"],
    ['-r', "<userb\@$domain>", "userb\@$domain"], ['-f', '<>', ''], ['-f', '', '']);
for (@senders) {
	my @args = @$_;
	my $sender = pop @args;
	subtest "sender: @args" => sub {
		my $result = submit(args => [@args, qw(-t -i)],
		    input => header() . "\ntext\n");
		succeeded($result);
		is_deeply(counts($result), { usera => 1 }, 'arrived');
		is($result->{arrived}{usera}[0]{sender}, $sender, 'envelope sender');
		same_bytes($result->{arrived}{usera}[0]{bytes},
		    header() . "\ntext\n", 'every byte as it was');
	};
}

for_each_way('1,500 recipients where 100 are the limit' => sub {
	my ($way) = @_;
	my @users = map { "user$_" } 1 .. PrivatePostfix::USERS;
	my $result = submit(way => $way, args => [qw(-t -i)], input => header(
	    To => "user1\@$domain",
	    Bcc => join ",\n ", map { "$_\@$domain" } @users) . "\ntext\n");

	succeeded($result);
	is_deeply(counts($result), { map { $_ => 1 } @users }, 'each got it once');
	my @sizes = $result->{log} =~ /nrcpt=(\d+) /g;
	is(scalar(grep { $_ > $limit } @sizes), 0, 'never more than the limit');
	cmp_ok(scalar @sizes, '>=', @users / $limit, 'in several transactions');
	my @sessions = $result->{log} =~ /: disconnect from .*? (ehlo)=/g;
	is(scalar @sessions, 1, 'on one connection');
});

# Refusals.

for_each_way('one bad recipient of four' => sub {
	my ($way) = @_;
	my $result = submit(way => $way, expect => 67, args => [qw(-t -i)],
	    input => header(To => join ', ', map { "$_\@$domain" }
		qw(usera userb nobody userc)) . "\ntext\n");

	failed($result, 67, qr/\bnobody\@\Q$domain\E\b.*550/);
	unlike($result->{err}, qr/user[abc]\@/, 'the others are not named');
	is_deeply(counts($result), { usera => 1, userb => 1, userc => 1 },
	    'the others got it');
});

for_each_way('no good recipient' => sub {
	my ($way) = @_;
	my $result = submit(way => $way, expect => 67, args => [qw(-t -i)],
	    input => header(To => "nobody\@$domain, noone\@$domain") . "\ntext\n");

	failed($result, 67, qr/nobody\@.*550.*\n(?s:.*)noone\@.*550/);
	nothing_arrived($result);
});

for_each_way('wrong password' => sub {
	my ($way) = @_;
	my $result = submit(expect => 77, args => [qw(-t -i)], way => { %$way,
	    'password-file' => quoted('/tmp/wrong-password') },
	    input => header() . "\ntext\n");

	failed($result, 77, qr/535/);
	unlike($result->{err}, qr/sesame/, 'the password is not shown');
	unlike($result->{own_log}, qr/sesame/, 'nor logged');
	like($result->{log}, qr/SASL \S+ authentication failed/, 'the server saw it');
	like($result->{log}, qr/ auth=0\/1 /, 'it was tried once');
	nothing_arrived($result);
});

for_each_way('larger than the server takes' => sub {
	my ($way) = @_;
	my $result = submit(way => $way, expect => 65,
	    args => [qw(-t -i)], input => header() . "\n" . ('x' x 70 . "\n") x 15000);

	failed($result, 65, qr/552|size|too large|too big/i);
	nothing_arrived($result);
});

for_each_way('certificates not to be trusted' => sub {
	my ($way) = @_;
	my %wrong = (
		'another CA' => { 'tls-ca-file' => quoted('/tmp/tls/other-ca.pem') },
		'CA unknown to the system' => { 'tls-ca-file' => undef },
		'another name' => { 'tls-name' => '"mx.interop.test"' },
		'another fingerprint' => { 'tls-ca-file' => undef,
		    'tls-fingerprint' => '"sha256:' . '00' x 32 . '"' },
	);
	for my $name (sort keys %wrong) {
		subtest $name => sub {
			my $result = submit(way => { %$way, %{$wrong{$name}} },
			    expect => 76, args => [qw(-t -i)],
			    input => header() . "\ntext\n");
			failed($result, 76, qr/certificate|fingerprint|trust/i);
			unlike($result->{log}, qr/\bauth=|SASL/, 'no AUTH was tried');
			unlike($result->{log}, qr/\bmail=/, 'nor MAIL');
			nothing_arrived($result);
		};
	}
});

subtest 'the server wants TLS and gets none' => sub {
	my $result = submit(expect => 76, args => [qw(-t -i)], way => {
	    port => 587, tls => '"none"' }, input => header() . "\ntext\n");
	failed($result, 76, qr/530/);
	nothing_arrived($result);
};

# What else a certificate can be trusted by.

for my $case (['the name is an address', '127.0.0.1', {}],
    ['a fingerprint', 'localhost', { 'tls-ca-file' => undef,
	'tls-fingerprint' => "\"sha256:$postfix->{fingerprint}\"" }]) {
	my ($name, $host, $change) = @$case;
	for_each_way($name => sub {
		my $result = submit(host => $host, way => { %{$_[0]}, %$change },
		    args => [qw(-t -i)], input => header() . "\ntext\n");
		succeeded($result);
		arrived_alone($result, header() . "\ntext\n");
	});
}

# AUTH and DSN.

for my $mechanism (qw(PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256)) {
	subtest "AUTH $mechanism" => sub {
		my $to_come = $mechanism !~ /^(PLAIN|LOGIN)$/;
		my $result = submit(args => [qw(-t -i)],
		    or_expect => $to_come ? 78 : 0, way => { %submission, auth => "\"$mechanism\"" },
		    input => header() . "\ntext\n");
		plan skip_all => 'the program does not have it yet'
		    if $to_come && $result->{err} =~ /option 'auth' is none of/;
		succeeded($result);
		like($result->{log}, qr/sasl_method=\Q$mechanism\E, /, 'was used');
		arrived_alone($result, header() . "\ntext\n");
	};
}

subtest 'DSN: a notice of success, with the envelope id' => sub {
	my $result = submit(args => [qw(-t -i -N success -R hdrs),
	    '-V', 'id+=7'], input => header() . "\ntext\n");
	succeeded($result);
	is_deeply(counts($result), { usera => 1, user => 1 },
	    'the message to one, the notice to the other');
	my $notice = $result->{arrived}{user}[0] // { bytes => '', sender => '-' };
	is($notice->{sender}, '', 'the notice has the null sender');
	like($notice->{bytes}, qr/^Action: delivered$/m, 'delivered');
	like($notice->{bytes}, qr/^Original-Envelope-Id: id\+=7$/mi, 'ENVID');
	like($notice->{bytes}, qr/^Original-Recipient: rfc822;\s*usera\@/mi, 'ORCPT');
};

subtest 'DSN: the server cannot, the message goes' => sub {
	my $result = submit(args => [qw(-t -i -N success)],
	    way => \%submissions, input => header() . "\ntext\n");
	succeeded($result);
	arrived_alone($result, header() . "\ntext\n");
};

done_testing;
