#!/usr/bin/perl
# Mail through a real smtp-server, by the Nodemailer project.
# PrivateSmtpServer.pm has the server, Submission.pm the cases that every server has
# to pass, and the environment.

use strict;
use warnings;

use FindBin;

use lib $FindBin::Bin;
use PrivateSmtpServer;
use Submission;

plan(skip_all => 'there is no npm') if !OwnTree::has_npm();
my $server = begin('PrivateSmtpServer');
my $domain = PrivateServer::DOMAIN;
my $international = PrivateScript::INTERNATIONAL;

my %ways = %{$server->ways};
my ($submission, $submissions) = @ways{'587, STARTTLS', '465, implicit TLS'};
my %by_token = ('password-file' => undef,
    'token-file' => $server->quoted('/tmp/token'));

# Beside what they say: the greeting comes 100 ms late, and whoever says anything
# before it gets 421.
common_cases();

for_each_way('XOAUTH2, a token that is not right' => sub {
	my ($way) = @_;
	my $result = submit(way => { %$way, %by_token,
	    'token-file' => $server->quoted('/tmp/wrong-token') },
	    expect => 77, args => [qw(-t -i)], input => header() . "\ntext\n");

	failed($result, 77, qr/AUTH XOAUTH2.*535.*"status":"401"/);
	like($result->{err}, qr/"scope":"mail\.\Q$domain\E"/, 'all that the server says');
	unlike($result->{err} . $result->{own_log}, qr/sesame/, 'but not the token');
	is_deeply([$result->{log} =~ /^(?:auth|refused) .*/mg], ['refused XOAUTH2'],
	    'tried once');
	nothing_arrived($result);
});

subtest 'a token goes before a password' => sub {
	my $result = submit(way => { %$submission,
	    'token-file' => $server->quoted('/tmp/token') },
	    args => [qw(-t -i)], input => header() . "\ntext\n");

	succeeded($result);
	is($server->auth_used($result->{log}), 'XOAUTH2', 'XOAUTH2 was used');
	arrived_alone($result, header() . "\ntext\n");
};

# The token comes from an endpoint (tests/oauth), is kept, and used again.
subtest 'a token that was fetched' => sub {
	plan(skip_all => 'no python3') if !grep { -x "$_/python3" } split /:/, $ENV{PATH};
	my $dir = $server->path('/tmp/endpoint');
	my $token = PrivateSmtpServer::TOKEN;

	mkdir $dir, 0700;
	qx{openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -addext subjectAltName=DNS:localhost -days 2 -keyout $dir/key -out $dir/cert 2>&1};
	my $body = unpack 'H*', qq({"access_token":"$token","token_type":"Bearer","expires_in":3600});
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		exec 'python3', '-B', "$FindBin::Bin/../oauth/endpoint.py", '--dir', $dir, '--cert', "$dir/cert", '--key', "$dir/key", '--client-id', 'app',
		    '--client-secret', 'hidden', '--rule', "1- body $body" or POSIX::_exit(127);
	}
	select undef, undef, undef, 0.05 for grep { !-s "$dir/port" } 1 .. 200;
	my ($port) = split ' ', do { local (@ARGV, $/) = ("$dir/port"); <> // '' };
	mkdir "$dir/cache", 0700;
	for my $time ('first', 'second') {
		my $result = submit(way => { %$submission, 'password-file' => undef, oauth => "{ token-url = \"https://localhost:$port/token\" client-id = 'app' " .
		    "client-secret = 'hidden' ca-file = \"$dir/cert\" }", 'token-cache' => "\"$dir/cache\"" }, args => [qw(-t -i)], input => header() . "\ntext $time\n");

		succeeded($result);
		is($server->auth_used($result->{log}), 'XOAUTH2', 'XOAUTH2 was used');
		unlike($result->{err} . $result->{own_log}, qr/sesame|hidden/, 'no secret is told');
	}
	kill 'TERM', $pid;
	waitpid $pid, 0;
	is(do { local (@ARGV, $/) = ("$dir/violations"); <> // '' }, '', 'the endpoint has nothing against it');
};

# It offers AUTH before TLS, but 538 is all that comes of it.
subtest 'AUTH without TLS' => sub {
	my $result = submit(way => { %$submission, tls => '"none"',
	    'tls-ca-file' => undef }, expect => 77,
	    args => [qw(-t -i)], input => header() . "\ntext\n");

	failed($result, 77, qr/538.*Remedy: set tls/);
	nothing_arrived($result);
};

for_each_way('the server wants AUTH and gets none' => sub {
	my ($way) = @_;
	my $result = submit(way => { %$way, user => undef, 'password-file' => undef },
	    expect => 77, args => [qw(-t -i)], input => header() . "\ntext\n");

	failed($result, 77, qr/530 .*authentication Required.*Remedy: set user/);
	nothing_arrived($result);
});

subtest 'DSN: RET and NOTIFY' => sub {
	my %expected = ('never' => qr/\bNOTIFY=NEVER /,
	    'failure,delay' => qr/\bNOTIFY=(?:FAILURE,DELAY|DELAY,FAILURE) /);

	for my $notify (sort keys %expected) {
		my $result = submit(args => [qw(-t -i -R full -N), $notify],
		    input => header() . "\ntext\n");
		my $message = $result->{arrived}{usera}[0] // { mail => '', rcpt => '' };
		succeeded($result);
		like("$message->{mail} ", qr/\bRET=FULL /, 'RET=FULL');
		like("$message->{rcpt} ", $expected{$notify}, "NOTIFY: $notify");
	}
};

subtest 'DSN: an international recipient' => sub {
	my $result = submit(args => [qw(-i -N success), "$international\@$domain"],
	    input => header() . "\ntext\n");
	my $message = $result->{arrived}{$international}[0] // { mail => '', rcpt => '' };

	succeeded($result);
	like($message->{mail}, qr/\bSMTPUTF8\b/, 'SMTPUTF8 was asked for');
	like($message->{rcpt}, qr/\bNOTIFY=SUCCESS\b/, 'the notice, too');
	like($message->{rcpt}, qr/ORCPT=utf-8;\Q$international\E\@/i, 'ORCPT as RFC 6533 has it');
};

subtest 'DSN: where it is not offered' => sub {
	my $result = submit(way => $submissions, args => [qw(-t -i -N success)],
	    input => header() . "\ntext\n");
	my $message = $result->{arrived}{usera}[0] // { mail => '', rcpt => '-' };

	succeeded($result);
	unlike("$message->{mail} $message->{rcpt}", qr/RET|NOTIFY|ORCPT/, 'not asked for');
	like($result->{own_log}, qr/ dropped=DSN /, 'which the log notes');
	arrived_alone($result, header() . "\ntext\n");
};

subtest 'REQUIRETLS' => sub {
	my @args = qw(-t -i -O requiretls=yes);
	my $result = submit(args => \@args, input => header() . "\ntext\n");

	succeeded($result);
	like($result->{arrived}{usera}[0]{mail} // '', qr/\bREQUIRETLS\b/, 'asked for');
	$result = submit(way => $submissions, expect => 69, args => \@args,
	    input => header() . "\ntext\n");
	failed($result, 69, qr/REQUIRETLS/);
	nothing_arrived($result);
};

subtest 'SIZE without a limit' => sub {
	my $text = header() . "\n" . ('x' x 70 . "\n") x 15000;
	my $result = submit(way => $submissions, expect => 65,
	    args => [qw(-t -i)], input => $text);
	failed($result, 65, qr/552 the message is too large/);
	nothing_arrived($result);

	$result = submit(way => $submissions, args => [qw(-t -i)],
	    input => header() . "\ntext\n");
	succeeded($result);
	like($result->{arrived}{usera}[0]{mail} // '', qr/\bSIZE=\d/, 'the size is told');
};

for_each_way('two messages by -bs on one connection' => sub {
	my ($way) = @_;
	my @commands = map { ("MAIL FROM:<user\@$domain>", "RCPT TO:<nobody\@$domain>",
	    "RCPT TO:<$_\@$domain>", 'DATA', header() . "\ntext\n.") } qw(usera userb);
	my $result = submit(way => $way, args => ['-bs'],
	    input => join '', map { s/\n/\r\n/gr . "\r\n" } 'EHLO client.example',
		@commands, 'QUIT');

	is($result->{status}, 0, 'exit status');
	like($result->{out}, qr/(?:550 .*nobody.*\n(?s:.*?)354 .*\n250 .*\n(?s:.*?)){2}221 /,
	    'each reply twice');
	is_deeply(counts($result), { usera => 1, userb => 1 }, 'both arrived');
	same_bytes($result->{arrived}{$_}[0]{bytes} // '', header() . "\ntext\n",
	    "every byte for $_ as it was") for qw(usera userb);
	is(scalar(() = $result->{log} =~ /^begin/mg), 1, 'on one connection');
	is(scalar(() = $result->{log} =~ /^auth/mg), 1, 'signed in once');
});

done_testing;
