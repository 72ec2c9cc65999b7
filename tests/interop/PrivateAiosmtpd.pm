# An aiosmtpd of one's own (Python's asyncio), for a test: see PrivateServer.pm and
# PrivateScript.pm; aiosmtpd_server.py is the script.
#
#   587  STARTTLS required before anything else
#   465  implicit TLS
# Both want AUTH (PLAIN, LOGIN), and offer SIZE, 8BITMIME and SMTPUTF8: no
# PIPELINING, no ENHANCEDSTATUSCODES, no DSN.  No command line may have more than
# 512 octets.  After 6 RCPT a session is ended with 421.

package PrivateAiosmtpd;

use strict;
use warnings;

use FindBin;

use lib $FindBin::Bin;
use OwnTree qw(slurp);
use PrivateScript;

our @ISA = ('PrivateScript');

sub fetch {
	my ($here, $build) = @_;

	return OwnTree::fetch($here, $build, 'aiosmtpd', 'python3-aiosmtpd');
}

sub program {
	return qw(/usr/bin/python3 aiosmtpd_server.py);
}

sub version {
	my ($self) = @_;

	return 'aiosmtpd ' . $self->packaged('python3-aiosmtpd');
}

sub offers {
	return { dsn => 0, utf8 => 1, size => PrivateScript::SIZE_LIMIT,
	    mechanisms => [qw(PLAIN LOGIN)] };
}

1;
