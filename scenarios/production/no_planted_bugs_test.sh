#!/usr/bin/env bash
# Goal: no bug can be planted in a program for production.
# Method: the names of all planted bugs, as the replay program lists them, stand in that program and
# in none of the others. By name is the only way in that a command line could take; the lint's rule
# planted-bug refuses the switches themselves in the sources of those programs.
set -euo pipefail

replay="$1"
shift
[[ $# -ge 2 ]] || { echo "only $# programs"; exit 1; }

failed=0
count=0
while read -r name; do
  count=$((count + 1))
  if ! grep -aqF -e "$name" "$replay"; then
    echo "$replay does not hold $name: this test has lost its subject"
    failed=1
  fi
  for program in "$@"; do
    if grep -aqF -e "$name" "$program"; then
      echo "$program knows of the planted bug $name"
      failed=1
    fi
  done
done < <("$replay" --list-bugs | grep -E '^[a-z]')
((count >= 8)) || { echo "only $count planted bugs"; failed=1; }
exit $failed
