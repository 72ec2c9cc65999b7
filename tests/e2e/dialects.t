# Servers as they were met: the recorded dialogues (tests/data/dialects) spoken to our client by the smarthost, and refusals in the words of
# real servers, each with its exit status, the words themselves, the cause and the remedy.
use strict;
use warnings;
use lib 'tests/e2e/lib';
use E2E;

my $data = top() . '/tests/data/dialects';

# --- dialogues ---------------------------------------------------------------------------------------------------------------------------

# What the smarthost's side of a record says, by code.
sub read_dialogue
{
	my ($path) = @_;
	my %d = (path => $path, text => slurp($path));

	$d{$1} = $2 while $d{text} =~ /^@ (\S+) (.*)$/mg;
	($d{greeting}) = $d{text} =~ /^S: (220 .*)$/m;
	return \%d;
}

# What is particular about each.
my %more = (
	'exchange-2007' => {argv => ['-N', 'success,failure', '-f', 'chris@contoso.com', 'kate@fabrikam.com'], also => sub {
		my ($run) = @_;
		my ($rcpt) = grep { /^RCPT/ } $run->server->commands;

		like($rcpt, qr/ NOTIFY=SUCCESS,FAILURE\b/i, 'NOTIFY goes along');
		is($run->log->{auth}, undef, 'no AUTH');
		like(($run->server->messages)[0]{env}{by}[0], qr/^BDAT/, 'CHUNKING is offered and used, though the record has DATA');
	}},
	'qmail' => {also => sub {
		my ($run) = @_;

		is(join(' ', map { /^(\S+)/ } ($run->server->commands)[0 .. 2]), 'EHLO HELO MAIL', 'HELO after EHLO');
		unlike($run->server->dialogue, qr/ (?:BODY|SIZE|NOTIFY)=/, 'no parameter');
		like($run->log->{reply}, qr/qp 85712/, 'its number is in the log');
	}},
	'submission-plain' => {also => sub { like(join("\n", $_[0]->server->auth), qr/ PLAIN .*user=\[user\] password=\[password\]/, 'PLAIN') }},
	'submission-login' => {also => sub { like(join("\n", $_[0]->server->auth), qr/ LOGIN .*user=\[user\] password=\[password\]/, 'LOGIN') }},
	'exim-4.50' => {also => sub { is(join(' ', map { /^(\S+)/ } ($_[0]->server->commands)[0 .. 2]), 'EHLO HELO MAIL', 'HELO after EHLO') }},
	'sendmail-8.13' => {},
);

my @dialogues = glob "$data/*.dialogue";
is(join(' ', map { m{([^/]+)\.dialogue\z} } @dialogues), join(' ', sort keys %more), 'all dialogues are here');
for my $path (@dialogues) {
	my ($name) = $path =~ m{([^/]+)\.dialogue\z};
	my $d = read_dialogue($path);
	my %o = %{$more{$name} // {}};
	my $also = delete $o{also};

	check("dialogue: $name", tls => 'none', user => $d->{user}, defined $d->{password} ? (password => $d->{password}) : (), args => ['--replay', $path], exit => $d->{exit},
	    argv => ['b@example.net'], %o, also => sub {
		my ($run) = @_;
		my ($message) = $run->server->messages;

		is($message->{data}, MESSAGE =~ s/\n/\r\n/gr, 'the message, byte for byte');
		like($run->server->dialogue, qr/ S: \Q$d->{greeting}\E$/m, 'it was that server');
		is($run->log->{auth}, $d->{auth}, 'AUTH');
		$also->($run) if $also;
	});
}

# --- refusals ----------------------------------------------------------------------------------------------------------------------------

# What a person has to read of each row's cause: words of cause and remedy.
my %words = (
	'connect -' => [qr/down|firewall|port/i, qr/587|host and port|check/i],
	'501 5.5.4' => [qr/characters|restricts/i, qr/hostname/],
	'504 5.5.2' => [qr/full name/i, qr/hostname/],
	'530 5.7.1' => [qr/sign in|anonymous/i, qr/user and password/],
	'530 5.7.0' => [qr/tls is "none"|TLS/, qr/starttls/],
	'550 5.1.7' => [qr/sender/i, qr/from|-f/],
	'553 5.7.1' => [qr/sender/i, qr/from.*override-from/],
	'550 5.1.1' => [qr/no such recipient/i, qr/check the address/i],
	'554 5.7.1 Relay' => [qr/sign in/i, qr/user and password/],
	'452 4.5.3' => [qr/too many/i, qr/later/],
	'450 4.2.0' => [qr/greylist|second try/i, qr/again/],
	'535 5.7.8' => [qr/wrong user or password.*app password.*switched off/i, qr/check user and password/],
	'550 5.7.30' => [qr/Exchange Online/, qr/OAuth 2\.0/],
	'454 4.7.0' => [qr/own trouble/, qr/again/],
	'504 5.5.4' => [qr/mechanism/, qr/auth/],
	'552 5.3.4' => [qr/too large/, qr/smaller|limit/],
	'554 5.7.1 Message' => [qr/spam/, qr/subject|text|From/],
	'421 4.3.2' => [qr/shutting down|overloaded/, qr/again/],
	'421 4.7.0' => [qr/limit/, qr/wait/],
);

my @rows = map { [split /\t/] } grep { /\t/ && !/^#/ } split /\n/, slurp("$data/refusals.tsv");
cmp_ok(scalar @rows, '>=', 19, 'the rows are here');

# One row at one stage.
sub refusal
{
	my ($stage, $status, $reply) = @_;
	my ($key) = grep { index($reply, $_) == 0 } sort { length $b <=> length $a } keys %words;
	my ($cause, $remedy) = @{$words{$key}};
	my ($code, $text) = $reply =~ /^(\d+) \S+ (.*)/;
	my @rules = map { "$_ reply \"$reply\"" . ($code == 421 ? ' close' : '') } $stage, $stage eq 'ehlo' ? 'helo' : ();	# EHLO refused is followed by HELO
	my %o = (rules => \@rules, exit => $status, tls => $reply =~ /STARTTLS/ ? 'none' : 'starttls', auth => 'PLAIN');

	$o{ext} = '-CHUNKING' if $stage eq 'data';
	check("$stage: $reply", %o, err => [qr/^sendmail: .*\b$code\b.*\Q$text\E.*Likely cause: .*$cause.*Remedy: .*$remedy/],
	    log => {status => 'failed', why => qr/\Q$text\E/}, sent => 0);
}

for (@rows) {
	my ($stage, $status, $said, $reply) = @$_;

	ok(scalar(grep { index($stage eq 'connect' ? "$stage $reply" : $reply, $_) == 0 } keys %words), "what is to be read of \"$reply\" is known here") or next;
	if ($stage eq 'connect') {
		my $server = smarthost(tls => 'none', user => undef);
		my $port = $server->port;
		my ($cause, $remedy) = @{$words{'connect -'}};

		$server->stop;
		check('connect: nobody is there', server => 0, conf => conf({log => '@LOG@', domain => 'example.com'}, "smarthost 'h' {\nhost = '127.0.0.1'\nport = $port\ntls = 'none'\n}\n"),
		    exit => $status, err => [qr/^sendmail: .*(?:refused).*Likely cause: .*$cause.*Remedy: .*$remedy/], log => {status => 'failed', stage => 'connect'});
	} elsif ($stage eq 'any') {
		refusal($_, $status, $reply) for qw(banner ehlo starttls auth mail rcpt data bdat dot);
	} else {
		refusal($stage, $status, $reply);
	}
}

# 504 to AUTH: the next mechanism is tried where there is one.
check('504 to one mechanism: the next', auth => 'PLAIN,LOGIN', rules => ['auth@PLAIN reply "504 5.5.4 Unrecognized authentication type"'], also => sub {
	is($_[0]->log->{auth}, 'LOGIN', 'LOGIN it was');
});
# Too many recipients: the rest go in another transaction, and nothing is told.
check('452 to the second recipient', argv => ['b@example.net', 'c@example.net'], rules => ['rcpt#2- reply "452 4.5.3 Too many recipients"'], sent => 2);

done_testing;
