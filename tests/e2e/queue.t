# The queue as its users see it: what keeps a message and what does not, that it is sent later as it would have been sent at once, and what
# its runs do (CONTRACT section 6).
use lib 'tests/e2e/lib';
use E2E;
use IO::Handle;
use Queue;
use Socket;

my $root = $> == 0;
my $other = $root ? 12345 : undef;	# another user
my $wire = MESSAGE =~ s/\n/\r\n/gr;
my $id = qr/\A[0-9a-f]{26}\z/;

{
	my $queue = new_queue();
	my $name = enqueue($queue);
	my $before = slurp("$queue/$name");

	forge($queue, $name, sub {});
	is(slurp("$queue/$name"), $before, 'this test and the program agree about the format');
}

# --- delivery modes

sub sends_now
{
	my ($run, $queue) = @_;

	is(arrived($run->server), 'b@example.net', 'it has arrived when the caller goes on');
	is(join(' ', map { $_->{status} } log_of($run)), 'sent', 'the log');
	is(join(' ', names($queue)), '', 'and the disk was not touched');
}

sub sends_aside
{
	my ($run, $queue) = @_;
	my ($first, $second) = log_of($run);

	is(arrived($run->server), 'b@example.net', 'it has arrived');
	is(join(' ', map { "$_->{status} $_->{exit}" } log_of($run)), 'queued 0 sent 0', 'the log');
	like($first->{queue}, $id, 'the identifier');
	is($second->{queue}, $first->{queue}, 'is the same');
	is($second->{msgid}, '<1@example.com>', 'the Message-ID');
	is(join(' ', ids($queue)), '', 'nothing is left in the queue');
}

sub sends_later
{
	my ($run, $queue) = @_;
	my ($log) = log_of($run);

	is(connections($run->server), 0, 'the smarthost was not asked');
	is(join(' ', map { "$_->{status} $_->{exit}" } log_of($run)), 'queued 0', 'the log');
	is(join(' ', ids($queue)), $log->{queue}, 'it is in the queue');
	is($log->{queued}, 'b@example.net', 'for whom');
	cmp_ok(item($queue, $log->{queue})->{next}, '<=', time, 'and due');
}

for my $case (
    [interactive => [], \&sends_now], [background => [], \&sends_aside], [queue => [], \&sends_later],
    [undef, [], \&sends_now], [undef, ['-odi'], \&sends_now], [undef, ['-odb'], \&sends_aside], [undef, ['-odq'], \&sends_later],
    [queue => ['-odi'], \&sends_now], [background => ['-odi'], \&sends_now], [interactive => ['-odb'], \&sends_aside],
    [queue => ['-odb'], \&sends_aside], [background => ['-odq'], \&sends_later], [queue => ['-odb', '-odi'], \&sends_now],
    [undef, ['-O', 'DeliveryMode=queue'], \&sends_later], [undef, ['-O', 'DeliveryMode=background'], \&sends_aside],
    [queue => ['-O', 'DeliveryMode=i'], \&sends_now], [queue => ['-od'], \&sends_later], [queue => ['-odz'], \&sends_later]) {
	my ($delivery, $flags, $compare) = @$case;
	my $queue = new_queue();

	subtest 'delivery ' . ($delivery // 'by default') . ", @$flags" => sub {
		my $run = deliver_and_wait(top => {queue => $queue, delivery => $delivery}, argv => [@$flags, 'b@example.net']);

		is($run->exit, 0, 'exit status');
		is($run->err . $run->out, '', 'it is silent');
		is($run->findings, '', 'the sanitizers found nothing');
		is($run->server->violations, '', 'no violation');
		$compare->($run, $queue);
	};
}
for my $flags (['-odi'], ['-odb'], ['-odq'], ['-O', 'DeliveryMode=queue']) {
	check "without a queue @$flags does nothing", argv => [@$flags, 'b@example.net'], log => {status => 'sent', queue => undef};
	check "nor where it fails", argv => [@$flags, 'b@example.net'], rules => ['mail reply "451 4.3.0 No"'], exit => 75,
	    log => {status => 'failed', queue => undef};
}

# --- what keeps a message

# Without a queue it fails with that status; with one it is kept, is kept again by a run that fails in the same way, and is sent by a
# run that does not.
sub kept
{
	my ($name, $exit, %o) = @_;
	my $queue = new_queue();
	my %top = (timeout => '15s', %{$o{top} // {}});

	check "$name: without a queue", %o, top => \%top, exit => $exit, log => {status => 'failed'};
	check "$name: with one", %o, top => {%top, queue => $queue}, sent => 0, err => [], log => {status => 'queued', queue => $id,
	    queued => 'b@example.net', sent => 0, failed => undef}, also => sub {
		my ($run) = @_;
		my ($only, @more) = ids($queue);

		ok(defined $only && !@more, 'it is in the queue, once') or return;
		is($only, $run->log->{queue}, 'under the identifier that the log has');
		isnt($run->log->{why}, undef, 'the log says why');
		like($run->log->{stage}, ref $o{stage} ? $o{stage} : qr/^$o{stage}\z/, 'and at which stage') if $o{stage};
		is((stat "$queue/$only")[2] & 07777, 0600, 'for its owner alone');
		is(index(slurp("$queue/$only"), PASSWORD), -1, 'without the password');
		cmp_ok(item($queue, $only)->{next}, '>', time + 30, 'to be tried again in a while');
		is(item($queue, $only)->{attempts}, 1, 'after one attempt');
	};
	my ($only) = ids($queue) or return;
	my $run = check_with($queue, "$name: again", %o, top => \%top, argv => ['-q'], stdin => '', sent => 0, also => sub {
		is(join(' ', ids($queue)), $only, 'it is still there');
		is(item($queue, $only)->{attempts}, 2, 'after two attempts');
		is(join(' ', map { "$_->{status} $_->{queue} $_->{exit}" } log_of($_[0])), "deferred $only $exit", 'the log');
	});
	run_queue($queue, "$name: sent at last", smarthost(), sent => 1, also => sub {
		my ($message) = $_[0]->server->messages;

		is($message->{data}, $wire, 'the message');
		is(path_of($message->{env}{mail}[0]), 'a@example.com', 'its sender');
		is(recipients($message), 'b@example.net', 'its recipient');
		is(join(' ', ids($queue)), '', 'and it is no longer in the queue');
		is(join(' ', map { "$_->{status} $_->{queue} $_->{exit}" } log_of($_[0])), "sent $only 0", 'the log');
	});
}

SKIP: {
	skip 'no mount namespace to be had', 1 if !can_unshare();
	my $dir = scratch();

	spew("$dir/nsswitch.conf", "hosts: files\n", 0644);
	spew("$dir/hosts", "127.0.0.1 localhost\n", 0644);
	kept('the name does not exist', 68, host => {host => 'smtp.example.com'}, stage => 'lookup',
	    wrap => ['unshare', '-m', '/bin/sh', '-c',
	    "for f in nsswitch.conf hosts; do mount --bind $dir/\$f /etc/\$f; done; exec \"\$@\"", 'sh']);
}
kept('a closed port', 75, host => {port => closed_port()}, stage => 'connect');
{
	my $hole = smarthost(args => ['--listen', '127.0.0.1:0', '--listen', '127.0.0.1:0/hole']);

	kept('silence at connect', 75, server => $hole, host => {port => $hole->port(1)}, top => {timeout => '1s'}, stage => 'connect');
}
kept('silence at the greeting', 75, rules => ['banner stall'], top => {timeout => '1s'}, stage => 'banner');
kept('421 at the greeting', 75, rules => ['banner reply "421 4.3.2 Shutting down" close'], stage => 'banner');
kept('554 at the greeting', 69, rules => ['banner reply "554 5.7.1 No service for you" close'], stage => 'banner');
kept('no SMTP at the greeting', 76, rules => ['banner raw "SSH-2.0-OpenSSH_9.2\r\n" close'], stage => 'banner');
kept('EHLO and HELO are refused', 69, rules => ['ehlo reply "550 5.7.1 No"', 'helo reply "550 5.7.1 No"'], stage => 'ehlo');
kept('STARTTLS is missing', 76, ext => '-STARTTLS', stage => 'starttls');
kept('STARTTLS is refused for now', 75, rules => ['starttls reply "454 4.7.0 Not now"'], stage => 'starttls');
kept('STARTTLS is refused', 76, rules => ['starttls reply "502 5.5.1 No"'], stage => 'starttls');
kept('octets in clear after STARTTLS', 76, rules => ['starttls inject "250 x\r\n"']);
kept('nonsense in the handshake', 76, rules => ['tls raw "HTTP/1.1 400 Bad Request\r\n\r\n"'], stage => qr/^(?:starttls|tls)\z/);	# as it comes in one piece with the answer or not
kept("a certificate: $_", 76, cert => $_, stage => 'tls') for qw(expired wrong-name self-signed other-ca);
kept('no authorities to trust', 78, host => {'tls-ca-file' => '/nonexistent'});
kept('a wrong password', 77, rules => ['auth reply "535 5.7.8 No"'], stage => 'auth');
kept('AUTH 454', 75, rules => ['auth reply "454 4.7.0 Not now"'], stage => 'auth');
kept('AUTH is not offered', 77, rules => ['ehlo reply "250-x" "250-STARTTLS" "250 PIPELINING"'], stage => 'auth');
kept('no mechanism in common', 77, auth => 'LOGIN', host => {auth => 'CRAM-MD5'}, stage => 'auth');
kept('the password cannot be read', 78, host => {password => undef, 'password-file' => '/nonexistent'}, stage => 'secret');
kept('the command for the password fails', 78, host => {password => undef, 'password-command' => 'exit 1'}, stage => 'secret');
kept('MAIL 451', 75, rules => ['mail reply "451 4.3.0 Not now"'], stage => 'mail');
kept('MAIL 421', 75, rules => ['mail reply "421 4.3.2 Shutting down" close'], stage => 'mail');
kept('530: TLS is missing', 76, tls => 'none', user => undef, rules => ['mail reply "530 5.7.0 Must issue STARTTLS first"'],
    stage => 'mail');
kept('530: sign-in is missing', 77, user => undef, rules => ['mail reply "530 5.5.1 Authentication required"'], stage => 'mail');
kept('RCPT 450', 75, rules => ['rcpt reply "450 4.2.1 Mailbox is busy"'], stage => 'rcpt');
kept('RCPT 452', 75, rules => ['rcpt reply "452 4.2.2 Mailbox is full"'], stage => 'rcpt');
kept('RCPT 552, an old way to say 452', 75, rules => ['rcpt reply "552 5.2.2 Too many"'], stage => 'rcpt');
kept('the connection is lost at RCPT', 75, rules => ['rcpt close'], stage => 'rcpt');
kept('DATA 451', 75, ext => '-CHUNKING', rules => ['data reply "451 4.3.0 Not now"'], stage => 'data');
kept('the dot 451', 75, ext => '-CHUNKING', rules => ['dot reply "451 4.3.0 Not now"'], stage => 'dot');
kept('the last BDAT 452', 75, rules => ['dot reply "452 4.3.1 No room"'], stage => 'dot');
kept('the connection is lost within the message', 75, args => ['--cut-after', '20']);
kept('the connection is lost after the dot', 75, rules => ['dot close'], stage => 'dot');
kept('the same without CHUNKING', 75, ext => '-CHUNKING', rules => ['dot reset'], stage => 'dot');
kept('silence after the dot', 75, rules => ['dot stall'], top => {timeout => '1s'}, stage => 'dot');
kept("nonsense at $_", 76, rules => ["$_ raw \"what?\\r\\n\""], stage => $_) for qw(mail rcpt dot);

# --- what does not

# It ends as without a queue, and nothing is queued.
sub not_kept
{
	my ($name, $exit, %o) = @_;
	my $queue = new_queue();
	my $server = smarthost(%o);

	subtest $name => sub {
		my ($plain, $run) = map { submit(%o, server => $server, top => {%{$o{top} // {}}, %$_}) } {}, {queue => $queue};

		is($plain->exit, $exit, 'the status without a queue');
		is($run->exit, $plain->exit, 'the status');
		is($run->err, $plain->err, 'stderr');
		isnt($run->err, '', 'it tells something');
		is($run->out, '', 'stdout');
		is($run->log->{status}, $plain->log->{status}, 'the log');
		is($run->log->{queue}, undef, 'no identifier in it');
		is(join(' ', ids($queue)), '', 'nothing is in the queue');
		is($run->findings, '', 'the sanitizers found nothing');
	};
}
my $eight_bit = "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n" . MESSAGE . "\xc3\xa4\n";
not_kept('the sender is refused', 77, rules => ['mail reply "550 5.7.1 Not you"']);
not_kept('530 to one who has signed in', 77, rules => ['mail reply "530 5.7.1 Not as you"']);
not_kept('too large at MAIL', 65, rules => ['mail reply "552 5.3.4 Too large"']);
not_kept('too large for SIZE', 65, ext => 'SIZE 100');
not_kept('a recipient is refused', 67, rules => ['rcpt reply "550 5.1.1 User unknown"']);
not_kept('a recipient is refused otherwise', 69, rules => ['rcpt reply "554 5.7.0 No"']);
not_kept('relaying is refused', 77, rules => ['rcpt reply "550 5.7.1 Relaying denied"']);
not_kept('DATA 554', 69, ext => '-CHUNKING', rules => ['data reply "554 5.5.0 No"']);
not_kept('the dot 554', 69, ext => '-CHUNKING', rules => ['dot reply "554 5.7.1 Spam"']);
not_kept('the last BDAT 554', 69, rules => ['dot reply "554 5.7.1 Spam"']);
not_kept('the dot 550 5.6.0', 65, rules => ['dot reply "550 5.6.0 Malformed"']);
not_kept('SMTPUTF8 is not offered', 65, ext => '-SMTPUTF8', argv => ["j\xc3\xb6\@example.net"]);
not_kept('REQUIRETLS is not offered', 69, argv => ['-O', 'requiretls=yes', 'b@example.net']);
for my $mode (qw(-odi -odb -odq)) {
	not_kept("no recipients, $mode", 65, argv => [$mode, '-t'], stdin => "Subject: x\n\nx\n");
	not_kept("a mail loop, $mode", 69, argv => [$mode, 'b@example.net'], stdin => "Received: x\n" x 51 . MESSAGE);
	not_kept("an argument that is no address, $mode", 64, argv => [$mode, 'a b', 'b@example.net']);
	not_kept("no input, $mode", 66, argv => [$mode, 'b@example.net'], stdin => {file => '/'});
}

{
	my $queue = new_queue();
	my @rules = ('rcpt@no@* reply "550 5.1.1 User unknown"', 'rcpt@later@* reply "450 4.2.0 Greylisted"');
	my @argv = qw(a@example.net no@example.net later@example.net);

	check_with($queue, 'one is sent, one is refused, one is kept', rules => \@rules, argv => \@argv, exit => 67, sent => 1,
	    err => [qr/<no\@example\.net> was refused.*550 5\.1\.1.*Remedy: /], also => sub {
		my ($run) = @_;
		my $log = $run->log;

		is(arrived($run->server), 'a@example.net', 'who has it');
		is(scalar $run->log_lines, 1, 'one log line');
		is("$log->{to} $log->{failed} $log->{queued}", join(' ', @argv), 'what the log says of whom');
		is("$log->{status} $log->{exit}", 'partial 67', 'and of all');
		is(join(' ', ids($queue)), $log->{queue}, 'the identifier');
		is(item($queue, $log->{queue})->{rcpt}, 'later@example.net', 'who is in the queue');
	    });
	run_queue($queue, 'the last one gets it', smarthost(),
	    also => sub { is(arrived($_[0]->server), 'later@example.net', 'and no other') });
}
for my $case (['-oem' => 67], ['-oee' => 0]) {
	my ($flag, $exit) = @$case;

	check_with(new_queue(), "$flag: the notice tells of the refused one, not of the kept one", exit => $exit, err => [], sent => 1,
	    argv => [$flag, '-f', 'me@example.com', qw(no@example.net later@example.net)],
	    rules => ['rcpt@no@* reply "550 5.1.1 User unknown"', 'rcpt@later@* reply "450 4.2.0 Greylisted"'], also => sub {
		my ($notice) = notices($_[0]->server);

		like($notice->{data}, qr/^Final-Recipient: rfc822; no\@example\.net\r$/m, 'the refused one');
		unlike($notice->{data} =~ s/^(?:To|X-\S+): .*$//mgr, qr/later\@example\.net/, 'and no other');
	    });
}
{
	my $queue = new_queue();

	check_with($queue, '-oem: nothing is told of what is kept', argv => ['-oem', 'b@example.net'],
	    rules => ['rcpt reply "450 4.2.0 No"'],
	    err => [], sent => 0, also => sub { is(scalar ids($queue), 1, 'it is in the queue') });
}
{
	my $queue = new_queue();

	check_with($queue, 'an address that is none, and a smarthost that is down: the good one is kept', argv => ['-t'],
	    exit => 65, sent => 0,
	    stdin => "To: b\@example.net\nCc: not an address\@\@\n" . MESSAGE =~ s/^To:.*\n//mr, host => {port => closed_port()},
	    err => [qr/not an address/], also => sub {
		is(item($queue, $_)->{rcpt}, 'b@example.net', 'who is in the queue') for ids($queue);
		is(scalar ids($queue), 1, 'it is there');
	    });
}

# --- a message is the same

# What a smarthost has got: the envelope and the octets.
sub essence
{
	my ($server) = @_;

	return [map { my %env = %{$_->{env}}; delete $env{connection}; {env => \%env, data => $_->{data}} } $server->messages];
}

sub same_later
{
	my ($name, %o) = @_;
	my $queue = new_queue();
	my ($direct, $later) = (smarthost(%o), smarthost(%o));
	my $also = delete $o{also};

	subtest "the same as at once: $name" => sub {
		my $run = submit(%o, server => $direct);

		is($run->exit, 0, 'at once') or diag($run->err);
		enqueue($queue, %o);
		unlike(item($queue, $_)->{message}, qr/^(?:Resent-)?Bcc:.*?^\r$/ms, 'no Bcc in the file') for ids($queue);
		$run = submit(%o, server => $later, argv => ['-q'], stdin => '', top => {queue => $queue, %{$o{top} // {}}});
		is($run->exit, 0, 'later') or diag($run->err);
		is($run->err . $run->findings, '', 'in silence');
		is($later->violations, '', 'no violation');
		is(scalar(my @messages = $later->messages), 1, 'one message');
		is_deeply(essence($later), essence($direct), 'the same');
		is(join(' ', ids($queue)), '', 'nothing is left');
		$also->(@messages) if $also;
	};
}
my $aliases = spew(scratch() . '/aliases', "ops: one\@example.net, two\@example.net\n", 0644);
same_later('a simple one');
same_later('DSN', argv => ['-N', 'success,failure', '-R', 'hdrs', '-V', 'id+7=x y', '-f', 's@example.com',
    'b@example.net', 'c@example.net'], also => sub {
	like($_[0]{env}{mail}[0], qr/RET=HDRS ENVID=id\+2B7/, 'RET, ENVID');
	like($_[0]{env}{rcpt}[0], qr/NOTIFY=SUCCESS,FAILURE ORCPT=/, 'NOTIFY');
});
same_later("NOTIFY=$_", argv => ['-N', $_, 'b@example.net']) for 'never', 'delay', 'success', 'failure,delay',
    'success,failure,delay';
same_later('RET=FULL', argv => ['-R', 'full', 'b@example.net']);
same_later('DSN that is not offered', ext => '-DSN', argv => ['-N', 'failure', 'b@example.net']);
same_later('an alias, and whom it was for', top => {aliases => $aliases}, argv => ['-N', 'failure', 'ops']);
same_later('local-to', top => {'local-to' => 'admin@example.net'}, argv => ['-f', 'root', 'root', 'www-data']);
same_later('UTF-8 addresses', argv => ['-f', "j\xc3\xb6rg\@example.com", "\xc3\xbc\@b\xc3\xbccher.example", 'b@example.net'],
    also => sub { like($_[0]{env}{mail}[0], qr/SMTPUTF8/, 'SMTPUTF8') });
same_later('UTF-8 addresses with DSN', argv => ['-N', 'failure', '-f', "j\xc3\xb6rg\@example.com", "\xc3\xbc\@example.net"]);
same_later('8-bit', stdin => $eight_bit);
same_later('8-bit, and no 8BITMIME', stdin => $eight_bit, ext => '-8BITMIME');
same_later('a raw subject', stdin => MESSAGE =~ s/test/\xc3\xa4\xc3\xb6/r);
same_later('REQUIRETLS', ext => '+REQUIRETLS', argv => ['-O', 'requiretls=yes', 'b@example.net'],
    also => sub { like($_[0]{env}{mail}[0], qr/REQUIRETLS/, 'REQUIRETLS') });
same_later('REQUIRETLS by configuration', ext => '+REQUIRETLS', top => {requiretls => \'true'});
same_later('Bcc', argv => ['-t'], stdin => "Bcc: hidden\@example.org\n" . MESSAGE, also => sub {
	is(join(' ', sort split / /, recipients($_[0])), 'b@example.net hidden@example.org', 'who gets it');
	unlike($_[0]{data}, qr/hidden/, 'and nobody learns it');
});
same_later('the null sender', argv => ['-f', '<>', 'b@example.net']);
same_later('strange mailboxes', argv => ['-f', '"a b"@example.com', '"q\\"r"@example.net', '"x,y"@example.net',
    '"m@n"@example.net', '"<>"@example.net', 'user@[192.0.2.1]', 'user@[IPv6:2001:db8::1]', 'a+b=c%d!e@example.net',
    '"\\\\"@example.net', "o'k\@example.net"],
    also => sub { is(scalar @{$_[0]{env}{rcpt}}, 9, 'all of them') });
same_later('300 recipients', argv => [map { "r$_\@example.net" } 1 .. 300]);
same_later('dots', argv => ['-i', 'b@example.net'], stdin => MESSAGE . ".\n..\n.x\n");
same_later('dots at the end', argv => ['-i', 'b@example.net'], ext => '-CHUNKING', stdin => MESSAGE . ".\n");
same_later('no body', stdin => MESSAGE =~ s/\n\nHello\n/\n/r);
same_later('an empty body', stdin => MESSAGE =~ s/Hello\n//r);
same_later('empty lines', stdin => MESSAGE . "\n\n\n");
same_later('a body that looks like a mailbox, or like a header', stdin => MESSAGE =~ s/Hello/From me\nBcc: x\@example.org/r);
same_later('a body that looks like the end', stdin => MESSAGE . "\nend sum=0123456789abcdef\n");
same_later('a blank before the colon', stdin => MESSAGE =~ s/^From:/From :/r);
same_later('a first field that begins like a mailbox', stdin => MESSAGE =~ s/^/From : x\@example.com\n/r =~ s/^From: .*\n//mr);
same_later('long lines', stdin => MESSAGE =~ s/Subject: test/'Subject: ' . 'word ' x 500/er . 'x' x 5000 . "\n");
same_later('line ends of all kinds', stdin => MESSAGE . "a\r\nb\rc\r\r\nd\0e\nf");
same_later('no final line end', stdin => MESSAGE . 'end');
same_later('override-from', top => {from => 'app@example.com', 'override-from' => \'true'});
same_later('signed', stdin => "DKIM-Signature: v=1; a=b;\n c=d\n" . MESSAGE . "\xe4 \xff\n", ext => '+BINARYMIME');
same_later('10 MB', stdin => MESSAGE . join('', map { sprintf "%-78d\n", $_ } 1 .. 126_500),
    also => sub { cmp_ok(length $_[0]{data}, '>', 10_000_000, 'as large') });

{
	my $queue = new_queue();
	my $name = enqueue($queue, stdin => "Subject: x\n\nx\n", argv => ['-F', 'A Name', '-f', 'me@example.com', 'b@example.net']);
	my ($date) = item($queue, $name)->{message} =~ /^(Date: .*?)\r$/m;

	age($queue, $name, 3600);
	run_queue($queue, 'what was added stays', smarthost(), sent => 1, also => sub {
		my ($message) = $_[0]->server->messages;

		like($message->{data}, qr/^\Q$date\E\r$/m, 'Date');
		like($message->{data}, qr/^Message-ID: \Q@{[$_[0]->log->{msgid}]}\E\r$/m, 'Message-ID, as the log has it');
		like($message->{data}, qr/^From: A Name <me\@example\.com>\r$/m, 'From');
		is(scalar(() = $message->{data} =~ /^(?:Date|Message-ID|From|To): /mg), 4, 'each once');
	});
}

# --- a run

{
	my ($queue, $server) = (new_queue(), smarthost());

	enqueue($queue, argv => ["r$_\@example.net"]) for 1 .. 5;
	run_queue($queue, 'several messages', $server, sent => 5, auths => 1, also => sub {
		is(arrived($server), join(', ', map { "r$_\@example.net" } 1 .. 5), 'all have arrived');
		is(connections($server), 1, 'over one connection');
		is(scalar $_[0]->log_lines, 5, 'a log line each');
		is(join(' ', ids($queue)), '', 'and are gone');
	});
	run_queue($queue, 'an empty queue', $server, sent => 5, also => sub {
		is(connections($server), 1, 'is no reason to ask anybody');
		is($_[0]{log_text}, '', 'or to tell anything');
	});
}
{
	my ($queue, $server) = (new_queue(), smarthost());

	enqueue($queue);
	run_queue($queue, '-q -v shows the dialogue', $server, argv => ['-q', '-v'], sent => 1,
	    err => qr/EHLO.*AUTH PLAIN.*MAIL FROM:<a\@example\.com>/s);
}
check 'without a queue there is none to run', argv => ['-q'], stdin => '', exit => 78, err => [qr/queue.*Remedy: /],
    sent => 0, log => undef;

# One bad message among five, the third, does not block the others; what becomes of it. ext: what is offered;
# stdin: the bad one.
sub bad_message
{
	my ($name, $rule, $left, %o) = @_;
	my ($queue, $server) = (new_queue(), smarthost(rules => [$rule], ext => $o{ext}));

	for my $n (1 .. 5) {
		my $who = $n == 3 ? 'bad' : "r$n";

		enqueue_as($queue, $n, argv => ['-f', "$who\@example.com", "$who\@example.net"], stdin => $n == 3 ? $o{stdin} : undef);
	}
	run_queue($queue, "a bad message does not block the others: $name, " . ($o{ext} // 'all extensions'), $server,
	    top => {timeout => '2s'}, also => sub {
		my @sent = map { path_of($_->{env}{mail}[0]) . ' to ' . recipients($_) } grep { !is_notice($_) } $server->messages;

		is(join(', ', sort @sent), join(', ', map { "r$_\@example.com to r$_\@example.net" } 1, 2, 4, 5),
		    'the others, from and to whom');
		is(scalar ids($queue), $left, 'whether it is still in the queue');
		is(join(', ', map { recipients($_) } notices($server)), $left ? '' : 'bad@example.com',
		    'whether its sender is told, and no other');
	});
}
for my $ext (undef, '-PIPELINING', '-CHUNKING', '-PIPELINING,-CHUNKING') {
	bad_message('refused at MAIL', 'mail@bad@example.com reply "550 5.7.1 Not you"', 0, ext => $ext);
	bad_message('deferred at MAIL', 'mail@bad@example.com reply "451 4.3.0 No"', 1, ext => $ext);
	bad_message('refused at RCPT', 'rcpt@bad@example.net reply "550 5.1.1 No"', 0, ext => $ext);
	bad_message('deferred at RCPT', 'rcpt@bad@example.net reply "450 4.2.0 No"', 1, ext => $ext);
	bad_message('lost at MAIL', 'mail@bad@example.com close', 1, ext => $ext);
	bad_message('lost at RCPT', 'rcpt@bad@example.net reset', 1, ext => $ext);
	bad_message('421 at RCPT', 'rcpt@bad@example.net reply "421 4.3.2 Bye" close', 1, ext => $ext);
	bad_message('refused at the end', 'dot##3 conn=1 reply "554 5.7.1 Spam"', 0, ext => $ext);
	bad_message('deferred at the end', 'dot##3 conn=1 reply "451 4.3.0 Not now"', 1, ext => $ext);
}
bad_message('nothing is said at RCPT', 'rcpt@bad@example.net stall', 1);
for my $ext ('-CHUNKING', '-PIPELINING,-CHUNKING') {
	bad_message('refused at DATA', 'data#3 conn=1 reply "554 5.5.0 No"', 0, ext => $ext);
	bad_message('deferred at DATA', 'data#3 conn=1 reply "451 4.3.0 Not now"', 1, ext => $ext);
}
bad_message('too large', 'noop pass', 0, ext => 'SIZE 10000,PIPELINING', stdin => MESSAGE . ('x' x 70 . "\n") x 1000);
for my $case (['421', 'dot##2 reply "421 4.3.2 Bye" close'], ['it is lost', 'dot##2 close'],
    ['it is refused', 'dot##2 reply "554 5.7.1 Spam"']) {
	my ($name, $rule) = @$case;
	my ($queue, $server) = (new_queue(), smarthost(rules => ["$rule" =~ s/^(\S+)/$1 conn=1/r]));

	enqueue($queue, argv => ['-f', '<>', "r$_\@example.net"]) for 1 .. 4;
	run_queue($queue, "a bad message at its end does not block the others: $name", $server, sent => 3, also => sub {
		is(scalar ids($queue), $rule =~ /554/ ? 0 : 1, 'what is left');
	});
}

# A smarthost that is dead is asked once in a run, whatever is in the queue.
sub asked_once
{
	my ($name, %o) = @_;
	my ($queue, $server) = (new_queue(), smarthost(%o));
	my @names = map { enqueue($queue, argv => ['-f', "r$_\@example.com", "r$_\@example.net"]) } 1 .. 4;

	age($queue, $_, $o{age}) for $o{age} ? @names : ();
	run_queue($queue, "asked once: $name", $server, %o, sent => 0, limit => 20, top => {timeout => '2s'}, also => sub {
		cmp_ok(connections($server), '<=', 1, 'one connection');
		cmp_ok(scalar(() = $server->auth), '<=', 1, 'one password');
		is(join(' ', ids($queue)), join(' ', sort @names), 'all are still there');
		is(scalar(grep { $_->{exit} != 0 } log_of($_[0])), 4, 'a log line each');
	});
}
for my $age (0, 5 * 3600, 6 * DAY) {
	my $too_old = $age > DAY ? ', and they have waited for too long' : $age ? ', and they have waited for long' : '';

	asked_once("the greeting 421$too_old", age => $age, rules => ['banner reply "421 4.3.2 Bye" close']);
	asked_once("silence$too_old", age => $age, rules => ['banner stall']);
	asked_once("a wrong password$too_old", age => $age, rules => ['auth reply "535 5.7.8 No"']);
	asked_once("a certificate that is not trusted$too_old", age => $age, cert => 'other-ca');
}

# --- two smarthosts

sub run_two
{
	my ($queue, $name, $first, $second, %o) = @_;

	return run_queue($queue, $name, $second, conf => conf({log => \"'\@LOG\@'", queue => $queue, domain => 'example.com',
	    hostname => 'client.example.com', timeout => '30s'}, section($first, title => 'first'),
	    section($second, title => 'second')), %o);
}
for my $case (['down', 'banner reply "421 4.3.2 Bye" close'], ['refuses the password', 'auth reply "535 5.7.8 No"'],
    ['does not take it now', 'mail reply "451 4.3.0 Not now"']) {
	my ($name, $rule) = @$case;
	my ($queue, $first, $second) = (new_queue(), smarthost(rules => [$rule]), smarthost());

	enqueue($queue, argv => ["r$_\@example.net"]) for 1 .. 3;
	run_two($queue, "the first smarthost: $name; the second takes all", $first, $second, sent => 3, also => sub {
		is(connections($first), 1, 'the first is connected to once');
		is(connections($second), 1, 'the second too');
		is(join(' ', ids($queue)), '', 'nothing is left');
	});
}
{
	my ($queue, $first, $second) = (new_queue(), smarthost(), smarthost());

	enqueue($queue, argv => ["r$_\@example.net"]) for 1 .. 3;
	run_two($queue, 'the first smarthost works: the second is not asked', $first, $second, sent => 0, also => sub {
		is(scalar(my @messages = $first->messages), 3, 'the first has all');
		is(connections($first), 1, 'over one connection');
		is(connections($second), 0, 'the second none');
	});
}
{
	my ($queue, $first, $second) = (new_queue(), map { smarthost(rules => ['banner reply "421 4.3.2 Bye" close']) } 1, 2);

	enqueue($queue, argv => ["r$_\@example.net"]) for 1 .. 3;
	run_two($queue, 'both are down', $first, $second, sent => 0, also => sub {
		is(connections($_), 1, 'each is asked once') for $first, $second;
		is(scalar ids($queue), 3, 'nothing is lost');
	});
}

# --- when

# The time until the next attempt, after one that fails, of a message of that age.
for my $case ([0, 45, 90], [600, 500, 720], [1800, 1500, 2100], [3600, 3100, 4100], [DAY, 3100, 4100], [-DAY(), 45, 90]) {
	my ($age, $least, $most) = @$case;
	my $queue = new_queue();
	my $name = enqueue($queue);

	age($queue, $name, $age);
	run_queue($queue, "the next attempt at the age of $age s", smarthost(rules => ['mail reply "451 4.3.0 No"']), sent => 0,
	    also => sub {
		my $wait = item($queue, $name)->{next} - time;

		cmp_ok($wait, '>=', $least, 'not sooner');
		cmp_ok($wait, '<=', $most, 'not later');
		is(scalar notices($_[0]->server), 0, 'nobody is told');
	});
}

# -q1h in the foreground runs what is due, and is ended when that has come and so many messages are left.
sub run_due
{
	my ($queue, $name, $server, $count, $left, %o) = @_;
	my $asked = 0;	# at the second time it would end at once

	return check_with($queue, $name, argv => ['-q1h'], stdin => '', server => $server, err => [], watch => sub {
		kill 'TERM', $_[0] if scalar(my @messages = $server->messages) >= $count && scalar(my @names = ids($queue)) <= $left && !$asked++;
	}, sent => $count, %o);
}
for my $case (['in an hour less a minute', 3540, 0], ['an hour and a half ahead: the clock was set back', 5400, 1],
    ['ten days ahead', 10 * DAY, 1],
    ['at the end of times', 900_000_000_000, 1], ['now', 0, 1], ['long ago', -30 * DAY, 1]) {
	my ($name, $ahead, $due) = @$case;
	my ($queue, $server) = (new_queue(), smarthost());
	my ($first, $last) = (enqueue($queue, argv => ['first@example.net']), enqueue($queue, argv => ['last@example.net']));

	# The one in question has the older name, so that it is looked at first.
	($first, $last) = reverse($first, $last) if $first gt $last;
	set_state($queue, $first, next => time + $ahead);
	run_due($queue, "-q1h runs what is due: $name", $server, 1 + $due, 1 - $due, also => sub {
		is(scalar ids($queue), 1 - $due, 'whether it was');
		isnt((ids($queue))[0], $last, 'the other one was');
	});
}
{
	my ($queue, $server) = (new_queue(), smarthost());
	my ($first, $second) = (enqueue($queue, argv => ['first@example.net']), enqueue($queue, argv => ['second@example.net']));
	my ($changed, $third, $asked);

	set_state($queue, $second, next => time + 600);
	check_with($queue, '-q1s runs again and again', argv => ['-q1s'], stdin => '', server => $server, err => [], sent => 3, watch => sub {
		my $count = scalar(my @messages = $server->messages);

		if ($count == 1 && !$changed) {
			set_state($queue, $second, next => time);
			$changed = 1;
		}
		$third //= enqueue($queue, argv => ['third@example.net']) if $count == 2;
		kill 'TERM', $_[0] if $count == 3 && !ids($queue) && !$asked++;
	}, also => sub { is(join(' ', ids($queue)), '', 'all are sent') });
}
{
	my ($queue, $server) = (new_queue(), smarthost());
	my $name = enqueue($queue);

	set_state($queue, $name, next => time + 600);
	run_queue($queue, '-q runs also what is not due', $server, sent => 1);
	$name = enqueue($queue);
	set_state($queue, $name, held => 1);
	run_queue($queue, 'but nothing that is held', $server, sent => 1, also => sub { is(join(' ', ids($queue)), $name, 'it stays') });
}
for my $case (['-qI', sub { substr $_[1], 12, 14 }, 2], ['-qR', sub { 'R2@EXAMPLE' }, 2], ['-qS', sub { 's3@' }, 3],
    ['-qR', sub { 'nobody' }, 0],
    ['-qS', sub { 'r2@' }, 0]) {
	my ($flag, $text, $which) = @$case;
	my ($queue, $server) = (new_queue(), smarthost());
	my @names = map { enqueue($queue, argv => ['-f', "s$_\@example.com", "r$_\@example.net"]) } 0 .. 3;

	run_queue($queue, "$flag and a text", $server, argv => [$flag . $text->(@names[1, 2])], also => sub {
		is(arrived($server), $which ? "r$which\@example.net" : '', 'only what matches');
		is(scalar ids($queue), $which ? 3 : 4, 'the others stay');
	});
}

# --- in the background

{
	my $queue = new_queue();
	my $server = smarthost(rules => ['banner conn=1 stall']);
	my $tag = new_tag();
	pipe my $reader, my $writer or die "pipe: $!";

	my $run = submit(server => $server, argv => ['-L', $tag, '-odb', 'b@example.net'], top => {queue => $queue,
	    timeout => '2m'}, setup => sub {
		open STDOUT, '>&', $writer or die;
		open STDERR, '>&', $writer or die;
		POSIX::dup2(fileno $writer, 9);
	});
	close $writer;
	is($run->exit, 0, 'in the background: the caller goes on, though the smarthost says nothing');
	ok(wait_for(sub { connections($server) == 1 }), 'while it is asked');
	my ($pid, @more) = left_running($tag);
	ok(defined $pid && !@more, 'by one process');
	my $ready = '';
	vec($ready, fileno $reader, 1) = 1;
	ok(select($ready, undef, undef, PATIENCE) && sysread($reader, my $octets, 100) == 0, 'a reader of its output is at the end');
	is(join(' ', left_running($tag)), $pid, 'which is not because that process has ended');
	my @stat = split ' ', slurp("/proc/$pid/stat") =~ s/.*\)//r;
	is($stat[3], $pid, 'it has a session of its own');
	is($stat[4], 0, 'and no terminal');
	SKIP: {
		skip 'only root can look into it', 3 if !$root;
		my @open = map { readlink // () } glob "/proc/$pid/fd/*";

		unlike("@open", qr/pipe:|stdout|stderr/, 'it has nothing of the caller\'s open');
		is(join(' ', map { readlink("/proc/$pid/fd/$_") } 0 .. 2), '/dev/null /dev/null /dev/null', 'nothing at the first three');
		is(readlink("/proc/$pid/cwd"), '/', 'and stands in no directory');
	}
	is(scalar ids($queue), 1, 'the message is in the queue');
	kill 'KILL', $pid;
	ok(wait_for(sub { !left_running($tag) }), 'that process is killed');
	is(scalar ids($queue), 1, 'nothing is lost');
	run_queue($queue, 'and a run sends it', $server, sent => 1);
}
{
	my ($queue, $server) = (new_queue(), smarthost());
	my ($due, $later) = map { enqueue($queue, argv => ["$_\@example.net"]) } qw(due later);

	set_state($queue, $later, next => time + 600);
	my $run = deliver_and_wait(server => $server, top => {queue => $queue}, argv => ['b@example.net']);
	is($run->exit, 0, 'a message that is sent at once');
	is(join(' ', map { $_->{status} } log_of($run)), 'sent sent', 'wakes');
	is(arrived($server), 'b@example.net, due@example.net', 'what is due');
	is(join(' ', ids($queue)), $later, 'and nothing else');
}
{
	my ($queue, $server) = (new_queue(), smarthost(rules => ['mail reply "451 4.3.0 No"']));
	my $due = enqueue($queue, argv => ['due@example.net']);
	my $run = deliver_and_wait(server => $server, top => {queue => $queue}, argv => ['b@example.net']);

	is($run->log->{status}, 'queued', 'one that is kept');
	is(item($queue, $due)->{attempts}, 0, 'wakes nothing');
}

# --- several at once

# Runs it so often at the same time; the exit statuses are in the file "status".
sub at_once
{
	my ($times, $dir) = @_;

	spew("$dir/message", MESSAGE);
	return ['/bin/sh', '-c', "for i in " . join(' ',
	    1 .. $times) . "; do (\"\$@\" <$dir/message; echo \$? >>$dir/status) & done; wait", 'sh'];
}
{
	my ($queue, $server, $dir) = (new_queue(), smarthost(rules => ['dot##1 delay 300']), scratch());

	enqueue($queue, argv => ["r$_\@example.net"]) for 10 .. 29;
	run_queue($queue, 'two runs at once', $server, wrap => at_once(2, $dir), sent => 20, also => sub {
		is(slurp("$dir/status"), "0\n0\n", 'both end well');
		is(arrived($server), join(', ', map { "r$_\@example.net" } 10 .. 29), 'each message has arrived once');
		is(scalar $_[0]->log_lines, 20, 'a log line each');
		is(join(' ', ids($queue)), '', 'and all are gone');
	});
}
{
	my ($queue, $server, $dir) = (new_queue(), smarthost(), scratch());

	check_with($queue, 'eight writers at once', server => $server, argv => ['-odq', 'b@example.net'], stdin => '',
	    wrap => at_once(8, $dir), also => sub {
		my %names = map { $_->{queue} => 1 } log_of($_[0]);

		is(slurp("$dir/status"), "0\n" x 8, 'all end well');
		is(join(' ', ids($queue)), join(' ', sort keys %names), 'all are in the queue');
		is(scalar keys %names, 8, 'under names of their own');
	});
	run_queue($queue, 'eight that were', $server, sent => 8);
}
{
	my ($queue, $server, $dir) = (new_queue(), smarthost(), scratch());
	my $run = deliver_and_wait(server => $server, top => {queue => $queue}, argv => ['-odb', 'b@example.net'], stdin => '',
	    wrap => at_once(24, $dir));
	my %count;

	is(slurp("$dir/status"), "0\n" x 24, '24 writers at once, in the background');
	is(scalar(my @messages = $server->messages), 24, 'each message has arrived once, and none was missed');
	$count{$_->{status}}++ for log_of($run);
	is_deeply(\%count, {queued => 24, sent => 24}, 'the log');
	is(join(' ', ids($queue)), '', 'nothing is left');
	is($run->findings, '', 'the sanitizers found nothing');
}
{
	my ($queue, $server, @tags) = (new_queue(), smarthost(rules => ['dot##1 conn=1 delay 1500']), new_tag(), new_tag());

	submit(server => $server, top => {queue => $queue}, argv => ['-L', $tags[0], '-odb', 'first@example.net']);
	ok(wait_for(sub { grep { /^(?:BDAT|DATA)/ } $server->commands }), 'while a run waits for the smarthost');
	my $run = submit(server => $server, top => {queue => $queue}, argv => ['-L', $tags[1], '-odb', 'second@example.net']);
	is($run->log->{status}, 'queued', 'another message comes');
	ok(wait_for(sub { !left_running($tags[0]) && !left_running($tags[1]) }), 'when all have ended');
	is(arrived($server), 'first@example.net, second@example.net', 'both are sent');
	is(join(' ', ids($queue)), '', 'and nothing is left');
}
# --- files that are not what was written

sub break_file
{
	my ($queue, $name, $change) = @_;
	my $text = slurp("$queue/$name");

	$change->($text);
	spew("$queue/$name", $text, 0600);
}

for my $case (
    ['empty', sub { $_[0] = '' }], ['torn within its head', sub { substr($_[0], 100) = '' }],
    ['torn within the envelope', sub { substr($_[0], 600) = '' }],
    ['without its last octet', sub { chop $_[0] }], ['longer than its end', sub { $_[0] .= "\n" }],
    ['altered in the message', sub { $_[0] =~ s/Hello/Jello/ }], ['altered in the envelope', sub { $_[0] =~ s/^rcpt b/rcpt c/m }],
    ['altered in its lengths', sub { $_[0] =~ s/message=(\d+)/sprintf 'message=%015d', $1 - 1/e }],
    ['altered in its checksum', sub { $_[0] =~ s/sum=./sum=g/ }],
    ['zeroes', sub { $_[0] = "\0" x length $_[0] }], ['zeroes at the end', sub { substr($_[0], -100) = "\0" x 100 }],
    ['of a later version', sub { $_[0] =~ s/queue 1\n/queue 2\n/ }], ['nothing of ours', sub { $_[0] = "hello\n" x 200 }],
    ['a recipient without a state', sub { substr($_[0], 512, 1) = 'X' }], ['with letters for numbers', sub { $_[0] =~ s/next=./next=x/ }],
    ['with 99999999 recipients', sub { $_[0] =~ s/recipients=\d+/recipients=099999999/ }],
    ['with a message beyond all bounds', sub { $_[0] =~ s/message=\d+/message=999999999999999/ }],
    ['with an envelope beyond all bounds', sub { $_[0] =~ s/envelope=\d+/envelope=999999999999/ }]) {
	my ($name, $change) = @$case;
	my ($queue, $server) = (new_queue(), smarthost());
	my @names = map { enqueue($queue) } 1 .. 3;
	my ($broken) = (sort @names)[1];

	break_file($queue, $broken, $change);
	my $before = slurp("$queue/$broken");
	run_queue($queue, "a file is $name", $server, sent => 2, also => sub {
		my @told = grep { $_->{status} eq 'broken' } log_of($_[0]);

		is(join(' ', ids($queue)), $broken, 'it is left, the others are sent');
		is(slurp("$queue/$broken"), $before, 'as it is');
		is(join(' ', map { $_->{queue} } @told), $broken, 'the log names it, once');
		like($told[0]{why}, qr/./, 'and says why');
	});
}

# Whoever can write to the queue cannot say more to the smarthost than an envelope may.
for my $case (
    ['a recipient with a line of his own', sub { $_[0]{envelope} =~ s/^rcpt .*$/rcpt b\@example.net>\rRSET/m }],
    ['a recipient with parameters', sub { $_[0]{envelope} =~ s/^rcpt .*$/rcpt b\@example.net> NOTIFY=NEVER/m }],
    ['a recipient without a domain', sub { $_[0]{envelope} =~ s/^rcpt .*$/rcpt b/m }],
    ['a sender with a line of his own', sub { $_[0]{envelope} =~ s/^sender .*$/sender a\@example.com>\rDATA/m }],
    ['ORCPT with a line of its own', sub { $_[0]{envelope} =~ s/^rcpt /rcpt-notify 4\nrcpt-orcpt rfc822;b\@example.net\rRSET\nrcpt /m }],
    ['ORCPT with parameters', sub { $_[0]{envelope} =~ s/^rcpt /rcpt-notify 4\nrcpt-orcpt rfc822;b\@example.net NOTIFY=NEVER\nrcpt /m }],
    ['ENVID with a line of its own', sub { $_[0]{envelope} =~ s/^created/envid a\rRSET\ncreated/m }],
    ['NOTIFY that is none', sub { $_[0]{envelope} =~ s/^rcpt /rcpt-notify 99\nrcpt /m }],
    ['RET that is none', sub { $_[0]{envelope} =~ s/^created/ret SOME\ncreated/m }],
    ['a line that is none', sub { $_[0]{envelope} .= "colour blue\n" }],
    ['an envelope with a NUL', sub { $_[0]{envelope} =~ s/^sender a/sender \0/m }],
    ['an envelope without its last line end', sub { chop $_[0]{envelope} }],
    ['an envelope without a sender', sub { $_[0]{envelope} =~ s/^sender .*\n//m }],
    ['one recipient more than there are', sub { $_[0]{envelope} .= "rcpt c\@example.net\n" }],
    ['no recipient', sub { $_[0]{envelope} =~ s/^rcpt .*\n//m }]) {
	my ($name, $change) = @$case;
	my ($queue, $server) = (new_queue(), smarthost());
	my ($bad, $good) = (enqueue($queue), enqueue($queue, argv => ['good@example.net']));

	forge($queue, $bad, $change);
	run_queue($queue, "a file with a right checksum has $name", $server, sent => 1, also => sub {
		is(arrived($server), 'good@example.net', 'the other is sent');
		is(join(' ', ids($queue)), $bad, 'it is left');
		is(scalar(grep { $_->{status} eq 'broken' && $_->{queue} eq $bad } log_of($_[0])), 1, 'and logged');
	});
}
{
	my ($queue, $server, $elsewhere) = (new_queue(), smarthost(), new_queue());
	my $name = enqueue($queue, argv => ['good@example.net']);
	my $foreign = enqueue($elsewhere, argv => ['foreign@example.net']);
	my %like = map { $_ => sprintf '%010x%016x', time, $_ } 1 .. 4;

	symlink "$elsewhere/$foreign", "$queue/$like{1}" or die "symlink: $!";
	symlink '/nonexistent', "$queue/$like{2}" or die "symlink: $!";
	mkdir "$queue/$like{3}" or die "mkdir: $!";
	POSIX::mkfifo("$queue/$like{4}", 0600) or die "mkfifo: $!";
	spew("$queue/$_", slurp("$elsewhere/$foreign"), 0600) for 'README', "$foreign~", ".$foreign", uc $foreign,
	    "new.$foreign", "failed.$foreign";
	symlink "$elsewhere/$foreign", "$queue/link" or die "symlink: $!";
	my @before = grep { $_ ne $name } names($queue);
	run_queue($queue, 'what is in the directory and no file of the queue', $server, sent => 1, also => sub {
		is(arrived($server), 'good@example.net', 'nothing of it is sent');
		is(join(' ', grep { !/^(?:runner|failed)\z/ } names($queue)), join(' ', grep { !/^(?:runner|failed)\z/ } @before),
		    'all of it is left');
		is(join(' ', ids($elsewhere)), $foreign, 'also what a link leads to');
		is(item($elsewhere, $foreign)->{attempts}, 0, 'as it is');
	});
}
{
	my ($queue, $server, $victim) = (new_queue(), smarthost(), spew(scratch() . '/victim', "precious\n", 0600));

	enqueue($queue);
	unlink "$queue/runner";
	symlink $victim, "$queue/runner" or die "symlink: $!";
	my $run = submit(server => $server, top => {queue => $queue}, argv => ['-q'], stdin => '');
	is($run->exit, 73, 'the file of the lock is a symbolic link: refused');
	is(slurp($victim), "precious\n", 'and what it leads to is left alone');
}

# --- a queue that cannot be used

sub fallback
{
	my ($name, $queue, %o) = @_;
	my $exit = delete $o{status} // 73;

	for my $mode (qw(-odi -odb -odq)) {
		check_with($queue->(), "$name, $mode: it is sent at once", %o, argv => [$mode, 'b@example.net'],
		    log => {status => 'sent', queue => undef});
	}
	for my $mode (qw(-odi -odb -odq)) {
		check_with($queue->(), "$name, $mode, and no smarthost: both are told", %o, argv => [$mode, 'b@example.net'],
		    host => {port => closed_port()},
		    exit => $exit, err => qr/(?=.*queue)(?=.*cannot connect).*Remedy: /s, log => {status => 'failed', stage => 'queue'});
	}
	check_with($queue->(), "$name, and a recipient who has to wait: both are told", %o, argv => ['b@example.net', 'c@example.net'],
	    rules => ['rcpt@c@* reply "450 4.2.0 Greylisted"'], exit => $exit, sent => 1,
	    err => qr/(?=.*queue)(?=.*Greylisted).*Remedy: /s);
}
fallback('the queue is missing', sub { scratch() . '/nonexistent' });
fallback('the queue is a file', sub { spew(scratch() . '/queue', '') });
fallback('everybody may write to the queue', sub { my $queue = new_queue(); chmod 01777, $queue; $queue });
SKIP: {
	skip 'only root can be another user', 14 if !$root;
	my $open = sub { my $queue = new_queue(); chown $other, $other, $queue; chmod 0500, $queue; $queue };

	fallback('the queue cannot be written', $open, uid => $other);
	fallback('the queue is another\'s', \&new_queue, uid => $other);
}
SKIP: {
	skip 'no mount namespace to be had', 14 if !can_unshare();
	my $dir = scratch();
	my $mounted = sub { my ($options) = @_; return ['unshare', '-m', '/bin/sh', '-c',
	    "mount -t tmpfs -o $options tmpfs $dir && chmod 700 $dir && { \"\$@\"; status=\$?; ls -A $dir >$dir.left; exit \$status; }", 'sh'] };

	# What is there may be one directory and no part of a message.
	fallback('the disk is full', sub { $dir }, status => 74, stdin => MESSAGE . ('x' x 70 . "\n") x 3000,
	    wrap => $mounted->('size=64k'));
	unlike(slurp("$dir.left"), qr/^(?!failed$)./m, 'no part of it stays');
	fallback('there is no room for a file', sub { $dir }, wrap => $mounted->('nr_inodes=1'));
	fallback('the disk is read-only', sub { $dir }, wrap => ['unshare', '-m', '/bin/sh', '-c',
	    "mount -t tmpfs -o ro tmpfs $dir && exec \"\$@\"", 'sh']);
	check_with($dir, 'a large message, and a disk with room for it', stdin => MESSAGE . ('x' x 70 . "\n") x 3000,
	    wrap => $mounted->('size=1m'),
	    argv => ['-odq', 'b@example.net'], sent => 0, log => {status => 'queued'});
	like(slurp("$dir.left"), qr/^[0-9a-f]{26}$/m, 'is kept');
}
for my $case (['missing', scratch() . '/nonexistent', 73], ['a file', spew(scratch() . '/file', ''), 73]) {
	my ($name, $queue, $exit) = @$case;

	check_with($queue, "-q, and the queue is $name", argv => ['-q'], stdin => '', exit => $exit, sent => 0,
	    err => [qr/\Q$queue\E.*Remedy: /]);
	check_with($queue, "-q1h, and the queue is $name", argv => ['-q1h'], stdin => '', exit => $exit, sent => 0,
	    err => [qr/\Q$queue\E.*Remedy: /]);
}

SKIP: {
	skip 'no mount namespace to be had, or sanitizers, which need /proc', 2 if !can_unshare() || sanitized();
	my $queue = new_queue();

	check_with($queue, 'without /proc', argv => ['-odq', 'b@example.net'], sent => 0, log => {status => 'queued'},
	    wrap => ['unshare', '-m', '/bin/sh', '-c', 'mount -t tmpfs tmpfs /proc && exec "$@"', 'sh'], also => sub {
		is(join(' ', grep { $_ ne 'failed' } names($queue)), $_[0]->log->{queue}, 'there is the message alone');
	    });
	run_queue($queue, 'what was queued without /proc', smarthost(), sent => 1,
	    also => sub { is(($_[0]->server->messages)[0]{data}, $wire, 'is sent') });
}
{
	my $queue = new_queue();

	check_with($queue, 'a bound for the size of files: it is sent at once', argv => ['-odq', 'b@example.net'],
	    stdin => MESSAGE . ('x' x 70 . "\n") x 3000,
	    wrap => ['/bin/sh', '-c', 'ulimit -f 100 && exec "$@"', 'sh'], log => {status => 'sent'});
	is(join(' ', grep { !/^(?:failed|runner)\z/ } names($queue)), '', 'and no part of it stays');
}

# The bounds of the configuration.
for my $case ([{'queue-max-messages' => 2}, MESSAGE], [{'queue-max-size' => 1}, MESSAGE . ('x' x 70 . "\n") x 5000]) {
	my ($bound, $message) = @$case;
	my $queue = new_queue();

	set_state($queue, enqueue($queue, stdin => $message), next => time + 600) for 1, 2;
	check_with($queue, "no room by @{[keys %$bound]}: it is sent at once", stdin => $message, argv => ['-odq',
	    'b@example.net'], top => $bound,
	    log => {status => 'sent', queue => undef});
	check_with($queue, 'and told where that fails', stdin => $message, argv => ['-odq', 'b@example.net'], top => $bound,
	    host => {port => closed_port()},
	    exit => 73, err => qr/(?=.*queue)(?=.*cannot connect).*Remedy: /s, log => {status => 'failed', stage => 'queue'});
	is(scalar ids($queue), 2, 'nothing was added');
}

# What has been sent and cannot be removed is not sent a second time.
{
	my ($queue, $server) = (new_queue(), smarthost());
	my @as = (uid => $other, server => $server);

	chown $other, $other, $queue if $root;
	my $name = enqueue($queue, uid => $other);
	submit(@as, argv => ['-qSnobody'], stdin => '', top => {queue => $queue});	# makes what a run needs
	chmod 0500, $queue or die "chmod: $!";
	for my $turn ('a run', 'another run') {
		my $run = submit(@as, argv => ['-q'], stdin => '', top => {queue => $queue}, watch => sub {
			kill 'KILL', $_[0] if scalar(my @messages = $server->messages) > 3;
		});

		is($run->signal, 0, "$turn in a directory that has become read-only ends");
		is(scalar(my @messages = $server->messages), 1, 'and has sent the message once');
	}
	chmod 0700, $queue or die "chmod: $!";
}

# --- permissions

for my $umask (0000, 0777) {
	my $queue = new_queue();

	subtest sprintf('umask %03o', $umask) => sub {
		my $run = submit(argv => ['-odq', 'b@example.net'], setup => sub { umask $umask }, top => {queue => $queue});

		is($run->exit, 0, 'queued');
		submit(argv => ['-q'], stdin => '', server => smarthost(rules => ['mail reply "451 4.3.0 No"']),
		    setup => sub { umask $umask }, top => {queue => $queue});
		submit(argv => ['-odq', '-f', '<>', 'b@example.net'], setup => sub { umask $umask }, top => {queue => $queue});
		submit(argv => ['-q'], stdin => '', server => smarthost(rules => ['mail@ reply "550 5.7.1 No"', 'mail reply "451 4.3.0 No"']),
		    setup => sub { umask $umask }, top => {queue => $queue});
		my @names = names($queue);
		is((stat "$queue/$_")[2] & 07777, /^failed\z/ ? 0700 : 0600, /$id/ ? 'a message' : $_) for @names;
		is(scalar @names, 3, 'all that is there');
	};
}

# --- what has nothing to do with it

for my $delivery (qw(interactive background queue)) {
	my $queue = new_queue();
	my %top = (queue => $queue, delivery => $delivery);

	check "-bv, $delivery", argv => ['-bv', 'b@example.net', 'no@example.net'], rules => [REFUSALS], top => \%top,
	    out => qr/b\@example\.net/, printed => 1,
	    exit => 67, sent => 0, log => undef;
	check "-bv that fails, $delivery", argv => ['-bv', 'b@example.net'], top => \%top, host => {port => closed_port()},
	    exit => 75, sent => 0, out => qr/\A/, log => undef;
	is(join(' ', ids($queue)), '', "-bv leaves nothing, $delivery");
}
{
	my $queue = new_queue();
	my $talk = talk(top => {queue => $queue}, rules => [REFUSALS]);

	$talk->hear;
	like($talk->ask('EHLO client.example.com'), qr/^250 /, '-bs and a smarthost that answers: EHLO');
	like($talk->ask('MAIL FROM:<a@example.com>'), qr/^250 /, 'MAIL');
	like($talk->ask('RCPT TO:<no@example.net>'), qr/^550 5\.1\.1 /, 'its own verdict on a recipient');
	like($talk->ask('RCPT TO:<b@example.net>'), qr/^250 /, 'and on another');
	like($talk->ask('DATA'), qr/^354 /, 'DATA');
	like($talk->ask((split /\r\n/, $wire), '.'), qr/^250 /, 'the dot');
	my $run = $talk->end;
	is($run->exit, 0, 'exit status');
	is(arrived($run->server), 'b@example.net', 'it has arrived');
	is(join(' ', ids($queue)), '', 'and nothing is in the queue');
}
{
	my $queue = new_queue();
	my $talk = talk(top => {queue => $queue}, host => {port => closed_port()});

	$talk->hear;
	$talk->ask($_) for 'EHLO client.example.com', 'MAIL FROM:<a@example.com>';
	like($talk->ask('RCPT TO:<b@example.net>'), qr/^250 /, '-bs and a smarthost that cannot be reached: RCPT');
	like($talk->ask('DATA'), qr/^354 /, 'DATA');
	like($talk->ask((split /\r\n/, $wire), '.'), qr/^250 /, 'the dot');
	my $run = $talk->end;
	is($run->log->{status}, 'queued', 'the log');
	is(join(' ', ids($queue)), $run->log->{queue}, 'it is in the queue');
	run_queue($queue, 'it is sent later', smarthost(), sent => 1,
	    also => sub { is(($_[0]->server->messages)[0]{data}, $wire, 'as it was') });
}

done_testing;
