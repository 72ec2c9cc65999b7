# Addresses (RFC 5322 section 3.4 and 4.4, RFC 5321 section 4.1.2) from the header and from arguments: what goes into the envelope, what is
# refused by name, and that the others get the mail.
use strict;
use warnings;
use lib 'tests/e2e/lib';
use E2E;

my %plain = (tls => 'none', user => undef);
my $rest = "Date: Sun, 22 Nov 2026 03:14:15 +0000\nMessage-ID: <1\@example.com>\nSubject: test\n";

sub recipients
{
	my ($run) = @_;
	my @messages = $run->server->messages;

	return [map { /^<(.*)>/ ? $1 : $_ } map { @{$_->{env}{rcpt}} } @messages];
}

sub arrived
{
	my ($run) = @_;

	return ($run->server->messages)[0]{data} // '';
}

# What stands for the text on stderr.
sub shown
{
	my ($text) = @_;

	return qr/\Q$text\E/;
}

# A header with these fields: these recipients get it, these bad ones are named.
sub header
{
	my ($name, $fields, $good, $bad, %more) = @_;
	my $also = delete $more{also};

	$fields .= "\n" if $fields !~ /\n\z/;
	check($name, %plain, argv => ['-t'], stdin => "From: a\@example.com\n$fields$rest\nHello\n",
	    exit => @{$bad // []} ? 65 : 0, sent => @$good ? 1 : 0,
	    @{$bad // []} ? (err => [map { shown($_) } @$bad], log => {status => @$good ? 'partial' : 'failed'}) : (),
	    also => sub {
		is_deeply(recipients($_[0]), $good, 'recipients');
		$also->($_[0]) if $also;
	    }, %more);
}

sub argument
{
	my ($name, $arguments, $good, %more) = @_;

	check("argument: $name", %plain, argv => ['-f', 'a@example.com', '--', ref $arguments ? @$arguments : $arguments],
	    exit => $good ? 0 : 64, sent => $good ? 1 : 0, also => sub { is_deeply(recipients($_[0]), $good // [], 'recipients') }, %more);
}

# --- RFC 5322, appendix A -------------------------------------------------------------------------------------------------------

# The whole message through -t: sender, recipients, and it arrives byte for byte, but for the CRLF and what %changed says.
sub appendix
{
	my ($section, $sender, $good, $text, %changed) = @_;
	my $want = $text;

	$want =~ s/\Q$_\E/$changed{$_}/ for keys %changed;
	$want =~ s/\n/\r\n/g;
	check("RFC 5322 appendix $section", %plain, argv => ['-t'], stdin => $text, also => sub {
		my ($run) = @_;

		is_deeply(recipients($run), $good, 'recipients');
		like(($run->server->messages)[0]{env}{mail}[0], qr/^<\Q$sender\E>/, 'sender');
		is(arrived($run), $want, 'the message, byte for byte');
	});
}

appendix('A.1.1', 'jdoe@machine.example', ['mary@example.net'], <<'END');
From: John Doe <jdoe@machine.example>
To: Mary Smith <mary@example.net>
Subject: Saying Hello
Date: Fri, 21 Nov 1997 09:55:06 -0600
Message-ID: <1234@local.machine.example>

This is a message just to say hello.
So, "Hello".
END

appendix('A.1.1, with Sender', 'mjones@machine.example', ['mary@example.net'], <<'END');
From: John Doe <jdoe@machine.example>
Sender: Michael Jones <mjones@machine.example>
To: Mary Smith <mary@example.net>
Subject: Saying Hello
Date: Fri, 21 Nov 1997 09:55:06 -0600
Message-ID: <1234@local.machine.example>

This is a message just to say hello.
So, "Hello".
END

appendix('A.1.2', 'john.q.public@example.com', [qw(mary@x.test jdoe@example.org one@y.test boss@nil.test sysservices@example.net)], <<'END');
From: "Joe Q. Public" <john.q.public@example.com>
To: Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>
Cc: <boss@nil.test>, "Giant; \"Big\" Box" <sysservices@example.net>
Date: Tue, 1 Jul 2003 10:52:37 +0200
Message-ID: <5678.21-Nov-1997@example.com>

Hi everyone.
END

appendix('A.1.3', 'pete@silly.example', [qw(c@a.test joe@where.test jdoe@one.test)], <<'END');
From: Pete <pete@silly.example>
To: A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;
Cc: Undisclosed recipients:;
Date: Thu, 13 Feb 1969 23:32:54 -0330
Message-ID: <testabcd.1234@silly.example>

Testing.
END

appendix('A.2, the reply', 'mary@example.net', ['jdoe@machine.example'], <<'END');
From: Mary Smith <mary@example.net>
To: John Doe <jdoe@machine.example>
Reply-To: "Mary Smith: Personal Account" <smith@home.example>
Subject: Re: Saying Hello
Date: Fri, 21 Nov 1997 10:01:10 -0600
Message-ID: <3456@example.net>
In-Reply-To: <1234@local.machine.example>
References: <1234@local.machine.example>

This is a reply to your hello.
END

appendix('A.2, the reply to the reply', 'jdoe@machine.example', ['smith@home.example'], <<'END');
To: "Mary Smith: Personal Account" <smith@home.example>
From: John Doe <jdoe@machine.example>
Subject: Re: Saying Hello
Date: Fri, 21 Nov 1997 11:00:00 -0600
Message-ID: <abcd.1234@local.machine.test>
In-Reply-To: <3456@example.net>
References: <1234@local.machine.example> <3456@example.net>

This is a reply to your reply.
END

appendix('A.3', 'jdoe@machine.example', ['j-brown@other.example'], <<'END');
Resent-From: Mary Smith <mary@example.net>
Resent-To: Jane Brown <j-brown@other.example>
Resent-Date: Mon, 24 Nov 1997 14:22:01 -0800
Resent-Message-ID: <78910@example.net>
From: John Doe <jdoe@machine.example>
To: Mary Smith <mary@example.net>
Subject: Saying Hello
Date: Fri, 21 Nov 1997 09:55:06 -0600
Message-ID: <1234@local.machine.example>

This is a message just to say hello.
So, "Hello".
END

appendix('A.4', 'jdoe@node.example', ['mary@example.net'], <<'END');
Received: from x.y.test
   by example.net
   via TCP
   with ESMTP
   id ABC12345
   for <mary@example.net>;  21 Nov 1997 10:05:43 -0600
Received: from node.example by x.y.test; 21 Nov 1997 10:01:22 -0600
From: John Doe <jdoe@node.example>
To: Mary Smith <mary@example.net>
Subject: Saying Hello
Date: Fri, 21 Nov 1997 09:55:06 -0600
Message-ID: <1234@local.node.example>

This is a message just to say hello.
So, "Hello".
END

appendix('A.5', 'pete@silly.test', [qw(c@public.example joe@example.org jdoe@one.test)], <<'END');
From: Pete(A nice \) chap) <pete(his account)@silly.test(his host)>
To:A Group(Some people)
     :Chris Jones <c@(Chris's host.)public.example>,
         joe@example.org,
  John <jdoe@one.test> (my dear friend); (the end of the group)
Cc:(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;
Date: Thu,
      13
        Feb
          1969
      23:32
               -0330 (Newfoundland Time)
Message-ID:              <testabcd.1234@silly.test>

Testing.
END

appendix('A.6.1', 'john.q.public@example.com', [qw(mary@example.net jdoe@test.example)], <<'END');
From: Joe Q. Public <john.q.public@example.com>
To: Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example
Date: Tue, 1 Jul 2003 10:52:37 +0200
Message-ID: <5678.21-Nov-1997@example.com>

Hi everyone.
END

appendix('A.6.2', 'jdoe@machine.example', ['mary@example.net'], <<'END');
From: John Doe <jdoe@machine.example>
To: Mary Smith <mary@example.net>
Subject: Saying Hello
Date: 21 Nov 97 09:55:06 GMT
Message-ID: <1234@local.machine.example>

This is a message just to say hello.
So, "Hello".
END

# A line of blanks alone does not pass: to some receivers it ends the header.
appendix('A.6.3', 'jdoe@machine.example', ['mary@example.net'], <<"END", "To    : Mary Smith\n  \n" => "To: Mary Smith\n", map { ("$_:" => s/ +\z//r . ':') } 'From  ', 'Subject     ', 'Date  ', 'Message-ID  ');
From  : John Doe <jdoe\@machine(comment).  example>
To    : Mary Smith
\x20\x20
          <mary\@example.net>
Subject     : Saying Hello
Date  : Fri, 21 Nov 1997 09(comment):   55  :  06 -0600
Message-ID  : <1234   \@   local(blah)  .machine .example>

This is a message just to say hello.
So, "Hello".
END

# --- one address, in the header and as an argument ---------------------------------------------------------------------------------

my @good = (
	['an address alone', 'b@example.net', ['b@example.net']],
	['in angle brackets', '<b@example.net>', ['b@example.net']],
	['with a name', 'Bob B <b@example.net>', ['b@example.net']],
	['with a name of many dots', 'Dr. B. B. <b@example.net>', ['b@example.net']],
	['with a quoted name, comma, bracket and at sign in it', '"B, <x@y> \"B\"" <b@example.net>', ['b@example.net']],
	['an old form: comment behind', 'b@example.net (Bob)', ['b@example.net']],
	['an old form: comment before', '(Bob) b@example.net', ['b@example.net']],
	['nested comments with an address in them', 'b(one (two (x@y, z@w) \) ) )@example.net', ['b@example.net']],
	['a comment that holds a comma', 'b@example.net (one, two@x), c@example.net', ['b@example.net', 'c@example.net']],
	['a quoted local part', '"john doe"@x.org', ['"john doe"@x.org']],
	['a quoted local part in angle brackets', '<"john doe"@x.org>', ['"john doe"@x.org']],
	['a quoted local part with quote, backslash and at sign', '"a\"b\\\\c@d"@x.org', ['"a\"b\\\\c@d"@x.org']],
	['a quoted local part that needs no quotes', '"john.doe"@x.org', ['john.doe@x.org']],
	['a quoted local part with brackets', '"<x>"@x.org', ['"<x>"@x.org']],
	['every atom character', q(!#$%&'*+-/=?^_`{|}~@x.org), [q(!#$%&'*+-/=?^_`{|}~@x.org)]],
	['IPv6', 'u@[IPv6:::1]', ['u@[IPv6:::1]']],
	['IPv4', 'u@[192.0.2.1]', ['u@[192.0.2.1]']],
	['a route', '<@route:a@x>', ['a@x']],
	['a route of two', 'A <@r1,@r2:a@x>', ['a@x']],
	['a group', 'Group: a@x, b@y;', ['a@x', 'b@y']],
	['a group, and one more', 'Group: a@x, B <b@y>;, c@z', ['a@x', 'b@y', 'c@z']],
	['an empty group beside one', 'undisclosed-recipients:;, a@x', ['a@x']],
	['empty elements', ' , ,a@x,, b@y , ', ['a@x', 'b@y']],
	['a list in angle brackets', '<a@x,b@y>', ['a@x', 'b@y']],
	['many on a line without blanks', 'a@x,b@y,c@z', ['a@x', 'b@y', 'c@z']],
	['upper case is kept', 'Bob.B@Example.NET', ['Bob.B@Example.NET']],
	['the longest local part', 'l' x 64 . '@example.net', ['l' x 64 . '@example.net']],
	['the longest path', 'l' x 64 . '@' . join('.', ('d' x 63) x 2, 'd' x 57, 'net'), ['l' x 64 . '@' . join('.', ('d' x 63) x 2, 'd' x 57, 'net')]],
	['a trailing dot', 'b@example.net.', ['b@example.net']],
	['blanks and comments around the at sign', 'b (x) @ (y) example . net', ['b@example.net']],
);
for (@good) {
	my ($name, $text, $good) = @$_;

	header($name, "To: $text", $good, [], also => sub { like(arrived($_[0]), qr/^To: \Q$text\E\r\n/m, 'the field is as it was') });
	argument($name, $text, $good);
}

# Bad ones: nothing of them is used, the others get the mail, and stderr names them.
my @bad = (
	['two addresses without a comma', 'a@x b@y', 'a@x b@y'],
	['a comma in an unquoted name', 'Doe, John <a b@y>', 'John <a b@y>', ['Doe@example.com']],
	['no domain', 'a@', 'a@'],
	['no local part', '@x', '@x'],
	['two at signs', 'a@b@x', 'a@b@x'],
	['the null sender', '<>', '<>'],
	['nothing in the brackets but blanks', '<  >', '<  >'],
	['two dots in the domain', 'a@x..y', 'a@x..y'],
	['a dot first in the domain', 'a@.x', 'a@.x'],
	['a hyphen or a label too long', 'a@' . 'd' x 64 . '.net', 'd' x 64],
	['a bad literal', 'u@[300.1.1.1]', '[300.1.1.1]'],
	['a literal that is none', 'u@[IPv6:xyz]', '[IPv6:xyz]'],
	['a slash in the domain', 'a@x/y', 'a@x/y'],
	['an angle bracket that is not closed', '<a@x', '<a@x'],
	['one that is not opened', 'a@x>', 'a@x>'],
	['text behind the bracket', '<a@x> b', '<a@x> b'],
	['two in brackets', '<a@x> <b@y>', '<a@x> <b@y>'],
	['a local part of 65 octets', 'l' x 65 . '@x', 'l' x 65],
	['an address of 300 octets', 'l' x 40 . '@' . join('.', ('d' x 50) x 5, 'dddd'), 'l' x 40],
	['a path of 257 octets', 'l' x 64 . '@' . join('.', ('d' x 63) x 2, 'd' x 58, 'net'), 'l' x 64],
	['a phrase with a colon', 'a@x Bcc: evil@y', 'evil@y'],
	['not UTF-8', "a\@x\xff.org", 'a@x'],
);
for (@bad) {
	my ($name, $text, $told, $also) = @$_;
	my @others = @{$also // []};

	header("$name, alone", "To: $text", \@others, [$told]);
	header("$name, among others", "To: first\@x, $text, last\@y\nCc: cc\@z", ['first@x', @others, 'last@y', 'cc@z'], [$told]);
	argument($name, $text, undef, err => shown($told));
	argument("$name, behind a good one", ['good@x', $text], undef, err => shown($told));
}

# Where a quote or comment never ends there is no comma to resume at: nothing of the field is used, the other fields are.
for (['a quote', 'first@x, "a <b@y>, c@z'], ['a comment', 'first@x, a (b@y, c@z'], ['a literal', 'first@x, a@[1.2, c@z']) {
	my ($name, $text) = @$_;

	header("$name that never ends", "To: $text\nCc: other\@w", ['other@w'], [$text]);
	header("$name that never ends, alone", "To: $text", [], [$text]);
	argument("$name that never ends", $text, undef);
}

header('a comma that should have been quoted', 'To: Doe, John <j@y>', ['Doe@example.com', 'j@y']);
header('a blank before the colon', 'To : x@y', ['x@y'], [], also => sub { like(arrived($_[0]), qr/^To: x\@y\r\n/m, 'it is gone') });
header('a tab before the colon', "tO\t: x\@y", ['x@y']);
header('all three fields, twice', "To: a\@x\nCc: b\@x\nBcc: c\@x\nTO: d\@x\ncc: e\@x\nbcc: f\@x", [map { "$_\@x" } 'a' .. 'f']);
header('folded everywhere', "To:\n a\@x\n\t,\n B\n <b\n \@y>\n , c\@z", [qw(a@x b@y c@z)]);
header('bad ones in three fields are all named', "To: a\@x b\@y, good\@x\nCc: <>\nBcc: a@", ['good@x'], ['a@x b@y', '<>', 'a@']);
header('from Bcc as well, named with its field', "To: good\@x\nBcc: a b c", ['good@x'], ['Bcc']);
header('no recipient in any field', 'To: undisclosed-recipients:;', [], ['no recipients']);

check('other fields with addresses are no recipients', %plain, argv => ['-t'],
    stdin => "From: a\@example.com\nReply-To: r\@x\nSender: s\@x\nX-To: xt\@x\nApparently-To: ap\@x\nTo: b\@y\n$rest\nTo: body\@x\n", also => sub {
	is_deeply(recipients($_[0]), ['b@y'], 'recipients');
});

# --- size ------------------------------------------------------------------------------------------------------------------------

my @many = map { "user$_\@example.net" } 1 .. 5000;
header('5,000 recipients in one folded field', 'To: ' . join(",\n ", @many), \@many);
header('5,000 recipients in 50 fields', join("\n", map { 'To: ' . join ', ', @many[$_ * 100 .. $_ * 100 + 99] } 0 .. 49), \@many);
my @wide = @many[0 .. 4799];
my $wide = 'To: ' . join ', ', @wide;
cmp_ok(length $wide, '>=', 100_000, 'a line of 100,000 octets it is');
header('a header line of 100,000 octets', $wide, \@wide, [], also => sub {
	my ($head) = split /\r\n\r\n/, arrived($_[0]);

	is(scalar(grep { length > 998 } split /\r\n/, $head), 0, 'it was folded');
	(my $unfolded = $head) =~ s/\r\n(?=[ \t])//g;
	like($unfolded, qr/^\Q$wide\E\r?$/m, 'and says what it said');
});
header('100,000 opening parentheses', 'To: a@x, ' . '(' x 100_000 . "\nCc: b\@y", ['b@y'], ['a@x, (((']);
header('100,000 nested comments', 'To: ' . '(' x 50_000 . ')' x 50_000 . ' a@x', ['a@x']);
header('50,000 commas', 'To: a@x' . ',' x 50_000 . 'b@y', ['a@x', 'b@y']);
header('1,000 bad addresses are told in bounds', 'To: a@x, ' . join(', ', ('b c') x 1000), ['a@x'], undef, exit => 65, sent => 1, err => qr/b c/, also => sub {
	cmp_ok(scalar($_[0]->err_lines), '<=', 110, 'lines on stderr');
});
header('a bad address of 100,000 octets is told in bounds', 'To: a@x, ' . 'b ' x 50_000, ['a@x'], ['b b b'], also => sub {
	cmp_ok(length $_[0]->err, '<=', 2000, 'octets on stderr');
});

done_testing;
