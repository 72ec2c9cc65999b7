# --explain and HELP of -bs: the same table that failures are told by.
use lib 'tests/e2e/lib';
use E2E;

sub explains
{
	my ($topics, $out, %o) = @_;

	check "--explain @$topics", argv => ['--explain', @$topics], stdin => '', server => 0, conf => undef, log => undef, printed => 1, exit => 0, out => $out, %o;
}

explains([550, '5.7.30'], qr/^550  .*RFC 5321.*^5\.7\.30  .*Exchange Online.*Remedy: .*OAuth.*^5\.7\.30  .*REQUIRETLS.*\(RFC\s+8689\)/ms);
explains(['RCPT'], qr/\ARCPT  .*RFC 5321.*Syntax: RCPT TO:<.*Example: RCPT TO:</s);
explains([75], qr/\A75 EX_TEMPFAIL  Worth trying again.*Remedy: /s);
explains(['550 5.1.1 <b@example.net>: Recipient address rejected'], qr/To RCPT \(exit status 67\).*no\s+such\s+recipient/s);
explains(['-t'], qr/\A-t  /);
explains(['--check'], qr/\A--check/);
explains(['550 5.1.1', '535 5.7.8', '-f'], qr/^550  .*^5\.1\.1  .*As an answer.*^535  .*^5\.7\.8  .*As an answer.*^-f sender/ms);
explains([550, '-Z'], qr/\A550/, exit => 64, err => [qr/"-Z"/]);
explains([qw(452 4.2.2 mailbox over quota 500 MB - gsmtp)], qr/\A452  .*^4\.2\.2  (?!.*^500)/ms);
explains([], qr/^Commands of SMTP\nEHLO .*^Reply codes\n211 .*^Enhanced status codes.*\nX\.0\.0 .*^Exit statuses\n.*^Flags\n-t /ms);
explains(['nonsense'], qr/\A\z/, exit => 64, err => [qr/cannot explain "nonsense".*Remedy: sendmail --explain/]);
explains(["\e[2J\xff"], qr/\A\z/, exit => 64, err => [qr/cannot explain "\\033\[2J\\377/]);
explains(['RCPT', 'nonsense'], qr/\ARCPT/, exit => 64, err => [qr/nonsense/]);
check 'not behind another flag', argv => ['-i', '--explain', '550'], exit => 64, sent => 0, err => qr/first argument/;

# What a failure says is what --explain says of that reply.
my $failed = check 'a refusal', rules => ['rcpt reply "550 5.7.26 Unauthenticated mail"'], exit => 67, err => qr/5\.7\.26/;
my ($remedy) = $failed->err =~ /Remedy: (.*)\.$/m;
my $told = submit(argv => ['--explain', '550', '5.7.26'], stdin => '', server => 0, conf => undef)->out =~ s/\s+/ /gr;
like($told, qr/\Q$remedy\E/, '--explain has the same remedy');

# HELP.
my $talk = talk(server => 0);
$talk->hear;
like($talk->ask('HELP RCPT'), qr/\A214 2.0.0 RCPT TO:<.*Example: RCPT TO:.*smarthost's own verdict/s, 'HELP of a command');
like($talk->ask('HELP 550 5.1.1'), qr/\A214 2.0.0 550  .*5\.1\.1  .*no such recipient/s, 'HELP of a reply code');
like($talk->ask('HELP nonsense'), qr/\A214 2.0.0 Commands: EHLO/, 'HELP of nothing');
like($talk->ask('HELP'), qr/\A214 2.0.0 Commands: EHLO .*QUIT/s, 'HELP');
like($talk->ask('QUIT'), qr/\A221 /, 'QUIT');
$talk->end;
done_testing;
