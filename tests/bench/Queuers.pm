# dma and nullmailer, which have a queue and send from it; see Peers.pm.

package Queuers::Dma;

use strict;
use warnings;

use File::Path qw(make_path remove_tree);

use OwnTree qw(spew);
use Peers;
use World;

our @ISA = qw(Peers);

use constant {
	NAME	=> 'dma',
	runs_far => 1,		# uses several connections at a time
	SPOOL	=> '/var/spool/dma',
};

sub packages {
	return qw(dma);
}

sub configure {
	my ($self) = @_;

	make_path($self->path('/etc/dma'));
	$self->empty;
}

sub empty {
	my ($self) = @_;
	my $spool = $self->path(SPOOL);

	remove_tree($spool);
	make_path($spool);
	chown Peers::MAIL_UID, Peers::MAIL_UID, $spool or die "chown: $!";
	chmod 02770, $spool;
}

sub settings {
	my ($self, $sink, @more) = @_;

	spew($self->path('/etc/dma/auth.conf'), World::USER . '|' . World::HOST . ':' .
	    World::PASSWORD . "\n", 0644);
	spew($self->path('/etc/dma/dma.conf'), join '', map { "$_\n" } 'SMARTHOST ' . World::HOST,
	    "PORT $sink->{port}", 'AUTHPATH /etc/dma/auth.conf', 'SECURETRANSFER',
	    $sink->{implicit} ? () : 'STARTTLS', 'MAILNAME bench.example.net', @more);
}

sub command {
	my ($self, @recipients) = @_;

	return ['/usr/sbin/dma', '-i', '-f', World::SENDER, @recipients];
}

# With -D it stays in the foreground. For each recipient it has a connection, in the
# background all at once.
sub sends {
	my ($self, $sink, $file, %option) = @_;
	my @command = @{$self->command(World::RECIPIENT)};

	return if $option{system};	# it checks no certificate at all
	return $self->hands_over($sink, $file, %option) if ($option{recipients} // 1) > 1;
	return $self->contestant($sink, stdin => $file, before => sub { $self->settings($sink) },
	    argv => [$command[0], '-D', @command[1 .. $#command]]);
}

sub hands_over {
	my ($self, $sink, $file, %option) = @_;
	my $recipients = $option{recipients} // 1;

	return $self->contestant($sink, stdin => $file, until => 1, messages => $recipients,
	    deadline => 120, $recipients > 1 ? (once => 1) : (),
	    before => sub { $self->settings($sink) },
	    argv => $self->command($self->{world}->recipients($recipients)));
}

sub queues {
	my ($self, $file) = @_;

	return $self->contestant(undef, stdin => $file, after => sub { $self->empty },
	    before => sub { $self->settings($self->{world}->sink, 'DEFER') },
	    argv => $self->command(World::RECIPIENT));
}

# A process for each message, all at once.
sub runs_queue {
	my ($self, $sink, $file, $messages) = @_;

	$self->settings($sink, 'DEFER');
	$self->empty;
	Measure::samples($self->{world}, $self->contestant(undef, stdin => $file,
	    argv => $self->command(World::RECIPIENT)), $messages);
	$self->keep(SPOOL);
	return $self->contestant($sink, messages => $messages, until => 1, once => 1,
	    before => sub {
		$self->settings($sink);
		$self->bring_back(SPOOL);
	    }, after => sub { $self->empty }, argv => ['/usr/sbin/dma', '-q']);
}

package Queuers::Nullmailer;

use strict;
use warnings;

use File::Path qw(make_path remove_tree);
use POSIX qw(mkfifo);

use OwnTree qw(run spew);
use Peers;
use World;

our @ISA = qw(Peers);

use constant {
	NAME	=> 'nullmailer',
	SPOOL	=> '/var/spool/nullmailer',
};

sub packages {
	return qw(nullmailer);
}

sub configure {
	my ($self) = @_;

	make_path($self->path('/etc/nullmailer'));
	for my $name (qw(me defaultdomain defaulthost helohost)) {
		spew($self->path("/etc/nullmailer/$name"), "bench.example.net\n");
	}
	$self->empty;
}

sub empty {
	my ($self) = @_;
	my $spool = $self->path(SPOOL);

	remove_tree($spool);
	make_path(map { "$spool/$_" } qw(queue tmp failed));
	mkfifo("$spool/trigger", 0600) or die "mkfifo: $!";
	run("chown -R " . Peers::MAIL_UID . ":" . Peers::MAIL_UID . " '$spool'");
}

sub settings {
	my ($self, $sink) = @_;

	spew($self->path('/etc/nullmailer/remotes'), World::HOST . " smtp --port=$sink->{port} " .
	    ($sink->{implicit} ? '--ssl' : '--starttls') . ' --user=' . World::USER .
	    ' --pass=' . World::PASSWORD . " --x509cafile=/mnt/certs/ca.pem\n");
}

sub starts {
	my ($self) = @_;

	return $self->contestant(undef, argv => ['/usr/bin/nullmailer-inject', '--help']);
}

sub command {
	my ($self, @recipients) = @_;

	return ['/usr/bin/nullmailer-inject', '-f', World::SENDER, @recipients];
}

# The daemon that sends, while there is something to be sent.
sub hands_over {
	my ($self, $sink, $file, %option) = @_;
	my $recipients = $option{recipients} // 1;

	return $self->contestant($sink, stdin => $file, until => 1, recipients => $recipients,
	    deadline => 120, $recipients > 1 ? (once => 1) : (), before => sub {
		$self->stop;
		$self->settings($sink);
		$self->empty;
		$self->daemon('/usr/sbin/nullmailer-send');
		$self->await('start', sub { $self->listens });
	    }, after => sub { $self->stop },
	    argv => $self->command($self->{world}->recipients($recipients)));
}

# Whether somebody has the trigger open.
sub listens {
	my ($self) = @_;

	return sysopen my $trigger, $self->path(SPOOL . '/trigger'),
	    POSIX::O_WRONLY() | POSIX::O_NONBLOCK();
}

sub queues {
	my ($self, $file) = @_;

	return $self->contestant(undef, stdin => $file, before => sub { $self->empty },
	    argv => $self->command(World::RECIPIENT));
}

sub runs_queue {
	my ($self, $sink, $file, $messages) = @_;

	$self->settings($sink);
	$self->empty;
	Measure::samples($self->{world}, $self->contestant(undef, stdin => $file,
	    argv => $self->command(World::RECIPIENT)), $messages);
	$self->keep(SPOOL);
	return $self->contestant($sink, messages => $messages, daemon => 1, once => 1,
	    before => sub {
		$self->settings($sink);
		$self->bring_back(SPOOL);
	    }, after => sub { $self->empty }, argv => ['/usr/sbin/nullmailer-send']);
}

1;
