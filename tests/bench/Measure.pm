# Runs contestants side by side and takes medians.
#
#	my $result = contest($world, rounds => 5, repeat => 4, [ \%contestant ... ]);
#	print $result->{ours}{wall};		# nanoseconds, the median
#	print $result->{msmtp}{failed};		# or why it has no figures
#
# Round by round each contestant has its turn, in the order given and, every
# other round, in the opposite one, so that what the machine does meanwhile
# befalls all of them alike. A first turn is not counted, unless warm is 0: what it
# needs is in memory afterwards. A contestant is
#
#	name		its column
#	argv		the command
#	env		its environment, beside PATH ({})
#	stdin		a file (/dev/null)
#	root, uid	where and as whom it runs (see measure.c)
#	sink		what must get the mail (World.pm); with it
#	messages	so many in each run (1); recipients (messages); octets, at least
#	until		1: the command returns before; it is waited for the sink
#	daemon		1: the command does not end by itself
#	before, after	sub called before and after each turn, not measured
#	deadline	seconds for each run (60)
#	once		1: takes long; one turn in all, no first one
#	repeat		runs in each turn, where it is another number
#
# Figures: wall, until (nanoseconds: until the command returned, until the sink had
# the message), there (the later of them), cpu (microseconds), memory (KiB). Where
# others go on when the command has returned, cpu and memory are not known.

package Measure;

use strict;
use warnings;

use Exporter qw(import);
use Time::HiRes qw(sleep time);

use OwnTree qw(slurp);

our @EXPORT_OK = qw(contest median samples system_calls);

use constant PATIENCE => 5;	# seconds until what was sent is counted

sub median {
	my @sorted = sort { $a <=> $b } @_;
	my $middle = int(@sorted / 2);

	return @sorted % 2 ? $sorted[$middle] :
	    ($sorted[$middle - 1] + $sorted[$middle]) / 2;
}

sub command {
	my ($world, $contestant, $repeat) = @_;
	my $sink = $contestant->{sink};
	my $messages = $contestant->{messages} // 1;
	my @options = ('--stderr', $world->path('stderr'), '--repeat', $repeat,
	    '--deadline', $contestant->{deadline} // 60);

	push @options, '--stdin', $contestant->{stdin} if $contestant->{stdin};
	push @options, '--chroot', $contestant->{root} if $contestant->{root};
	push @options, '--uid', $contestant->{uid} if $contestant->{uid};
	push @options, '--until', $sink->{counters}, 'messages', $messages
	    if $contestant->{until} || $contestant->{daemon};
	push @options, '--daemon' if $contestant->{daemon};
	return ($world->program('measure'), @options, '--', @{$contestant->{argv}});
}

# What the command said on standard error, in one line.
sub complaint {
	my ($world) = @_;
	my $text = -e $world->path('stderr') ? slurp($world->path('stderr')) : '';

	$text =~ s/\s+/ /g;
	return substr $text, 0, 300;
}

# Dies unless exactly what was sent is there: as many messages and recipients, and no
# octets lost (some programs add header fields).
sub arrived {
	my ($world, $contestant, $repeat, %before) = @_;
	my $messages = $contestant->{messages} // 1;
	my %want = (messages => $messages * $repeat,
	    recipients => ($contestant->{recipients} // $messages) * $repeat);
	my $octets = ($contestant->{octets} // 0) * $repeat;
	my $end = time + PATIENCE;
	my %got;

	do {
		my %now = $world->counters($contestant->{sink});
		%got = map { $_ => ($now{$_} // 0) - ($before{$_} // 0) } keys %want, 'octets';
		return if $got{octets} >= $octets && !grep { $got{$_} != $want{$_} } keys %want;
		sleep 0.01;
	} while time < $end;
	$want{octets} = $octets;
	die join(', ', map { "$got{$_} $_ of $want{$_} arrived" } sort keys %want) .
	    '; ' . complaint($world) . "\n";
}

# One turn. Returns its samples, or dies with what went wrong.
sub samples {
	my ($world, $contestant, $repeat) = @_;
	my @samples;

	unlink $world->path('stderr');
	$contestant->{before}->() if $contestant->{before};
	my %before = $contestant->{sink} ? $world->counters($contestant->{sink}) : ();
	{
		local %ENV = (PATH => '/usr/sbin:/usr/bin:/sbin:/bin',
		    %{$contestant->{env} // {}});
		open my $measure, '-|', command($world, $contestant, $repeat)
		    or die "measure: $!";
		while (defined(my $line = <$measure>)) {
			chomp $line;
			my ($wall, $user, $system, $memory, $status, $until) = split ' ', $line;
			die "exit status $status: " . complaint($world) . "\n"
			    if $status != 0 && !$contestant->{daemon};
			die 'never arrived: ' . complaint($world) . "\n"
			    if defined $until && $until == 0;
			push @samples, defined $until ? { wall => $wall, until => $until,
			    there => $until } : { wall => $wall, there => $wall,
			    cpu => $user + $system, memory => $memory };
		}
		close $measure;
	}
	die "measure: only " . @samples . " of $repeat runs\n" if @samples != $repeat;
	arrived($world, $contestant, $repeat, %before) if $contestant->{sink};
	$contestant->{after}->() if $contestant->{after};
	return @samples;
}

sub contest {
	my ($world, %option) = @_;
	my @contestants = @{$option{contestants}};
	my (%samples, %result);

	for my $round (($option{warm} // 1 ? 0 : 1) .. $option{rounds}) {
		for my $contestant ($round % 2 ? @contestants : reverse @contestants) {
			my $name = $contestant->{name};
			next if $result{$name}{failed} || $contestant->{once} && $round != 1;
			my $repeat = $contestant->{repeat} // $option{repeat} // 1;
			my @got = eval { samples($world, $contestant, $round ? $repeat : 1) };
			if ($@) {
				chomp($result{$name}{failed} = $@);
				next;
			}
			push @{$samples{$name}}, @got if $round;
		}
	}
	for my $name (grep { !$result{$_}{failed} } keys %samples) {
		for my $figure (keys %{$samples{$name}[0]}) {
			$result{$name}{$figure} = median(map { $_->{$figure} } @{$samples{$name}});
		}
	}
	return \%result;
}

# The number of system calls of one run, all its processes taken together. What
# brings it into its tree does not count.
sub system_calls {
	my ($world, $contestant) = @_;
	my $record = $world->path('strace');
	my @command = @{$contestant->{argv}};
	my $program = $command[0];
	my ($calls, $within) = (0, 0);

	unshift @command, 'chroot', $contestant->{root} if $contestant->{root};
	unlink $record;
	samples($world, { %$contestant, root => undef,
	    argv => ['strace', '-f', '-o', $record, @command] }, 1);
	for my $line (split /\n/, slurp($record)) {
		$within ||= $line =~ /^\d+\s+execve\("\Q$program\E"/;
		$calls++ if $within && $line =~ /^\d+\s+\w+\(/;
	}
	return $calls;
}

1;
