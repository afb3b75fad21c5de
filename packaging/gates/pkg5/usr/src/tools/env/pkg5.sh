# shellcheck shell=sh disable=SC2034
# pkg5.sh - how nightly builds this gate; the options are in illumos.sh of gate illumos.
NIGHTLY_OPTIONS=-FDp

GATE=pkg5-sample
MACH=i386
SRC=$CODEMGR_WS/usr/src
ROOT=$CODEMGR_WS/proto/root_$MACH

PKGARCHIVE=$CODEMGR_WS/packages/$MACH
PKGREPO=repo
PKGPUBLISHER_REDIST=pkg5.example
PKGVERS_COMPONENT=0.5.11
PKGVERS_BUILTON=5.11
PKGVERS_BRANCH=2026.0.0
