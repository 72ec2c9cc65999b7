# The words that a person can see, all of them where they stand in the source: what, why, what to do, in one voice. That each line on standard error is made
# so is compared in every end to end test (E2E.pm); the tables of causes and remedies are walked by tests/unit/test_explain.c.
use strict;
use warnings;
use Test::More;

sub slurp
{
	open my $fh, '<', $_[0] or die "$_[0]: $!";
	local $/;
	return <$fh>;
}

# Calls that make a failure or a step of a check: [file:line, function, cause, strings ...]
my %maker = map { $_ => 1 } qw(outcome_set reply_fail usage handshake_failed file_failed broken tell recipients_no_domain);
my $argument = qr/[^()"']|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/;
my $list;
$list = qr/\((?:$argument|(??{$list}))*\)/s;
my @calls;
for my $file (sort glob 'src/*.c src/*/*.c') {
	my $text = slurp($file);
	$text =~ s{/\*.*?\*/}{$& =~ tr/\n//cdr}gse;
	while ($text =~ /\b(\w+)\s*($list)/g) {
		my ($function, $arguments, $at) = ($1, $2, $-[0]);

		pos($text) = $at + length $function;	# calls within calls
		next if !$maker{$function};
		my $line = 1 + (substr($text, 0, $at) =~ tr/\n//);
		my ($cause) = $arguments =~ /\b(CAUSE_[A-Z0-9_]+)/;
		push @calls, ["$file:$line", $function, $cause, grep { /[a-z]/ } map { s/\\(.)/$1/gr } $arguments =~ /"((?:[^"\\]|\\.)*)"/g];
	}
}
cmp_ok(scalar @calls, '>', 150, 'the words were found');
is(join("\n", map { $_->[0] } grep { ($_->[2] // '') eq 'CAUSE_NONE' } @calls), '', 'each failure has a cause, and so a remedy');

# Each cause is used.
my ($enum) = slurp('src/outcome.h') =~ /enum cause \{(.*?)CAUSE_COUNT/s;
my @causes = grep { $_ ne 'CAUSE_NONE' } $enum =~ /\b(CAUSE_[A-Z0-9_]+),/g;
my $users = join '', map { slurp($_) } grep { !m{src/(?:explain|outcome)\.} } glob 'src/*.c src/*/*.c';
cmp_ok(scalar @causes, '>', 60, 'the causes were found');
is(join(' ', grep { $users !~ /\b$_\b/ } @causes), '', 'each cause is used');

# The voice. One word for one thing: smarthost, sign in, mail, recipient, sender, time-out.
my @wrong;
my $word = qr/\b(?:login|log in|logged in|username|e-?mail|mail ?server|relayhost|remote host|destination|SSL|timeout|timed out|unable|error occurred|invalid|illegal|please|sorry|oops)\b/i;
for my $call (@calls) {
	my ($where, $function, $cause, @strings) = @$call;

	for (@strings) {
		next if $function eq 'tell' && /\A[a-z-]+\z/i;	# the name of a step
		push @wrong, "$where: \"$_\" ends like a sentence" if /[.!]\s*\z/ && !/\.\.\.\z/;
		push @wrong, "$where: \"$_\" begins like one" if /\A[A-Z][a-z]/ && !/\AOpenSSL/;
		push @wrong, "$where: \"$_\" has more than one line" if /\n/;
		push @wrong, "$where: \"$_\" says \"$&\"" if /$word/;
		push @wrong, "$where: \"$_\" says \"the server\"" if /\b(?:the|a) server\b/ && $where !~ /srv|options/;
	}
}
is(join("\n", @wrong), '', 'one voice');
done_testing;
