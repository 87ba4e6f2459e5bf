#!/usr/bin/env bash
# Goal: code that the documentation shows as a file is that file.
# Method: each fenced block opened with `file=PATH` is compared with PATH, or for a BUILD file with its beginning.
set -euo pipefail

checked=0
failed=0
for document in docs/*.md; do
  while read -r path; do
    shown=$(awk -v want="file=$path" '
      $0 ~ /^```/ && !inside && index($0, want) { inside = 1; next }
      /^```/ && inside { exit }
      inside { print }' "$document")
    real=$(cat "$path")
    checked=$((checked + 1))
    case "$path" in
      */BUILD.bazel) [[ "$real" == "$shown"* ]] && same=1 || same=0 ;;
      *) [[ "$real" == "$shown" ]] && same=1 || same=0 ;;
    esac
    if [[ $same == 0 || -z "$shown" ]]; then
      echo "$document shows another $path:"
      diff <(printf '%s\n' "$shown") "$path" || true
      failed=1
    fi
  done < <(sed -n 's/^```.* file=\(.*\)$/\1/p' "$document")
done

# A test that found nothing to compare has lost its subject.
if [[ $checked -lt 2 ]]; then
  echo "only $checked blocks found"
  exit 1
fi
exit $failed
