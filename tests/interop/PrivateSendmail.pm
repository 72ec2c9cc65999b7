# A Sendmail 8 of one's own, for a test: see PrivateServer.pm.
#
#   587  STARTTLS offered; PLAIN and LOGIN only after it
#   465  implicit TLS
# Both want AUTH (Cyrus SASL, sasldb), or for EXTERNAL a client certificate, which
# is asked of every client.  PIPELINING, SIZE, DSN; no BDAT, no SMTPUTF8.  At most
# 100 recipients a message (452), 1 MiB a message, 32 KiB a header (552).  user1 to
# user150 have mailboxes too; "later" is refused for now (451), and so is, for
# good, after the data, what has "refuse" in its Subject (554) or a NUL in it.
#
# Its configuration is made from its own macros (m4).  The mailer is a line of
# Perl; it adds no header field but Received.

package PrivateSendmail;

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
	HEADER_LIMIT	=> 1 << 15,
	USERS		=> 150,
	MECHANISMS	=> 'EXTERNAL SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN',
};

sub fetch {
	my ($here, $build) = @_;

	return OwnTree::fetch($here, $build, 'sendmail', qw(sendmail-bin
	    sasl2-bin libsasl2-modules libsasl2-modules-db));
}

sub version {
	my ($self) = @_;

	return 'Sendmail ' . $self->packaged('sendmail-bin');
}

sub offers {
	my ($self) = @_;

	return {
		dsn => 1, utf8 => 0, size => SIZE_LIMIT,
		mechanisms => [split / /, MECHANISMS],
		sections => { EXTERNAL => {
			'password-file' => undef,
			'tls-certificate' => $self->quoted('/tmp/tls/client.pem'),
			'tls-key' => $self->quoted('/tmp/tls/client.key'),
		} },
	};
}

# The log is the dialogue.
sub auth_used {
	my ($self, $log) = @_;
	my @tried = $log =~ /<<< AUTH (\S+)/g;

	return $log =~ />>> 235 / ? $tried[-1] : undef;
}

# The null sender of its own notices is told to the mailer by this name.
sub dsn_asked {
	my ($self, $log, $arrived) = @_;
	my $notice = $arrived->{user}[0] // return 0;

	return $notice->{sender} eq 'MAILER-DAEMON' && $notice->{bytes} =~ /^Action: delivered/m &&
	    $notice->{bytes} =~ /^Original-Envelope-Id: id\+=7$/mi &&
	    $notice->{bytes} =~ /^Original-Recipient: rfc822;\s*usera\@/mi;
}

sub configure {
	my ($self) = @_;
	my $domain = DOMAIN;

	make_path(map { $self->path($_) } qw(/etc/mail/tls /etc/sasl2
	    /var/spool/mqueue /var/run/sendmail/mta));
	chmod 0700, $self->path('/var/spool/mqueue');
	spew($self->path("/etc/mail/tls/$_"), slurp($self->path("/tmp/tls/$_")), 0600)
	    for qw(ca.pem server.pem server.key);
	spew($self->path('/etc/sasl2/Sendmail.conf'), <<~END, 0600);
		pwcheck_method: auxprop
		auxprop_plugin: sasldb
		sasldb_path: /etc/mail/sasldb
		END
	spew($self->path('/etc/mail/mailboxes'), join '', map { "$_\n" }
	    'user', map { "user$_" } 'a' .. 'h', 1 .. USERS);
	spew($self->path('/etc/mail/service.switch'), "hosts files\naliases files\n");
	spew($self->path('/etc/mail/deliver'), <<~'END');
		use strict;
		use warnings;
		my ($sender, $user) = @ARGV;
		my $path = "/var/mail/$user.$$." . time;
		open my $file, '>', "$path.new" or die "$path: $!";
		print $file "$sender\n", <STDIN>;
		close $file or die "$path: $!";
		rename "$path.new", $path or die "$path: $!";
		END
	spew($self->path('/etc/mail/sendmail.mc'), <<~END);
		OSTYPE(`linux')
		FEATURE(`no_default_msa')
		FEATURE(`nocanonify')
		FEATURE(`accept_unresolvable_domains')
		define(`confDOMAIN_NAME', `mx.$domain')
		define(`confDELIVERY_MODE', `interactive')
		define(`confQUEUE_LA', `1000000')
		define(`confREFUSE_LA', `0')
		define(`confMAX_MESSAGE_SIZE', `${\SIZE_LIMIT}')
		define(`confREJECT_NUL', `True')
		define(`confMAX_HEADERS_LENGTH', `${\HEADER_LIMIT}')
		define(`confMAX_RCPTS_PER_MESSAGE', `${\RECIPIENT_LIMIT}')
		define(`confAUTH_REALM', `$domain')
		define(`confAUTH_MECHANISMS', `${\MECHANISMS}')
		TRUST_AUTH_MECH(`${\MECHANISMS}')
		define(`confAUTH_OPTIONS', `p,y')
		define(`confCACERT', `/etc/mail/tls/ca.pem')
		define(`confCACERT_PATH', `/etc/mail/tls')
		define(`confSERVER_CERT', `/etc/mail/tls/server.pem')
		define(`confSERVER_KEY', `/etc/mail/tls/server.key')
		DAEMON_OPTIONS(`Name=MSA, Addr=127.0.0.1, Port=587, M=aE')
		DAEMON_OPTIONS(`Name=MSAS, Addr=127.0.0.1, Port=465, M=asE')
		MAILER_DEFINITIONS
		Mmailbox, P=/usr/bin/perl, F=ln8, S=0, R=0, L=0, U=mail:mail,
			T=DNS/RFC822/X-Unix, A=perl /etc/mail/deliver \$g \$u
		Mlocal, P=/bin/false, F=l, T=X-Unix/X-Unix/X-Unix, A=false
		Mprog, P=/bin/false, F=l, T=X-Unix/X-Unix/X-Unix, A=false
		LOCAL_CONFIG
		Cw$domain
		F{Mailbox}/etc/mail/mailboxes
		LOCAL_RULE_0
		R\$={Mailbox} <@ $domain .>	\$#mailbox \$: \$1
		Rlater <@ \$* >	\$#error \$@ 4.7.1 \$: "451 Greylisted"
		R\$*	\$#error \$@ 5.1.1 \$: "550 Unknown user"
		LOCAL_RULESETS
		HSubject: \$>CheckSubject
		SCheckSubject
		R\$* refuse \$*	\$#error \$@ 5.7.1 \$: "554 Refused for its content"
		END
	spew($self->path('/etc/mail/sendmail.cf'), $self->from_macros);
}

# The configuration proper.
sub from_macros {
	my ($self) = @_;
	my $macros = '/usr/share/sendmail/cf/';

	return run("chroot '$self->{root}' /usr/bin/m4 -D_NO_MAKEINFO_" .
	    " -D_CF_DIR_=$macros ${macros}m4/cf.m4 /etc/mail/sendmail.mc");
}

sub start {
	my ($self) = @_;

	run("chroot '$self->{root}' /usr/sbin/saslpasswd2 -p -c -u " . DOMAIN .
	    " -f /etc/mail/sasldb user <'$self->{root}/tmp/password'");
	chmod 0600, $self->path('/etc/mail/sasldb');
	$self->daemon('/usr/libexec/sendmail/sendmail', '-bD', '-X', $self->log_path);
	$self->await_port($_) for 587, 465;
}

# A session has delivered what it accepted, and any notice of it, when it ends.
sub settle {
	my ($self) = @_;

	$self->await('the end of all sessions', sub { !$self->sessions });
	my $text = substr $self->log_text, $self->{seen};
	$self->{seen} += length $text;
	return $text;
}

sub arrivals {
	my ($self) = @_;
	my %arrived;

	for my $path (glob "'" . $self->path('/var/mail') . "'/*") {
		my ($user) = $path =~ m{/([^/.]+)[^/]*\z};
		my ($sender, $bytes) = split /\n/, slurp($path), 2;
		$bytes =~ s/\AReceived: .*\n(?:[ \t].*\n)*//;
		push @{$arrived{$user}}, { sender => $sender, bytes => $bytes };
		unlink $path or die "$path: $!";
	}
	return \%arrived;
}

1;
