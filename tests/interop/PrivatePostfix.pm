# A Postfix of one's own, for a test: see PrivateServer.pm.
#
# The server:
#   587  STARTTLS required before anything else; BDAT, PIPELINING, SIZE, DSN
#   465  implicit TLS; none of these; refuses any bare LF in DATA
# Both want AUTH (Cyrus SASL, sasldb) as user@interop.test.  In that domain
# user, usera to userh and user1 to user1500 have mailboxes, everybody else is
# unknown (550).  At most 100 recipients a message (452), 1 MiB a message (552).
# It is as forgiving of bare LF on 587 as Postfix was before 2024, so that
# smuggling would succeed; it rewrites no header field and removes none, so
# that a Bcc sent to it is seen.

package PrivatePostfix;

use strict;
use warnings;

use File::Path qw(make_path);
use FindBin;
use IO::Socket::INET;
use Time::HiRes qw(time);

use lib $FindBin::Bin;
use OwnTree qw(mount_memory mount_devices run spew slurp);
use PrivateServer;

our @ISA = qw(PrivateServer);

use constant {
	DOMAIN		=> PrivateServer::DOMAIN,
	MAIL_UID	=> PrivateServer::MAIL_UID,
	RECIPIENT_LIMIT	=> 100,
	SIZE_LIMIT	=> 1 << 20,
	USERS		=> 1500,
	POSTFIX_UID	=> 7002,
	POSTDROP_GID	=> 7003,
};

# Unpacks Postfix below $build unless it is there.  Returns the tree, or
# nothing if it cannot be had.
sub fetch {
	my ($here, $build) = @_;

	return OwnTree::fetch($here, $build, 'postfix',
	    qw(postfix sasl2-bin libsasl2-modules libsasl2-modules-db));
}

sub version {
	my ($self) = @_;

	return 'Postfix ' . $self->packaged('postfix');
}

sub ways {
	my ($self) = @_;

	return {
		'587, STARTTLS, all extensions' => $self->section,
		'465, implicit TLS, few extensions' =>
		    $self->section(port => 465, tls => '"implicit"'),
	};
}

sub offers {
	return { dsn => 1, utf8 => 1, size => SIZE_LIMIT,
		mechanisms => [qw(PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256)] };
}

sub auth_used {
	my ($self, $log) = @_;

	return $log =~ /sasl_method=([A-Z0-9-]+),/ ? $1 : undef;
}

sub dsn_asked {
	my ($self, $log, $arrived) = @_;
	my $notice = $arrived->{user}[0] // return 0;

	return $notice->{sender} eq '' && $notice->{bytes} =~ /^Action: delivered$/m &&
	    $notice->{bytes} =~ /^Original-Envelope-Id: id\+=7$/mi &&
	    $notice->{bytes} =~ /^Original-Recipient: rfc822;\s*usera\@/mi;
}

sub users {
	return { postfix => POSTFIX_UID, postdrop => POSTDROP_GID };
}

sub configure {
	my ($self) = @_;
	my ($domain, $uid) = (DOMAIN, MAIL_UID);
	my $tls = '/etc/postfix/tls.pem';

	make_path(map { $self->path($_) } '/etc/postfix/sasl', '/var/lib/postfix',
	    '/var/spool/postfix');
	spew($self->path($tls), slurp($self->path('/tmp/tls/server.key')) .
	    slurp($self->path('/tmp/tls/server.pem')), 0600);
	spew($self->path('/etc/postfix/sasl/smtpd.conf'), <<~END);
		pwcheck_method: auxprop
		auxprop_plugin: sasldb
		sasldb_path: /etc/postfix/sasldb
		mech_list: PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256
		END
	spew($self->path('/etc/postfix/mailboxes'), join '', map {
	    "$_\@$domain $_/\n" } 'user', map { "user$_" } 'a' .. 'h', 1 .. USERS);
	spew($self->path('/etc/postfix/main.cf'), <<~END);
		compatibility_level = 3.6
		queue_directory = /var/spool/postfix
		data_directory = /var/lib/postfix
		daemon_directory = /usr/lib/postfix/sbin
		command_directory = /usr/sbin
		maillog_file = /var/log/mail.log
		myhostname = mx.$domain
		mydestination =
		mynetworks =
		inet_protocols = ipv4
		inet_interfaces = 127.0.0.1
		smtpd_peername_lookup = no
		enable_long_queue_ids = yes
		alias_maps =
		alias_database =
		local_recipient_maps =
		virtual_mailbox_domains = $domain
		virtual_mailbox_maps = texthash:/etc/postfix/mailboxes
		virtual_mailbox_base = /var/mail
		virtual_uid_maps = static:$uid
		virtual_gid_maps = static:$uid
		virtual_mailbox_limit = 0
		default_transport = error:no mail leaves this place
		message_drop_headers =
		local_header_rewrite_clients =
		smtpd_recipient_limit = ${\RECIPIENT_LIMIT}
		message_size_limit = ${\SIZE_LIMIT}
		smtpd_error_sleep_time = 0
		smtpd_forbid_bare_newline = no
		smtpd_tls_security_level = encrypt
		smtpd_tls_auth_only = yes
		smtpd_tls_chain_files = $tls
		smtpd_sasl_auth_enable = yes
		smtpd_sasl_local_domain = $domain
		smtpd_sasl_security_options = noanonymous
		smtpd_relay_restrictions = permit_sasl_authenticated, reject
		smtpd_recipient_restrictions = permit_sasl_authenticated, reject
		END
	spew($self->path('/etc/postfix/master.cf'), <<~END);
		587 inet n - n - - smtpd
		465 inet n - n - - smtpd
		    -o smtpd_tls_wrappermode=yes
		    -o smtpd_forbid_bare_newline=reject
		    -o smtpd_discard_ehlo_keywords=pipelining,chunking,size,dsn
		cleanup unix n - n - 0 cleanup
		qmgr unix n - n 300 1 qmgr
		tlsmgr unix - - n 1000? 1 tlsmgr
		rewrite unix - - n - - trivial-rewrite
		bounce unix - - n - 0 bounce
		defer unix - - n - 0 bounce
		trace unix - - n - 0 bounce
		flush unix n - n 1000? 0 flush
		proxymap unix - - n - - proxymap
		error unix - - n - - error
		retry unix - - n - - error
		virtual unix - n n - - virtual
		anvil unix - - n - 1 anvil
		postlog unix-dgram n - n - 1 postlogd
		END
}

# The queue, owned as Postfix wants it.
sub spool {
	my ($self) = @_;
	my $spool = $self->path('/var/spool/postfix');
	my @own = map { "$spool/$_" } qw(active bounce corrupt defer deferred
	    flush hold incoming private saved trace);
	mkdir $_, 0700 for @own, "$spool/maildrop", "$spool/public";
	mkdir "$spool/pid", 0755;
	chown POSTFIX_UID, 0, @own, $self->path('/var/lib/postfix');
	chown POSTFIX_UID, POSTDROP_GID, "$spool/maildrop", "$spool/public";
	chmod 01730, "$spool/maildrop";
	chmod 02710, "$spool/public";
}

# The account user@interop.test.
sub password {
	my ($self) = @_;

	run("chroot '$self->{root}' /usr/sbin/saslpasswd2 -p -c -u " . DOMAIN .
	    " -f /etc/postfix/sasldb user <'$self->{root}/tmp/password'");
	chown POSTFIX_UID, 0, $self->path('/etc/postfix/sasldb') or die "sasldb: $!";
}

sub start {
	my ($self) = @_;

	$self->spool;
	$self->password;
	$self->daemon('/usr/lib/postfix/sbin/master', '-c', '/etc/postfix', '-d',
	    '-e', PrivateServer::LIFETIME);
	$self->await_port($_) for 587, 465;
	# What these connections left in the log belongs to no test.
	$self->settle(2);
}

sub in_queue {
	my ($self, $id) = @_;
	my $spool = $self->path('/var/spool/postfix');

	return grep { -e } "$spool/incoming/$id", "$spool/active/$id",
	    glob "'$spool'/deferred/*/$id";
}

sub marker {
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => 587)
	    or die "port 587: $@";
	<$socket>;
	print $socket "QUIT\r\n";
	<$socket>;
}

# Waits until every session begun since the last call has ended ($least of them
# or more, if given), and what came in by them has left the queue: delivered,
# refused or bounced.  Returns what was logged meanwhile.
#
# A session of our own comes first: all that a client has seen the server do
# was logged before it.
sub settle {
	my ($self, $least) = @_;
	my $sessions = 1 + ($least // 0);
	my ($text, $gone);

	marker();
	$self->await("the end of $sessions sessions", sub {
		$text = substr $self->log_text, $self->{seen};
		return 0 if $text !~ /\n\z/;
		my $begun = () = $text =~ /smtpd\[\d+\]: connect from /g;
		my $ended = () = $text =~ /smtpd\[\d+\]: disconnect from /g;
		my %queued = map { $_ => 1 }
		    $text =~ /cleanup\[\d+\]: (\w+): message-id=/g,
		    $text =~ /notification: (\w+)$/mg;
		delete @queued{$text =~ /qmgr\[\d+\]: (\w+): removed$/mg};
		return 0 if $ended < $sessions || $begun != $ended;
		return 1 if !%queued;
		# Refused at the end of the data: no line says "removed".
		return 0 if grep { $self->in_queue($_) } keys %queued;
		$gone //= time;
		return time - $gone > 1;
	});
	$self->{seen} += length $text;
	return $text;
}

# Takes all mail out of the mailboxes.  Returns { user => [ message ... ] }, each
# { sender, to, bytes }: the envelope as delivered, and what was submitted,
# with LF line ends, that is, without the fields that Postfix put before it.
sub arrivals {
	my ($self) = @_;
	my %arrived;

	for my $path (glob "'" . $self->path('/var/mail') . "'/*/new/*") {
		my ($user) = $path =~ m{/([^/]+)/new/};
		push @{$arrived{$user}}, take_apart(slurp($path));
		unlink $path or die "$path: $!";
	}
	return \%arrived;
}

sub take_apart {
	my ($bytes) = @_;
	my %message;

	$bytes =~ s/\AReturn-Path: <(.*)>\n// and $message{sender} = $1;
	$bytes =~ s/\AX-Original-To: (.*)\n// and $message{to} = $1;
	$bytes =~ s/\ADelivered-To: .*\n//;
	$bytes =~ s/\AReceived: .*\n(?:[ \t].*\n)*//;
	$message{bytes} = $bytes;
	return \%message;
}

1;
