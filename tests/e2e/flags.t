# The command line, row by row of CONTRACT section 2.
use lib 'tests/e2e/lib';
use E2E;

my $message = "From: a\@example.com\nTo: to\@example.net\nCc: cc\@example.net\nBcc: bcc\@example.net\nSubject: x\nDate: Sun, 22 Nov 2026 03:14:15 +0000\n" .
    "Message-ID: <1\@example.com>\n\nHello\n";

# What arrived: sender, recipients, MAIL and RCPT as they were said, and the message.
sub envelope
{
	my ($run) = @_;
	my ($m) = $run->server->messages;

	return () if !$m;
	return (mail => $m->{env}{mail}[0], from => $m->{env}{mail}[0] =~ /^<(.*?)>/ ? $1 : undef,
	    rcpt => join(' ', map { /^<(.*?)>/ ? $1 : $_ } @{$m->{env}{rcpt}}), rcpts => $m->{env}{rcpt}, data => $m->{data});
}

# The line is taken, and means that. %want: keys of envelope(), a value or a pattern; not: a pattern that the message must not hold.
sub works
{
	my ($name, $argv, $want, %more) = @_;
	my $not = delete $want->{not};

	check "@$argv" . ($name ne '' ? ": $name" : ''), argv => $argv, stdin => $message, %more, also => sub {
		my %got = envelope($_[0]);

		for my $key (sort keys %$want) {
			ref $want->{$key} ? like($got{$key}, $want->{$key}, $key) : is($got{$key}, $want->{$key}, $key);
		}
		unlike($got{data}, $not, 'what the message must not hold') if $not;
	};
}

# The line is refused with 64 and one line; nothing is sent; stdin is drained.
sub refused
{
	my ($argv, $words, %more) = @_;

	check "refused: @$argv", argv => $argv, stdin => $message . "x\n" x 200000, exit => 64, err => [$words // qr/./], log => {stage => 'usage',
	    status => 'failed'}, auths => 0, %more, also => sub {
		is($_[0]->stdin_broken, undef, 'stdin was read to its end');
		is($_[0]->stdin_left, 0, 'all of it');
		is(scalar(() = $_[0]->server->commands), 0, 'the smarthost was not asked');
	};
}

# --- recipients

works('', [qw(-t)], {rcpt => 'to@example.net cc@example.net bcc@example.net', not => qr/^Bcc:/mi});
works('recipients are added', [qw(-t x@example.org)], {rcpt => qr/(?=.*to\@)(?=.*cc\@)(?=.*bcc\@)(?=.*x\@example\.org)/});
works('', [qw(x@example.org)], {rcpt => 'x@example.org'});
works('several', [qw(x@example.org y@example.org)], {rcpt => 'x@example.org y@example.org'});
works('a list with commas', ['x@example.org, y@example.org,z@example.org'], {rcpt => 'x@example.org y@example.org z@example.org'});
works('an address in brackets', ['<x@example.org>'], {rcpt => 'x@example.org'});
works('a name', ['Mister X <x@example.org>'], {rcpt => 'x@example.org'});
works('a bare name', ['bob'], {rcpt => 'bob@example.com'});
works('twice is once', [qw(x@example.org x@example.org)], {rcpt => 'x@example.org'});
works('the end of flags', ['-i', '--', 'x@example.org'], {rcpt => 'x@example.org'});
check 'behind a recipient there are no flags: what looks like one is an address that is none, or a bare name', argv => [qw(x@example.org -t)],
    stdin => $message, exit => qr/^(?:0|64)$/, printed => 1, sent => undef, also => sub { unlike($_[0]->server->dialogue, qr/cc\@example/, 'no -t') };
refused([], qr/nothing to do.*recipient/);
refused(['-i'], qr/nothing to do.*recipient/);
refused(['--'], qr/recipient/);
check 'an argument that is no address', argv => ['a b c', 'x@example.org'], exit => 64, err => [qr/a b c/], sent => 0, log => {status => 'failed'};
check 'an argument that smuggles', argv => ["a\@b.example\r\nRCPT TO:<c\@d.example>"], exit => 64, sent => 0, err => [qr/./],
    also => sub { unlike($_[0]->server->dialogue, qr/c\@d\.example/, 'nothing of it was said') };

# --- -i, dots

my $dots = $message . "one\n.\ntwo\n..three\n";
works('a lone dot is data', ['-i', 'x@example.org'], {data => qr/one\r\n\.\r\ntwo\r\n\.\.three\r\n\z/}, stdin => $dots);
works('so', [$_, 'x@example.org'], {data => qr/one\r\n\.\r\ntwo\r\n/}, stdin => $dots) for qw(-oi -oitrue -oiTrue -oi1 -ti -it);
works('without it the dot ends', ['x@example.org'], {data => qr/one\r\n\z/}, stdin => $dots);
works('without it two dots are one', ['x@example.org'], {data => qr/Hello\r\n\.three\r\n\z/}, stdin => $message . "..three\n");
works('switched off again', ['-i', '-oif', 'x@example.org'], {data => qr/one\r\n\z/}, stdin => $dots);

# --- sender

works('', ['-f', 's@example.org', 'x@example.org'], {from => 's@example.org'});
works('attached', ['-fs@example.org', 'x@example.org'], {from => 's@example.org'});
works('', ['-r', 's@example.org', 'x@example.org'], {from => 's@example.org'});
works('in brackets', ['-f', '<s@example.org>', 'x@example.org'], {from => 's@example.org'});
works('with a name', ['-f', 'Some One <s@example.org>', 'x@example.org'], {from => 's@example.org'});
works('a bare name', ['-f', 'robot', 'x@example.org'], {from => 'robot@example.com'});
works('the null sender', ['-f', '', 'x@example.org'], {from => ''});
works('the null sender', ['-f', '<>', 'x@example.org'], {from => ''});
works('the null sender', ['-f<>', 'x@example.org'], {from => ''});
works('the last wins', ['-f', 'one@example.org', '-f', 'two@example.org', 'x@example.org'], {from => 'two@example.org'});
works('the last wins', ['-r', 'one@example.org', '-fthree@example.org', 'x@example.org'], {from => 'three@example.org'});
works('from the header', ['x@example.org'], {from => 'a@example.com'});
check 'a sender that smuggles', argv => ['-f', "a\@b.example>\r\nRCPT TO:<c\@d.example", 'x@example.org'], exit => qr/^6[45]$/, sent => 0, err => [qr/./],
    also => sub { unlike($_[0]->server->dialogue, qr/c\@d\.example/, 'nothing of it was said') };
works('a full name', ['-F', 'Some One', 'x@example.org'], {data => qr/^From: Some One </m}, stdin => "Subject: x\n\nx\n");
works('a full name that wants quotes', ['-F', 'One, "Some"', 'x@example.org'], {data => qr/^From: "One, \\"Some\\"" </m}, stdin => "Subject: x\n\nx\n");
works('a full name that smuggles', ['-F', "x\r\nBcc: evil\@example.org\r\n\r\nbody", 'x@example.org'], {rcpt => 'x@example.org', not => qr/^(?:Bcc|body)/m},
    stdin => "Subject: x\n\nx\n", exit => qr/^(?:0|64)$/, printed => 1, sent => undef);

# --- clusters

works('', ['-ti'], {rcpt => qr/to\@.*cc\@.*bcc\@/});
works('', ['-tif', 's@example.org'], {rcpt => qr/to\@.*cc\@/, from => 's@example.org'});
works('', ['-tifs@example.org'], {from => 's@example.org'});
works('', ['-it', '-F', 'x', '-oem', '-odb', '-oi', '-f', 's@example.org'], {from => 's@example.org'});
works('as PHP calls it', ['-t', '-i', '-f', 's@example.org'], {from => 's@example.org'});
works('as cron calls it', ['-FCronDaemon', '-i', '-B8BITMIME', '-oem', 'root'], {rcpt => 'root@example.com'});
works('as mutt calls it', ['-oem', '-oi', '-f', 's@example.org', '--', 'x@example.org'], {rcpt => 'x@example.org'});
works('as git calls it', ['-i', '--', 'x@example.org', 'y@example.org'], {rcpt => 'x@example.org y@example.org'});

# --- DSN

for my $case (['-N never', qr/ NOTIFY=NEVER(?: |$)/], ['-N success,delay', qr/ NOTIFY=SUCCESS,DELAY(?: |$)/], ['-Nfailure', qr/ NOTIFY=FAILURE(?: |$)/],
    ['-N SUCCESS,FAILURE,DELAY', qr/ NOTIFY=SUCCESS,FAILURE,DELAY(?: |$)/], ['-R hdrs', undef, qr/ RET=HDRS(?: |$)/], ['-R full', undef, qr/ RET=FULL(?: |$)/],
    ['-V id+1', undef, qr/ ENVID=id\+2B1(?: |$)/], ['-N never -R hdrs -V x', qr/ NOTIFY=NEVER ORCPT=rfc822;x\@example\.org/, qr/ RET=HDRS ENVID=x(?: |$)/]) {
	my ($flags, $rcpt, $mail) = @$case;

	check "DSN: $flags", argv => [split(' ', $flags), 'x@example.org'], also => sub {
		my ($m) = $_[0]->server->messages;

		like("<x\@example.org> " . join(' ', @{$m->{env}{rcpt}}), $rcpt, 'RCPT') if $rcpt;
		like($m->{env}{mail}[0], $mail, 'MAIL') if $mail;
	};
	check "DSN, not offered: $flags", argv => [split(' ', $flags), 'x@example.org'], ext => '-DSN', log => {status => 'sent', dropped => 'DSN'},
	    also => sub { unlike($_[0]->server->dialogue, qr/NOTIFY|RET=|ENVID|ORCPT/, 'nothing of it was said') };
}
refused(['-N', 'sometimes', 'x@example.org'], qr/-N.*never/);
refused(['-N', 'never,success', 'x@example.org'], qr/never/);
refused(['-R', 'half', 'x@example.org'], qr/-R.*full/);
refused(['-V', "a\nb", 'x@example.org'], qr/-V/);
refused(['-V', 'x' x 101, 'x@example.org'], qr/-V/);
works('', ['-B', '8BITMIME', 'x@example.org'], {rcpt => 'x@example.org'});
works('', ['-B7BIT', 'x@example.org'], {rcpt => 'x@example.org'});
check '-B 7BIT, and the body is not', argv => ['-B7BIT', 'x@example.org'], stdin => "${\MESSAGE}\xc3\xa4\n", exit => 0, log => {warning => qr/-B 7BIT/}, also => sub {
	like(($_[0]->server->messages)[0]{env}{mail}[0], qr/BODY=8BITMIME/, 'what it is, is declared');
};
refused(['-B', 'BINARYMIME', 'x@example.org'], qr/-B/);

# --- accepted, with their value where they have one, and without effect

works('without effect', [split(' ', $_), 'x@example.org'], {rcpt => 'x@example.org'})
    for qw(-bm -m -om -oo -n -G -U -odi -odb -odq -oep -oem -oew -oee -em -ep -ee -ew -oA/etc/aliases -oT5d -c -s -T -I -Q -x -J -d -d0.1 -d99.100 -Q1 -Mx
    -Am -Ac), '-h 5', '-h5', '-p ESMTP', '-pESMTP:host', '-L tag', '-A c', '-X /nonexistent/log', '-X/nonexistent/log', '-O QueueDirectory=/tmp', '-O Timeout.queuereturn=5d',
    '-ODeliveryMode=i', '-D /nonexistent/debug', '-M x', '-o i', '-i -oMrESMTP';
works('the value of the next argument is not a recipient', [$_, 'value', 'x@example.org'], {rcpt => 'x@example.org'}) for qw(-h -p -L -A -X -O -D -M);
works('no value where a flag follows', [$_, '-t'], {rcpt => qr/to\@.*cc\@/}) for qw(-e -C -o);
works('-q, -d take no next argument', ['-d', 'x@example.org'], {rcpt => 'x@example.org'});
check 'the tag of the log', argv => ['-L', 'shop', 'x@example.org'], also => sub { like($_[0]{log_text}, qr/ shop\[\d+\]: /, 'tag') };
check 'a hostile tag', argv => ['-L', "a\nb: status=sent", 'x@example.org'], exit => 0;
check 'quiet errors', argv => ['-oeq', 'x@example.org'], rules => ['rcpt reply "550 5.1.1 No"'], exit => 67, err => [], log => {status => 'failed'};
check 'quiet errors, -eq', argv => ['-eq', 'x@example.org'], rules => ['rcpt reply "550 5.1.1 No"'], exit => 67, err => [];
check 'verbose', argv => ['-v', 'x@example.org'], exit => 0, printed => 1, err => qr/C: MAIL FROM.*\n.*C: RCPT TO:<x\@example\.org>/;

# --- refused

refused([$_, 'x@example.org'], qr/-\Q@{[substr $_, 1, 1]}\E/) for qw(-a -E -g -H -j -k -K -l -P -S -u -w -W -y -Y -z -Z -0 -@ -? -bt -be -bP -bh -bz -b);
refused(['-bd', 'x@example.org'], qr/-bd.*no daemon.*Remedy: /);
refused(['-bD'], qr/-bD.*no daemon/);
refused(['-bv'], qr/neither -t nor a recipient/);
check "$_ without a queue", argv => [$_], exit => 78, err => [qr/there is no queue: queue is not set.*Remedy: /], log => {status => 'failed', stage => 'config'}, sent => 0
    for qw(-q -q15m -qf -qI1 -qRx -qSx);
refused(['-q15x'], qr/a time such as 15m/);
refused(['-q', 'x@example.org'], qr/no recipients/);
refused(['-t', '-i', '-q'], qr/first argument/);
refused(['-tiq'], qr/-q/);
refused(['-t', $_], qr/\Q$_\E/) for qw(--version --help --check --explain --nonsense --json);
refused(['--nonsense'], qr/--nonsense/);
refused(['-f'], qr/-f/);
refused(['-tiZ'], qr/-Z/);
refused(["-\xe4", 'x@example.org'], qr/./);
refused(["-\e[31m", 'x@example.org'], qr/./);

# --- what prints

check '--version', argv => ['--version'], server => 0, conf => undef, stdin => '', exit => 0, out => qr/\Asendmail-submit \d+\.\d+\S*\n\z/, log => undef;
check '--help', argv => ['--help'], server => 0, conf => undef, stdin => '', exit => 0, out => qr/\Ausage: sendmail .*\n\z/s, log => undef;
check '-bp', argv => ['-bp'], stdin => '', exit => 0, sent => 0, out => qr/\AMail queue is empty.*\n\z/, log => undef;
check '-bi', argv => ['-bi'], stdin => '', exit => 0, sent => 0, out => qr/alias/, log => undef;

# --- an attacker holds the flags: nothing is written, nothing runs, nobody else is talked to

my @attacks = (['-X', 'x.php'], ['-Xx.php'], ['-OQueueDirectory=.', '-X', 'x.php'], ['-O', 'QueueDirectory=.', '-Xx.php'], ['-oQ.', '-Xx.php'], ['-oQ/tmp'],
    ['-C', 'evil.conf'], ['-Cevil.conf'], ['-be', '${run{/bin/touch owned}{a}{b}}'], ['-D', 'debug.log'], ['-d0-99.127', '-Ddebug.log'],
    ['-OMaxMessageSize=1', '-OLogLevel=99'], ['-oMf`touch owned`'], ['-f', '`touch owned`@example.org'], ['-f', '$(touch owned)@example.org'],
    ['-F', '$(touch owned)'], ['-f', '-Xx.php'], ['-f', '-bd'], ['-p', '|touch owned'], ['-M', 'x.php'], ['-OTempFileMode=0777'], ['-A', './evil.cf'],
    ['-bi', '-oAx.php'], ['-L', '../../x.php'], ['-oXx.php'], ['-h', '-bd'], ['-O', 'ConnectOnlyTo=192.0.2.1'], ['-OSmartHost=192.0.2.1'],
    ['-o', 'Xx.php'], ['--check', '-X', 'x.php'], ['-bs', '-X', 'x.php'], ['-V', '`touch owned`']);
for my $attack (@attacks) {
	my $cwd = scratch();
	my $tmp = scratch();

	spew("$cwd/evil.conf", "smarthost 'evil.example' {\n\tpassword-command = 'touch $cwd/owned'\n\tuser = 'u'\n}\nlog = '$cwd/x.php'\n", 0600);
	spew("$cwd/evil.cf", "x\n", 0600);
	check "attack: @$attack", argv => [@$attack, 'x@example.org'], cwd => $cwd, env => {TMPDIR => $tmp, HOME => $cwd}, exit => qr/^(?:0|64|65|78)$/,
	    printed => 1, out => qr//, $attack->[0] eq '-bs' ? (err => []) : (), sent => undef, log => undef, stdin => $message . "<?php system(\$_GET['x']); ?>\n", also => sub {
		is(join(' ', sort map { s{.*/}{}r } glob "$cwd/* $cwd/.??* $tmp/* $tmp/.??*"), 'evil.cf evil.conf', 'no file appeared');
		like($_[0]->server->dialogue, qr/MAIL FROM/, 'the smarthost is the one that was configured') if $_[0]->exit == 0 && $attack->[0] ne '-bi';
	    };
}

done_testing;
