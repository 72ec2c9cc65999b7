# OAuth 2.0: a token by each grant, from a token endpoint on loopback, used to sign in; kept across runs; every way in which an endpoint can fail.
use lib 'tests/e2e/lib';
use E2E;
use Endpoint;
use MIME::Base64 ();
use POSIX ();
use Time::HiRes ();

plan(skip_all => 'no python3') if !grep { -x "$_/python3" } split /:/, $ENV{PATH};

# A secret in a file.
sub secret { my ($text) = @_; my $dir = scratch(); return spew("$dir/secret", "$text\n", 0644) }

# The text of an oauth section.
sub oauth
{
	my (%o) = @_;

	return \("{\n" . join('', map { defined $o{$_} ? "\t\t$_ = '$o{$_}'\n" : '' } sort keys %o) . "\t}");
}

# One run: endpoint => {its options}, oauth => {more of the section, undef leaves out}, and the keys of check(). The token that the smarthost takes is token-1 unless token says otherwise.
# The cache is a directory of its own, or cache => DIR, or undef for none.
sub token_run
{
	my ($name, %o) = @_;
	my $endpoint = ref $o{endpoint} eq 'Endpoint' ? $o{endpoint} : endpoint(client_id => 'app', client_secret => 's3cret', scope => 'mail', %{$o{endpoint} // {}});
	my $violations = delete $o{wrong};
	my %section = ('token-url' => $endpoint->url, 'client-id' => 'app', 'client-secret' => 's3cret', scope => 'mail', 'ca-file' => certs() . '/ca.pem', %{delete $o{oauth} // {}});
	my $cache = exists $o{cache} ? delete $o{cache} : do { my $d = scratch(); chmod 0700, $d; $d };
	my $also = delete $o{also};
	my $token = delete $o{token} // 'token-1';

	delete $o{endpoint};
	my $run = check $name, auth => 'XOAUTH2,OAUTHBEARER', args => ['--token', $token], top => {'token-cache' => $cache, %{delete $o{top} // {}}},
	    host => {password => undef, oauth => oauth(%section), %{delete $o{host} // {}}}, %o, also => sub {
		my ($run) = @_;

		is($endpoint->violations, $violations // '', 'what the endpoint has against it') if !ref $violations;
		like($endpoint->violations, $violations, 'what the endpoint has against it') if ref $violations;
		my $told = join "\n", $run->out, $run->err, $run->{log_text};
		for my $hidden ('s3cret', $endpoint->tokens, map { values %{$_->{body} // {}} } $endpoint->requests) {
			next if $hidden !~ /s3cret|token-|refresh|eyJ/ || $hidden =~ /^(?:refresh_token|client_credentials|urn:)/;
			is(index($told, $hidden), -1, 'no secret is told') or diag($hidden);
		}
		$also->($run, $endpoint) if $also;
	};
	return ($run, $endpoint, $cache);
}

# --- the grants

token_run('client credentials, a secret', also => sub {
	my ($run, $endpoint) = @_;
	my ($request) = $endpoint->requests;

	is($request->{body}{grant_type}, 'client_credentials', 'the grant');
	is($request->{headers}{accept}, 'application/json', 'Accept');
	is($run->log->{auth}, 'OAUTHBEARER', 'the better mechanism');
});
token_run('XOAUTH2 where nothing better is offered', auth => 'XOAUTH2', also => sub { is($_[0]->log->{auth}, 'XOAUTH2', 'the mechanism') });
token_run('a secret from a file', oauth => {'client-secret' => undef, 'client-secret-file' => secret('s3cret')});
{
	my ($key, $cert) = rsa_key('app');
	my %by_key = (oauth => {'client-secret' => undef, 'client-certificate' => $cert, 'client-key' => $key}, endpoint => {client_secret => '', client_cert => $cert});

	delete $by_key{endpoint}{client_secret};
	my $endpoint = endpoint(client_id => 'app', scope => 'mail', client_cert => $cert);
	token_run('client credentials, a certificate', %by_key, endpoint => $endpoint, also => sub {
		my ($request) = $_[1]->requests;
		is($request->{body}{client_assertion_type}, 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer', 'an assertion');
	});
	my ($other) = rsa_key('other');
	token_run('the key of another certificate', %by_key, endpoint => $endpoint, oauth => {%{$by_key{oauth}}, 'client-key' => $other}, exit => 78, err => [qr/client-key.*Remedy/]);
	token_run('no key', %by_key, endpoint => $endpoint, oauth => {%{$by_key{oauth}}, 'client-key' => '/nonexistent/key'}, exit => 78, err => [qr{/nonexistent/key: No such file.*Remedy}]);
}
{
	my $endpoint = endpoint(client_id => 'app', scope => 'mail', refresh_token => 'refresh-0', rotate => undef);
	my $dir = scratch();
	my $file = spew("$dir/refresh", "refresh-0\n", 0600);

	token_run('a refresh token', endpoint => $endpoint, oauth => {'client-secret' => undef, 'refresh-token-file' => $file}, also => sub {
		is(slurp($file), $endpoint->file('refresh-token') =~ s/\n?\z/\n/r, 'the new one is stored');
		isnt(slurp($file), "refresh-0\n", 'which is another');
		is((stat $file)[2] & 07777, 0600, 'its mode');
		is_deeply([grep { !/\/(?:refresh|\.\.?)\z/ } glob "$dir/*"], [], 'nothing is left beside it');
	});
	token_run('and used', endpoint => $endpoint, token => 'token-2', oauth => {'client-secret' => undef, 'refresh-token-file' => $file});
	spew($file, "refresh-0\n", 0600);
	token_run('one that is good no more', endpoint => $endpoint, oauth => {'client-secret' => undef, 'refresh-token-file' => $file}, exit => 77, err => [qr/invalid_grant.*--authorize/]);
	token_run('none yet', endpoint => $endpoint, oauth => {'client-secret' => undef, 'refresh-token-file' => "$dir/none"}, exit => 78, err => [qr/No such file.*--authorize/]);
	SKIP: {
		skip 'another user takes root', 1 if $> != 0;
		my $new = endpoint(client_id => 'app', scope => 'mail', refresh_token => 'refresh-9', rotate => undef);
		my $place = scratch();
		chmod 0755, $place;
		spew("$place/refresh", "refresh-9\n", 0644);
		token_run('one that cannot be stored', endpoint => $new, cache => undef, oauth => {'client-secret' => undef, 'refresh-token-file' => "$place/refresh"}, uid => 65534, also => sub {
			is(slurp("$place/refresh"), "refresh-9\n", 'the old one is left');
			like($_[0]->log->{warning}, qr/cannot write the refresh token/, 'and the log tells');
		});
	}
}
{
	my $endpoint = endpoint(client_id => 'app', scope => 'mail', refresh_token => 'refresh-0', rotate => undef, rules => ['1 delay 1500']);
	my $dir = scratch();
	my $begun;
	spew("$dir/refresh", "refresh-0\n", 0600);
	token_run('what a person puts there meanwhile stays', endpoint => $endpoint, oauth => {'client-secret' => undef, 'refresh-token-file' => "$dir/refresh"}, watch => sub {
		return if $begun || !$endpoint->requests;
		spew("$dir/other", "brand-new\n", 0600);
		rename "$dir/other", "$dir/refresh";
		$begun = 1;
	});
	is(slurp("$dir/refresh"), "brand-new\n", 'it is there');
}
{
	my ($key, $cert, $public) = rsa_key('service');
	my $endpoint = endpoint(service_key => $public, service_account => 'robot@project.example.com', subject => USER, scope => 'mail');
	my $json = JSON::PP->new->canonical->encode({type => 'service_account', client_email => 'robot@project.example.com', private_key => slurp($key), private_key_id => 'k1', token_uri => $endpoint->url});
	my $file = spew(scratch() . '/account.json', $json, 0600);
	my %service = (endpoint => $endpoint, oauth => {'client-secret' => undef, 'client-id' => undef, 'token-url' => undef, 'service-account-file' => $file});

	token_run('a service account', %service);
	token_run('a file that is none', %service, oauth => {%{$service{oauth}}, 'service-account-file' => secret('{"a": 1}')}, exit => 78, err => [qr/client_email.*Remedy/]);
}

# What a run that was killed has left beside the file is not lost; the same token is not written again; links are followed; of several at once each has the newest.
{
	my $endpoint = endpoint(client_id => 'app', scope => 'mail', refresh_token => 'refresh-0', rotate => undef);
	my $dir = scratch();
	my %by = (endpoint => $endpoint, oauth => {'client-secret' => undef, 'refresh-token-file' => "$dir/refresh"});

	spew("$dir/refresh", "spent\n", 0600);
	spew("$dir/refresh.new", "refresh-0\n", 0600);
	token_run('one that was left behind', %by);
	is_deeply([map { s{.*/}{}r } glob "$dir/*"], ['refresh'], 'nothing is left');
	spew("$dir/refresh.new", 'half', 0600);
	token_run('half of one', %by, token => 'token-2');
	is_deeply([map { s{.*/}{}r } glob "$dir/*"], ['refresh'], 'nothing is left');
	my $real = scratch();
	rename "$dir/refresh", "$real/token";
	symlink "$real/token", "$dir/refresh";
	token_run('behind a link', %by, token => 'token-3');
	ok(-l "$dir/refresh", 'which stays');
	is(slurp("$real/token"), $endpoint->file('refresh-token') =~ s/\n?\z/\n/r, 'and leads to the new one');
	my $old = time - 3600;
	spew("$real/token.new", "of long ago\n", 0600);
	utime $old, $old, "$real/token.new";
	token_run('an older one that was left behind', %by, token => 'token-4');
	SKIP: {
		skip 'no mount namespace to be had', 1 if !can_unshare();
		spew("$dir/mounted", $endpoint->file('refresh-token'), 0600);
		spew("$dir/point", '', 0600);
		my %mounted = (endpoint => $endpoint, oauth => {'client-secret' => undef, 'refresh-token-file' => "$dir/point"}, wrap => ['unshare', '-m', '/bin/sh', '-c', "mount --bind $dir/mounted $dir/point && exec \"\$@\"", 'sh']);
		token_run('one that is mounted there', %mounted, token => 'token-5');
		is(slurp("$dir/mounted"), $endpoint->file('refresh-token') =~ s/\n?\z/\n/r, 'is written all the same');
		token_run('and used', %mounted, token => 'token-6');
		spew("$real/token", slurp("$dir/mounted"), 0600);
	}
	my $server = smarthost(auth => 'XOAUTH2', user => undef, args => []);
	my @pids = map {
		my $pid = fork // die "fork: $!";
		if ($pid == 0) {
			my $run = submit(server => $server, top => {'token-cache' => '/nonexistent'}, host => {user => USER, oauth => oauth('token-url' => $endpoint->url, 'client-id' => 'app',
			    scope => 'mail', 'ca-file' => certs() . '/ca.pem', 'refresh-token-file' => "$real/token")});
			warn $run->err if $run->exit;
			POSIX::_exit($run->exit // 99);
		}
		$pid;
	} 1 .. 6;
	is(join(' ', map { waitpid $_, 0; $? >> 8 } @pids), '0 0 0 0 0 0', 'six at once, without a cache');
}

# --- the cache

{
	my $endpoint = endpoint(client_id => 'app', client_secret => 's3cret', scope => 'mail');
	my ($first, undef, $cache) = token_run('from an empty cache', endpoint => $endpoint);
	my ($file) = grep { !/lock/ } glob "$cache/*";

	is((stat $file)[2] & 07777, 0600, 'mode of the file');
	token_run('and from the cache', endpoint => $endpoint, cache => $cache, also => sub { is(scalar(() = $endpoint->requests), 1, 'no further request') });
	token_run('one that is refused is fetched anew', endpoint => $endpoint, cache => $cache, token => 'token-2', also => sub {
		is(scalar(() = $endpoint->requests), 2, 'one request');
		is(scalar(() = $_[0]->server->auth), 2, 'two credentials');
	});
	token_run('for another account another token', endpoint => $endpoint, cache => $cache, token => 'token-3', user => 'other@example.com', host => {user => 'other@example.com'});
	spew($file, "1 99999999999999 token-9\n", 0600);
	token_run('a file of another time is not used', endpoint => $endpoint, cache => $cache, token => 'token-4');
	spew($file, "nonsense", 0600);
	token_run('nor one that is damaged', endpoint => $endpoint, cache => $cache, token => 'token-5');
	chmod 0644, $file;
	token_run('nor one that others can read', endpoint => $endpoint, cache => $cache, token => 'token-6');
	chmod 0777, $cache;
	token_run('a place that others can write to is none', endpoint => $endpoint, cache => $cache, token => 'token-7');
	token_run('no place at all', endpoint => $endpoint, cache => '/nonexistent/cache', token => 'token-8');
}
for my $life ({expires_in => 1}, {no_expires => undef}) {
	my $endpoint = endpoint(client_id => 'app', client_secret => 's3cret', scope => 'mail', %$life);
	my (undef, undef, $cache) = token_run('one that is not for keeping: ' . (keys %$life)[0], endpoint => $endpoint);
	Time::HiRes::sleep(1.2);
	token_run('is fetched anew', endpoint => $endpoint, cache => $cache, token => 'token-2');
}
{
	my $endpoint = endpoint(client_id => 'app', client_secret => 's3cret', scope => 'mail', rules => ['1 delay 700']);
	my $server = smarthost(auth => 'XOAUTH2', args => ['--token', 'token-1']);
	my $cache = scratch();
	chmod 0700, $cache;
	my @pids = map {
		my $pid = fork // die "fork: $!";
		if ($pid == 0) {
			my $run = submit(server => $server, top => {'token-cache' => $cache}, host => {password => undef, oauth => oauth('token-url' => $endpoint->url, 'client-id' => 'app',
			    'client-secret' => 's3cret', scope => 'mail', 'ca-file' => certs() . '/ca.pem')});
			POSIX::_exit($run->exit // 99);
		}
		$pid;
	} 1 .. 4;
	my @exits = map { waitpid $_, 0; $? >> 8 } @pids;
	is("@exits", '0 0 0 0', 'four at once');
	is(scalar(() = $endpoint->requests), 1, 'one of them has asked');
}
{
	my $queue = scratch();
	chmod 0700, $queue;
	my ($run, $endpoint) = token_run('beside the queue', cache => undef, top => {queue => $queue});
	my @kept = grep { !/lock/ } glob "$queue/tokens/*";
	is(scalar @kept, 1, 'a token is kept there');
	my $home = scratch();
	token_run('in the cache of the user', endpoint => $endpoint, cache => undef, token => 'token-2', env => {XDG_CACHE_HOME => $home});
	is(scalar(grep { !/lock/ } glob "$home/sendmail-submit/*"), 1, 'a token is kept there');
}

# --- endpoints that fail

sub fails
{
	my ($name, $rules, $exit, $err, %o) = @_;

	token_run($name, endpoint => {rules => [ref $rules ? @$rules : "1- $rules"]}, exit => $exit, err => [$err], log => {stage => 'secret'}, %o);
}

fails('wrong secret', 'status 401 invalid_client AADSTS7000215: Invalid client secret provided.', 77, qr/401 invalid_client: AADSTS7000215.*Remedy/);
fails('not permitted', 'status 400 unauthorized_client', 77, qr/400 unauthorized_client.*Remedy/);
fails('text that a terminal would obey', 'status 400 invalid_client "\u001b[2Jx\r\nsecond"', 77, qr/invalid_client: \\033\[2Jx\. /);
fails('a secret that is said back', 'status 400 invalid_client bad s3cret of app', 77, qr/bad \*\*\* of app/);
fails('and in base64', 'status 400 invalid_client bad ' . MIME::Base64::encode_base64('s3cret', ''), 77, qr/bad \*\*\*/);
fails('400 without JSON', 'status 400', 76, qr/400.*check token-url/);
fails('a server error', 'status 500', 75, qr/500.*Remedy: try again later/);
fails('its trouble', 'status 503', 75, qr/503/);
fails('too often', 'retry-after 600', 75, qr/429.*asks to wait 600 s/);
token_run('too often, for a moment', endpoint => {rules => ['1 retry-after 1']}, also => sub { is(scalar(() = $_[1]->requests), 2, 'once more') });
fails('silence', 'stall', 75, qr/no answer before the deadline/, top => {timeout => '2s'});
fails('hanging up', 'close-early', 75, qr/closed the connection/);
fails('half an answer', 'close-late', 75, qr/connection was closed|closed the connection/);
fails('no HTTP', 'raw 6e6f20687474700a', 76, qr/no HTTP/);
fails('a page', 'html', 76, qr/no JSON object/);
fails('not JSON', 'body 7b2261223a', 76, qr/no JSON object/);
fails('no token in it', 'body 7b7d', 76, qr/no access token/);
fails('a token that is none', 'body ' . unpack('H*', '{"access_token":"a b","token_type":"Bearer"}'), 76, qr/no access token/);
fails('a token of another type', 'body ' . unpack('H*', '{"access_token":"ab","token_type":"mac"}'), 76, qr/no bearer token/);
fails('a redirection', 'redirect https://localhost/other', 76, qr/sends us elsewhere/);
fails('too much', 'huge 300000', 76, qr/too long/);
fails('too many fields', 'headers 150', 76, qr/too many fields/);
fails('a field too long', 'longline 10000', 76, qr/more than \d+ octets/);
fails("a bad chunk: $_", "chunked-bad $_", 76, qr/chunk|two ways|breaks off|more than|field/) for qw(size negative overflow crlf both);
token_run("a good answer, $_", endpoint => {rules => ["1 $_"]}) for 'chunked', 'no-length', 'continue', 'lowercase', 'keep-open', 'type text/plain', 'huge 100000', 'trickle 1';
fails('another authority', 'delay 0', 76, qr/authority that is not trusted.*ca-file/, oauth => {'ca-file' => certs() . '/other.pem'});
token_run('nobody there', oauth => {'token-url' => 'https://localhost:1/token'}, exit => 75, err => [qr/cannot get a token.*Connection refused.*Remedy/], log => {stage => 'secret'});
token_run('no such name', oauth => {'token-url' => 'https://nowhere.invalid/token'}, exit => 75, err => [qr/cannot get a token.*nowhere\.invalid.*Remedy/]);
{
	my $queue = scratch();
	chmod 0700, $queue;
	token_run('with a queue the mail waits', oauth => {'token-url' => 'https://localhost:1/token'}, top => {queue => $queue}, sent => 0, log => {status => 'queued'});
}
token_run('a fresh token that is refused', token => 'another', exit => 77, err => [qr/refused to sign.*token.*Remedy/], auths => 1);

# --- the proxy

{
	my $endpoint = endpoint(client_id => 'app', client_secret => 's3cret', scope => 'mail', proxy => undef);
	token_run('through a proxy', endpoint => $endpoint, oauth => {proxy => $endpoint->proxy_url}, also => sub { like($endpoint->file('connects'), qr/CONNECT/, 'it was asked') });
	my $closed = endpoint(client_id => 'app', client_secret => 's3cret', scope => 'mail', proxy => undef, proxy_user => 'u:s3cret pass');
	token_run('which wants a password', endpoint => $closed, oauth => {proxy => $closed->proxy_url, 'proxy-user' => 'u', 'proxy-password-file' => secret('s3cret pass')});
	token_run('and has the wrong one', endpoint => $closed, oauth => {proxy => $closed->proxy_url, 'proxy-user' => 'u', 'proxy-password-file' => secret('wrong')}, exit => 78, err => [qr/proxy.*407.*Remedy/]);
}

# --- the dialogue, --check, the configuration

{
	my ($run) = token_run('-v shows it, secrets masked', argv => ['-v', 'b@example.net'], printed => 1, raw => 1, err => qr/grant_type=client_credentials&scope=mail&client_id=app&client_secret=\*\*\*.*localhost answers 200.*a token for 3600 s/s);
	unlike($run->err, qr/s3cret|token-1/, 'no secret in it');
}
token_run('--check', argv => ['--check'], stdin => '', sent => 0, printed => 1, out => qr/token .*client credentials.*localhost.*AUTH +(?:OAUTHBEARER|XOAUTH2)/s);
for my $case ([{'client-secret' => undef}, qr/client-secret, a client-certificate/], [{'client-id' => undef}, qr/client-id/], [{'token-url' => 'http://localhost/x'}, qr/token-url/],
    [{'client-certificate' => '/x'}, qr/both/], [{provider => 'microsoft'}, qr/tenant/], [{provider => 'google', tenant => 'x'}, qr/no tenant/], [{tenant => 'x'}, qr/provider/],
    [{grant => 'service-account'}, qr/service-account-file/], [{'refresh-token-file' => '/x', 'service-account-file' => '/y'}, qr/both/], [{'a-nonsense' => 'x'}, qr/a-nonsense/],
    [{'proxy-password' => 'x'}, qr/no proxy/], [{'client-key-password' => 'x'}, qr/no client-key/], [{'refresh-token-file' => '/x/'}, qr/directory/], [{provider => 'microsoft', tenant => '..'}, qr/tenant/]) {
	my ($more, $err) = @$case;
	token_run('a section that is wrong: ' . join(' ', map { $_ // 'none' } %$more), oauth => {%$more}, exit => 78, err => [$err], log => undef);
}
# --- --authorize

# Runs it on a terminal of its own; approve => 'approve' or 'deny' is said once the code has been shown.
sub authorizes
{
	my ($name, %o) = @_;
	my $endpoint = endpoint(client_id => 'app', scope => 'mail', interval => 1, user_code => 'ABCD-EFGH', verification_uri => 'https://example.com/device', %{$o{endpoint} // {}});
	my $dir = $o{dir} // scratch();
	chmod 0700, $dir;
	my %section = ('token-url' => $endpoint->url, 'device-url' => $endpoint->device_url, 'client-id' => 'app', scope => 'mail', 'ca-file' => certs() . '/ca.pem', 'refresh-token-file' => "$dir/refresh",
	    %{$o{oauth} // {}});
	my $server = smarthost(auth => 'XOAUTH2', args => ['--token', 'token-1']);
	my $cache = scratch();
	chmod 0700, $cache;
	my $said;
	my $run = submit(server => $server, top => {'token-cache' => $cache}, host => {password => undef, oauth => oauth(%section)}, program => '/usr/bin/script',
	    argv => ['-qec', program() . ' --authorize', '/dev/null'], stdin => {data => '', hold => 1}, limit => 40, watch => sub {
		my ($pid, $run) = @_;
		return if $said || !$o{approve} || slurp("$run->{dir}/stdout") !~ /Waiting/;
		spew($endpoint->path($o{approve}), '');
		$said = 1;
	});
	(my $out = $run->out) =~ s/\r//g;

	is($run->exit, $o{exit} // 0, "--authorize: $name") or diag($out);
	like($out, $o{out}, "$name: what is said") if $o{out};
	is($endpoint->violations, '', "$name: the endpoint has nothing against it");
	unlike($out, qr/token-\d|refresh-\d|eyJ/, "$name: no secret is shown");
	return ($run, $endpoint, $dir, $server, $cache, \%section);
}

SKIP: {
	skip 'no script(1)', 1 if !-x '/usr/bin/script';
	my ($run, $endpoint, $dir, $server, $cache, $section) = authorizes('a person enters the code', approve => 'approve',
	    out => qr{\AOpen https://example\.com/device in any browser, sign in as app\@example\.com,\nand enter the code ABCD-EFGH .*Authorized; the refresh token is in /}s);
	is(slurp("$dir/refresh"), $endpoint->file('refresh-token') =~ s/\n?\z/\n/r, 'the refresh token is kept');
	is((stat "$dir/refresh")[2] & 07777, 0600, 'its mode');
	my $sent = submit(server => $server, top => {'token-cache' => $cache}, host => {password => undef, oauth => oauth(%$section)});
	is($sent->exit, 0, 'and good to send with') or diag($sent->err);
	authorizes('the person refuses', approve => 'deny', exit => 77, out => qr/access_denied.*Remedy/s);
	authorizes('nowhere to keep it', dir => '/nonexistent', exit => 73, out => qr/cannot write the refresh token.*Remedy/s);
	authorizes('no file for it', oauth => {'refresh-token-file' => undef, 'client-secret' => 's3cret'}, exit => 78, out => qr/refresh-token-file/);
	skip 'waiting for these once is enough', 1 if sanitized();
	authorizes('an interval without end', endpoint => {device_expires => 3, interval => 3000}, exit => 77, out => qr/Remedy: /s);
	authorizes('nobody does anything', endpoint => {device_expires => 2}, exit => 77, out => qr/Likely cause: .*Remedy: /s);
	authorizes('the endpoint asks for patience', endpoint => {slow_down => undef}, approve => 'approve', out => qr/Authorized/);
}
check 'a secret that others can read', setup => sub { chmod 0644, $ENV{SENDMAIL_CONF} }, host => {password => undef, oauth => oauth('token-url' => 'https://localhost:1/', 'client-id' => 'x', 'client-secret' => 's3cret')},
    exit => 78, sent => 0, err => [qr/others can read the password/], log => undef;
check 'not without a terminal', argv => ['--authorize'], stdin => '', exit => 64, sent => 0, err => [qr/person at a terminal/];
check 'not behind another flag', argv => ['-i', '--authorize'], exit => 64, sent => 0, err => qr/first argument/;
done_testing;
