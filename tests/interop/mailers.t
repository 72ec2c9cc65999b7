#!/usr/bin/perl
# Programs that people and scripts send mail with: bsd-mailx, mailutils, s-nail,
# mutt.  RealCallers.pm has the environment and says what is compared.
#
# Environment: BUILD (build), SENDMAIL (the program, $BUILD/sendmail),
# INTEROP_REQUIRED (if set, fail where the test would be skipped).

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use RealCallers;

my $world = RealCallers->begin;
$world->conf(domain => '"example.com"');
my $body = "caf\xc3\xa9\n.\n..two\nlast\n";
my @to = map { "$_\@example.net" } qw(b c hidden);

caller_is $world, 'bsd-mailx', package => 'bsd-mailx',
    command => [qw(bsd-mailx -s Subject -c c@example.net -b hidden@example.net
	b@example.net)], input => $body,
    args => [qw(sendmail -i -t)],
    sender => 'alice@example.com', to => \@to,
    fields => { Subject => 'Subject', From => qr/\balice\@example\.com\b/,
	To => 'b@example.net', Cc => 'c@example.net' }, body => $body,
    refused => { status => 1, says => qr/No such user here/ };

# It takes a lone dot for the end of what is typed, also where nothing is typed;
# and it closes our stderr.
caller_is $world, 'mailutils', package => 'mailutils',
    command => [qw(mail.mailutils -r alice@example.com -s Subject),
	'-a', 'Cc: c@example.net', '-a', 'Bcc: hidden@example.net', 'b@example.net'],
    input => $body =~ s/^\.\n//mr,
    args => [qw(/usr/sbin/sendmail -oi -f alice@example.com -t)],
    sender => 'alice@example.com', to => \@to,
    fields => { Subject => 'Subject', To => qr/b\@example\.net/,
	Cc => qr/<?c\@example\.net>?$/ }, body => $body =~ s/^\.\n//mr,
    refused => { status => 1, says => qr/cannot send message/ };

caller_is $world, 's-nail', package => 's-nail',
    command => [qw(s-nail -n -S sendwait -s Subject -r alice@example.com
	-c c@example.net -b hidden@example.net b@example.net)], input => $body,
    sender => 'alice@example.com', to => \@to,
    fields => { Subject => 'Subject', From => qr/alice\@example\.com/ },
    # What it makes of 8 bits and dots.
    body => "caf=C3=A9\n=2E\n..two\nlast\n",
    refused => { status => qr/^[1-9]/, says => qr/No such user here/ };

# It prefers Latin-1 where that is enough.
my @mutt = (package => 'mutt', input => $body, to => \@to,
    body => $body =~ s/\xc3\xa9/\xe9/r);
caller_is $world, 'mutt, with a sender of its own', @mutt,
    command => [qw(mutt -e), 'set from="Alice <alice@example.com>" use_envelope_from',
	qw(-s Subject -c c@example.net -b hidden@example.net -- b@example.net)],
    args => [qw(sendmail -oem -oi -f alice@example.com --), @to],
    sender => 'alice@example.com',
    fields => { Subject => 'Subject', To => 'b@example.net',
	From => 'Alice <alice@example.com>' },
    refused => { status => 1, says => qr/No such user here/ };

# As they are when nobody configured them, on a host whose name has no domain:
# the sender is alice@box, which no provider takes.
$world->conf(from => '"app@example.com"', 'override-from' => 'true',
    domain => '"example.com"');
caller_is $world, 'mutt, override-from', @mutt,
    command => [qw(mutt -s Subject -c c@example.net -b hidden@example.net --
	b@example.net)],
    args => [qw(sendmail -oem -oi --), @to],
    sender => 'app@example.com',
    fields => { From => qr/^Alice <app\@example\.com>$/,
	'Reply-To' => qr/\balice\@(?:box|example\.com)\b/ },
    refused => { status => 1, says => qr/No such user here/ };
caller_is $world, 'mailutils, override-from', package => 'mailutils',
    command => [qw(mail.mailutils -s Subject b@example.net)], input => "text\n",
    args => [qw(/usr/sbin/sendmail -oi -f alice@box -t)],
    sender => 'app@example.com', to => ['b@example.net'],
    fields => { From => qr/<?app\@example\.com>?$/ }, body => "text\n",
    refused => { status => 1, says => qr/cannot send message/ };

done_testing;
