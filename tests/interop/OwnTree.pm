# A tree of Debian packages, and namespaces to run what is in it: what
# PrivatePostfix.pm and RealCallers.pm share.
#
# The test runs *inside*: enter() starts it a second time in a mount, network,
# process, host name and, for an ordinary user, user namespace.  There it is
# process 1, so that no process it started outlives it, and root, so that it
# can be any user; nothing leaves, for there is nothing but a loopback
# interface.  What it mounts nobody outside sees, and is gone with the test.

package OwnTree;

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use Fcntl qw(:flock);
use File::Path qw(make_path);
use POSIX qw(_exit);
use Socket;

our @EXPORT_OK = qw(enter fetch mount_memory mount_devices run spew slurp start_within);

# Runs this test again in namespaces of its own and does not return, or
# returns if it is already there, or returns why that is not possible.
sub enter {
	if (delete $ENV{INTEROP_INSIDE}) {
		loopback_up();
		return undef;
	}
	my @own = qw(unshare --mount --net --pid --uts --fork --kill-child
	    --mount-proc);

	for my $way ([@own], [@own, qw(--map-root-user --map-auto)]) {
		next if system("@$way true >/dev/null 2>&1") != 0;
		local $ENV{INTEROP_INSIDE} = 1;
		exec @$way, $^X, $0 or die "unshare: $!\n";
	}
	return $> == 0 ? 'no namespaces here (unshare is not permitted)' :
	    'no namespaces with several users here (unshare --map-auto)';
}

# Unpacks the packages below $build/interop/$name unless they are there.
# Returns the tree, or nothing if it cannot be had.
sub fetch {
	my ($here, $build, $name, @packages) = @_;

	make_path("$build/interop/$name");
	my $directory = abs_path("$build/interop/$name");
	return system("$here/fetch.sh", $directory, @packages) == 0 ?
	    "$directory/root" : undef;
}

sub has_npm {
	return scalar grep { -x "$_/npm" } split /:/, $ENV{PATH} // '';
}

# A package without dependencies from npm, unpacked; nothing if the machine has
# no npm or cannot download it.  To be called before enter(), for there is no
# network after it.
sub npm {
	my ($name, $major) = @_;
	my $place = ($ENV{BUILD} // 'build') . "/interop/npm/$name-$major";

	return undef if !has_npm();
	make_path($place);
	$place = abs_path($place);
	open my $lock, '>', "$place/lock" or die "$place/lock: $!";
	flock $lock, LOCK_EX or die "flock: $!";
	if (!-e "$place/complete" && system("cd '$place' && rm -rf package && " .
	    "npm pack --silent --fetch-retries=1 '$name\@$major' >&2 && tar -xzf $name-*.tgz && " .
	    "rm $name-*.tgz && chmod -R a+rX package && : >complete") != 0) {
		die "npm cannot download $name\n" if $ENV{INTEROP_REQUIRED};
		return undef;
	}
	return "$place/package";
}

sub loopback_up {
	socket(my $socket, AF_INET, SOCK_DGRAM, 0) or die "socket: $!";
	my $request = pack 'Z16 s x22', 'lo', 0;
	ioctl($socket, 0x8913, $request) or die "SIOCGIFFLAGS: $!";
	my $flags = (unpack 'Z16 s', $request)[1];
	$request = pack 'Z16 s x22', 'lo', $flags | 1;
	ioctl($socket, 0x8914, $request) or die "SIOCSIFFLAGS: $!";
}

# File systems in memory on the directories of the tree.
sub mount_memory {
	my ($root, @places) = @_;

	for my $place (@places) {
		run("mount -t tmpfs -o mode=755 tmpfs '$root$place'");
	}
}

# The devices, in a /dev that is in memory.
sub mount_devices {
	my ($root, @devices) = @_;

	for my $device (@devices) {
		spew("$root$device", '');
		run("mount --bind $device '$root$device'");
	}
}

# Runs a command of the shell, which has to succeed.
sub run {
	my @command = @_;

	my $output = qx{exec 2>&1; @command};
	die "@command: $output" if $? != 0;
	return $output;
}

# Starts a command that stays in the foreground, in the tree, in a process group
# of its own; what it says goes to that file.  Its number.
sub start_within {
	my ($root, $output, @command) = @_;

	defined(my $pid = fork) or die "fork: $!";
	return $pid if $pid != 0;
	setpgrp;
	open STDIN, '<', '/dev/null';
	open STDOUT, '>>', $output;
	open STDERR, '>&', \*STDOUT;
	%ENV = (PATH => '/usr/sbin:/usr/bin:/sbin:/bin');
	chroot $root and chdir '/' and exec { $command[0] } @command;
	_exit(71);
}

sub spew {
	my ($path, $text, $mode) = @_;

	open my $file, '>:raw', $path or die "$path: $!";
	print $file $text or die "$path: $!";
	close $file or die "$path: $!";
	chmod $mode // 0644, $path or die "$path: $!";
}

sub slurp {
	my ($path) = @_;

	open my $file, '<:raw', $path or die "$path: $!";
	local $/;
	return scalar(<$file>) // '';
}

1;
