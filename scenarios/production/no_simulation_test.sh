#!/usr/bin/env bash
# Goal: nothing of the simulation, its deterministic entropy and its cheap ciphers above all, is part
# of a program for production.
# Method: reads the labels of everything that each program is built from. The first one is the replay
# program, which has all of it: there each pattern has to match.
set -euo pipefail

readonly SIMULATION='^//sim[:/]'
readonly CIPHER='^//third_party/boringssl:same_length$'
readonly CHOICE='^//runtime/engine:record_ciphers$'

failed=0
complain() {
  echo "$*"
  failed=1
}

replay="$1"
shift
for pattern in "$SIMULATION" "$CIPHER" "$CHOICE"; do
  grep -q "$pattern" "$replay" || complain "$replay does not name '$pattern': it is called otherwise"
done
for labels in "$@"; do
  grep -q '^//runtime:runtime$' "$labels" ||
    complain "$labels does not name //runtime:runtime: it has lost its subject"
  if grep -e "$SIMULATION" -e "$CIPHER" -e "$CHOICE" "$labels"; then
    complain "$labels names what is for simulations alone"
  fi
done
[[ $# -ge 2 ]] || complain "only $# programs"
exit $failed
