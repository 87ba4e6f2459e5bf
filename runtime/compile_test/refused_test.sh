#!/usr/bin/env bash
#
# Goal: mistakes that structured concurrency cannot survive do not compile, and the message says why; their
# correct twins compile.
# Method: each case file compiles as it stands. Each of its lines "// REFUSED MACRO: text" names a mistake: with
# MACRO defined it does not compile, and every error is that text (an extended regular expression). That the
# same file compiles without it shows that nothing else is wrong with it.

set -euo pipefail
source runtime/compile_test/compiler.sh

# The headers are read once for all cases.
printf '#include "%s"\n' runtime/*.h >"$TEST_TMPDIR/all.h"
"${compiler[@]}" -x c++-header -o "$TEST_TMPDIR/all.pch" "$TEST_TMPDIR/all.h"
compile_case() { compile -include-pch "$TEST_TMPDIR/all.pch" "$@"; }

mistakes=0
for file in runtime/compile_test/*.case; do
  compile_case "$file" || fail "$file does not compile without a mistake"
  found=0
  while IFS= read -r line; do
    line="${line#// REFUSED }"
    macro="${line%%: *}"
    text="${line#*: }"
    if report="$(compile_case "-D$macro" "$file" 2>&1)"; then
      fail "$file compiles with $macro"
    fi
    errors="$(grep -E ':[0-9]+: (fatal )?error: ' <<<"$report")" || fail "$file, $macro: no error in: $report"
    if grep -vE "error: .*($text)" <<<"$errors"; then
      fail "$file, $macro: refused for another reason than '$text': $report"
    fi
    found=$((found + 1))
  done < <(grep '^// REFUSED ' "$file")
  ((found > 0)) || fail "$file names no mistake"
  mistakes=$((mistakes + found))
  printf '%s: %d refused\n' "$file" "$found"
done
((mistakes > 0)) || fail "no mistakes were tried"
