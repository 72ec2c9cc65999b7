# Several messages of the queue in flight over one connection, and QUIT with the end of the last one: each message arrives once, in its own envelope, or is still in the queue,
# whatever the smarthost does and whenever the run is killed; and round trips are saved.
use lib 'tests/e2e/lib';
use E2E;
use Middleman;
use Queue;
use Time::HiRes ();

my %ways = ('CHUNKING' => undef, 'no CHUNKING' => '-CHUNKING', 'no PIPELINING' => '-PIPELINING', 'neither' => '-CHUNKING,-PIPELINING');
my @piped = ('CHUNKING', 'no CHUNKING');

# --- what is in the queue, and what arrived

# The n-th of several messages: its number is in its sender, its body and, unless others are given, its recipients.
sub fill
{
	my ($queue, $count, %to) = @_;
	my %id;

	for my $n (1 .. $count) {
		my $to = $to{$n} // ["r$n\@example.net"];

		$id{enqueue_as($queue, $n, argv => ['-f', "s$n\@example.com", @$to], stdin => MESSAGE . "Number $n.\n")} = $n;
	}
	return %id;
}

# All that arrived but notices: "N RECIPIENT" for each recipient, N from the body; whoever's sender or recipient is not its own is told as WRONG.
sub pairs
{
	my ($server) = @_;
	my @pairs;

	for my $message (grep { !is_notice($_) } $server->messages) {
		my ($n) = $message->{data} =~ /^Number (\d+)\.\r?$/m;
		my $from = path_of($message->{env}{mail}[0]);

		for my $to (split / /, recipients($message)) {
			my $own = $from eq "s$n\@example.com" && ($to =~ /\A[a-z]+(\d+)\@/ ? $1 : '') eq $n;

			push @pairs, $own ? "$n $to" : "WRONG $n $from $to";
		}
	}
	return @pairs;
}

sub by_number { my ($a, $b) = @_; return ($a =~ /(\d+)/)[0] <=> ($b =~ /(\d+)/)[0] || $a cmp $b }
sub in_order { return join ', ', sort { by_number($a, $b) } @_ }
sub each_once { my (@n) = @_; return in_order(map { "$_ r$_\@example.net" } @n) }

# Which senders were told, and of whom.
sub told { return in_order(map { recipients($_) . ' of ' . join ' ', $_->{data} =~ /^Final-Recipient: rfc822;\s*(\S+?)\r?$/mg } notices($_[0])) }

# The numbers of what is left.
sub left { my ($queue, $id) = @_; return in_order(map { $id->{$_} // $_ } ids($queue)) }

sub of_way { my ($way, @rules) = @_; return smarthost(defined $ways{$way} ? (ext => $ways{$way}) : (), rules => \@rules) }

# --- all goes well

for my $way (sort keys %ways) {
	my ($queue, $server) = (new_queue(), of_way($way));
	my %id = fill($queue, 12, 5 => ['r5@example.net', 'q5@example.net']);

	run_queue($queue, "$way: twelve messages", $server, sent => undef, also => sub {
		my @log = log_of($_[0]);

		is(in_order(pairs($server)), in_order((map { "$_ r$_\@example.net" } 1 .. 12), '5 q5@example.net'), 'each arrives once, in its own envelope');
		is(left($queue, \%id), '', 'nothing is left');
		is(connections($server), 1, 'over one connection');
		is($server->violations, '', 'as it should be');
		is(scalar(grep { $_->{status} eq 'sent' } @log), 12, 'each has its line in the log');
		is(in_order(map { $id{$_->{queue}} } @log), in_order(1 .. 12), 'with its own name');
		is(scalar(grep { $_->{reply} =~ /\A250 / } @log), 12, 'and what was answered');
	});
}

# --- round trips

my %most = ('CHUNKING' => 7, 'no CHUNKING' => 16, 'neither' => undef);

for my $way (sort keys %most) {
	my ($queue, $server) = (new_queue(), smarthost(tls => 'none', user => undef, defined $ways{$way} ? (ext => $ways{$way}) : ()));
	my %id = fill($queue, 12);
	my $middle = middleman($server);

	run_queue($queue, "$way: flights", $server, host => {port => $middle->{port}}, sent => undef, also => sub {
		my @flights = $middle->{flights}->();

		is(in_order(pairs($server)), each_once(1 .. 12), 'all arrive');
		if (defined $most{$way}) {
			cmp_ok(scalar @flights, '<=', $most{$way}, 'few flights for twelve messages: ' . scalar @flights);
		} else {
			cmp_ok(scalar @flights, '>=', 36, 'one command after the other: ' . scalar @flights);
			is(scalar(grep { (() = /^(?:MAIL|RCPT|DATA|QUIT)\b/mg) > 1 } @flights), 0, 'and never two at once');
		}
		cmp_ok((grep { (() = /^MAIL FROM/mg) > 5 } @flights), '>=', 1, 'several MAIL in one flight') if $way eq 'CHUNKING';
		cmp_ok((grep { /\r\n\.\r\n(?:RSET\r\n)?MAIL FROM/ } @flights), '>=', 9, 'MAIL behind the dot') if $way eq 'no CHUNKING';
	});
}

# --- RSET is refused

# Where something may stand there when RSET is refused for the first time, the connection is given up: what was behind it is sent again, and the first of that waits, since it may have gone.
for my $rule ('rset reply "502 5.5.1 What?"', 'rset#5- reply "502 5.5.1 Enough"', 'rset#5 reply "451 4.3.0 Not now"') {
	for my $more ([], ['rcpt@r3@* reply "550 5.1.1 No"', 'dot##7 conn=1 reply "554 5.7.1 Spam"']) {
		my ($queue, $server) = (new_queue(), smarthost(rules => [$rule, @$more]));
		my %id = fill($queue, 24);

		run_queue($queue, "$rule @$more", $server, sent => undef, violations => qr//, also => sub {
			my @pairs = pairs($server);
			my %seen = map { $_ => 1 } @pairs;

			is_deeply([grep { /WRONG/ } @pairs], [], 'none arrives elsewhere');
			if (@$more) {
				cmp_ok(keys(%seen) + ids($queue), '>=', 22, 'all arrive but those that are refused, or wait: ' . keys %seen);
				cmp_ok(scalar ids($queue), '<=', 1, 'of which there is at most one');
			} else {
				is(in_order(@pairs), each_once(1 .. 24), 'each arrives once');
				is(left($queue, \%id), '', 'nothing is left');
			}
		});
	}
}

# --- QUIT with the end of a message

for my $row (['CHUNKING', qr/^BDAT \d+ LAST\r\n.*\r\nQUIT\r\n\z/ms, 2], ['no CHUNKING', qr/\r\n\.\r\nQUIT\r\n\z/, 3], ['no PIPELINING', qr/\AQUIT\r\n\z/, 5], ['neither', qr/\AQUIT\r\n\z/, 6]) {
	my ($way, $pattern, $flights) = @$row;
	my $server = smarthost(tls => 'none', user => undef, defined $ways{$way} ? (ext => $ways{$way}) : ());
	my $middle = middleman($server);

	check "$way: one message", server => $server, host => {port => $middle->{port}}, also => sub {
		my @flights = $middle->{flights}->();

		is(scalar $server->messages, 1, 'it arrives');
		like($flights[-1], $pattern, 'QUIT is where it belongs');
		is(scalar @flights, $flights, 'flights');
	};
}

for my $way (@piped) {
	my @ext = defined $ways{$way} ? (ext => $ways{$way}) : ();
	my @two = (argv => ['b@example.net', 'c@example.net']);

	for my $more ([], \@two) {
		my $name = "$way" . (@$more ? ', two recipients' : '');

		check "$name: refused at the end", @ext, @$more, rules => ['dot reply "552 5.3.4 Too large"'], exit => 65, err => [qr/refused the message: 552 5\.3\.4 Too large/],
		    log => {status => 'failed', stage => 'dot'};
		check "$name: refused at the end for now", @ext, @$more, rules => ['dot reply "452 4.3.1 Full"'], exit => 75, err => [qr/refused the message: 452 4\.3\.1 Full/],
		    log => {status => 'failed', stage => 'dot'};
		check "$name: 421 at the end", @ext, @$more, rules => ['dot reply "421 4.3.2 Closing" close'], exit => 75, err => [qr/421 4\.3\.2 Closing/];
		check "$name: no answer at the end", @ext, @$more, rules => ['dot close'], exit => 75, err => [qr/may have taken the message or not/], sent => undef;
		check "$name: QUIT is not answered", @ext, @$more, rules => ['quit stall'], top => {timeout => '30s'},
		    also => sub { cmp_ok($_[0]->seconds, '<', 10, 'nobody waits for it') };
		check "$name: QUIT is reset", @ext, @$more, rules => ['quit reset'];
		check "$name: QUIT is refused", @ext, @$more, rules => ['quit reply "502 5.5.1 Never"'];
	}
	check "$way: one recipient of two is refused", @ext, argv => ['no@example.net', 'b@example.net'], rules => [REFUSALS], exit => 67, sent => 1, err => [qr/<no\@example\.net>/],
	    log => {status => 'partial'};
	check "$way: the sender is refused", @ext, rules => ['mail reply "550 5.7.1 No"'], exit => 77, err => [qr/550 5\.7\.1 No/];
	check "$way: the recipient is refused", @ext, rules => ['rcpt reply "550 5.1.1 No"'], exit => 67, err => [qr/550 5\.1\.1 No/];
	check "$way: too many recipients", @ext, @two, rules => ['rcpt#2- reply "452 4.5.3 Too many"'], sent => 2;
}

# --- refusals in the middle, and who is told

for my $way (@piped) {
	my ($queue, $server) = (new_queue(), of_way($way, REFUSALS, 'mail@s9@* reply "550 5.7.1 Not you"', 'dot@* pass'));
	my %to = (3 => ['no@example.net'], 4 => ['r4@example.net', 'no@example.net'], 6 => ['later@example.net'], 7 => ['no@example.net', 'r7@example.net']);
	my %id = fill($queue, 12, %to);

	run_queue($queue, "$way: refusals in the middle", $server, sent => undef, also => sub {
		my @log = log_of($_[0]);
		my %status = map { $id{$_->{queue}} => $_->{status} } grep { exists $id{$_->{queue} // ''} } @log;

		is(in_order(pairs($server)), each_once(1, 2, 4, 5, 7, 8, 10, 11, 12), 'the others arrive, each once');
		is(left($queue, \%id), '6', 'who was refused for now is left');
		is(join(' ', map { "$_=" . ($status{$_} // 'none') } 1 .. 12),
		    '1=sent 2=sent 3=failed 4=partial 5=sent 6=deferred 7=partial 8=sent 9=failed 10=sent 11=sent 12=sent', 'the log');
		is(told($server), 's3@example.com of no@example.net, s4@example.com of no@example.net, s7@example.com of no@example.net, s9@example.com of r9@example.net', 'who is told of whom');
		is($server->violations, '', 'as it should be');
	});
}
for my $way (@piped) {
	my ($queue, $server) = (new_queue(), of_way($way, 'dot#4 reply "552 5.3.4 Too large"', 'dot#7 reply "451 4.3.0 Later"'));
	my %id = fill($queue, 12);

	run_queue($queue, "$way: refused at the end", $server, sent => undef, also => sub {
		is(in_order(pairs($server)), each_once(1 .. 3, 5, 6, 8 .. 12), 'the others arrive, each once');
		is(left($queue, \%id), '7', 'who was refused for now is left');
		is(told($server), 's4@example.com of r4@example.net', 'who is told of whom');
	});
}
for my $way (@piped) {
	my ($queue, $server) = (new_queue(), of_way($way, 'rcpt#3- reply "452 4.5.3 Too many recipients"'));
	my %id = fill($queue, 6, 3 => [map { "r$_\@example.net" } '3', 'a', 'b', 'c', 'd'], 5 => [map { "r$_\@example.net" } '5', 'e', 'f']);

	run_queue($queue, "$way: too many recipients", $server, sent => undef, also => sub {
		is(arrived($server), join(', ', sort 'r1@example.net', 'r2@example.net', 'r3@example.net ra@example.net', 'rb@example.net rc@example.net', 'rd@example.net',
		    'r4@example.net', 'r5@example.net re@example.net', 'rf@example.net', 'r6@example.net'), 'all get it, once');
		is(left($queue, \%id), '', 'nothing is left');
	});
}

# --- the smarthost ends it

for my $way (E2E::sanitized() ? $piped[0] : @piped) {	# the other way is the same code
	for my $row (['the end without a word', 'dot#4 conn=1 pass close'], ['421 at MAIL', 'mail#5 conn=1 reply "421 4.7.0 Too many messages" close'],
	    ['421 at RCPT', 'rcpt##5 conn=1 reply "421 4.7.0 Too many messages" close'], ['421 at the end', 'dot#5 conn=1 reply "421 4.3.2 Closing" close'],
	    ['no answer at the end', 'dot#5 conn=1 close'], ['a reset at the end', 'dot#5 conn=1 reset'], ['a reset at MAIL', 'mail#5 conn=1 reset'],
	    ['half an answer', 'dot#5 conn=1 cut 7'], ['421 at RSET', 'rset#3 conn=1 reply "421 4.3.2 Closing" close'],
	    ['502 at RSET', 'rset conn=1 reply "502 5.5.1 Not implemented"'], ['nonsense', 'dot#5 conn=1 reply "what?"'],
	    ['421 at MAIL, and it goes on', 'mail@s5@* conn=1 reply "421 4.7.0 Too many messages"']) {
		my ($what, $rule) = @$row;
		my ($queue, $server) = (new_queue(), of_way($way, $rule, REFUSALS));
		my %id = fill($queue, 12, 8 => ['r8@example.net', 'no@example.net'], 4 => ['no@example.net']);

		run_queue($queue, "$way: $what", $server, violations => qr/|./, sent => undef, exit => qr/^(?:0|7\d)$/, printed => 1, also => sub {
			my @pairs = pairs($server);
			my %count;

			$count{$_}++ for @pairs;
			is(join(', ', grep { /^WRONG/ } @pairs), '', 'none goes to the wrong one');
			# what was in flight when the run hung up, and not the smarthost, may have been taken
			is(join(', ', grep { $count{$_} > 1 } keys %count), '', 'none comes twice') if $what !~ /^(?:502|nonsense)|goes on/;
			my %left = map { $id{$_} => 1 } ids($queue);
			is(in_order(grep { !$left{$_} && !$count{"$_ r$_\@example.net"} } 1 .. 3, 5 .. 12), '', 'each has arrived or is left');
			cmp_ok(scalar(keys %left), '<=', 1, 'one at most is left for later');
			is(told($server), 's4@example.com of no@example.net, s8@example.com of no@example.net', 'who is told of whom');
		});
		run_queue($queue, 'the next run', $server, sent => undef, violations => qr/|./);
		my %seen = map { $_ => 1 } pairs($server);
		is(in_order(grep { !$seen{"$_ r$_\@example.net"} } 1 .. 3, 5 .. 12), '', 'all arrive in the end');
		is(left($queue, \%id), '', 'nothing is left');
	}
}

# --- killed

for my $way (@piped) {
	my ($queue, $server) = (new_queue(), of_way($way, REFUSALS, 'dot##6 conn=1 delay 4000'));
	my %id = fill($queue, 12, 2 => ['r2@example.net', 'no@example.net'], 3 => ['no@example.net']);
	my $run = run_queue($queue, "$way: killed half way", $server, sent => undef, signal => 9, violations => qr/|./, watch => sub {
		my ($pid) = @_;

		kill 'KILL', $pid if (() = pairs($server)) >= 4 && Time::HiRes::sleep(0.5);
	});
	my $before = left($queue, \%id);
	wait_for(sub { $server->dialogue =~ /^1 \S+ #: .*end/m });
	my $first = in_order(pairs($server));
	run_queue($queue, 'the next run', $server, sent => undef);
	my (%count, %seen);

	$count{$_}++ for pairs($server);
	is(in_order(grep { !$count{"$_ r$_\@example.net"} } 1, 2, 4 .. 12), '', "$way: all arrive in the end ($before were left; $first had come)");
	is(in_order(grep { ($count{"$_ r$_\@example.net"} // 0) > 1 } 1, 2, 4, 5), '', 'what had been answered does not come twice');
	is(left($queue, \%id), '', 'nothing is left');
	is(join(', ', grep { /^WRONG/ } keys %count), '', 'none goes to the wrong one');
	is(told($server), 's2@example.com of no@example.net, s3@example.com of no@example.net', 'who is told of whom');
}
done_testing;
