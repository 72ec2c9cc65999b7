# msmtp and curl, which send and have no queue; see Peers.pm.

package Clients::Msmtp;

use strict;
use warnings;

use OwnTree qw(spew);
use Peers;
use World;

our @ISA = qw(Peers);

use constant NAME => 'msmtp';

sub packages {
	return qw(msmtp);
}

sub starts {
	my ($self) = @_;

	return $self->contestant(undef, argv => ['/usr/bin/msmtp', '--version']);
}

sub sends {
	my ($self, $sink, $file, %option) = @_;
	my $number = ++$self->{configurations};
	my $path = "/tmp/msmtprc-$number";
	my $recipients = $option{recipients} // 1;
	my $trust = $option{system} ? '/etc/ssl/certs/ca-certificates.crt' : '/mnt/certs/ca.pem';

	spew($self->path($path), <<~END, 0600);
		account default
		host ${\World::HOST}
		port $sink->{port}
		auth plain
		user ${\World::USER}
		password ${\World::PASSWORD}
		tls on
		tls_starttls ${\($sink->{implicit} ? 'off' : 'on')}
		tls_trust_file $trust
		END
	return $self->contestant($sink, stdin => $file, recipients => $recipients,
	    argv => ['/usr/bin/msmtp', '-C', $path, '-f', World::SENDER, '--',
		$self->{world}->recipients($recipients)]);
}

package Clients::Curl;

use strict;
use warnings;

use Peers;
use World;

our @ISA = qw(Peers);

use constant NAME => 'curl';

sub packages {
	return qw(curl);
}

sub starts {
	my ($self) = @_;

	return $self->contestant(undef, argv => ['/usr/bin/curl', '--version']);
}

# curl waits for the answer to each RCPT, and makes no CRLF unless it is told to.
sub sends {
	my ($self, $sink, $file, %option) = @_;
	my $recipients = $option{recipients} // 1;

	return $self->contestant($sink, recipients => $recipients,
	    $recipients > 1 ? (once => 1, deadline => 120) : (),
	    argv => ['/usr/bin/curl', '-sS', '--url', ($sink->{implicit} ? 'smtps' : 'smtp') . '://' .
		World::HOST . ":$sink->{port}/bench.example.net", '--ssl-reqd', '--sasl-ir',
		'--login-options', 'AUTH=PLAIN', '--user', World::USER . ':' . World::PASSWORD,
		$option{system} ? () : ('--capath', '/nonexistent', '--cacert', '/mnt/certs/ca.pem'),
		'--crlf', '--mail-from', World::SENDER,
		(map { ('--mail-rcpt', $_) } $self->{world}->recipients($recipients)),
		'--upload-file', $self->inside($file)]);
}

1;
