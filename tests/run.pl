# Runs the tests and counts them: perl tests/run.pl BUILD [static|unit|e2e|fuzz|interop ...]
#
#	static	  tests/static/*.t: the source and what was built from it
#	unit	  BUILD/unit/*; again with the sanitizers (BUILD/sanitize/unit), and under valgrind
#	e2e	  tests/e2e/*.t with BUILD/sendmail, and again with BUILD/sanitize/sendmail
#	fuzz	  tests/fuzz/*.t: the fuzz targets over their corpora
#	interop	  tests/interop/*.t
#
# The last line, also in BUILD/summary, is "N passed, N failed" and ", N skipped" where some were. Subtests count as the one test they
# make up; a script that dies, hangs or breaks its plan counts as one that failed. The exit status is 0 only if nothing failed and
# something passed.
use strict;
use warnings;
use Cwd ();
use POSIX ();
use File::Basename qw(basename dirname);
use TAP::Harness;
use TAP::Parser::Iterator::Process;

use constant LIMIT => 300;	# seconds a script may take

# Started by ourselves, as "run.pl --one COMMAND ...": runs it in a group of its own and ends all of the group when its time is up.
sub one
{
	my @command = @_;
	my $pid = fork // die "fork: $!";

	if ($pid == 0) {
		POSIX::setpgid(0, 0);
		exec {$command[0]} @command or POSIX::_exit(127);
	}
	POSIX::setpgid($pid, $pid);
	local $SIG{ALRM} = sub {
		syswrite STDOUT, "\n# not ended after " . LIMIT . " s: killed\n";
		kill 'KILL', -$pid;
	};
	local @SIG{qw(INT TERM HUP)} = (sub { kill 'KILL', -$pid; POSIX::_exit(130) }) x 3;
	alarm LIMIT;
	1 while waitpid($pid, 0) == -1 && $!{EINTR};
	my $status = $?;
	alarm 0;
	kill 'KILL', -$pid;	# whatever it left behind
	POSIX::_exit($status & 127 ? 128 + ($status & 127) : $status >> 8);
}

one(@ARGV[1 .. $#ARGV]) if @ARGV && $ARGV[0] eq '--one';

my $build = shift @ARGV or die "usage: run.pl BUILD [static|unit|e2e|fuzz|interop ...]\n";
my %wanted = map { $_ => 1 } @ARGV ? @ARGV : qw(static unit e2e fuzz interop);
my $self = Cwd::realpath($0);
my %count = (passed => 0, failed => 0, skipped => 0);
my @failures;

chdir dirname($self) . '/..' or die "chdir: $!";
die "run.pl: no directory $build\n" if !-d $build;
delete @ENV{grep { /^(?:SENDMAIL_|HARNESS_|PERL5OPT)/ } keys %ENV};
$ENV{BUILD_UNDER_TEST} = $build;
$ENV{CMOCKA_MESSAGE_OUTPUT} = 'TAP';
$| = 1;

sub executables { return grep { -f && -x _ } sort glob "$_[0]/*" }

# Takes the harness's result for one script into account.
sub tally
{
	my ($parser, $name) = @_;
	my @wrong = $parser->failed;
	my $skipped = $parser->skipped;
	my $why = '';

	$count{skipped} += $skipped + ($parser->skip_all ? 1 : 0);
	$count{passed} += $parser->passed - $skipped;
	$count{failed} += @wrong;
	if ($parser->exit != 0 && !@wrong) {
		$why = 'exit status ' . $parser->exit;
	} elsif ($parser->parse_errors) {
		$why = join '; ', $parser->parse_errors;
	} elsif (!$parser->skip_all && $parser->tests_run == 0) {
		$why = 'no tests in it';
	}
	$count{failed}++ if $why ne '' && !@wrong;
	$why = join ', ', map { "test $_" } @wrong if @wrong;
	push @failures, [$name, $why, $parser] if $why ne '';
	printf "%-52s %4d s  %s\n", $name, time - $parser->start_time, $why ne '' ? "FAILED: $why" : $parser->skip_all ? 'skipped: ' . $parser->skip_all :
	    'ok, ' . $parser->tests_run . ($skipped ? " ($skipped skipped)" : '');
}

my %output;	# of each script, by name

# A group of scripts that may run at the same time. Each is [name, command ...].
sub run_group
{
	my ($jobs, %group) = @_;
	my ($env, @scripts) = ($group{env} // {}, @{$group{scripts}});
	my %command = map { $_->[0] => [$^X, $self, '--one', @$_[1 .. $#$_]] } @scripts;

	return if !@scripts;
	local @ENV{keys %$env} = values %$env;
	my $harness = TAP::Harness->new({jobs => $jobs, verbosity => -3, merge => 1, exec => sub {
		my (undef, $name) = @_;
		return $command{$name};
	}});
	$harness->callback(parser_args => sub {
		my ($args, $job) = @_;
		$output{$job->[0]} = '';
		open my $spool, '>', \$output{$job->[0]};
		$args->{spool} = $spool;
	});
	$harness->callback(made_parser => sub {
		my ($parser, $job) = @_;
		$parser->callback(EOF => sub { tally($_[0], $job->[0]) });
	});
	$harness->runtests(map { $_->[0] } @scripts);
}

sub perl_scripts
{
	my ($suffix, @paths) = @_;

	return map { [$_ . $suffix, $^X, $_] } @paths;
}

my $sanitized = "$build/sanitize";
my $sanitizer_env = {ASAN_OPTIONS => 'exitcode=99:detect_leaks=1', UBSAN_OPTIONS => 'exitcode=99:print_stacktrace=1:halt_on_error=1'};

if ($wanted{static}) {
	run_group(2, scripts => [perl_scripts('', sort glob 'tests/static/*.t')]);
}
if ($wanted{unit}) {
	my @units = executables("$build/unit");

	run_group(2, scripts => [map { [$_, $_] } @units]);
	run_group(2, scripts => [map { [$_, $_] } executables("$sanitized/unit")], env => $sanitizer_env);
	run_group(2, env => {UNDER_VALGRIND => 1}, scripts => [map { ["$_ (valgrind)",
	    qw(valgrind -q --error-exitcode=99 --leak-check=full --child-silent-after-fork=yes), $_] } @units])
	    if grep { -x "$_/valgrind" } split /:/, $ENV{PATH} // "";
}
if ($wanted{e2e}) {
	my @scripts = sort { -s $b <=> -s $a } glob 'tests/e2e/*.t';	# the long ones first, so that none runs alone at the end
	my $jobs = 3;	# half of their time they wait

	run_group($jobs, scripts => [perl_scripts('', @scripts)], env => {SENDMAIL_UNDER_TEST => "$build/sendmail"});
	run_group($jobs, scripts => [perl_scripts(' (sanitizers)', @scripts)], env => {SENDMAIL_UNDER_TEST => "$sanitized/sendmail"})
	    if -x "$sanitized/sendmail";
}
# The fuzz targets keep one processor busy, the servers of others another.
if ($wanted{fuzz} || $wanted{interop}) {
	my @scripts = ($wanted{fuzz} ? glob 'tests/fuzz/*.t' : (), $wanted{interop} ? sort glob 'tests/interop/*.t' : ());

	run_group($wanted{fuzz} ? 2 : 1, scripts => [perl_scripts('', @scripts)], env => {BUILD => $build, SENDMAIL => "$build/sendmail"});
}

# What belongs to the tests that failed: the lines since the last one that did not, and what follows as comment. All of it where none failed.
sub relevant
{
	my ($text) = @_;
	my ($kept, $block, $after) = ('', '', 0);

	return $text if $text !~ /^not ok/m;
	for my $line (split /^/, $text) {
		if ($line =~ /^not ok/) {
			$kept .= $block . $line;
			($block, $after) = ('', 1);
		} elsif ($line =~ /^ok/) {
			($block, $after) = ('', 0);
		} elsif ($after && $line =~ /^#(?! Subtest)/) {
			$kept .= $line;
		} else {
			$block .= $line if $line !~ /^ +ok/;
			$after = 0;
		}
	}
	return $kept . $block;
}

for my $failure (@failures) {
	my ($name, $why) = @$failure;
	my $text = relevant($output{$name} // '');

	print "\n=== $name: $why\n", length $text > 40000 ? substr($text, 0, 40000) . "...\n" : $text;
}
my $line = "$count{passed} passed, $count{failed} failed" . ($count{skipped} ? ", $count{skipped} skipped" : '');
if (open my $fh, '>', "$build/summary") {
	print $fh "$line\n";
	close $fh;
}
print "\n" if @failures;
print "$line\n";
exit($count{failed} == 0 && $count{passed} > 0 ? 0 : 1);
