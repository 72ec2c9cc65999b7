#!/usr/bin/perl
# What scripts and applications send mail with: git send-email, Ruby's mail,
# Perl's Email::Sender, nodemailer (Debian's, and npm's).  RealCallers.pm has
# the environment and says what is compared.
#
# Environment: BUILD (build), SENDMAIL (the program, $BUILD/sendmail),
# INTEROP_REQUIRED (if set, fail where the test would be skipped).

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use RealCallers;

# A later one wants a later node than Debian 12 has.
my $npm = OwnTree::npm('nodemailer', 7);
my $world = RealCallers->begin;
$world->conf(domain => '"example.com"');
my $body = "caf\xc3\xa9\n.\n..two\nlast\n";
my @to = map { "$_\@example.net" } qw(b c hidden);

# git send-email

$world->file('/home/alice/0001.patch', <<"END");
From 0123456789abcdef0123456789abcdef01234567 Mon Sep 17 00:00:00 2001
From: Alice <alice\@example.com>
Date: Sun, 22 Nov 2026 03:14:15 +0000
Subject: [PATCH] Dots
MIME-Version: 1.0
Content-Type: text/plain; charset=UTF-8
Content-Transfer-Encoding: 8bit

$body---
 file | 1 +
--${\' '}
2.39.5
END
my @git = (package => 'git-email', says => qr/^(?:Sent \[PATCH\] Dots$|sendmail: )/m,
    env => { GIT_CONFIG_GLOBAL => '/dev/null',
    map { ("GIT_${_}_NAME" => 'Alice', "GIT_${_}_EMAIL" => 'alice@example.com') }
    qw(AUTHOR COMMITTER) });
my @options = qw(--quiet --confirm=never --suppress-cc=all --to=b@example.net
    --cc=c@example.net --bcc=hidden@example.net --from=alice@example.com 0001.patch);
caller_is $world, 'git send-email', @git,
    command => [qw(git send-email), @options],
    args => [qw(/usr/sbin/sendmail -i), @to],
    sender => 'alice@example.com', to => \@to,
    fields => { From => 'alice@example.com', To => 'b@example.net',
	Cc => 'c@example.net', Subject => '[PATCH] Dots' },
    body => qr/^\Q$body\E---\n/m,
    refused => { status => qr/^[1-9]/, says => qr/No such user here/ };
caller_is $world, 'git send-email, --envelope-sender', @git,
    command => [qw(git send-email --envelope-sender=bounce@example.com), @options],
    args => [qw(/usr/sbin/sendmail -f bounce@example.com -i), @to],
    sender => 'bounce@example.com', to => \@to,
    fields => { From => 'alice@example.com', Cc => 'c@example.net' },
    refused => { status => qr/^[1-9]/, says => qr/No such user here/ };

# Ruby: this version does not look at the exit status itself, but leaves it for
# its caller to see.

caller_is $world, "Ruby's mail", package => 'ruby-mail', command => ['ruby', '-e', <<'END'],
require 'mail'
Mail.defaults { delivery_method :sendmail }
Mail.deliver do
  from     'Shop <shop@example.com>'
  to       'b@example.net'
  cc       'c@example.net'
  bcc      'hidden@example.net'
  subject  "Gr\u00f6\u00dfe"
  body     "text\n.\n..two\nlast\n"
end
exit 9 unless $?.success?
END
    args => ['/usr/sbin/sendmail', '-i', '-f', 'shop@example.com', '--', @to],
    sender => 'shop@example.com', to => \@to,
    fields => { From => 'Shop <shop@example.com>', To => 'b@example.net',
	Cc => 'c@example.net', Subject => qr/^=\?UTF-8\?Q\?/ },
    body => "text\n.\n..two\nlast\n",
    refused => { status => qr/^[1-9]/, says => qr/No such user here/ };

# Perl

caller_is $world, "Perl's Email::Sender", package => 'libemail-sender-perl',
    command => ['perl', '-e', <<'END'],
use Email::Sender::Simple qw(try_to_sendmail sendmail);
use Email::Sender::Transport::Sendmail;
sendmail("From: Shop <shop\@example.com>\nTo: b\@example.net\n" .
    "Cc: c\@example.net\nBcc: hidden\@example.net\nSubject: Subject\n\n" .
    "text\n.\n..two\nlast\n", {
	from => 'bounce@example.com',
	to => [map { "$_\@example.net" } qw(b c hidden)],
	transport => Email::Sender::Transport::Sendmail->new,
});
END
    args => ['/usr/sbin/sendmail', '-i', '-f', 'bounce@example.com', '--', @to],
    sender => 'bounce@example.com', to => \@to,
    fields => { From => 'Shop <shop@example.com>', To => 'b@example.net',
	Cc => 'c@example.net', Subject => 'Subject' },
    body => "text\n.\n..two\nlast\n",
    refused => { status => qr/^[1-9]/, says => qr/No such user here/ };

# nodemailer

sub nodemailer {
	my ($name, $path, @package) = @_;

	my $code = "const nodemailer = require('$path');\n" . <<'END';
nodemailer.createTransport({ sendmail: true }).sendMail({
    from: 'Shop <shop@example.com>', to: 'b@example.net', cc: 'c@example.net',
    bcc: 'hidden@example.net', subject: 'Gr\u00f6\u00dfe',
    text: 'text\n.\n..two\nlast\n',
}, error => {
    if (error) {
        console.log(error.message);
        process.exit(9);
    }
});
END
	caller_is $world, $name, @package, command => ['node', '-e', $code],
	    args => ['sendmail', '-i', '-f', 'shop@example.com', @to],
	    sender => 'shop@example.com', to => \@to,
	    fields => { From => 'Shop <shop@example.com>', To => 'b@example.net',
		Cc => 'c@example.net', Subject => qr/^=\?UTF-8\?Q\?/ },
	    body => "text\n.\n..two\nlast\n",
	    refused => { status => 9, says => qr/exited with code 67/ };
}
nodemailer('nodemailer (Debian)', 'nodemailer', package => 'node-nodemailer');

SKIP: {
	skip 'there is no npm, or it cannot download', 2 if !defined $npm;
	$world->copy($npm, '/home/alice/nodemailer');
	my ($version) = RealCallers::slurp("$npm/package.json") =~ /"version": *"(.*?)"/;
	nodemailer("nodemailer $version (npm)", '/home/alice/nodemailer');
}

done_testing;
