# shellcheck shell=sh disable=SC2034
# needs.sh - the Debian packages this project stands on; read by quickstart, check and check-illumos.
#
# Each list is "command-or-file:package".  `need LIST` prints the packages that are missing;
# `install_or_say LIST` installs them (root) or names the one command that does, and stops.

NEEDS_BUILD='cc:gcc /usr/include/stdio.h:libc6-dev git:git'
NEEDS_RUN='make:make gcc:gcc xorriso:xorriso grub-mkimage:grub-common
 /usr/lib/grub/i386-pc/modinfo.sh:grub-pc-bin
 /usr/lib/grub/x86_64-efi/modinfo.sh:grub-efi-amd64-bin
 qemu-system-x86_64:qemu-system-x86 /usr/share/OVMF/OVMF_CODE_4M.fd:ovmf
 zic:libc-bin'
NEEDS_CHECK='mtype:mtools cpio:cpio sgdisk:gdisk /usr/lib/ipxe/qemu/efi-e1000.rom:ipxe-qemu shellcheck:shellcheck xmllint:libxml2-utils ksh:ksh dash:dash python3:python3 grub-fstest:grub-common
 unshare:util-linux ip:iproute2 faketime:faketime'
NEEDS_ILLUMOS='/usr/lib/rustlib/src/rust/library/Cargo.lock:rust-web-src
 /usr/bin/cargo:cargo-web /usr/bin/rustc:rustc-web'

need() {
	for pair in "$@"; do
		what=${pair%%:*} package=${pair#*:}
		case $what in
		/*) [ -e "$what" ] || echo "$package" ;;
		*) PATH="$PATH:/usr/sbin:/sbin" command -v "$what" >/dev/null || echo "$package" ;;
		esac
	done | sort -u | tr '\n' ' '
}

install_or_say() {
	missing=$(need "$@")
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" != 0 ]; then
		echo "Missing Debian packages.  As root, once:" >&2
		echo "    apt-get update && apt-get install -y --no-install-recommends $missing" >&2
		exit 1
	fi
	echo "installing: $missing"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	# shellcheck disable=SC2086 # a list of names
	apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

# The oldest cargo that builds this (Cargo.toml: rust-version).
need_cargo() {
	[ -n "${HOME:-}" ] && [ -d "$HOME/.cargo/bin" ] && PATH="$HOME/.cargo/bin:$PATH" && export PATH
	version=$(cargo --version 2>/dev/null | sed 's/^cargo \([0-9]*\)\.\([0-9]*\).*/\1 \2/')
	# shellcheck disable=SC2086 # two numbers
	set -- ${version:-0 0}
	if [ "$1" -lt 1 ] || { [ "$1" -eq 1 ] && [ "$2" -lt 85 ]; }; then
		if [ "$1" = 0 ]; then have="there is none in PATH"; else have="this is $1.$2"; fi
		echo "cargo 1.85 or newer is needed; $have.  To get it:" >&2
		echo "    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y" >&2
		exit 1
	fi
}
