#!/bin/sh
#
# pkgpublish - makes a repository of a workspace's manifests and its proto area.
#
# usage: pkgpublish repository        (environment: nightly's)
#
#	SRC, ROOT		sources, proto area
#	PKGDEST			where intermediate manifests go; *.inc there can be included
#	PKGVERS			version of the packages
#	PKGPUBLISHER_REDIST	publisher
#	TRANSFORMS		the tools' transforms, looked in after the gate's own
#	PROTOCMP		yes: every file of the proto area must be in some manifest
#
# A manifest is pkg/manifests/NAME.p5m; pkg/transforms/all says what happens to it.  One that ends
# itself there (publish: abort) is not published.  All are checked before the first one is.
#
set -eu
export LC_ALL=C

repository=${1:?usage: pkgpublish repository}
: "${TRANSFORMS:=}" "${PROTOCMP:=yes}"
MOG=$PKGDEST/mog
rm -rf "$repository" "$MOG"
mkdir -p "$MOG"

mogrify() { # mogrify MANIFEST OUTPUT
	pkgmogrify -I "$SRC/pkg/transforms" ${TRANSFORMS:+-I "$TRANSFORMS"} -I "$PKGDEST" \
		-D ARCH="$MACH" -D ARCH32=i86 -D ARCH64=amd64 -D i386_ONLY= -D 'sparc_ONLY=#' \
		-D PKGVERS="$PKGVERS" -D PKGVERS_COMPONENT="${PKGVERS%%,*}" \
		-O "$2" "$1" "$SRC/pkg/transforms/all"
}

for manifest in "$SRC"/pkg/manifests/*.p5m; do
	name=$(basename "$manifest" .p5m)
	mogrify "$manifest" "$MOG/$name.mog"
	[ -s "$MOG/$name.mog" ] || echo "$name: not for this build"
done

# What was built must be what is shipped.  pkg/exceptions lists, as `file path=...', what is not
# shipped on purpose.
protocmp() {
	awk '$1 ~ /^(file|link|hardlink)$/ {
		if ($2 !~ /=/ && $2 != "NOHASH") print $2
		for (i = 2; i <= NF; i++)
			if (sub(/^path=/, "", $i)) print $i
	}' "$MOG"/*.mog "$SRC/pkg/exceptions" | sort -u >"$PKGDEST/shipped"
	(cd "$ROOT" && find . ! -type d) | sed 's,^\./,,' | sort >"$PKGDEST/built"
	comm -13 "$PKGDEST/shipped" "$PKGDEST/built" >"$PKGDEST/unshipped"
	[ -s "$PKGDEST/unshipped" ] || return 0
	echo "pkgpublish: error: built, but in no manifest:" >&2
	sed 's/^/    /' "$PKGDEST/unshipped" >&2
	return 1
}
if [ "$PROTOCMP" = yes ]; then protocmp; fi

mkdir -p "$(dirname "$repository")"
pkgrepo create "$repository"
pkgrepo -s "$repository" add-publisher "$PKGPUBLISHER_REDIST"
find "$MOG" -name '*.mog' -size +0 | sort >"$PKGDEST/publish"
# shellcheck disable=SC2046 # names without blanks, one a line
pkgsend -s "$repository" publish -d "$ROOT" -d "$SRC/pkg/license_files" --fmri-in-manifest \
	$(cat "$PKGDEST/publish")
