# Where the benchmark takes place: directories, certificates, messages, and the
# sinks and delays that it has started and ends.
#
#	my $world = World->new(build => 'build', programs => 'build/bench');
#	my $sink = $world->sink(implicit => 1, chunking => 0);
#	my $far = $world->delayed($sink, 200);		# the same sink, 200 ms away
#	print $sink->{port}, $far->{port};
#	my %seen = $world->counters($far);
#
# All that is written lies in BUILD/bench/run, which is made anew each time.

package World;

use strict;
use warnings;

use Cwd qw(abs_path);
use Fcntl qw(:flock);
use File::Path qw(make_path remove_tree);
use FindBin;
use POSIX qw(_exit);

use lib "$FindBin::Bin/../interop";
use OwnTree qw(run spew slurp);

use constant {
	HOST		=> '127.0.0.1',
	USER		=> 'bench@example.net',
	PASSWORD	=> 'sesame-of-the-bench',
	SENDER		=> 'sender@example.net',
	RECIPIENT	=> 'recipient@example.net',
	NAMES_AT	=> 512,		# in the file of a sink's counters
	KIB		=> 1024,
	MIB		=> 1024 * 1024,
};

my $owner = $$;
my @started;		# process ids of what has to be ended

sub new {
	my ($class, %given) = @_;
	my $build = abs_path($given{build}) or die "no directory $given{build}\n";
	my $programs = abs_path($given{programs} // "$build/bench")
	    or die "no directory $given{programs}\n";
	my $self = bless { %given, build => $build, programs => $programs,
	    dir => "$build/bench/run", sinks => {} }, $class;

	-x "$build/sendmail" or die "no $build/sendmail: make all\n";
	-x $self->program($_) or die "no " . $self->program($_) . "\n"
	    for qw(sink delay floor measure store);
	make_path("$build/bench");
	open $self->{lock}, '>', "$build/bench/lock" or die "$build/bench/lock: $!";
	flock $self->{lock}, LOCK_EX | LOCK_NB or die "another benchmark runs in $build\n";
	remove_tree($self->{dir});
	make_path($self->{dir});
	$self->certificates;
	return $self;
}

sub program {
	my ($self, $name) = @_;

	return "$self->{programs}/$name";
}

sub sendmail {
	my ($self) = @_;

	return "$self->{build}/sendmail";
}

sub path {
	my ($self, $name) = @_;

	return "$self->{dir}/$name";
}

# An authority, the sinks' certificate, and a directory with hashed names as
# the system's, with this authority among those that the machine trusts.
sub certificates {
	my ($self) = @_;
	my $to = $self->path('certs');
	my $new = 'openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:' .
	    'prime256v1 -nodes -days 2';
	my %given;

	make_path("$to/system");
	run("$new -subj /CN=bench-authority -keyout '$to/ca.key' -out '$to/ca.pem'");
	run("$new -subj /CN=localhost -CA '$to/ca.pem' -CAkey '$to/ca.key'" .
	    ' -addext basicConstraints=critical,CA:FALSE' .
	    ' -addext subjectAltName=DNS:localhost,IP:127.0.0.1' .
	    " -keyout '$to/server.key' -out '$to/server.pem'");
	for my $path (glob('/etc/ssl/certs/*.pem'), "$to/ca.pem") {
		my ($name) = $path =~ m{([^/]+)\z};
		spew("$to/system/$name", $given{$name} = slurp($path));
	}
	spew("$to/bundle.pem", join '', map { $given{$_} } sort keys %given);
	run("openssl rehash '$to/system'");
	$self->{authorities} = keys %given;
}

# A message of about that many octets with all header fields that it needs and
# lines as those of an attachment in base64; each line of the body begins with
# $dot, if given. Returns its path.
sub message {
	my ($self, $size, $dot) = @_;
	my $path = $self->path("message-$size" . ($dot ? '-dots' : ''));
	my $line = ($dot // '') . substr('QmVuY2htYXJr' x 7, 0, 76 - length($dot // '')) . "\n";
	my $header = 'From: ' . SENDER . "\nTo: " . RECIPIENT . "\nSubject: benchmark\n" .
	    "Date: Thu, 26 Nov 2026 03:14:15 +0000\nMessage-ID: <bench.1\@example.net>\n" .
	    "MIME-Version: 1.0\nContent-Type: application/octet-stream\n" .
	    "Content-Transfer-Encoding: base64\n\n";

	return $path if -e $path;
	my $lines = int(($size - length $header) / length $line);
	open my $file, '>:raw', $path or die "$path: $!";
	print $file $header;
	my $many = $line x 1000;
	for (; $lines >= 1000; $lines -= 1000) {
		print $file $many or die "$path: $!";
	}
	print $file $line x $lines;
	close $file or die "$path: $!";
	return $path;
}

# The same with CRLF at the end of each line, as the floor wants it.
sub wire_form {
	my ($self, $path) = @_;
	my $to = "$path.crlf";

	return $to if -e $to;
	open my $in, '<:raw', $path or die "$path: $!";
	open my $out, '>:raw', $to or die "$to: $!";
	while (read $in, my $piece, MIB) {
		print $out $piece =~ s/\n/\r\n/gr or die "$to: $!";
	}
	close $out or die "$to: $!";
	return $to;
}

# Starts a program of ours that prints its port and stays. Returns the port.
sub start {
	my ($self, $name, @args) = @_;

	pipe my $read, my $write or die "pipe: $!";
	defined(my $pid = fork) or die "fork: $!";
	if ($pid == 0) {
		close $read;
		open STDIN, '<', '/dev/null';
		open STDOUT, '>&', $write;
		open STDERR, '>>', $self->path('servers.log');
		close $write;
		exec { $self->program($name) } $name, @args or _exit(71);
	}
	push @started, $pid;
	close $write;
	my $line = <$read> // '';
	my ($port) = $line =~ /(\d+)/ or die "$name @args has not started: " .
	    slurp($self->path('servers.log')) . "\n";
	return $port;
}

# A sink: implicit => 1, chunking => 0, plain => 1, pipelining => 0; name => 'a'
# for one of its own. The same wish gives the same sink.
sub sink {
	my ($self, %want) = @_;
	my $key = join '-', 'sink', map { "$_=" . ($want{$_} // '') } sort keys %want;
	my $certs = $self->path('certs');
	my @without = map { ('--without', uc $_) }
	    grep { defined $want{$_} && !$want{$_} } qw(chunking pipelining);

	return $self->{sinks}{$key} //= do {
		my $counters = $self->path("$key.counters");
		my $port = $self->start('sink', ($want{plain} ? '--plain' :
		    ('--cert', "$certs/server.pem", '--key', "$certs/server.key")),
		    $want{implicit} ? '--implicit' : (), @without,
		    '--user', USER, '--password', PASSWORD, '--counters', $counters);
		{ port => $port, counters => $counters, implicit => $want{implicit} // 0,
		    chunking => $want{chunking} // 1 };
	};
}

# The same sink, so many milliseconds there and back away.
sub delayed {
	my ($self, $sink, $rtt) = @_;

	return $sink if !$rtt;
	return $sink->{delayed}{$rtt} //= { %$sink,
	    port => $self->start('delay', '--to', $sink->{port}, '--rtt', $rtt) };
}

# What a sink has counted; sink.c says what.
sub counters {
	my ($self, $sink) = @_;
	my $file = -e $sink->{counters} ? slurp($sink->{counters}) : return ();
	my @names = split /\n/, substr($file, NAMES_AT) =~ s/\0.*//sr;
	my %seen;

	@seen{@names} = unpack 'Q*', substr $file, 0, 8 * @names;
	return %seen;
}

# A configuration of ours for a sink. Returns the environment that names it.
sub configuration {
	my ($self, $sink, %more) = @_;
	my $ca = $self->path('certs/ca.pem');
	my $number = ++$self->{configurations};
	my $path = $self->path("sendmail-$number.conf");
	my $tls = $sink->{implicit} ? 'implicit' : 'starttls';
	my $trust = delete $more{system} ? '' : "tls-ca-file = \"$ca\"";
	my $top = join '', map { "$_ = \"$more{$_}\"\n" } sort keys %more;

	spew($path, "smarthost \"${\HOST}\" {\n\tport = $sink->{port}\n\ttls = \"$tls\"\n" .
	    "\tuser = \"${\USER}\"\n\tpassword = '${\PASSWORD}'\n\t$trust\n}\n" .
	    "hostname = \"bench.example.net\"\n$top", 0600);
	return { SENDMAIL_CONF => $path };
}

# The environment in which OpenSSL takes our directory for the system's, and no
# file: some machines have one beside the directory, which OpenSSL would read as a
# whole.
sub system_trust {
	my ($self) = @_;

	return { SSL_CERT_DIR => $self->path('certs/system'),
	    SSL_CERT_FILE => $self->path('certs/none') };
}

# Addresses of so many recipients.
sub recipients {
	my ($self, $number) = @_;

	return $number == 1 ? RECIPIENT : map { "recipient$_\@example.net" } 1 .. $number;
}

# A new directory, empty, on the disk.
sub directory {
	my ($self, $name) = @_;
	my $path = $self->path($name);

	remove_tree($path);
	make_path($path, { mode => 0700 });
	return $path;
}

# Rounds of what takes long.
sub few {
	my ($self) = @_;

	return $self->{rounds} > 2 ? 2 : $self->{rounds};
}

sub peers {
	my ($self) = @_;

	return @{$self->{peers} // []};
}

# Arguments of floor for a sink.
sub floor_arguments {
	my ($self, $sink, @more) = @_;

	return ('--port', $sink->{port}, $sink->{implicit} ? '--implicit' : (),
	    '--user', USER, '--password', PASSWORD,
	    (grep { $_ eq '--system' } @more) ? () :
	    ('--ca', $self->path('certs/ca.pem')), @more);
}

END {
	my $status = $?;

	if ($$ == $owner) {
		kill 'TERM', @started;
		waitpid $_, 0 for @started;
	}
	$? = $status;
}

1;
