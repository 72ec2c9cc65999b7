#!/usr/bin/perl
# The benchmark: what sending costs by our program, by the least that OpenSSL can
# do (floor.c), and by other programs, side by side against the same sink. See
# README.
#
# usage: bench.pl BUILD_DIR [--rounds N] [--only ROW,...] [--without-peers]
#                 [--record] [--programs DIR]
#
# Exit status: 0, whatever the figures are; 1 if our program or the floor did not
# deliver; 64 for what it does not understand.

use strict;
use warnings;

use FindBin;
use Getopt::Long;
use POSIX qw(strftime uname);

use lib $FindBin::Bin, "$FindBin::Bin/../interop";
use OwnTree qw(slurp spew);
use Peers;
use Plot;
use Rows qw(row_names row);
use Table;
use World;

use constant ROUNDS => 5;

my @given = @ARGV;

sub usage {
	print STDERR "usage: bench.pl BUILD_DIR [--rounds N] [--only ROW,...] [--without-peers]\n",
	    "                [--record] [--programs DIR]\nrows: ", join(' ', row_names(), 'plot'), "\n";
	exit 64;
}

# What was asked for, also in the second start within namespaces, which has no
# arguments.
sub options {
	my %option = (rounds => ROUNDS);

	@ARGV = split /\n/, delete $ENV{BENCH_ARGUMENTS} if !@ARGV && $ENV{BENCH_ARGUMENTS};
	@given = @ARGV;
	GetOptions(\%option, 'rounds=i', 'only=s', 'without-peers', 'record', 'programs=s') or usage();
	usage() if @ARGV != 1 || $option{rounds} < 1;
	$option{build} = shift @ARGV;
	my %known = map { $_ => 1 } row_names(), 'plot';
	my @wanted = split /,/, $option{only} // join ',', row_names(), 'plot';
	usage() if grep { !$known{$_} } @wanted;
	$option{rows} = [grep { my $name = $_; grep { $_ eq $name } @wanted } row_names(), 'plot'];
	return %option;
}

# Trees of packages, and namespaces to run them in; or why there are none.
sub enter {
	my (%option) = @_;

	return 'not asked for' if $option{'without-peers'};
	my $trees = Peers::fetch($option{build}) or return 'they cannot be downloaded';
	local $ENV{BENCH_ARGUMENTS} = join "\n", @given;
	my $why = OwnTree::enter();
	return $why // $trees;
}

sub processor {
	return 'unknown processor' if !-r '/proc/cpuinfo';
	my $text = slurp('/proc/cpuinfo');
	my $number = () = $text =~ /^processor\s*:/mg;

	return ($text =~ /^model name\s*:\s*(.*)/m ? $1 : 'processor') . ", $number cores";
}

sub head {
	my ($world, $without) = @_;
	my @uname = uname();
	my @peers = map { $_->version } $world->peers;
	my $text = strftime('%Y-%m-%d', gmtime) . ', ' . processor() .
	    ", $uname[0] $uname[2]; rounds: $world->{rounds}\n";

	$text .= @peers ? join(', ', @peers) . "\n" : "no other programs: $without\n";
	return $text . "\n";
}

sub main {
	my %option = options();
	my $found = enter(%option);
	my $recorded = "$FindBin::Bin/ratios";

	$SIG{$_} = sub { exit 130 } for qw(HUP INT TERM);
	$| = 1;
	my $world = World->new(%option);
	my $table = Table->new(recorded => $recorded, columns => ['floor', 'ours', Peers::names()]);
	Peers::begin($world, $found) if ref $found;
	print head($world, $found);
	for my $name (@{$option{rows}}) {
		my $begun = time;
		print STDERR "bench: $name";
		$name eq 'plot' ? Plot::draw($world, "$world->{build}/bench/plot.svg") :
		    row($name, $world, $table);
		printf STDERR " %d s\n", time - $begun;
	}
	my $text = $table->text;
	print $text;
	my $findings = $table->findings;
	print "\n$findings" if $findings ne '';
	print STDERR $table->failures;
	spew("$world->{build}/bench/table.txt", head($world, $found) . $text);
	spew($recorded, $table->record) if $option{record};
	$_->end for $world->peers;
	return $table->broken ? 1 : 0;
}

exit main();
