#!/usr/bin/env bash
#
# Goal: each header of runtime/ can be included first, alone, and twice.
# Method: compile a file that does nothing else.

set -euo pipefail
source runtime/compile_test/compiler.sh

headers=0
for header in runtime/*.h; do
  printf '#include "%s"\n#include "%s"\n' "$header" "$header" | compile - || fail "$header needs others before it"
  headers=$((headers + 1))
done
printf '%d headers\n' "$headers"
((headers > 0)) || fail "there are no headers"

# The check itself: what is not self-contained is seen.
if printf 'faultline::Task<int> Answer();\n' | compile - 2>/dev/null; then
  fail "a file that includes nothing compiles"
fi
