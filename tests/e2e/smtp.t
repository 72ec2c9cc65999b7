# The client's side of SMTP as it is seen on the wire: the name in EHLO, HELO in its place, which
# extensions are used and which are not, 421 wherever it may come, too many recipients, what may stand
# between the client and TLS (CONTRACT section 5). What replies may look like is in replies.t.
use strict;
use warnings;
use lib 'tests/e2e/lib';
use E2E;

my %plain = (tls => 'none', user => undef);
my @dialects = map { my $p = $_; map { "${p}PIPELINING,${_}CHUNKING" } '+', '-' } '+', '-';
my ($ehlo, $helo) = ('EHLO client.example.com', 'HELO client.example.com');
my @secure = ($ehlo, 'STARTTLS', $ehlo);
my @bare = ('MAIL FROM:<a@example.com>', 'RCPT TO:<b@example.net>', 'DATA');
my @full = (qr/MAIL FROM:<a\@example\.com> SIZE=\d+/, 'RCPT TO:<b@example.net>', qr/BDAT \d+ LAST/);
my $eight = MESSAGE . "\xc3\xa4\n";
my $foreign = "j\xc3\xb6rg\@example.net";

# What the client said; without QUIT, whose answer it does not wait for, and without credentials.
sub said
{
	my ($run) = @_;

	return join "\n", map { s/^(AUTH \S+) .*/$1/r } grep { $_ ne 'QUIT' } $run->server->commands;
}

# What was said has to be these lines, each as it stands or a pattern.
sub says
{
	my ($name, $want, %o) = @_;
	my $also = delete $o{also};
	my $lines = join '\n', map { ref ? $_ : quotemeta } @$want;

	check $name, %o, also => sub {
		like(said($_[0]), qr/\A$lines\z/, 'what was said');
		$also->($_[0]) if $also;
	};
}

# The letters of the recipients of each message that arrived: "ab c".
sub reached
{
	my ($run) = @_;

	return join ' ', map { join '', map { /^<(.)@/ } @{$_->{env}{rcpt}} } $run->server->messages;
}

sub people { return map { "$_\@example.net" } split //, $_[0] }

# --- EHLO is refused: HELO, and nothing that EHLO would have offered

for my $code (qw(500 501 502 504 554)) {
	says "EHLO refused with $code", [$ehlo, $helo, @bare], %plain, rules => ["ehlo reply \"$code what\""],
	    stdin => MESSAGE . "..dots\n.\n", argv => ['-i', '-N', 'success', '-V', 'id', 'b@example.net'],
	    log => {status => 'sent', dropped => 'DSN'}, also => sub {
		my ($message) = $_[0]->server->messages;

		is($message->{env}{ehlo}[0], $helo, 'it was HELO');
		like($message->{data}, qr/\r\n\r\nHello\r\n\.\.dots\r\n\.\r\n\z/, 'the dots are as they were');
	    };
}
my @no_ehlo = (rules => ['ehlo reply "502 what"']);
my @no_ehlo_in_tls = (rules => ['ehlo#2 reply "502 5.5.1 what"']);

says 'EHLO refused, 8-bit', [$ehlo, $helo, @bare], %plain, @no_ehlo, stdin => $eight, also => sub {
	is(($_[0]->server->messages)[0]{env}{content}[0], '7bit', 'no octet above 127');
};
says 'EHLO refused, and SMTPUTF8 is needed', [$ehlo, $helo], %plain, @no_ehlo, argv => [$foreign],
    exit => 65, err => [qr/SMTPUTF8/];
says 'EHLO refused within TLS: what it said in clear is no offer', [@secure, $helo, @bare], user => undef,
    @no_ehlo_in_tls, log => {tls => qr/^TLSv1/};
says 'EHLO refused within TLS, and there is a password', [@secure, $helo], @no_ehlo_in_tls,
    args => ['--auth-clear', 'PLAIN'], exit => 77, auths => 0, err => [qr/does not offer AUTH/];
says 'EHLO refused within TLS, and REQUIRETLS is asked for', [@secure, $helo], user => undef, @no_ehlo_in_tls,
    ext => '+REQUIRETLS', argv => ['-Orequiretls=yes', 'b@example.net'], exit => 69, err => [qr/REQUIRETLS/];
for my $reply ('450 4.7.1 later', '421 4.3.2 bye') {
	says "EHLO refused, and HELO: $reply", [$ehlo, $helo], %plain, exit => 75, log => {stage => 'ehlo'},
	    rules => ['ehlo reply "502 what"', "helo reply \"$reply\""], err => [qr/\Q$reply\E.*Remedy: /];
}
check 'EHLO refused, and nobody is there for HELO: that refusal is told', %plain, exit => 69,
    rules => ['ehlo reply "554 5.7.1 you are listed" close'], err => [qr/554 5\.7\.1 you are listed/];
for my $lines ('"250 hi"', '"250 PIPELINING CHUNKING SIZE 1"', '"250-hi" "250 SIZE\0 1"',
    '"250-hi" "250-XPIPELINING" "250-CHUNKINGX" "250- SIZE 1" "250-" "250 8BITMIME-X"') {
	says "EHLO answered, but no extension is offered: $lines", [$ehlo, @bare], %plain,
	    rules => ["ehlo reply $lines"];
}

# --- the name in EHLO: the host's where it is a full one, else the literal of our own side

sub on_host
{
	my ($name) = @_;
	my $named = 'echo "$1" >/proc/sys/kernel/hostname && shift && exec "$@"';

	return (%plain, top => {hostname => undef}, wrap => ['unshare', '-u', 'sh', '-c', $named, 'sh', $name]);
}

SKIP: {
	skip 'no namespace to be had', 1 if !can_unshare();

	says 'a host with a full name', ['EHLO h1.example.org', @full], on_host('h1.example.org');
	for my $name (qw(h1 h_1.example.org h1. .example.org h1..example.org -h1.example.org)) {
		says "a host whose name is no full one: $name", ['EHLO [127.0.0.1]', @full], on_host($name);
	}
	for my $case (['127.0.0.1', '127.0.0.1:0', '[127.0.0.1]'], ['::1', '[::1]:0', '[IPv6:::1]']) {
		my ($address, $listen, $literal) = @$case;
		my @there = (on_host('h1'), args => ['--listen', $listen], host => {host => $address});

		says "from $address", ["EHLO $literal", @full], @there;
		says "from $address, HELO", ["EHLO $literal", "HELO $literal", @bare], @there, @no_ehlo;
	}
}

# --- what is offered, in all its spellings

my @small = ('pipelining', 'size 100000', '8bitmime', 'dsn', 'auth plain login', 'chunking');
my $mail = qr/MAIL FROM:<a\@example\.com> SIZE=\d+ BODY=8BITMIME ENVID=id/;
says 'keywords in small letters', [$ehlo, 'AUTH PLAIN', $mail, qr/RCPT .* ORCPT=\S+/, qr/BDAT \d+ LAST/],
    tls => 'none', stdin => $eight, argv => ['-V', 'id', 'b@example.net'],
    rules => ['ehlo reply "250-hi" ' . join(' ', map { "\"250-$_\"" } @small) . ' "250 x"'];
says 'starttls in small letters', [@secure, @full], user => undef,
    rules => ['ehlo#1 reply "250-hi" "250 starttls"'];
for my $case (['AUTH=LOGIN', '', 'LOGIN'], ['AUTH=LOGIN', 'PLAIN', 'PLAIN'],
    ['AUTH=LOGIN PLAIN', 'LOGIN', 'PLAIN'], ['AUTH=', 'LOGIN', 'LOGIN']) {
	my ($old, $new, $used) = @$case;

	check "$old, AUTH $new", ext => "+$old", auth => $new, log => {status => 'sent', auth => $used};
}
for my $item ('AUTH', 'AUTH=', 'AUTH PLAINX XLOGIN', 'XAUTH PLAIN') {
	check "no mechanism: $item", ext => "+$item", auth => '', exit => 77, auths => 0,
	    err => [qr/cannot sign in/], log => {stage => 'auth'};
}

my $length = length MESSAGE =~ s/\n/\r\n/gr;
for my $size ('SIZE', 'SIZE 0', 'SIZE 00', 'SIZE 99999999999999999999999', "SIZE $length") {
	says "$size: no limit, or none that counts", [$ehlo, "$bare[0] SIZE=$length", @bare[1, 2]], %plain,
	    ext => $size;
}
says 'SIZE: one octet less', [$ehlo], %plain, ext => 'SIZE ' . ($length - 1), exit => 65,
    err => [qr/too large.* $length octets.*Remedy: /];
says 'SIZE: it fits as it is, but not as it would have to be sent', [$ehlo], %plain, ext => 'SIZE 700',
    stdin => MESSAGE . "\xc3\xa4" x 200 . "\n", exit => 65, err => [qr/too large/];
says 'SIZE counts no dots that are doubled', [$ehlo, $full[0], @bare[1, 2]], %plain, ext => 'SIZE 1000',
    argv => ['-i', 'b@example.net'], stdin => MESSAGE . ".\n" x 280, also => sub {
	my ($message) = $_[0]->server->messages;

	like($message->{env}{mail}[0], qr/ SIZE=${\ length $message->{data}}\z/, 'the octets of the message');
};

# The answer to EHLO may be longer than what is kept of it: what was cut counts as not said, least of all
# as something else.
sub long_offer
{
	my ($kept, $cut) = @_;
	my $left = 16384 - 1 - length "hi\n$kept";	# REPLY_TEXT_MAX
	my @fill = map { 'X' . 'x' x 398 } 1 .. int $left / 400 - 1;

	push @fill, 'Y' x ($left - 400 * @fill - 1);
	return 'ehlo reply "250-hi" ' . join ' ', (map { "\"250-$_\"" } @fill), "\"250 $kept$cut\"";
}
says 'a long offer is cut in the midst of a limit', [$ehlo, qr/MAIL .*/, @bare[1, 2]], %plain,
    rules => [long_offer('SIZE 10', '0000')];
says 'a long offer is cut in the midst of a word', [$ehlo, @bare], %plain,
    rules => [long_offer('CHUNKING', '-NOT')];

# --- an offer is forgotten when another takes its place

my $everything = 'PIPELINING,8BITMIME,SMTPUTF8,DSN,CHUNKING,REQUIRETLS';
my @dsn = (stdin => $eight, argv => ['-N', 'success', 'b@example.net']);
says 'all in clear, nothing within TLS', [@secure, 'AUTH PLAIN', $ehlo, @bare], ext => "$everything,SIZE 1",
    ext_tls => '', args => ['--auth-clear', 'LOGIN'], auth => 'PLAIN', @dsn, log => {dropped => 'DSN'};
says 'nothing in clear, all within TLS', [@secure, 'AUTH PLAIN', qr/MAIL .* BODY=8BITMIME/,
    qr/RCPT .* NOTIFY=SUCCESS .*/, qr/BDAT .*/], ext => '', ext_tls => $everything, @dsn;
says 'AUTH in clear, but not within TLS', [@secure], args => ['--auth-clear', 'PLAIN,LOGIN'], auth => '',
    exit => 77, auths => 0, err => [qr/does not offer AUTH/];
says 'REQUIRETLS in clear, but not within TLS', [@secure, 'AUTH PLAIN', $ehlo], ext => '+REQUIRETLS',
    ext_tls => '-REQUIRETLS', argv => ['-Orequiretls=yes', 'b@example.net'], exit => 69, err => [qr/REQUIRETLS/];
says 'SMTPUTF8 in clear, but not within TLS', [@secure, 'AUTH PLAIN', $ehlo], ext_tls => '-SMTPUTF8', exit => 65,
    argv => [$foreign], err => [qr/SMTPUTF8/];
# RFC 4954 section 4: after AUTH without a security layer there need not be another EHLO. Who lacks something asks
# once more, for some offer more to those who have signed in.
says 'nothing before AUTH, all after it', [@secure, 'AUTH PLAIN', $ehlo, qr/MAIL .* BODY=8BITMIME/, qr/RCPT .*/,
    qr/BDAT .*/], ext => '', ext_auth => $everything, stdin => $eight;
says 'all after AUTH, and nothing of it is needed', [@secure, 'AUTH PLAIN', @bare], ext => '', ext_auth => $everything;
says 'a limit that is higher after AUTH', [@secure, 'AUTH PLAIN', $ehlo, qr/MAIL .* SIZE=\d+/, qr/RCPT .*/, qr/BDAT .*/],
    ext => 'CHUNKING,SIZE 20', ext_auth => 'CHUNKING,SIZE 20000';
says 'DSN after AUTH', [@secure, 'AUTH PLAIN', $ehlo, qr/MAIL .*/, qr/RCPT .* NOTIFY=SUCCESS .*/, qr/BDAT .*/],
    ext_auth => '+DSN', ext => '-DSN', argv => ['-N', 'success', 'b@example.net'];
says 'EHLO after AUTH is refused: what was offered before counts', [@secure, 'AUTH PLAIN', $ehlo, qr/MAIL .*/, qr/RCPT .*/,
    qr/BDAT .*/], rules => ['ehlo#3 reply "503 5.5.1 You have said so"'], ext => '-DSN', @dsn, log => {dropped => 'DSN'};
says 'EHLO after AUTH ends it', [@secure, 'AUTH PLAIN', $ehlo], rules => ['ehlo#3 reply "421 4.3.2 bye" close'],
    ext => '-DSN', @dsn, exit => 75, err => [qr/421 4\.3\.2 bye/];

# Two smarthosts, and the first one's rules.
sub two
{
	my ($name, $first, $second, %o) = @_;
	my @sections = (section($first, title => 'first'), section($second, title => 'second'));

	says $name, delete $o{says}, server => $second, %o,
	    conf => conf({log => '@LOG@', domain => 'example.com', hostname => 'client.example.com'}, @sections);
	$_->stop for $first, $second;
}

two('what one smarthost offers the next one does not',
    smarthost(ext => $everything, rules => ['mail reply "451 4.3.0 no"']), smarthost(ext => ''),
    says => [@secure, 'AUTH PLAIN', $ehlo, @bare], sent => 1, @dsn,
    log => {status => 'sent', dropped => 'DSN', 'passed-over' => qr/refused the sender/});

# Dovecot 2.3 dies of a message behind a sender that its relay refuses: it gets the envelope alone.
check 'Dovecot is not sent the message with the envelope', %plain, rules => ['banner reply "220 mx.example.com Dovecot ready."', 'mail reply "550 5.7.1 no"'],
    exit => 77, sent => 0, err => [qr/550 5\.7\.1 no/], also => sub { unlike(said($_[0]), qr/BDAT/, 'no message') };
check 'others are', %plain, rules => ['mail reply "550 5.7.1 no"'], exit => 77, sent => 0, err => [qr/550 5\.7\.1 no/],
    also => sub { like(said($_[0]), qr/BDAT/, 'in the same flight') };

# OpenSMTPD says 451 where others say 452; 530 to who has signed in is about the sender.
check '451 4.5.3: the rest in a further transaction', %plain, argv => [people('abc')], rules => ['rcpt#3 reply "451 4.5.3 Too many recipients"'], sent => 2;
check '530 after AUTH', rules => ['mail reply "530 Sender rejected"'], exit => 77, sent => 0, err => [qr/530 Sender rejected.*Remedy: set from/];

# --- 421

# At the place of a recipient: who was refused before stays so, all others may be tried again, and nobody
# gets anything.
for my $dialect (@dialects) {
	for my $at (1 .. 4) {
		my $refused = $at > 2 ? 2 : 4;
		my @err = (qr/421 4\.3\.2 bye.*Remedy: /, (qr/<b\@example\.net>.*550 5\.1\.1 no/) x ($refused < $at));

		check "421 to recipient $at of 4, $dialect", %plain, ext => $dialect, argv => [people('abcd')],
		    rules => ["rcpt#$at reply \"421 4.3.2 bye\" close", "rcpt#$refused reply \"550 5.1.1 no\""],
		    exit => @err > 1 ? 67 : 75, sent => 0, err => \@err,
		    log => {status => 'failed', stage => 'rcpt', sent => 0, failed => join(',', people('abcd'))};
	}
}
check 'a smarthost that goes on after 421 may have taken the message that went along', %plain,
    argv => [people('abc')], rules => ['rcpt#2 reply "421 4.3.2 bye"'], exit => 75, sent => undef,
    err => [qr/421 4\.3\.2 bye.*it may have taken the message or not/];

# In the second of two transactions: who got it in the first one has got it, once.
my $third = 'rcpt#3- reply "452 4.5.3 Too many recipients"';
for my $rule ('mail#2', 'rcpt@c@*', 'data#2', 'dot#2') {
	check "421 in the second transaction at $rule", %plain, ext => '-PIPELINING,-CHUNKING',
	    argv => [people('abcd')], rules => [$third, "$rule reply \"421 4.3.2 bye\" close"], exit => 75,
	    sent => 1, err => [qr/421 4\.3\.2 bye/], log => {status => 'partial', sent => 2,
	    to => 'a@example.net,b@example.net', failed => 'c@example.net,d@example.net'},
	    also => sub { is(reached($_[0]), 'ab', 'who got it') };
}

# Said without being asked, behind an answer (RFC 5321 section 3.8: it may come at any time): its words
# are told.
my $idle = 'pass inject "421 4.4.2 idle\r\n" close';
my @told = (exit => 75, err => [qr/421 4\.4\.2 idle/]);
for my $case (['banner'], ['ehlo'], ['mail', '-PIPELINING'], ['rcpt', '-PIPELINING'], ['data', '-CHUNKING']) {
	my ($stage, $ext) = @$case;

	check "421 behind the answer to $stage", %plain, ext => $ext, @told, sent => 0, rules => ["$stage $idle"];
}
check "421 behind the answer to $_, TLS", @told, rules => ["$_ $idle"] for "ehlo#1", "ehlo#2", "auth";
check '421 behind the answer to the message', %plain, ext => '-CHUNKING', rules => ["dot $idle"];
check '421 behind the answer to the message, and there are more recipients', %plain, ext => '-CHUNKING',
    argv => [people('abc')], @told, sent => 1, rules => [$third, "dot $idle"],
    log => {status => 'partial', sent => 2}, also => sub { is(reached($_[0]), 'ab', 'who got it') };

# With another smarthost behind it: before MAIL it is asked, after a recipient's verdict it is not.
my @goes_on = (says => [@secure, 'AUTH PLAIN', @full], sent => 1);
my @ends = (says => [], exit => 75, sent => 0, err => [qr/421 4\.3\.2 bye/]);
for my $case (['starttls', \@goes_on], ['auth', \@goes_on], ['auth-done', \@goes_on, auth => 'LOGIN'],
    ['rcpt', \@ends], ['data', \@ends, ext => '-CHUNKING'], ['dot', \@ends]) {
	my ($stage, $then, @more) = @$case;

	two("421 at $stage, and there is another smarthost",
	    smarthost(rules => ["$stage reply \"421 4.3.2 bye\" close"], @more), smarthost(), @$then);
}

# --- too many recipients

my $many = '452 4.5.3 Too many recipients';
for my $dialect (@dialects) {
	my @there = (%plain, ext => $dialect);
	my $pipelined = $dialect =~ /\+PIPE/;
	my $later = $pipelined ? 6 : 4;		# the first RCPT of the second transaction

	check "too many for each in the second transaction, $dialect", @there, argv => [people('abcde')],
	    rules => ["rcpt##$later- reply \"$many\"", $third], exit => 75, sent => 1,
	    err => [(qr/<[cde]\@.*452 4\.5\.3/) x 3], log => {status => 'partial', sent => 2}, also => sub {
		is(reached($_[0]), 'ab', 'who got it');
		is(scalar(grep { /^MAIL/ } $_[0]->server->commands), 2, 'two transactions');
	    };
	check "too many for the third alone, $dialect", @there, argv => [people('abcd')], sent => 2,
	    rules => ["rcpt#3 reply \"$many\""], also => sub {
		is(reached($_[0]), $pipelined ? 'abd c' : 'ab cd', 'each of them once');
	    };
	check "too many for the first alone, $dialect", @there, argv => [people('abc')], exit => 75, sent => 1,
	    rules => ["rcpt#1 reply \"$many\""], err => [qr/<a\@.*452/],
	    also => sub { is(reached($_[0]), 'bc', 'the others') };
	check "one unknown, and too many for all others, $dialect", @there, argv => [people('abc')], exit => 67,
	    rules => ['rcpt#1 reply "550 5.1.1 no"', "rcpt reply \"$many\""], sent => 0,
	    err => [qr/<a\@.*550/, (qr/<[bc]\@.*452/) x 2];
	check "unknown, full, too many, later: each as it is, $dialect", @there,
	    argv => [people('abcdef')], exit => 67, sent => undef,
	    rules => ['rcpt@a@* reply "550 5.1.1 no"', 'rcpt@c@* reply "552 5.2.2 full"',
	    'rcpt@f@* reply "450 4.2.0 later"', 'rcpt#4 reply "552 5.5.3 too many"'],
	    err => [qr/<a\@.*550/, qr/<c\@.*552/, qr/<f\@.*450/], also => sub {
		is(join('', sort split / ?/, reached($_[0])), 'bde', 'each of them once');
	    };
}

# --- all are refused, and DATA is taken nevertheless: a lone dot, whatever is said to it

for my $verdict ('250 2.0.0 taken', '554 5.5.1 no valid recipients', '421 4.3.2 bye') {
	check "a lone dot, answered with $verdict", %plain, ext => '-CHUNKING', argv => [people('ab')], exit => 67,
	    rules => ['rcpt reply "550 5.1.1 no"', 'data reply "354 go"', "dot reply \"$verdict\""], sent => 0,
	    err => [(qr/550 5\.1\.1 no/) x 2], log => {status => 'failed', sent => 0}, also => sub {
		like($_[0]->server->dialogue, qr/B: 0 octets/, 'nothing was sent but the dot');
	    };
}

# --- between the client and TLS

# What comes in clear after the answer to STARTTLS, however it is cut into packets, ends it; nothing is said
# any more, and no password sent.
for my $octets ('250 injected\r\n', '2', '\n', '\x16', '\x16\x03\x03\x00\x05\x02\x00\x00\x00\x00') {
	for my $how ("\"220 go\\r\\n$octets\" trickle 30", "\"220 go\\r\\n$octets\"", "\"220 go\\n$octets\"") {
		says "in clear after STARTTLS: $how", [$ehlo, 'STARTTLS'], rules => ["starttls raw $how"], exit => 76,
		    auths => 0, err => [qr/Remedy: /], log => {stage => qr/^(?:starttls|tls)$/};
	}
}

# No authority to trust is no trust. (That there is no store at all is in tls.t.)
my $dir = scratch();
my $empty = spew("$dir/empty.pem", '');
my $words = spew("$dir/words.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
mkdir "$dir/certs" or die "$dir/certs: $!";
for my $case (['an empty file', $empty, "$dir/certs"], ['no file', '/dev/null', '/nonexistent'],
    ['no certificate', $words, $dir], ['file and directory changed', "$dir/certs", $empty]) {
	my ($name, $file, $directory) = @$case;

	says "a trust store without an authority in it: $name", [$ehlo, 'STARTTLS'], exit => 76, auths => 0,
	    host => {'tls-ca-file' => undef}, env => {SSL_CERT_FILE => $file, SSL_CERT_DIR => $directory},
	    err => [qr/no certificate of any authority.*ca-certificates/];
}

done_testing;
