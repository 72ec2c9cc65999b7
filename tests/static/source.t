# The rules of the house that can be seen from the source: floors, forbidden calls, lengths, what may lie where.
use strict;
use warnings;
use Test::More;

sub slurp
{
	open my $fh, '<', $_[0] or die "$_[0]: $!";
	local $/;
	return <$fh>;
}

# Without comments and the text of strings, lines kept.
sub code
{
	my ($text) = @_;

	$text =~ s{("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(/\*.*?\*/|//[^\n]*)}{defined $1 ? ($1 =~ /^"/ ? '""' : "'x'") : $2 =~ tr/\n//cdr}gse;
	return $text;
}

my @sources = sort glob 'src/*.[ch] src/*/*.[ch]';
my %text = map { $_ => slurp($_) } @sources;
my %code = map { $_ => code($text{$_}) } @sources;
cmp_ok(scalar @sources, '>', 30, 'there are sources');

sub where
{
	my ($pattern, @except) = @_;
	my %except = map { $_ => 1 } @except;

	return [map { my $file = $_; my $n = 0; map { $n++; /$pattern/ ? "$file:$n" : () } split /\n/, $code{$file} } grep { !$except{$_} } @sources];
}

# --- floors

my %floor;
my $level = 0;
for (['aside', 'clock', 'mem', 'json', 'url', 'outcome', 'printable', 'put', 'base64', 'log', 'trace', 'explain', 'dsn'], ['config', 'options', 'secret'], ['net/', 'mail/'],
    ['smtp/', 'oauth/', 'outgoing', 'queue/spool', 'queue/disk', 'queue/removal'], ['submit'], ['relay'], ['probe', 'report', 'smtp/server', 'smtp/session', 'smtp/flight'], ['notify', 'authorize'], ['queue/'], ['keep'], ['desk', 'check'], ['run'], ['main']) {
	$floor{$_} = $level for @$_;
	$level++;
}
sub floor_of
{
	my ($path) = @_;

	my ($name) = $path =~ m{^(?:src/)?([a-z0-9]+/?)};	# config_source.c is of config's room
	return $path =~ m{(smtp/(?:server|session|flight))\.|(queue/(?:spool|disk|removal))} ? $floor{$1 // $2} : $floor{$name};
}
my (@unknown, @upwards, @sideways);
for my $file (@sources) {
	my $own = floor_of($file);

	push @unknown, $file if !defined $own;
	for my $header ($text{$file} =~ /^#include "([^"]+)"/mg) {
		my $its = floor_of($header);

		push @unknown, "$file: $header" if !defined $its;
		push @upwards, "$file includes $header" if defined $own && defined $its && $its > $own;
		push @sideways, "$file includes $header" if $file =~ m{^src/mail/} && $header =~ m{^(?:net|smtp)/} || $file =~ m{^src/net/} && $header =~ m{^(?:mail|smtp)/};
	}
}
is_deeply(\@unknown, [], 'each file has its floor');
is_deeply([grep { !/^src\/(?:log|explain)\.h includes config\.h$/ } @upwards], [], 'a file includes only what is below it, or beside');
is_deeply(\@sideways, [], 'mail/ and net/ know nothing of each other, nor of smtp/');

is_deeply([map { $text{$_} =~ m{^#include <openssl/}m ? $_ : () } @sources], ['src/net/openssl.h'], 'the headers of OpenSSL: only through net/openssl.h');
my @openssl = map { $text{$_} =~ m{^#include "net/openssl\.h"}m ? $_ : () } @sources;
is_deeply([grep { !m{^src/(?:net/(?:tls[a-z_]*|openssl)|smtp/sasl|smtp/scram|oauth/jwt)\.[ch]$} } @openssl], [], 'OpenSSL: only net/tls*, smtp/sasl.c, smtp/scram.c and oauth/jwt.c');
{
	my ($list) = $text{'src/net/openssl.h'} =~ /#define OPENSSL_FUNCTIONS\(F\) (.*?[^\\])\n/s;
	my @listed = $list =~ /F\((\w+)\)/g;
	my @named = $text{'src/net/openssl.h'} =~ /^#define (\w+) openssl\.\1$/mg;

	is_deeply(\@named, \@listed, 'each function of OpenSSL that is loaded has its name, and no other');
}
is_deeply([map { $text{$_} =~ /#include <confuse\.h>/ ? $_ : () } @sources], ['src/config_take.h'], 'libconfuse: only config.c and config_take.c, through config_take.h');
is_deeply(where(qr/(?<![\w.>])exit\s*\(/, 'src/main.c'), [], 'exit(): only main.c');
is_deeply(where(qr/(?<!\w)v?syslog\s*\(/, 'src/log.c'), [], 'syslog(): only log.c');
is_deeply(where(qr/(?<!\w)poll\s*\(/, 'src/net/stream.c', 'src/net/dial.c', 'src/secret.c', 'src/mail/message.c', 'src/smtp/intake.c', 'src/put.c', 'src/main.c'), [], 'poll(): only where the network, a command, stdin or a reader of ours is waited for, and once for what descriptors there are');
is_deeply(where(qr/(?<!\w)(?:malloc|calloc|realloc|reallocarray|strdup|strndup|asprintf|vasprintf)\s*\(/, 'src/mem.c'), [], 'memory comes from mem.c');

# --- forbidden

is_deeply(where(qr/(?<!\w)(?:strcpy|strcat|stpcpy|strncpy|strncat|sprintf|vsprintf|gets|atoi|atol|atoll|atof|strtok|strtok_r|scanf|sscanf|system|popen|tmpnam|mktemp|rand|srand|random|alloca|setjmp|longjmp|goto)\b\s*(?:\(|\w+;)/),
    [], 'no call that is forbidden');
is_deeply(where(qr/(?<!\w)(?:printf|perror|puts|putchar|err|errx|warn|warnx)\s*\(/), [], 'nothing prints but report and its like');
is_deeply(where(qr/(?<!\w)return\s*\([^()]*\)\s*;/), [], 'return without parentheses');
is_deeply(where(qr/\b(?:TODO|FIXME|XXX)\b/), [], 'nothing left to do');
is_deeply([map { my $f = $_; $text{$f} =~ /\b(?:TODO|FIXME|XXX)\b/ ? $f : () } @sources], [], 'nor in comments');
is_deeply([grep { $text{$_} =~ /[ \t]$/m } @sources], [], 'no blanks at the end of a line');

# --- form

is_deeply([grep { $text{$_} !~ m{\A/\*\n \* \S} } @sources], [], 'a file begins with what it is for');
is_deeply([grep { ($text{$_} =~ tr/\n//) >= 700 } @sources], [], 'a file stays below 700 lines');
my @long;
for my $file (grep { /\.c$/ } @sources) {
	my ($name, $start);
	my @lines = split /\n/, $code{$file};

	for my $n (0 .. $#lines) {
		($name, $start) = ($1, $n) if $lines[$n] =~ /^(\w+)\(/;
		push @long, "$file: $name, " . ($n - $start) . ' lines' if defined $start && $lines[$n] eq '}' && $n - $start > 75;
		undef $start if $lines[$n] eq '}';
	}
}
is_deeply(\@long, [], 'a function fits on a screen');
is_deeply([grep { $text{$_} =~ m{/(?:home|root)/\w} } @sources], [], 'no path of one machine');

# --- what lies where

my %allowed = map { $_ => 1 } qw(Makefile README sendmail.conf.example src tests man LICENSE);
is_deeply([grep { !$allowed{$_} && !/^build/ } glob '*'], [], 'the top level holds nothing else');
is_deeply([grep { !-e } sort keys %allowed], [], 'and all of these');
is_deeply([grep { $text{$_} =~ /[^\x20-\x7e\t\n]/ } @sources], [], 'ASCII');

done_testing;
