# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by the other scripts: messages, the cache folder outside the source tree, and Debian packages as files.

me=${0##*/}

note() {
	printf '%s: %s\n' "$me" "$*" >&2
}

die() {
	note "$*"
	exit 1
}

# Prints the calling script's opening comment as its --help text.
usage() {
	awk 'NR < 3 { next } !/^#/ { exit } { sub(/^# ?/, ""); print }' "$0"
}

# What is expensive to make lives here, keyed by a hash of what it was made from, and is shared by all checkouts.
cache_root=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/hull

# hash_of: 16 hex digits naming whatever arrives on stdin.
hash_of() {
	sha256sum | cut -c1-16
}

# cache_make DIR COMMAND...: unless DIR is there, runs COMMAND with a fresh temporary folder as last argument and
# renames that to DIR, or ends the script. A DIR is complete or absent. The lock spares the second of two that race
# the work; correctness does not need it.
# Call it alone on a line: in a condition bash would go on after the first command that fails in COMMAND.
cache_make() {
	local dir=$1 status lock
	shift
	[ ! -d "$dir" ] || return 0
	mkdir -p "${dir%/*}"
	set +e
	(
		set -e
		exec {lock}>"$dir.lock"
		flock -n $lock || { note "waiting for another build of ${dir##*/}" && flock $lock; }
		[ ! -d "$dir" ] || exit 0
		tmp=$(mktemp -d "${dir%/*}/.tmp.XXXXXXXX")
		trap 'rm -rf "$tmp"' EXIT
		trap 'exit 130' HUP INT TERM
		chmod 755 "$tmp"
		"$@" "$tmp"
		mv -T "$tmp" "$dir" 2>/dev/null || [ -d "$dir" ]
		rm -f "$dir.lock"
	)
	status=$?
	set -e
	[ $status = 0 ] || die "could not make $dir"
}

# The package lists are fetched only when a package cannot be found without them.
apt_update() {
	note "apt-get update"
	[ "$(id -u)" = 0 ] || die "the package lists are missing or old: run 'apt-get update' as root"
	apt-get -qq update >&2 || note "apt-get update: some lists could not be fetched"
}

# deb_fetch PACKAGE DIR: downloads PACKAGE's .deb into DIR without installing it.
deb_fetch() {
	note "downloading $1"
	(cd "$2" && apt-get -qq -o APT::Sandbox::User=root download "$1" >&2 2>/dev/null) && return 0
	apt_update
	(cd "$2" && apt-get -qq -o APT::Sandbox::User=root download "$1" >&2) ||
		die "cannot download the Debian package $1"
}
