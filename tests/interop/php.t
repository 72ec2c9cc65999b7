#!/usr/bin/perl
# PHP: mail(), Symfony's mailer, PHPMailer, as Debian has them.  RealCallers.pm
# has the environment and says what is compared.
#
# Environment: BUILD (build), SENDMAIL (the program, $BUILD/sendmail),
# INTEROP_REQUIRED (if set, fail where the test would be skipped).

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use RealCallers;

my $world = RealCallers->begin;
my $php = $world->php_program;

# A caller of www-data's that is a script of PHP's.
sub php {
	my ($code, @options) = @_;

	return (package => "$php-cli", $world->php($code, @options));
}

$world->conf(domain => '"example.com"');

# mail()

my $mail = 'exit(mail("b@example.net", "Subject", "one\n.\n..two\nlast") ? 0 : 9);';
caller_is $world, 'mail()', php($mail),
    args => [qw(/usr/sbin/sendmail -t -i)],
    sender => 'www-data@example.com', to => ['b@example.net'],
    fields => { To => 'b@example.net', Subject => 'Subject',
	From => qr/<?www-data\@example\.com>?$/ }, body => "one\n.\n..two\nlast\n",
    refused => { status => 9, says => qr/No such user here/ };

# The fifth parameter, and headers whose line ends are CRLF, as PHP makes them
# by itself, or, with mail.mixed_lf_and_crlf, LF.  The body's are the caller's
# own: here both kinds, in 8 bits.
my $with_headers = <<'END';
exit(mail("B <b@example.net>", "Gr\u{f6}\u{df}e",
    "caf\u{e9}\r\n.\n\r\nlast", [
	"From" => "Shop <shop@example.com>", "Cc" => "c@example.net",
	"Bcc" => "hidden@example.net,\r\n other@example.net",
	"X-Count" => "1", "MIME-Version" => "1.0",
	"Content-Type" => "text/plain; charset=utf-8",
    ], "-fbounce@example.com") ? 0 : 9);
END
for my $mixed ('', 0, 1) {
	caller_is $world, 'mail(), headers and the fifth parameter, ' .
	    ($mixed eq '' ? 'line ends as by default' :
	    "mail.mixed_lf_and_crlf=$mixed"), php($with_headers,
		$mixed eq '' ? () : ('-d', "mail.mixed_lf_and_crlf=$mixed")),
	    args => [qw(/usr/sbin/sendmail -t -i -fbounce@example.com)],
	    sender => 'bounce@example.com', to => [map { "$_\@example.net" }
		qw(b c hidden other)],
	    fields => { To => 'B <b@example.net>', Cc => 'c@example.net',
		From => 'Shop <shop@example.com>', 'X-Count' => 1,
		Subject => qr/^=\?utf-8\?[qb]\?.*\?=$/i,
		'Content-Type' => 'text/plain; charset=utf-8' },
	    body => "caf\xc3\xa9\n.\n\nlast\n",
	    refused => { status => 9, says => qr/No such user here/ };
}

caller_is $world, 'mail(), headers as a string with LF', php(<<'END',
exit(mail("b@example.net", "Subject", "text",
    "From: shop@example.com\nBcc: hidden@example.net\nX-Two: 2") ? 0 : 9);
END
    '-d', 'mail.add_x_header=On', '-d', 'mail.log=syslog'),
    args => [qw(/usr/sbin/sendmail -t -i)],
    sender => 'shop@example.com', to => [map { "$_\@example.net" } qw(b hidden)],
    fields => { 'X-Two' => 2, 'X-PHP-Originating-Script' => qr/^33:/ },
    body => "text\n",
    refused => { status => 9, says => qr/No such user here/ };

caller_is $world, 'mail(), a sender in sendmail_path and one in the fifth parameter',
    php('exit(mail("b@example.net", "Subject", "text", "", ' .
	'"-f bounce@example.com -F \'X Y\'") ? 0 : 9);',
	'-d', 'sendmail_path=/usr/sbin/sendmail -t -i -f www@example.com'),
    args => [qw(/usr/sbin/sendmail -t -i -f www@example.com -f bounce@example.com),
	'-F', 'X Y'],
    sender => 'bounce@example.com', to => ['b@example.net'],
    fields => { From => qr/^X Y <bounce\@example\.com>$/ }, body => "text\n",
    refused => { status => 9, says => qr/No such user here/ };

refuses $world, 'mail(), one recipient of two', php(<<'END'),
exit(mail("b@example.net, nobody@example.net", "Subject", "text") ? 0 : 9);
END
    rules => ['rcpt@nobody@example.net reply "550 5.1.1 No such user here"'],
    arrived => 1, status => 9, says => qr/<nobody\@example\.net>.*No such user here/;

refuses $world, 'mail(), the smarthost is busy', php($mail),
    rules => ['mail reply "451 4.3.0 Later"'],
    status => 9, says => qr/451 4\.3\.0 Later/;

# Symfony's mailer

my $symfony = <<'END';
require '/usr/share/php/Symfony/Component/Mailer/autoload.php';
require '/usr/share/php/Symfony/Component/Mime/autoload.php';
$mailer = new Symfony\Component\Mailer\Mailer(
    Symfony\Component\Mailer\Transport::fromDsn(DSN));
for ($n = 1; $n <= MESSAGES; $n++) {
	$mail = (new Symfony\Component\Mime\Email)
	    ->from('Shop <shop@example.com>')->returnPath('bounce@example.com')
	    ->to("b$n@example.net")->cc('c@example.net')->bcc('hidden@example.net')
	    ->subject("Gr\u{f6}\u{df}e $n")->text("number $n\n.\n..two\nlast");
	try {
		$mailer->send($mail);
	} catch (Symfony\Component\Mailer\Exception\TransportExceptionInterface $e) {
		echo get_class($e), ': ', $e->getMessage(), "\n";
		$failed = true;
	}
}
exit(isset($failed) ? 9 : 0);
END

sub symfony {
	my ($dsn, $messages) = @_;

	return (php("const DSN = '$dsn', MESSAGES = $messages;\n$symfony"),
	    package => 'php-symfony-mailer');
}

sub symfony_message {
	my ($n) = @_;

	return { sender => 'bounce@example.com',
	    to => [map { "$_\@example.net" } "b$n", qw(c hidden)],
	    fields => { From => 'Shop <shop@example.com>', To => "b$n\@example.net",
		Cc => 'c@example.net', Subject => qr/^=\?utf-8\?Q\?/ },
	    body => "number $n\n.\n..two\nlast\n" };
}

for my $command ('/usr/sbin/sendmail -t -i', '/usr/sbin/sendmail -t') {
	my ($i) = $command =~ /-t( -i)?/;
	caller_is $world, "Symfony, $command",
	    symfony('sendmail://default?command=' . $command =~ s/ /%20/gr, 1),
	    args => [split(/ /, '/usr/sbin/sendmail' . ($i // '')),
		qw(-fbounce@example.com -- b1@example.net c@example.net
		hidden@example.net)],
	    each => [symfony_message(1)],
	    refused => { status => 9,
		says => qr/TransportException: Process failed with exit code 67: .*No such user here/ };
}

caller_is $world, 'Symfony, -bs', symfony('sendmail://default', 1),
    args => [qw(/usr/sbin/sendmail -bs)], each => [symfony_message(1)],
    refused => { status => 9, says => qr/TransportException: Expected .*550.*No such user here/s };

caller_is $world, 'Symfony, -bs, two messages over one transport',
    symfony('sendmail://default', 2),
    args => [qw(/usr/sbin/sendmail -bs)],
    each => [map { symfony_message($_) } 1, 2], connections => 1,
    refused => { status => 9, says => qr/(?:TransportException: Expected .*550.*){2}/s };

refuses $world, 'Symfony, -bs, one message of two', symfony('sendmail://default', 2),
    rules => ['rcpt@b1@example.net reply "550 5.1.1 No such user here"'],
    arrived => 1, status => 9, says => qr/\A[^\n]*TransportException: Expected .*550[^\n]*\n?\z/s;

refuses $world, 'Symfony, -bs, at the end of the message', symfony('sendmail://default', 1),
    rules => ['dot reply "554 5.7.1 Spam"'],
    status => 9, says => qr/TransportException: Expected .*554.*Spam/s;

# What is wrong here is said in the dialogue; without an answer Symfony would wait
# for ever.
refuses $world, 'Symfony, -bs, wrong password', symfony('sendmail://default', 1),
    rules => ['auth reply "535 5.7.8 Wrong"'],
    status => 9, says => qr/TransportException: Expected .*451[- ]4\.3\.5 .*535/s;
$world->file('/etc/sendmail.conf', "no-such-option = 1\n");
refuses $world, 'Symfony, -bs, a wrong configuration', symfony('sendmail://default', 1),
    unlogged => 1, status => 9, says => qr/TransportException: Expected .*451[- ]4\.3\.5 .*no-such-option/s;
$world->conf(domain => '"example.com"');

# PHPMailer

my $phpmailer = <<'END';
require '/usr/share/php/libphp-phpmailer/autoload.php';
$mail = new PHPMailer\PHPMailer\PHPMailer(true);
$mail->CharSet = 'utf-8';
$mail->setFrom('shop@example.com', 'Shop');
$mail->addAddress('b@example.net', 'B');
$mail->addCC('c@example.net');
$mail->addBCC('hidden@example.net');
$mail->Subject = "Gr\u{f6}\u{df}e";
$mail->Body = "caf\u{e9}\n.\n..two\nlast";
try {
	MODE === 'mail' ? $mail->isMail() : $mail->isSendmail();
	$mail->send();
} catch (PHPMailer\PHPMailer\Exception $e) {
	echo get_class($e), ': ', $e->getMessage(), "\n";
	exit(9);
}
END
my %mailers = (
	mail => [qr{^/usr/sbin/sendmail -t -i -fshop\@example\.com$},
	    qr/Could not instantiate mail function/],
	sendmail => [qr{^/usr/sbin/sendmail -t -i -oi -fshop\@example\.com -t$},
	    qr/Could not execute: /],
);
for my $mode (sort keys %mailers) {
	my ($args, $says) = @{$mailers{$mode}};
	caller_is $world, "PHPMailer, $mode",
	    php("const MODE = '$mode';\n$phpmailer"),
	    package => 'libphp-phpmailer', args => $args,
	    sender => 'shop@example.com',
	    to => [map { "$_\@example.net" } qw(b c hidden)],
	    fields => { From => 'Shop <shop@example.com>', Cc => 'c@example.net',
		To => $mode eq 'mail' ? qr/b\@example\.net/ : 'B <b@example.net>',
		Subject => qr/^=\?utf-8\?[qb]\?/i },
	    # mail() adds a line end.
	    body => "caf\xc3\xa9\n.\n..two\nlast\n" . ($mode eq 'mail' ? "\n" : ''),
	    refused => { status => 9, says => $says };
}

done_testing;
