# The manual pages are sound mdoc, and tell of each option and flag that there is.
use strict;
use warnings;
use Test::More;

my @pages = sort glob 'man/*.[158]';
is_deeply([map { s{man/}{}r } @pages], [qw(mailq.1 newaliases.1 sendmail-queue.5 sendmail.8 sendmail.conf.5)], 'the pages');

sub slurp
{
	open my $fh, '<', $_[0] or return '';
	local $/;
	return <$fh>;
}

SKIP: {
	skip 'no mandoc', scalar @pages if !grep { -x "$_/mandoc" } split /:/, $ENV{PATH};
	for my $page (@pages) {
		open my $mandoc, '-|', 'mandoc', '-Tlint', '-Wwarning', $page or die "mandoc: $!";
		my @said = <$mandoc>;

		close $mandoc;
		is(join('', @said), '', "$page: mandoc -Tlint");
	}
}
my $manual = slurp('man/sendmail.conf.5');
my @options = slurp('src/config.c') =~ /(?:TEXT\(|CFG_(?:INT|BOOL|STR)_CB\(|CFG_SEC\()"([a-z-]+)"/g;
cmp_ok(scalar @options, '>', 25, 'the options were found');
is_deeply([grep { $manual !~ /\Q$_\E/ && $manual !~ /\Q${\ s{-}{\\-}gr}\E/ } grep { $_ ne 'queue' && $_ ne 'delivery' } @options], [], 'sendmail.conf(5) tells each option');
my $flags = slurp('man/sendmail.8');
is_deeply([grep { $flags !~ /\bFl $_\b/ } qw(t i f r F N R V B bm bp bi bs bv v C X)], [], 'sendmail(8) tells each flag');

done_testing;
