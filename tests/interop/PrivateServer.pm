# A mail server of one's own, for a test: on loopback, in namespaces of its own
# (see OwnTree.pm), from a tree that fetch.sh unpacked.  What PrivatePostfix,
# PrivateExim and the like share.
#
# A server is a class that inherits from this one and has
#
#	fetch($here, $build)	a function: the tree it runs in, or undef
#	configure, start	called by new(), in this order
#	version			its name and version, for people
#	ways			{ name => smarthost section }, unless it is as below
#	offers			{ dsn => 0|1, utf8 => 0|1, size => octets,
#				mechanisms => [ ... ] }
#	settle			waits until every session begun since the last call
#				has ended and what came in is in the mailboxes;
#				returns what was logged meanwhile
#	arrivals		takes all mail out of the mailboxes: { user =>
#				[ { sender, bytes } ... ] }: as it was submitted, with
#				LF line ends, without what the server put before it
#	auth_used($log)		the mechanism of the last session that signed in
#	dsn_asked($log, $arrived)
#				whether a notice of success was asked for, with
#				ENVID id+=7 and ORCPT rfc822;usera@interop.test
#
# It wants AUTH as user@interop.test.  In that domain user and usera to userh have
# mailboxes, nobody has none (550).
#
# All that it writes lies on file systems in memory that nobody outside sees,
# and is gone with the test.

package PrivateServer;

use strict;
use warnings;

use File::Path qw(make_path);
use FindBin;
use POSIX qw(WNOHANG);
use Socket;
use Time::HiRes qw(sleep time);

use lib $FindBin::Bin;
use OwnTree qw(mount_memory mount_devices run spew slurp);

use constant {
	DOMAIN		=> 'interop.test',
	PASSWORD	=> q{open "sesame" \\ $HOME %00 },
	LIFETIME	=> 600,		# seconds; no test takes a tenth of it
	PATIENCE	=> 60,		# seconds to wait for any one thing
	MAIL_UID	=> 7001,	# owns the mailboxes
};

sub new {
	my ($class, $root) = @_;
	my $self = bless { root => $root, seen => 0 }, $class;

	mount_memory($root, qw(/etc /var /tmp /dev));
	mount_devices($root, qw(/dev/null /dev/urandom));
	make_path(map { $self->path($_) } '/var/log', '/var/mail', '/var/spool',
	    '/var/lib', '/var/run', '/var/tmp');
	chmod 01777, map { $self->path($_) } '/tmp', '/var/tmp';
	chown MAIL_UID, MAIL_UID, $self->path('/var/mail');
	$self->certificates;
	$self->identities;
	spew($self->path('/tmp/password'), PASSWORD, 0600);
	spew($self->path('/tmp/wrong-password'), PASSWORD . 'x', 0600);
	$self->configure;
	$self->start;
	return $self;
}

# A path of the server's, as the test sees it.
sub path {
	my ($self, $path) = @_;

	return "$self->{root}$path";
}

# The same as a value in sendmail.conf.
sub quoted {
	my ($self, $path) = @_;

	return '"' . $self->path($path) . '"';
}

# A smarthost section for the account; what is given replaces or adds.
sub section {
	my ($self, %change) = @_;

	return {
		port => 587, tls => '"starttls"', user => '"user@' . DOMAIN . '"',
		'password-file' => $self->quoted('/tmp/password'),
		'tls-ca-file' => $self->quoted('/tmp/tls/ca.pem'), %change,
	};
}

# What most have; also what it is called.
sub ways {
	my ($self) = @_;

	return {
		'587, STARTTLS' => $self->section,
		'465, implicit TLS' =>
		    $self->section(port => 465, tls => '"implicit"'),
	};
}

# The version of a package in the tree, without its epoch.
sub packaged {
	my ($self, $package) = @_;

	return slurp($self->path('/.packages')) =~ /^\Q$package\E (?:\d+:)?(.*)$/m ? $1 : '?';
}

# Two authorities, so that one can be the wrong one; the server's certificate,
# and one for the client user@interop.test.
sub certificates {
	my ($self) = @_;
	my $to = $self->path('/tmp/tls');
	my $new = 'openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:' .
	    'prime256v1 -nodes -days 2';
	my $signed = "-CA '$to/ca.pem' -CAkey '$to/ca.key'" .
	    ' -addext basicConstraints=critical,CA:FALSE';

	make_path($to);
	for my $name (qw(ca other-ca)) {
		run("$new -subj /CN=$name -keyout '$to/$name.key' -out '$to/$name.pem'");
	}
	run("$new -subj /CN=localhost $signed" .
	    ' -addext subjectAltName=DNS:localhost,IP:127.0.0.1' .
	    " -keyout '$to/server.key' -out '$to/server.pem'");
	run("$new -subj /CN=user\@${\DOMAIN} $signed" .
	    ' -addext extendedKeyUsage=clientAuth' .
	    " -addext subjectAltName=email:user\@${\DOMAIN}" .
	    " -keyout '$to/client.key' -out '$to/client.pem'");
	chomp($self->{fingerprint} = run(
	    "openssl x509 -in '$to/server.pem' -noout -sha256 -fingerprint"));
	$self->{fingerprint} =~ s/.*=//;
}

# Users of the server's own: { name => uid }.
sub users {
	return {};
}

# Who there is, and what else /etc must have.
sub identities {
	my ($self) = @_;
	my %uid = (root => 0, mail => MAIL_UID, nobody => 65534, %{$self->users});

	spew($self->path('/etc/passwd'), join '', map {
	    "$_:x:$uid{$_}:$uid{$_}::/:/bin/false\n" } sort keys %uid);
	spew($self->path('/etc/group'), join '', map { "$_:x:$uid{$_}:\n" }
	    sort keys %uid);
	spew($self->path('/etc/hosts'), "127.0.0.1 localhost\n");
	spew($self->path('/etc/nsswitch.conf'),
	    "passwd: files\ngroup: files\nhosts: files\n");
	spew($self->path('/etc/services'),
	    "smtp 25/tcp\nsubmission 587/tcp\nsubmissions 465/tcp\n");
}

# Starts the daemon, a command that stays in the foreground, in its tree.
sub daemon {
	my ($self, @command) = @_;

	unlink $self->path('/tmp/daemon.out');
	$self->{daemon} = OwnTree::start_within($self->{root}, $self->path('/tmp/daemon.out'), @command);
}

sub can_connect {
	my ($port) = @_;

	socket(my $socket, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
	return connect $socket, sockaddr_in($port, INADDR_LOOPBACK);
}

sub await_port {
	my ($self, $port) = @_;

	$self->await("port $port", sub { can_connect($port) });
}

# Polls until &$done returns true.  Dies when the server does or when it takes
# longer than anything ever should.
sub await {
	my ($self, $what, $done) = @_;
	my $end = time + PATIENCE;

	until ($done->()) {
		die 'the server ended: ' . slurp($self->path('/tmp/daemon.out'))
		    if waitpid($self->{daemon}, WNOHANG) != 0;
		die $self->log_tail, "waited in vain for $what\n" if time > $end;
		sleep 0.02;
	}
}

# The processes that the daemon has started and that have not ended: of a server
# that forks for each connection, its sessions.
sub sessions {
	my ($self) = @_;
	my @found;

	for my $path (glob '/proc/[0-9]*/stat') {
		open my $file, '<', $path or next;
		my ($pid, $parent) = (<$file> // '') =~ /\A(\d+) \(.*\) \S (\d+) /s or next;
		push @found, $pid if $parent == $self->{daemon};
	}
	return @found;
}

# Where its log is.
sub log_path {
	return '/var/log/mail.log';
}

sub log_text {
	my ($self) = @_;
	my $path = $self->path($self->log_path);

	return -e $path ? slurp($path) : '';
}

# What explains a failure.
sub log_tail {
	my ($self) = @_;

	return $self->log_text =~ /((?:.*\n){0,20})\z/ ? $1 : '';
}

sub stop {
	my ($self) = @_;

	return if !$self->{daemon};
	kill 'TERM', $self->{daemon};
	for (1 .. 100) {
		return if waitpid($self->{daemon}, WNOHANG) != 0;
		sleep 0.05;
	}
	kill 'KILL', $self->{daemon};
}

1;
