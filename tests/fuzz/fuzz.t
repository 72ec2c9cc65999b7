#!/usr/bin/perl
# Every fuzz target over its corpus and a fixed number of inputs made from it, from a fixed seed: what was found once stays found.
# BUILD names the build directory; FUZZ_RUNS another number of inputs.
use strict;
use warnings;
use File::Temp qw(tempdir);
use FindBin;
use Test::More;

my $build = $ENV{BUILD} // 'build';
my $runs = $ENV{FUZZ_RUNS} // 20000;
my @targets = sort glob "$FindBin::Bin/fuzz_*.c";

plan tests => scalar @targets;
for my $target (@targets) {
	my ($room) = $target =~ /fuzz_(\w+)\.c$/;
	my $corpus = "$FindBin::Bin/corpus/$room";
	my $new = tempdir(CLEANUP => 1);
	my @command = ("$build/fuzz/fuzz_$room", "-runs=$runs", '-seed=1', '-max_len=8192', '-timeout=20', '-rss_limit_mb=2048',
	    '-max_total_time=60', "-artifact_prefix=$new/", $new, -d $corpus ? $corpus : ());
	my $pid = open(my $out, '-|') // die "fork: $!";
	if ($pid == 0) {
		open STDERR, '>&', \*STDOUT;
		exec @command or exit 127;
	}
	my @said = <$out>;
	close $out;
	my $status = $?;
	is($status, 0, "fuzz_$room: $runs inputs") or diag(@said > 40 ? @said[-40 .. -1] : @said);
}
