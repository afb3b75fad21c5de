# shellcheck shell=sh disable=SC2034
# developer.sh - how nightly builds this gate; the options are in illumos.sh of gate illumos.
# No D: a non-DEBUG build, so that the packages are in nightly-nd.
NIGHTLY_OPTIONS=-Ap

GATE=caiman-sample
MACH=i386
SRC=$CODEMGR_WS/usr/src
ROOT=$CODEMGR_WS/proto/root_$MACH

PKGARCHIVE=$CODEMGR_WS/packages/$MACH/nightly
PKGREPO=repo.redist
PKGPUBLISHER_REDIST=caiman.example
PKGVERS_COMPONENT=0.5.11
PKGVERS_BUILTON=5.11
PKGVERS_BRANCH=2026.0.0
