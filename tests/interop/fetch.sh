#!/bin/sh
# Downloads Debian packages, with every package they depend on, and unpacks
# them into a tree of their own: <directory>/root.  Nothing is installed and no
# maintainer script is run: a mail server on the machine would be in the way of
# other mail servers, and would bring a sendmail of its own; and what calls
# sendmail would change what the machine does.  The tree is complete (it has
# its own C library), so that it does not matter what the machine has; the
# tests run it with chroot.
#
# usage: fetch.sh <directory> <package>...
#
# Left out are mail servers (but for those named), documentation, translations,
# and the set-user-ID bits, which nothing below a build directory should have.
# <directory>/root/.packages has a line "name version" for each package.
#
# What is already there is used again if it was made of the same packages;
# remove the directory to start afresh.  Nothing outside the directory is
# written.  Needs apt, dpkg and flock, the network the first time, and no
# privileges.

set -eu
LC_ALL=C
export LC_ALL

[ $# -ge 2 ] || { echo "usage: fetch.sh <directory> <package>..." >&2; exit 64; }
mkdir -p "$1"
dir=$(cd "$1" && pwd)
shift

complete() {
	[ "$(cat "$dir/root/.complete" 2>/dev/null)" = "$wanted" ]
}

# The number changes when what is made of the packages does.
wanted="1: $*"
exec 9>"$dir/lock"
flock 9
! complete || exit 0

# Tests that need the same packages do not all wait for what is not to be had.
if [ -n "$(find "$dir/failed" -mmin -5 2>/dev/null)" ]; then
	echo "fetch.sh: the download failed a moment ago; remove $dir/failed to try again" >&2
	exit 1
fi

# apt-get, but with what it writes here, and for a machine on which nothing is
# installed but a mail server that is none.
private_apt() {
	apt-get -q -y -o APT::Sandbox::User= -o Debug::NoLocking=true \
	    -o Acquire::Retries=1 -o Acquire::http::Timeout=30 \
	    -o Acquire::https::Timeout=30 -o APT::Install-Recommends=false \
	    -o "Dir::State::status=$dir/apt/status" \
	    -o "Dir::State::extended_states=$dir/apt/extended_states" \
	    -o "Dir::Cache=$dir/apt/cache" -o "Dir::Log=$dir/apt" "$@"
}

# The packages "$@" and what they depend on, as files in $dir/apt/cache.
download() {
	private_apt -o Dpkg::Use-Pty=0 --download-only install "$@"
}

# The machine's package lists may be missing or too old: then lists of our own.
download_with_private_lists() {
	mkdir -p "$dir/apt/lists/partial"
	private_apt -o "Dir::State::Lists=$dir/apt/lists" update &&
	    download -o "Dir::State::Lists=$dir/apt/lists" "$@"
}

unpack() {
	new=$dir/root.new
	rm -rf "$dir/root" "$new"
	for sub in bin sbin lib lib64; do
		mkdir -p "$new/usr/$sub"
		ln -s "usr/$sub" "$new/$sub"
	done
	for sub in dev etc home mnt proc root run sys tmp var; do
		mkdir -p "$new/$sub"
	done
	for deb in "$dir"/apt/cache/archives/*.deb; do
		dpkg-deb -f "$deb" Package Version |
		    awk '{ printf "%s%s", $2, NR % 2 ? " " : "\n" }' >>"$new/.packages"
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$new" --numeric-owner \
		    --keep-directory-symlink --exclude='./usr/share/doc/*' \
		    --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*'
	done
	find "$new" -type f -perm /6000 -exec chmod ug-s {} +
	for package; do
		grep -q "^$package " "$new/.packages" || return 1
	done
	echo "$wanted" >"$new/.complete"
	mv "$new" "$dir/root"
}

{
	rm -rf "$dir/apt"
	mkdir -p "$dir/apt/cache/archives/partial"
	cat >"$dir/apt/status" <<-END
	Package: none
	Status: install ok installed
	Architecture: all
	Maintainer: none
	Version: 1
	Provides: mail-transport-agent
	Description: stands for the program under test

	END
	download "$@" || download_with_private_lists "$@" || {
		echo "fetch.sh: cannot download $*" >&2
		: >"$dir/failed"
		exit 1
	}
	unpack "$@"
} 1>&2
rm -rf "$dir/apt" "$dir/failed"
