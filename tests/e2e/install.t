# What make install puts where, and that it works under each of its names.
use lib 'tests/e2e/lib';
use E2E;

my $build = build();
my $dest = scratch();

plan(skip_all => 'the sanitized program is not installed') if sanitized();

sub make
{
	my @arguments = @_;
	my $output = '';

	open my $make, '-|', 'make', '-C', top(), '--no-print-directory', "BUILD=$build", @arguments or die "make: $!";
	local $/;
	$output = <$make>;
	return close($make) ? undef : $output // 'failed';
}

is(make('install', "DESTDIR=$dest"), undef, 'make install') or BAIL_OUT('make install failed');
my %mode = ('usr/local/sbin/sendmail' => 0755, map { ("usr/local/share/man/$_" => 0644) } qw(man8/sendmail.8 man5/sendmail.conf.5 man5/sendmail-queue.5 man7/smtp-reply-codes.7 man1/mailq.1 man1/newaliases.1));
$mode{'etc/sendmail.conf.example'} = 0644;
for my $path (sort keys %mode) {
	ok(-f "$dest/$path" && -s _, "$path is there");
	is((stat "$dest/$path")[2] & 07777, $mode{$path}, "$path, its mode") if -e "$dest/$path";
}
is(readlink "$dest/usr/lib/sendmail", '/usr/local/sbin/sendmail', '/usr/lib/sendmail');
is(readlink "$dest/usr/local/bin/$_", '../sbin/sendmail', $_) for qw(mailq newaliases);
ok(!-e "$dest/etc/sendmail.conf", 'no configuration is put there');
check 'the installed sendmail', program => "$dest/usr/local/sbin/sendmail", exit => 0;
check 'mailq', program => "$dest/usr/local/bin/mailq", argv => [], stdin => '', exit => 0, sent => 0, out => qr/\AMail queue is empty/, log => undef;
check 'newaliases', program => "$dest/usr/local/bin/newaliases", argv => [], stdin => '', exit => 0, sent => 0, out => qr/alias/, log => undef;
my $aliases = spew("$dest/aliases", "root: admin\@example.com\nops: root, x\@example.net\nbad: |/bin/false\n", 0644);
check 'newaliases with an alias file', program => "$dest/usr/local/bin/newaliases", argv => [], stdin => '', exit => 0, sent => 0, out => qr/3 aliases/, log => undef,
    top => {aliases => $aliases}, printed => 1, err => [qr/aliases line 3/];

my $other = scratch();
# another SYSCONFDIR is another program: it must not be made where the one under test lies
is(make('install', "BUILD=$build/opt", "DESTDIR=$other", 'PREFIX=/opt/mail', 'SYSCONFDIR=/opt/etc', 'SENDMAIL_LINK='), undef, 'another PREFIX, no link');
ok(-x "$other/opt/mail/sbin/sendmail", 'the program');
ok(-f "$other/opt/etc/sendmail.conf.example", 'the example');
ok(!-e "$other/usr", 'nothing below /usr');
check 'it looks for its configuration there', program => "$other/opt/mail/sbin/sendmail", conf => undef, exit => 78, sent => 0, log => undef,
    err => [qr{there is no /opt/etc/sendmail\.conf}];

is(make('uninstall', "DESTDIR=$dest"), undef, 'make uninstall');
my @left;
sub walk { my ($d) = @_; for (glob "$d/*") { -d && !-l ? walk($_) : push @left, $_ if $_ ne $aliases } }
walk($dest);
is_deeply(\@left, [], 'leaves nothing');

done_testing;
