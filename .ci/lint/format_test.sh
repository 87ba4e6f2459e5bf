#!/usr/bin/env bash
#
# Goal: every C++ file of ours is laid out as .clang-format says.
# Method: ask clang-format-19 about every one in the checkout that this test was built from.

set -euo pipefail

root="$(dirname "$(readlink -f WORKSPACE)")"
cd "$root"
folders=()
for folder in runtime sim transports scenarios bench; do
  [[ ! -d "$folder" ]] || folders+=("$folder")
done
mapfile -d '' files < <(find "${folders[@]}" -type f \( -name '*.h' -o -name '*.c' -o -name '*.cc' \) -print0 | sort -z)
printf '%d files\n' "${#files[@]}"
((${#files[@]} > 0))

report="$(mktemp)"
trap 'rm -f "$report"' EXIT
if ! clang-format-19 --dry-run -Werror --ferror-limit=1 "${files[@]}" 2>"$report"; then
  cat "$report"
  printf 'to lay out a file anew: clang-format-19 -i FILE\n'
  exit 1
fi
