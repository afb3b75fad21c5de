#!/bin/sh
#
# protostage - copies files built elsewhere into the proto area, and writes their manifest lines.
#
# usage: protostage from to lines [find-expression...]     (environment: ROOT)
#
#	from	a folder; every regular file below it that the expression matches is taken
#	to	where they go, relative to the proto area
#	lines	file to add `dir' and `file' actions to, sorted and each once
#
set -eu
export LC_ALL=C

[ $# -ge 3 ] || { echo 'usage: protostage from to lines [find-expression...]' >&2; exit 1; }
from=$1 to=$2 lines=$3
shift 3
[ -d "$from" ] || { echo "protostage: error: $from: no such folder" >&2; exit 1; }

mkdir -p "$(dirname "$lines")"
touch "$lines"
(cd "$from" && find . -type f "$@") | sed 's,^\./,,' | sort >"$lines.files"
[ -s "$lines.files" ] || echo "protostage: nothing to take in $from" >&2
while IFS= read -r file; do
	path=$to/$file
	mkdir -p "$ROOT/${path%/*}"
	rm -f "$ROOT/$path"
	cp "$from/$file" "$ROOT/$path"
	mode=0644
	if [ -x "$from/$file" ]; then mode=0555; fi
	echo "file path=$path mode=$mode"
	while [ "$path" != "${path%/*}" ]; do
		path=${path%/*}
		echo "dir path=$path"
	done
done <"$lines.files" | sort -u - "$lines" >"$lines.new"
mv "$lines.new" "$lines"
rm "$lines.files"
