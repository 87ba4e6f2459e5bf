#!/usr/bin/env bash
#
# Goal: a page in a browser talks to us over wss: its TLS, its upgrade, its frames and its end.
# Method: headless Chromium against our server with a self-signed certificate over loopback; chromium_peer.py tells the
# browser what to do through its debugging pipe.
#
# Arguments: our peer, theirs.

# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

readonly theirs="$1" browser=/usr/bin/chromium-headless-shell
[[ -x "$browser" ]] || skip 'Chromium is not installed (apt-get install chromium-headless-shell)'
command -v openssl > /dev/null || skip 'openssl is not installed (apt-get install openssl)'

# The one key that the browser is to take although nobody vouches for it.
key_hash="$(openssl x509 -in "$folder/certificate.pem" -noout -pubkey | openssl pkey -pubin -outform der |
  openssl dgst -sha256 -binary | openssl base64 -A)"
readonly key_hash

start "$folder/ours" "$ours" --listen=wss://127.0.0.1:0/bus "--files=$folder" --connections=1
/usr/bin/python3 "$theirs" "$browser" "wss://127.0.0.1:$(port_in "$folder/ours")/bus" "$folder" "$key_hash"
wait "$server"
expect 'connection closed' "$folder/ours"
