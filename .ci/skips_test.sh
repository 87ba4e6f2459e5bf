#!/usr/bin/env bash
#
# Goal: a test that was skipped is named, once, whatever kind of test it is; others are not.
# Method: logs as GoogleTest and the scripts write them.

set -uo pipefail
logs="$TEST_TMPDIR/logs"
mkdir -p "$logs/a/b_test" "$logs/c/d_test" "$logs/e/f_test"
cat >"$logs/a/b_test/test.log" <<'END'
[ RUN      ] Suite.One
a.cc:5: Skipped
this kernel has none
[  SKIPPED ] Suite.One (0 ms)
[ RUN      ] Suite.Two
[       OK ] Suite.Two (3 ms)
[  PASSED  ] 1 test.
[  SKIPPED ] 1 test, listed below:
[  SKIPPED ] Suite.One
END
echo '*** SKIPPED: it is not installed; nothing was tested. ***' >"$logs/c/d_test/test.log"
echo '[  PASSED  ] 4 tests.' >"$logs/e/f_test/test.log"

expected='a/b_test: [  SKIPPED ] Suite.One
c/d_test: *** SKIPPED: it is not installed; nothing was tested. ***
2 tests were skipped: they count as passed and tested nothing'
failures=0
expect() {
  [[ "$2" == "$1" ]] && return
  printf 'FAILED:\n%s\nnot:\n%s\n' "$2" "$1"
  failures=$((failures + 1))
}
expect "$expected" "$(.ci/skips "$logs")"
expect '' "$(.ci/skips "$logs/e")"
exit $((failures > 0))
