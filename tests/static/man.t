# The manual pages are sound mdoc, and tell of each option and flag that there is.
use strict;
use warnings;
use Test::More;

my @pages = sort glob 'man/*.[1578]';
is_deeply([map { s{man/}{}r } @pages], [qw(mailq.1 newaliases.1 sendmail-queue.5 sendmail.8 sendmail.conf.5 smtp-reply-codes.7)], 'the pages');

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
# Each option has its default and an example.
{
	my ($blocks) = slurp('man/sendmail.conf.5') =~ /^\.Sh SMARTHOSTS\n(.*?)^\.Sh (?!OPTIONS|OAUTH)/ms;
	my @parts = split /^(?=\.It Cm [a-z0-9-]+ Li =)/m, $blocks;
	my @lacking;

	shift @parts;
	for (@parts) {
		my ($name) = /^\.It Cm (\S+)/;
		next if /\A[^\n]* ,\n\z/;	# its second line follows
		push @lacking, $name if !/[Dd]efault/ || !/^Example:\n\.Li \S+ = /m;
	}
	cmp_ok(scalar @parts, '>', 30, 'options');
	is_deeply(\@lacking, [], 'each option has its default and an example');
}
# The page that is made from the program's own table is that table.
my $build = $ARGV[0] // $ENV{BUILD_UNDER_TEST} // 'build';
open my $made, '-|', "$build/reply-codes" or die "$build/reply-codes: $!";
my $page = do { local $/; <$made> };
ok(close $made, 'the page is made');
is(slurp('man/smtp-reply-codes.7'), $page, 'smtp-reply-codes(7) is the table (make man)');
my $manual = slurp('man/sendmail.conf.5');
my @options = slurp('src/config.c') =~ /(?:TEXT\(|CFG_(?:INT|BOOL|STR)_CB\(|CFG_SEC\()"([a-z-]+)"/g;
cmp_ok(scalar @options, '>', 25, 'the options were found');
is_deeply([grep { $manual !~ /\Q$_\E/ && $manual !~ /\Q${\ s{-}{\\-}gr}\E/ } grep { $_ ne 'queue' && $_ ne 'delivery' } @options], [], 'sendmail.conf(5) tells each option');
my $flags = (slurp('man/sendmail.8') . slurp('man/mailq.1')) =~ s/\\-/-/gr;
my @flags = map { /^(-\S*)/ ? $1 : () } split /\n/, `$build/sendmail --explain` =~ s/.*^Flags\n//msr;
s/(?:\[.*|(?<=^-[eo][edi])mode|(?<=^-od)i.*|(?<=^-q[IRS]).*|option)\z// for @flags;
cmp_ok(scalar @flags, '>', 60, 'the flags were found');
is_deeply([grep { my $name = substr $_, 1; $flags !~ /(?:\bFl|\||,) \Q$name\E(?![a-z-])/ } grep { !/^-(?:Ac|Am|qf|qI|qR|qS|--|om|oo|o|O|-)\z/ } @flags], [], 'sendmail(8) and mailq(1) tell each flag');

done_testing;
