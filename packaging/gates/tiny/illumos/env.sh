# shellcheck shell=sh disable=SC2034
# env.sh - what nightly needs to know of this gate.
PUBLISHER=illumos.example
PKGVERS=0.5.11,5.11-1
REPOSITORY=packages/i386/nightly/repo.redist
