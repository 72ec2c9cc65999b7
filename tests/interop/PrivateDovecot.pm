# Dovecot's submission service, for a test: see PrivateServer.pm.
#
# It is a proxy: it does TLS and AUTH, and hands each command to the server
# behind it at once.  That is the scriptable smarthost (tests/smarthost), on
# loopback and without TLS or AUTH: it has the mailboxes, and the client is told
# its verdicts.
#
#   587  STARTTLS required before AUTH
#   465  implicit TLS
# Both want AUTH, by any of eight mechanisms: for OAUTHBEARER and XOAUTH2 a JSON
# Web Token that Dovecot verifies itself, for EXTERNAL a client certificate.  At
# most 1 MiB a message.  BDAT, PIPELINING, DSN; no SMTPUTF8.
#
# On 127.0.0.2 it is the same but for two things.  Dovecot was not told there
# what the server behind it can (its default): it offers DSN only to those who
# have signed in.  And AUTH is offered within TLS alone, whereas Dovecot trusts a
# connection from 127.0.0.1 to 127.0.0.1 in clear.
#
# Some refusals of the server behind it, with the words given here:
#   from not-his@  550 5.7.1 You may not send as this
#   from later@    451 4.3.0 Come back later
#   to full@       452 4.2.2 Mailbox full

package PrivateDovecot;

use strict;
use warnings;

use Cwd qw(abs_path);
use Digest::SHA qw(hmac_sha256);
use File::Path qw(make_path);
use FindBin;
use IO::Socket::INET;
use JSON::PP;
use MIME::Base64 qw(encode_base64 encode_base64url);

use lib $FindBin::Bin;
use OwnTree qw(run spew slurp);
use PrivateServer;

our @ISA = qw(PrivateServer);

use constant {
	DOMAIN		=> PrivateServer::DOMAIN,
	MAIL_UID	=> PrivateServer::MAIL_UID,
	SIZE_LIMIT	=> 1 << 20,
	DOVECOT_UID	=> 7002,
	DOVENULL_UID	=> 7003,
	RELAY_PORT	=> 2525,
	TOKEN_KEY	=> 'the key that tokens are signed with',
};

my $smarthost;

sub fetch {
	my ($here, $build) = @_;

	$smarthost = abs_path("$build/tests/smarthost/smarthost") // '';
	-x $smarthost or die "no smarthost in $build: make smarthost\n";
	return OwnTree::fetch($here, $build, 'dovecot',
	    qw(dovecot-core dovecot-submissiond));
}

sub version {
	my ($self) = @_;

	return 'Dovecot ' . $self->packaged('dovecot-submissiond');
}

sub offers {
	my ($self) = @_;
	my %token = ('password-file' => undef,
	    'token-file' => $self->quoted('/tmp/token'));

	return {
		dsn => 1, utf8 => 0, size => SIZE_LIMIT,
		mechanisms => [qw(PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256
		    OAUTHBEARER XOAUTH2 EXTERNAL)],
		sections => {
			OAUTHBEARER => \%token, XOAUTH2 => \%token,
			EXTERNAL => {
				'password-file' => undef,
				'tls-certificate' => $self->quoted('/tmp/tls/client.pem'),
				'tls-key' => $self->quoted('/tmp/tls/client.key'),
			},
		},
	};
}

sub auth_used {
	my ($self, $log) = @_;

	return $log =~ /submission-login: Info: Login: user=<[^>]*>, method=([A-Z0-9-]+),/ ?
	    $1 : undef;
}

# The server behind it has seen the parameters of MAIL and RCPT.
sub dsn_asked {
	my ($self, $log, $arrived) = @_;
	my $message = $arrived->{usera}[0] // return 0;

	return $message->{mail} =~ /\bENVID=id\+2B\+3D7\b/i &&
	    $message->{mail} =~ /\bRET=HDRS\b/i &&
	    $message->{rcpt} =~ /\bNOTIFY=SUCCESS\b/i &&
	    $message->{rcpt} =~ /\bORCPT=rfc822;usera\@\Q${\DOMAIN}\E(?: |\z)/i;
}

sub users {
	return { dovecot => DOVECOT_UID, dovenull => DOVENULL_UID };
}

sub configure {
	my ($self) = @_;
	my ($domain, $uid) = (DOMAIN, MAIL_UID);
	my $password = PrivateServer::PASSWORD;

	make_path(map { $self->path($_) } '/etc/dovecot/keys/default/HS256',
	    '/var/lib/dovecot', '/var/run/dovecot');
	spew($self->path('/etc/dovecot/users'), "user\@$domain:{PLAIN}$password\n");
	spew($self->path('/etc/dovecot/keys/default/HS256/default'),
	    encode_base64(TOKEN_KEY, ''));
	spew($self->path('/tmp/token'), token(), 0600);
	spew($self->path('/etc/dovecot/oauth2.conf'), <<~END);
		introspection_mode = local
		local_validation_key_dict = fs:posix:prefix=/etc/dovecot/keys/
		username_attribute = sub
		END
	spew($self->path('/etc/dovecot/dovecot.conf'), <<~END);
		protocols = submission
		listen = 127.0.0.1, 127.0.0.2
		base_dir = /var/run/dovecot
		log_path = /var/log/mail.log
		hostname = mx.$domain
		ssl = required
		ssl_cert = </tmp/tls/server.pem
		ssl_key = </tmp/tls/server.key
		ssl_ca = </tmp/tls/ca.pem
		ssl_require_crl = no
		ssl_verify_client_cert = yes
		auth_ssl_username_from_cert = yes
		auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256 oauthbearer xoauth2 external
		auth_failure_delay = 0
		login_log_format_elements = user=<%u> method=%m rip=%r rport=%{rport} %c
		mail_location = maildir:~/mail
		submission_max_mail_size = ${\SIZE_LIMIT}
		local 127.0.0.1 {
		  submission_backend_capabilities = 8BITMIME DSN
		}
		submission_relay_host = 127.0.0.1
		submission_relay_port = ${\RELAY_PORT}
		passdb {
		  driver = oauth2
		  mechanisms = oauthbearer xoauth2
		  args = /etc/dovecot/oauth2.conf
		}
		passdb {
		  driver = static
		  mechanisms = external
		  args = nopassword
		}
		passdb {
		  driver = passwd-file
		  args = /etc/dovecot/users
		}
		userdb {
		  driver = static
		  args = uid=$uid gid=$uid home=/var/mail/%u
		}
		# One process, so that its log is in order.
		service submission-login {
		  service_count = 0
		  process_min_avail = 1
		  process_limit = 1
		  inet_listener submission {
		    port = 587
		  }
		  inet_listener submissions {
		    port = 465
		    ssl = yes
		  }
		}
		# No penalty for those who failed before.
		service anvil {
		  unix_listener anvil-auth-penalty {
		    mode = 0
		  }
		}
		END
}

# A JSON Web Token; what is given replaces or adds claims.
sub token {
	my (%claims) = @_;
	my %all = (sub => 'user@' . DOMAIN, iat => time - 10, exp => time + 3600,
	    %claims);
	my $text = join '.', map { encode_base64url(JSON::PP->new->canonical->encode($_)) }
	    { typ => 'JWT', alg => 'HS256' }, \%all;

	return $text . '.' . encode_base64url(hmac_sha256($text, TOKEN_KEY));
}

sub start {
	my ($self) = @_;

	$self->start_relay;
	$self->daemon('/usr/sbin/dovecot', '-F', '-c', '/etc/dovecot/dovecot.conf');
	$self->await_port($_) for 587, 465;
	# What these connections left in the log belongs to no test.
	$self->settle;
}

# The server behind Dovecot.
sub start_relay {
	my ($self) = @_;
	my ($domain, $rules) = (DOMAIN, $self->path('/tmp/relay-rules'));

	spew($rules, <<~END);
		mail\@not-his\@$domain reply "550 5.7.1 You may not send as this"
		mail\@later\@$domain reply "451 4.3.0 Come back later"
		rcpt\@user\@$domain pass
		rcpt\@user[a-h]\@$domain pass
		rcpt\@full\@$domain reply "452 4.2.2 Mailbox full"
		rcpt reply "550 5.1.1 Unknown user"
		END
	run("'$smarthost' --background --tls none --listen 127.0.0.1:" . RELAY_PORT,
	    '--dir', "'" . $self->path('/tmp/relay') . "'", '--script', "'$rules'",
	    '--lifetime', PrivateServer::LIFETIME);
}

sub stop_relay {
	my ($self) = @_;

	kill 'TERM', slurp($self->path('/tmp/relay/pid')) or die "kill: $!";
}

# A session that says nothing but QUIT; returns its port.
sub marker {
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => 587)
	    or die "port 587: $@";

	<$socket>;
	print $socket "QUIT\r\n";
	<$socket>;
	return $socket->sockport;
}

# A session of our own is the last: the process that has the sessions until they
# have signed in logs its end after theirs.  Those that have signed in end in
# a process of their own.  What arrived is there since the client was told so.
sub settle {
	my ($self) = @_;
	my $port = marker();
	my $text;

	$self->await('the end of all sessions', sub {
		$text = substr $self->log_text, $self->{seen};
		return 0 if $text !~ /\n\z/ || $text !~ / rport=$port\b/;
		my $begun = () = $text =~ /submission-login: Info: Login: /g;
		my $ended = () = $text =~
		    /submission\([^)]*\).*: (?:Info: Disconnected|Fatal: master):/g;
		return $begun == $ended;
	});
	$self->{seen} += length $text;
	return $text;
}

# What the server behind it has stored, each message once for each recipient;
# beside what PrivateServer.pm names: mail and rcpt, the commands' arguments.
sub arrivals {
	my ($self) = @_;
	my %arrived;

	for my $path (glob "'" . $self->path('/tmp/relay') . "'/*.env") {
		my $envelope = slurp($path);
		my $bytes = slurp($path =~ s/env\z/msg/r) =~ s/\r\n/\n/gr;
		my ($mail, $sender) = $envelope =~ /^mail (<(.*?)>.*)$/m;
		$bytes =~ s/\AReceived: .*\n(?:[ \t].*\n)*//;
		for my $rcpt ($envelope =~ /^rcpt (.*)$/mg) {
			my ($user) = $rcpt =~ /^<([^@]*)/;
			push @{$arrived{$user}}, { sender => $sender, bytes => $bytes,
				mail => $mail, rcpt => $rcpt };
		}
		unlink($path, $path =~ s/env\z/msg/r) == 2 or die "$path: $!";
	}
	return \%arrived;
}

1;
