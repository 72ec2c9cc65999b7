# A PrivateServer that is a short script on a library for mail servers: the script
# is ours and lies beside this file, the library does the talking.
#
# Such a class has program(): the interpreter and the name of the script.  The
# script is called with the domain and the size limit, takes the accounts and
# their passwords from /tmp/accounts and the names of the mailboxes from
# /tmp/mailboxes, and writes
#
#	/var/log/mail.log	"ready"; for each session "begin NUMBER" and
#				"end NUMBER"; for each AUTH "auth MECHANISM" or
#				"refused MECHANISM"
#	/var/mail/NUMBER.msg	a message, when it has it whole
#	/var/mail/NUMBER.env	its envelope: "mail <ADDRESS> PARAMETERS", and
#				"rcpt <ADDRESS> PARAMETERS" for each recipient
#
# What a client has seen the server do it has written down before.

package PrivateScript;

use strict;
use warnings;

use FindBin;

use lib $FindBin::Bin;
use OwnTree qw(spew slurp);
use PrivateServer;

our @ISA = ('PrivateServer');

use constant {
	DOMAIN		=> PrivateServer::DOMAIN,
	SIZE_LIMIT	=> 1 << 20,
	LONG_PASSWORD	=> 'long ' x 120,	# the password of long@interop.test
	INTERNATIONAL	=> "us\xc3\xa9r",	# a mailbox, in UTF-8
};

sub configure {
	my ($self) = @_;
	my (undef, $script) = $self->program;

	spew($self->path('/tmp/long-password'), LONG_PASSWORD, 0600);
	spew($self->path('/tmp/accounts'), join '', map { "$_\n" }
	    'user@' . DOMAIN, PrivateServer::PASSWORD,
	    'long@' . DOMAIN, LONG_PASSWORD);
	spew($self->path('/tmp/mailboxes'), join '', map { "$_\n" }
	    'user', INTERNATIONAL, map { "user$_" } 'a' .. 'h');
	spew($self->path("/tmp/$script"), slurp("$FindBin::Bin/$script"));
}

sub start {
	my ($self) = @_;
	my ($interpreter, $script) = $self->program;

	$self->daemon($interpreter, "/tmp/$script", DOMAIN, SIZE_LIMIT);
	$self->await('the server', sub { $self->log_text =~ /^ready\n/m });
	$self->settle;
}

sub settle {
	my ($self) = @_;
	my $text;

	$self->await('the end of all sessions', sub {
		$text = substr $self->log_text, $self->{seen};
		my %open = map { $_ => 1 } $text =~ /^begin (\d+)\n/mg;
		delete @open{$text =~ /^end (\d+)\n/mg};
		return !%open;
	});
	$self->{seen} += length $text;
	return $text;
}

# Beside what every server tells: mail and rcpt, the parameters of these commands.
sub arrivals {
	my ($self) = @_;
	my %arrived;

	for my $path (glob "'" . $self->path('/var/mail') . "'/*.env") {
		my $envelope = slurp($path);
		my $file = $path =~ s/env\z/msg/r;
		my $bytes = slurp($file) =~ s/\r\n/\n/gr;
		my ($sender, $mail) = $envelope =~ /^mail <(.*)> ?(.*)\n/m
		    or die "no sender: $envelope";
		while ($envelope =~ /^rcpt <(.*)\@\Q${\DOMAIN}\E> ?(.*)\n/mg) {
			push @{$arrived{$1}}, { sender => $sender, mail => $mail,
			    rcpt => $2, bytes => $bytes };
		}
		unlink $path, $file;
	}
	return \%arrived;
}

sub auth_used {
	my ($self, $log) = @_;

	return ($log =~ /^auth (\S+)\n/mg)[-1];
}

sub dsn_asked {
	my ($self, $log, $arrived) = @_;
	my $message = $arrived->{usera}[0] // return 0;

	return $message->{mail} =~ /\bENVID=id\+=7(?: |\z)/ &&
	    $message->{rcpt} =~ /\bNOTIFY=SUCCESS(?: |\z)/ &&
	    $message->{rcpt} =~ /\bORCPT=rfc822;usera\@\Q${\DOMAIN}\E(?: |\z)/i;
}

1;
