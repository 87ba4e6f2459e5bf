#!/usr/bin/env bash
#
# Goal: WebSocket and WebSocket over TLS, and Node.js with `ws`, understand each other: as server and as client, with
# fragments and control frames, with extensions that are offered and not taken; and what we refuse is refused as they
# expect it.
# Method: the two against each other over loopback, in each role and by each scheme.
#
# Arguments: our peer, theirs, what installs packages of npm, the lock that names `ws`.

# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

readonly theirs="$1" install="$2" lock="$3" cannot_be_had=75
modules="$("$install" "$lock")" || {
  code=$?
  ((code == cannot_be_had)) || exit "$code"
  skip 'ws cannot be installed: Node.js, npm and a registry of npm are wanted (apt-get install nodejs npm)'
}
readonly ws="$modules/node_modules/ws"

for scheme in ws wss; do
  printf '%s: their server, our client\n' "$scheme"
  start "$folder/theirs" node "$theirs" "$ws" serve "$scheme" "$folder"
  "$ours" "--connect=$scheme://127.0.0.1:$(port_in "$folder/theirs")" "--files=$folder" --count=200
  wait "$server"

  printf '%s: our server, their client\n' "$scheme"
  start "$folder/ours" "$ours" "--listen=$scheme://127.0.0.1:0/bus" "--files=$folder" --connections=1
  node "$theirs" "$ws" connect "$scheme://127.0.0.1:$(port_in "$folder/ours")/bus" "$folder"
  wait "$server"

  printf '%s: our server, and what it refuses\n' "$scheme"
  start "$folder/ours" "$ours" "--listen=$scheme://127.0.0.1:0/bus" "--files=$folder" --connections=2
  url="$scheme://127.0.0.1:$(port_in "$folder/ours")/bus"
  node "$theirs" "$ws" text "$url" "$folder"
  node "$theirs" "$ws" large "$url" "$folder"
  wait "$server" && fail 'both ends should have been errors'
  expect 'end INVALID_ARGUMENT: websocket: a text message' "$folder/ours"
  expect 'end RESOURCE_EXHAUSTED: websocket: a message of 0 + 2097152 bytes' "$folder/ours"
done
