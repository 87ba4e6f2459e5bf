#!/usr/bin/env bash
#
# Goal: this transport and Python's `websockets`, an implementation that shares nothing with it, understand each
# other: upgrades, masks, fragments, pings and close frames, as server and as client.
# Method: the two against each other over loopback, in both roles.
#
# Arguments: our peer, theirs.

set -euo pipefail

readonly ours="$1" theirs="$2"
readonly python=/usr/bin/python3
folder="$(mktemp -d)"
readonly folder
trap 'rm -rf "$folder"' EXIT

if ! "$python" -c 'import websockets' 2> /dev/null; then
  printf '%s\n' '*** SKIPPED: python3-websockets is not installed; nothing was tested. ***'
  exit 0
fi

# Waits for the last word of the first line of a file, which a server writes when it listens.
port_in() {
  for ((i = 0; i < 300; ++i)); do
    if [[ "$(wc -l < "$1")" -gt 0 ]]; then
      head -n 1 "$1" | grep -o '[0-9]*$'
      return
    fi
    sleep 0.1
  done
  printf 'nobody listens: %s\n' "$(cat "$1")" >&2
  exit 1
}

printf 'their server, our client\n'
"$python" "$theirs" serve "$folder/message" > "$folder/theirs" &
server=$!
"$ours" "--connect=127.0.0.1:$(port_in "$folder/theirs")" --count=200
wait "$server"

printf 'our server, their client\n'
"$ours" --listen --path=/bus > "$folder/ours" &
server=$!
"$python" "$theirs" connect "$(port_in "$folder/ours")" "$folder/message"
wait "$server"
grep -q 'connection closed' "$folder/ours"
