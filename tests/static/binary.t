# What the program was built into: hardened, and linked with nothing but its libraries; OpenSSL is loaded when it is needed.
use strict;
use warnings;
use Test::More;

my $build = $ENV{BUILD_UNDER_TEST} // 'build';
my $program = "$build/sendmail";

sub output
{
	my @command = @_;

	open my $fh, '-|', @command or return '';
	local $/;
	return <$fh> // '';
}

my $header = output('readelf', '-hW', $program);
my $segments = output('readelf', '-lW', $program);
my $dynamic = output('readelf', '-dW', $program);
my $symbols = output('readelf', '-sW', '--dyn-syms', $program);

like($header, qr/Type:\s+DYN/, 'position independent');
like($dynamic, qr/FLAGS_1\).*\bPIE\b/, 'PIE');
like($dynamic, qr/\bNOW\b/, 'all symbols are bound at the start');
like($segments, qr/GNU_RELRO/, 'RELRO');
like($segments, qr/GNU_STACK.*\sRW\s/, 'no executable stack');
unlike($segments, qr/\bRWE\b/, 'no segment that is written and executed');
unlike($dynamic, qr/\b(?:RPATH|RUNPATH|TEXTREL)\b/, 'no RPATH, no text relocations');
like($symbols, qr/__stack_chk_fail/, 'stack protector');
like($symbols, qr/__\w+_chk\b(?<!__stack_chk)/, 'FORTIFY');
my @needed = sort map { s/\.so.*//r } $dynamic =~ /NEEDED\).*\[(\S+?)\]/g;
is_deeply([grep { !/^lib(?:confuse|bsd|md|c)$/ } @needed], [], 'shared libraries that are loaded at the start: libc, and libconfuse and libbsd where they are not there as archives');
like(output('strings', $program), qr/^libssl\.so\.\d/m, 'OpenSSL is loaded by its name');
unlike($symbols, qr/UND (?:strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|strtok|system|popen|mktemp|tmpnam|tempnam|rand|srand|alloca)(?:@|\s|$)/m, 'no function that is forbidden');

done_testing;
