# What became of a message: the exit status, the words and the log line for everything that a smarthost may say at each stage
# (CONTRACT section 6).
use lib 'tests/e2e/lib';
use E2E;

my %dialects = (
	'PIPELINING, CHUNKING' => [],
	'PIPELINING' => [ext => '-CHUNKING'],
	'CHUNKING' => [ext => '-PIPELINING'],
	'neither' => [ext => '-PIPELINING,-CHUNKING'],
);
my @dialects = sort keys %dialects;

# Words of a reply, a likely cause and a remedy, on one line.
sub explained
{
	my ($words) = @_;

	return qr/\A(?=.*\Q$words\E).*\. (?:Likely cause: \S.*\. )?Remedy: \S.*\.\z/;
}

# A refusal, in each dialect.
sub refusal
{
	my ($stage, $reply, $exit, %more) = @_;
	my $rule = delete $more{rule} // $stage;
	my @in = $more{in} ? @{delete $more{in}} : @dialects;

	for my $dialect (@in) {
		check "$stage: $reply ($dialect)", @{$dialects{$dialect}}, rules => ["$rule reply \"$reply\""], exit => $exit, sent => 0,
		    err => [explained($reply)], log => {status => 'failed', stage => $stage, why => qr/\Q$reply\E/, sent => 0}, %more;
	}
}

# --- success

for my $dialect (@dialects) {
	for my $auth (qw(PLAIN LOGIN)) {
		for my $tls (qw(starttls implicit)) {
			check "it goes well: $tls, AUTH $auth, $dialect", @{$dialects{$dialect}}, auth => $auth, tls => $tls,
			    log => {status => 'sent', stage => undef, reply => qr/^250 2\.0\.0 /, auth => $auth, user => USER, to => 'b@example.net',
				from => 'a@example.com', recipients => 1, sent => 1, tls => qr/^TLSv1\.3 /, smarthost => '127.0.0.1', failed => undef,
				msgid => '<1@example.com>', error => undef, uid => $>},
			    also => sub {
				my ($run) = @_;
				my ($message) = $run->server->messages;

				is($message->{env}{rcpt}[0], '<b@example.net>', 'recipient');
				(my $want = MESSAGE) =~ s/\n/\r\n/g;
				is($message->{data}, $want, 'the octets of the message');
				is_deeply([$run->server->auth], ["1 tls $auth " . ($auth eq 'PLAIN' ? 'authzid=[] ' : '') .
				    "user=[${\ USER}] password=[${\ PASSWORD}]"], 'the credentials');
			    };
		}
	}
}
check 'without AUTH and TLS', tls => 'none', user => undef, log => {status => 'sent', tls => undef, auth => undef};
check 'the reply to the dot may be of several lines', rules => ['dot reply "250-2.0.0 one" "250 2.0.0 two"'], sent => 1,
    log => {reply => qr/one.*two/};
check 'another 2xx is a yes too', rules => ['rcpt reply "251 2.1.5 will forward"', 'dot reply "260 ok"'], sent => 1;

# --- greeting, EHLO

my @one = ($dialects[0]);
refusal('banner', '421 4.3.2 Shutting down', 75, in => \@one);
refusal('banner', '450 4.7.1 Not now', 75, in => \@one);
refusal('banner', '554 5.7.1 No mail service here', 69, in => \@one);
refusal('banner', '521 I take no mail', 69, in => \@one);
refusal('ehlo', '421 4.7.0 Too many connections', 75, in => \@one);
refusal('ehlo', '450 4.7.1 Who are you', 75, in => \@one);
check 'ehlo: 5xx to EHLO and HELO', rules => ['ehlo reply "550 5.7.1 Access denied"', 'helo reply "550 5.7.1 Access denied again"'], exit => 69,
    err => [explained('550 5.7.1 Access denied again')], log => {stage => 'ehlo', why => qr/denied/};
check 'ehlo: 5xx to EHLO, HELO does', rules => ['ehlo reply "502 5.5.1 What?"'], tls => 'none', user => undef, exit => 0;
check 'ehlo: HELO has no STARTTLS, and nothing goes in clear', rules => ['ehlo reply "500 What?"'], exit => 76, auths => 0,
    err => [explained('does not offer STARTTLS')], log => {stage => 'starttls'};
check 'ehlo: HELO has no AUTH', tls => 'none', rules => ['ehlo reply "500 What?"'], exit => 77, auths => 0,
    err => [explained('does not offer AUTH')], log => {stage => 'auth'};
check 'ehlo: 5xx after TLS, and HELO too', rules => ['ehlo#2 reply "550 5.7.1 No"', 'helo reply "550 5.7.1 No"'], exit => 69,
    err => [explained('550 5.7.1 No')], log => {stage => 'ehlo'};

# --- STARTTLS

refusal('starttls', '454 4.7.0 TLS not available', 75, in => \@one, auths => 0);
refusal('starttls', '421 4.7.0 Bye', 75, in => \@one, auths => 0);
refusal('starttls', '502 5.5.1 Not implemented', 76, in => \@one, auths => 0);
check 'starttls: not offered', ext => '-STARTTLS', exit => 76, auths => 0, err => [explained('does not offer STARTTLS')],
    log => {stage => 'starttls'};

# --- AUTH

for my $case (['535 5.7.8 Username and Password not accepted', 77], ['550 5.7.30 Basic authentication is not supported', 77],
    ['534 5.7.9 Application-specific password required', 77], ['530 5.7.0 Must issue a STARTTLS command first', 77],
    ['538 5.7.11 Encryption required', 77], ['503 5.5.1 Already', 77], ['454 4.7.0 Temporary authentication failure', 75],
    ['421 4.7.0 Too many attempts', 75]) {
	my ($reply, $exit) = @$case;

	for my $auth (qw(PLAIN LOGIN)) {
		check "auth: $reply ($auth)", auth => $auth, rules => ["auth-done reply \"$reply\"", "auth@@{[$auth]} reply \"$reply\""], exit => $exit,
		    err => [explained($reply)], log => {stage => 'auth', why => qr/\Q$reply\E/, auth => $auth};
	}
}
check 'auth: a wrong password', host => {password => 'wrong'}, exit => 77, err => [qr/535 .*Likely cause: .*password/], err_not => qr/wrong\b(?! user)/,
    log => {stage => 'auth'}, also => sub {
	my ($run) = @_;
	is(scalar(grep { /^AUTH / } $run->server->commands), 1, 'a refused password is not tried in another mechanism');
	is(scalar(() = $run->server->auth), 1, 'nor sent again');
    };
check 'auth: 504 leads to the next mechanism', rules => ['auth@PLAIN reply "504 5.5.4 Unrecognized authentication type"'], exit => 0,
    log => {auth => 'LOGIN'};
check 'auth: 504 to all', rules => ['auth reply "504 5.5.4 Unrecognized authentication type"'], exit => 77,
    err => [explained('504 5.5.4 Unrecognized')], log => {stage => 'auth'};
check 'auth: not offered', args => ['--auth', ''], exit => 77, auths => 0, err => [explained('does not offer AUTH')], log => {stage => 'auth'};
check 'auth: nothing in common', rules => ['ehlo#2 reply "250-x" "250 AUTH GSSAPI NTLM"'], exit => 77, auths => 0,
    err => [explained('GSSAPI NTLM')], log => {stage => 'auth'};
check 'auth: the one asked for is not offered', auth => 'PLAIN', host => {auth => 'LOGIN'}, exit => 77, auths => 0,
    err => [explained('PLAIN')], log => {stage => 'auth'};
check 'auth: the one asked for', host => {auth => 'LOGIN'}, exit => 0, log => {auth => 'LOGIN'};
check 'auth: a 334 that has no end', rules => ['auth@PLAIN reply "334 "', 'auth-cont reply "334 "'], exit => 77, log => {stage => 'auth'}, violations => qr//;
check 'auth: 2xx that is not 235', rules => ['auth reply "250 ok"'], exit => 76, log => {stage => 'auth'};

# --- MAIL

refusal('mail', $_->[0], $_->[1]) for ['451 4.3.0 Try later', 75], ['452 4.3.1 Out of storage', 75], ['421 4.3.2 Closing', 75],
    ['550 5.7.60 Not allowed to send as this sender', 77], ['550 5.1.7 Invalid address', 77], ['552 5.3.4 Too large', 65], ['552 Too large', 65],
    ['553 5.7.1 Sender address rejected: not owned', 77], ['554 5.3.4 Message too big for system', 65], ['530 5.7.0 Must issue STARTTLS', 76],
    ['530 5.7.1 Client was not authenticated', 77], ['555 5.5.4 Unsupported option', 77], ['501 5.1.7 Bad sender address syntax', 77];

for my $ext ('-CHUNKING', '+CHUNKING') {
	check "mail: refused, and the recipient is taken nevertheless: no empty message ($ext)", ext => $ext, sent => undef,
	    rules => ['mail raw "550 5.7.1 No\r\n"', 'rcpt reply "250 2.1.5 Ok"', 'data reply "354 go"'], exit => 77, err => [explained('550 5.7.1 No')],
	    also => sub { unlike($_[0]->server->dialogue, qr/B: 0 octets/, 'no lone dot') };
}

# --- RCPT

refusal('rcpt', $_->[0], $_->[1]) for ['550 5.1.1 User unknown', 67], ['550 No such user', 67], ['551 5.1.6 User has moved', 67],
    ['553 5.1.3 Mailbox name not allowed', 67], ['554 5.1.1 No such user', 67], ['554 5.7.1 Relay access denied', 77],
    ['550 5.7.1 Relaying denied', 77], ['550 relay not permitted', 77], ['530 5.7.1 Authentication required', 77],
    ['554 Transaction failed', 69], ['555 5.5.4 Unknown parameter', 69], ['552 5.2.2 Mailbox full', 75], ['450 4.2.0 Greylisted', 75],
    ['451 4.3.0 Local error', 75], ['452 4.2.2 Mailbox full', 75], ['421 4.3.2 Closing', 75];

for my $dialect (@dialects) {
	check "one of four is refused, three get it ($dialect)", @{$dialects{$dialect}}, argv => [map { "$_\@example.net" } qw(a b c d)],
	    rules => ['rcpt@c@example.net reply "550 5.1.1 No such user here"'], exit => 67, sent => 1,
	    err => [qr/<c\@example\.net>.*550 5\.1\.1 No such user here.*Likely cause: .*Remedy: /], err_not => qr/<[abd]\@/,
	    log => {status => 'partial', stage => 'rcpt', sent => 3, recipients => 4, to => 'a@example.net,b@example.net,d@example.net',
		failed => 'c@example.net', reply => qr/^250 /},
	    also => sub {
		is_deeply([map { /<(.)@/ } @{($_[0]->server->messages)[0]{env}{rcpt}}], [qw(a b d)], 'the others got it');
	    };
	check "all are refused: nothing is sent ($dialect)", @{$dialects{$dialect}}, argv => [map { "$_\@example.net" } qw(a b)],
	    rules => ['rcpt reply "550 5.1.1 No such user"'], exit => 67, sent => 0, err => [qr/<a\@/, qr/<b\@/],
	    log => {status => 'failed', sent => 0};
	check "all are refused, and DATA is taken nevertheless ($dialect)", @{$dialects{$dialect}}, argv => ['a@example.net'],
	    rules => ['rcpt reply "550 5.1.1 No such user"', 'data reply "354 go"', 'bdat reply "250 ok"'], exit => 67, sent => 0,
	    err => [qr/<a\@/], log => {status => 'failed', sent => 0}, violations => qr//;
	check "too many recipients: the rest follow ($dialect)", @{$dialects{$dialect}}, argv => [map { "r$_\@example.net" } 1 .. 25],
	    rules => ['rcpt#11- reply "452 4.5.3 Too many recipients"'], sent => 3, log => {status => 'sent', sent => 25},
	    also => sub {
		my @to = map { @{$_->{env}{rcpt}} } $_[0]->server->messages;

		is_deeply([sort @to], [sort map { "<r$_\@example.net>" } 1 .. 25], 'each of them once');
	    };
	check "too many recipients as it was said before ($dialect)", @{$dialects{$dialect}}, argv => [map { "r$_\@example.net" } 1 .. 5],
	    rules => ['rcpt#4- reply "552 Too many recipients"'], sent => 2, log => {status => 'sent', sent => 5};
	check "452 to the very first is a failure ($dialect)", @{$dialects{$dialect}}, argv => [map { "r$_\@example.net" } 1 .. 3],
	    rules => ['rcpt reply "452 4.5.3 Too many recipients"'], exit => 75, err => [(explained('452 4.5.3')) x 3];
}
check '1,500 recipients, a hundred at a time', argv => [map { "r$_\@example.net" } 1 .. 1500],
    rules => ['rcpt#101- reply "452 4.5.3 Too many recipients"'], sent => 15, log => {status => 'sent', sent => 1500, recipients => 1500},
    also => sub {
	my %to = map { $_ => 1 } map { @{$_->{env}{rcpt}} } $_[0]->server->messages;
	is(scalar keys %to, 1500, 'each of them');
    };

# --- DATA, the end of the message

refusal('data', $_->[0], $_->[1], in => ['PIPELINING', 'neither']) for ['451 4.3.0 Try later', 75], ['421 4.3.2 Closing', 75],
    ['552 5.3.4 Too large', 65], ['554 5.6.1 Content not supported', 65], ['554 5.5.1 No valid recipients', 69], ['550 5.7.1 Spam', 69],
    ['503 5.5.1 Bad sequence', 69];
refusal('dot', $_->[0], $_->[1]) for ['451 4.3.0 Try later', 75], ['421 4.3.2 Closing', 75], ['452 4.3.1 No room', 75], ['552 5.3.4 Too large', 65],
    ['552 Too large', 65], ['554 5.6.0 Malformed', 65], ['550 5.6.1 8-bit', 65], ['554 5.7.1 Message rejected as spam', 69],
    ['550 5.7.1 From is not yours', 69], ['554 Transaction failed', 69];
check 'dot: all recipients are named in the log when the message is refused', argv => ['a@example.net', 'b@example.net'],
    rules => ['dot reply "554 5.7.1 Spam"'], exit => 69, log => {failed => 'a@example.net,b@example.net', sent => 0};
check 'the end of one transaction counts when the next is refused', argv => [map { "r$_\@example.net" } 1 .. 4], exit => 75, sent => 1,
    rules => ['rcpt#3- reply "452 4.5.3 Too many recipients"', 'mail#2 reply "451 4.3.0 Later"'],
    err => [explained('451 4.3.0 Later')], log => {sent => 2, to => 'r1@example.net,r2@example.net', failed => 'r3@example.net,r4@example.net'};

# --- the refusals of real servers

open my $tsv, '<', top() . '/tests/data/dialects/refusals.tsv' or die "refusals.tsv: $!";
while (<$tsv>) {
	next if /^#/;
	chomp;
	my ($stage, $exit, undef, $reply) = split /\t/;
	next if $stage eq 'connect';
	for my $at ($stage eq 'any' ? qw(banner ehlo starttls auth mail rcpt dot) : $stage) {
		check "real words, $at: $reply", rules => ["$at reply \"$reply\"", "helo reply \"$reply\""], exit => $exit, sent => 0,
		    err => [explained($reply)], log => {stage => $at, why => qr/\Q$reply\E/};
	}
}

# --- 421 and the connection lost, at every stage

my @stages = (['banner', 'banner'], ['ehlo', 'ehlo'], ['starttls', 'starttls'], ['auth', 'auth@PLAIN'], ['auth', 'auth-cont', auth => 'LOGIN'],
    ['auth', 'auth-done', auth => 'LOGIN'], ['mail', 'mail'], ['rcpt', 'rcpt'], ['data', 'data', ext => '-CHUNKING'], ['dot', 'dot'],
    ['dot', 'dot', ext => '-CHUNKING']);
for (@stages) {
	my ($stage, $rule, @more) = @$_;

	check "421 and gone at $rule @more", @more, rules => ["$rule reply \"421 4.3.2 Shutting down\" close"], exit => 75, sent => 0,
	    err => [explained('421 4.3.2 Shutting down')], log => {status => 'failed', stage => $stage};
	for my $how (qw(close reset)) {
		check "$how at $rule @more", @more, rules => ["$rule $how"], exit => 75, sent => 0,
		    err => [qr/\A.*\. Likely cause: .* Remedy: /], log => {status => 'failed', stage => qr/./};
	}
	check "cut in the middle of the reply at $rule @more", @more, rules => ["$rule reply \"250-2.0.0 not all of it\" \"250 2.0.0 Ok\" cut 20"],
	    exit => 75, sent => $stage eq 'dot' ? undef : 0, log => {status => 'failed', stage => $stage};
}
check "lost at connect ($_)", rules => ["connect $_"], exit => 75, log => {stage => qr/^(?:banner|connect)$/} for qw(close reset);
check "lost in the handshake ($_)", rules => ["tls $_"], exit => 75, auths => 0, log => {stage => 'tls'} for qw(close reset);
check "lost within the message ($_->[0])", ext => $_->[0], stdin => MESSAGE . "x" x 70 . "\n" x 200000, args => ['--cut-after', 100000], exit => 75,
    sent => 0, log => {stage => qr/^(?:data|dot)$/} for ['-CHUNKING'], ['+CHUNKING'];
check 'nothing listens', host => {port => 1}, exit => 75, err => [qr/cannot connect to 127\.0\.0\.1 port 1: .*refused.*Likely cause: .*Remedy: /],
    log => {stage => 'connect', smarthost => '127.0.0.1', port => 1};
check 'what is refused after the message has been taken does not matter', rules => ['quit reply "500 What?"'], exit => 0;
check 'lost after the message has been taken', rules => ['quit close'], exit => 0;

# --- nonsense

for my $nonsense (['text', 'hello there\r\n'], ['a code of two digits', '25 ok\r\n'], ['a code of four digits', '2500 ok\r\n'],
    ['a class that does not exist', '650 ok\r\n'], ['an underscore', '250_ok\r\n'], ['an empty line', '\r\n'], ['NUL', '\0\0\0\0\r\n'],
    ['the code changes', '250-one\r\n251 two\r\n'], ['HTTP', 'HTTP/1.1 400 Bad Request\r\n\r\n'], ['a blank before the code', ' 250 ok\r\n']) {
	my ($name, $octets) = @$nonsense;

	for my $stage (qw(banner ehlo starttls auth mail rcpt dot)) {
		check "nonsense at $stage: $name", rules => ["$stage raw \"$octets\""], ext => '-CHUNKING', exit => 76, sent => $stage eq 'dot' ? undef : 0,
		    err => [qr/\A.*\. Likely cause: .* Remedy: /], log => {status => 'failed', stage => $stage};
	}
}
for my $lost (['raw "2500 ok\r\n"', 76], ['raw "250-2.0.0 Ok\r\n" close', 75], ['close', 75]) {
	for my $stage (qw(mail rcpt dot)) {
		check "the message went along, and the answer at $stage tells nothing: $lost->[0]", rules => ["$stage $lost->[0]"], exit => $lost->[1],
		    sent => undef, err => [qr/it may have taken the message or not/], log => {status => 'failed', stage => $stage};
	}
}
for my $wrong (['banner', '354 go'], ['starttls', '250 ok'], ['starttls', '354 go'], ['mail', '354 go'], ['rcpt', '354 go'], ['dot', '354 go']) {
	check "a reply of the wrong class: $wrong->[0] $wrong->[1]", ext => '-CHUNKING', rules => ["$wrong->[0] reply \"$wrong->[1]\""], exit => 76,
	    sent => 0, log => {stage => $wrong->[0]}, violations => qr//;
}
check '250 to DATA is no go-ahead', ext => '-CHUNKING', rules => ['data reply "250 ok"'], exit => 76, sent => 0, log => {stage => 'data'};
for my $stage (qw(banner ehlo starttls auth mail rcpt dot)) {
	check "a line of a million octets at $stage", ext => '-CHUNKING', rules => ["$stage flood 1000000"], exit => 76,
	    sent => $stage eq 'dot' ? undef : 0, log => {stage => $stage};
	check "lines without end at $stage", ext => '-CHUNKING', rules => ["$stage flood-lines 0"], exit => 76,
	    sent => $stage eq 'dot' ? undef : 0, log => {stage => $stage};
}

# --- several fates: 78 77 76 65 67 69 68 75

for my $case ([67, '550 5.1.1 No', '451 4.3.0 Later'], [77, '550 5.7.1 Relaying denied', '550 5.1.1 No'], [69, '554 No', '450 4.2.0 Later'],
    [67, '554 No', '550 5.1.1 No'], [77, '450 4.2.0 Later', '530 5.7.0 Sign in']) {
	my ($exit, $first, $second) = @$case;

	for my $turn ([$first, $second], [$second, $first]) {
		check "fates: $turn->[0], $turn->[1]", argv => ['a@example.net', 'b@example.net', 'c@example.net'], exit => $exit, sent => 1,
		    rules => ["rcpt\@a\@example.net reply \"$turn->[0]\"", "rcpt\@b\@example.net reply \"$turn->[1]\""],
		    err => [explained($turn->[0]), explained($turn->[1])], log => {status => 'partial', sent => 1, failed => 'a@example.net,b@example.net'};
	}
}
check 'fates: an address in the header that is none, and a refused recipient', argv => ['-t'],
    stdin => "From: a\@example.com\nTo: b\@example.net, c d\@example.net, e\@example.net\n\nx\n", exit => 65, sent => 1,
    rules => ['rcpt@e@example.net reply "550 5.1.1 No"'], err => [qr/c d\@example\.net/, explained('550 5.1.1 No')], log => {status => 'partial'};
check 'fates: an address in the header that is none, and a relay refused', argv => ['-t'],
    stdin => "From: a\@example.com\nTo: b\@example.net, c d\@example.net, e\@example.net\n\nx\n", exit => 77, sent => 1,
    rules => ['rcpt@e@example.net reply "554 5.7.1 Relay access denied"'], log => {status => 'partial'};
check 'fates: the message is refused for those who were taken', argv => ['a@example.net', 'b@example.net'], exit => 67, sent => 0,
    rules => ['rcpt@a@example.net reply "550 5.1.1 No"', 'dot reply "451 4.3.0 Later"'], err => [explained('451 4.3.0 Later'), explained('550 5.1.1 No')],
    log => {status => 'failed', sent => 0};

# --- text from the server never reaches a terminal or a log as it is

my %refused = (banner => 69, ehlo => 69, mail => 77, rcpt => 67, dot => 69, 'auth-done' => 77);
for my $stage (sort keys %refused) {
	for my $verbose ([], ['-v']) {
		check "hostile text at $stage @$verbose", auth => $stage eq 'auth-done' ? 'LOGIN' : 'PLAIN',
		    rules => ["$stage raw \"550 5.1.1 \\x1b[31mred\\x07 \\xff\\xfe\\x80 \\x9b1m \\\" status=sent x=\\\"y\\r\\n\"", 'helo raw "550 \x1b[31mred\r\n"'],
		    argv => [@$verbose, 'b@example.net'], exit => $refused{$stage}, sent => 0, err => qr/red/, log => {status => 'failed', x => undef};
		check "a CR in the text at $stage @$verbose", auth => $stage eq 'auth-done' ? 'LOGIN' : 'PLAIN',
		    rules => ["$stage raw \"550 5.1.1 first\\rsendmail: second\\x0bthird\\x0cfourth\\xc2\\x85fifth\\xe2\\x80\\xa8sixth\\r\\n\"", 'helo reply "550 first"'],
		    argv => [@$verbose, 'b@example.net'], exit => $refused{$stage}, sent => 0, err => qr/first/, err_not => qr/^(?:sendmail: )?(?:second|third|fourth|fifth|sixth)/m;
	}
}
check 'hostile text in success', rules => ['dot raw "250 2.0.0 \x1b]0;x\x07 \" status=failed\r\n"'], exit => 0, log => {status => 'sent', reply => qr/033/};

# --- the password is told nowhere, also not when the server tells it

my $user = USER;
my $password = PASSWORD;
my %echo = (
	PLAIN => [MIME::Base64::encode_base64("\0$user\0$password", ''), $password],
	LOGIN => [MIME::Base64::encode_base64($password, ''), $password],
);
for my $auth (sort keys %echo) {
	my $rule = $auth eq 'PLAIN' ? 'auth' : 'auth-done';

	for my $echo (@{$echo{$auth}}) {
		for my $form ("reply \"535 5.7.8 what is $echo ?\"", "reply \"535-5.7.8 one $echo\" \"535 5.7.8 $echo\"", "raw \"$echo\\r\\n\"",
		    "reply \"454 4.7.0 $echo$echo\"", "raw \"535 5.7.8 \\x1b$echo\\r\\n\"") {
			check "the password in the reply to AUTH $auth: $form", auth => $auth, argv => ['-v', 'b@example.net'], rules => ["$rule $form"],
			    exit => $form =~ /raw "[^5]/ ? 76 : $form =~ /454/ ? 75 : 77, sent => 0;
		}
	}
	check "the password and -v, AUTH $auth", auth => $auth, argv => ['-v', 'b@example.net'], exit => 0, printed => 1, err => qr/AUTH $auth/;
}
my $cmdline = '';
check 'the password is not among the arguments', rules => ['dot delay 300'], watch => sub { $cmdline .= slurp("/proc/$_[0]/cmdline") },
    also => sub { like($cmdline, qr/b\@example\.net/, 'the arguments were seen'); unlike($cmdline, qr/\Q$password\E/, 'without it'); };

done_testing;
