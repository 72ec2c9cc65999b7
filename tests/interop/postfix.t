#!/usr/bin/perl
# Mail through a real Postfix with Cyrus SASL, TLS and AUTH required: does what
# goes in by sendmail(8) come out of the mailboxes, byte for byte and to the right
# people, and does every refusal end in the right status?  Submission.pm has what
# every server has to pass, PrivatePostfix.pm the server.

use strict;
use warnings;

use FindBin;

use lib $FindBin::Bin;
use PrivatePostfix;
use Submission;

my $server = begin('PrivatePostfix');
my $domain = PrivateServer::DOMAIN;
my $limit = PrivatePostfix::RECIPIENT_LIMIT;

common_cases();

subtest 'a wrong password is tried once' => sub {
	my $result = submit(expect => 77, args => [qw(-t -i)], way => $server->section(
	    'password-file' => $server->quoted('/tmp/wrong-password')),
	    input => header() . "\ntext\n");

	failed($result, 77, qr/535/);
	like($result->{log}, qr/SASL \S+ authentication failed/, 'the server saw it');
	like($result->{log}, qr/ auth=0\/1 /, 'once');
};

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

for_each_way('certificates not to be trusted' => sub {
	my ($way) = @_;
	my %wrong = (
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
	'tls-fingerprint' => "\"sha256:$server->{fingerprint}\"" }]) {
	my ($name, $host, $change) = @$case;
	for_each_way($name => sub {
		my $result = submit(host => $host, way => { %{$_[0]}, %$change },
		    args => [qw(-t -i)], input => header() . "\ntext\n");
		succeeded($result);
		arrived_alone($result, header() . "\ntext\n");
	});
}

subtest 'DSN: the server cannot, the message goes' => sub {
	my $result = submit(args => [qw(-t -i -N success)],
	    way => $server->section(port => 465, tls => '"implicit"'), input => header() . "\ntext\n");
	succeeded($result);
	arrived_alone($result, header() . "\ntext\n");
};

done_testing;
