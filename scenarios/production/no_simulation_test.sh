#!/usr/bin/env bash
# Goal: nothing of the simulation, its deterministic entropy above all, is part of a program for
# production.
# Method: reads the labels of everything that each program is built from.
set -euo pipefail

failed=0
for labels in "$@"; do
  if ! grep -q '^//runtime:runtime$' "$labels"; then
    echo "$labels does not name //runtime:runtime: it has lost its subject"
    failed=1
  fi
  if grep '^//sim[:/]' "$labels"; then
    echo "$labels names parts of the simulation"
    failed=1
  fi
done
[[ $# -ge 2 ]] || { echo "only $# programs"; failed=1; }
exit $failed
