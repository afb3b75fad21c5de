# shellcheck shell=sh disable=SC2034
# illumos.sh - how nightly builds this gate.  Edit, or copy and edit.

# D: a DEBUG build.  F: no non-DEBUG build.  i: keep what was built before.
# p: packages.  N: do not hold the manifests against the proto area.
NIGHTLY_OPTIONS=-FDp

GATE=illumos-sample
MACH=i386
SRC=$CODEMGR_WS/usr/src
ROOT=$CODEMGR_WS/proto/root_$MACH

# Where the packages go; nightly appends -nd for a non-DEBUG build.
PKGARCHIVE=$CODEMGR_WS/packages/$MACH/nightly
PKGREPO=repo.redist
PKGPUBLISHER_REDIST=illumos.example
PKGVERS_COMPONENT=0.5.11
PKGVERS_BUILTON=5.11
PKGVERS_BRANCH=2026.0.0
