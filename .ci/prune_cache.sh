#!/usr/bin/env bash
#
# Keeps a folder of files under a size: prune_cache.sh FOLDER MEBIBYTES removes the files that were used
# longest ago until the others fit. A cache's entries depend on nothing but themselves, so any may go.

set -euo pipefail

readonly FOLDER="$1"
readonly LIMIT_BYTES=$(($2 * 1024 * 1024))

# Each line: when last read or written (whichever is later; some file systems do not record reads), size, name.
list_by_last_use() {
  find "$FOLDER" -type f -printf '%A@ %T@ %s %p\0' |
    awk -v RS='\0' -v ORS='\0' '{ used = $1 > $2 ? $1 : $2; $1 = ""; $2 = ""; print used $0 }' |
    sort -z -r -n
}

[[ -d "$FOLDER" ]] || exit 0
list_by_last_use |
  awk -v RS='\0' -v ORS='\0' -v limit="$LIMIT_BYTES" '
    { total += $2 }
    total > limit { sub(/^[^ ]+ +[^ ]+ /, ""); print }' |
  xargs -0 -r rm -f --
