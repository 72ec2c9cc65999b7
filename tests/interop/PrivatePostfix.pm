# A Postfix of one's own, for a test: on loopback, in namespaces of its own,
# from the tree that fetch.sh unpacks.
#
# Owns: the namespaces, the server's configuration and certificates, its log
# and its mailboxes.  All of that lies on file systems in memory that nobody
# outside sees, and is gone with the test.
#
# The test runs in namespaces of its own, see OwnTree.pm; so it can read every
# mailbox, and the ports 587 and 465 are always free.
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
use POSIX qw(WNOHANG _exit);
use Socket;
use Time::HiRes qw(sleep time);

use lib $FindBin::Bin;
use OwnTree qw(enter mount_memory mount_devices run spew slurp);

use constant {
	DOMAIN		=> 'interop.test',
	PASSWORD	=> q{open "sesame" \\ $HOME %00 },
	RECIPIENT_LIMIT	=> 100,
	SIZE_LIMIT	=> 1 << 20,
	USERS		=> 1500,
	LIFETIME	=> 600,		# seconds; no test takes a tenth of it
	PATIENCE	=> 60,		# seconds to wait for any one thing
	MAIL_UID	=> 7001,
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

sub new {
	my ($class, $root) = @_;
	my $self = bless { root => $root, seen => 0 }, $class;

	$self->mount_all;
	$self->certificates;
	$self->identities;
	$self->configure;
	$self->spool;
	$self->password;
	$self->start;
	return $self;
}

# A path of the server's, as the test sees it.
sub path {
	my ($self, $path) = @_;

	return "$self->{root}$path";
}

sub mount_all {
	my ($self) = @_;

	mount_memory($self->{root}, qw(/etc /var /tmp /dev));
	mount_devices($self->{root}, qw(/dev/null /dev/urandom));
}

# Two authorities, so that one can be the wrong one.
sub certificates {
	my ($self) = @_;
	my $to = $self->path('/tmp/tls');
	my $new = 'openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:' .
	    'prime256v1 -nodes -days 2';

	make_path($to);
	for my $name (qw(ca other-ca)) {
		run("$new -subj /CN=$name -keyout '$to/$name.key' -out '$to/$name.pem'");
	}
	run("$new -subj /CN=localhost -CA '$to/ca.pem' -CAkey '$to/ca.key'" .
	    ' -addext basicConstraints=critical,CA:FALSE' .
	    ' -addext subjectAltName=DNS:localhost,IP:127.0.0.1' .
	    " -keyout '$to/server.key' -out '$to/server.pem'");
	chomp($self->{fingerprint} = run(
	    "openssl x509 -in '$to/server.pem' -noout -sha256 -fingerprint"));
	$self->{fingerprint} =~ s/.*=//;
}

# The users that Postfix insists on, and what else /etc must have.
sub identities {
	my ($self) = @_;

	make_path(map { $self->path($_) } '/etc/postfix/sasl', '/var/log',
	    '/var/lib/postfix', '/var/spool/postfix', '/var/mail');
	spew($self->path('/etc/passwd'), join '', map { "$_\n" }
	    'root:x:0:0::/:/bin/false',
	    'mail:x:' . MAIL_UID . ':' . MAIL_UID . '::/:/bin/false',
	    'postfix:x:' . POSTFIX_UID . ':' . POSTFIX_UID . '::/:/bin/false',
	    'nobody:x:65534:65534::/:/bin/false');
	spew($self->path('/etc/group'), join '', map { "$_\n" }
	    'root:x:0:', 'mail:x:' . MAIL_UID . ':',
	    'postfix:x:' . POSTFIX_UID . ':',
	    'postdrop:x:' . POSTDROP_GID . ':', 'nogroup:x:65534:');
	spew($self->path('/etc/hosts'), "127.0.0.1 localhost\n");
	spew($self->path('/etc/nsswitch.conf'),
	    "passwd: files\ngroup: files\nhosts: files\n");
	spew($self->path('/etc/services'), "smtp 25/tcp\nsubmission 587/tcp\n");
}

sub configure {
	my ($self) = @_;
	my ($domain, $uid) = (DOMAIN, MAIL_UID);
	my $tls = '/etc/postfix/tls.pem';

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
	chown MAIL_UID, MAIL_UID, $self->path('/var/mail');
}

# The account user@interop.test.
sub password {
	my ($self) = @_;

	spew($self->path('/tmp/password'), PASSWORD, 0600);
	spew($self->path('/tmp/wrong-password'), PASSWORD . 'x', 0600);
	run("chroot '$self->{root}' /usr/sbin/saslpasswd2 -p -c -u " . DOMAIN .
	    " -f /etc/postfix/sasldb user <'$self->{root}/tmp/password'");
	chown POSTFIX_UID, 0, $self->path('/etc/postfix/sasldb') or die "sasldb: $!";
}

sub start {
	my ($self) = @_;

	defined($self->{master} = fork) or die "fork: $!";
	if ($self->{master} == 0) {
		setpgrp;
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', $self->path('/tmp/master.out');
		open STDERR, '>&', \*STDOUT;
		%ENV = (PATH => '/usr/sbin:/usr/bin');
		chroot $self->{root} and chdir '/' and
		    exec '/usr/lib/postfix/sbin/master', '-c', '/etc/postfix',
		    '-d', '-e', LIFETIME;
		_exit(71);
	}
	for my $port (587, 465) {
		$self->await("port $port", sub { can_connect($port) });
	}
	# What these connections left in the log belongs to no test.
	$self->settle(2);
}

sub can_connect {
	my ($port) = @_;

	socket(my $socket, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
	return connect $socket, sockaddr_in($port, INADDR_LOOPBACK);
}

# Polls until &$done returns true.  Dies when the server does or when it takes
# longer than anything ever should.
sub await {
	my ($self, $what, $done) = @_;
	my $end = time + PATIENCE;

	until ($done->()) {
		die 'Postfix ended: ' . slurp($self->path('/tmp/master.out'))
		    if waitpid($self->{master}, WNOHANG) != 0;
		die $self->log_tail, "waited in vain for $what\n" if time > $end;
		sleep 0.02;
	}
}

sub log_text {
	my ($self) = @_;
	my $path = $self->path('/var/log/mail.log');

	return -e $path ? slurp($path) : '';
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

# What explains a failure.
sub log_tail {
	my ($self) = @_;

	return $self->log_text =~ /((?:.*\n){0,20})\z/ ? $1 : '';
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

sub stop {
	my ($self) = @_;

	return if !$self->{master};
	kill 'TERM', $self->{master};
	for (1 .. 100) {
		return if waitpid($self->{master}, WNOHANG) != 0;
		sleep 0.05;
	}
	kill 'KILL', $self->{master};
}

1;
