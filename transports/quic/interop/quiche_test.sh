#!/usr/bin/env bash
#
# Goal: this transport and quiche, which shares nothing with it but TLS, understand each other in both roles: streams
# that either end opens, some MiB through each, flow control, Retry (quiche's server always asks for it), certificates
# that are verified, and the codes that sessions end with.
# Method: the two against each other over loopback. quiche comes from npm, as package-lock.json beside this pins it.
#
# Arguments: our peer, theirs, the lock, npm_package.sh.

set -euo pipefail

readonly ours="$1" theirs="$2" lock="$3" npm_package="$4"
folder="$(mktemp -d)"
readonly folder
trap 'rm -rf "$folder"' EXIT
trap 'tail -n +1 "$folder"/ours "$folder"/theirs >&2' ERR

code=0
modules="$("$npm_package" "$lock")" || code=$?
if ((code == 75)); then
  printf '%s\n' '*** SKIPPED: quiche cannot be installed from npm here; nothing was tested. ***'
  exit 0
fi
((code == 0)) || exit "$code"
readonly modules
quiche() { timeout 90 node "$theirs" "$modules" "$@" "folder=$folder"; }

# What was written before is gone: a server that begins has not truncated its file yet.
begin() {
  printf '%s\n' "$1"
  rm -f "$folder/ours" "$folder/theirs"
}

# Waits for the port that a server writes when it listens.
port_in() {
  for ((i = 0; i < 300; ++i)); do
    if grep -qs '^port ' "$1"; then
      sed -n 's/^port //p' "$1"
      return
    fi
    sleep 0.1
  done
  printf 'nobody listens\n' >&2
  exit 1
}

# Fails, and shows the file, unless a line of it has the text.
expect() {
  if ! grep -qF -- "$2" "$1"; then
    printf 'expected "%s" in:\n%s\n' "$2" "$(cat "$1")" >&2
    exit 1
  fi
}

begin 'our server, their client: it closes with a code'
"$ours" --listen "--folder=$folder" --streams=2 --bytes=1000000 > "$folder/ours" &
server=$!
quiche connect "port=$(port_in "$folder/ours")" trust=certificate.pem streams=3 bytes=1000000 serve=2 close=7 \
  > "$folder/theirs"
wait "$server"
expect "$folder/theirs" 'streams 3'
expect "$folder/ours" 'streams 2'
expect "$folder/ours" 'closed by the peer with code 7'
expect "$folder/ours" 'as it was told to'

begin 'our server, their client: it trusts somebody else'
"$ours" --listen "--folder=$folder" > "$folder/ours" &
server=$!
if quiche connect "port=$(port_in "$folder/ours")" trust=other.pem streams=1 bytes=10 > "$folder/theirs"; then
  cat "$folder/theirs"
  exit 1
fi
kill "$server"
wait "$server" || true
expect "$folder/theirs" 'refused ErrorQUICConnectionLocalTLS'

begin 'our server, their client: another name than the certificate has'
"$ours" --listen "--folder=$folder" > "$folder/ours" &
server=$!
if quiche connect "port=$(port_in "$folder/ours")" trust=certificate.pem name=other.test streams=1 bytes=10 \
  > "$folder/theirs"; then
  cat "$folder/theirs"
  exit 1
fi
kill "$server"
wait "$server" || true
expect "$folder/theirs" 'refused ErrorQUICConnectionLocalTLS'

begin 'their server, our client: we close when everything is done'
quiche serve streams=2 bytes=1000000 > "$folder/theirs" &
server=$!
"$ours" "--connect=127.0.0.1:$(port_in "$folder/theirs")" "--folder=$folder" --streams=3 --bytes=1000000 --serve=2 \
  > "$folder/ours"
wait "$server"
expect "$folder/ours" 'streams 3'
expect "$folder/theirs" 'streams 2'
expect "$folder/theirs" 'end ErrorQUICConnectionPeer {"isApp":true,"errorCode":0'

begin 'their server, our client: we close with a code'
quiche serve streams=0 > "$folder/theirs" &
server=$!
"$ours" "--connect=127.0.0.1:$(port_in "$folder/theirs")" "--folder=$folder" --streams=1 --bytes=100000 --close=9 > "$folder/ours"
wait "$server"
expect "$folder/theirs" 'end ErrorQUICConnectionPeer {"isApp":true,"errorCode":9,"reason":"as it was told to"'

begin 'their server, our client: they close with a code'
quiche serve streams=2 bytes=100000 serve=1 close=5 > "$folder/theirs" &
server=$!
"$ours" "--connect=127.0.0.1:$(port_in "$folder/theirs")" "--folder=$folder" --streams=1 --bytes=100000 --wait > "$folder/ours"
wait "$server"
expect "$folder/theirs" 'streams 2'
expect "$folder/ours" 'closed by the peer with code 5'

begin 'their server, our client: we trust somebody else'
quiche serve streams=0 > "$folder/theirs" &
server=$!
if "$ours" "--connect=127.0.0.1:$(port_in "$folder/theirs")" "--folder=$folder" --trust=other.pem > "$folder/ours"; then
  cat "$folder/ours"
  exit 1
fi
kill "$server"
wait "$server" || true
expect "$folder/ours" 'UNAUTHENTICATED: quic: TLS handshake failed: self signed certificate'
