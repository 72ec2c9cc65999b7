# Replies as servers may send them, legal in every shape and not, and answers that nobody asked for: what is
# believed of them, what of them reaches a person (RFC 5321 section 4.2; CONTRACT section 6). What each code
# means is in status.t.
use strict;
use warnings;
use lib 'tests/e2e/lib';
use E2E;

my %plain = (tls => 'none', user => undef);

# --- one session, all its replies in one shape

my @session = (['banner', 220], ['ehlo#1', 250, 'STARTTLS'], ['starttls', 220], ['auth@LOGIN', 334],
    ['auth-cont', 334], ['auth-done', 235], ['mail', 250], ['rcpt', 250], ['data', 354], ['dot', 250]);

# Octets as a rule has them: lines of a reply, each but the last a continuation.
sub lines
{
	my ($end, $code, @texts) = @_;
	my $last = pop @texts;

	return join '', (map { "$code-$_$end" } @texts), "$code$last$end";
}

# From a code and what EHLO offers.
my %shapes = (
	'a code alone' => sub { my ($code, @items) = @_; lines('\r\n', $code, (@items ? ('', @items) : ()), '') },
	'a code and a blank' => sub { my ($code, @items) = @_; lines('\r\n', $code, '', @items, ' ') },
	'many lines' => sub { my ($code, @items) = @_; lines('\r\n', $code, 'one', @items, ('more') x 100, ' last') },
	'LF alone' => sub { my ($code, @items) = @_; lines('\n', $code, 'one', @items, ' last') },
	'long lines' => sub { my ($code, @items) = @_; lines('\r\n', $code, 'x' x 3000, @items, ' ' . 'y' x 3000) },
	'any octets' => sub { my ($code, @items) = @_; lines('\r\n', $code, '\0', @items, ' \x1b[3m\x7f\xff\0\t \"') },
	'another code' => sub { my ($code, @items) = @_; lines('\r\n', $code, '5.7.1 no', @items, ' 550 4.3.2 no') },
);
for my $shape (sort keys %shapes) {
	my $of = $shapes{$shape};

	for my $offer (['AUTH LOGIN'], ['AUTH LOGIN', 'PIPELINING'], ['AUTH LOGIN', 'PIPELINING', 'CHUNKING']) {
		my @rules = map { my ($stage, @reply) = @$_; "$stage raw \"" . $of->(@reply) . '"' }
		    @session, ['ehlo#2', 250, @$offer];

		check "$shape: @$offer", auth => 'LOGIN', rules => \@rules, auths => 1,
		    log => {status => 'sent', auth => 'LOGIN', reply => qr/^250/};
	}
}
check 'octet by octet', auth => 'LOGIN', ext => 'PIPELINING',
    rules => [map { "$_ pass trickle 1" } qw(banner ehlo starttls auth auth-done mail rcpt data dot)];
check 'a greeting of many lines that takes its time: nothing is said before its end', %plain,
    rules => ['banner reply "220-one" "220-two" "220 three" trickle 20'];
check 'any 2xx', %plain, ext => '-CHUNKING', sent => undef, rules => ['mail reply "299 fine"',
    'rcpt reply "299 fine"', 'data reply "354 go"', 'dot reply "299 2.0.0 fine"'],
    log => {status => 'sent', reply => '299 2.0.0 fine'},
    also => sub { like($_[0]->server->dialogue, qr/B: \d{3} octets/, 'the message was sent') };
check '500 lines', %plain, ext => '-CHUNKING',
    rules => [map { "$_ flood-lines 500" } qw(banner mail rcpt data dot)];
check '1,000 recipients, and 2,000 octets for each of them', %plain,
    argv => [map { "r$_\@example.net" } 1 .. 1000], rules => ['rcpt reply "250 2.1.5 ' . 'x' x 2000 . '"'],
    log => {status => 'sent', sent => 1000};

# --- refusals in these shapes: the status is that of the code

my @refusals = (['banner', 554, 69], ['ehlo', 550, 69], ['starttls', 502, 76], ['auth', 535, 77],
    ['mail', 550, 77], ['rcpt', 550, 67], ['data', 554, 69], ['dot', 554, 69]);
for my $shape (grep { !/another/ } sort keys %shapes) {
	for my $case (@refusals) {
		my ($stage, $code, $exit) = @$case;
		my $octets = $shapes{$shape}->($code);

		check "$shape: $code to $stage", auth => 'PLAIN', ext => '-CHUNKING', exit => $exit, sent => 0,
		    rules => ["$stage raw \"$octets\"", "helo raw \"$octets\""], err => [qr/: $code\b.*Remedy: \S/],
		    log => {status => 'failed', stage => $stage, why => qr/^$code/};
	}
}

# The enhanced status code counts where it stands at the start and fits the code (RFC 2034 section 4), in
# whichever line it comes first.
my %enhanced = (
	67 => ['550 4.7.1 no', '550 4.2.0 no', '554 5.1.1', '554 5.1.1 ', '554 5.1.999 no', '554-what" "554 5.1.1 no',
	    '554-5.1.1 no" "554 what'],
	69 => ['554 4.7.1 no', '554 2.1.1 no', '554 5.1 no', '554 5.1.1.1 no', '554 5..1 no', '554 5.1.x no',
	    '554 5.1.1000 no', '554 see 5.1.1'],
	75 => ['450 5.1.1 no'],
	77 => ['554-5.7.1 no" "554 5.1.1 no'],
);
for my $exit (sort keys %enhanced) {
	for my $reply (@{$enhanced{$exit}}) {
		my $code = substr $reply, 0, 3;

		check "an enhanced code, or none: $reply", %plain, rules => ["rcpt reply \"$reply\""], exit => $exit,
		    err => [qr/: $code .*Remedy: /], err_not => $exit == 67 ? qr/try|again/ : undef;
	}
}

# --- what is no reply

for my $octets ('150 wait', '000 ok', '600 ok', 'ab5 ok', '25O ok', '2\050 ok', '250\t ok', '\xef\xbb\xbf250 ok') {
	for my $stage (qw(mail rcpt data dot)) {
		check "no reply to $stage: $octets", %plain, ext => '-CHUNKING', exit => 76,
		    rules => ["$stage raw \"$octets\\r\\n\""], sent => $stage eq 'dot' ? undef : 0,
		    err => [qr/not SMTP: ".*Remedy: /], log => {status => 'failed', stage => $stage};
	}
}
check 'NUL in a refusal', %plain, rules => ['rcpt raw "550 5.1.1 No\0such\0\r\n"'], exit => 67,
    err => [qr/550 5\.1\.1 No\?such\?/];

# A line that does not end says nothing: the rest of it might have said something else.
my @cut = (['banner', '554 no'], ['ehlo', '550 no'], ['mail', '550 5.7.1 no'], ['rcpt', '550 5.1.1 no'],
    ['rcpt', '550 5.1.1 no\r'], ['data', '554 no']);
for my $tls ([%plain], []) {
	my $where = @$tls ? 'in clear' : 'in TLS';

	for my $case (@cut) {
		my ($stage, $octets) = @$case;

		check "a line without its end, and gone: $stage, $octets, $where", @$tls, ext => '-CHUNKING',
		    rules => ["$stage raw \"$octets\" close"], exit => 75, sent => 0,
		    err => [qr/closed the connection.*Remedy: /], log => {status => 'failed', stage => $stage};
	}
	for my $octets ('250 2.0.0 taken', '554 5.7.1 no') {
		for my $ext ('-CHUNKING', '+CHUNKING') {
			check "a line without its end, and gone: the message, $octets, $ext, $where", @$tls, ext => $ext,
			    rules => ["dot raw \"$octets\" close"], exit => 75, sent => undef,
			    err => [qr/it may have taken the message or not.*Remedy: /],
			    log => {status => 'failed', stage => 'dot'};
		}
	}
}

# --- what nobody has asked for: it is never taken for the answer to what is said next, and no message counts
# as sent that was refused

my $offer = '"250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n"';
my $large = MESSAGE . ('x' x 70 . "\n") x 240_000;	# more than the system's buffers take
my @asked = (
	# rule, what else is offered or ruled
	['connect raw "250 hi\r\n"', %plain],
	['connect raw "220 hi\r\n"', %plain, violations => qr//],	# it may come too late to be seen
	['banner inject "220 hi\r\n"', %plain],
	["banner inject $offer", %plain],
	["banner inject $offer", tls => 'implicit'],
	["ehlo inject $offer", %plain],
	["ehlo#1 inject $offer", auths => 0],
	['ehlo#1 inject "220 go\r\n"', auths => 0],
	["ehlo#2 inject $offer"],
	['ehlo#2 inject "235 2.7.0 ok\r\n"'],
	['helo inject "250 ok\r\n"', %plain, rules => ['ehlo reply "502 what"']],
	['auth inject "235 2.7.0 ok\r\n"'],
	['auth inject "334 UGFzc3dvcmQ6\r\n"', auth => 'LOGIN'],
	['auth-done inject "235 2.7.0 ok\r\n"', auth => 'LOGIN'],
	['mail inject "250 ok\r\n"', %plain, ext => '-PIPELINING'],
	['mail inject "250 ok\r\n"', %plain, ext => '-CHUNKING'],
	['body raw "250 2.0.0 taken\r\n"', %plain, ext => '-SIZE,-CHUNKING', stdin => $large],
	['body raw "250 2.0.0 taken\r\n"', %plain, ext => '-SIZE', stdin => $large],
);
# A message whose last octet leaves with its last block: its verdict is no early one.
for my $ext ('+CHUNKING', '-CHUNKING') {
	my $head = MESSAGE . ('x' x 70 . "\n") x 1100;
	my $crlf = length($head) + ($head =~ tr/\n//);
	my $fill = 16384 * 5 - $crlf - length("BDAT 81903 LAST\r\n") - 2;

	check "81,920 octets with their command, $ext", %plain, ext => $ext, stdin => $head . 'y' x ($fill % 900 + 1) . "\n", log => {status => 'sent'} for 1 .. 3;
}

for my $case (@asked) {
	my ($rule, %o) = @$case;
	my @rules = (@{delete $o{rules} // []}, $rule, 'dot delay 300 reply "554 5.7.1 refused"');

	check 'nobody has asked: ' . join(' ', $rule, $o{tls} // 'starttls', $o{ext} // ()), %o, rules => \@rules,
	    exit => qr/^7[56]$/, sent => 0, err => [qr/Remedy: /], log => {status => 'failed', sent => 0};
}

done_testing;
