package Endpoint;

# A token endpoint for end to end tests (tests/oauth/README), as E2E.pm has the smarthost: endpoint(KEY => VALUE ...) starts one with the option --key VALUE; rules => [...] are --rule each,
# a value of undef is an option alone. It has url, device_url, proxy_url, requests (each a hash), violations, tokens, file(NAME), stop.

use strict;
use warnings;
use E2E;
use JSON::PP ();
use POSIX ();
use Time::HiRes ();

our @ISA = ('Exporter');
our @EXPORT = qw(endpoint rsa_key);

my %alive;
my $owner = $$;

sub endpoint
{
	my %o = @_;
	my $dir = scratch();
	my $certs = certs();
	my @args = ('--dir', $dir, '--cert', "$certs/good.pem", '--key', "$certs/good.key");

	smarthost()->stop if !-e "$certs/good.pem";
	for my $key (sort keys %o) {
		(my $name = $key) =~ tr/_/-/;
		if (ref $o{$key}) {
			$name =~ s/s\z//;
			push @args, map { ("--$name", $_) } @{$o{$key}};
		} else {
			push @args, "--$name", defined $o{$key} ? $o{$key} : ();
		}
	}
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		open STDOUT, '>', "$dir/stdout";
		open STDERR, '>', "$dir/stderr";
		exec 'python3', '-B', top() . '/tests/oauth/endpoint.py', @args or POSIX::_exit(127);
	}
	$alive{$pid} = 1;
	for (1 .. 5000) {
		last if -s "$dir/port";
		if (waitpid($pid, POSIX::WNOHANG()) == $pid) {
			delete $alive{$pid};
			die "the endpoint did not start: ", slurp("$dir/stderr");
		}
		Time::HiRes::sleep(0.004);
	}
	return bless {dir => $dir, pid => $pid, port => slurp("$dir/port") + 0}, 'Endpoint';
}

sub port { return $_[0]{port} }
sub url { return "https://localhost:$_[0]{port}/token" }
sub device_url { return "https://localhost:$_[0]{port}/devicecode" }
sub proxy_url { return 'http://127.0.0.1:' . (slurp("$_[0]{dir}/proxy-port") + 0) }
sub file { return slurp("$_[0]{dir}/$_[1]") }
sub path { return "$_[0]{dir}/$_[1]" }
sub violations { return $_[0]->file('violations') }
sub tokens { return split /\n/, $_[0]->file('tokens') }
sub requests { return map { JSON::PP->new->utf8->decode($_) } split /\n/, $_[0]->file('requests') }

sub stop
{
	my ($self) = @_;

	return if !defined $self->{pid} || $$ != $owner;
	kill 'TERM', $self->{pid};
	waitpid $self->{pid}, 0;
	delete $alive{delete $self->{pid}};
}

sub DESTROY
{
	local ($?, $!, $@);
	$_[0]->stop;
}

END {
	if ($$ == $owner) {
		local $?;
		kill 'KILL', keys %alive if %alive;
	}
}

# A key and a certificate of its own: (key file, certificate file, public key file).
sub rsa_key
{
	my ($name, @more) = @_;
	my $dir = scratch();

	qx{openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=$name -days 30 -keyout $dir/key -out $dir/cert 2>&1};
	qx{openssl pkey -in $dir/key -pubout -out $dir/pub 2>&1};
	-s "$dir/pub" or die 'openssl made no key';
	chmod 0644, "$dir/key", "$dir/cert", "$dir/pub";
	return ("$dir/key", "$dir/cert", "$dir/pub");
}

1;
