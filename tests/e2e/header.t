# What CONTRACT section 3 takes from the header, adds to it and changes in it, seen at the smarthost; all else arrives as it was.
use strict;
use warnings;
use utf8;
use lib 'tests/e2e/lib';
use E2E;
use Encode ();
use POSIX ();
use Time::Local ();

binmode Test::More->builder->$_, ':encoding(UTF-8)' for qw(output failure_output todo_output);

my %plain = (tls => 'none', user => undef);
my $complete = "From: a\@example.com\nTo: b\@example.net\nDate: Sun, 22 Nov 2026 03:14:15 +0000\nMessage-ID: <1\@example.com>\n";

sub octets { return Encode::encode('UTF-8', $_[0]) }

# Runs it; $test gets the header (with CRLF turned to LF), the body, and the run.
sub arrives
{
	my ($name, $stdin, $test, %o) = @_;

	check($name, %plain, sent => 1, stdin => $stdin, %o, also => sub {
		my ($run) = @_;
		my ($message) = $run->server->messages;
		my ($head, $body) = ($message->{data} // '') =~ /\A(.*?\r\n)\r\n(.*)\z/s;

		ok(defined $head, 'a header, a blank line, a body') or return;
		$test->($head =~ s/\r\n/\n/gr, $body, $run);
	});
}

# The header that comes of $in, of a message that lacks nothing else.
sub becomes
{
	my ($name, $in, $out, %o) = @_;

	arrives($name, "$in\nHello\n", sub {
		my ($head, $body) = @_;

		is($head, $out, 'the header, byte for byte');
		is($body, "Hello\r\n", 'the body');
	}, %o);
}

# The body of a field, unfolded.
sub field
{
	my ($head, $name) = @_;

	return undef if $head !~ /^\Q$name\E:[ \t]*(.*(?:\n[ \t].*)*)/mi;
	return $1 =~ s/\n(?=[ \t])//gr;
}

# --- what must not pass -----------------------------------------------------------------------------------------------------------

my %disguise = (
	'plain' => "Bcc: hidden\@x\n",
	'lower case' => "bcc: hidden\@x\n",
	'mixed case' => "bCC:hidden\@x\n",
	'a blank before the colon' => "Bcc : hidden\@x\n",
	'tabs before the colon' => "BCC\t\t: hidden\@x\n",
	'folded behind the colon' => "Bcc:\n hidden\@x\n",
	'folded in the list' => "Bcc: a <hidden\@x>,\n\tb <hidden2\@x>,\n  c\n <hidden3\@x>\n",
	'a line of blanks in it' => "Bcc: hidden\@x,\n \t\n hidden2\@x\n",
	'three of them' => "Bcc: hidden\@x\nX-A: 1\nbcc: hidden2\@x\nBCC: hidden3\@x\n",
	'empty' => "Bcc:\n",
	'empty, with blanks' => "Bcc:   \n",
	'CR CR LF' => "Bcc: hidden\@x\r\r\n",
	'a bare CR' => "Bcc: hidden\@x,\rmore <hidden2\@x>\n",
	'NUL in the name' => "B\0cc: hidden\@x\n",
	'not an address' => "Bcc: hidden\@x hidden\@y\n",
	'8-bit in it' => octets("Bcc: hidden ü <hidden\@x>\n"),
	'2,000 octets' => 'Bcc: ' . join(', ', map { "hidden$_\@x" } 1 .. 150) . "\n",
	'Resent-Bcc' => "Resent-Bcc: hidden\@x\n",
	'Resent-Bcc in capitals, folded, blanks' => "RESENT-BCC  :\n hidden\@x,\n hidden2\@x\n",
);
for my $name (sort keys %disguise) {
	my $bcc = $disguise{$name};
	my %o = $name eq 'not an address' ? (exit => 65) : ();
	my $resent = $name =~ /^Resent/ ? "Resent-From: r\@x\nResent-To: rt\@x\n" : '';

	for my $place ('first', 'last') {
		my $head = $place eq 'first' ? "$bcc$resent$complete" : "$complete$resent$bcc";
		my $test = sub {
			unlike($_[0] =~ s/^((?:Resent-)?Message-ID): .*/$1/mgr, qr/bcc/i, 'no Bcc');	# a Message-ID has random digits
			unlike($_[0], qr/hidden/, 'nothing of it is left');
			like($_[0], qr/^From: a\@example\.com$/m, 'From is there');
			is($_[1], "Bcc: body\@x\r\n", 'and the body is as it was');
		};

		arrives("Bcc ($name) comes $place, -t", "$head\nBcc: body\@x\n", $test, argv => ['-t'], %o, $bcc =~ /hidden/ ? () : (exit => 0));
		arrives("Bcc ($name) comes $place, no -t", "$head\nBcc: body\@x\n", $test);
	}
}
arrives('Bcc as the last line, without line end', $complete . 'Bcc: hidden@x', sub { unlike($_[0], qr/bcc|hidden/i, 'gone') });
arrives('Bcc is gone from a signed message', "DKIM-Signature: v=1; h=from:bcc\n${complete}Bcc: hidden\@x\n\nx\n", sub { unlike($_[0], qr/hidden/, 'gone') });
becomes('fields that are only like Bcc stay', "${complete}X-Bcc: x\nBcc-X: y\nBccc: z\n", "${complete}X-Bcc: x\nBcc-X: y\nBccc: z\n");
becomes('Return-Path goes', "Return-Path: <x\@y>\n${complete}return-path :\n <z\@y>\n", $complete);
becomes('the mbox line goes', "From x\@y Sun Nov 22 03:14:15 2026\n$complete", $complete);
becomes('blanks before the colon go, what is behind it stays', "X-A  :  v  w \nX-B\t:\n\tfolded\n$complete", "X-A:  v  w \nX-B:\n\tfolded\n$complete");
becomes('what there is stays as it is', "${complete}X-Empty:\nX-Long: " . join(' ', ('word') x 60) . "\nX-Fold: a\n b\n\tc\n   d\nx-CASE: Y\nX-A: 1\nX-A: 1\n",
    "${complete}X-Empty:\nX-Long: " . join(' ', ('word') x 60) . "\nX-Fold: a\n b\n\tc\n   d\nx-CASE: Y\nX-A: 1\nX-A: 1\n");
becomes('content-length, status and other leavings of mailboxes stay', "${complete}Content-Length: 12\nStatus: RO\nX-Status: A\nLines: 1\n",
    "${complete}Content-Length: 12\nStatus: RO\nX-Status: A\nLines: 1\n");

# --- bare names ----------------------------------------------------------------------------------------------------------------------

my $rest = "Date: Sun, 22 Nov 2026 03:14:15 +0000\nMessage-ID: <1\@example.com>\n";
for (
	['alone', 'root', 'root@example.com'],
	['among others', 'root, b@x,bob', 'root@example.com, b@x,bob@example.com'],
	['in brackets', 'Root <root>', 'Root <root@example.com>'],
	['with a comment', 'root (Cron Daemon)', 'root@example.com (Cron Daemon)'],
	['quoted, in brackets', 'x <"john doe">', 'x <"john doe"@example.com>'],
	['in a group', 'Group: root, b@x;', 'Group: root@example.com, b@x;'],
	['folded', "root,\n bob,\n\tc\@x", "root\@example.com,\n bob\@example.com,\n\tc\@x"],
	['with an at sign in name and comment', '"a@b" <root>, bob (x@y)', '"a@b" <root@example.com>, bob@example.com (x@y)'],
	['complete ones are left', '"root" <b@x>, (root) c@x', '"root" <b@x>, (root) c@x'],
) {
	my ($name, $in, $out) = @$_;

	for my $field (qw(To Cc Reply-To Sender From Resent-To)) {
		next if $field =~ /Sender|From/ && $in =~ /,|:/;
		next if $field eq 'Resent-To';
		my $others = $field eq 'From' ? "To: b\@example.net\n" : $field eq 'To' ? "From: a\@example.com\n" : "From: a\@example.com\nTo: b\@example.net\n";

		becomes("a bare name $name in $field", "$others$field: $in\n$rest", "$others$field: $out\n$rest");
	}
}
becomes('a quoted bare name, which gets the mail as "john doe"@example.com, is completed like that', "From: a\@example.com\nTo: \"john doe\"\n$rest",
    "From: a\@example.com\nTo: \"john doe\"\@example.com\n$rest", argv => ['-t']);
becomes('a bare name is completed with domain', "From: root\nTo: bob\n$rest", "From: root\@d.example.org\nTo: bob\@d.example.org\n$rest", top => {domain => 'd.example.org'});
becomes('other fields are not completed', "${complete}Subject: root\nX-To: root\nIn-Reply-To: root\nComments: root\n",
    "${complete}Subject: root\nX-To: root\nIn-Reply-To: root\nComments: root\n");

# --- RFC 2047 ------------------------------------------------------------------------------------------------------------------------

# Each encoded word is well formed, holds whole characters, and no line is too long.
sub well_encoded
{
	my ($head, $charset) = @_;
	my @lines = grep { /=\?/ } split /\n/, $head;
	my @words = $head =~ /(=\?[^?\s]+\?[bqBQ]\?[^?\s]*\?=)/g;

	is($head =~ tr/\x80-\xff//, 0, 'the header is ASCII');
	cmp_ok(scalar @words, '>', 0, 'encoded words');
	is(scalar(grep { length > 75 } @words), 0, 'none longer than 75');
	is(scalar(grep { length > 76 } @lines), 0, 'no line with one longer than 76');
	is(scalar(grep { !/^=\?\Q$charset\E\?/i } @words), 0, "all in $charset");
	if ($charset eq 'utf-8') {
		is(scalar(grep {
			my $text = Encode::decode('MIME-Header', $_);

			$text =~ /\x{fffd}/;
		} @words), 0, 'none splits a character');
	}
}

my @texts = (
	['two letters', 'Grüße'],
	['first and last', 'üxü'],
	['nothing but', 'ß'],
	['among ASCII words', 'Re: the Grüße of yesterday, a = b?_c'],
	['Japanese', '日本語の件名です、とても長いので何行にもなるはずです。' x 6],
	['outside the plane', '😀 smile 😀😀'],
	['a mixture with long ASCII', 'plain ' x 20 . 'größer' . ' plain' x 20],
	['one long word', 'ä' x 300],
	['with what looks encoded', 'ü =?utf-8?Q?x?='],
	['many blanks', 'ü  ü   ü'],
);
for (@texts) {
	my ($name, $text) = @$_;

	for my $field ('Subject', 'X-Comment', 'Comments', 'Organization') {
		next if $field ne 'Subject' && $name =~ /Japanese|mixture|300/;
		next if $name eq 'with what looks encoded';
		arrives("UTF-8 in $field: $name", octets("$complete$field: $text\n\nHello\n"), sub {
			well_encoded($_[0], 'utf-8');
			is(Encode::decode('MIME-Header', field($_[0], $field)), $text, 'it says what it said');
		});
	}
}
arrives('UTF-8 in a folded Subject', octets("${complete}Subject: Grüße\n aus Köln\n\tam Rhein\n\nx\n"), sub {
	well_encoded($_[0], 'utf-8');
	is(Encode::decode('MIME-Header', field($_[0], 'Subject')) =~ s/\s+/ /gr, 'Grüße aus Köln am Rhein', 'it says what it said');
});
arrives('Latin-1 in Subject is unknown-8bit', "${complete}Subject: Gr\xfc\xdfe\n\nx\n", sub {
	well_encoded($_[0], 'unknown-8bit');
	my ($encoding, $text) = field($_[0], 'Subject') =~ /^=\?unknown-8bit\?([bq])\?(.*)\?=\z/i;

	is(lc $encoding eq 'b' ? MIME::Base64::decode_base64($text) : $text =~ tr/_/ /r =~ s/=([0-9A-F]{2})/chr hex $1/ger, "Gr\xfc\xdfe", 'octet for octet');
});
require MIME::Base64;
becomes('an encoded Subject is left alone', "${complete}Subject: =?iso-8859-1?Q?Gr=FC=DFe?= and more\n", "${complete}Subject: =?iso-8859-1?Q?Gr=FC=DFe?= and more\n");

# Names and comments: the name without its quotes, the address as it was.
for (
	['a name', 'Jürgen Müller <b@example.net>', 'Jürgen Müller <b@example.net>'],
	['a quoted name', '"Müller, Jürgen" <b@example.net>', 'Müller, Jürgen <b@example.net>'],
	['a quoted name with quotes in it', '"J \"ü\" M" <b@example.net>', 'J "ü" M <b@example.net>'],
	['a comment', 'b@example.net (Jürgen)', 'b@example.net (Jürgen)'],
	['two addresses', 'Jü <b@example.net>, Mö <c@example.net>', 'Jü <b@example.net>, Mö <c@example.net>'],
	['a group', 'Grüppe: Jü <b@example.net>;', 'Grüppe: Jü <b@example.net>;'],
	['a name in ASCII beside', 'Bob <b@example.net>, Jü <c@example.net>', 'Bob <b@example.net>, Jü <c@example.net>'],
	['with a bare name', 'Jü <root>', 'Jü <root@example.com>'],
	['a long name', 'ä' x 100 . ' <b@example.net>', 'ä' x 100 . ' <b@example.net>'],
) {
	my ($name, $in, $out) = @$_;

	for my $field (qw(From To Cc Reply-To)) {
		my $others = join '', map { $_ eq $field ? '' : "$_: b\@example.net\n" } qw(From To);

		arrives("UTF-8 in $field: $name", octets("$others$field: $in\n$rest\nHello\n"), sub {
			well_encoded($_[0], 'utf-8');
			# RFC 2047 section 5 wants a blank between an encoded word and a colon.
			is(Encode::decode('MIME-Header', field($_[0], $field)) =~ s/\s+/ /gr =~ s/ (?=:)//r, $out, 'it says what it said');
			unlike(field($_[0], $field), qr/"[^"]*=\?/, 'no encoded word inside quotes');
		}, $in =~ /root/ || $field eq 'From' || $field eq 'Reply-To' ? () : (argv => ['-t']));
	}
}
arrives('it is done where SMTPUTF8 is offered as well, which is not asked for', octets("${complete}Subject: ü\n\nx\n"), sub {
	is(scalar(grep { /SMTPUTF8/ } $_[2]->server->commands), 0, 'not asked for');
	well_encoded($_[0], 'utf-8');
}, ext => '+SMTPUTF8');
becomes('encode-headers = false: raw text stays', octets("${complete}Subject: Grüße\nX-A: \xfc\n"), octets("${complete}Subject: Grüße\nX-A: \xfc\n"),
    top => {'encode-headers' => 'false'}, violations => qr/\A(?:\d+ 8bit[^\n]*\n)*\z/);

# --- RFC 2231 ------------------------------------------------------------------------------------------------------------------------

# A parameter, put together (RFC 2231 section 3 and 4) and decoded.
sub parameter
{
	my ($body, $name) = @_;
	my %part;
	my $charset;

	while ($body =~ /;\s*\Q$name\E(?:\*(\d+))?(\*?)=("(?:[^"\\]|\\.)*"|[^;\s]*)/gi) {
		my ($n, $extended, $value) = ($1 // 0, $2, $3);

		$value =~ s/\A"(.*)"\z/$1/s and $value =~ s/\\(.)/$1/g;
		if ($extended) {
			$value =~ s/\A([^']*)'[^']*'// and $charset = $1 if $n == 0;
			$value =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
		}
		$part{$n} = $value;
	}
	my $text = join '', map { $part{$_} } sort { $a <=> $b } keys %part;
	return $text, $charset;
}

my $mime = "MIME-Version: 1.0\n";
for (
	['Content-Type', 'application/x-y', 'name', 'Grüße.txt'],
	['Content-Disposition', 'attachment', 'filename', 'Grüße und mehr (1).txt'],
	['Content-Disposition', 'attachment', 'filename', '日本語' x 40 . '.pdf'],
	['Content-Type', 'text/plain; charset=us-ascii', 'name', q(ü'%*".txt)],
) {
	my ($field, $value, $name, $text) = @$_;
	my $quoted = $text =~ s/(["\\])/\\$1/gr;

	arrives("raw 8-bit in $name of $field: " . substr($text, 0, 10), octets("$complete$mime$field: $value; $name=\"$quoted\"\n\nx\n"), sub {
		my ($got, $charset) = parameter(field($_[0], $field), $name);

		is($_[0] =~ tr/\x80-\xff//, 0, 'the header is ASCII');
		unlike($_[0], qr/=\?/, 'no encoded word');
		is(lc($charset // ''), 'utf-8', 'charset');
		is(Encode::decode('UTF-8', $got), $text, 'it says what it said');
		like(field($_[0], $field), qr/^\Q$value\E;/, 'what stands before it is as it was');
		is(scalar(grep { length > 78 } split /\n/, $_[0]), 0, 'no line is too long');
	});
}
becomes('parameters in ASCII are left alone', "$complete${mime}Content-Type: text/plain; charset=us-ascii; name=\"a b.txt\"; x*=utf-8''%C3%BC\n",
    "$complete${mime}Content-Type: text/plain; charset=us-ascii; name=\"a b.txt\"; x*=utf-8''%C3%BC\n");

# --- what is missing -----------------------------------------------------------------------------------------------------------------

my @days = qw(Sun Mon Tue Wed Thu Fri Sat);
my @months = qw(Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec);

sub is_a_date
{
	my ($date, $zone) = @_;

	like($date, qr/^(?:Sun|Mon|Tue|Wed|Thu|Fri|Sat), \d?\d (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d [-+]\d{4}\z/, 'Date has the form') or return;
	my ($wday, $day, $month, $year, $h, $m, $s, $sign, $zh, $zm) = $date =~ /^(\w+), (\d+) (\w+) (\d+) (\d+):(\d+):(\d+) ([-+])(\d\d)(\d\d)/;
	my ($mon) = grep { $months[$_] eq $month } 0 .. 11;
	my $local = Time::Local::timegm($s, $m, $h, $day, $mon, $year);
	my $time = $local - ($sign eq '-' ? -1 : 1) * ($zh * 3600 + $zm * 60);

	is($days[(gmtime $local)[6]], $wday, 'the day of the week is right');
	cmp_ok(abs(time - $time), '<', 600, 'it is now');
	is("$sign$zh$zm", $zone, 'zone') if defined $zone;
}

arrives('nothing there', "\nHello\n", sub {
	my ($head, $body) = @_;

	is_a_date(field($head, 'Date'));
	like(field($head, 'Message-ID'), qr/^<[A-Za-z0-9.!#\$%&'*+\/=?^_`{|}~-]+\@example\.com>\z/, 'Message-ID');
	like(field($head, 'From'), qr/^(?:[^<>]+ <)?[a-z0-9._-]+\@example\.com>?\z/, 'From');
	is(field($head, 'To'), 'undisclosed-recipients:;', 'To');
	is(join(' ', sort map { /^([^:]+):/ } split /\n/, $head), 'Date From Message-ID To', 'and nothing else');
	is($body, "Hello\r\n", 'the body');
});
my %seen;
for (1 .. 3) {
	arrives("Message-ID $_", "\nx\n", sub { ok(!$seen{field($_[0], 'Message-ID')}++, 'it is new') });
}
for (['Asia/Kathmandu', '+0545', 'XXX-5:45'], ['America/St_Johns', '-0330', 'XXX3:30'], ['UTC', '+0000', 'UTC0']) {
	my ($name, $zone, $tz) = @$_;

	arrives("Date in the zone of $name", "\nx\n", sub { is_a_date(field($_[0], 'Date'), $zone) }, env => {TZ => $tz});
}
arrives('what is missing goes on top, and what is there stays', "X-A: 1\nTo: b\@example.net\nSubject: s\n\nx\n", sub {
	like($_[0], qr/X-A: 1\nTo: b\@example\.net\nSubject: s\n\z/, 'below');
	is(scalar(() = $_[0] =~ /^[A-Z]/gm), 6, 'three were added');
});
for my $there ("Date: x\n", "Message-ID: <x\@y>\n", "From: a\@example.com\n", "To: b\@example.net\n", "Cc: b\@example.net\n", "date : Sun, 1 Jan 2006 00:00:00 GMT\n",
    "MESSAGE-ID:\n <x\@y>\n") {
	my ($name) = $there =~ /^([A-Za-z-]+)/;

	arrives("$name is there and not made", "$there\nx\n", sub {
		is(scalar(() = $_[0] =~ /^\Q$name\E:/gmi), 1, 'it is there once');
		is(defined field($_[0], 'To') ? 1 : 0, $name eq 'Cc' ? 0 : 1, 'To');
	});
}
arrives('only Bcc: undisclosed-recipients', "From: a\@example.com\nBcc: b\@example.net\n\nx\n", sub { is(field($_[0], 'To'), 'undisclosed-recipients:;', 'To') },
    argv => ['-t']);

for (
	['an atom', 'Ally', 'Ally <a@example.com>'],
	['two words', 'Cron Daemon', 'Cron Daemon <a@example.com>'],
	['a dot', 'Joe Q. Public', '"Joe Q. Public" <a@example.com>'],
	['specials', 'A, B <c@d> (e)', '"A, B <c@d> (e)" <a@example.com>'],
	['quotes', 'a "b" \c', '"a \"b\" \\\\c" <a@example.com>'],
) {
	my ($name, $full, $from) = @$_;

	arrives("-F: $name", "Subject: s\n\nx\n", sub { is(field($_[0], 'From'), $from, 'From') }, argv => ['-F', $full, '-f', 'a@example.com', 'b@example.net']);
}
arrives('-F: UTF-8', "Subject: s\n\nx\n", sub {
	well_encoded($_[0], 'utf-8');
	is(Encode::decode('MIME-Header', field($_[0], 'From')), 'Jürgen (M) "ü" <a@example.com>', 'From');
}, argv => ['-F', octets('Jürgen (M) "ü"'), '-f', 'a@example.com', 'b@example.net']);
becomes('-F changes no From that is there', $complete, $complete, argv => ['-F', 'Other', 'b@example.net']);

# A resent message gets what it lacks in its Resent- form, and nothing else.
arrives('Resent-To alone', "Resent-To: c\@example.net\n$complete\nx\n", sub {
	is_a_date(field($_[0], 'Resent-Date'));
	like(field($_[0], 'Resent-Message-ID'), qr/^<[^<>@\s]+\@example\.com>\z/, 'Resent-Message-ID');
	like(field($_[0], 'Resent-From'), qr/\@example\.com>?\z/, 'Resent-From');
	like($_[0], qr/\Q$complete\E\z/, 'the original is as it was');
	is(scalar(() = $_[0] =~ /^[A-Z]/gm), 8, 'and nothing else');
}, argv => ['-t'], sent => 1);
becomes('a resent message that lacks nothing', "Resent-From: r\@x\nResent-To: c\@example.net\nResent-Date: Mon, 23 Nov 2026 00:00:00 +0000\nResent-Message-ID: <2\@x>\n$complete",
    "Resent-From: r\@x\nResent-To: c\@example.net\nResent-Date: Mon, 23 Nov 2026 00:00:00 +0000\nResent-Message-ID: <2\@x>\n$complete", argv => ['-t']);

# --- MIME fields -----------------------------------------------------------------------------------------------------------------------

for (['utf-8', octets("Grüße\n")], ['unknown-8bit', "Gr\xfc\xdfe\n"]) {
	my ($charset, $text) = @$_;

	arrives("an 8-bit body, $charset", "$complete\n$text", sub {
		my ($head, $body, $run) = @_;

		is($body, $text =~ s/\n/\r\n/r, 'the body is as it was');
		is(field($head, 'MIME-Version'), '1.0', 'MIME-Version');
		like(field($head, 'Content-Type'), qr{^text/plain; charset="?\Q$charset\E"?\z}, 'Content-Type');
		is(field($head, 'Content-Transfer-Encoding'), '8bit', 'Content-Transfer-Encoding');
		like($run->server->messages ? ($run->server->messages)[0]{env}{mail}[0] : '', qr/ BODY=8BITMIME/, 'BODY');
	});
}
becomes('none for a body in ASCII', $complete, $complete);
arrives('none where MIME-Version is there', octets("${complete}MIME-Version: 1.0\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit\n\nü\n"), sub {
	is($_[0], "${complete}MIME-Version: 1.0\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit\n", 'the header is as it was');
});

# --- length --------------------------------------------------------------------------------------------------------------------------

for (
	['References', join ' ', map { "<$_.reference\@example.com>" } 1 .. 100],
	['Subject', join ' ', ('word') x 500],
	['Subject', 'x' x 5000],
	['X-Long', 'y' x 997],
	['To', join ', ', map { "b$_\@example.net" } 1 .. 200],
	['X-Fold', 'z ' x 450 . "\n\t" . 'z ' x 900],
) {
	my ($field, $text) = @$_;
	my $others = $complete =~ s/^To: .*\n//mr;

	arrives("$field of " . length($text) . ' octets', ($field eq 'To' ? $others : $complete) . "$field: $text\n\nx\n", sub {
		my $unfolded = field($_[0], $field);

		is(scalar(grep { length > 998 } split /\n/, $_[0]), 0, 'no line is longer than 998');
		is(scalar(grep { /^[ \t]*$/ } split /\n/, $_[0]), 0, 'no line of blanks alone');
		is($unfolded =~ tr/ \t//dr, $text =~ tr/ \t\n//dr, 'it says what it said');
		is($unfolded, $text =~ s/\n//r =~ s/ +\z//r, 'to the blank') if $text =~ / / && $field ne 'X-Fold';
	});
}
becomes('a line of 998 octets stays', "${complete}X-A: " . 'x y ' x 248 . "y\n", "${complete}X-A: " . 'x y ' x 248 . "y\n");

# --- loops -----------------------------------------------------------------------------------------------------------------------------

sub received { return join '', map { "Received: from h$_ by g$_; Sun, 22 Nov 2026 00:00:00 +0000\n" } 1 .. $_[0] }

becomes('50 Received fields pass, and none is added', received(50) . $complete, received(50) . $complete);
check('51 Received fields are a loop', %plain, stdin => received(51) . "$complete\nx\n", exit => 69, err => [qr/loop/], log => {status => 'failed'}, also => sub {
	is($_[0]->server->dialogue, '', 'the smarthost heard nothing');
});
check('60 of them in any case', %plain, stdin => received(60) =~ s/^Received/reCEIVED /gmr . "$complete\nx\n", exit => 69, err => [qr/loop/]);
becomes('Received in the body and X-Received do not count', received(50) . "X-Received: x\n" x 10 . $complete, received(50) . "X-Received: x\n" x 10 . $complete);

# --- signed ----------------------------------------------------------------------------------------------------------------------------

my $signed = octets("DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=x;\n\th=from:to:subject; bh=xxxx; b=yyyy\nFrom : Jürgen <a\@example.com>\nTo:\troot,  b\@example.net\n" .
    "Subject: Grüße   aus\n  Köln\nX-Raw: \xff\nDate: Sun, 22 Nov 2026 03:14:15 +0000\nMessage-ID: <1\@example.com>\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n" .
    "Content-Transfer-Encoding: 8bit\n");
becomes('a signed message is left alone', $signed, $signed, violations => qr/\A(?:\d+ 8bit[^\n]*\n)*\z/);
becomes('but for Bcc, Return-Path and mbox line', "From x y\nReturn-Path: <>\n${signed}Bcc: h\@x\n", $signed, violations => qr/\A(?:\d+ 8bit[^\n]*\n)*\z/);

# --- override-from ------------------------------------------------------------------------------------------------------------------------

my %override = (top => {from => 'app@example.com', 'override-from' => 'true'});
for (
	['a name', 'Alice A <a@example.org>', 'Alice A <app@example.com>', 'Alice A <a@example.org>'],
	['a quoted name', '"A, A" <a@example.org>', '"A, A" <app@example.com>', '"A, A" <a@example.org>'],
	['no name', 'a@example.org', 'app@example.com', 'a@example.org'],
	['a bare name', 'root', 'app@example.com', 'root@example.com'],
) {
	my ($name, $in, $out, $reply) = @$_;

	arrives("override-from: $name", "From: $in\nTo: b\@example.net\n$rest\nx\n", sub {
		is(field($_[0], 'From'), $out, 'From');
		is(field($_[0], 'Reply-To'), $reply, 'Reply-To');
		like(($_[2]->server->messages)[0]{env}{mail}[0], qr/^<app\@example\.com>/, 'sender');
	}, %override);
}
arrives('override-from: UTF-8 in the name', octets("From: Jürgen <a\@example.org>\nTo: b\@example.net\n$rest\nx\n"), sub {
	well_encoded($_[0], 'utf-8');
	is(Encode::decode('MIME-Header', field($_[0], 'From')), 'Jürgen <app@example.com>', 'From');
	is(Encode::decode('MIME-Header', field($_[0], 'Reply-To')), 'Jürgen <a@example.org>', 'Reply-To');
}, %override);
arrives('override-from: a Reply-To that is there stays', "From: A <a\@example.org>\nReply-To: r\@example.org\nTo: b\@example.net\n$rest\nx\n", sub {
	is(field($_[0], 'From'), 'A <app@example.com>', 'From');
	is(field($_[0], 'Reply-To'), 'r@example.org', 'Reply-To');
	is(scalar(() = $_[0] =~ /^Reply-To:/gm), 1, 'one');
}, %override);
arrives('override-from: no From', "To: b\@example.net\n$rest\nx\n", sub {
	like(field($_[0], 'From'), qr/^(?:[^<>]+ <)?app\@example\.com>?\z/, 'From');
	is(field($_[0], 'Reply-To'), undef, 'no Reply-To');
}, %override);
becomes('override-from: From is that address already', "From: App <app\@example.com>\nTo: b\@example.net\n$rest", "From: App <app\@example.com>\nTo: b\@example.net\n$rest", %override);

done_testing;
