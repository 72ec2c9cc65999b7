# OpenSMTPD, for a test: see PrivateServer.pm.
#
#   587   STARTTLS required before anything else
#   465   implicit TLS
#   2587  as 587, and the account may send as user@interop.test alone
# All want AUTH, PLAIN or LOGIN.  DSN, 8BITMIME; no PIPELINING, no BDAT, no
# SMTPUTF8.  At most 1 MiB a message (552), 10 recipients a message (452).
#
# Of what the account sends it refuses, with the words given here:
#   from content@   550 5.7.1 Content refused, when the message was read
#   from closing@   421 4.3.2 Closing, at DATA, and closes the connection
#   to later@       451 4.7.1 Come back later

package PrivateOpenSmtpd;

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(basename);
use File::Path qw(make_path);
use FindBin;
use IO::Socket::INET;

use lib $FindBin::Bin;
use OwnTree qw(spew slurp);
use PrivateServer;

our @ISA = qw(PrivateServer);

use constant {
	DOMAIN		=> PrivateServer::DOMAIN,
	MAIL_UID	=> PrivateServer::MAIL_UID,
	RECIPIENT_LIMIT	=> 10,
	SIZE_LIMIT	=> 1 << 20,
	USERS		=> 25,
	SMTPD_UID	=> 7002,
	QUEUE_UID	=> 7003,
};

sub fetch {
	my ($here, $build) = @_;

	local %ENV = (%ENV, newer_debian("$build/interop/opensmtpd"));
	return OwnTree::fetch($here, $build, 'opensmtpd', qw(opensmtpd dash));
}

# Debian 12 has an OpenSMTPD that fails in every TLS handshake, being older than
# its OpenSSL 3 (issue 1171 of OpenSMTPD).  There we take that of Debian 13, with
# all that it depends on: returns the environment that tells apt so.
sub newer_debian {
	my ($directory) = @_;

	return () if slurp('/etc/os-release') !~ /^VERSION_CODENAME=bookworm$/m;
	make_path("$directory/sources");
	$directory = abs_path($directory);
	for my $path (grep { -e } glob '/etc/apt/sources.list{,.d/*.list,.d/*.sources}') {
		my $text = slurp($path);
		spew("$directory/sources/" . basename($path), $text)
		    if $text =~ s/(?<=\s)bookworm(?=[-\s])/trixie/g;
	}
	spew("$directory/apt.conf", <<~END);
		Dir::Etc::SourceList "/dev/null";
		Dir::Etc::SourceParts "$directory/sources";
		END
	return (APT_CONFIG => "$directory/apt.conf");
}

sub version {
	my ($self) = @_;

	return 'OpenSMTPD ' . $self->packaged('opensmtpd');
}

sub offers {
	return { dsn => 1, utf8 => 0, size => SIZE_LIMIT,
		mechanisms => [qw(PLAIN LOGIN)] };
}

# The log has every command.
sub auth_used {
	my ($self, $log) = @_;

	return undef if $log !~ / smtp authentication user=\S+ result=ok$/m;
	return ($log =~ /^smtp: \S+ <<< AUTH ([A-Z0-9-]+)/mg)[-1];
}

# Its notice has neither the envelope id nor the original recipient.
sub dsn_asked {
	my ($self, $log, $arrived) = @_;
	my $notice = $arrived->{user}[0] // return 0;
	my ($mail) = $log =~ /<<< MAIL FROM:<user\@\Q${\DOMAIN}\E>(.*)/;
	my ($rcpt) = $log =~ /<<< RCPT TO:<usera\@\Q${\DOMAIN}\E>(.*)/;

	return $notice->{sender} eq '' && $notice->{bytes} =~ /^Action: delivered$/m &&
	    $mail =~ / ENVID=id\+2B\+3D7\b/ && $mail =~ / RET=HDRS\b/ &&
	    $rcpt =~ / NOTIFY=SUCCESS\b/ &&
	    $rcpt =~ / ORCPT=rfc822;usera\@\Q${\DOMAIN}\E(?: |$)/;
}

sub users {
	return { opensmtpd => SMTPD_UID, opensmtpq => QUEUE_UID };
}

sub log_path {
	return '/tmp/daemon.out';
}

sub configure {
	my ($self) = @_;
	my ($domain, $uid) = (DOMAIN, MAIL_UID);
	my @users = ('user', map { "user$_" } 'a' .. 'h', 1 .. USERS);

	make_path(map { $self->path($_) } '/var/lib/opensmtpd/empty',
	    '/var/spool/smtpd', '/etc/ssl/certs');
	chmod 0711, $self->path('/var/spool/smtpd');
	# For mail to others, of which there is none; but it insists on it.
	spew($self->path('/etc/ssl/certs/ca-certificates.crt'),
	    slurp($self->path('/tmp/tls/ca.pem')));
	spew($self->path('/etc/mailname'), "mx.$domain\n");
	spew($self->path('/etc/smtpd.accounts'), "user\@$domain " .
	    crypt(PrivateServer::PASSWORD, '$6$salt$') . "\n");
	spew($self->path('/etc/smtpd.users'), join '', map {
	    "$_ $uid:$uid:/var/mail/$_\n" } @users, 'later');
	for my $user (@users) {
		make_path($self->path("/var/mail/$user"));
		chown $uid, $uid, $self->path("/var/mail/$user");
	}
	my $accounts = "pki mx.$domain auth <accounts> filter \"refusals\"";
	spew($self->path('/etc/smtpd.conf'), <<~END);
		pki mx.$domain cert "/tmp/tls/server.pem"
		pki mx.$domain key "/tmp/tls/server.key"
		table accounts file:/etc/smtpd.accounts
		table users file:/etc/smtpd.users
		table own { "user\@$domain" = "user\@$domain" }
		table content { "content\@$domain" }
		table closing { "closing\@$domain" }
		table later { "later\@$domain" }
		filter "content" phase commit match mail-from <content> reject "550 5.7.1 Content refused"
		filter "closing" phase data match mail-from <closing> disconnect "421 4.3.2 Closing"
		filter "later" phase rcpt-to match rcpt-to <later> reject "451 4.7.1 Come back later"
		filter "refusals" chain { "content", "closing", "later" }
		smtp max-message-size ${\SIZE_LIMIT}
		smtp limit max-rcpt ${\RECIPIENT_LIMIT}
		listen on 127.0.0.1 port 587 tls-require $accounts
		listen on 127.0.0.1 port 465 smtps $accounts
		listen on 127.0.0.1 port 2587 tls-require $accounts senders <own>
		action "deliver" maildir userbase <users>
		match auth from any for domain "$domain" action "deliver"
		match from local for domain "$domain" action "deliver"
		END
}

sub start {
	my ($self) = @_;

	# In the foreground, and with every command in its log.
	$self->daemon('/usr/sbin/smtpd', '-d', '-T', 'smtp');
	$self->await_port($_) for 587, 465, 2587;
	# What these connections left in the log belongs to no test.
	$self->settle;
}

sub marker {
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => 587)
	    or die "port 587: $@";

	<$socket>;
	print $socket "QUIT\r\n";
	<$socket>;
}

# A message stays in the queue until it and every notice of it are delivered.
sub queue_is_empty {
	my ($self) = @_;
	my @envelopes = glob "'" . $self->path('/var/spool/smtpd/queue') . "'/*/*/*";

	return !@envelopes;
}

# A session of our own comes first: one process has all sessions, so that those
# that began before it are in the log.
sub settle {
	my ($self) = @_;
	my $text;

	marker();
	$self->await('the end of all sessions', sub {
		return 0 if !$self->queue_is_empty;
		$text = substr $self->log_text, $self->{seen};
		return 0 if $text !~ /\n\z/;
		my $begun = () = $text =~ /^\w+ smtp connected /mg;
		my $ended = () = $text =~ /^\w+ smtp disconnected /mg;
		return $begun == $ended;
	});
	$self->{seen} += length $text;
	return $text;
}

# Takes all mail out of the mailboxes.  A notice, from the null sender, has no
# Return-Path.
sub arrivals {
	my ($self) = @_;
	my %arrived;

	for my $path (glob "'" . $self->path('/var/mail') . "'/*/Maildir/new/*") {
		my ($user) = $path =~ m{/([^/]+)/Maildir/};
		my $bytes = slurp($path);
		my $sender = $bytes =~ s/\AReturn-Path: <(.*)>\n// ? $1 : '';
		$bytes =~ s/\ADelivered-To: .*\n//;
		$bytes =~ s/\AReceived: .*\n(?:[ \t].*\n)*//;
		push @{$arrived{$user}}, { sender => $sender, bytes => $bytes };
		unlink $path or die "$path: $!";
	}
	return \%arrived;
}

1;
