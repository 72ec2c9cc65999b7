#!/usr/bin/perl
# Mail through a real Exim (GnuTLS) with TLS and AUTH required.  Submission.pm has
# what every server has to pass, PrivateExim.pm the server.

use strict;
use warnings;

use FindBin;

use lib $FindBin::Bin;
use PrivateExim;
use Submission;

my $server = begin('PrivateExim');
my $domain = PrivateServer::DOMAIN;

common_cases();

# Signing in.

subtest 'a wrong password is tried once' => sub {
	my $result = submit(expect => 77, args => [qw(-t -i)], way => $server->section(
	    'password-file' => $server->quoted('/tmp/wrong-password')),
	    input => header() . "\ntext\n");

	failed($result, 77, qr/535/);
	my @tries = $result->{log} =~ /(\S+) authenticator failed /g;
	is(scalar @tries, 1, 'once');
};

subtest 'the best of the mechanisms' => sub { best_mechanism('SCRAM-SHA-256') };
subtest 'no credentials' => \&no_credentials;

# Client certificates: one of the right authority, but not a user's; and one of
# another authority, to whose owner Exim does not offer EXTERNAL.
sub external_as {
	my ($certificate) = @_;

	return submit(expect => 77, args => [qw(-t -i)], way => $server->section(
	    auth => '"EXTERNAL"', 'password-file' => undef,
	    'tls-certificate' => $server->quoted("/tmp/tls/$certificate.pem"),
	    'tls-key' => $server->quoted("/tmp/tls/$certificate.key")),
	    input => header() . "\ntext\n");
}

subtest 'EXTERNAL, the certificate is not a user\'s' => sub {
	my $result = external_as('server');

	failed($result, 77, qr/AUTH EXTERNAL\b.*535/);
	nothing_arrived($result);
};

subtest 'EXTERNAL, the certificate is of another authority' => sub {
	my $result = external_as('other-ca');

	failed($result, 77, qr/it offers PLAIN .* none of these can be used/);
	unlike($result->{log}, qr/authenticator failed/, 'it was not tried');
	nothing_arrived($result);
};

# TLS.

subtest 'TLS 1.2' => sub {
	my $result = submit(args => [qw(-t -i)], way => $server->section(port => 588),
	    input => header() . "\ntext\n");

	succeeded($result);
	like($result->{own_log}, qr/ tls="TLSv1\.2 /, 'is what is spoken');
	arrived_alone($result, header() . "\ntext\n");
};

subtest 'TLS 1.1' => sub {
	my $result = submit(expect => 76, args => [qw(-t -i)],
	    way => $server->section(port => 589), input => header() . "\ntext\n");

	failed($result, 76, qr/no version of TLS that both sides allow/);
	nothing_arrived($result);
};

# Verdicts.

for_each_way('250 recipients where 100 are the limit' => sub {
	my ($way) = @_;
	my @users = map { "user$_" } 1 .. PrivateExim::USERS;
	my $result = submit(way => $way, args => [qw(-t -i)], input => header(
	    To => "user1\@$domain",
	    Bcc => join ",\n ", map { "$_\@$domain" } @users) . "\ntext\n");

	succeeded($result);
	is_deeply(counts($result), { map { $_ => 1 } @users }, 'each got it once');
	my @messages = $result->{log} =~ / (<=) /g;
	is(scalar @messages, 3, 'in three transactions');
	my @sessions = $result->{log} =~ /(closed by QUIT)$/mg;
	is(scalar @sessions, 1, 'on one connection');
});

for_each_way('one recipient is to be tried later' => sub {
	my ($way) = @_;
	my $result = submit(way => $way, expect => 75, args => [qw(-t -i)],
	    input => header(To => "later\@$domain, usera\@$domain") . "\ntext\n");

	failed($result, 75, qr/\blater\@\Q$domain\E\b.*451 4\.7\.1 Greylisted/);
	is_deeply(counts($result), { usera => 1 }, 'the other got it');
});

for_each_way('refused after the data' => sub {
	my ($way) = @_;
	my $result = submit(way => $way, expect => 69, args => [qw(-t -i)],
	    input => header(Subject => 'refuse it') . "\ntext\n");

	failed($result, 69, qr/550 5\.7\.1 Refused for its content, .*in two lines/);
	nothing_arrived($result);
});

# Extensions.

subtest 'SMTPUTF8: an international recipient' => sub {
	my $user = PrivateExim::INTERNATIONAL;
	my $text = header(To => "$user\@$domain") . "\ntext\n";
	my $result = submit(args => [qw(-t -i)], input => $text);

	succeeded($result);
	is_deeply(counts($result), { $user => 1 }, 'arrived');
	same_bytes($result->{arrived}{$user}[0]{bytes} // '', $text,
	    'every byte as it was');
};

subtest 'DSN: the server cannot, the message goes' => sub {
	my $result = submit(args => [qw(-t -i -N success)], way => $server->section(
	    port => 465, tls => '"implicit"'), input => header() . "\ntext\n");

	succeeded($result);
	like($result->{own_log}, qr/ dropped=DSN /, 'which the log notes');
	arrived_alone($result, header() . "\ntext\n");
};

done_testing;
