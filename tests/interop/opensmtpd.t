#!/usr/bin/perl
# Mail through a real OpenSMTPD, which has neither PIPELINING nor BDAT and words
# of its own for what it refuses.  Submission.pm has what every server has to
# pass, PrivateOpenSmtpd.pm the server.

use strict;
use warnings;

use FindBin;

use lib $FindBin::Bin;
use PrivateOpenSmtpd;
use Submission;

my $server = begin('PrivateOpenSmtpd');
my $domain = PrivateServer::DOMAIN;
my $text = header() . "\ntext\n";

# Submits a message to usera that has to be refused.
sub refused {
	my ($way, $status, $words, @args) = @_;
	my $result = submit(expect => $status, args => [@args, qw(-t -i)],
	    way => $way, input => $text);

	failed($result, $status, $words);
	nothing_arrived($result);
	return $result;
}

common_cases();

# Recipients.

# It says 451, not 452, with 4.5.3.
for_each_way('25 recipients where 10 are the limit' => sub {
	my ($way) = @_;
	my @users = map { "user$_" } 1 .. PrivateOpenSmtpd::USERS;
	my $result = submit(way => $way, args => [qw(-t -i)], input => header(
	    To => "user1\@$domain",
	    Bcc => join ",\n ", map { "$_\@$domain" } @users) . "\ntext\n");

	succeeded($result);
	is_deeply(counts($result), { map { $_ => 1 } @users }, 'each got it once');
	my @sizes = $result->{log} =~ / smtp message .* nrcpt=(\d+) /g;
	is("@sizes", '10 10 5', 'in three transactions');
	my @sessions = $result->{log} =~ / smtp authentication /g;
	is(scalar @sessions, 1, 'on one connection');
});

for_each_way('one recipient of two, later' => sub {
	my ($way) = @_;
	my $result = submit(way => $way, expect => 75, args => [qw(-t -i)],
	    input => header(To => "usera\@$domain, later\@$domain") . "\ntext\n");

	failed($result, 75, qr/\blater\@\Q$domain\E.*\b451 4\.7\.1 Come back later/);
	is_deeply(counts($result), { usera => 1 }, 'the other got it');
});

# The sender, and the message.

for my $sender ("usera\@$domain", '<>') {
	subtest "an account may not send as $sender" => sub {
		my $result = refused($server->section(port => 2587), 77,
		    qr/refused the sender.*\b530 Sender rejected/, '-f', $sender);
		unlike($result->{log}, qr/<<< (?:RCPT|DATA)/, 'that was the end');
	};
}

for_each_way('content refused' => sub {
	refused($_[0], 69, qr/refused the message: 550 5\.7\.1 Content refused/,
	    '-f', "content\@$domain");
});

for_each_way('421 at DATA, and the connection closed' => sub {
	refused($_[0], 75, qr/\b421 4\.3\.2 Closing/, '-f', "closing\@$domain");
});

subtest 'a dialogue: each verdict as it was given' => sub {
	my @data = ('DATA', $text =~ s/\n/\r\n/gr . '.');
	my $result = submit(args => ['-bs'], input => join "\r\n", 'EHLO localhost',
	    "MAIL FROM:<content\@$domain>", "RCPT TO:<usera\@$domain>", @data,
	    "MAIL FROM:<user\@$domain>", "RCPT TO:<usera\@$domain>",
	    "RCPT TO:<later\@$domain>", "RCPT TO:<nobody\@$domain>", @data,
	    'QUIT', '');

	is($result->{status}, 0, 'exit status');
	is($result->{err}, '', 'nothing on stderr');
	my @codes = $result->{out} =~ /^(\d{3}) /mg;
	is("@codes", '220 250 250 250 354 550 250 250 451 550 354 250 221',
	    'the verdicts');
	for my $words ('550 5.7.1 Content refused', '451 4.7.1 Come back later') {
		like($result->{out}, qr/^\Q$words\E\r$/m, 'its words');
	}
	like($result->{out}, qr/^550 .*Invalid recipient: <nobody\@/m, 'its words');
	arrived_alone($result, $text);
};

# TLS and AUTH.

subtest 'no TLS: AUTH is not offered' => sub {
	my $result = refused($server->section(tls => '"none"'), 77, qr/AUTH.*TLS/);
	unlike($result->{log}, qr/<<< AUTH/, 'nor tried');
};

subtest 'no TLS, no AUTH' => sub {
	refused({ port => 587, tls => '"none"' }, 76,
	    qr/\b530 .*STARTTLS.*Remedy: set tls to/);
};

subtest 'no AUTH' => sub {
	refused($server->section(user => undef, 'password-file' => undef), 77,
	    qr/\b530 .*AUTH command first.*Remedy: set user and password/);
};

done_testing;
