# An smtp-server of one's own (by the Nodemailer project, for Node.js), for a test:
# see PrivateServer.pm and PrivateScript.pm; smtp_server.js is the script.
#
#   587  STARTTLS; PIPELINING, SIZE, DSN, REQUIRETLS, ENHANCEDSTATUSCODES; AUTH is
#	 offered before TLS as well, and refused there
#   465  implicit TLS; none of these but SIZE, without telling the limit
# Both want AUTH: PLAIN, LOGIN, CRAM-MD5, and XOAUTH2 with the token in
# /tmp/token, and offer 8BITMIME and SMTPUTF8.
#
# Node.js is Debian's.  smtp-server is the newest for it, and what it needs has the
# very versions that it names: from npm, which compares their checksums.

package PrivateSmtpServer;

use strict;
use warnings;

use File::Path qw(make_path);
use FindBin;
use JSON::PP;

use lib $FindBin::Bin;
use OwnTree qw(run spew slurp);
use PrivateScript;

our @ISA = ('PrivateScript');

use constant {
	TOKEN	=> 'ya29.open-sesame_~+/==',
	MAJOR	=> '3.18',		# the last that runs on Debian 12's Node.js
};

my %modules;	# where npm's packages are

sub fetch {
	my ($here, $build) = @_;
	my $root = OwnTree::fetch($here, $build, 'nodejs', 'nodejs') or return undef;
	my $place = OwnTree::npm('smtp-server', MAJOR) or return undef;
	my $needs = about($place)->{dependencies};

	$modules{'smtp-server'} = $place;
	for my $name (sort keys %$needs) {
		$modules{$name} = OwnTree::npm($name, $needs->{$name})
		    or return undef;
	}
	return $root;
}

sub about {
	my ($place) = @_;

	return decode_json(slurp("$place/package.json"));
}

sub configure {
	my ($self) = @_;
	my $to = $self->path('/tmp/node_modules');

	$self->SUPER::configure;
	make_path($to);
	run("cp -r '$modules{$_}' '$to/$_'") for sort keys %modules;
	spew($self->path('/tmp/token'), TOKEN . "\n", 0600);
	spew($self->path('/tmp/wrong-token'), TOKEN . "x\n", 0600);
}

sub program {
	return qw(/usr/bin/node smtp_server.js);
}

sub version {
	my ($self) = @_;

	return 'smtp-server ' . about($modules{'smtp-server'})->{version} .
	    ' on Node.js ' . $self->packaged('nodejs');
}

sub offers {
	my ($self) = @_;

	return { dsn => 1, utf8 => 1, size => PrivateScript::SIZE_LIMIT,
	    mechanisms => [qw(PLAIN LOGIN CRAM-MD5 XOAUTH2)],
	    sections => { XOAUTH2 => { 'password-file' => undef,
		'token-file' => $self->quoted('/tmp/token') } } };
}

1;
