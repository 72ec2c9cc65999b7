# The programs that ours is compared with: where they come from, and what all of
# them share. Each is a class that inherits from Peers and has
#
#	NAME			its column
#	packages		the Debian packages that are unpacked for it, the one
#				that it is in first
#	configure		called once its tree is furnished
#	end			called at the end
#
# and, as far as it can, what returns contestants as Measure.pm wants them:
#
#	starts			the least that it does
#	sends($sink, $file, recipients => N, system => 0|1)
#				the command returns when the sink has the message
#	hands_over($sink, $file, ...)
#				the command returns before; a process in the background
#				sends
#	queues($file)		the command returns when the message is on disk; nothing
#				is sent
#	runs_queue($sink, $file, $messages)
#				sends what is in a queue that was filled before
#	CHUNKING		a constant: it uses that where it is offered
#	runs_far		a constant: it does so by many connections, so that it
#				is worth trying over a long way
#
# A tree has its own C library. Its /etc, /tmp, /dev and /run are in memory; /var,
# where queues are, is a directory on the disk, and /mnt is the directory of the
# benchmark, with messages and certificates.

package Peers;

use strict;
use warnings;

use Cwd ();
use File::Path qw(make_path remove_tree);
use FindBin;
use POSIX ();
use Time::HiRes qw(sleep time);

use OwnTree qw(mount_memory mount_devices run spew slurp);
use World;

use constant {
	NULLMAIL_UID	=> 70,
	MAIL_UID	=> 8,
	EXIM_UID	=> 101,
	POSTFIX_UID	=> 102,
	POSTDROP_GID	=> 103,
	PATIENCE	=> 20,		# seconds for a daemon to start or end
};

sub classes {
	require Clients;
	require Queuers;
	require Servers;
	return qw(Clients::Msmtp Clients::Curl Queuers::Dma Queuers::Nullmailer
	    Servers::Postfix Servers::Exim);
}

sub names {
	return map { $_->NAME } classes();
}

# Unpacks the packages of all, each program's in a tree of its own, for they
# exclude each other. Returns { name => tree }, or nothing without any.
sub fetch {
	my ($build) = @_;
	my %trees;

	for my $class (classes()) {
		my $place = "$build/bench/packages/" . $class->NAME;
		make_path($place);
		my $done = system("'$FindBin::Bin/../interop/fetch.sh' '$place' " .
		    join(' ', $class->packages) . " >'$place/log' 2>&1") == 0;
		print STDERR 'bench: ', $class->NAME, " cannot be fetched: see $place/log\n" if !$done;
		$trees{$class->NAME} = Cwd::abs_path("$place/root") if $done;
	}
	return %trees ? \%trees : undef;
}

# Furnishes the trees and gives the world its peers; within namespaces.
sub begin {
	my ($world, $trees) = @_;

	for my $class (grep { $trees->{$_->NAME} } classes()) {
		my $self = bless { world => $world, root => $trees->{$class->NAME} }, $class;
		my $done = eval { $self->furnish; $self->configure; 1 };
		print STDERR "bench: ", $class->NAME, " is left out: $@" if !$done;
		push @{$world->{peers}}, $self if $done;
	}
}

sub path {
	my ($self, $path) = @_;

	return "$self->{root}$path";
}

# A file of the benchmark's, as the program sees it.
sub inside {
	my ($self, $path) = @_;

	return '/mnt' . substr $path, length $self->{world}{dir};
}

# Name and version, without what Debian adds to it.
sub version {
	my ($self) = @_;
	my ($package) = $self->packages;

	return $self->NAME . ' ' . (slurp($self->path('/.packages')) =~
	    /^\Q$package\E (?:\d+:)?(.*?)(?:-[^-]*)?$/m ? $1 : '?');
}

sub configure {
}

sub end {
	my ($self) = @_;

	$self->stop;
}

sub furnish {
	my ($self) = @_;
	my $root = $self->{root};
	my $var = $self->{world}->directory('var-' . $self->NAME);
	my %uid = (root => 0, mail => MAIL_UID, nullmail => NULLMAIL_UID, 'Debian-exim' => EXIM_UID,
	    postfix => POSTFIX_UID, nobody => 65534);
	my %gid = (%uid, postdrop => POSTDROP_GID);

	mount_memory($root, qw(/etc /tmp /dev /run));
	mount_devices($root, qw(/dev/null /dev/urandom));
	run("mount --bind '$self->{world}{dir}' '$root/mnt'");
	run("mount --bind '$var' '$root/var'");
	chmod 0755, $var;
	make_path(map { $self->path($_) } '/etc/ssl/certs', '/var/log', '/var/spool', '/var/lib',
	    '/var/tmp');
	chmod 01777, map { $self->path($_) } '/tmp', '/var/tmp';
	spew($self->path('/etc/passwd'), join '', map { "$_:x:$uid{$_}:$uid{$_}::/:/bin/false\n" }
	    sort keys %uid);
	spew($self->path('/etc/group'), join '', map { "$_:x:$gid{$_}:\n" } sort keys %gid);
	spew($self->path('/etc/hosts'), "127.0.0.1 localhost\n");
	spew($self->path('/etc/nsswitch.conf'), "passwd: files\ngroup: files\nhosts: files\n");
	spew($self->path('/etc/services'), "smtp 25/tcp\n");
	spew($self->path('/etc/mailname'), "bench.example.net\n");
	symlink '/mnt/certs/bundle.pem', $self->path('/etc/ssl/certs/ca-certificates.crt');
	run("/sbin/ldconfig -r '$root'");
}

# A process of the program's that stays, in its tree.
sub daemon {
	my ($self, @command) = @_;

	$self->{daemon} = OwnTree::start_within($self->{root}, $self->path('/tmp/daemon.out'), @command);
}

sub stop {
	my ($self) = @_;
	my $pid = delete $self->{daemon} or return;

	kill 'TERM', -$pid;
	for (1 .. PATIENCE / 0.05) {
		return if waitpid($pid, POSIX::WNOHANG()) != 0;
		sleep 0.05;
	}
	kill 'KILL', -$pid;
	waitpid $pid, 0;
}

sub await {
	my ($self, $what, $done) = @_;
	my $end = time + PATIENCE;

	until ($done->()) {
		die 'waited in vain for ' . $self->NAME . "'s $what: " .
		    (-e $self->path('/tmp/daemon.out') ? slurp($self->path('/tmp/daemon.out')) : '') .
		    "\n" if time > $end;
		sleep 0.01;
	}
}

# A contestant that is this program.
sub contestant {
	my ($self, $sink, %more) = @_;

	return { name => $self->NAME, root => $self->{root}, sink => $sink, %more };
}

# Keeps a copy of a queue, and brings it back.
sub keep {
	my ($self, $queue) = @_;
	my $copy = $self->path("$queue.full");

	remove_tree($copy);
	run("cp -a '" . $self->path($queue) . "' '$copy'");
}

sub bring_back {
	my ($self, $queue) = @_;
	my $place = $self->path($queue);

	remove_tree($place);
	run("cp -a '$place.full' '$place' && sync -f '$place'");
}

1;
