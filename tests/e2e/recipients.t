# Each recipient has its own fate (CONTRACT section 5 and 6): with and without PIPELINING and CHUNKING.
use strict;
use warnings;
use utf8;
use lib 'tests/e2e/lib';
use E2E;

my %plain = (tls => 'none', user => undef);
my @ways = ('+PIPELINING,+CHUNKING', '+PIPELINING,-CHUNKING', '-PIPELINING,+CHUNKING', '-PIPELINING,-CHUNKING');

sub octets { my ($s) = @_; utf8::encode($s); return $s }

# The recipients of each message, in order.
sub got
{
	my ($run) = @_;

	return [map { [map { /^<(.*?)>/ ? $1 : $_ } @{$_->{env}{rcpt} // []}] } $run->server->messages];
}

# The same in each of the four ways; to is [[recipients of the first transaction], ...].
sub everywhere
{
	my ($name, %o) = @_;
	my $to = delete $o{to};
	my $also = delete $o{also};
	my $ext = delete $o{ext};

	for my $way (@ways) {
		check("$name, $way", %plain, %o, ext => defined $ext ? "$way,$ext" : $way, sent => scalar @$to, also => sub {
			is_deeply(got($_[0]), $to, 'recipients');
			is(scalar(grep { $_->{data} eq (MESSAGE =~ s/\n/\r\n/gr) } $_[0]->server->messages), scalar @$to, 'the message') if !exists $o{stdin};
			$also->($_[0]) if $also;
		});
	}
}

my @four = map { "$_\@example.net" } qw(a b c d);
everywhere('four good ones', argv => [@four], to => [[@four]], log => {status => 'sent', recipients => 4, sent => 4});
for my $bad (0 .. 3) {
	my @others = grep { $_ ne $four[$bad] } @four;

	everywhere("number $bad of four is unknown", argv => [@four], rules => ["rcpt\@$four[$bad] reply \"550 5.1.1 No such user here\""], exit => 67,
	    to => [\@others], err => [qr/<?\Q$four[$bad]\E>?.*550.*No such user here.*Remedy/],
	    log => {status => 'partial', to => join(',', @others), failed => $four[$bad], sent => 3, recipients => 4});
}
everywhere('two bad ones, each with its own words', argv => [@four], exit => 67, to => [['a@example.net', 'd@example.net']],
    rules => ['rcpt@b@example.net reply "550 5.1.1 first words"', 'rcpt@c@example.net reply "450 4.2.0 second words"'],
    err => [qr/b\@example\.net.*first words/, qr/c\@example\.net.*second words/], log => {status => 'partial'});
everywhere('one that may succeed later', argv => [@four], exit => 75, to => [['a@example.net', 'b@example.net', 'c@example.net']],
    rules => ['rcpt@d@example.net reply "450 4.2.1 Mailbox busy"'], err => [qr/d\@example\.net.*Mailbox busy/]);
everywhere('a reply of many lines', argv => [@four], exit => 67, to => [[@four[1 .. 3]]],
    rules => ['rcpt@a@example.net reply "550-5.1.1 one" "550-5.1.1 two" "550 5.1.1 three"'], err => [qr/a\@example\.net.*one.*three/]);
everywhere('251 and 252 are as good as 250', argv => [@four], to => [[@four]], rules => ['rcpt@a@example.net reply "251 2.1.5 will forward"', 'rcpt@b@example.net reply "252 2.1.5 perhaps"']);

# All refused: no message goes, also where DATA was in the same flight and the server says 354 all the same.
everywhere('all are refused', argv => [@four], rules => ['rcpt reply "550 5.1.1 Nobody"'], exit => 67, to => [], err => [(qr/\@example\.net.*Nobody/) x 4],
    log => {status => 'failed', sent => 0, recipients => 4});
check('all are refused, and DATA is answered with 354', %plain, ext => '+PIPELINING,-CHUNKING', argv => [@four], sent => undef, exit => 67, err => [(qr/Nobody/) x 4],
    rules => ['rcpt reply "550 5.1.1 Nobody"', 'data reply "354 come on"'], log => {status => 'failed', sent => 0}, also => sub {
	unlike($_[0]->server->dialogue, qr/Hello/, 'nothing of the message was sent');
	is(scalar(grep { length $_->{data} } $_[0]->server->messages), 0, 'what arrived, if anything, is empty');
});
check('all are refused, and BDAT is answered with 250', %plain, ext => '+PIPELINING,+CHUNKING', argv => [@four], sent => undef, exit => 67, err => [(qr/Nobody/) x 4],
    rules => ['rcpt reply "550 5.1.1 Nobody"', 'bdat reply "250 2.0.0 ok"', 'dot reply "250 2.0.0 ok"'], log => {status => 'failed', sent => 0});
everywhere('all are refused for different reasons: the first of 78 77 76 65 67 69 68 75 wins', argv => [@four], exit => 77, to => [],
    rules => ['rcpt@a@example.net reply "450 4.2.0 later"', 'rcpt@b@example.net reply "550 5.1.1 unknown"', 'rcpt@c@example.net reply "554 5.7.1 Relay access denied"',
    'rcpt@d@example.net reply "554 5.0.0 no"'], err => [qr/later/, qr/unknown/, qr/Relay/, qr/no\b/]);

# --- too many at once ------------------------------------------------------------------------------------------------------------------

my @many = map { "u$_\@example.net" } 1 .. 1500;
for my $way (@ways) {
	for my $words ('452 4.5.3 Too many recipients', '552 5.5.3 Too many recipients') {
		next if $words =~ /^552/ && $way ne $ways[0];
		check("1,500, and $words at the hundredth, $way", %plain, ext => $way, argv => [@many], rules => ["rcpt#100- reply \"$words\""], sent => undef, also => sub {
			my ($run) = @_;
			my $got = got($run);
			my %times;

			$times{$_}++ for map { @$_ } @$got;
			is(scalar(keys %times), 1500, 'all of them got it');
			is(scalar(grep { $_ != 1 } values %times), 0, 'exactly once');
			cmp_ok(scalar @$got, '>=', 16, 'transactions');
			is(scalar(grep { @$_ > 99 } @$got), 0, 'no more than 99 in one');
			is(scalar(() = $run->server->dialogue =~ /connection from/g), 1, 'on one connection');
			is(scalar(grep { $_->{data} ne MESSAGE =~ s/\n/\r\n/gr } $run->server->messages), 0, 'each the same message');
		}, log => {status => 'sent', recipients => 1500, sent => 1500});
	}
}
everywhere('452 for the second one always', argv => [@four[0 .. 2]], rules => ['rcpt#2- reply "452 4.5.3 Too many recipients"'], to => [map { [$_] } @four[0 .. 2]]);
everywhere('452 for the first one: there is nothing to divide', argv => [@four], rules => ['rcpt reply "452 4.5.3 Too many recipients"'], exit => 75, to => [],
    err => [(qr/Too many/) x 4]);
everywhere('452 for one of them each time', argv => [@four], rules => ['rcpt@c@example.net reply "452 4.2.2 Mailbox full"'], exit => 75,
    to => [[map { "$_\@example.net" } qw(a b d)]], err => [qr/c\@example\.net.*Mailbox full/]);
everywhere('452, and one of the rest is unknown', argv => [@four], rules => ['rcpt@d@example.net reply "550 5.1.1 unknown"', 'rcpt#3- reply "452 4.5.3 Too many recipients"'],
    exit => 67, to => [[@four[0, 1]], [$four[2]]], err => [qr/d\@example\.net.*unknown/]);
check('452, and the second message is refused', %plain, argv => [@four], exit => 69, sent => 1, rules => ['rcpt#3- reply "452 4.5.3 Too many recipients"', 'dot#2 reply "554 5.7.1 no more"'],
    err => qr/no more/, log => {status => 'partial', sent => 2}, ext => '-CHUNKING', also => sub { is_deeply(got($_[0]), [[@four[0, 1]]], 'the first two got it') });

# --- SMTPUTF8 ------------------------------------------------------------------------------------------------------------------------------

my $utf8 = octets('jörg@bücher.example');
everywhere('an address that needs SMTPUTF8, offered', ext => '+SMTPUTF8', argv => ['a@example.net', $utf8], to => [['a@example.net', $utf8]], also => sub {
	like((grep { /^MAIL/ } $_[0]->server->commands)[0], qr/ SMTPUTF8\b/, 'asked for');
});
everywhere('an address that needs it, not offered', ext => '-SMTPUTF8', argv => ['a@example.net', $utf8, 'b@example.net'], exit => 65, to => [['a@example.net', 'b@example.net']],
    err => [qr/j\\\S+rg.*SMTPUTF8/i], log => {status => 'partial'}, also => sub {
	is(scalar(grep { /[^\x20-\x7e]|SMTPUTF8/ } $_[0]->server->commands), 0, 'neither the address nor the parameter was sent');
});
everywhere('nobody else, not offered', ext => '-SMTPUTF8', argv => [$utf8], exit => 65, to => [], err => [qr/SMTPUTF8/i], log => {status => 'failed'});
check('a sender that needs it, not offered', %plain, ext => '-SMTPUTF8', argv => ['-f', $utf8, 'b@example.net'], exit => 65, err => [qr/SMTPUTF8/i]);
check('a sender that needs it, offered', %plain, ext => '+SMTPUTF8', argv => ['-f', $utf8, 'b@example.net'], also => sub {
	like((grep { /^MAIL/ } $_[0]->server->commands)[0], qr/^MAIL FROM:<\Q$utf8\E>.* SMTPUTF8\b/, 'asked for');
});

# --- once ----------------------------------------------------------------------------------------------------------------------------------

check('the same one many times', %plain, argv => ['-t', 'b@example.net', 'B@Example.NET', '<b@EXAMPLE.net>'], sent => 1,
    stdin => "From: a\@example.com\nTo: b\@example.net, Bob <b\@example.net>\nCc: b\@example.net\nBcc: b\@example.net, c\@example.net\n\nx\n", also => sub {
	is_deeply([map { @$_ } @{got($_[0])}], ['b@example.net', 'B@Example.NET', 'c@example.net'], 'once; the local part with its case, the domain without');
});
check('quoted or not it is the same', %plain, argv => ['"b"@example.net', 'b@example.net', '"b c"@example.net', '"b\ c"@example.net'], also => sub {
	is_deeply(got($_[0]), [['b@example.net', '"b c"@example.net']], 'once');
});
check('a bare name and its full form', %plain, argv => ['root', 'root@example.com', 'root@localhost'], also => sub { is_deeply(got($_[0]), [['root@example.com']], 'once') });
check('-t and arguments: both, arguments first', %plain, argv => ['-t', 'z@example.net', 'b@example.net'], also => sub {
	is_deeply(got($_[0]), [['z@example.net', 'b@example.net']], 'recipients');
});
check('5,000 arguments, each twice', %plain, argv => [(map { "u$_\@example.net" } 1 .. 5000) x 2], also => sub { is(scalar @{got($_[0])->[0]}, 5000, 'each once') });
check('one comma list in one argument', %plain, argv => ['a@x, B <b@y>,c@z'], also => sub { is_deeply(got($_[0]), [['a@x', 'b@y', 'c@z']], 'recipients') });

# --- out of step: an answer that nobody asked for is not taken for the one to the message

for my $rules ([['rcpt inject "250 stray\r\n"'], ext => '-PIPELINING'], [['data inject "250 stray\r\n"'], ext => '-CHUNKING'], [['rcpt inject "250 stray\r\n"'], ext => '-CHUNKING']) {
	my ($rule, @ext) = @$rules;

	check "one answer too many: @$rule @ext", %plain, @ext, argv => ['b@example.net'], rules => [@$rule, 'dot reply "554 5.7.1 No"', 'bdat reply "554 5.7.1 No"'], exit => qr/^7[56]$/, err => [qr/./], log => {status => 'failed'}, sent => 0;
}

done_testing;
