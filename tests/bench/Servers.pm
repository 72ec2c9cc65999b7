# Postfix and Exim as null clients; see Peers.pm.

package Servers::Postfix;

use strict;
use warnings;

use File::Path qw(make_path remove_tree);

use OwnTree qw(spew);
use Peers;
use World;

our @ISA = qw(Peers);

use constant {
	NAME	=> 'postfix',
	runs_far => 1,		# uses several connections at a time
	SPOOL	=> '/var/spool/postfix',
};

sub packages {
	return qw(postfix libsasl2-modules);
}

sub configure {
	my ($self) = @_;

	make_path(map { $self->path($_) } '/etc/postfix', '/var/lib/postfix');
	spew($self->path('/etc/postfix/master.cf'), <<~END);
		pickup unix n - n 60 1 pickup
		cleanup unix n - n - 0 cleanup
		qmgr unix n - n 300 1 qmgr
		tlsmgr unix - - n 1000? 1 tlsmgr
		rewrite unix - - n - - trivial-rewrite
		bounce unix - - n - 0 bounce
		defer unix - - n - 0 bounce
		trace unix - - n - 0 bounce
		flush unix n - n 1000? 0 flush
		proxymap unix - - n - - proxymap
		proxywrite unix - - n - 1 proxymap
		smtp unix - - n - - smtp
		error unix - - n - - error
		retry unix - - n - - error
		scache unix - - n - 1 scache
		tlsproxy unix - - n - 0 tlsproxy
		postlog unix-dgram n - n - 1 postlogd
		END
	$self->empty;
}

# The queue, empty, owned as Postfix wants it.
sub empty {
	my ($self) = @_;
	my $spool = $self->path(SPOOL);
	my @own = map { "$spool/$_" } qw(active bounce corrupt defer deferred flush hold incoming
	    private saved trace);

	remove_tree($spool);
	make_path($spool);
	mkdir $_, 0700 for @own, "$spool/maildrop", "$spool/public";
	mkdir "$spool/pid", 0755;
	chown Peers::POSTFIX_UID, 0, @own, $self->path('/var/lib/postfix');
	chown Peers::POSTFIX_UID, Peers::POSTDROP_GID, "$spool/maildrop", "$spool/public";
	chmod 01730, "$spool/maildrop";
	chmod 02710, "$spool/public";
}

# Connections are used again, and so are TLS connections.
sub settings {
	my ($self, $sink, @more) = @_;

	spew($self->path('/etc/postfix/password'), '[' . World::HOST . "]:$sink->{port} " .
	    World::USER . ':' . World::PASSWORD . "\n", 0600);
	spew($self->path('/etc/postfix/main.cf'), join '', map { "$_\n" }
	    'compatibility_level = 3.6', 'queue_directory = ' . SPOOL,
	    'data_directory = /var/lib/postfix', 'daemon_directory = /usr/lib/postfix/sbin',
	    'command_directory = /usr/sbin', 'maillog_file = /var/log/mail.log',
	    'myhostname = bench.example.net', 'mydestination =', 'inet_protocols = ipv4',
	    'inet_interfaces = 127.0.0.1', 'alias_maps =', 'alias_database =',
	    'local_recipient_maps =', 'relayhost = [' . World::HOST . "]:$sink->{port}",
	    'smtp_host_lookup = native', 'smtp_tls_security_level = secure',
	    'smtp_tls_secure_cert_match = localhost', 'smtp_tls_CAfile = /mnt/certs/ca.pem',
	    'smtp_tls_wrappermode = ' . ($sink->{implicit} ? 'yes' : 'no'),
	    'smtp_sasl_auth_enable = yes', 'smtp_sasl_security_options = noanonymous',
	    'smtp_sasl_password_maps = texthash:/etc/postfix/password',
	    'message_size_limit = 0', 'smtp_tls_connection_reuse = yes',
	    'smtp_connection_cache_on_demand = yes', 'smtp_destination_recipient_limit = 2000',
	    'enable_long_queue_ids = yes', @more);
}

# The daemon with these settings; it stays until others are wanted.
sub runs_with {
	my ($self, @settings) = @_;
	my $key = join ' ', $settings[0]{port}, @settings[1 .. $#settings];

	return if $self->{daemon} && ($self->{key} // '') eq $key;
	$self->stop;
	$self->empty;
	$self->settings(@settings);
	$self->daemon('/usr/lib/postfix/sbin/master', '-c', '/etc/postfix', '-d');
	$self->await('start', sub { -e $self->path(SPOOL . '/public/pickup') });
	$self->{key} = $key;
}

sub command {
	my ($self, @recipients) = @_;

	return ['/usr/sbin/sendmail', '-i', '-f', World::SENDER, @recipients];
}

sub hands_over {
	my ($self, $sink, $file, %option) = @_;
	my $recipients = $option{recipients} // 1;

	return $self->contestant($sink, stdin => $file, until => 1, recipients => $recipients,
	    before => sub { $self->runs_with($sink) },
	    argv => $self->command($self->{world}->recipients($recipients)));
}

sub queues {
	my ($self, $file) = @_;

	return $self->contestant(undef, stdin => $file, argv => $self->command(World::RECIPIENT),
	    before => sub { $self->runs_with($self->{world}->sink, 'defer_transports = smtp') });
}

# The messages wait in maildrop, where sendmail puts them when no daemon runs;
# what is measured begins with the daemon's start.
sub runs_queue {
	my ($self, $sink, $file, $messages) = @_;

	$self->stop;
	$self->empty;
	$self->settings($sink);
	Measure::samples($self->{world}, $self->contestant(undef, stdin => $file,
	    argv => $self->command(World::RECIPIENT)), $messages);
	$self->keep(SPOOL);
	return $self->contestant($sink, messages => $messages, daemon => 1, once => 1,
	    before => sub {
		$self->stop;
		$self->settings($sink);
		$self->bring_back(SPOOL);
	    }, after => sub { $self->empty },
	    argv => ['/usr/lib/postfix/sbin/master', '-c', '/etc/postfix', '-d']);
}

package Servers::Exim;

use strict;
use warnings;

use File::Path qw(make_path remove_tree);

use OwnTree qw(spew);
use Peers;
use World;

our @ISA = qw(Peers);

use constant {
	NAME	=> 'exim',
	CHUNKING => 1,
	SPOOL	=> '/var/spool/exim4',
};

sub packages {
	return qw(exim4-daemon-light);
}

sub configure {
	my ($self) = @_;

	make_path($self->path('/etc/exim4'), $self->path('/var/log/exim4'));
	chown Peers::EXIM_UID, Peers::EXIM_UID, $self->path('/var/log/exim4');
	$self->empty;
}

sub empty {
	my ($self) = @_;
	my $spool = $self->path(SPOOL);

	remove_tree($spool);
	make_path($spool);
	chown Peers::EXIM_UID, Peers::EXIM_UID, $spool or die "chown: $!";
}

sub settings {
	my ($self, $sink, %option) = @_;
	my $trust = $option{system} ? '/etc/ssl/certs/ca-certificates.crt' : '/mnt/certs/ca.pem';
	my $protocol = $sink->{implicit} ? 'smtps' : 'smtp';
	my $credentials = '^' . World::USER . '^' . World::PASSWORD;

	spew($self->path('/etc/exim4/exim4.conf'), <<~END);
		primary_hostname = bench.example.net
		local_interfaces = 127.0.0.1
		keep_environment =
		host_lookup =
		message_size_limit = 0
		log_file_path = /var/log/exim4/%slog
		deliver_drop_privilege
		remote_max_parallel = 20
		queue_run_in_order = false

		begin routers
		smarthost:
		  driver = manualroute
		  route_list = * ${\World::HOST} byname
		  self = send
		  transport = smarthost

		begin transports
		smarthost:
		  driver = smtp
		  port = $sink->{port}
		  protocol = $protocol
		  max_rcpt = 0
		  connection_max_messages = 0
		  hosts_require_auth = *
		  hosts_require_tls = *
		  tls_verify_certificates = $trust
		  tls_verify_hosts = *

		begin authenticators
		plain:
		  driver = plaintext
		  public_name = PLAIN
		  client_send = $credentials
		END
}

sub starts {
	my ($self) = @_;

	return $self->contestant(undef, argv => ['/usr/sbin/exim4', '-bV'],
	    before => sub { $self->settings($self->{world}->sink) });
}

sub command {
	my ($self, $mode, @recipients) = @_;

	return ['/usr/sbin/exim4', $mode, '-i', '-f', World::SENDER, '--', @recipients];
}

sub sends {
	my ($self, $sink, $file, %option) = @_;
	my $recipients = $option{recipients} // 1;

	return $self->contestant($sink, stdin => $file, recipients => $recipients,
	    before => sub { $self->settings($sink, %option) },
	    argv => $self->command('-odi', $self->{world}->recipients($recipients)));
}

sub hands_over {
	my ($self, $sink, $file, %option) = @_;

	return $self->contestant($sink, stdin => $file, until => 1,
	    before => sub { $self->settings($sink) },
	    argv => $self->command('-odb', World::RECIPIENT));
}

sub queues {
	my ($self, $file) = @_;

	return $self->contestant(undef, stdin => $file, after => sub { $self->empty },
	    before => sub { $self->settings($self->{world}->sink) },
	    argv => $self->command('-odq', World::RECIPIENT));
}

# In two steps: routing first, so that a connection is used for several.
sub runs_queue {
	my ($self, $sink, $file, $messages) = @_;

	$self->settings($sink);
	$self->empty;
	Measure::samples($self->{world}, $self->contestant(undef, stdin => $file,
	    argv => $self->command('-odq', World::RECIPIENT)), $messages);
	$self->keep(SPOOL);
	return $self->contestant($sink, messages => $messages, until => 1, once => 1,
	    deadline => 120, before => sub {
		$self->settings($sink);
		$self->bring_back(SPOOL);
	    }, after => sub { $self->empty }, argv => ['/usr/sbin/exim4', '-qqff']);
}

1;
