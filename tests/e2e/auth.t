# Signing in, as seen from outside: every mechanism over every way to TLS, what is chosen, when the next one is tried, and the smarthost that must
# not be believed.
use lib 'tests/e2e/lib';
use E2E;
use MIME::Base64 qw(encode_base64);

my @passwords = qw(SCRAM-SHA-256-PLUS SCRAM-SHA-256 SCRAM-SHA-1-PLUS SCRAM-SHA-1 PLAIN LOGIN CRAM-MD5);
my %bound = ('starttls, TLS 1.3' => [tls => 'starttls', args => ['--tls-max', '1.3']], 'starttls, TLS 1.2' => [tls => 'starttls', args => ['--tls-max', '1.2']],
    'implicit TLS' => [tls => 'implicit']);

# The credentials that the smarthost got, by mechanism, in their order.
sub mechanisms { return [map { /^\d+ \S+ (\S+)/ ? $1 : () } $_[0]->server->auth] }

# What the client said in SCRAM of channel binding.
sub bindings { return [$_[0]->server->dialogue =~ /SCRAM channel binding: (.*)/g] }

sub challenge { return '334 ' . encode_base64($_[0], '') }

for my $way (sort keys %bound) {
	for my $name (@passwords) {
		check "$name ($way)", @{$bound{$way}}, auth => $name, log => {auth => $name, user => USER}, also => sub {
			my ($run) = @_;

			is_deeply(mechanisms($run), [$name], 'the mechanism');
			is_deeply(bindings($run), [$name =~ /PLUS/ ? 'tls-exporter' : 'client could'], 'channel binding') if $name =~ /SCRAM/;
		};
		check "$name ($way), wrong password", @{$bound{$way}}, auth => $name, host => {password => 'another'}, exit => 77, auths => 1,
		    err => [qr/refused to sign app\@example\.com in \(AUTH \Q$name\E\): 535 .*Remedy: .*@{[$name =~ m{PLUS} ? 'operator' : $name =~ m{CRAM} ? 'auth = "PLAIN"' : 'password']}/], log => {stage => 'auth', auth => $name};
	}
}
check "$_ in clear, to this machine", tls => 'none', auth => $_, log => {auth => $_}, also => sub {
	is_deeply(bindings($_[0]), ['none'], 'no channel to bind to');
} for qw(SCRAM-SHA-256 SCRAM-SHA-1);

# Every octet but NUL and line ends, which password-file could have at its end; and a user with what SCRAM has to write otherwise.
my $octets = join '', map { chr } 1 .. 255;
my $dir = scratch();
check "$_: every octet but NUL", auth => $_, user => 'a=b,c@example.com', password => $octets,
    host => {password => undef, 'password-file' => spew("$dir/octets", $octets, 0600)}, log => {auth => $_} for @passwords;

# --- the choice

my $all = join ',', reverse(@passwords), 'XOAUTH2', 'OAUTHBEARER', 'EXTERNAL';
for my $case ([[], 'SCRAM-SHA-256-PLUS'], [['SCRAM-SHA-256-PLUS'], 'SCRAM-SHA-256'], [['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256'], 'SCRAM-SHA-1-PLUS'],
    [[qw(SCRAM-SHA-256-PLUS SCRAM-SHA-256 SCRAM-SHA-1-PLUS)], 'SCRAM-SHA-1'], [[grep { /SCRAM/ } @passwords], 'PLAIN'],
    [[grep { /SCRAM|PLAIN/ } @passwords], 'LOGIN'], [[grep { !/CRAM-MD5/ } @passwords], 'CRAM-MD5']) {
	my ($without, $chosen) = @$case;
	my $offer = join ',', grep { my $m = $_; !grep { $_ eq $m } @$without } split /,/, $all;

	check "$chosen of $offer", auth => $offer, log => {auth => $chosen}, also => sub { is_deeply(mechanisms($_[0]), [$chosen], 'the mechanism') };
}
check 'option auth picks one', auth => $all, host => {auth => 'SCRAM-SHA-1'}, log => {auth => 'SCRAM-SHA-1'}, also => sub {
	is_deeply(bindings($_[0]), ['none'], 'without a binding by choice, which is not the smarthost\'s lack');
};
check 'option auth asks for what is not offered', auth => 'PLAIN,SCRAM-SHA-256', host => {auth => 'SCRAM-SHA-256-PLUS'}, exit => 77, auths => 0,
    err => [qr/it offers .* and none of these can be used here.*Remedy: .*auth/];
check 'a password is not bound to a channel that there is not', tls => 'none', auth => 'SCRAM-SHA-256-PLUS', exit => 77, auths => 0,
    err => [qr/none of these can be used here/];
check 'a long offer', auth => 'PLAIN', rules => ['ehlo#2 reply "250-x" "250 AUTH ' . join(' ', map { "X-MECHANISM-NUMBER-$_" } 1 .. 30) . ' PLAIN"'],
    log => {auth => 'PLAIN'};

# --- the next mechanism

check '432: the account is moved to SCRAM by PLAIN', auth => 'SCRAM-SHA-256,PLAIN', rules => ['auth@SCRAM-SHA-256 reply "432 4.7.12 A password transition is needed"'],
    log => {auth => 'PLAIN'};
check '432, and nothing else is offered', auth => 'SCRAM-SHA-256', rules => ['auth reply "432 4.7.12 A password transition is needed"'], exit => 75,
    err => [qr/432 4\.7\.12.*Remedy: /];
check 'a binding that is not known: the other one', auth => 'SCRAM-SHA-256-PLUS,SCRAM-SHA-256,PLAIN', rules => ['auth@SCRAM-SHA-256-PLUS#1 reply "535 5.7.8 No"'],
    log => {auth => 'SCRAM-SHA-256-PLUS'}, also => sub { is_deeply(bindings($_[0]), ['tls-exporter', 'tls-server-end-point'], 'the certificate') };
check 'no binding that is known: without', auth => 'SCRAM-SHA-256-PLUS,SCRAM-SHA-256,PLAIN', rules => ['auth@SCRAM-SHA-256-PLUS reply "501 5.5.4 No"'],
    log => {auth => 'SCRAM-SHA-256'}, also => sub { is((bindings($_[0]))->[-1], 'none', 'not as if the smarthost had not offered it') };
check 'a binding that is said to fail for now: the other one', auth => 'SCRAM-SHA-256-PLUS', rules => ['auth@SCRAM-SHA-256-PLUS#1 reply "435 Unable to authenticate at present"'],
    log => {auth => 'SCRAM-SHA-256-PLUS'};
check 'a smarthost that goes away is not asked again', auth => 'SCRAM-SHA-256-PLUS,SCRAM-SHA-256', rules => ['auth reply "421 4.3.2 Bye" close'], exit => 75, auths => 1,
    err => [qr/421 4\.3\.2 Bye/];
for my $case (['unsupported-channel-binding-type', 1], ['channel-bindings-dont-match', 2]) {
	my ($error, $n) = @$case;

	check "$error: the other one", auth => 'SCRAM-SHA-1-PLUS', rules => ["auth-cont#$n reply \"" . challenge("e=$error") . '"', 'auth-done#1 reply "535 5.7.8 No"'],
	    log => {auth => 'SCRAM-SHA-1-PLUS'};
}
check 'a smarthost that sees another TLS connection: the other binding, and no way without', auth => 'SCRAM-SHA-256-PLUS,SCRAM-SHA-256,PLAIN',
    rules => ['auth-cont#2 reply "' . challenge('e=channel-bindings-dont-match') . '"', 'auth-done#1 reply "535 5.7.8 No"',
    'auth-cont#4 reply "' . challenge('e=channel-bindings-dont-match') . '"', 'auth-done#2 reply "535 5.7.8 No"'], exit => 76, auths => 2,
    err => [qr/TLS connection which it sees is not this one.*Likely cause: somebody.*Remedy: /],
    also => sub { unlike($_[0]->server->dialogue, qr/ C: AUTH (?:PLAIN|SCRAM-SHA-256 )/, 'nothing weaker') };
check 'nor where the other binding is not known', auth => 'SCRAM-SHA-256-PLUS,SCRAM-SHA-256,PLAIN', exit => 76,
    rules => ['auth#2 reply "504 5.5.4 no"', 'auth-cont#2 reply "' . challenge('e=channel-bindings-dont-match') . '"', 'auth-done#1 reply "535 5.7.8 No"'],
    err => [qr/TLS connection which it sees is not this one/];
check 'a command for the password runs once', auth => 'SCRAM-SHA-256,PLAIN,LOGIN', rules => ['auth reply "504 5.5.4 no"'], exit => 77,
    host => {password => undef, 'password-command' => "echo x >>$dir/runs; echo '${\ PASSWORD}'"}, also => sub { is(slurp("$dir/runs"), "x\n", 'once') };
check 'what the smarthost proves is not shown', auth => 'SCRAM-SHA-256', argv => ['-v', 'b@example.net'], printed => 1, raw => 1, err => qr/334 \*\*\*/,
    err_not => qr/334 dj/;
check 'a refused password is not tried in another', auth => 'SCRAM-SHA-256-PLUS,SCRAM-SHA-256,SCRAM-SHA-1,PLAIN,LOGIN,CRAM-MD5', host => {password => 'another'},
    exit => 77, auths => 1, err => [qr/535/];
check 'an error of the smarthost is told', auth => 'SCRAM-SHA-256', rules => ['auth-cont#2 reply "' . challenge('e=no-resources') . '"', 'auth-done reply "454 4.7.0 Later"'],
    exit => 75, err => [qr/454 4\.7\.0 Later no-resources/];
check 'CRAM-MD5: a challenge that is none', auth => 'CRAM-MD5', rules => ['auth-cont reply "334 no base64"'], exit => 76,
    err => [qr/challenge is not base64.*Remedy: /];

# --- the smarthost that does not know the password, and the one whose offer is not what came here

for my $case (['a wrong signature', 'auth-cont#2 reply "' . challenge('v=' . encode_base64('x' x 32, '')) . '"'],
    ['a signature of another length', 'auth-cont#2 reply "' . challenge('v=QUJD') . '"'], ['no signature', 'auth-cont#2 reply "334 "'],
    ['no base64', 'auth-cont#2 reply "334 v=1"'], ['235 in place of a signature', 'auth-cont#2 reply "235 2.7.0 Welcome"'],
    ['235 in place of a challenge', 'auth-cont reply "235 2.7.0 Welcome"'],
    ['235 to an error', 'auth-cont#2 reply "' . challenge('e=other-error') . '"', 'auth-done reply "235 2.7.0 Welcome"']) {
	my ($name, @rules) = @$case;

	for my $mechanism (qw(SCRAM-SHA-256 SCRAM-SHA-256-PLUS)) {
		check "$mechanism: $name", auth => "$mechanism,PLAIN", rules => \@rules, exit => 76,
		    err => [qr/cannot sign in to 127\.0\.0\.1 by AUTH \Q$mechanism\E: .*(?:cannot prove|has not proved).*Remedy: /],
		    also => sub { unlike($_[0]->server->dialogue, qr/ C: (?:MAIL|AUTH PLAIN)/, 'nothing further was said') };
	}
}
for my $case (['no nonce of ours', 'r=other,s=QUJD,i=4096'], ['an extension', 'm=x,r=y,s=QUJD,i=4096'], ['nothing', '']) {
	my ($name, $text) = @$case;

	check "SCRAM: a challenge with $name", auth => 'SCRAM-SHA-1,PLAIN', rules => ['auth-cont reply "' . challenge($text) . '"'], exit => 76,
	    err => [qr/cannot sign in .* by AUTH SCRAM-SHA-1: .*challenge.*|extension/];
}
check 'an offer that somebody has made smaller', auth => 'SCRAM-SHA-256-PLUS,SCRAM-SHA-256', rules => ['ehlo#2 reply "250-x" "250 AUTH SCRAM-SHA-256"'],
    exit => 77, auths => 1, err => [qr/535/], also => sub { is_deeply(bindings($_[0]), ['client could'], 'the client says what it thinks') };
check 'and a smarthost that says so', auth => 'SCRAM-SHA-256', exit => 76, auths => 1,
    rules => ['auth-cont#2 reply "' . challenge('e=server-does-support-channel-binding') . '"'],
    err => [qr/channel binding.*Likely cause: somebody.*Remedy: /];
check "$_ iterations", auth => 'SCRAM-SHA-256', args => ['--scram-iterations', $_], log => {auth => 'SCRAM-SHA-256'} for 4096, 100000;
check 'too few iterations', auth => 'SCRAM-SHA-256,PLAIN', args => ['--scram-iterations', 4095], exit => 76,
    err => [qr/a proof from which the password could be guessed.*Remedy: set auth to another mechanism/];
check 'more iterations than a server can want', auth => 'SCRAM-SHA-256', args => ['--scram-iterations', 1000001], exit => 76,
    err => [qr/iterations/], limit => 120;

done_testing;
