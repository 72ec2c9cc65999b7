# Who is told of what could not be sent by the queue, and how: notices of failures and of delays, and what becomes of a message whose sender cannot
# be told (CONTRACT section 6, RFC 3464).
use lib 'tests/e2e/lib';
use E2E;
use Queue;

my $wire = MESSAGE =~ s/\n/\r\n/gr;

# sendmail -q, which has to end after some connections: it is killed when there are more.
sub run_and_end
{
	my ($queue, $name, $server, $most, %o) = @_;

	return run_queue($queue, $name, $server, watch => sub { kill 'KILL', $_[0] if connections($server) > $most + 5 }, %o,
	    sent => undef);
}

# What one notice has to say: of whom, why.
sub is_good_notice
{
	my ($notice, $to, $failed, $status, $words) = @_;
	my $text = $notice->{data};

	is(path_of($notice->{env}{mail}[0]), '', 'from the null sender');
	is(recipients($notice), $to, 'to the sender');
	like($text, qr/^Auto-Submitted: auto-replied\r$/m, 'Auto-Submitted');
	like($text, qr/^Subject: Undeliverable: test\r$/m, 'Subject');
	like($text, qr/^In-Reply-To: <1\@example\.com>\r$/m, 'In-Reply-To');
	is(join(' ', $text =~ /^Final-Recipient: rfc822; (.*?)\r$/mg), $failed, 'of whom');
	like($text, qr/^Action: failed\r\nStatus: $status\r$/m, 'Status');
	like($text =~ s/\r\n +/ /gr, $words, 'the words');
	like($text, qr/^Hello\r$/m, 'the message comes back');
	unlike($text, qr/^Bcc:/m, 'without Bcc');
}

for my $mode (qw(-odb -odq)) {
	my ($queue, $server) = (new_queue(), smarthost(rules => [REFUSALS]));

	subtest "a refused recipient, $mode" => sub {
		my $run = deliver_and_wait(server => $server, top => {queue => $queue}, argv => [$mode, '-f', 'me@example.com',
		    'no@example.net', 'b@example.net']);

		is($run->exit, 0, 'the caller is not told');
		is($run->err . $run->findings, '', 'nothing on stderr');
		$run = submit(server => $server, top => {queue => $queue}, argv => ['-q'], stdin => '') if $mode eq '-odq';
		is(arrived($server), 'b@example.net, me@example.com', 'the message, and a notice');
		is_good_notice((notices($server))[0], 'me@example.com', 'no@example.net', '5.1.1', qr/550 5\.1\.1 User unknown/);
		my $log = (log_of($run))[-1];
		is("$log->{status} $log->{notice} $log->{failed} $log->{to}", 'partial sent no@example.net b@example.net', 'the log');
		like((notices($server))[0]{data}, qr/^Message-ID: \Q$log->{'notice-id'}\E\r$/m, 'and which notice');
		is(join(' ', ids($queue)), '', 'nothing is left');
		is(join(' ', names("$queue/failed")), '', 'also not in failed/');
	};
}
{
	my ($queue, $server) = (new_queue(), smarthost(rules => [REFUSALS]));
	my $name = enqueue($queue, argv => ['-f', 'me@example.com', 'no@example.net', 'later@example.net', 'b@example.net']);

	run_queue($queue, 'one is sent, one is refused, one has to wait', $server, sent => 2, also => sub {
		my ($log) = log_of($_[0]);

		is(arrived($server), 'b@example.net, me@example.com', 'the message, and a notice');
		is_good_notice((notices($server))[0], 'me@example.com', 'no@example.net', '5.1.1', qr/550 5\.1\.1 User unknown/);
		unlike((notices($server))[0]{data}, qr/Greylisted/, 'nothing of the one that waits');
		is("$log->{to} $log->{failed} $log->{queued}", 'b@example.net no@example.net later@example.net', 'the log');
		is(item($queue, $name)->{states}, 'IPS', 'what the file says of them');
	});
	run_queue($queue, 'a second run tells nothing again', $server, sent => 2,
	    also => sub { is(join(' ', ids($queue)), $name, 'one waits') });
	my $good = smarthost();
	run_queue($queue, 'the last run', $good, sent => 1, also => sub {
		is(arrived($good), 'later@example.net', 'the one that has waited, and no other');
		is(join(' ', ids($queue)), '', 'nothing is left');
	});
}
{
	my ($queue, $server) = (new_queue(), smarthost(rules => [REFUSALS, 'rcpt@me@* reply "450 4.2.0 Not now"']));
	my $name = enqueue($queue, argv => ['-f', 'me@example.com', 'no@example.net', 'b@example.net']);

	run_queue($queue, 'the notice has to wait', $server, sent => 1, also => sub {
		is(join(' ', ids($queue)), $name, 'and with it the message');
		is(join(' ', names("$queue/failed")), '', 'which is not given up');
	});
	set_state($queue, $name, next => time - 1);
	run_and_end($queue, 'another run ends, though the notice still cannot be sent', $server, 3,
	    also => sub { is(join(' ', ids($queue)), $name, 'it waits') });
	run_queue($queue, 'and goes out with a later run', smarthost(rules => [REFUSALS]), sent => 1, also => sub {
		is_good_notice((notices($_[0]->server))[0], 'me@example.com', 'no@example.net', '5.1.1', qr/550 5\.1\.1 User unknown/);
		is(join(' ', ids($queue)), '', 'then nothing is left');
	});
}
{
	my ($queue, $server) = (new_queue(), smarthost(rules => [REFUSALS, 'rcpt@me@* reply "550 5.1.1 Nor you"']));

	enqueue($queue, argv => ['-f', 'me@elsewhere.example', 'no@example.net']);
	run_queue($queue, 'the sender cannot be told', $server, top => {domain => 'example.com'}, sent => 1, also => sub {
		my ($notice, $log) = (notices($server), log_of($_[0]));

		is_good_notice($notice, 'postmaster@example.com', 'no@example.net', '5.1.1', qr/550 5\.1\.1 User unknown/);
		like($notice->{data}, qr/^To: <?postmaster\@example\.com>?\r$/m, 'To');
		like($notice->{data} =~ s/\r\n +/ /gr, qr/The sender .*: me\@elsewhere\.example\r\n\r\nThe message could not be sent/, 'whose it is');
		is("$log->{status} $log->{notice}", 'failed sent', 'the log');
		is(join(' ', ids($queue), names("$queue/failed")), '', 'nothing is left');
	});
}
{
	my ($queue, $server) = (new_queue(), smarthost(rules => [REFUSALS, 'rcpt@me@* reply "550 5.1.1 Nor you"']));
	my $aliases = scratch() . '/aliases';

	spew($aliases, "postmaster: admin\@example.org\n", 0644);
	enqueue($queue, argv => ['-f', 'me@elsewhere.example', 'no@example.net']);
	run_queue($queue, 'the postmaster has an alias', $server, top => {domain => 'example.com', aliases => $aliases}, sent => 1,
	    also => sub { is(arrived($server), 'admin@example.org', 'who is told') });
}
{
	my ($queue, $server) = (new_queue(), smarthost(rules => [REFUSALS, 'rcpt@me@* reply "550 5.1.1 Nor you"', 'rcpt@postmaster@* reply "450 4.2.0 Not now"']));
	my $name = enqueue($queue, argv => ['-f', 'me@elsewhere.example', 'no@example.net']);

	run_queue($queue, 'the postmaster cannot be told yet', $server, sent => 0, also => sub { is(join(' ', ids($queue)), $name, 'it waits') });
	age($queue, $name, 10 * DAY);
	run_queue($queue, 'nor ever', $server, sent => 0, also => sub {
		is(join(' ', ids($queue)), '', 'it waits no more');
		is(join(' ', names("$queue/failed")), $name, 'it rests in failed/');
	});
}
{
	my ($queue, $server) = (new_queue(), smarthost(rules => [REFUSALS, 'rcpt@me@* reply "550 5.1.1 Nor you"', 'rcpt@postmaster@* reply "550 5.1.1 Nor he"']));
	my $name = enqueue($queue, argv => ['-f', 'me@example.com', 'no@example.net']);

	run_queue($queue, 'nobody can be told', $server, sent => 0, also => sub {
		my ($log) = log_of($_[0]);

		is(join(' ', ids($queue)), '', 'the message is no longer in the queue');
		is(join(' ', names("$queue/failed")), $name, 'it rests in failed/');
		is(item("$queue/failed", $name)->{message}, $wire, 'as it was');
		is("$log->{status} $log->{notice}", 'failed failed', 'the log says so');
		like($log->{warning}, qr{rests in failed/}, 'and where it is');
		like($log->{'notice-why'}, qr/550 5\.1\.1 Nor you/, 'and why');
	});
	my $commands = scalar(my @all = $server->commands);
	run_queue($queue, 'what rests is not tried again', $server, sent => 0,
	    also => sub { is(scalar(my @now = $server->commands), $commands, 'nobody was asked') });
	rename "$queue/failed/$name", "$queue/$name" or die "rename: $!";
	run_queue($queue, 'unless it is moved back', smarthost(), sent => 1, also => sub { is(arrived($_[0]->server), 'no@example.net', 'then it is sent') });
}
{
	my ($queue, $server) = (new_queue(), smarthost(rules => [REFUSALS, 'mail@ reply "553 5.1.7 No null sender"']));

	enqueue($queue, argv => ['-f', 'me@example.com', 'no@example.net']);
	run_queue($queue, 'the null sender is refused: once more from the configuration\'s', $server,
	    top => {from => 'app@example.com'}, sent => 1, also => sub {
		is(senders($server), 'app@example.com', 'who it comes from');
		is(arrived($server), 'me@example.com', 'to whom');
		is(join(' ', names("$queue/failed"), ids($queue)), '', 'nothing is left');
	});
}
{
	my ($queue, $server) = (new_queue(), smarthost(rules => ['dot#1 reply "554 5.7.1 Spam"']));

	enqueue($queue, argv => ['-f', 'root', 'b@example.net'], top => {'local-to' => 'admin@example.net'});
	run_queue($queue, 'a local sender', $server, top => {'local-to' => 'admin@example.net'}, sent => 1, also => sub {
		is(arrived($server), 'admin@example.net', 'has his aliases');
		like((notices($server))[0]{data}, qr/^Status: 5\.7\.1\r$/m, 'what he is told');
	});
}

# Never about these.
my $report = "MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=x\n";
for my $case (['the null sender', ['-f', '<>'], MESSAGE], ['an answer', ['-f', 'me@example.com'],
    "Auto-Submitted: auto-replied\n" . MESSAGE],
    ['a notice', ['-f', 'me@example.com'], $report . MESSAGE], ['NOTIFY=NEVER', ['-N', 'never', '-f', 'me@example.com'], MESSAGE],
    ['NOTIFY=SUCCESS', ['-N', 'success', '-f', 'me@example.com'], MESSAGE]) {
	my ($name, $argv, $stdin) = @$case;

	for my $reason (['refused', 'rcpt reply "550 5.1.1 No"', 0], ['too old', 'rcpt reply "450 4.2.0 No"', 6 * DAY]) {
		my ($why, $rule, $age) = @$reason;
		my ($queue, $server) = (new_queue(), smarthost(rules => [$rule]));
		my $message = enqueue($queue, argv => [@$argv, 'b@example.net'], stdin => $stdin);

		age($queue, $message, $age);
		run_queue($queue, "$name never causes a notice: $why", $server, sent => 0, also => sub {
			my ($log) = log_of($_[0]);

			is(scalar(grep { /^MAIL/ } $server->commands), 1, 'none was tried');
			is("$log->{status} " . ($log->{notice} // 'none'), 'failed none', 'the log has what became of it');
			is(join(' ', ids($queue)), '', 'it is no longer in the queue');
			is(join(' ', names("$queue/failed")), $name =~ /^NOTIFY/ ? '' : $message, 'who did not want to know has lost nothing; else it rests in failed/');
		});
	}
}

# NOTIFY of a recipient's own goes before (RFC 3461 section 4.1).
for my $event (['FAILURE', 'NEVER', 'rcpt reply "550 5.1.1 No"', 0, 'no-a@example.net'], ['DELAY', 'FAILURE', 'rcpt reply "450 4.2.0 No"', 5 * 3600, 'no-a@example.net']) {
	my ($wanted, $unwanted, $rule, $age, $of) = @$event;
	my $queue = new_queue();
	my $talk = talk(top => {queue => $queue, delivery => 'queue'}, host => {port => closed_port()});

	$talk->hear;
	$talk->ask($_) for 'EHLO client.example.com', 'MAIL FROM:<me@example.com>', "RCPT TO:<no-a\@example.net> NOTIFY=$wanted",
	    "RCPT TO:<no-b\@example.net> NOTIFY=$unwanted", 'DATA';
	like($talk->ask((split /\r\n/, $wire), '.'), qr/^250 /, "two recipients, NOTIFY=$wanted and $unwanted");
	$talk->end;
	my ($name) = ids($queue);
	age($queue, $name, $age);
	my $server = smarthost(rules => [$rule =~ s/rcpt/rcpt\@no-*/r]);
	run_queue($queue, 'a notice', $server, sent => 1, also => sub {
		my ($notice) = notices($server);

		is(join(' ', $notice->{data} =~ /^Final-Recipient: rfc822; (.*?)\r$/mg), $of, 'of the one of whom it was wanted');
		is(join(' ', $age ? 1 : names("$queue/failed")), $age ? 1 : '', 'and nothing rests in failed/');
	});
}
{
	my $aliases = scratch() . '/aliases';
	my ($queue, $server) = (new_queue(), smarthost(rules => [REFUSALS]));
	my %top = (domain => 'example.com', aliases => $aliases);

	spew($aliases, "app: one\@example.org, later\@example.org\n", 0644);
	enqueue($queue, argv => ['-f', 'app', 'no@example.net'], top => \%top);
	run_queue($queue, 'the sender is two people, of whom one cannot be told yet', $server, top => \%top, sent => 1, also => sub {
		is(arrived($server), 'one@example.org', 'the other one is told');
		is(join(' ', ids($queue)), '', 'and not again');
	});
}

# --- for long, and for too long

{
	my ($queue, $server) = (new_queue(), smarthost(rules => ['rcpt@b@* reply "450 4.2.0 Greylisted"']));
	my $name = enqueue($queue, argv => ['-t', '-f', 'me@example.com'], stdin => "Bcc: c\@example.net\n" . MESSAGE);

	age($queue, $name, 3 * 3600);
	run_queue($queue, 'a message has waited for three hours', $server, sent => 1,
	    also => sub { is(arrived($server), 'c@example.net', 'nobody is told') });
	age($queue, $name, 5 * 3600);
	my $created = item($queue, $name)->{created};
	my $until = join '|', map { POSIX::strftime('%d %b %Y %H:%M:%S', localtime($created + 5 * DAY + $_)) } 0 .. 2;	# each try counts whole seconds
	run_queue($queue, 'for five hours', $server, sent => 2, also => sub {
		my ($notice, @more) = notices($server);
		my $text = $notice->{data} =~ s/\r\n +/ /gr;

		is(scalar @more, 0, 'one notice');
		is(path_of($notice->{env}{mail}[0]), '', 'from the null sender');
		is(recipients($notice), 'me@example.com', 'to the sender');
		like($text, qr/^Auto-Submitted: auto-replied\r$/m, 'Auto-Submitted');
		like($text, qr/^Subject: Delayed: test\r$/m, 'Subject');
		like($text, qr/450 4\.2\.0 Greylisted/, 'why');
		like($text, qr/^Final-Recipient: rfc822; b\@example\.net\r\nAction: delayed\r\nStatus: 4\./m, 'of whom');
		like($text, qr/^Will-Retry-Until: \w+, (?:$until) [-+]\d{4}\r$/m, 'until when');
		unlike($text, qr/c\@example\.net|^Bcc:/m, 'nothing of the other');
		is(join(' ', ids($queue)), $name, 'it still waits');
	});
	run_queue($queue, 'and then again', $server, sent => 2, also => sub { is(scalar notices($server), 1, 'he is told once') });
	age($queue, $name, 6 * DAY);
	run_queue($queue, 'and for too long', $server, sent => 3, also => sub {
		is(scalar(grep { /^Action: failed\r$/m } map { $_->{data} } notices($server)), 1, 'then he is told that it has failed');
		is(join(' ', ids($queue)), '', 'and it is gone');
	});
}
for my $case (['the null sender', '-f', '<>'], ['NOTIFY=FAILURE', '-N', 'failure'], ['NOTIFY=NEVER', '-N', 'never']) {
	my ($name, @argv) = @$case;
	my ($queue, $server) = (new_queue(), smarthost(rules => ['rcpt@b@* reply "450 4.2.0 Greylisted"']));

	age($queue, enqueue($queue, argv => [@argv, 'b@example.net']), 5 * 3600);
	run_queue($queue, "no notice that it takes long: $name", $server, sent => 0, also => sub {
		is(scalar(grep { /^MAIL/ } $server->commands), 1, 'none was tried');
		is(scalar ids($queue), 1, 'it waits');
	});
}

for my $case (['five days and a day', 6 * DAY, undef, 144], ['two days of one', 2 * DAY, '1d', 48]) {
	my ($name, $age, $lifetime, $hours) = @$case;
	my ($queue, $server) = (new_queue(), smarthost(rules => ['rcpt@b@* reply "450 4.2.0 Greylisted"']));
	my $message = enqueue($queue, argv => ['-t', '-f', 'me@example.com'], stdin => "Bcc: c\@example.net\n" . MESSAGE);

	age($queue, $message, $age);
	my $created = item($queue, $message)->{created};
	run_queue($queue, "a message has waited for too long: $name", $server, top => {'queue-lifetime' => $lifetime},
	    sent => 2, also => sub {
		my ($log) = log_of($_[0]);

		is(arrived($server), 'c@example.net, me@example.com', 'the other one gets it, the sender a notice');
		is_good_notice((notices($server))[0], 'me@example.com', 'b@example.net', '[45]\.4\.7',
		    qr/<b\@example\.net> could not be sent to within $hours hours: .*450 4\.2\.0 Greylisted/);
		my $arrival = POSIX::strftime('%d %b %Y %H:%M:%S', localtime $created);
		like((notices($server))[0]{data}, qr/^Arrival-Date: \w+, $arrival [-+]\d{4}\r$/m, 'when it came');
		is("$log->{failed} $log->{notice}", 'b@example.net sent', 'the log');
		is(join(' ', ids($queue), names("$queue/failed")), '', 'nothing is left');
	});
}
{
	my ($queue, $server) = (new_queue(), smarthost(rules => ['rcpt@b@* reply "450 4.2.0 Greylisted"']));
	my $message = enqueue($queue, argv => ['-f', 'me@example.com', 'b@example.net']);
	my $created = item($queue, $message)->{created};

	ok(wait_for(sub { time > $created + 1 }), 'a second and more goes by');
	run_queue($queue, 'queue-lifetime', $server, top => {'queue-lifetime' => '1s'}, sent => 1,
	    also => sub { is(scalar notices($server), 1, 'a notice') });
	$message = enqueue($queue, argv => ['-f', 'me@example.com', 'd@example.net']);
	age($queue, $message, 6 * DAY);
	run_queue($queue, 'one that is old is sent if that is possible', $server, sent => 2,
	    also => sub { is(scalar notices($server), 1, 'without a notice') });
}
for my $case (['a day', DAY], ['in the future', -10 * DAY()]) {
	my ($name, $age) = @$case;
	my ($queue, $server) = (new_queue(), smarthost(rules => ['rcpt reply "450 4.2.0 Greylisted"']));

	age($queue, enqueue($queue), $age);
	run_queue($queue, "not too old: $name", $server, top => {'queue-lifetime' => '2d'},
	    also => sub { is(scalar ids($queue), 1, 'it waits') });
}
{
	my ($queue, $good) = (new_queue(), smarthost());
	my $name = enqueue($queue, argv => ['-f', 'me@example.com', 'b@example.net']);

	age($queue, $name, 6 * DAY);
	run_queue($queue, 'too old, and no smarthost to tell it through', $good, host => {port => closed_port()}, sent => 0, also => sub {
		is(join(' ', ids($queue)), $name, 'it stays in the queue');
		is(join(' ', names("$queue/failed")), '', 'and is not given up');
	});
	my $down = smarthost(rules => ['banner reply "421 4.3.2 Bye" close']);
	set_state($queue, $name, next => time - 1);
	run_and_end($queue, 'another run ends, though there is still none', $down, 3,
	    also => sub { is(join(' ', ids($queue)), $name, 'it stays in the queue') });
	run_queue($queue, 'when there is one again, it is sent or its sender is told', $good, sent => 1, also => sub {
		like(arrived($good), qr/\A(?:me\@example\.com|b\@example\.net)\z/, 'one of the two');
		is(join(' ', ids($queue)), '', 'and nothing is left');
	});
}

# Too old while nobody can be told, since the smarthost is down: told later, of the same.
for my $lifetime (['5d', 5 * DAY + 600], ['30m', 0]) {
	my ($time, $age) = @$lifetime;
	my ($queue, $good) = (new_queue(), smarthost());
	my $name = enqueue($queue, argv => ['-f', 'me@example.com', 'b@example.net']);
	my %top = ('queue-lifetime' => $time);

	age($queue, $name, $age);
	set_state($queue, $name, tried => time - 3700) if !$age;
	run_queue($queue, "too old after $time, and a smarthost that is down", $good, host => {port => closed_port()}, top => \%top, sent => 0,
	    also => sub { is(join(' ', ids($queue)), $name, 'it stays') });
	run_queue($queue, 'when it is there', $good, top => \%top, sent => 1, also => sub {
		my ($notice) = notices($good);

		like($notice->{data}, qr/^Status: 5\.4\.7\r$/m, 'the status is that of its age');
		like($notice->{data} =~ s/\r\n +/ /gr, qr/could not be sent to within \d+ (?:hours|minutes): .*Remedy: /, 'and the words');
	});
}

done_testing;
