# The rows of the benchmark: what each of them runs. A row is a function that
# takes the world and the table, runs its contests, and adds lines to the table.
#
# A contestant that sends directly has one figure; one that leaves the delivery
# to a process in the background has two: when its command returns, and when the
# sink has the message.

package Rows;

use strict;
use warnings;

use Exporter qw(import);
use File::Path qw(remove_tree);

use Measure qw(contest system_calls);
use World;
use OwnTree qw(run spew slurp);

our @EXPORT_OK = qw(row_names row);

use constant {
	MS		=> 1e-6,	# of nanoseconds
	S		=> 1e-9,
	CPU_MS		=> 1e-3,	# of microseconds
	MIB_OF_KIB	=> 1 / 1024,
	TRIPS_RTT	=> 200,
	MANY_RTT	=> 20,
	FAR_RTT		=> 50,
	WINDOW		=> 100,
	BULK		=> 1000,
	FEWER		=> 5,		# times fewer, where it takes long
};

my @rows = (startup => \&startup, small => \&small, trips => \&trips,
    recipients => \&recipients, big => \&big, queued => \&queued, bulk => \&bulk,
    far => \&far, weight => \&weight);
my %row = @rows;
my @sends = qw(sends hands_over);

sub row_names {
	return @rows[grep { $_ % 2 == 0 } 0 .. $#rows];
}

sub row {
	my ($name, $world, $table) = @_;

	return $row{$name}->($world, $table);
}

# --- who takes part

sub floor_sends {
	my ($world, $sink, $file, %option) = @_;
	my $recipients = $option{recipients} // 1;
	my $messages = $option{messages} // 1;
	my $bdat = $option{bdat} // $sink->{chunking};

	return { name => 'floor', sink => $sink, messages => $messages,
	    recipients => $recipients * $messages,
	    env => $option{system} ? $world->system_trust : {},
	    argv => [$world->program('floor'), $world->floor_arguments($sink,
		$option{system} ? '--system' : (), $bdat ? '--bdat' : (),
		$recipients > 1 ? ('--recipients', $recipients) : (),
		$messages > 1 ? ('--messages', $messages) : (),
		$option{window} ? ('--window', $option{window}) : (), $world->wire_form($file))] };
}

sub ours_sends {
	my ($world, $sink, $file, %option) = @_;
	my $recipients = $option{recipients} // 1;

	return { name => 'ours', sink => $sink, stdin => $file, recipients => $recipients,
	    env => { %{$option{system} ? $world->system_trust : {}},
		%{$world->configuration($sink, system => $option{system})} },
	    argv => [$world->sendmail, '-i', '-f', World::SENDER, '--',
		$world->recipients($recipients)] };
}

# Ours, the floor, and of the peers those that can send in one of these ways, the
# first that they have. With bdat those that use CHUNKING where it is offered: the
# others do the same without it.
sub all {
	my ($ways, $world, $sink, $file, %option) = @_;
	my @contestants = (floor_sends($world, $sink, $file, %option),
	    ours_sends($world, $sink, $file, %option));

	for my $peer ($world->peers) {
		my ($way) = grep { $peer->can($_) } @$ways or next;
		next if $option{bdat} && !$peer->can('CHUNKING');
		push @contestants, $peer->$way($sink, $file, %option);	# or nothing
	}
	my $octets = -s $world->wire_form($file);
	return map { { %$_, octets => $octets * ($_->{messages} // 1) } } @contestants;
}

# Where each turn takes long: the peers have one.
sub peers_once {
	return map { { %$_, $_->{name} =~ /^(?:floor|ours)$/ ? () : (once => 1) } } @_;
}

sub all_slow {
	my ($world, $sink, $file, %option) = @_;

	return peers_once(all(\@sends, $world, $sink, $file, %option));
}

# A line for each of some figures.
sub lines {
	my ($table, $result, @lines) = @_;

	$table->row(cells => $result, %$_) for @lines;
}

# --- rows

sub startup {
	my ($world, $table) = @_;
	my @contestants = (
	    { name => 'floor', argv => [$world->program('floor'), '--startup'] },
	    { name => 'ours', argv => [$world->sendmail, '--version'] },
	    map { $_->can('starts') ? $_->starts : () } $world->peers);
	my $result = contest($world, rounds => $world->{rounds}, repeat => 20,
	    contestants => \@contestants);

	$table->heading('Start-up: --version, or what comes next to it');
	lines($table, $result,
	    { key => 'startup.wall', title => 'wall, ms', scale => MS, digits => 2, figure => 'wall' },
	    { key => 'startup.cpu', title => 'CPU, ms', scale => CPU_MS, digits => 2, figure => 'cpu' });
}

sub small {
	my ($world, $table) = @_;
	my $file = $world->message(World::KIB);
	my $sink = $world->sink;
	my %trust = (private => {}, system => { system => 1 });

	for my $trust (sort keys %trust) {
		my $ways = $trust eq 'private' ? [qw(hands_over sends)] : ['sends'];
		my $result = contest($world, rounds => $world->{rounds}, repeat => 6,
		    contestants => [all($ways, $world, $sink, $file, %{$trust{$trust}})]);
		$table->heading($trust eq 'private' ? 'Message of 1 KiB, STARTTLS, private authority' :
		    "Message of 1 KiB, STARTTLS, the system's $world->{authorities} authorities");
		lines($table, $result,
		    { key => "small.$trust.wall", title => 'command returns, ms', scale => MS,
			digits => 2, figure => 'wall', limit => { factor => 1.15 } },
		    { key => "small.$trust.cpu", title => 'CPU, ms', scale => CPU_MS, digits => 2,
			figure => 'cpu' });
		delivered($table, $result, "small.$trust") if $trust eq 'private';
	}
}

# When the message is there: another figure for those who deliver in the background.
sub delivered {
	my ($table, $result, $key) = @_;

	return if !grep { $result->{$_}{until} } keys %$result;
	$table->row(key => "$key.delivered", title => 'message is there, ms', scale => MS, digits => 2,
	    cells => $result, figure => 'there');
}

sub trips {
	my ($world, $table) = @_;
	my $file = $world->message(World::KIB);

	$table->heading('Round trips: the time at ' . TRIPS_RTT . ' ms, divided by it');
	for my $way ([starttls => 1], [starttls => 0], [implicit => 1], [implicit => 0]) {
		my ($tls, $chunking) = @$way;
		my $sink = $world->delayed($world->sink(implicit => $tls eq 'implicit' ? 1 : 0,
		    chunking => $chunking), TRIPS_RTT);
		my $result = contest($world, rounds => $world->few, warm => 0,
		    contestants => [all_slow($world, $sink, $file, bdat => $chunking)]);
		my $name = $chunking ? 'CHUNKING' : 'DATA';
		$table->row(key => 'trips.' . lc "$tls.$name", title => "$tls, $name",
		    scale => MS / TRIPS_RTT, digits => 2, figure => 'there', limit => { plus => 0.1 },
		    cells => $result);
	}
}

sub recipients {
	my ($world, $table) = @_;
	my $file = $world->message(World::KIB);

	$table->heading('1,000 recipients at ' . MANY_RTT . ' ms');
	for my $chunking (0, 1) {
		my $sink = $world->delayed($world->sink(chunking => $chunking), MANY_RTT);
		my $result = contest($world, rounds => $world->few, warm => 0, contestants =>
		    [all_slow($world, $sink, $file, recipients => 1000, bdat => $chunking)]);
		my $name = $chunking ? 'CHUNKING' : 'DATA';
		$table->row(key => 'recipients.' . lc $name, title => "$name, ms", scale => MS,
		    digits => 0, figure => 'there', limit => { factor => 1.15 }, cells => $result);
	}
}

sub big {
	my ($world, $table) = @_;
	my @messages = (['attachment', 50, undef], ['dots', 100, '.']);

	for my $message (@messages) {
		my ($name, $size, $dot) = @$message;
		my $file = $world->message($size * World::MIB, $dot);
		for my $chunking (0, 1) {
			my $way = $chunking ? 'CHUNKING' : 'DATA';
			my $key = "big.$name." . lc $way;
			my $result = contest($world, rounds => $world->{rounds}, warm => 0,
			    contestants => [all_slow($world, $world->sink(chunking => $chunking),
				$file, bdat => $chunking)]);
			$table->heading("$size MiB" . ($dot ? ', a dot begins each line' : '') . ", $way");
			lines($table, $result,
			    { key => "$key.wall", title => 'wall, ms', scale => MS, digits => 0,
				figure => 'there', limit => { factor => 1.3 } },
			    { key => "$key.cpu", title => 'CPU, ms', scale => CPU_MS, digits => 0,
				figure => 'cpu', limit => { factor => 1.3 } },
			    { key => "$key.memory", title => 'memory, MiB', scale => MIB_OF_KIB,
				digits => 1, figure => 'memory', limit => { most => 12 } });
		}
	}
}

# Until the command returns, the message being safe on disk and not sent.
sub queued {
	my ($world, $table) = @_;
	my $file = $world->message(World::KIB);
	my $queue = $world->directory('queue-odq');
	my $store = $world->directory('store');
	my @contestants = (
	    { name => 'floor', stdin => $file, argv => [$world->program('store'), $store] },
	    { name => 'ours', stdin => $file, argv => [$world->sendmail, '-odq', '-i', '-f',
		World::SENDER, World::RECIPIENT],
		env => $world->configuration($world->sink, queue => $queue) },
	    map { $_->can('queues') ? $_->queues($file) : () } $world->peers);
	my $result = contest($world, rounds => $world->{rounds}, repeat => 10,
	    contestants => \@contestants);

	$table->heading('Message of 1 KiB into the queue, on disk, not sent yet');
	lines($table, $result,
	    { key => 'queued.wall', title => 'command returns, ms', scale => MS, digits => 2,
		figure => 'wall', limit => { below => 'dma' } },
	    { key => 'queued.cpu', title => 'CPU, ms', scale => CPU_MS, digits => 2, figure => 'cpu' });
}

# Ours, which runs a queue that is filled anew each time, but from a copy.
sub ours_runs_queue {
	my ($world, $sink, $file, $name, $messages) = @_;
	my $queue = $world->directory("queue-$name");
	my $full = $world->path("full-$name");
	my $env = $world->configuration($sink, queue => $queue);

	if (!-e $full) {
		Measure::samples($world, { env => $env, stdin => $file, argv => [$world->sendmail,
		    '-odq', '-i', '-f', World::SENDER, World::RECIPIENT] }, $messages);
		run("cp -a '$queue' '$full'");
	}
	return { name => 'ours', sink => $sink, messages => $messages, env => $env,
	    argv => [$world->sendmail, '-q'], before => sub {
		remove_tree($queue);
		run("cp -a '$full' '$queue' && sync -f '$queue'");
	    } };
}

# Ours as a caller speaks SMTP to it, without waiting for answers.
sub ours_speaks {
	my ($world, $sink, $file, $messages) = @_;
	my $dialogue = $world->path('dialogue');
	my $message = slurp($file) =~ s/^\./../mgr =~ s/\n/\r\n/gr;
	my $one = 'MAIL FROM:<' . World::SENDER . ">\r\nRCPT TO:<" . World::RECIPIENT .
	    ">\r\nDATA\r\n$message.\r\n";

	spew($dialogue, "EHLO bench.example.net\r\n" . $one x $messages . "QUIT\r\n");
	return { name => 'ours', sink => $sink, messages => $messages, stdin => $dialogue,
	    env => $world->configuration($sink), argv => [$world->sendmail, '-bs'] };
}

# Those that send one after the other have fewer messages in their queues.
sub bulk {
	my ($world, $table) = @_;
	my $file = $world->message(World::KIB);

	$table->heading('1,000 messages of 1 KiB, messages a second');
	$table->row(key => 'bulk.process', title => 'a process each', scale => 1e9, rate => 1,
	    digits => 0, figure => 'wall', cells => contest($world, rounds => $world->few, repeat => 10,
	    contestants => [all(['sends'], $world, $world->sink, $file)]));
	for my $chunking (0, 1) {
		my $sink = $world->sink(chunking => $chunking);
		my $way = $chunking ? 'CHUNKING' : 'DATA';
		my @floor = floor_sends($world, $sink, $file, messages => BULK,
		    bdat => $chunking, window => $chunking ? WINDOW : 0);
		my @peers = map { $_->can('runs_queue') ? $_->runs_queue($sink, $file,
		    $_->can('runs_far') ? BULK : BULK / FEWER) : () } $chunking ? () : $world->peers;
		my %common = (scale => BULK * 1e9, rate => 1, digits => 0, figure => 'there');
		my $runner = contest($world, rounds => $world->{rounds}, contestants => [@floor,
		    ours_runs_queue($world, $sink, $file, 'bulk', BULK), peers_once(@peers)]);
		for (grep { $runner->{$_->{name}}{there} } @peers) {
			$runner->{$_->{name}}{there} *= BULK / $_->{messages};
		}
		$table->row(%common, key => 'bulk.runner.' . lc $way, title => "queue is run, $way",
		    cells => $runner);
		my $dialogue = contest($world, rounds => $world->{rounds}, contestants => [@floor,
		    ours_speaks($world, $sink, $file, BULK)]);
		$table->row(%common, key => 'bulk.dialogue.' . lc $way, title => "sendmail -bs, $way",
		    cells => $dialogue);
	}
}

# With DATA the floor takes as long for each message: it sends fewer of them.
sub far {
	my ($world, $table) = @_;
	my $file = $world->message(4 * World::KIB);

	$table->heading('1,000 messages of 4 KiB at ' . FAR_RTT . ' ms, seconds');
	for my $chunking (0, 1) {
		my $sink = $world->delayed($world->sink(chunking => $chunking), FAR_RTT);
		my $way = $chunking ? 'CHUNKING' : 'DATA';
		my $times = $chunking ? 1 : FEWER;
		my $floor = floor_sends($world, $sink, $file, messages => BULK / $times,
		    bdat => $chunking, window => $chunking ? WINDOW : 0);
		my $ours = ours_runs_queue($world, $sink, $file, 'far', BULK);
		my @peers = map { $_->runs_queue($sink, $file, BULK) }
		    grep { !$chunking && $_->can('runs_far') } $world->peers;
		my $result = contest($world, rounds => 1, warm => 0, contestants => [
		    map { { %$_, deadline => 240, once => 1 } } $floor, $ours, @peers]);
		$result->{floor}{there} *= $times if $result->{floor}{there};
		$table->row(key => 'far.' . lc $way, title => "queue is run, $way", scale => S,
		    digits => 2, figure => 'there', limit => { most => $chunking ? 1 : 5 },
		    cells => $result);
		next if !$chunking;	# else a round trip each, over the one connection that a caller has
		$table->row(key => 'far.dialogue.' . lc $way, title => "sendmail -bs, $way", scale => S,
		    digits => 2, figure => 'there', limit => { most => 1 }, cells => contest($world,
		    rounds => 1, warm => 0, contestants => [map { { %$_, deadline => 240, once => 1 } }
		    $floor, ours_speaks($world, $sink, $file, BULK)]));
	}
}

sub weight {
	my ($world, $table) = @_;
	my $file = $world->message(World::KIB);
	my @all = all(['sends'], $world, $world->sink, $file);
	my $memory = contest($world, rounds => 1, contestants => [map { { %$_ } } @all]);
	my %calls = map { $_->{name} => eval { system_calls($world, $_) } //
	    { failed => $@ =~ s/\s+\z//r } } @all;
	my %size = map { $_->{name} => (stripped($world, $_)) } @all;

	$table->heading('What it takes to send a message of 1 KiB');
	$table->row(key => 'weight.calls', title => 'system calls', digits => 0,
	    limit => { most => 180 }, cells => \%calls);
	$table->row(key => 'weight.memory', title => 'memory, MiB', digits => 1, scale => MIB_OF_KIB,
	    figure => 'memory', limit => { most => 12 }, cells => $memory);
	$table->row(key => 'weight.binary', title => 'program, stripped, KiB', digits => 0,
	    scale => 1 / 1024, limit => { most => 200 }, cells => \%size);
}

# The size of a contestant's program without its symbols.
sub stripped {
	my ($world, $contestant) = @_;
	my $program = ($contestant->{root} // '') . $contestant->{argv}[0];
	my $copy = $world->path('stripped');

	return { na => 'no such file' } if !-f $program;
	run("strip -o '$copy' '$program'");
	return -s $copy;
}

1;
