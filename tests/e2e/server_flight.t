# -bs and a caller who does not wait, before a smarthost with CHUNKING: whole transactions are in flight. Each message arrives in its own envelope, each command has its reply in its turn, and what
# is answered with 250 has been taken, whatever the smarthost does.
use lib 'tests/e2e/lib';
use E2E;
use Middleman;
use Queue;

my $header = "From: a\@example.com\r\nSubject: test\r\nDate: Sun, 22 Nov 2026 03:14:15 +0000\r\n";

# --- what is said

sub content { my ($n, $text) = @_; return "${header}Message-ID: <$n\@example.com>\r\n\r\nNumber $n.\r\n" . ($text // '') }

# The n-th transaction: the number is in sender, recipients and body. way: data or bdat.
sub transaction
{
	my ($n, %o) = @_;
	my $text = content($n, $o{text});
	my $said = 'MAIL FROM:<' . ($o{from} // "s$n\@example.com") . ">\r\n" . join '', map { "RCPT TO:<$_>\r\n" } @{$o{to} // ["r$n\@example.net"]};

	return $said . 'BDAT ' . length($text) . " LAST\r\n$text" if ($o{way} // 'bdat') eq 'bdat';
	return "${said}DATA\r\n" . $text =~ s/^\./../mgr . ".\r\n";
}

sub codes { return join ' ', map { /^(\d{3}) / ? $1 : () } split /\r\n/, $_[0] }

# "N FROM RECIPIENTS" of each that arrived.
sub arrived_as { return map { my ($n) = $_->{data} =~ /^Number (\d+)\./m; "$n " . path_of($_->{env}{mail}[0]) . ' ' . recipients($_) } $_[0]->messages }
sub own { return map { "$_ s$_\@example.com r$_\@example.net" } @_ }

# The numbers of those whose message was answered with 250; count: all of them have one recipient, and nobody is refused.
sub said_to_be_taken
{
	my ($codes, $way) = @_;
	my @codes = split / /, $codes =~ s/\A220 250 //r =~ s/ 221\z//r;
	my ($n, @taken) = (0);

	while (@codes) {
		my ($mail, $rcpt) = splice @codes, 0, 2;
		shift @codes if $way eq 'data' && @codes && $codes[0] eq '354';
		$n++;
		push @taken, $n if "$mail $rcpt " . (shift @codes // '') eq '250 250 250';
	}
	return ($n, @taken);
}

sub sent_at_once
{
	my ($name, $said, %o) = @_;

	check $name, argv => ['-bs'], stdin => "EHLO x\r\n${said}QUIT\r\n", exit => 0, err => [], out => qr/\A220 /, sent => undef, log => undef, %o;
}

# --- flights

for my $way ('bdat', 'data') {
	my $server = smarthost(tls => 'none', user => undef);
	my $middle = middleman($server);

	sent_at_once("flights: $way", join('', map { transaction($_, way => $way) } 1 .. 60), server => $server, host => {port => $middle->{port}}, also => sub {
		my ($run) = @_;
		my @flights = $middle->{flights}->();
		my @log = map { E2E::parse_log($_) } $run->log_lines;

		is(codes($run->out), '220 250 ' . join(' ', ($way eq 'bdat' ? '250 250 250' : '250 250 354 250') x 60) . ' 221', 'the replies');
		is_deeply([arrived_as($server)], [own(1 .. 60)], 'each in its envelope, in their order');
		is($server->violations, '', 'as it should be');
		cmp_ok(scalar @flights, '<=', 12, 'few flights for sixty: ' . scalar @flights);
		cmp_ok((grep { (() = /^MAIL FROM/mg) > 5 } @flights), '>=', 2, 'several MAIL in one flight');
		is(scalar(grep { $_->{status} eq 'sent' && $_->{reply} =~ /\A250 / && $_->{size} > 100 } @log), 60, 'each has its line in the log');
		is_deeply([map { $_->{msgid} } @log], [map { "<$_\@example.com>" } 1 .. 60], 'in their order');
	});
}

# A message larger than a flight may have, one that just fits, and dots: among small ones.
for my $way ('bdat', 'data') {
	my %text = (3 => ('x' x 70 . "\r\n") x 900, 5 => ('y' x 70 . "\r\n") x 3000, 7 => ".\r\n..\r\n.x\r\n\r\n.\r\n", 9 => ('z' x 70 . "\r\n") x 907);

	sent_at_once("sizes: $way", join('', map { transaction($_, way => $way, text => $text{$_}) } 1 .. 12), also => sub {
		my ($run) = @_;

		is(codes($run->out), '220 250 ' . join(' ', ($way eq 'bdat' ? '250 250 250' : '250 250 354 250') x 12) . ' 221', 'the replies');
		is_deeply([arrived_as($run->server)], [own(1 .. 12)], 'all arrive');
		is_deeply([map { $_->{data} =~ s/\A.*?\r\n\r\nNumber \d+\.\r\n//sr } $run->server->messages], [map { $text{$_} // '' } 1 .. 12], 'as they were');
		is($run->server->violations, '', 'as it should be');
	});
}

# --- the same as for a caller who waits

# What a caller says who waits for each reply; those it gets.
sub waiting
{
	my ($said, %o) = @_;
	my $talk = talk(%o);
	my @codes = ($talk->hear->{code});

	while ($said ne '') {
		$said =~ s/\A(.*\r\n)//;
		my $line = $1;
		my $in_data = 0;

		$line .= substr $said, 0, $1, '' if $line =~ /^BDAT (\d+)/;
		$talk->send($line);
		push @codes, $talk->hear->{code};
		if ($codes[-1] eq '354') {
			$said =~ s/\A(.*?\r\n\.\r\n)//s;
			$talk->send($1);
			push @codes, $talk->hear->{code};
		}
	}
	my $run = $talk->end;
	return (join(' ', @codes), $run);
}

# A dialogue by chance, always the same one for a seed. In each transaction somebody is taken, unless the sender is refused: DATA that is refused would make the message commands.
sub by_chance
{
	my ($seed) = @_;
	my $state = $seed;
	my $chance = sub { $state = ($state * 1103515245 + 12345) % 2147483648; return int($state / 65536) % $_[0] };
	my @texts = ('', '', '', ".\r\n", "..\r\nx", 'w' x 900 . "\r\n", ('v' x 78 . "\r\n") x 30, "caf\xc3\xa9\r\n");
	my @from = ('s%d@example.com', '', 'no@example.com', 'later@example.com');
	my @to = ('r%d@example.net', 'q%d@example.net', 'no@example.net', 'later@example.net', 'two', 'one', "caf\xc3\xa9\@example.net", 'nowhere', 'r%d@example.net');
	my @between = ("RSET\r\n", "NOOP\r\n", "MAIL FROM:<x\@example.com>\r\nRSET\r\n", "VRFY x\r\n", "EHLO y\r\n", "MAIL FROM:<x\@example.com>\r\nRCPT TO:<r\@example.net>\r\nRSET\r\n");
	my $said = "EHLO x\r\n";

	for my $n (1 .. 15) {
		my @rcpt = map { $to[$chance->(scalar @to)] =~ s/%d/$n/r } 0 .. $chance->(4);
		my $from = $chance->(2) ? "s$n\@example.com" : $from[$chance->(scalar @from)] =~ s/%d/$n/r;
		my $refused = $from =~ /^(?:no|later)@/;

		push @rcpt, "sure$n\@example.net";
		$said .= transaction($n, from => $from, to => \@rcpt, text => $texts[$chance->(scalar @texts)] =~ s/([^\n])\z/$1\r\n/r, way => $refused || $chance->(2) ? 'bdat' : 'data');
		$said .= $between[$chance->(scalar @between)] if $chance->(5) == 0;
	}
	return "${said}QUIT\r\n";
}

my @refusals = ('mail@no@* reply "553 5.7.1 Not yours"', 'mail@later@* reply "451 4.3.0 Later"', 'rcpt@no@* reply "550 5.1.1 No"', 'rcpt@later@* reply "450 4.2.0 Later"');
for my $seed (1 .. 12) {
	my $said = by_chance($seed);
	my $aliases = spew(scratch() . '/aliases', "two: x\@example.org, y\@example.org\none: z\@example.org\nnowhere: |/bin/false\n", 0644);
	my %o = (rules => \@refusals, top => {domain => 'example.com', aliases => $aliases}, $seed % 3 == 0 ? (ext => '-SMTPUTF8,-8BITMIME') : ());
	my ($codes, $waited) = waiting($said, %o);

	check "by chance, $seed", argv => ['-bs'], stdin => $said, exit => 0, err => undef, err_not => qr/Sanitizer/, out => qr/\A220 /, sent => undef, log => undef, violations => qr//, %o, also => sub {
		my ($run) = @_;

		is(codes($run->out), $codes, 'the same replies');
		is_deeply([map { "$_->{env}{mail}[0] @{$_->{env}{rcpt}} $_->{data}" =~ s/ SIZE=\d+| BODY=\S+//gr } $run->server->messages],
		    [map { "$_->{env}{mail}[0] @{$_->{env}{rcpt}} $_->{data}" =~ s/ SIZE=\d+| BODY=\S+//gr } $waited->server->messages], 'the same arrives');
		is_deeply([map { my $l = E2E::parse_log($_); "$l->{status} " . ($l->{from} // '') } $run->log_lines], [map { my $l = E2E::parse_log($_); "$l->{status} " . ($l->{from} // '') } $waited->log_lines],
		    'the same is in the log');
		is($run->server->violations, $waited->server->violations, 'as it should be');
	};
}

# --- nobody is taken

for my $way ('bdat', 'data') {
	sent_at_once("nobody is taken: $way", join('', map { transaction($_, way => $way, to => [$_ == 4 ? 'no@example.net' : "r$_\@example.net"]) } 1 .. 6), rules => ['rcpt@no@* reply "550 5.1.1 No"', 'dot##5 reply "554 5.7.1 Spam"'], also => sub {
		my ($run) = @_;
		my $each = $way eq 'bdat' ? '250 250 250' : '250 250 354 250';

		is(codes($run->out), "220 250 $each $each $each 250 550 554 $each 250 250 " . ($way eq 'bdat' ? '' : '354 ') . '554 221', 'the others are');
		is_deeply([arrived_as($run->server)], [own(1, 2, 3, 5)], 'and arrive');
	});
}
for my $rules (['rset reply "502 5.5.1 What?"', 'dot##2 conn=1 reply "554 5.7.1 Spam"'], ['rset reply "502 5.5.1 What?"', 'rcpt@r2@* reply "550 5.1.1 No"'], ['rset#2- reply "554 5.5.1 No more"', 'dot##3 conn=1 reply "554 5.7.1 Spam"']) {
	sent_at_once("RSET is refused, and something may stand there: @$rules", join('', map { transaction($_) } 1 .. 6), rules => $rules, violations => qr//, also => sub {
		my ($run) = @_;
		my ($n, @taken) = said_to_be_taken(codes($run->out), 'bdat');
		my %own = map { $_ => 1 } own(1 .. 6);
		my @arrived = arrived_as($run->server);

		cmp_ok(scalar @taken, '>=', 4, 'the others go: ' . codes($run->out));
		is_deeply([grep { !$own{$_} } @arrived], [], 'each in its own envelope');
		cmp_ok(scalar @arrived, '>=', scalar @taken, 'and arrive');
		unlike(codes($run->out), qr/502/, 'nobody is told of RSET');
	});
}
sent_at_once('SIZE is more than the smarthost takes', transaction(1) . transaction(2) . transaction(3) =~ s/(MAIL.*?>)/$1 SIZE=99999999999/r . transaction(4), also => sub {
	my ($run) = @_;

	is(codes($run->out), '220 250 250 250 250 250 250 250 552 503 503 250 250 250 221', 'it is refused');
	is_deeply([arrived_as($run->server)], [own(1, 2, 4)], 'the others arrive');
});
sent_at_once('the smarthost has enough recipients', join('', map { transaction($_, to => ["r$_\@example.net", "q$_\@example.net", "p$_\@example.net"]) } 1 .. 4), rules => ['rcpt#3- reply "452 4.5.3 Too many recipients"'],
    also => sub {
	my ($run) = @_;

	is(scalar(() = $run->out =~ /^452 4\.5\.3 Too many recipients\r$/mg), 4, 'its own words');
	is(codes($run->out), '220 250 ' . join(' ', ('250 250 250 452 250') x 4) . ' 221', 'the third is told so each time');
	is_deeply([arrived_as($run->server)], [map { "$_ s$_\@example.com r$_\@example.net q$_\@example.net" } 1 .. 4], 'and does not get it');
});

# --- the line breaks

# Twelve transactions; with these rules each reply is one that can be given, and what was taken has arrived: once, or twice where the line broke while it was in flight.
sub breaks
{
	my ($name, $rules, %o) = @_;

	for my $way ('bdat', 'data') {
		my $queue = $o{queue} ? new_queue() : undef;

		sent_at_once("$name: $way" . ($queue ? ', with a queue' : ''), join('', map { transaction($_, way => $way, text => $o{text}) } 1 .. 12), rules => $rules, violations => qr//, top => {timeout => $o{timeout} // '20s', $queue ? (queue => $queue) : ()},
		    also => sub {
			my ($run) = @_;
			my ($count, @taken) = said_to_be_taken(codes($run->out), $way);
			my @arrived = arrived_as($run->server);
			my %there = map { /^(\d+)/ ? ($1 => 1) : () } @arrived;
			my %kept = map { slurp("$queue/$_") =~ /^Number (\d+)\./m ? ($1 => 1) : () } $queue ? ids($queue) : ();
			my %own = map { $_ => 1 } own(1 .. 12);

			is($count, 12, 'each has its replies');
			is_deeply([grep { !$there{$_} && !$kept{$_} } @taken], [], 'what was taken has arrived' . ($queue ? ', or is in the queue' : ''));
			is_deeply([grep { !$own{$_} } @arrived], [], 'each in its own envelope');
			cmp_ok(scalar @taken, '>=', $o{least} // 11, 'taken: ' . scalar @taken);
			is(scalar $run->log_lines, 12, 'each has its line in the log');
			cmp_ok(@arrived - keys %there, '<=', $o{twice} // 0, 'none arrives twice') if !$queue;
		});
	}
}

for my $queue (0, 1) {
	breaks('the end of the fifth message closes', ['dot##5 conn=1 close'], queue => $queue);
	breaks('it is taken, and the line closed', ['dot##5 conn=1 pass close'], queue => $queue);
	breaks('the same, reset', ['dot##5 conn=1 reset'], queue => $queue, least => 10);
	breaks('MAIL closes', ['mail##5 conn=1 close'], queue => $queue);
	breaks('RCPT closes', ['rcpt##5 conn=1 close'], queue => $queue);
	breaks('RSET closes', ['rset#3 conn=1 close'], queue => $queue);
	breaks('421 at MAIL', ['mail##5 conn=1 reply "421 4.7.0 Enough" close'], queue => $queue, least => 12);
	breaks('421 at RCPT', ['rcpt##5 conn=1 reply "421 4.7.0 Enough" close'], queue => $queue);
	breaks('421 at the end', ['dot##5 conn=1 reply "421 4.7.0 Enough" close'], queue => $queue);
	breaks('421 at RSET', ['rset#3 conn=1 reply "421 4.7.0 Enough" close'], queue => $queue);
	breaks('RSET is refused', ['rset reply "500 5.5.1 What?"'], queue => $queue);
	breaks('each connection is for three', ['mail##4 reply "421 4.7.0 Enough" close'], queue => $queue, least => 12);
	breaks('one that says more than it is asked', ['dot##5 conn=1 inject "250 more\r\n"'], queue => $queue, least => 9, twice => 9);
}
my $large = ('u' x 76 . "\r\n") x 400;
for my $how ('pass close', 'close', 'reset') {
	breaks("large ones, $how", ["dot##5 conn=1 $how"], text => $large);
	breaks("large ones, MAIL, $how", ["mail##8 conn=1 $how"], text => $large);
}
breaks('one that falls silent', ['dot##3 conn=1 stall'], timeout => '2s', queue => 1, least => 12);
breaks('nobody is there any more', ['dot##5 conn=1 close', 'banner conn=2- reply "421 4.3.2 No"'], queue => 1, least => 12);

# What comes once more, and is refused then, is still a message: nothing in it becomes a command.
sent_at_once('a message that holds commands', join('', map { transaction($_, way => 'data', text => "RSET\r\nMAIL FROM:<evil\@example.org>\r\nRCPT TO:<victim\@example.org>\r\nDATA\r\nforged\r\n") } 1 .. 6),
    rules => ['mail##4 conn=1 reply "421 4.7.0 Enough" close', 'mail@s4@* conn=2 reply "451 4.3.0 Later"', 'rcpt@r5@* reply "450 4.2.0 Busy"'], also => sub {
	my ($run) = @_;
	my $each = '250 250 354 250';

	is(codes($run->out), "220 250 $each $each $each 451 503 503 250 450 554 $each 221", 'the replies');
	is_deeply([arrived_as($run->server)], [own(1 .. 3, 6)], 'what arrives');
});

for my $way ('bdat', 'data') {
	sent_at_once("nobody is taken of one that comes once more: $way", join('', map { transaction($_, way => $way) } 1 .. 8), rules => ['mail##4 conn=1 reply "421 4.7.0 Enough" close', 'rcpt@r4@* conn=2 reply "450 4.2.0 Busy"'],
	    also => sub {
		my ($run) = @_;
		my $each = $way eq 'bdat' ? '250 250 250' : '250 250 354 250';

		is(codes($run->out), "220 250 $each $each $each 250 450 554 " . join(' ', ($each) x 4) . ' 221', 'the others are');
		is_deeply([arrived_as($run->server)], [own(1 .. 3, 5 .. 8)], 'each with its own sender');
	});
}
{
	my $talk = talk(rules => ['mail##4 conn=1 reply "421 4.7.0 Enough" close']);

	$talk->hear;
	$talk->say('EHLO x');
	$talk->hear;
	$talk->send(join '', map { transaction($_) } 1 .. 4);
	is(join(' ', map { $talk->hear->{code} } 1 .. 12), join(' ', ('250') x 12), 'DATA out of order, behind one that came once more');
	like($talk->ask('DATA'), qr/\A503 /, 'is refused');
	like($talk->ask('NOOP'), qr/\A250 /, 'and is nothing more');
	$talk->say('QUIT');
	$talk->end;
}

# --- a caller of another kind

# A caller who waits need not say RSET where nobody was taken, either.
{
	my ($codes, $run) = waiting("EHLO x\r\n" . transaction(1, to => ['no@example.net']) . transaction(2) . transaction(3, to => ['no@example.net']) . "RCPT TO:<r3\@example.net>\r\n" . "MAIL FROM:<x\@example.com>\r\nQUIT\r\n",
	    rules => \@refusals);

	is($codes, '220 250 250 550 554 250 250 250 250 550 554 250 503 221', 'MAIL may follow a message that was refused since nobody was taken, unless RCPT did');
	is_deeply([arrived_as($run->server)], [own(2)], 'and has its own sender');
}

# Who has what is taken is told so while the smarthost is waited for.
{
	my $talk = talk(rules => ['dot##3 stall'], top => {timeout => '10s'});

	$talk->hear;
	$talk->say('EHLO x');
	$talk->hear;
	$talk->send(join '', map { transaction($_) } 1 .. 3);
	is(join(' ', map { ($talk->hear(8) // {code => 'nothing'})->{code} } 1 .. 6), '250 250 250 250 250 250', 'two are answered while the third is waited for');
	is(join(' ', map { $talk->hear->{code} } 1 .. 3), '250 250 451', 'and the third in the end');
	$talk->say('QUIT');
	$talk->end;
}

# Whoever waits for what he has sent before he sends more is answered.
{
	my $talk = talk();

	is($talk->hear->{code}, '220', 'a caller with a window: the greeting');
	like($talk->ask('EHLO x'), qr/\A250 /, 'EHLO');
	for my $n (1 .. 8) {
		my ($first, $second, $third) = (transaction(2 * $n - 1), transaction(2 * $n, way => 'data'), transaction(99));

		$talk->send($first . $second . substr $third, 0, 60);	# and some of the next
		is(join(' ', map { $talk->hear->{code} } 1 .. 7), '250 250 250 250 250 354 250', "two transactions, $n");
		$talk->send(substr $third, 60);
		is(join(' ', map { $talk->hear->{code} } 1 .. 3), '250 250 250', 'and the rest');
	}
	$talk->say('QUIT');
	is($talk->hear->{code}, '221', 'QUIT');
	my $run = $talk->end;
	is_deeply([arrived_as($run->server)], [map { (own(2 * $_ - 1, 2 * $_), own(99)) } 1 .. 8], 'all arrive');
}

# Where there are several smarthosts, nothing is in flight: whom the first refuses for now, the second is asked for.
{
	my ($first, $second) = map { smarthost(tls => 'none', user => undef, rules => $_) } ['mail@later@* reply "451 4.3.0 Later"'], [];
	my %from = (3 => 'later@example.com', 6 => 'later@example.com');
	my @expected = map { "$_ " . ($from{$_} // "s$_\@example.com") . " r$_\@example.net" } 1 .. 8;

	sent_at_once('several smarthosts', join('', map { transaction($_, from => $from{$_}) } 1 .. 8), server => $second,
	    conf => conf({log => '@LOG@'}, section($first, title => 'first'), section($second, title => 'second')), also => sub {
		my ($run) = @_;

		is(codes($run->out), '220 250 ' . join(' ', ('250 250 250') x 8) . ' 221', 'the replies');
		is_deeply([sort(arrived_as($first), arrived_as($second))], \@expected, 'each arrives once, in its envelope');
		is_deeply([grep { /later/ } arrived_as($second)], [@expected[2, 5]], 'at the second what the first did not take');
	});
}

# What is not whole at the end of the input is not sent; what was whole is.
for my $cut (1, 10, 100) {
	my $said = join '', map { transaction($_) } 1 .. 5;

	check "the input ends $cut octets early", argv => ['-bs'], stdin => "EHLO x\r\n" . substr($said, 0, -$cut), exit => 65, err => undef, err_not => qr/Sanitizer/, out => qr/\A220 /, sent => undef, log => undef, also => sub {
		my ($run) = @_;

		is(codes($run->out), '220 250 ' . join(' ', ('250 250 250') x 4) . ' 250 250', 'the replies');
		is_deeply([arrived_as($run->server)], [own(1 .. 4)], 'what arrives');
	};
}

done_testing;
