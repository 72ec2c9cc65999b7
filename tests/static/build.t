# Everything compiles without a warning, with gcc and with clang.
use strict;
use warnings;
use File::Path ();
use Test::More;

my $build = $ENV{BUILD_UNDER_TEST} // 'build';

sub make
{
	my @arguments = @_;

	open my $make, '-|', 'sh', '-c', 'exec make "$@" 2>&1', 'sh', @arguments or die "make: $!";
	local $/;
	my $output = <$make> // '';
	return close($make) ? (1, $output) : (0, $output);
}

for my $compiler (qw(gcc clang)) {
	SKIP: {
		skip "no $compiler", 2 if !grep { -x "$_/$compiler" } split /:/, $ENV{PATH};
		my ($ok, $output) = make('-j2', "BUILD=$build/$compiler", "CC=$compiler", 'CFLAGS=-Werror', 'all', 'smarthost', 'units');

		ok($ok, "$compiler -Werror: the program, the smarthost, the unit tests");
		diag($output) if !$ok;
		unlike($output, qr/warning:/, "$compiler: no warning");
	}
}

done_testing;
