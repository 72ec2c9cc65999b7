# --check: the whole way, a line a step, nothing sent; the same as JSON; and the exit status is the one that sending has.
use lib 'tests/e2e/lib';
use E2E;
use JSON::PP ();

my ($good, $care, $bad) = ("\xe2\x9c\x93", '!', "\xe2\x9c\x97");

# The steps of the text: [mark, milliseconds, name, text, what follows it].
sub steps
{
	my ($out) = @_;
	my @steps;

	for (split /\n/, $out) {
		if (/\A($good|!|$bad) (?: {11}|( *\d+) ms  )(\S[^ ]*(?: [^ ]+)*) {2,}(.*)\z/o) {
			push @steps, [$1, defined $2 ? $2 + 0 : undef, $3, $4, ''];
		} elsif (/\A {28}((?:Likely cause|Remedy): .*\.)\z/) {
			$steps[-1][4] .= "$1 ";
		} elsif (!/\Asmarthost /) {
			fail("a line that is none: $_");
		}
	}
	return @steps;
}

# Runs it as text, as JSON, and sends. Keys as check() of E2E, and: is => [[mark, step, pattern, pattern of what follows it] ...] in this order, others between them allowed;
# json => sub ($object, $run); same => 0: sending has another status (with a queue, or since --check itself is refused).
sub checks
{
	my ($name, %o) = @_;
	my @is = @{delete $o{is} // []};
	my $json = delete $o{json};
	my $same = delete $o{same} // 1;
	my $to = delete $o{to} // [];
	my $flags = delete $o{flags} // [];
	my $also = delete $o{also};

	$o{exit} //= 0;
	my $run = check "$name: text", stdin => '', printed => 1, sent => 0, err => qr/\A\z/, out => qr/\n\z/, log => {status => 'checked'}, %o,
	    argv => ['--check', @$flags, @$to], also => sub {
		my ($run) = @_;
		my @steps = steps($run->out);
		my @told = @steps;

		for my $want (@is) {
			my ($mark, $step, $text, $why) = @$want;
			shift @told while @told && !($told[0][0] eq $mark && $told[0][2] eq $step && $told[0][3] =~ $text);
			ok(scalar @told, "$mark $step $text") or return diag($run->out);
			like($told[0][4], $why, 'cause and remedy') if $why;
			shift @told;
		}
		unlike($run->out, qr/[^\x20-\x7e\n\xe2\x9c\x93\x97]/, 'nothing that a terminal would obey');
		is($steps[-1][2], 'result', 'the end');
		is($steps[-1][0], $run->exit == 0 ? $good : $bad, 'its mark');
		like($steps[-1][3], qr/exit status ${\$run->exit}\b/, 'its status');
		for my $step (grep { $_->[0] eq $bad && $_->[2] ne 'result' } @steps) {
			like($step->[4], qr/Remedy: /, "what to do at $step->[2]") if 1 == grep { $_->[3] eq $step->[3] } @steps;
		}
		is(scalar(grep { /^(?:DATA|BDAT)/i } $run->server->commands), 0, 'no message') if $run->server;
		$also->($run) if $also;
	};
	check "$name: JSON", stdin => '', printed => 1, sent => 0, err => qr/\A\z/, out => qr/\A\{.*\}\n\z/, log => undef, %o, argv => ['--check', '--json', @$flags, @$to], also => sub {
		my ($run) = @_;
		my $object = eval { JSON::PP->new->utf8->decode($run->out) };

		ok($object, 'an object') or return diag($run->out);
		unlike($run->out, qr/[^\x20-\x7e\n]/, 'printable ASCII');
		is($object->{status}, $run->exit, 'its status');
		is(!!$object->{ok}, $run->exit == 0, 'ok');
		ok(exists $object->{$_}, "member $_") for qw(version time user status ok configuration sender connected address banner extensions smarthosts steps);
		my @told = @{$object->{steps}};
		for my $want (@is) {
			my ($mark, $step, $text) = @$want;
			my $result = {$good => 'ok', $care => 'warning', $bad => 'failed'}->{$mark};
			next if $step eq 'result';
			shift @told while @told && !($told[0]{result} eq $result && $told[0]{step} eq $step && $told[0]{text} =~ $text);
			ok(scalar @told, "$result $step $text") or return diag($run->out);
			shift @told;
		}
		$json->($object, $run) if $json;
	};
	return if !$same || sanitized();	# once is enough for what is compared
	my $sent = submit(%o, argv => ['-i', @$flags, '--', @$to ? @$to : 'b@example.net']);
	is($sent->exit, $o{exit}, "$name: sending has the same status") or diag($sent->err);
}

# --- it works

my @way = ([$good, 'configuration', qr{/sendmail\.conf, read as \S+}], [$good, 'sender', qr/<.*\@example\.com>/], [$good, 'secret', qr/password is in the configuration/],
    [$good, 'look-up', qr/\A127\.0\.0\.1 is 127\.0\.0\.1\z/], [$good, 'connect', qr/\A127\.0\.0\.1 port \d+\z/], [$good, 'banner', qr/\A220 smtp\.example\.com/],
    [$good, 'EHLO', qr/\Ain clear: .*STARTTLS/], [$good, 'STARTTLS', qr/\A220 /], [$good, 'TLS', qr/\ATLSv1\.3 TLS_/],
    [$good, 'certificate', qr/\ACN=smtp\.example\.com.*, for localhost, .*, signed by CN=Test CA.*, good until \d{4}-\d\d-\d\d: \d+ days left\z/],
    [$good, 'certificate', qr/\ACN=Test CA/], [$good, 'trust', qr{\A127\.0\.0\.1, by /.*ca\.pem\z}], [$good, 'EHLO', qr/\Awithin TLS: .*AUTH PLAIN LOGIN/],
    [$good, 'AUTH', qr/\APLAIN, as app\@example\.com\z/], [$good, 'MAIL', qr/\A<.*\@example\.com>: 250 /]);
my @end = ([$good, 'RSET', qr/\A250 /], [$good, 'QUIT', qr/\A221 /], [$good, 'log', qr{/log\z}], [$good, 'result', qr/through localhost: exit status 0/]);

checks('it works', is => [@way, @end], also => sub {
	my ($run) = @_;

	is(join(' ', map { /^(\S+)/ } ($run->server->commands)[-3 .. -1]), 'MAIL RSET QUIT', 'what was said last');
	unlike($run->out, qr/\e/, 'no colour in a pipe');
	is($run->log->{sent}, '0', 'nothing sent, by the log');
}, json => sub {
	my ($o, $run) = @_;
	my $host = $o->{smarthosts}[0];

	ok($o->{connected}, 'connected');
	is($o->{address}, '127.0.0.1', 'address');
	like($o->{banner}, qr/\Asmtp\.example\.com/, 'banner');
	is(scalar(grep { $_ eq 'PIPELINING' } @{$o->{extensions}}), 1, 'extensions');
	is(scalar(grep { $_ eq 'AUTH PLAIN LOGIN' } @{$o->{extensions}}), 1, 'those within TLS');
	is(scalar(grep { $_ eq 'STARTTLS' } @{$host->{extensions_clear}}), 1, 'those in clear');
	is($host->{port}, $run->server->port, 'port');
	like($host->{tls}, qr/\ATLSv1\.3 /, 'tls');
	is($host->{auth}, 'PLAIN', 'auth');
	like($host->{certificates}[0]{subject}, qr/CN=smtp\.example\.com/, 'certificate');
	cmp_ok($host->{certificates}[0]{days_left}, '>', 30, 'days left');
	is(scalar @{$host->{recipients}}, 0, 'no recipients');
});
checks('recipients, VRFY and EXPN', ext => '+VRFY,+EXPN', to => ['b@example.net', 'c@example.net'], rules => ['vrfy@c@* reply "502 5.5.1 No"'],
    is => [@way, [$good, 'RCPT', qr/<b\@example\.net>: 250 /], [$good, 'RCPT', qr/<c\@example\.net>: 250/], [$good, 'VRFY', qr/<b\@example\.net>: 252 /],
    [$good, 'EXPN', qr/<b\@example\.net>: 252/], [$care, 'VRFY', qr/<c\@example\.net>: no answer in that: 502/], @end], json => sub {
	is(join(' ', map { "$_->{address} $_->{state}" } @{$_[0]{smarthosts}[0]{recipients}}), 'b@example.net deliverable c@example.net deliverable', 'recipients');
});
checks('the sender of -f', flags => ['-f', 'other@example.com'], is => [[$good, 'sender', qr/<other\@example\.com>: as -f says/], [$good, 'MAIL', qr/<other\@example\.com>/]]);
checks('the null sender', flags => ['-f', '<>'], is => [[$good, 'sender', qr/<>/], [$good, 'MAIL', qr/<>: 250/]]);
checks('TLS at once', tls => 'implicit', is => [[$good, 'TLS', qr/TLSv1/], [$good, 'banner', qr/220/], [$good, 'EHLO', qr/within TLS/], @end]);
checks('no TLS on loopback', tls => 'none', args => ['--auth-clear', 'PLAIN'], is => [[$good, 'EHLO', qr/in clear/], [$good, 'AUTH', qr/PLAIN/], @end], same => 0);
checks('no sign-in', user => undef, args => ['--auth', 'PLAIN'], is => [[$care, 'AUTH', qr/offered, and not used/], @end]);
checks('-v shows the dialogue as well', flags => ['-v'], err => qr/S: 220 .*C: QUIT/s, raw => 1, same => 0, is => [@way]);

# --- each thing that goes wrong

checks('closed port', host => {port => 1}, exit => 75, is => [[$bad, 'connect', qr/cannot connect to 127\.0\.0\.1 port 1: 127\.0\.0\.1: Connection refused/,
    qr/Likely cause: .*down.*Remedy: check host and port/], [$bad, 'result', qr/no message would be sent: exit status 75/]], json => sub {
	ok(!$_[0]{connected}, 'not connected');
	is($_[0]{banner}, undef, 'no banner');
});
my $hole = smarthost(args => ['--listen', '127.0.0.1:0', '--listen', '127.0.0.1:0/hole']);
checks('no answer', server => $hole, host => {port => $hole->port(1)}, top => {timeout => '2s'}, exit => 75, is => [[$bad, 'connect', qr/no answer before the deadline/, qr/hangs or is overloaded/]]);
checks('silence instead of a greeting', rules => ['banner stall'], top => {timeout => '2s'}, exit => 75, is => [[$good, 'connect', qr/./], [$bad, 'banner', qr/deadline/, qr/Remedy/]]);
checks('expired certificate', cert => 'expired', exit => 76, is => [[$good, 'STARTTLS', qr/220/], [$care, 'certificate', qr/, expired on \d{4}-/], [$bad, 'TLS', qr/certificate expired on/,
    qr/not renewed it.*check the clock/]], json => sub {
	cmp_ok($_[0]{smarthosts}[0]{certificates}[0]{days_left}, '<', 0, 'days left');
	ok($_[0]{connected} && !$_[0]{ok}, 'connected, and no good');
});
checks('wrong name', cert => 'wrong-name', exit => 76, is => [[$good, 'certificate', qr/for wrong\.example\.net/], [$bad, 'TLS', qr/is for wrong\.example\.net, not for 127\.0\.0\.1/, qr/tls-name/]]);
checks('another authority', cert => 'other-ca', exit => 76, is => [[$bad, 'TLS', qr/authority that is not trusted/, qr/tls-ca-file/]]);
checks('no STARTTLS', ext => '-STARTTLS', exit => 76, is => [[$bad, 'STARTTLS', qr/does not offer STARTTLS/, qr/no password/]]);
checks('wrong password', rules => ['auth reply "535 5.7.8 Authentication failed"'], exit => 77, is => [[$good, 'EHLO', qr/within TLS/], [$bad, 'AUTH', qr/535 5\.7\.8 Authentication failed/,
    qr/wrong user or password.*Remedy: check user/], [$bad, 'result', qr/no message/]]);
checks('refused sender', rules => ['mail reply "553 5.7.1 Not owned by user"'], exit => 77, is => [[$bad, 'MAIL', qr/553 5\.7\.1 Not owned/, qr/override-from/]]);
checks('refused recipient', to => ['nobody@example.net', 'b@example.net'], rules => ['rcpt@nobody@* reply "550 5.1.1 User unknown"'], exit => 67,
    is => [[$bad, 'RCPT', qr/<nobody\@example\.net>.*550 5\.1\.1/, qr/no such recipient/], [$good, 'RCPT', qr/<b\@example\.net>: 250/], [$good, 'QUIT', qr/221/],
    [$bad, 'result', qr/not all recipients/]], json => sub {
	is(join(' ', map { "$_->{address} $_->{state}" } @{$_[0]{smarthosts}[0]{recipients}}), 'nobody@example.net refused b@example.net deliverable', 'recipients');
});
checks('greylisted', to => ['b@example.net'], rules => ['rcpt reply "450 4.2.0 Greylisted"'], exit => 75, is => [[$bad, 'RCPT', qr/450 4\.2\.0/, qr/second try/]]);
checks('unreadable secret', host => {password => undef, 'password-file' => '/nonexistent/secret'}, exit => 78, is => [[$care, 'secret', qr{/nonexistent/secret: No such file}, qr/check the name/],
    [$good, 'EHLO', qr/within TLS/], [$bad, 'secret', qr{/nonexistent/secret}, qr/check the name/]]);
checks('no configuration', server => 0, conf => undef, env => {SENDMAIL_CONF => '/nonexistent/x'}, exit => 78, log => undef, is => [[$bad, 'configuration', qr{/nonexistent/x}, qr/Remedy/]]);
checks('a configuration that is wrong', server => 0, conf => "frmo = \"x\"\n", exit => 78, log => undef, is => [[$bad, 'configuration', qr/line 1/, qr/Remedy/]]);
checks('a recipient that is no address', to => ['a b@x'], exit => 64, is => [[$bad, 'recipient', qr/a b\@x/, qr/Remedy/], [$good, 'MAIL', qr/./]]);
checks('an alias that leads nowhere', to => ['dead'], top => {aliases => spew(scratch() . '/aliases', "dead: |/bin/true\n", 0644)}, exit => 67,
    is => [[$good, 'aliases', qr/: 1\z/], [$bad, 'recipient', qr/dead/, qr/alias/]]);
checks('no alias file', top => {aliases => '/nonexistent/aliases'}, exit => 78, is => [[$bad, 'aliases', qr{/nonexistent/aliases}, qr/Remedy/], [$bad, 'result', qr/./]]);
checks('no domain for a bare name', to => ['root'], top => {domain => undef}, exit => 78, host => {user => 'app', password => PASSWORD}, user => 'app',
    setup => sub { $ENV{HOSTNAME} = 'x' }, is => [[$bad, qw(sender), qr/no domain/, qr/set domain/]]) if `hostname` !~ /\./;
for my $stage (qw(banner ehlo starttls mail rcpt)) {
	checks("421 at $stage", to => ['b@example.net'], rules => ["$stage reply \"421 4.3.2 Shutting down\" close"], exit => 75,
	    is => [[$bad, {banner => 'banner', ehlo => 'EHLO', starttls => 'STARTTLS', mail => 'MAIL', rcpt => 'RCPT'}->{$stage}, qr/421 4\.3\.2/, qr/Remedy/]]);
	checks("the line is cut at $stage", to => ['b@example.net'], rules => ["$stage close"], exit => 75, is => [[$bad, {banner => 'banner', ehlo => 'EHLO', starttls => 'STARTTLS', mail => 'MAIL',
	    rcpt => 'RCPT'}->{$stage}, qr/./, qr/Remedy/]]);
}
checks('words that a terminal would obey', rules => ['banner reply "220 \x1b[2Jsmtp\x07 \xff\xfe"'], is => [[$good, 'banner', qr/\\033\[2Jsmtp\\a/]], json => sub {
	like($_[0]{banner}, qr/\\033\[2J/, 'escaped');
});
checks('REQUIRETLS', flags => ['-O', 'requiretls=yes'], exit => 69, is => [[$bad, 'MAIL', qr/REQUIRETLS/, qr/Remedy/]]);

checks('too many recipients at once', to => [map { "r$_\@example.net" } 1 .. 3], rules => ['rcpt#3- reply "452 4.5.3 Too many recipients"'], is => [[$good, 'RCPT', qr/r1/], [$good, 'RCPT', qr/r2/],
    [$care, 'RCPT', qr/r3.*452.*further transaction/], [$good, 'RCPT', qr/r3.*250/]]);

for my $action ('reply "421 no" close', 'close', 'raw "xx\r\n"', 'stall') {
	checks("VRFY decides nothing: $action", ext => '+VRFY,+EXPN', to => ['b@example.net'], rules => ["vrfy $action"], limit => 30, is => [[$good, 'RCPT', qr/250/], [$care, 'VRFY', qr/no answer in that/]]);
}
checks('a recipient outside ASCII', to => ["j\xc3\xb6rg\@example.net"], is => [[$good, 'RCPT', qr/250/]]);
checks('a local recipient that leads nowhere, and a wrong password', to => ['dead'], top => {aliases => spew(scratch() . '/aliases', "dead: |/bin/true\n", 0644)}, exit => 67,
    rules => ['auth reply "535 5.7.8 No"'], is => [[$bad, 'recipient', qr/dead/, qr/alias/], [$bad, 'AUTH', qr/535/]]);
{
	my $fifo = scratch() . '/fifo';
	my $fed = fork // die "fork: $!";

	POSIX::mkfifo($fifo, 0600);
	if ($fed == 0) {
		for (1 .. 3) {
			open my $out, '>', $fifo or last;
			print $out PASSWORD;
			close $out;
			select undef, undef, undef, 0.05;
		}
		POSIX::_exit(0);
	}
	checks('a password that comes once', host => {password => undef, 'password-file' => $fifo}, is => [[$good, 'secret', qr/from a pipe/], [$good, 'AUTH', qr/PLAIN/]]);
	kill 'TERM', $fed;
	waitpid $fed, 0;
}
{
	my $count = scratch() . '/count';
	checks('a command', host => {password => undef, 'password-command' => "echo x >> $count; echo '" . PASSWORD . "'"}, same => 0, is => [[$good, 'secret', qr/from a command/], [$good, 'AUTH', qr/PLAIN/]]);
	is(-s $count, 4, 'which is run once each time');
}

checks('a list in one argument', to => ['b@example.net, c@example.net', '', 'd@example.net'], is => [[$good, 'RCPT', qr/<b/], [$good, 'RCPT', qr/<c/], [$good, 'RCPT', qr/<d/]]);
checks('a recipient that it could never take', to => ["j\xc3\xb6rg\@example.net"], ext => '-SMTPUTF8', rules => ['mail reply "451 4.3.0 No"'], exit => 65, is => [[$bad, 'RCPT', qr/SMTPUTF8/, qr/xn--/], [$good, 'RSET', qr/250/]]);
checks('the further transaction is refused', to => [map { "r$_\@example.net" } 1 .. 3], rules => ['rcpt#2- reply "452 4.5.3 Too many recipients"', 'mail##2 reply "451 4.3.0 No"'], exit => 75, is => [[$bad, 'MAIL', qr/451/]]);
checks('RSET is refused', to => [map { "r$_\@example.net" } 1 .. 3], rules => ['rcpt#2- reply "452 4.5.3 Too many recipients"', 'rset reply "500 no"'], is => [[$care, 'RSET', qr/500/]]);
checks('a directory as password', host => {password => undef, 'password-file' => '/tmp'}, exit => 78, is => [[$care, 'secret', qr{/tmp}, qr/Remedy/], [$bad, 'secret', qr{/tmp}]]);

# --- several smarthosts: each is gone to, and the status is that of the one that sending would have stopped at

sub several
{
	my ($name, $rules, $exit, $through, @is) = @_;
	my @servers = map { smarthost(rules => $_) } @$rules;
	my $n = 0;
	my $conf = conf({log => '@LOG@', timeout => '40s', domain => 'example.com', hostname => 'client.example.com'}, map { section($_, title => 'host' . ++$n) } @servers);

	checks($name, server => $servers[0], conf => $conf, to => ['b@example.net'], exit => $exit, is => \@is, violations => undef, json => sub {
		is(scalar @{$_[0]{smarthosts}}, scalar @servers, 'each is told');
		is(join(' ', map { $_->{smarthost} } @{$_[0]{smarthosts}}), join(' ', map { "host$_" } 1 .. @servers), 'in order');
	}, also => sub { like($_[0]->out, $through ? qr/through $through: exit status 0/ : qr/exit status $exit/, 'the end') });
	$_->stop for @servers;
}

my $refused = ['auth reply "535 5.7.8 No"'];
several('the second takes it', [$refused, []], 0, 'host2', [$bad, 'AUTH', qr/535/], [$good, 'RCPT', qr/250/]);
several('the first takes it', [[], $refused], 0, 'host1', [$good, 'RCPT', qr/250/], [$bad, 'AUTH', qr/535/]);
several('neither does', [$refused, ['banner reply "421 no"']], 77, undef, [$bad, 'AUTH', qr/535/], [$bad, 'banner', qr/421/]);
several('a refused sender is the end', [['mail reply "550 5.7.1 No"'], []], 77, undef, [$bad, 'MAIL', qr/550/], [$good, 'RCPT', qr/250/]);
several('a refused recipient, too', [['rcpt reply "550 5.1.1 No"'], []], 67, undef, [$bad, 'RCPT', qr/550/], [$good, 'RCPT', qr/250/]);
several('a sender that is refused for now is not', [['mail reply "451 4.3.0 No"'], []], 0, 'host2', [$bad, 'MAIL', qr/451/], [$good, 'RCPT', qr/250/]);
several('a recipient refused by the second alone', [[], ['rcpt reply "550 5.1.1 No"']], 0, 'host1', [$good, 'RCPT', qr/250/], [$bad, 'RCPT', qr/550/]);

several('a sender that is refused for now by the last: the worst of all', [['auth reply "535 5.7.8 No"'], ['mail reply "451 4.3.0 No"']], 77, undef, [$bad, 'AUTH', qr/535/], [$bad, 'MAIL', qr/451/]);
{
	my @servers = (smarthost(ext => '-SMTPUTF8', rules => ['mail reply "451 4.3.0 No"']), smarthost());
	my $conf = conf({log => '@LOG@', timeout => '20s', domain => 'example.com', hostname => 'client.example.com'}, section($servers[0], title => 'one'), section($servers[1], title => 'two'));

	checks('what the first could never take goes to the second', server => $servers[1], conf => $conf, to => ["j\xc3\xb6rg\@example.net", 'b@example.net'], violations => undef,
	    is => [[$bad, 'RCPT', qr/SMTPUTF8/], [$bad, 'MAIL', qr/451/], [$good, 'RCPT', qr/250/], [$good, 'result', qr/through two/]]);
	$_->stop for @servers;
}
{
	my @servers = (smarthost(rules => ['auth reply "535 5.7.8 No"']), smarthost(rules => ['rcpt#2- reply "452 4.5.3 Too many"', 'mail##2 reply "451 4.3.0 No"']));
	my $conf = conf({log => '@LOG@', timeout => '20s', domain => 'example.com', hostname => 'client.example.com'}, section($servers[0], title => 'one'), section($servers[1], title => 'two'));

	checks('who has got it keeps the others from another verdict', server => $servers[1], conf => $conf, to => [qw(b@example.net c@example.net)], violations => undef, exit => 75, sent => undef,
	    is => [[$bad, 'AUTH', qr/535/], [$bad, 'MAIL', qr/451/]]);
	$_->stop for @servers;
}
several('nothing waits for the end of the dialogue', [['mail reply "451 4.3.0 No"', 'rset stall'], []], 0, 'host2', [$bad, 'MAIL', qr/451/]);
{
	my @servers = (smarthost(rules => ['banner stall']), smarthost());
	my $conf = conf({log => '@LOG@', timeout => '2s', domain => 'example.com'}, section($servers[0], title => 'one'), section($servers[1], title => 'two'));

	checks('the first has used up the time', server => $servers[1], conf => $conf, exit => 75, to => ['b@example.net'], violations => undef, is => [[$bad, 'banner', qr/deadline/]]);
	$_->stop for @servers;
}

# --- queue, log, transcript

{
	my $dir = scratch();

	mkdir "$dir/queue", 0700;
	checks('an empty queue', top => {queue => "$dir/queue"}, is => [[$good, 'queue', qr{queue: 0 messages}], @end[2 .. 3]], same => 0);
	is_deeply([glob "$dir/queue/*"], [], 'nothing is left in it');
	my $down = submit(host => {port => 1}, top => {queue => "$dir/queue"});
	is($down->exit, 0, 'a message is kept');
	checks('a message in it', top => {queue => "$dir/queue"}, is => [[$good, 'queue', qr{queue: 1 message, which waits for \d+s}]], same => 0);
	checks('with a queue the status tells of the smarthost', top => {queue => "$dir/queue"}, host => {port => 1}, exit => 75, is => [[$bad, 'result', qr/kept in the queue/]], same => 0);
	my ($file) = grep { /\/[0-9a-f]{26}\z/ } glob "$dir/queue/*";
	(my $old = $file) =~ s{[0-9a-f]{10}([0-9a-f]{16})\z}{sprintf '%010x%s', time - 3 * 86400, $1}e;
	rename $file, $old;
	checks('one that waits for days', top => {queue => "$dir/queue"}, is => [[$care, 'queue', qr{1 message, which waits for 3d\w*; mailq}]], same => 0);
	checks('one that is full', top => {queue => "$dir/queue", 'queue-max-messages' => 1}, is => [[$care, 'queue', qr/full by its configuration/, qr/raise the bound/], [$care, 'queue', qr/1 message/]], same => 0);
	checks('a refused recipient is kept by no queue', top => {queue => "$dir/queue"}, to => ['b@example.net'], rules => ['rcpt reply "550 5.1.1 No"'], exit => 67, same => 0,
	    is => [[$bad, 'result', qr/exit status 67\z/]]);
	checks('no queue where there should be one', top => {queue => "$dir/none"}, is => [[$care, 'queue', qr{\Q$dir\E/none.*No such file}, qr/Remedy/]], same => 0);
	checks('no log', top => {log => "$dir/none/log"}, log => undef, is => [[$care, 'log', qr{cannot write the log .*No such file}]], same => 0);
	checks('a transcript', top => {transcript => "$dir/transcript"}, is => [[$good, 'transcript', qr{transcript}]], same => 0);
	like(E2E::slurp("$dir/transcript"), qr/S: 220 /, 'which is written');
	checks('a transcript that cannot be', top => {transcript => "$dir/none/transcript"}, is => [[$good, 'log', qr{log}], [$care, 'transcript', qr{cannot write the transcript .*No such file}, qr/Remedy/]], same => 0);
}

# --- flags, terminals

check 'with -t it is refused', argv => ['--check', '-t'], exit => 64, sent => 0, err => qr/takes no message/;
for my $flag (qw(-bm -bs -bv -bp -bi)) {
	check "with $flag it is refused", argv => ['--check', $flag, 'b@example.net'], stdin => {data => MESSAGE, hold => 1}, exit => 64, sent => 0, err => qr/first flag/, out => $flag eq '-bs' ? qr/\A421 / : undef;
}
check 'JSON of a refused flag', argv => ['--check', '--json', '-Z'], stdin => '', exit => 64, sent => 0, err => qr/\A\z/, out => qr/"status":64,"ok":false.*"step":"flags".*-Z/, log => undef;
check 'a refused flag behind it waits for nobody', argv => ['--check', '--foo'], stdin => {data => '', hold => 1}, exit => 64, sent => 0, err => qr/--foo/, limit => 20;
check 'not behind another flag', argv => ['-i', '--check'], exit => 64, sent => 0, err => qr/first argument/;
check 'what cannot be told', argv => ['--check'], stdin => '', sent => 0, exit => 74, setup => sub { open STDOUT, '>', '/dev/full' }, err => qr/\A\z/, log => undef;

SKIP: {
	skip 'no script(1)', 3 if !grep { -x "$_/script" } split /:/, $ENV{PATH};
	my $server = smarthost();
	for my $case (['a terminal', {TERM => 'xterm'}, qr/\e\[32m$good\e\[0m .*configuration/], ['NO_COLOR', {TERM => 'xterm', NO_COLOR => '1'}, qr/\A$good [^\e]*\z/], ['a dumb one', {TERM => 'dumb'}, qr/\A$good [^\e]*\z/]) {
		my ($name, $env, $out) = @$case;
		my $run = submit(server => $server, env => $env, program => '/usr/bin/script', argv => ['-qec', program() . ' --check', '/dev/null'], stdin => {data => '', hold => 1});

		like($run->out, $out, "colour: $name");
	}
}
done_testing;
