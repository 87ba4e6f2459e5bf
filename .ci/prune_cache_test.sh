#!/usr/bin/env bash
#
# Goal: pruning keeps the files that were used last, removes the others, and touches nothing that fits.
# Method: files of known size and age in a scratch folder.

set -euo pipefail

readonly FOLDER="${TEST_TMPDIR:-$(mktemp -d)}/cache"
failures=0

# $1: name, $2: KiB, $3: days since it was written, $4: days since it was read.
add_file() {
  mkdir -p "$(dirname "$FOLDER/$1")"
  head -c "$(($2 * 1024))" /dev/zero >"$FOLDER/$1"
  touch -m -d "$3 days ago" "$FOLDER/$1"
  touch -a -d "$4 days ago" "$FOLDER/$1"
}

expect_files() {
  local files
  files="$(cd "$FOLDER" && find . -type f | sort | tr '\n' ' ')"
  [[ "$files" == "$1" ]] && return
  printf 'FAILED: left are [%s], not [%s]\n' "$files" "$1"
  failures=$((failures + 1))
}

add_file 'ac/written long ago, read today' 400 30 0
add_file 'cas/a b' 400 20 20
add_file 'cas/new' 400 1 1
add_file 'cas/old' 400 30 30
.ci/prune_cache.sh "$FOLDER" 2
expect_files './ac/written long ago, read today ./cas/a b ./cas/new ./cas/old '
.ci/prune_cache.sh "$FOLDER" 1
expect_files './ac/written long ago, read today ./cas/new '
.ci/prune_cache.sh "$FOLDER" 0
expect_files ''
.ci/prune_cache.sh "$FOLDER/there is no such folder" 1
((failures == 0))
