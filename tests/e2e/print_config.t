# --print-config: each option, its value and where that came from; no password; and the output is a configuration that says the same.
use lib 'tests/e2e/lib';
use E2E;

my %options;	# what sendmail.conf(5) describes
$options{$_} = 1 for map { split /\s*,\s*(?:Cm )?/ } slurp('man/sendmail.conf.5') =~ /^\.It Cm ([a-z][^\n]*?) Li =/mg;

# Prints it. The run; and {"section option" => [value or undef, where]}.
sub print_config
{
	my (%o) = @_;
	my $run = submit(argv => ['--print-config', @{$o{argv} // []}], stdin => '', server => 0, %o{grep { exists $o{$_} } qw(conf env setup wrap uid)});
	my ($section, %said) = ('');

	for (split /\n/, $run->out) {
		if (/\Asmarthost "(.*)" \{/) {
			$section = $1;
		} elsif ($_ eq '}') {
			$section = '';
		} elsif (/\A *(?:# ([a-z-]+)( is hidden)?|([a-z-]+) = (.*?)) +# (.*)\z/) {
			my ($unset, $hidden, $name, $value, $where) = ($1, $2, $3, $4, $5);
			$said{"$section " . ($unset // $name)} = [$hidden ? 'hidden' : $value, $where];
		}
	}
	return ($run, \%said);
}

my $file = <<'END';
# a comment
from = "app@example.com"
override-from = yes
smarthost "one" {
	host = "smtp.example.com"
	user = "app@example.com"
	password = 'se cr"et'
	port = 2525
}
smarthost "two.example.com" { tls = "implicit"  user = 'b"b' password-command = "cat /run/x"
	tls-min-version = "1.3" }
smarthost "three.example.com" {
	user = "c@example.com"
	oauth {
		provider = "microsoft"
		tenant = "contoso.com"
		client-id = "id"
		client-secret-file = "/run/client"
	}
}
timeout = "90s"
log = "stderr"
END

{
	my ($run, $said) = print_config(conf => $file);

	is($run->exit . $run->err, '0', 'a file');
	my %is = ('one host' => ['"smtp.example.com"', 'line 5'], 'one user' => ['"app@example.com"', 'line 6'], 'one password' => ['hidden', 'line 7'],
	    'one port' => ['2525', 'line 8'], 'one tls' => ['"starttls"', 'default'], 'one auth' => [undef, 'not set'], 'two.example.com port' => ['465', 'default'],
	    'two.example.com host' => ['"two.example.com"', 'default'], 'two.example.com user' => ['"b\"b"', 'line 10'],
	    'two.example.com password-command' => ['"cat /run/x"', 'line 10'], 'two.example.com tls-min-version' => ['"1.3"', 'line 11'],
	    ' from' => ['"app@example.com"', 'line 2'], ' override-from' => ['true', 'line 3'], ' timeout' => ['"90s"', 'line 21'], ' log' => ['"stderr"', 'line 22'],
	    'three.example.com client-id' => ['"id"', 'line 17'], 'three.example.com scope' => ['"https://outlook.office365.com/.default"', 'default'],
	    'three.example.com token-url' => ['"https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token"', 'default'],
	    ' idle-timeout' => ['"5m"', 'default'], ' queue-lifetime' => ['"5d"', 'default'], ' queue' => [undef, 'not set'], ' queue-max-size' => [undef, 'not set'], ' queue-connections' => ['20', 'default']);
	is_deeply($said->{$_}, $is{$_}, $_) for sort keys %is;
	unlike($run->out, qr/se cr|et'/, 'the password is not shown');
	my %missing = %options;
	delete $missing{s/.* //r} for keys %$said;
	delete $missing{$_} for map { ("$_-file", "$_-env", "$_-command") } qw(password tls-key-password token client-secret client-key-password proxy-password);
	delete @missing{qw(smarthost token provider oauth client-secret)};	# a provider is told as what it fills in
	is(join(' ', sort keys %missing), '', 'each option of the manual is told');
	(my $again = $run->out) =~ s/^.*# password is hidden.*$/password = 'x'/m;
	my ($second, $same) = print_config(conf => $again);
	is($second->exit . $second->err, '0', 'what it says is a configuration itself');
	is(join("\n", map { "$_: " . ($same->{$_}[0] // '-') } sort keys %$same), join("\n", map { "$_: " . ($said->{$_}[0] // '-') } sort keys %$said), 'of the same values');
}
{
	my ($run, $said) = print_config(conf => undef, env => {SENDMAIL_CONF => '', SENDMAIL_SMARTHOST => 'submissions://a%40b@smtp.example.com', SENDMAIL_PASSWORD => 's3cret',
	    SENDMAIL_FROM => 'app@example.com'});

	SKIP: {
		skip 'there is a configuration on this machine', 5 if -e '/etc/sendmail.conf';
		is($run->exit . $run->err, '0', 'the environment');
		is_deeply($said->{'smtp.example.com port'}, ['465', 'SENDMAIL_SMARTHOST'], 'its port');
		is_deeply($said->{'smtp.example.com password-env'}, ['"SENDMAIL_PASSWORD"', 'SENDMAIL_PASSWORD'], 'its password');
		is_deeply($said->{' from'}, ['"app@example.com"', 'SENDMAIL_FROM'], 'its sender');
		unlike($run->out, qr/s3cret/, 'which is not shown');
	}
}
{
	my ($run) = print_config(conf => "frmo = \"x\"\n");

	is($run->exit, 78, 'a file that is wrong');
	like($run->err, qr/line 1: .*frmo.*Remedy: /, 'is told');
	is($run->out, '', 'and not shown');
}
check 'only as the first argument', argv => ['-i', '--print-config'], exit => 64, sent => 0, err => qr/--print-config/, log => {status => 'failed'};
done_testing;
