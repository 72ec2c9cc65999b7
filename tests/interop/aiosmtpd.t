#!/usr/bin/perl
# Mail through a real aiosmtpd, a plain server: no PIPELINING, no
# ENHANCEDSTATUSCODES.  PrivateAiosmtpd.pm has the server, Submission.pm the cases
# that every server has to pass, and the environment.

use strict;
use warnings;

use FindBin;

use lib $FindBin::Bin;
use PrivateAiosmtpd;
use Submission;

my $server = begin('PrivateAiosmtpd');
my $domain = PrivateServer::DOMAIN;
my $international = PrivateScript::INTERNATIONAL;

common_cases();

for_each_way('MAIL tells size and body' => sub {
	my ($way) = @_;
	my %bodies = ("text\n" => qr/^(?:SIZE=\d+|BODY=7BIT| )+$/,
	    "t\xe9xt\n" => qr/\bBODY=8BITMIME\b/);

	for my $body (sort keys %bodies) {
		my $text = header() . "\n$body";
		my $size = length $text =~ s/\n/\r\n/gr;
		my $result = submit(way => $way, args => [qw(-t -i)], input => $text);
		my $mail = $result->{arrived}{usera}[0]{mail} // '';
		succeeded($result);
		like($mail, qr/\bSIZE=$size\b/, 'SIZE');
		like($mail, $bodies{$body}, 'BODY');
		unlike($mail, qr/SMTPUTF8/, 'no SMTPUTF8 where no address needs it');
	}
});

for_each_way('an international recipient' => sub {
	my ($way) = @_;
	my $result = submit(way => $way, args => ['-i', "$international\@$domain"],
	    input => header() . "\ntext\n");

	succeeded($result);
	is_deeply(counts($result), { $international => 1 }, 'arrived');
	my $message = $result->{arrived}{$international}[0] // { mail => '', bytes => '' };
	like($message->{mail}, qr/\bSMTPUTF8\b/, 'SMTPUTF8 was asked for');
	same_bytes($message->{bytes}, header() . "\ntext\n", 'every byte as it was');
});

subtest 'a refusal in UTF-8 is told in ASCII' => sub {
	my $result = submit(expect => 67, args => ['-i', "nob\xc3\xb6dy\@$domain",
	    "usera\@$domain"], input => header() . "\ntext\n");

	failed($result, 67, qr/550 5\.1\.1 <nob.*dy\@\Q$domain\E>: no such user/);
	unlike($result->{err} . $result->{own_log}, qr/[^ -~\n]/, 'in ASCII');
	is_deeply(counts($result), { usera => 1 }, 'the other got it');
};

# RFC 4954 section 4: a command line has 512 octets, also that of AUTH.
for_each_way('a password too long for the command line' => sub {
	my ($way) = @_;
	for my $mechanism (qw(PLAIN LOGIN)) {
		my $result = submit(args => [qw(-t -i)], way => { %$way,
		    auth => "\"$mechanism\"", user => "\"long\@$domain\"",
		    'password-file' => $server->quoted('/tmp/long-password') },
		    input => header() . "\ntext\n");
		succeeded($result);
		is($server->auth_used($result->{log}), $mechanism, "by $mechanism");
		arrived_alone($result, header() . "\ntext\n");
	}
});

subtest 'a wrong password is tried once' => sub {
	my $result = submit(expect => 77, args => [qw(-t -i)], way => $server->section(
	    'password-file' => $server->quoted('/tmp/wrong-password')),
	    input => header() . "\ntext\n");

	failed($result, 77, qr/535 5\.7\.8/);
	is_deeply([$result->{log} =~ /^(?:auth|refused) .*/mg], ['refused PLAIN'],
	    'by PLAIN alone');
};

# Each is a 530 and means something else. The first has no enhanced status code:
# its words tell.
subtest 'the server wants TLS and gets none' => sub {
	my $result = submit(expect => 76, args => [qw(-t -i)], way => {
	    port => 587, tls => '"none"' }, input => header() . "\ntext\n");
	failed($result, 76, qr/530 Must issue a STARTTLS command first.*Remedy: set tls/);
	nothing_arrived($result);
};

for_each_way('the server wants AUTH and gets none' => sub {
	my ($way) = @_;
	my $result = submit(expect => 77, args => [qw(-t -i)], way => { %$way,
	    user => undef, 'password-file' => undef }, input => header() . "\ntext\n");

	failed($result, 77, qr/530 5\.7\.0 Authentication required.*Remedy: set user/);
	nothing_arrived($result);
});

# At the end of the data.
my %answers = (refuse => [69, qr/554 this is not wanted/],
    defer => [75, qr/451 no room for it now/],
    raise => [69, qr/500 Error: \(RuntimeError\)/]);
for my $kind (sort keys %answers) {
	my ($status, $words) = @{$answers{$kind}};
	for_each_way("the message is answered with an error: $kind" => sub {
		my ($way) = @_;
		my $result = submit(way => $way, expect => $status,
		    args => [qw(-t -i)],
		    input => header('X-Interop' => $kind) . "\ntext\n");
		failed($result, $status, $words);
		nothing_arrived($result);
	});
}

for_each_way('421 in the midst of the recipients' => sub {
	my ($way) = @_;
	my $result = submit(way => $way, expect => 75, args => ['-i',
	    map { "user$_\@$domain" } 'a' .. 'h'], input => header() . "\ntext\n");

	failed($result, 75, qr/421 4\.7\.0 RCPT sent too many times/);
	nothing_arrived($result);
});

# The second message goes beyond what one session may have: its envelope is said
# again on another connection.
for_each_way('-bs: 421 in the midst of the recipients' => sub {
	my ($way) = @_;
	my @users = map { "user$_" } 'a' .. 'h';
	my @commands = map { ("MAIL FROM:<user\@$domain>",
	    (map { "RCPT TO:<$_\@$domain>" } @$_), 'DATA', header() . "\ntext\n.") }
	    [@users[0 .. 3]], [@users[4 .. 7]];
	my $result = submit(way => $way, args => ['-bs'],
	    input => join '', map { s/\n/\r\n/gr . "\r\n" } 'EHLO client.example',
		@commands, 'QUIT');

	is($result->{status}, 0, 'exit status');
	unlike($result->{out}, qr/^[45]/m, 'nothing is refused');
	is_deeply(counts($result), { map { $_ => 1 } @users }, 'each got it once');
	is(scalar(() = $result->{log} =~ /^begin/mg), 2, 'on two connections');
});

done_testing;
