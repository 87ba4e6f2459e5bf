#!/usr/bin/env bash
#
# Goal: to curl, which knows HTTP and nothing of our frames, an upgrade is an answer of HTTP, and so is a refusal: with
# and without TLS.
# Method: curl against our peer over loopback; the headers that it prints.
#
# Arguments: our peer.

# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

command -v curl > /dev/null || skip 'curl is not installed (apt-get install curl)'

# ask URL HEADER...: what curl says of the answer, into $folder/answer, its exit code last. An upgrade never ends by
# itself: curl is given a second.
ask() {
  local url="$1"
  shift
  local code=0
  curl --silent --show-error --http1.1 --include --max-time 1 --cacert "$folder/certificate.pem" \
    "$@" "$url" > "$folder/answer" 2>> "$folder/answer" || code=$?
  printf '\ncurl exits with %d\n' "$code" >> "$folder/answer"
}

readonly upgrade=(
  --header 'Connection: Upgrade' --header 'Upgrade: websocket'
  --header 'Sec-WebSocket-Version: 13' --header 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='
)

for scheme in ws wss; do
  start "$folder/ours" "$ours" "--listen=$scheme://127.0.0.1:0/bus" "--files=$folder" --connections=1
  url="http${scheme#ws}://127.0.0.1:$(port_in "$folder/ours")"

  printf '%s: refused\n' "$scheme"
  ask "$url/bus"
  expect '^HTTP/1.1 400 Bad Request' "$folder/answer"
  expect 'curl exits with 0' "$folder/answer"
  ask "$url/other" "${upgrade[@]}"
  expect '^HTTP/1.1 404 Not Found' "$folder/answer"
  expect 'curl exits with 0' "$folder/answer"
  ask "$url/bus" "${upgrade[@]/Version: 13/Version: 8}"
  expect '^HTTP/1.1 426 Upgrade Required' "$folder/answer"
  expect '^Sec-WebSocket-Version: 13' "$folder/answer"
  ask "$url/bus" --data-binary "@$folder/large"
  expect '^HTTP/1.1 405 Method Not Allowed' "$folder/answer"
  expect '^Allow: GET' "$folder/answer"

  printf '%s: upgraded\n' "$scheme"
  ask "$url/bus" "${upgrade[@]}"
  expect '^HTTP/1.1 101 Switching Protocols' "$folder/answer"
  expect '^Upgrade: [Ww]eb[Ss]ocket' "$folder/answer"
  expect '^Connection: Upgrade' "$folder/answer"
  expect '^Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=' "$folder/answer"
  grep -qi '^Sec-WebSocket-\(Extensions\|Protocol\)' "$folder/answer" && fail "$(cat "$folder/answer")"
  wait "$server" && fail 'curl leaves without a close frame'
  expect 'end DATA_LOSS' "$folder/ours"
done
