# -oem, -oew, -oee: a failure goes to the sender as a notice (RFC 3464), through the same smarthost; where that is not to be had, to standard error.
use strict;
use warnings;
use lib 'tests/e2e/lib';
use E2E;

my @no = ('rcpt@nobody@* reply "550 5.1.1 User unknown"');

sub path_of { return ($_[0] // '') =~ /<(.*?)>/ ? $1 : undef }

# The last message that arrived is a notice about a failure.
sub is_notice
{
	my ($run, %o) = @_;
	my $notice = ($run->server->messages)[-1] // return fail('a notice arrived');
	my $text = $notice->{data};
	my ($boundary) = $text =~ /^Content-Type: multipart\/report; report-type=delivery-status;\r\n boundary="(.+?)"/m;

	is(path_of($notice->{env}{mail}[0]), $o{from} // '', 'from the null sender');
	is(join(' ', map { path_of($_) } @{$notice->{env}{rcpt}}), $o{to} // 'me@example.com', 'to the sender');
	like($text, qr/^Auto-Submitted: auto-replied\r$/m, 'Auto-Submitted');
	like($text, qr/^To: me\@example\.com\r$/m, 'To') if !$o{to};
	like($text, qr/^Date: /m, 'Date');
	like($text, qr/^Message-ID: </m, 'Message-ID');
	ok(defined $boundary, 'multipart/report') or return;
	my (undef, $words, $status, $returned) = split /^--\Q$boundary\E(?:--)?\r\n/m, $text;
	like($words, qr/User\s+unknown.*Likely\s+cause.*Remedy/s, 'the words for a person') if !$o{other};
	like($status, qr/^Final-Recipient: rfc822; nobody\@example\.net\r\nAction: failed\r\nStatus: 5\.1\.1\r$/m, 'delivery-status') if !$o{other};
	unlike($text, qr/^Bcc:/mi, 'no Bcc in it');
	return ($words, $status, $returned);
}

sub fails
{
	my ($name, %o) = @_;

	return check $name, argv => ['-oem', '-f', 'me@example.com', 'nobody@example.net'], rules => \@no, exit => 67, err => [], sent => 1, %o;
}

sub last_log { return $_[0]->log }

fails('-oem', also => sub {
	my ($run) = @_;
	my (undef, undef, $returned) = is_notice($run);

	like($returned, qr/\AContent-Type: message\/rfc822\r\n.*\r\nFrom: .*^Subject: test\r\n.*\r\n\r\nHello\r\n/sm, 'the message comes back');
	is(scalar($run->log_lines), 1, 'one log line');
	is(last_log($run)->{notice}, 'sent', 'it says that a notice was sent');
	like(($run->server->messages)[-1]{data}, qr/^Message-ID: \Q@{[last_log($run)->{'notice-id'}]}\E\r$/m, 'and which');
	is(last_log($run)->{status}, 'failed', 'what failed');
	is(last_log($run)->{exit}, 67, 'exit status in the log');
});
fails('-oew does the same', argv => ['-oew', '-f', 'me@example.com', 'nobody@example.net'], also => sub { is_notice($_[0]) });
fails('-oee, and status 0', argv => ['-oee', '-f', 'me@example.com', 'nobody@example.net'], exit => 0, also => sub { is_notice($_[0]); is(last_log($_[0])->{exit}, 0, 'so in the log') });
fails('-O ErrorMode=mail', argv => ['-O', 'ErrorMode=mail', '-f', 'me@example.com', 'nobody@example.net'], also => sub { is_notice($_[0]) });
fails('the others got it', argv => ['-oem', '-f', 'me@example.com', 'nobody@example.net', 'b@example.net'], sent => 2, also => sub {
	my ($words) = is_notice($_[0]);

	like($words, qr/other recipients/, 'it says that the others have it');
	is(last_log($_[0])->{status}, 'partial', 'the log');
});
fails('headers alone where that is asked for', argv => ['-oem', '-R', 'hdrs', '-V', 'id7', '-f', 'me@example.com', 'nobody@example.net'], also => sub {
	my (undef, $status, $returned) = is_notice($_[0]);

	like($returned, qr/\AContent-Type: text\/rfc822-headers\r\n/, 'the header');
	unlike($returned, qr/Hello/, 'not the body');
	like($status, qr/^Original-Envelope-Id: id7\r$/m, 'envelope id');
});
fails('Bcc stays secret', stdin => "Bcc: secret\@example.org\n" . MESSAGE, also => sub { is_notice($_[0]); unlike(($_[0]->server->messages)[0]{data}, qr/secret/, 'also here') });
fails('a refusal of the message', argv => ['-oem', '-f', 'me@example.com', 'b@example.net'], rules => ['dot#1 conn=1 reply "554 5.7.1 Spam"'], exit => 69, also => sub {
	my (undef, $status) = is_notice($_[0], other => 1);

	like($status, qr/^Status: 5\.7\.1\r\n.*^Diagnostic-Code: smtp; 554 5\.7\.1 Spam\r$/ms, 'why');
});
fails('too large', argv => ['-oem', '-f', 'me@example.com', 'b@example.net'], ext => 'SIZE 2000', stdin => MESSAGE . ('x' x 70 . "\n") x 40, exit => 65, also => sub {
	my (undef, $status, $returned) = is_notice($_[0], other => 1);

	like($status, qr/^Status: 5\.3\.4\r$/m, 'why');
	unlike($returned, qr/xxxx/, 'the body does not come back');
});
fails('8-bit, and the smarthost lacks it', ext => '-8BITMIME', stdin => "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n" . MESSAGE . "\xc3\xa4\n", also => sub {
	is_notice($_[0]);
	unlike(($_[0]->server->messages)[0]{data}, qr/[^\x00-\x7f]/, 'the notice is 7-bit');
});
fails('the sender is local', argv => ['-oem', '-f', 'root@localhost', 'nobody@example.net'], top => {'local-to' => 'admin@example.com'}, also => sub {
	is_notice($_[0], to => 'admin@example.com');
});
fails('the null sender is refused: once more from the configuration\'s', top => {from => 'app@example.com'}, rules => [@no, 'mail@ reply "553 5.1.7 No null sender"'], also => sub {
	is_notice($_[0], from => 'app@example.com');
});
fails('override-from', argv => ['-oem', 'nobody@example.net'], top => {from => 'app@example.com', 'override-from' => \'true'}, also => sub {
	my ($run) = @_;

	is_notice($run, to => 'app@example.com');
	like(($run->server->messages)[0]{data}, qr/^From: .*<app\@example\.com>\r$/m, 'From too');
});
fails('what cron sends is told of', stdin => "Auto-Submitted: auto-generated\n" . MESSAGE, also => sub { is_notice($_[0]) });

# --- where no notice goes, standard error tells

sub told
{
	my ($name, %o) = @_;

	return fails($name, sent => 0, err => [qr/550 5\.1\.1 User unknown.*Remedy/], log => {status => 'failed'}, %o);
}

told('the null sender', argv => ['-oem', '-f', '<>', 'nobody@example.net']);
told('never about an answer', stdin => "Auto-Submitted: auto-replied\n" . MESSAGE);
told('never about a notice', stdin => "MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=x\n" . MESSAGE);
told('NOTIFY=NEVER', argv => ['-oem', '-N', 'never', '-f', 'me@example.com', 'nobody@example.net']);
told('NOTIFY=SUCCESS', argv => ['-oem', '-N', 'success', '-f', 'me@example.com', 'nobody@example.net']);
told('the notice is refused', argv => ['-oee', '-f', 'nobody@example.net', 'nobody@example.net'], exit => 67, also => sub {
	is(last_log($_[0])->{notice}, 'failed', 'the log says so');
	like(last_log($_[0])->{'notice-why'}, qr/refused.*550/, 'and why');
	is(last_log($_[0])->{exit}, 67, 'and the status is not 0: nobody has been told by mail');
});
told('the smarthost cannot be reached', rules => ['auth reply "535 5.7.8 No"'], exit => 77, err => [qr/535/], also => sub {
	is(scalar(() = $_[0]->server->auth), 1, 'it is not tried a second time');
});
{
	my $dir = scratch();

	told('the password cannot be had', host => {password => undef, 'password-command' => "echo x >>$dir/calls; exit 1"}, exit => 78, err => [qr/password/], also => sub {
		is(slurp("$dir/calls"), "x\n", 'and is asked for once');
	});
}
told('the sender is local, and his alias leads nowhere', argv => ['-oem', '-f', 'root', 'nobody@example.net'], top => {aliases => spew(scratch() . '/aliases', "root: |/bin/true\n", 0644)}, also => sub {
	is(scalar(() = $_[0]->server->auth), 1, 'no connection for nobody');
});
{
	my ($locked, $live) = (smarthost(rules => ['auth reply "535 5.7.8 No"']), smarthost(rules => \@no));

	check 'of several smarthosts the one that has answered', argv => ['-oem', '-f', 'me@example.com', 'nobody@example.net'], server => $live, exit => 67, err => [], log => {notice => 'sent'},
	    conf => conf({log => '@LOG@', domain => 'example.com', hostname => 'client.example.com'}, section($locked, title => 'locked'), section($live, title => 'live')), also => sub {
		is(scalar(() = $locked->auth), 1, 'the refused password is not tried again');
	    };
}
told('nothing was read', argv => ['-oem', '-Z'], exit => 64, err => [qr/-Z/]);
told('no recipients', argv => ['-oem', '-t'], stdin => "Subject: x\n\nx\n", exit => 65, err => [qr/no recipients/]);
told('-oeq tells nothing', argv => ['-oeq', '-f', 'me@example.com', 'nobody@example.net'], err => []);
told('-oep is the default', argv => ['-oem', '-oep', '-f', 'me@example.com', 'nobody@example.net']);
check 'nothing where nothing fails', argv => ['-oem', '-f', 'me@example.com', 'b@example.net'], sent => 1;

done_testing;
