# What the tests against other implementations share; sourced by them. Arguments of each: our peer first.

set -euo pipefail

readonly ours="$1"
shift
folder="$(mktemp -d)"
readonly folder
# A server that a failed test leaves behind ends with it.
trap 'jobs -p | xargs -r kill 2> /dev/null; rm -rf "$folder"' EXIT
"$ours" "--write=$folder"

skip() {
  printf '*** SKIPPED: %s; nothing was tested. ***\n' "$*"
  exit 0
}

# start FILE COMMAND...: a server in the background, which says in FILE where it listens; its number is in $server.
start() {
  local file="$1"
  shift
  : > "$file"
  "$@" > "$file" 2> "$folder/errors" &
  server=$!
}

# Waits for the last number of the first line of a file, which a server writes when it listens.
port_in() {
  for ((i = 0; i < 300; ++i)); do
    if [[ "$(wc -l < "$1")" -gt 0 ]]; then
      head -n 1 "$1" | grep -o '[0-9]*$'
      return
    fi
    sleep 0.1
  done
  printf 'nobody listens: %s\n' "$(cat "$1" 2>&1)" >&2
  exit 1
}

fail() {
  printf 'FAILED: %s\n%s\n' "$*" "$(cat "$folder/errors")" >&2
  exit 1
}

# expect TEXT FILE
expect() {
  grep -q -- "$1" "$2" || fail "no \"$1\" in:
$(cat "$2")"
}
