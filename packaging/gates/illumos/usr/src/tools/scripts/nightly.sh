#!/bin/sh
#
# nightly - builds a workspace into its proto area and publishes its packages.
#
# usage: nightly [-in] env_file        (in the workspace)
#
#	-i	incremental: keep what an earlier build left
#	-n	no bringover; accepted for habit's sake, there never is one
#
# The env file names the rest; tools/env/illumos.sh documents it.  The order of work is the one of
# illumos' own nightly: clobber, make install, packages, manifests against proto area.  It stops
# at the first error, with the compiler's message as the last but make's own.
#
# Law: nothing outside CODEMGR_WS is written, and no output depends on the time of day.
#
# shellcheck source-path=SCRIPTDIR
set -eu
umask 022
export LC_ALL=C TZ=UTC
unset MAKEFLAGS MAKELEVEL MFLAGS

USAGE='usage: nightly [-in] env_file'
incremental=no
while getopts in option; do
	case $option in
	i) incremental=yes ;;
	n) ;;
	*) echo "$USAGE" >&2; exit 1 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -eq 1 ] || { echo "$USAGE" >&2; exit 1; }

CODEMGR_WS=$(cd "${CODEMGR_WS:-.}" && pwd -P)
case $1 in
*/*) env=$1 ;;
*) env=./$1 ;;
esac
[ -f "$env" ] || { echo "nightly: $env: no such env file" >&2; exit 1; }
# shellcheck source=../env/illumos.sh
. "$env"
case $NIGHTLY_OPTIONS in
*i*) incremental=yes ;;
esac

# This script is in tools/scripts of a gate, or in bin of the tools that gate installed.
here=$(cd "$(dirname "$0")" && pwd)
if [ -d "$here/../share/onbld" ]; then
	ONBLD=$(cd "$here/.." && pwd)
	PKGPUBLISH=$here/pkgpublish TRANSFORMS=$ONBLD/share/onbld/transforms
else
	ONBLD=
	PKGPUBLISH=$here/pkgpublish.sh TRANSFORMS=
fi

DMAKE_MAX_JOBS=${DMAKE_MAX_JOBS:-${MAX_JOBS:-2}}
PKGDEST=$CODEMGR_WS/packages.$MACH
PKGVERS=$PKGVERS_COMPONENT,$PKGVERS_BUILTON-$PKGVERS_BRANCH
export CODEMGR_WS GATE MACH SRC ROOT ONBLD TRANSFORMS PKGDEST PKGVERS PKGPUBLISHER_REDIST

section() {
	printf '==== %s ====\n' "$*"
}

build() { # build LABEL SUFFIX: one flavour, from make to repository
	section "Nightly $1 build"
	case $1 in
	DEBUG) RELEASE_BUILD= ;;
	*) RELEASE_BUILD=1 ;;
	esac
	export RELEASE_BUILD
	make -C "$SRC" -j"$DMAKE_MAX_JOBS" --no-print-directory install
	case $NIGHTLY_OPTIONS in
	*p*) ;;
	*) return 0 ;;
	esac
	section "Creating $1 packages"
	case $NIGHTLY_OPTIONS in
	*N*) protocmp=no ;;
	*) protocmp=yes ;;
	esac
	PROTOCMP=$protocmp sh "$PKGPUBLISH" "$PKGARCHIVE$2/$PKGREPO"
}

if [ "$incremental" = no ]; then
	section "Make clobber"
	make -C "$SRC" --no-print-directory clobber
	rm -rf "$ROOT" "$PKGDEST"
fi
mkdir -p "$ROOT"
case $NIGHTLY_OPTIONS in
*F*) ;;
*) build non-DEBUG -nd ;;
esac
case $NIGHTLY_OPTIONS in
*D*) build DEBUG "" ;;
esac
section "Nightly build completed"
