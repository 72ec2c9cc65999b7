# -bv: the smarthost is asked about the recipients, and nothing is sent.
use strict;
use warnings;
use lib 'tests/e2e/lib';
use E2E;

my @rules = ('rcpt@nobody@* reply "550 5.1.1 User unknown"', 'rcpt@later@* reply "450 4.2.0 Greylisted"');

sub asks
{
	my ($name, $out, %o) = @_;
	my $also = delete $o{also};

	check $name, sent => 0, stdin => '', printed => 1, rules => \@rules, out => $out, %o, also => sub {
		my ($run) = @_;

		is(scalar(grep { /^(?:DATA|BDAT)/ } $run->server->commands), 0, 'no message was begun') if $run->server;
		$also->($run) if $also;
	};
}

asks('one that is taken', qr/\A<b\@example\.net>\.\.\. deliverable: 250 2\.1\.5 .*\n\z/, argv => ['-bv', 'b@example.net'], log => {status => 'verified'}, also => sub {
	is(join(' ', map { /^(\S+)/ } ($_[0]->server->commands)[-4 .. -1]), 'MAIL RCPT RSET QUIT', 'what was said');
});
asks('each has a line', qr/\A<b\@example\.net>\.\.\. deliverable: 250 .*\n<nobody\@example\.net>\.\.\. refused: 550 5\.1\.1 User unknown\n<later\@example\.net>\.\.\. unknown: 450 .*\n\z/,
    argv => ['-bv', 'b@example.net', 'nobody@example.net', 'later@example.net'], exit => 67, err => [qr/nobody.*Remedy/, qr/later.*Remedy/], log => {status => 'failed', stage => 'rcpt'});
asks('worth trying again', qr/unknown/, argv => ['-bv', 'later@example.net'], exit => 75, err => [qr/./]);
asks('of the header', qr/\A<b\@example\.net>\.\.\. deliverable.*\n\z/, argv => ['-bv', '-t'], stdin => MESSAGE);
asks('without -t nobody waits for a message', qr/deliverable/, argv => ['-bv', 'b@example.net'], stdin => {data => 'x', hold => 1});
asks('too many at once: the rest in a further transaction', qr/\A(?:<r\d\@example\.net>\.\.\. deliverable: 250 .*\n){5}\z/, argv => ['-bv', map { "r$_\@example.net" } 1 .. 5], rules => ['rcpt#3- reply "452 4.5.3 Too many recipients"'], also => sub {
	is(scalar(grep { /^MAIL/ } $_[0]->server->commands), 3, 'transactions');
});
for my $verdict (['451 4.7.1 slow down', 'unknown', 75], ['550 5.7.1 enough', 'refused', 77]) {
	my ($reply, $word, $status) = @$verdict;

	asks("the further transaction is refused: $reply", qr/\A(?:<r\d\@example\.net>\.\.\. deliverable: 250 .*\n){2}(?:<r\d\@example\.net>\.\.\. $word: $reply\n){3}\z/, argv => ['-bv', map { "r$_\@example.net" } 1 .. 5],
	    rules => ['rcpt#3- reply "452 4.5.3 Too many"', "mail#2 reply \"$reply\""], exit => $status, err => qr/$reply/, also => sub {
		is(scalar(grep { /^RCPT/ } $_[0]->server->commands), 3, 'nobody else is asked for');
	});
}
asks('one timeout for all of it', qr/unknown/, argv => ['-bv', map { "r$_\@example.net" } 1 .. 20], rules => ['rcpt#2- delay 400 reply "452 4.5.3 Too many"', 'rcpt delay 400 pass'], top => {timeout => '4s'}, exit => 75, err => qr/./);
asks('silence', qr/\A<b\@example\.net>\.\.\. unknown: .*deadline.*\n\z/, argv => ['-bv', 'b@example.net'], rules => ['rcpt stall'], top => {timeout => '4s'}, exit => 75, err => [qr/deadline/]);
asks('-oeq', qr/refused/, argv => ['-bv', '-oeq', 'nobody@example.net'], exit => 67, err => []);
asks('aliases', qr/\A<x\@example\.org>\.\.\. deliverable.*\n<nobody\@example\.net>\.\.\. refused.*\n\z/, argv => ['-bv', 'team'], exit => 67, err => [qr/nobody/],
    top => {aliases => spew(scratch() . '/aliases', "team: x\@example.org, nobody\@example.net\n", 0644)});
asks('an alias that leads nowhere', qr/\A<dead\@example\.com>\.\.\. refused: alias .*\n\z/, argv => ['-bv', 'dead'], exit => 67, err => [qr/alias/],
    top => {aliases => spew(scratch() . '/aliases', "dead: |/bin/true\n", 0644)}, also => sub { });
asks('the sender is refused', qr/\A<b\@example\.net>\.\.\. refused: 553 5\.7\.1 No\n\z/, argv => ['-bv', 'b@example.net'], rules => ['mail reply "553 5.7.1 No"'], exit => 77, err => [qr/sender.*553/]);
asks('wrong password', qr/\A<b\@example\.net>\.\.\. unknown: 535 .*\n\z/, argv => ['-bv', 'b@example.net'], rules => ['auth reply "535 5.7.8 No"'], exit => 77, err => [qr/535/]);
asks('no connection', qr/\A<b\@example\.net>\.\.\. unknown: .*\n\z/, argv => ['-bv', 'b@example.net'], rules => ['banner reply "554 5.3.2 No"'], exit => 69, err => [qr/554/]);
asks('no address', qr/\A\z/, argv => ['-bv', 'a b@x'], exit => 64, err => [qr/no address/]);
asks('no configuration', qr/\A\z/, argv => ['-bv', 'b@example.net'], server => 0, conf => undef, env => {SENDMAIL_CONF => '/nonexistent/x'}, exit => 78, err => [qr/./], log => undef);

done_testing;
