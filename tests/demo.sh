#!/bin/sh
# Shows the main job: a message piped into "sendmail -t" reaches a smarthost through STARTTLS and AUTH.
#
#	sh tests/demo.sh BUILD
#
# A throw-away smarthost is started on loopback, told of in a configuration, and ended again. Exit status 0 if the message arrived.
set -eu

build=${1:?usage: demo.sh BUILD}
smarthost=$build/tests/smarthost/smarthost
sendmail=$build/sendmail
dir=$(mktemp -d "${TMPDIR:-/tmp}/sendmail-demo.XXXXXX")

clean_up()
{
	[ ! -s "$dir/server/pid" ] || kill "$(cat "$dir/server/pid")" 2>/dev/null || :
	rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [ -t 1 ]; then bold=$(printf '\033[1m'); plain=$(printf '\033[0m'); else bold=; plain=; fi
heading()
{
	printf '\n%s%s%s\n' "$bold" "$1" "$plain"
}
indented()
{
	sed 's/^/    /' "$@"
}

heading '1. A throw-away smarthost: STARTTLS and AUTH required'
"$smarthost" --dir "$dir/server" --background --lifetime 60 --tls starttls --user demo@example.com --password 'correct horse battery staple'
port=$(cat "$dir/server/port")
echo "    it listens on 127.0.0.1 port $port, with a certificate of its own authority"

heading '2. The configuration, which SENDMAIL_CONF names (usually /etc/sendmail.conf)'
(umask 077 && echo 'correct horse battery staple' > "$dir/password")
cat > "$dir/sendmail.conf" <<-EOT
	smarthost "127.0.0.1" {
	    port          = $port
	    tls-ca-file   = "$dir/server/ca.pem"
	    user          = "demo@example.com"
	    password-file = "$dir/password"
	}
	domain = "example.com"
	log    = "$dir/log"
EOT
indented "$dir/sendmail.conf"

heading '3. A message, piped into: sendmail -t -v'
cat > "$dir/message" <<-'EOT'
	From: Demo <demo@example.com>
	To: Grüße <somebody@example.net>
	Bcc: hidden@example.net
	Subject: Gruß vom sendmail

	It works.
EOT
indented "$dir/message"

heading '4. The dialogue, as -v shows it (credentials masked)'
status=0
SENDMAIL_CONF=$dir/sendmail.conf "$sendmail" -t -v < "$dir/message" 2> "$dir/dialogue" || status=$?
indented "$dir/dialogue"
echo "    exit status $status"

heading '5. The log line'
[ ! -e "$dir/log" ] || indented "$dir/log"

if [ "$status" -ne 0 ] || [ ! -s "$dir/server/1.msg" ]; then
	heading "FAILED: the message did not arrive (exit status $status)."
	exit 1
fi

heading '6. What arrived: the envelope'
indented "$dir/server/1.env"
heading '   and the message (no Bcc; raw 8-bit in the header is encoded; what was missing is added)'
tr -d '\r' < "$dir/server/1.msg" | indented

if [ -s "$dir/server/violations" ]; then
	heading 'FAILED: the smarthost found the protocol violated:'
	indented "$dir/server/violations"
	exit 1
fi
if ! grep -q 'It works\.' "$dir/server/1.msg" || ! grep -q '^rcpt <hidden@example.net>' "$dir/server/1.env" || grep -qi '^Bcc:' "$dir/server/1.msg"; then
	heading 'FAILED: what arrived is not what was sent.'
	exit 1
fi
heading 'The message arrived: sent with sendmail -t, through STARTTLS and AUTH, to both recipients.'
