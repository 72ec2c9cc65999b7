#!/bin/sh
# Downloads Debian's Postfix and Cyrus SASL, with every library they need, and
# unpacks them into a tree of their own: <directory>/root.  Nothing is
# installed and no maintainer script is run: a mail server on the machine
# would be in the way of other mail servers, and would bring a sendmail of its
# own.  The tree is complete (it has its own C library), so that it does not
# matter what the machine has; postfix.t runs it with chroot.
#
# usage: fetch.sh <directory>
#
# What is already there is used again; remove the directory to start afresh.
# Nothing outside the directory is written.  Needs apt, dpkg and flock, the
# network the first time, and no privileges.

set -eu
LC_ALL=C
export LC_ALL

seeds='postfix sasl2-bin libsasl2-modules libsasl2-modules-db'

[ $# -eq 1 ] || { echo "usage: fetch.sh <directory>" >&2; exit 64; }
mkdir -p "$1"
dir=$(cd "$1" && pwd)

exec 9>"$dir/lock"
flock 9
[ ! -e "$dir/root/.complete" ] || exit 0

# $options holds words of apt's command line, none of which has a blank.
options='-q -o APT::Sandbox::User= -o Acquire::Retries=2
    -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30'

# The machine's package lists may be missing or too old: then lists of our own.
private_lists() {
	mkdir -p "$dir/apt/lists/partial" "$dir/apt/cache/archives/partial"
	cat >"$dir/apt/apt.conf" <<-END
	Dir::State::Lists "$dir/apt/lists";
	Dir::Cache "$dir/apt/cache";
	END
	APT_CONFIG=$dir/apt/apt.conf
	export APT_CONFIG
	# shellcheck disable=SC2086
	apt-get $options update
}

# The libraries among what the packages "$@" depend on, one a line.
libraries_of() {
	apt-cache depends --no-recommends --no-suggests --no-conflicts \
	    --no-breaks --no-replaces --no-enhances "$@" |
	    sed -n 's/^ *|\{0,1\}\(Pre\)\{0,1\}Depends: \(lib[^<>: ]*\).*$/\2/p' |
	    sort -u
}

# Those of the names "$@" that can be downloaded, one a line.  A virtual
# package cannot; its provider comes by another way or is not needed.
available() {
	apt-cache policy "$@" |
	    awk '/^[^ ]/ { sub(":$", "", $1); name = $1 }
		/^ *Candidate:/ && $2 != "(none)" { print name }'
}

# The seeds and all libraries below them, one a line.
closure() {
	found=
	todo=$seeds
	while [ -n "$todo" ]; do
		found="$found $todo"
		next=
		# shellcheck disable=SC2086
		for package in $(libraries_of $todo); do
			case " $found " in
			*" $package "*) ;;
			*) next="$next${next:+ }$package" ;;
			esac
		done
		todo=$next
	done
	# shellcheck disable=SC2086
	available $found
}

download() {
	packages=$(closure)
	for package in $seeds; do
		echo "$packages" | grep -qx "$package" || return 1
	done
	rm -rf "$dir/debs"
	mkdir "$dir/debs"
	# shellcheck disable=SC2086
	(cd "$dir/debs" && apt-get $options download $packages)
}

unpack() {
	rm -rf "$dir/root" "$dir/root.new"
	mkdir "$dir/root.new"
	for deb in "$dir"/debs/*.deb; do
		dpkg -x "$deb" "$dir/root.new"
	done
	for sub in dev etc proc tmp usr/lib usr/lib64 var; do
		mkdir -p "$dir/root.new/$sub"
	done
	for sub in lib lib64; do
		[ -e "$dir/root.new/$sub" ] || ln -s "usr/$sub" "$dir/root.new/$sub"
	done
	: >"$dir/root.new/.complete"
	mv "$dir/root.new" "$dir/root"
}

{
	download || { private_lists && download; } || {
		echo "fetch.sh: cannot download Postfix and Cyrus SASL" >&2
		exit 1
	}
	unpack
} 1>&2
rm -rf "$dir/debs" "$dir/apt"
