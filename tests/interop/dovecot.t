#!/usr/bin/perl
# Mail through a real Dovecot: every mechanism of AUTH that it has, and the
# verdicts of the server behind it.  Submission.pm has what every server has to
# pass, PrivateDovecot.pm the server.

use strict;
use warnings;

use FindBin;

use lib $FindBin::Bin;
use OwnTree qw(spew);
use PrivateDovecot;
use Submission;

my $server = begin('PrivateDovecot');
my $domain = PrivateServer::DOMAIN;
my $sections = $server->offers->{sections};
my $text = header() . "\ntext\n";

# The section for EXTERNAL, OAUTHBEARER or XOAUTH2; what is given replaces or adds.
sub way {
	my ($mechanism, %change) = @_;

	return $server->section(auth => "\"$mechanism\"", %{$sections->{$mechanism}},
	    %change);
}

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

# AUTH: what is chosen, and what is refused.

for my $case (
    ['a password', {}, 'SCRAM-SHA-256'],
    ['a token', $sections->{OAUTHBEARER}, 'OAUTHBEARER'],
    ['a certificate', $sections->{EXTERNAL}, 'EXTERNAL'],
    ['a certificate and a token', { %{$sections->{OAUTHBEARER}},
	%{$sections->{EXTERNAL}} }, 'EXTERNAL'],
    ['all of them', { %{$sections->{OAUTHBEARER}}, %{$sections->{EXTERNAL}},
	'password-file' => $server->quoted('/tmp/password') }, 'SCRAM-SHA-256']) {
	my ($name, $change, $mechanism) = @$case;

	for_each_way("$name: $mechanism" => sub {
		my ($way) = @_;
		my $result = submit(way => { %$way, %$change },
		    args => [qw(-t -i)], input => $text);
		succeeded($result);
		is($server->auth_used($result->{log}), $mechanism, 'was used');
		arrived_alone($result, $text);
	});
}

my %wrong_tokens = (
	'no token at all' => 'nonsense',
	'expired' => PrivateDovecot::token(exp => time - 60),
	'not valid yet' => PrivateDovecot::token(nbf => time + 3600),
	'of somebody else' => PrivateDovecot::token(sub => "usera\@$domain"),
	'changed' => PrivateDovecot::token() . 'x',
);
my %challenge = (
	OAUTHBEARER => qr/\b535 .*\{"status":"invalid_token"/,
	XOAUTH2 => qr/\b535 .*\{"status":"401","schemes":"bearer"/,
);
for my $mechanism (sort keys %challenge) {
	for my $name (sort keys %wrong_tokens) {
		subtest "AUTH $mechanism, a wrong token: $name" => sub {
			spew($server->path('/tmp/wrong-token'), $wrong_tokens{$name}, 0600);
			my $result = refused(way($mechanism,
			    'token-file' => $server->quoted('/tmp/wrong-token')),
			    77, $challenge{$mechanism});
			like($result->{log}, qr/auth failed, 1 attempts .*\Q$mechanism\E/,
			    'the server saw it once');
			unlike($result->{err} . $result->{own_log},
			    qr/\Q$wrong_tokens{$name}\E/, 'the token is not shown');
		};
	}
}

subtest 'AUTH EXTERNAL, the user is in the certificate alone' => sub {
	my $result = submit(args => [qw(-t -i)], way => way('EXTERNAL', user => undef),
	    input => $text);

	succeeded($result);
	like($result->{log}, qr/Login: user=<user\@\Q$domain\E>, method=EXTERNAL/,
	    'he has signed in');
	arrived_alone($result, $text);
};

subtest 'AUTH EXTERNAL, a certificate of another authority' => sub {
	refused(way('EXTERNAL',
	    'tls-certificate' => $server->quoted('/tmp/tls/other-ca.pem'),
	    'tls-key' => $server->quoted('/tmp/tls/other-ca.key')),
	    77, qr/AUTH EXTERNAL\b.*535/);
};

subtest 'AUTH EXTERNAL, as somebody else' => sub {
	refused(way('EXTERNAL', 'authorization-id' => "\"usera\@$domain\""),
	    77, qr/AUTH EXTERNAL\b.*535/);
};

subtest 'no AUTH' => sub {
	my $way = $server->section(user => undef, 'password-file' => undef);
	refused($way, 77, qr/\b530 5\.7\.0 Authentication required/);
};

# Where Dovecot offers less.

my %second = (host => '"127.0.0.2"', 'tls-name' => '"localhost"');

subtest 'no TLS: AUTH is not offered' => sub {
	my $result = refused($server->section(%second, tls => '"none"'), 77,
	    qr/AUTH.*TLS/);
	unlike($result->{log}, qr/auth failed|method=/, 'nor tried');
};

subtest 'no TLS, no AUTH' => sub {
	refused({ %second, port => 587, tls => '"none"' }, 76,
	    qr/\b530 5\.7\.0 TLS required/);
};

subtest 'DSN is offered after AUTH alone: it is asked for again' => sub {
	my $result = submit(args => [qw(-t -i -N success -R hdrs -V id+=7)],
	    way => $server->section(%second), input => $text);

	succeeded($result);
	arrived_alone($result, $text);
	ok($server->dsn_asked($result->{log}, $result->{arrived}), 'and found');
};

# Verdicts of the server behind it.

# Dovecot 2.3 would die of a refused MAIL behind which RCPT and BDAT have come
# already (an assertion in cmd_data_next), and nobody could know the verdict.
sub sender_refused {
	my ($way, $sender, $status, $words) = @_;
	my $result = submit(expect => $status, way => $way,
	    args => ['-f', $sender, qw(-t -i)], input => $text);

	failed($result, $status, $words);
	unlike($result->{log}, qr/Panic/, 'Dovecot lives');
	nothing_arrived($result);
}

for_each_way('a sender that the account may not use' => sub {
	sender_refused($_[0], "not-his\@$domain", 77,
	    qr/\b550 5\.7\.1 .*You may not send as this/);
});

for_each_way('a sender, later' => sub {
	sender_refused($_[0], "later\@$domain", 75,
	    qr/\b451 4\.3\.0 .*Come back later/);
});

for_each_way('a recipient, later' => sub {
	my ($way) = @_;
	my $result = submit(way => $way, expect => 75, args => [qw(-t -i)],
	    input => header(To => "usera\@$domain, full\@$domain") . "\ntext\n");

	failed($result, 75, qr/\bfull\@\Q$domain\E.*\b452 4\.2\.2 .*Mailbox full/);
	is_deeply(counts($result), { usera => 1 }, 'the other got it');
});

subtest 'a dialogue: each verdict as it was given' => sub {
	my $result = submit(args => ['-bs'], input => join "\r\n", 'EHLO localhost',
	    "MAIL FROM:<not-his\@$domain>", "MAIL FROM:<later\@$domain>",
	    "MAIL FROM:<user\@$domain>", "RCPT TO:<usera\@$domain>",
	    "RCPT TO:<full\@$domain>", "RCPT TO:<nobody\@$domain>", 'DATA',
	    $text =~ s/\n/\r\n/gr . '.', 'QUIT', '');

	is($result->{status}, 0, 'exit status');
	is($result->{err}, '', 'nothing on stderr');
	my @codes = $result->{out} =~ /^(\d{3}) /mg;
	is("@codes", '220 250 550 451 250 250 452 550 354 250 221', 'the verdicts');
	for my $words ('550 5.7.1 You may not send as this',
	    '451 4.3.0 Come back later', "452 4.2.2 <full\@$domain> Mailbox full") {
		like($result->{out}, qr/^\Q$words\E\r$/m, 'its words');
	}
	arrived_alone($result, $text);
};

# The last one: it does not come back.
subtest 'the server behind it is gone' => sub {
	$server->stop_relay;
	refused($server->section, 75, qr/\b421 4\.4\.0 .*relay server/);
};

done_testing;
