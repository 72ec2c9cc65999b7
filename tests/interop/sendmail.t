#!/usr/bin/perl
# Mail through a real Sendmail 8 with TLS and AUTH required.  Submission.pm has
# what every server has to pass, PrivateSendmail.pm the server.

use strict;
use warnings;

use FindBin;

use lib $FindBin::Bin;
use PrivateSendmail;
use Submission;

my $server = begin('PrivateSendmail');
my $domain = PrivateServer::DOMAIN;

common_cases();

# Signing in.

subtest 'a wrong password is tried once' => sub {
	my $result = submit(expect => 77, args => [qw(-t -i)], way => $server->section(
	    'password-file' => $server->quoted('/tmp/wrong-password')),
	    input => header() . "\ntext\n");

	failed($result, 77, qr/535/);
	my @tries = $result->{log} =~ /<<< (AUTH) /g;
	is(scalar @tries, 1, 'once');
};

subtest 'the best of the mechanisms' => sub { best_mechanism('SCRAM-SHA-256') };
subtest 'no credentials' => \&no_credentials;

subtest 'EXTERNAL, the certificate is of another authority' => sub {
	my $result = submit(expect => 77, args => [qw(-t -i)], way => $server->section(
	    auth => '"EXTERNAL"', 'password-file' => undef,
	    'tls-certificate' => $server->quoted('/tmp/tls/other-ca.pem'),
	    'tls-key' => $server->quoted('/tmp/tls/other-ca.key')),
	    input => header() . "\ntext\n");

	failed($result, 77, qr/it offers SCRAM-SHA-256 .* none of these can be used/);
	unlike($result->{log}, qr/<<< AUTH/, 'it was not tried');
	nothing_arrived($result);
};

# Loopback, so credentials are sent without TLS too; PLAIN is not offered there.
my $clear = $server->section(tls => '"none"', 'tls-ca-file' => undef);

subtest 'without TLS' => sub {
	my $result = submit(args => [qw(-t -i)], way => $clear,
	    input => header() . "\ntext\n");

	succeeded($result);
	is($server->auth_used($result->{log}), 'SCRAM-SHA-256', 'with a challenge');
	arrived_alone($result, header() . "\ntext\n");
};

subtest 'without TLS, PLAIN alone' => sub {
	my $result = submit(expect => 77, args => [qw(-t -i)],
	    way => { %$clear, auth => '"PLAIN"' }, input => header() . "\ntext\n");

	failed($result, 77, qr/it offers SCRAM-SHA-256 .* none of these can be used/);
	unlike($result->{log}, qr/<<< AUTH/, 'it was not tried');
	nothing_arrived($result);
};

# Verdicts.

for_each_way('150 recipients where 100 are the limit' => sub {
	my ($way) = @_;
	my @users = map { "user$_" } 1 .. PrivateSendmail::USERS;
	my $result = submit(way => $way, args => [qw(-t -i)], input => header(
	    To => "user1\@$domain",
	    Bcc => join ",\n ", map { "$_\@$domain" } @users) . "\ntext\n");

	succeeded($result);
	is_deeply(counts($result), { map { $_ => 1 } @users }, 'each got it once');
	my @messages = $result->{log} =~ /<<< (MAIL FROM:)/g;
	is(scalar @messages, 2, 'in two transactions');
	my @sessions = $result->{log} =~ /<<< (QUIT)\b/g;
	is(scalar @sessions, 1, 'on one connection');
});

for_each_way('one recipient is to be tried later' => sub {
	my ($way) = @_;
	my $result = submit(way => $way, expect => 75, args => [qw(-t -i)],
	    input => header(To => "later\@$domain, usera\@$domain") . "\ntext\n");

	failed($result, 75, qr/\blater\@\Q$domain\E\b.*451 4\.7\.1 .*Greylisted/);
	is_deeply(counts($result), { usera => 1 }, 'the other got it');
});

for_each_way('refused after the data' => sub {
	my ($way) = @_;
	my $result = submit(way => $way, expect => 69, args => [qw(-t -i)],
	    input => header(Subject => 'please refuse it') . "\ntext\n");

	failed($result, 69, qr/554 5\.7\.1 Refused for its content/);
	nothing_arrived($result);
});

for_each_way('a header larger than the server takes' => sub {
	my ($way) = @_;
	my $lines = int(PrivateSendmail::HEADER_LIMIT / 71) + 1;
	my $result = submit(way => $way, expect => 65, args => [qw(-t -i)],
	    input => header('X-Long' => join "\n\t", ('x' x 69) x $lines) . "\ntext\n");

	failed($result, 65, qr/552 5\.\S+ Headers too large/);
	nothing_arrived($result);
});

subtest 'NUL, which the server refuses, is not sent' => sub {
	my $result = submit(args => [qw(-t -i)],
	    input => header() . "\nbefore \0 after\n");

	succeeded($result);
	arrived_alone($result, header() . "\nbefore  after\n");
};

done_testing;
