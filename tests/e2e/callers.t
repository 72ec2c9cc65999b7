# Real programs' calls (tests/data/callers) made again: envelope, exit status, silence, and the message, byte for byte where CONTRACT
# section 3 has nothing to repair, field for field and octet for octet of the body where it has.
use strict;
use warnings;
use lib 'tests/e2e/lib';
use E2E;
use Cwd ();
use MIME::Base64 ();
use MIME::QuotedPrint ();
use POSIX ();
use Socket;

use constant DOMAIN => 'zoo.example.net';

# What modes that are no delivery end with.
my %status = (mailq => 0, newaliases => 0, '-bd' => 64);

# The callers' users are given names in a mount namespace of our own, whose /etc/passwd says so.
my %user = (0 => 'root', 1000 => 'alice', 1001 => 'bob', 100 => 'logcheck');
my $own_users = $ENV{CALLERS_OWN_USERS};
if ($> == 0 && !$own_users && can_unshare()) {
	my $passwd = join '', map { "$user{$_}:x:${_}:${_}::/:/bin/sh\\n" } sort keys %user;
	my $script = "umask 022 && mount -t tmpfs tmpfs /mnt && printf '$passwd' >/mnt/passwd && mount --bind /mnt/passwd /etc/passwd && " .
	    'CALLERS_OWN_USERS=1 exec "$0" "$@"';

	exec 'unshare', '-m', '--', 'sh', '-c', $script, $^X, Cwd::realpath($0) or die "unshare: $!";
}

# Another user may not be able to reach the program where it was built.
my $copy = scratch() . '/sendmail';
system('cp', program(), $copy) == 0 or die 'cp failed';

sub unescape
{
	my ($s) = @_;

	$s =~ s/\\\*(\d+)\*(.)/$2 x $1/ge;
	$s =~ s/\\(?:x([0-9a-f]{2})|([rt\\]))/defined $1 ? chr hex $1 : {r => "\r", t => "\t", '\\' => '\\'}->{$2}/ge;
	return $s;
}

sub expand
{
	my ($line) = @_;

	return ($2) x $1 if $line =~ /^repeat (\d+) (.*)\z/s;
	return $line if $line !~ /^count (\d+) (\d+) (.*)\{\}(.*)\z/s;
	my ($from, $to, $before, $after) = ($1, $2, $3, $4);
	my $width = $from =~ /^0./ ? length $from : 1;
	return map { $before . sprintf('%0*d', $width, $_) . $after } $from .. $to;
}

# A case as {word => [values]}, with stdin as a string and envelopes as [{sender, rcpt => []}].
sub read_case
{
	my ($path) = @_;
	my %case = (argv => [], env => [], envelopes => [], stdin => '');
	my ($head, $input) = slurp($path) =~ /\A(.*?)^stdin\n(.*)\z/ms or die "$path: no stdin";

	for (map { expand($_) } split /\n/, $head) {
		next if /^#/;
		my ($word, $value) = /^(\S+) ?(.*)\z/s;

		$value = unescape($value);
		if ($word eq 'sender') {
			push @{$case{envelopes}}, {sender => $value =~ s/^<|>\z//gr, rcpt => []};
		} elsif ($word eq 'rcpt') {
			push @{$case{envelopes}[-1]{rcpt}}, $value;
		} elsif ($word =~ /^(?:argv|env)\z/) {
			push @{$case{$word}}, $value;
		} elsif ($word =~ /^(?:uid|umask|ignored|blocked|closed|open|fd0|mode|exit)\z/) {
			$case{$word} = $value;
		} else {
			die "$path: what is $word?";
		}
	}
	for (map { expand($_) } split /\n/, $input) {
		/^([|.])(.*)\z/s or die "$path: line without | or .";
		$case{stdin} .= unescape($2) . ($1 eq '|' ? "\n" : '');
	}
	return \%case;
}

# --- the call -------------------------------------------------------------------------------------------------------------------

sub send_by_socket
{
	my ($data) = @_;

	socketpair my $here, my $there, AF_UNIX, SOCK_STREAM, PF_UNSPEC or POSIX::_exit(126);
	if (fork == 0) {
		close $there;
		while ($data ne '') {
			my $n = syswrite $here, $data, 65536 or last;
			substr $data, 0, $n, '';
		}
		POSIX::_exit(0);
	}
	close $here;
	open STDIN, '<&', $there or POSIX::_exit(126);
}

sub prepare
{
	my ($case) = @_;

	umask oct $case->{umask};
	send_by_socket($case->{stdin}) if ($case->{fd0} // '') eq 'socket' && $case->{exit} ne 'killed';
	for (split ' ', $case->{open} // '') {
		my $fd = POSIX::open('/dev/null', POSIX::O_RDWR());
		POSIX::dup2($fd, $_);
	}
	$SIG{$_} = 'IGNORE' for split ' ', $case->{ignored} // '';
	POSIX::sigprocmask(POSIX::SIG_BLOCK(), POSIX::SigSet->new(map { POSIX->can("SIG$_")->() } split ' ', $case->{blocked}))
	    if defined $case->{blocked};
}

sub run_case
{
	my ($case) = @_;
	my ($argv0, @argv) = @{$case->{argv}};
	my ($uid) = split ' ', $case->{uid};
	my %env = (PATH => undef, map { /^([^=]+)=(.*)\z/s ? ($1 => $2) : () } @{$case->{env}});
	my %o = (program => $copy, argv0 => $argv0, argv => \@argv, env => \%env, setup => sub { prepare($case) },
	    top => {domain => DOMAIN, hostname => DOMAIN}, tls => 'none', user => undef, host => {user => undef, password => undef});

	$o{uid} = $uid if $> == 0 && $uid != 0;
	$o{close} = [split ' ', $case->{closed}] if defined $case->{closed};
	if ($case->{exit} eq 'killed') {
		my $killed;

		$o{stdin} = {data => $case->{stdin}, hold => 1};
		$o{watch} = sub {
			my ($pid, $run) = @_;

			kill 'INT', $pid if !$killed && $run->{written} == length $case->{stdin};
			$killed = 1 if $run->{written} == length $case->{stdin};
		};
	} elsif (($case->{fd0} // '') eq 'file') {
		$o{stdin} = {file => spew(scratch() . '/stdin', $case->{stdin}, 0644)};
	} else {
		$o{stdin} = {data => $case->{fd0} eq 'socket' ? '' : $case->{stdin}};
	}
	return submit(%o);
}

# --- what has to arrive ---------------------------------------------------------------------------------------------------------

sub has_i
{
	my ($argv) = @_;

	for (@$argv[1 .. $#$argv]) {
		return 0 if $_ eq '--' || !/^-/;
		return 1 if /^-[tvnUG]*i/ || /^-oi(?:true)?\z/;
	}
	return 0;
}

# The lines that are left of the input.
sub lines_of
{
	my ($case) = @_;
	my $text = $case->{stdin} =~ tr/\0//dr;
	my @lines;

	$text .= "\n" if $text ne '' && $text !~ /\n\z/;
	for (split /\n/, $text, -1) {
		s/\r+\z//;
		tr/\r/ /;
		push @lines, $_;
	}
	pop @lines;
	return @lines if has_i($case->{argv});
	for my $i (0 .. $#lines) {
		return @lines[0 .. $i - 1] if $lines[$i] eq '.';
		$lines[$i] =~ s/^\.\././;
	}
	return @lines;
}

# [fields], [body lines]
sub split_message
{
	my @lines = @_;
	my @fields;

	while (@lines) {
		if ($lines[0] =~ /^[ \t]/ && @fields) {
			$fields[-1] .= "\r\n" . shift @lines;
		} elsif ($lines[0] =~ /^[!-9;-~]+[ \t]*:/) {
			push @fields, shift @lines;
		} else {
			last;
		}
	}
	shift @lines if @lines && $lines[0] eq '';
	return \@fields, \@lines;
}

sub name_of { return lc($_[0] =~ /^([!-9;-~]+)/ ? $1 : '') }

my %completed = map { $_ => 1 } map { ($_, "resent-$_") } qw(from sender to cc reply-to);

# What is compared of a field: all of it, where nothing had to be repaired; else without folding, bare names completed, decoded.
sub canonical
{
	my ($field) = @_;
	my $name = name_of($field);

	$field =~ s/^([!-9;-~]+)[ \t]*:/$1:/;
	return $field if $field !~ /[^\x01-\x7f]|=\?(?:utf-8|unknown-8bit)\?/i && !$completed{$name} && length $field < 998;
	$field =~ s/\r\n(?=[ \t])//g;
	$field =~ s/\?=[ \t]+(?==\?)/?=/g;
	$field =~ s{=\?(?:utf-8|unknown-8bit)\?([qb])\?([^?]*)\?=}{
		my $text = $2;
		lc $1 eq 'b' ? MIME::Base64::decode_base64($text) : MIME::QuotedPrint::decode($text =~ tr/_/ /r)
	}gie;
	$field =~ s/\@\Q${\DOMAIN}\E//gi if $completed{$name};
	$field =~ tr/" \t//d;
	return $field;
}

sub is_added { return name_of($_[0]) =~ /^(?:resent-)?(?:date|message-id|from)\z|^to\z|^mime-version\z|^content-/ }

sub compare_message
{
	my ($case, $arrived) = @_;
	my @lines = lines_of($case);

	shift @lines if @lines && $lines[0] =~ /^>?From /;
	my ($fields, $body) = split_message(@lines);
	my ($got, $got_body) = split_message(split(/\r\n/, $arrived, -1));
	my @want = grep { name_of($_) !~ /^(?:(?:resent-)?bcc|return-path)\z/ } @$fields;
	my %has = map { name_of($_) => 1 } @want;
	my $too_long = grep { length > 998 } @$body;
	my @bcc = grep { name_of($_) =~ /bcc\z|^return-path\z/ } @$got;

	pop @$got_body;
	is("@bcc", '', 'neither Bcc nor Return-Path');
	if (@want && $has{date} && $has{'message-id'} && $has{from} && ($has{to} || $has{cc}) && !grep { /[^\x01-\x7f]/ || length > 998 || /^\S+[ \t]+:/ ||
	    $completed{name_of($_)} && !/\@/ || name_of($_) =~ /^resent-/ } @want) {
		if (!grep { /[^\x00-\x7f]/ || length > 998 } @$body and my $text = join "\r\n", @want, '', @$body, '') {
			is($arrived, $text, 'the message, byte for byte');
			return;
		}
	}
	my @added;
	my %count;

	$count{name_of($_)}++ for @want;
	for my $field (@$got) {
		my $name = name_of($field);

		if (!$count{$name} && is_added($field)) {
			push @added, $field;
		} else {
			push @{$has{got}}, $field;
		}
	}
	if ($too_long) {
		is(scalar(grep { /^content-transfer-encoding: *quoted-printable\z/i } @$got), 1, 'long lines became quoted-printable');
		@{$has{got}} = grep { name_of($_) ne 'content-transfer-encoding' } @{$has{got} // []};
		@want = grep { name_of($_) ne 'content-transfer-encoding' } @want;
	}
	is_deeply([map { canonical($_) } @{$has{got} // []}], [map { canonical($_) } @want], 'the fields that were there');
	my ($encoding) = map { /^content-transfer-encoding:\s*(\S+)/i ? lc $1 : () } @added, grep { name_of($_) eq 'content-transfer-encoding' } @$got;
	my $now = join "\r\n", @$got_body, '';
	my $then = join "\r\n", @$body, '';

	$now = MIME::QuotedPrint::decode_qp($now) if ($encoding // '') eq 'quoted-printable' && $now ne $then;
	$now =~ s/(?<!\r)\n/\r\n/g;
	is($now, $then, 'the body');
	my $prefix = (grep { /^resent-/i } @$got) ? 'resent-' : '';
	for my $name (map { "$prefix$_" } qw(date from message-id)) {
		is(scalar(grep { name_of($_) eq $name } @$got), 1, "one $name");
	}
	is(scalar(grep { length > 998 } split /\r\n/, $arrived), 0, 'no line is longer than 998 octets');
}

# --- all of them ----------------------------------------------------------------------------------------------------------------

sub expected_sender
{
	my ($case, $sender) = @_;
	my ($uid) = split ' ', $case->{uid};
	my $who = $> == 0 ? $uid : $>;
	my $me = getpwuid($who) // "uid-$who";

	# Without names of our own it is whoever this machine knows by that uid, or ourselves, except where the call or its header names the sender.
	return $sender if $own_users || $sender ne "$user{$uid}\@" . DOMAIN || grep { /^-(?![oe])[a-z]*[fr]/ } @{$case->{argv}};
	return $sender if $case->{stdin} =~ /^(?:From|Sender):.*\Q$sender\E/mi;
	return "$me\@" . DOMAIN;
}

sub path_of { return ($_[0] // '') =~ /<(.*)>/ ? $1 : $_[0] }

sub judge
{
	my ($case, $run) = @_;
	my @messages = $run->server->messages;
	my ($envelope) = @{$case->{envelopes}};

	is($run->timed_out, undef, 'it ended by itself');
	is($run->findings, '', 'the sanitizers found nothing') if sanitized();
	if ($case->{exit} eq 'killed') {
		is($run->signal, 2, 'killed');
		is(scalar @messages, 0, 'nothing was sent');
		is($run->server->dialogue, '', 'nothing was even begun');
		return;
	}
	is($run->exit, $case->{exit}, 'exit status') or diag($run->err);
	is($run->stdin_broken, undef, 'all of the input was taken');
	is($run->server->violations, '', 'no violation of the protocol');
	if ($case->{exit} == 0 && !grep { $_ eq '-v' || $_ eq '--help' } @{$case->{argv}}) {
		is($run->out, '', 'stdout is silent');
		is($run->err, '', 'stderr is silent');
	} elsif (!grep { $_ eq '--help' } @{$case->{argv}}) {
		isnt($run->err, '', 'stderr tells something');
	}
	is(scalar @messages, defined $envelope ? 1 : 0, 'messages') or return;
	return if !defined $envelope;
	is(path_of($messages[0]{env}{mail}[0]), expected_sender($case, $envelope->{sender}), 'sender');
	is_deeply([sort map { path_of($_) } @{$messages[0]{env}{rcpt}}], [sort @{$envelope->{rcpt}}], 'recipients');
	compare_message($case, $messages[0]{data});
}

# The messages of a dialogue, as they were before their dots were doubled.
sub messages_of
{
	my ($dialogue) = @_;
	my @messages;

	while ($dialogue =~ /^DATA\r?\n(.*?)^\.\r?$/msig) {
		my $text = $1;

		$text =~ s/^\.//mg;
		push @messages, $text;
	}
	return @messages;
}

# -bs: several messages, each with its envelope.
sub judge_dialogue
{
	my ($case, $run) = @_;
	my @arrived = $run->server->messages;
	my @sent = messages_of($case->{stdin});

	is($run->timed_out, undef, 'it ended by itself');
	is($run->findings, '', 'the sanitizers found nothing') if sanitized();
	is($run->exit, $case->{exit}, 'exit status');
	is($run->err, '', 'stderr is silent');
	is($run->stdin_broken, undef, 'all of the input was taken');
	is($run->server->violations, '', 'no violation of the protocol');
	is(join(' ', grep { !/^(?:\d{3}[- ][\x20-\x7e]*|)\z/ } split /\r\n/, $run->out), '', 'nothing but SMTP on stdout');
	unlike($run->out, qr/^[45]/m, 'nothing was refused');
	is(scalar @arrived, scalar @{$case->{envelopes}}, 'messages');
	for my $i (0 .. $#{$case->{envelopes}}) {
		my $envelope = $case->{envelopes}[$i];

		is(path_of($arrived[$i]{env}{mail}[0]), $envelope->{sender}, 'sender');
		is_deeply([sort map { path_of($_) } @{$arrived[$i]{env}{rcpt}}], [sort @{$envelope->{rcpt}}], 'recipients');
		is($arrived[$i]{env}{connection}[0], 1, 'one connection for all');
		compare_message({argv => ['sendmail', '-i'], stdin => $sent[$i]}, $arrived[$i]{data});
	}
}

# Neither delivery nor dialogue: its status, and nothing is sent.
sub judge_other
{
	my ($case, $run) = @_;

	is($run->timed_out, undef, 'it ended by itself');
	is($run->exit, $status{$case->{mode}}, 'exit status') or diag($run->err);
	is($run->server->dialogue, '', 'the smarthost is not troubled');
}

my @cases = sort glob top() . '/tests/data/callers/*.case';
is(scalar @cases, 207, 'all cases are there');
for my $path (@cases) {
	my ($name) = $path =~ m{([^/]+)\.case\z};
	my $case = read_case($path);

	my $run = run_case($case);
	subtest $name => sub { !defined $case->{mode} ? judge($case, $run) : $case->{mode} eq '-bs' ? judge_dialogue($case, $run) : judge_other($case, $run) };
	$run->server->stop;
}
done_testing;
