# An Exim of one's own, for a test: see PrivateServer.pm.
#
#   587  STARTTLS required before AUTH; BDAT, PIPELINING, SIZE, DSN, SMTPUTF8
#   588  the same, TLS 1.2 alone
#   589  the same, TLS 1.1 alone
#   465  implicit TLS; SIZE and 8BITMIME alone
# All want AUTH: PLAIN, LOGIN, CRAM-MD5 and EXTERNAL are Exim's own, SCRAM is
# Cyrus SASL's (sasldb).  Debian's Exim has no GNU SASL, and gives Cyrus SASL no
# channel binding: SCRAM-...-PLUS is not to be had.  At most 100 recipients a
# message (452), 1 MiB a message (552).  user1 to user250 have mailboxes too, and
# so has an international one; "later" is refused for now (451), and so is, for
# good, after the data, what has "refuse" in its Subject (550).
#
# TLS is GnuTLS's; a certificate is asked of every client.  Exim refuses
# whatever is sent before it may be sent (554 synchronization error).  It rewrites
# no header field and removes none but Return-path, Envelope-to and Delivery-date.

package PrivateExim;

use strict;
use warnings;

use File::Path qw(make_path);
use FindBin;

use lib $FindBin::Bin;
use OwnTree qw(run spew slurp);
use PrivateServer;

our @ISA = qw(PrivateServer);

use constant {
	DOMAIN		=> PrivateServer::DOMAIN,
	MAIL_UID	=> PrivateServer::MAIL_UID,
	RECIPIENT_LIMIT	=> 100,
	SIZE_LIMIT	=> 1 << 20,
	USERS		=> 250,
	INTERNATIONAL	=> "us\xc3\xa9r",
};

sub fetch {
	my ($here, $build) = @_;

	return OwnTree::fetch($here, $build, 'exim', qw(exim4-daemon-heavy
	    sasl2-bin libsasl2-modules libsasl2-modules-db));
}

sub version {
	my ($self) = @_;

	return 'Exim ' . $self->packaged('exim4-daemon-heavy');
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
	my ($self) = @_;

	return {
		dsn => 1, utf8 => 1, size => SIZE_LIMIT,
		mechanisms => [qw(PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256
		    EXTERNAL)],
		sections => { EXTERNAL => {
			'password-file' => undef,
			'tls-certificate' => $self->quoted('/tmp/tls/client.pem'),
			'tls-key' => $self->quoted('/tmp/tls/client.key'),
		} },
	};
}

# The authenticators are called as their mechanisms, but that they have no "-".
sub auth_used {
	my ($self, $log) = @_;

	return $log =~ / <= .* A=(\w+):user\@\Q${\DOMAIN}\E / ?
	    uc $1 =~ tr/_/-/r : undef;
}

# Exim 4.96 writes the envelope id as it was in MAIL: in xtext.
sub dsn_asked {
	my ($self, $log, $arrived) = @_;
	my $notice = $arrived->{user}[0] // return 0;

	return $notice->{sender} eq '' && $notice->{bytes} =~ /^Action: delivered$/m &&
	    $notice->{bytes} =~ /^Original-Envelope-ID: id\+2B\+3D7$/mi &&
	    $notice->{bytes} =~ /^Original-Recipient: rfc822;\s*usera\@/mi;
}

sub log_path {
	return '/var/log/mainlog';
}

# Exim delivers as this user, for the tree has no set-user-ID program.
sub users {
	return { 'Debian-exim' => MAIL_UID };
}

sub configure {
	my ($self) = @_;
	my $domain = DOMAIN;
	my @own = map { $self->path($_) } qw(/etc/exim4 /etc/sasl2
	    /var/spool/exim4);
	my $account = "user\@$domain";
	my $password = '${readfile{/etc/exim4/password}}';
	my $submission = '${if !eq{$received_port}{465} {*}}';

	make_path(@own);
	push @own, $self->path('/var/log');
	chown(MAIL_UID, MAIL_UID, @own) == @own or die "chown: $!";
	spew($self->path('/etc/exim4/password'), PrivateServer::PASSWORD);
	spew($self->path('/etc/exim4/server.key'),
	    slurp($self->path('/tmp/tls/server.key')));
	spew($self->path('/etc/sasl2/exim.conf'), <<~END);
		pwcheck_method: auxprop
		auxprop_plugin: sasldb
		sasldb_path: /etc/exim4/sasldb
		mech_list: SCRAM-SHA-1 SCRAM-SHA-256
		END
	spew($self->path('/etc/exim4/mailboxes'), join '', map { "$_: $_\n" }
	    'user', INTERNATIONAL, map { "user$_" } 'a' .. 'h', 1 .. USERS);
	spew($self->path('/etc/exim4/exim4.conf'), <<~END);
		primary_hostname = mx.$domain
		local_interfaces = 127.0.0.1
		daemon_smtp_ports = 587 : 588 : 589 : 465
		tls_on_connect_ports = 465
		log_file_path = /var/log/%slog
		log_selector = +smtp_connection
		keep_environment =
		host_lookup =
		deliver_drop_privilege
		recipients_max = ${\RECIPIENT_LIMIT}
		message_size_limit = ${\SIZE_LIMIT}
		dsn_advertise_hosts = $submission
		smtputf8_advertise_hosts = $submission
		chunking_advertise_hosts = $submission
		pipelining_advertise_hosts = $submission
		pipelining_connect_advertise_hosts = $submission
		tls_advertise_hosts = *
		tls_certificate = /tmp/tls/server.pem
		tls_privatekey = /etc/exim4/server.key
		tls_require_ciphers = NORMAL\\
		  \${if eq{\$received_port}{588} {:-VERS-ALL:+VERS-TLS1.2}}\\
		  \${if eq{\$received_port}{589} {:-VERS-ALL:+VERS-TLS1.1}}
		tls_try_verify_hosts = *
		tls_verify_certificates = /tmp/tls/ca.pem
		auth_advertise_hosts = \${if def:tls_in_cipher {*}}
		acl_smtp_mail = mail
		acl_smtp_rcpt = rcpt
		acl_smtp_data = data

		begin acl
		mail:
		  deny ! encrypted = *
		    message = 530 5.7.0 Must issue a STARTTLS command first
		  deny ! authenticated = *
		    message = 530 5.7.0 Authentication required
		  accept
		rcpt:
		  defer local_parts = later
		    message = 4.7.1 Greylisted
		  deny ! verify = recipient
		    message = 5.1.1 Unknown user
		  accept
		data:
		  deny condition = \${if match{\$h_subject:}{refuse}}
		    message = 5.7.1 Refused for its content,\\nin two lines
		  accept

		begin routers
		mailbox:
		  driver = accept
		  domains = $domain
		  local_parts = lsearch;/etc/exim4/mailboxes
		  transport = mailbox

		begin transports
		mailbox:
		  driver = appendfile
		  directory = /var/mail/\$local_part_data
		  maildir_format
		  return_path_add

		begin authenticators
		plain:
		  driver = plaintext
		  public_name = PLAIN
		  server_prompts = :
		  server_condition = \${if and{{eq{\$auth2}{$account}}{eq{\$auth3}{$password}}}}
		  server_set_id = \$auth2
		login:
		  driver = plaintext
		  public_name = LOGIN
		  server_prompts = Username:: : Password::
		  server_condition = \${if and{{eq{\$auth1}{$account}}{eq{\$auth2}{$password}}}}
		  server_set_id = \$auth1
		cram_md5:
		  driver = cram_md5
		  public_name = CRAM-MD5
		  server_secret = \${if eq{\$auth1}{$account}{$password}fail}
		  server_set_id = \$auth1
		scram_sha_1:
		  driver = cyrus_sasl
		  public_name = SCRAM-SHA-1
		  server_realm = $domain
		  server_set_id = \$auth1
		scram_sha_256:
		  driver = cyrus_sasl
		  public_name = SCRAM-SHA-256
		  server_realm = $domain
		  server_set_id = \$auth1
		external:
		  driver = external
		  public_name = EXTERNAL
		  server_advertise_condition = \$tls_in_certificate_verified
		  server_param2 = \${certextract {subj_altname,mail}{\$tls_in_peercert}}
		  server_condition = \${if eq{\$auth2}{$account}}
		  server_set_id = \$auth2
		END
}

sub start {
	my ($self) = @_;

	run("chroot '$self->{root}' /usr/sbin/saslpasswd2 -p -c -u " . DOMAIN .
	    " -f /etc/exim4/sasldb user <'$self->{root}/tmp/password'");
	chown MAIL_UID, MAIL_UID, $self->path('/etc/exim4/sasldb') or die "sasldb: $!";
	$self->daemon('/usr/sbin/exim4', '-bdf');
	$self->await_port($_) for 587, 588, 589, 465;
}

# A session that has ended has logged all that it accepted; and a message that
# is logged as completed has put its notices into the log before.
sub settle {
	my ($self) = @_;
	my $text;

	$self->await('the end of all sessions', sub { !$self->sessions });
	$self->await('the delivery of all mail', sub {
		$text = substr $self->log_text, $self->{seen};
		my %open = map { $_ => 1 } $text =~ / (\w+-\w+-\w+) <= /g;
		delete @open{$text =~ / (\S+) Completed$/mg};
		return !%open;
	});
	$self->{seen} += length $text;
	return $text;
}

sub arrivals {
	my ($self) = @_;
	my %arrived;

	for my $path (glob "'" . $self->path('/var/mail') . "'/*/new/*") {
		my ($user) = $path =~ m{/([^/]+)/new/};
		my $bytes = slurp($path);
		my $sender = $bytes =~ s/\AReturn-path: <(.*)>\n// ? $1 : undef;
		$bytes =~ s/\AReceived: .*\n(?:[ \t].*\n)*//;
		push @{$arrived{$user}}, { sender => $sender, bytes => $bytes };
		unlink $path or die "$path: $!";
	}
	return \%arrived;
}

1;
