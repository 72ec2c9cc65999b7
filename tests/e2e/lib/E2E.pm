package E2E;

# What the end to end tests share: the program run as a caller runs it, against the scriptable smarthost (tests/smarthost/README).
#
#	use lib 'tests/e2e/lib';
#	use E2E;			# brings Test::More, strict and warnings along
#
#	check 'an unknown user is named',
#	    rules => ['rcpt@nobody@example.net reply "550 5.1.1 No such user"'],
#	    argv => [qw(nobody@example.net b@example.net)],
#	    exit => 67, sent => 1, err => [qr/<nobody\@example\.net>.*No such user/],
#	    log => {status => 'partial', stage => 'rcpt'};
#	done_testing;
#
# check NAME, KEY => VALUE ... starts a smarthost, writes a configuration for it, runs the program, compares, tears down; it is one
# test. It returns the run, for more tests. Keys that say what is done (also those of submit(), which does it without comparing):
#
#	argv	flags and recipients (['b@example.net'])
#	stdin	what is piped in; or {file => PATH}, {code => sub {next piece or undef}}, {data => TEXT, hold => 1} (not ended),
#		'closed' (MESSAGE is the default)
#	env	more environment; a value of undef removes one. Otherwise it is PATH and SENDMAIL_CONF alone
#	conf	the text of a configuration, or undef for none, in place of the one that is made from:
#	host	{option => value} of the smarthost's section; undef leaves one out
#	top	{option => value} of the file
#	wrap	a command that goes before the program's, as ['unshare', '-m', '--']; program: another program
#	cwd, uid, close => [descriptors], setup => sub run in the child, watch => sub ($pid) called again and again while it runs
#	rules	of the smarthost; tls (starttls implicit none), auth, ext, ext_tls, cert, args => [more of its options]
#	user, password	what the smarthost takes and the configuration says; user => undef: no AUTH at all
#	server	0: no smarthost is started; or one that smarthost() returned
#	limit	seconds (60) after which the run is killed and the test has failed
#
# Keys that say what must come of it:
#
#	exit	(0)
#	err	patterns, one for each line of stderr in their order; or one pattern for all of it
#	err_not	a pattern that stderr must not hold
#	out	a pattern for stdout (it is empty)
#	log	{key => value or pattern or undef} of the log line (exactly one is written; log => 0: none)
#	sent	messages that arrived (1 if exit is 0, else 0; not compared if undef, or with a server of one's own)
#	auths	how many credentials the smarthost got (not compared)
#	violations	a pattern for what the smarthost found wrong (nothing)
#	printed	1: stdout and stderr may hold something though all went well
#	raw	1: stderr is not "sendmail: ..." lines
#	also	sub ($run) with more tests inside the same one
#
# Always compared: nothing of the password in stdout, stderr or log; stderr is printable ASCII, each line "sendmail: what happened: why. Likely
# cause: ... Remedy: ...";
# nothing from the sanitizers.
#
# talk KEY => VALUE ... starts the program with -bs (argv) on a socket, as inetd gives it, and returns a conversation: say(LINES) sends lines
# with CRLF, send(TEXT) octets as they are, hear() waits for one reply (30 s), told as {code, text, lines}, undef at the end; ask(LINE)
# is both and returns "code text"; end() closes our side and returns the run, whose out is all that was said.
#
# A run: exit, signal, out, err, err_lines, log (the last line as {key => value}), log_text, log_lines, server, seconds, timed_out,
# stdin_broken (EPIPE), stdin_left (octets never read), dir, conf_path, pid.
# A smarthost: port, dir, certs, dialogue, commands (the client's lines), violations, auth (lines), messages ([{data, env}, ...], env as
# {mail => [...], rcpt => [...], ...}), stop.

use strict;
use warnings;
use Cwd ();
use Exporter ();
use Fcntl qw(:flock F_GETFL F_SETFL O_NONBLOCK);
use File::Basename ();
use File::Copy ();
use File::Path ();
use File::Temp ();
use MIME::Base64 ();
use POSIX ();
use Socket ();
use Test::More;
use Time::HiRes ();

our @ISA = ('Exporter');
our @EXPORT = (@Test::More::EXPORT, qw(check submit talk smarthost conf section slurp spew scratch sanitized can_unshare certs top build program
    MESSAGE USER PASSWORD));

use constant USER => 'app@example.com';
use constant PASSWORD => "s3cret horse battery";
use constant MESSAGE => "From: a\@example.com\nTo: b\@example.net\nSubject: test\nDate: Sun, 22 Nov 2026 03:14:15 +0000\n" .
    "Message-ID: <1\@example.com>\n\nHello\n";

my $top = Cwd::realpath(File::Basename::dirname(__FILE__) . '/../../..');
my $build = $ENV{BUILD_UNDER_TEST} // 'build';
$build = "$top/$build" if $build !~ m{^/};
my $program = Cwd::realpath($ENV{SENDMAIL_UNDER_TEST} // "$build/sendmail") // '';
my $sanitized = $program =~ m{/sanitize/};
my $smarthost = "$build/tests/smarthost/smarthost";
my $base;
my $owner = $$;
my %alive;	# pid of each process that is still to be ended

sub import
{
	strict->import;
	warnings->import;
	__PACKAGE__->export_to_level(1, @_);
}

BEGIN { $SIG{PIPE} = 'IGNORE' }

sub top { return $top }
sub build { return $build }
sub program { return $program }
sub sanitized { return $sanitized }

sub slurp
{
	my ($path) = @_;

	open my $fh, '<:raw', $path or return '';
	local $/;
	return <$fh> // '';
}

sub spew
{
	my ($path, $text, $mode) = @_;

	open my $fh, '>:raw', $path or die "cannot write $path: $!";
	chmod $mode, $path if defined $mode;
	print $fh $text;
	close $fh or die "cannot write $path: $!";
	return $path;
}

# A new directory, gone at the end; other users may enter it.
sub scratch
{
	if (!defined $base) {
		$base = File::Temp::tempdir('sendmail-e2e-XXXXXXXX', TMPDIR => 1);
		chmod 0755, $base;
	}
	my $dir = File::Temp::tempdir('XXXXXXXX', DIR => $base);
	chmod 0755, $dir;
	return $dir;
}

sub certs
{
	my $dir = "$build/certs";

	File::Path::make_path($dir);
	return $dir;
}

# The authority that made the smarthosts' certificates, where every user can read it, wherever the build directory is.
my $ca;
sub ca_file
{
	if (!defined $ca) {
		$ca = "$base/ca.pem";
		File::Copy::copy(certs() . '/ca.pem', $ca) or die "$ca: $!";
		chmod 0644, $ca;
	}
	return $ca;
}

# Whether a mount namespace of one's own is to be had.
my $unshare;
sub can_unshare
{
	$unshare //= $> == 0 && system('unshare', '-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt') == 0;
	return $unshare;
}

sub reap
{
	my ($pid) = @_;

	kill 'KILL', $pid;
	waitpid $pid, 0;
	delete $alive{$pid};
}

END {
	if ($$ == $owner) {
		local $?;
		reap($_) for keys %alive;
		File::Path::remove_tree($base) if defined $base;
	}
}

# --- the smarthost --------------------------------------------------------------------------------------------------------------

# smarthost(KEY => VALUE ...) with the keys of check() that concern it.
sub smarthost
{
	my %o = @_;
	my $dir = scratch();
	my $user = exists $o{user} ? $o{user} : USER;
	my @args = ('--dir', $dir, '--certs', certs(), '--tls', $o{tls} // 'starttls', '--lifetime', 150, '--die-with-parent');

	push @args, '--user', $user, '--password', $o{password} // PASSWORD if defined $user;
	for my $key (qw(auth ext ext_tls ext_auth cert)) {
		(my $name = $key) =~ tr/_/-/;
		push @args, "--$name", $o{$key} if defined $o{$key} && ($key ne 'auth' || !ref $o{$key});
	}
	push @args, map { ('--rule', $_) } @{$o{rules} // []};
	push @args, @{$o{args} // []};
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		open STDOUT, '>', "$dir/stdout";
		open STDERR, '>', "$dir/stderr";
		$SIG{PIPE} = 'DEFAULT';
		exec {$smarthost} $smarthost, @args or POSIX::_exit(127);
	}
	$alive{$pid} = 1;
	for (1 .. 5000) {
		last if -s "$dir/port";
		if (waitpid($pid, POSIX::WNOHANG()) == $pid) {
			delete $alive{$pid};
			die "the smarthost did not start: ", slurp("$dir/stderr");
		}
		Time::HiRes::sleep(0.004);
	}
	return bless {dir => $dir, pid => $pid, ports => [split ' ', slurp("$dir/port")], tls => $o{tls} // 'starttls', user => $user,
	    password => $o{password} // PASSWORD}, 'E2E::Smarthost';
}

package E2E::Smarthost {
	sub port { return $_[0]{ports}[$_[1] // 0] }
	sub dir { return $_[0]{dir} }
	sub dialogue { return E2E::slurp("$_[0]{dir}/dialogue") }
	sub violations { return E2E::slurp("$_[0]{dir}/violations") }
	sub auth { return split /\n/, E2E::slurp("$_[0]{dir}/auth") }
	sub commands { return map { /^\d+ \S+ C: (.*)/ ? $1 : () } split /\n/, $_[0]->dialogue }

	sub messages
	{
		my ($self) = @_;
		my @messages;

		for (my $n = 1; -e "$self->{dir}/$n.env"; $n++) {
			my %env;

			for (split /\n/, E2E::slurp("$self->{dir}/$n.env")) {
				my ($key, $value) = /^(\S+) ?(.*)/;
				push @{$env{$key}}, $value;
			}
			push @messages, {env => \%env, data => E2E::slurp("$self->{dir}/$n.msg")};
		}
		return @messages;
	}

	sub stop
	{
		my ($self) = @_;

		E2E::reap(delete $self->{pid}) if defined $self->{pid} && $$ == $owner;
	}

	sub DESTROY
	{
		my ($self) = @_;
		local ($?, $!, $@);

		$self->stop;
	}
}

# --- the configuration ----------------------------------------------------------------------------------------------------------

sub quoted
{
	my ($value) = @_;

	return $$value if ref $value;
	return $value if $value =~ /\A(?:[0-9]+|true|false)\z/;
	$value =~ s/([\\'])/\\$1/g;
	return "'$value'";
}

sub options
{
	my ($indent, %o) = @_;

	return join '', map { my $value = defined $o{$_} ? quoted($o{$_}) : undef; !defined $value ? '' : $value =~ /\A\{/ ? "$indent$_ $value\n" : "$indent$_ = $value\n" } sort keys %o;
}

# A smarthost's section that fits it; %more changes it, a value \'text' goes in as it is, \'{ ... }' as a section within. title is its title.
sub section
{
	my ($server, %more) = @_;
	my %o = (host => '127.0.0.1', port => $server->port, tls => $server->{tls});
	my $title = delete $more{title} // 'localhost';

	$o{'tls-ca-file'} = ca_file() if $o{tls} ne 'none';
	@o{qw(user password)} = @$server{qw(user password)} if defined $server->{user};
	return "smarthost '$title' {\n" . options("\t", %o, %more) . "}\n";
}

# A whole configuration: conf({top options}, sections ...)
sub conf
{
	my ($top, @sections) = @_;

	return options('', %$top) . join '', @sections;
}

# --- one run --------------------------------------------------------------------------------------------------------------------

sub child
{
	my ($o, $run, $in) = @_;
	my $null;

	POSIX::setsid();
	@SIG{qw(PIPE HUP INT QUIT)} = ('DEFAULT') x 4;	# whoever runs the tests in the background ignores some
	open STDIN, '<&', $in or POSIX::_exit(126);
	open STDOUT, '>', "$run->{dir}/stdout" or POSIX::_exit(126);
	open STDERR, '>', "$run->{dir}/stderr" or POSIX::_exit(126);
	chdir($o->{cwd} // $run->{cwd}) or POSIX::_exit(126);
	my @argv = ($o->{program} // $program, @{$o->{argv} // ['b@example.net']});
	%ENV = %{$run->{env}};
	$o->{setup}->() if $o->{setup};
	if (defined $o->{uid}) {
		$) = "$o->{uid} $o->{uid}";
		POSIX::setgid($o->{uid});
		POSIX::setuid($o->{uid}) or POSIX::_exit(126);
	}
	POSIX::close($_) for @{$o->{close} // []};
	@argv = (@{$o->{wrap}}, @argv) if $o->{wrap};
	no warnings;
	exec {$argv[0]} $o->{argv0} // $argv[0], @argv[1 .. $#argv] or POSIX::_exit(127);
}

# Where the program is not reachable for another user (its directory closed to him), he is given a copy.
sub reachable
{
	my ($run) = @_;

	File::Copy::copy($program, "$run->{dir}/sendmail") or die "copy: $!";
	chmod 0755, "$run->{dir}/sendmail";
	return "$run->{dir}/sendmail";
}

# Feeds stdin piece by piece and waits for the end.
sub attend
{
	my ($o, $run, $out) = @_;
	my $source = ref $o->{stdin} eq 'HASH' ? $o->{stdin} : {data => $o->{stdin} // MESSAGE};
	my $left = $source->{data} // '';
	my $deadline = Time::HiRes::time() + ($o->{limit} // 60);
	my $nap = 0.001;

	fcntl $out, F_SETFL, fcntl($out, F_GETFL, 0) | O_NONBLOCK if $out;
	for (;;) {
		if ($out && $left eq '' && $source->{code}) {
			$left = $source->{code}->();
			undef $source->{code} if !defined $left;
			$left //= '';
		}
		if ($out && $left ne '') {
			my $n = syswrite $out, $left, 65536;

			if (defined $n) {
				substr $left, 0, $n, '';
				$run->{written} += $n;
				$nap = 0;
			} elsif ($!{EPIPE}) {
				$run->{stdin_broken} = 1;
				close $out;
				undef $out;
			}
		}
		if ($out && $left eq '' && !$source->{code} && !$source->{hold}) {
			close $out;
			undef $out;
		}
		$o->{watch}->($run->{pid}, $run) if $o->{watch};
		if (waitpid($run->{pid}, POSIX::WNOHANG()) == $run->{pid}) {
			$run->{wait} = $?;
			last;
		}
		if (Time::HiRes::time() > $deadline) {
			$run->{timed_out} = 1;
			kill 'KILL', $run->{pid};
			waitpid $run->{pid}, 0;
			$run->{wait} = $?;
			last;
		}
		my $ready = '';
		vec($ready, fileno($out), 1) = 1 if $out && $left ne '';
		select undef, $ready, undef, $nap if $nap > 0;
		$nap = $nap < 0.01 ? $nap + 0.001 : 0.01;
	}
	delete $alive{$run->{pid}};
	$run->{stdin_left} = length $left;
}

sub environment
{
	my ($o, $run) = @_;
	my %env = (PATH => '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin');

	$env{SENDMAIL_CONF} = $run->{conf_path} if defined $run->{conf_path};
	%env = (%env, %{$o->{env} // {}});
	delete $env{$_} for grep { !defined $env{$_} } keys %env;
	if ($sanitized) {
		mkdir "$run->{dir}/findings";
		chmod 0777, "$run->{dir}/findings";
		my $options = "exitcode=99:log_path=$run->{dir}/findings/san:abort_on_error=0:detect_leaks=1:allocator_may_return_null=0";
		@env{qw(ASAN_OPTIONS UBSAN_OPTIONS LSAN_OPTIONS)} = ($options, "$options:print_stacktrace=1", "exitcode=99");
	}
	return \%env;
}

sub write_conf
{
	my ($o, $run) = @_;
	my $text = $o->{conf};

	return if exists $o->{conf} && !defined $text;
	$run->{conf_path} = "$run->{dir}/sendmail.conf";
	if (!defined $text) {
		my %top = (log => "$run->{dir}/log/log", timeout => '40s', domain => 'example.com', hostname => 'client.example.com',
		    %{$o->{top} // {}});
		$text = conf(\%top, $run->{server} ? section($run->{server}, %{$o->{host} // {}}) : ());
	}
	$text =~ s/\@LOG\@/$run->{dir}\/log\/log/g;
	spew($run->{conf_path}, $text, 0600);
	chown $o->{uid}, $o->{uid}, $run->{conf_path} if defined $o->{uid};
}

sub parse_log
{
	my ($line) = @_;
	my %field;

	$line =~ s/^\S+ .*?\[\d+\]: //;
	while ($line =~ /\G ?([a-z-]+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))/gc) {
		my ($key, $value) = ($1, $2 // $3);

		$value =~ s/\\(["\\])/$1/g;
		$field{$key} = $value;
	}
	$field{unparsed} = substr $line, pos($line) // 0 if (pos($line) // 0) < length $line;
	return \%field;
}

# Does what the first group of keys of check() says.
sub submit
{
	my %o = @_;
	my $run = bless {dir => scratch(), written => 0}, 'E2E::Run';
	my ($in, $out);

	mkdir "$run->{dir}/$_" for qw(cwd log);
	chmod 0777, "$run->{dir}/cwd", "$run->{dir}/log";
	$run->{cwd} = "$run->{dir}/cwd";
	$run->{server} = ref $o{server} ? $o{server} : exists $o{server} && !$o{server} ? undef : smarthost(%o);
	write_conf(\%o, $run);
	$run->{env} = environment(\%o, $run);
	$o{program} //= reachable($run) if defined $o{uid};
	if (!ref $o{stdin} && ($o{stdin} // '') eq 'closed') {
		open $in, '<', '/dev/null';
		push @{$o{close}}, 0;
		$o{stdin} = '';
	} elsif (ref $o{stdin} eq 'HASH' && defined $o{stdin}{file}) {
		sysopen $in, $o{stdin}{file}, 0 or die "$o{stdin}{file}: $!";
	} else {
		pipe $in, $out or die "pipe: $!";
	}
	my $start = Time::HiRes::time();
	$run->{pid} = fork // die "fork: $!";
	if ($run->{pid} == 0) {
		close $out if $out;
		child(\%o, $run, $in);
	}
	$alive{$run->{pid}} = 1;
	close $in;
	attend(\%o, $run, $out);
	$run->{seconds} = Time::HiRes::time() - $start;
	return settle($run);
}

# What the run has left behind.
sub settle
{
	my ($run) = @_;

	$run->{exit} = $run->{wait} & 127 ? undef : $run->{wait} >> 8;
	$run->{signal} = $run->{wait} & 127;
	@$run{qw(out err)} = map { slurp("$run->{dir}/$_") } qw(stdout stderr);
	$run->{log_text} = slurp("$run->{dir}/log/log");
	$run->{findings} = join '', map { slurp($_) } glob "$run->{dir}/findings/*";
	return $run;
}

sub talk
{
	my %o = (argv => ['-bs'], @_);
	my $run = bless {dir => scratch(), written => 0}, 'E2E::Run';

	mkdir "$run->{dir}/$_" for qw(cwd log);
	$run->{cwd} = "$run->{dir}/cwd";
	$run->{server} = ref $o{server} ? $o{server} : exists $o{server} && !$o{server} ? undef : smarthost(%o);
	write_conf(\%o, $run);
	$run->{env} = environment(\%o, $run);
	socketpair my $near, my $far, Socket::AF_UNIX(), Socket::SOCK_STREAM(), Socket::PF_UNSPEC() or die "socketpair: $!";
	$run->{pid} = fork // die "fork: $!";
	if ($run->{pid} == 0) {
		close $near;
		$o{setup} = sub { open STDOUT, '>&', $far or POSIX::_exit(126) };
		child(\%o, $run, $far);
	}
	close $far;
	$alive{$run->{pid}} = 1;
	return bless {run => $run, socket => $near, options => \%o, in => '', all => ''}, 'E2E::Talk';
}

package E2E::Talk {
	sub send
	{
		my ($self, $text) = @_;

		while ($text ne '') {
			my $n = syswrite $self->{socket}, $text or return;
			substr $text, 0, $n, '';
		}
	}

	sub say { my ($self, @lines) = @_; $self->send(join '', map { "$_\r\n" } @lines) }

	# One line, or undef at the end or after so many seconds.
	sub line
	{
		my ($self, $limit) = @_;
		my $end = Time::HiRes::time() + ($limit // 30);

		while ($self->{in} !~ /\n/) {
			my $left = $end - Time::HiRes::time();
			my $ready = '';

			vec($ready, fileno $self->{socket}, 1) = 1;
			return undef if $left <= 0 || !select($ready, undef, undef, $left);
			return undef if !sysread $self->{socket}, $self->{in}, 65536, length $self->{in};
		}
		$self->{in} =~ s/\A(.*\n)//;
		$self->{all} .= $1;
		return $1;
	}

	sub hear
	{
		my ($self, $limit) = @_;
		my @lines;

		for (;;) {
			my $line = $self->line($limit) // return undef;

			push @lines, $line;
			last if $line !~ /^\d{3}-/;
		}
		my $text = join "\n", map { /^\d{3}[- ](.*)\r\n\z/ ? $1 : "malformed: $_" } @lines;
		return {code => substr($lines[0], 0, 3), text => $text, lines => scalar @lines};
	}

	sub ask
	{
		my ($self, @lines) = @_;

		$self->say(@lines);
		my $reply = $self->hear // return '(nothing)';
		return "$reply->{code} $reply->{text}";
	}

	sub end
	{
		my ($self) = @_;
		my $run = $self->{run};

		shutdown $self->{socket}, 1;
		1 while defined $self->line;
		E2E::attend({%{$self->{options}}, stdin => ''}, $run, undef);
		E2E::settle($run);
		$run->{out} = $self->{all};
		close $self->{socket};
		return $run;
	}
}

package E2E::Run {
	our $AUTOLOAD;

	sub err_lines { return split /\n/, $_[0]{err} }
	sub log_lines { return split /\n/, $_[0]{log_text} }
	sub log { return E2E::parse_log(($_[0]->log_lines)[-1] // '') }

	sub AUTOLOAD
	{
		(my $name = $AUTOLOAD) =~ s/.*:://;
		return if $name eq 'DESTROY';
		return $_[0]{$name};
	}
}

# --- comparing ------------------------------------------------------------------------------------------------------------------

sub matches
{
	my ($got, $want, $name) = @_;

	return is($got, undef, $name) if !defined $want;
	return like($got // '(nothing)', $want, $name) if ref $want;
	return is($got, $want, $name);
}

sub compare_err
{
	my ($run, $o) = @_;
	my @lines = $run->err_lines;

	if (ref $o->{err} eq 'ARRAY') {
		is(scalar @lines, scalar @{$o->{err}}, 'lines on stderr');
		matches($lines[$_], $o->{err}[$_], "stderr, line " . ($_ + 1)) for 0 .. $#{$o->{err}};
	} elsif (ref $o->{err}) {
		like($run->err, $o->{err}, 'stderr');
	} elsif ($run->exit == 0 && !$o->{printed}) {
		is($run->err, '', 'stderr is silent');
	} elsif ($run->exit != 0) {
		isnt($run->err, '', 'stderr tells of the failure') if !exists $o->{err};
	}
	unlike($run->err, $o->{err_not}, 'what stderr must not hold') if $o->{err_not};
	unlike($run->err, qr/[^\x20-\x7e\n]/, 'stderr is printable ASCII');
	return if $o->{raw} || $o->{printed} || grep { /^-[a-zA-Z]*v$/ } @{$o->{argv} // []};
	is(scalar(grep { !/^sendmail: ./ || length > 2400 } @lines), 0, 'each line of stderr begins with "sendmail: " and is bounded');
	ok($run->err eq '' || $run->err =~ /\n\z/, 'stderr ends with a line end');
	is(join("\n", grep { !/\Asendmail: [^ ].*[^ ]\. (?:Likely cause: [^ ].*[^ .]\. )?Remedy: [^ ].*[^ .]\.\z/ && !/\Asendmail: cannot write the (?:log|transcript) / } @lines), '',
	    'each line says what, why and what to do');
}

sub compare_log
{
	my ($run, $o) = @_;
	my @lines = $run->log_lines;
	my $log = $run->log;

	unlike($run->{log_text}, qr/[^\x20-\x7e\n]/, 'the log is printable ASCII');
	if (exists $o->{log} && !ref $o->{log}) {
		is($run->{log_text}, '', 'no log line') if defined $o->{log};
		return;
	}
	is(scalar @lines, 1, 'one log line') or return;
	is($log->{unparsed}, undef, 'the log line is key=value throughout');
	is($log->{exit}, $run->exit, 'exit in the log');
	matches($log->{$_}, $o->{log}{$_}, "$_ in the log") for sort keys %{$o->{log} // {}};
}

sub compare_secrets
{
	my ($run, $o) = @_;
	my $user = $o->{user} // USER;
	my $password = $o->{password} // PASSWORD;
	my @forms = ($password, map { MIME::Base64::encode_base64($_, '') } $password, "\0$user\0$password");
	my $told = join "\n", $run->out, $run->err, $run->{log_text};

	is(scalar(grep { index($told, $_) >= 0 } @forms), 0, 'the password is told nowhere');
}

sub check
{
	my ($name, %o) = @_;
	my $run = submit(%o);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$o{exit} //= 0 if !$o{signal};
	subtest $name => sub {
		is($run->timed_out, undef, 'it ended by itself');
		is($run->findings, '', 'the sanitizers found nothing') if $sanitized;
		is($run->signal, $o{signal} // 0, 'signal');
		matches($run->exit, $o{exit}, 'exit status') or diag($run->err) if defined $o{exit};
		compare_err($run, \%o) if !$o{signal};
		if ($o{out}) {
			like($run->out, $o{out}, 'stdout');
		} else {
			is($run->out, '', 'stdout is empty');
		}
		compare_log($run, \%o) if !$o{signal};
		compare_secrets($run, \%o);
		compare_server($run, \%o) if $run->server;
		$o{also}->($run) if $o{also};
	} or $run->server && diag($run->server->dialogue);
	$run->server->stop if $run->server && !ref $o{server};
	return $run;
}

sub compare_server
{
	my ($run, $o) = @_;
	my $server = $run->server;
	my @messages = $server->messages;

	my $sent = exists $o->{sent} ? $o->{sent} : ref $o->{server} ? undef : ($run->exit // 1) == 0 ? 1 : 0;

	is(scalar @messages, $sent, 'messages that arrived') if defined $sent;
	if ($o->{violations}) {
		like($server->violations, $o->{violations}, 'violations');
	} else {
		is($server->violations, '', 'no violation of the protocol');
	}
	is(scalar(() = $server->auth), $o->{auths}, 'credentials that were sent') if defined $o->{auths};
}

1;
