#!/usr/bin/env bash
#
# Goal: the closing line of a CI run counts every test that Bazel names, and each once.
# Method: feed the counter summaries in each form that Bazel prints.

set -uo pipefail
failures=0

# $1: what the counter has to print. The summary comes on the standard input stream.
expect_counts() {
  local counts
  counts="$(awk -f .ci/test_counts.awk)"
  [[ "$counts" == "$1" ]] && return
  printf 'FAILED: %s, not %s\n' "$counts" "$1"
  failures=$((failures + 1))
}

expect_counts '3 0' <<'END'
INFO: Build completed successfully, 20 total actions
//.ci:bazelw_test                                               (cached) PASSED in 0.4s
//runtime:task_test                                                      PASSED in 12.3s
//sim/net:tcp_test                                                       PASSED in 3.0s
  Stats over 4 runs: max = 3.0s, min = 2.0s, avg = 2.5s, dev = 0.4s

Executed 2 out of 3 tests: 3 tests pass.
END

expect_counts '1 6' <<'END'
[12 / 40] Testing //runtime:a_test; 3s linux-sandbox ... (2 actions running)
FAIL: //runtime:b_test (see /somewhere/test.log)
==================== Test output for //runtime:b_test:
//runtime:a_test                                                         PASSED in 0.1s
//runtime:b_test                                                         FAILED in 0.2s
  /somewhere/test.log
//runtime:c_test                                                        TIMEOUT in 60.0s
//runtime:d_test                                                FAILED TO BUILD
//runtime:e_test                                                      NO STATUS
//runtime:f_test                                           FLAKY, failed in 1 out of 2 in 0.3s
//runtime:g_test                                               (cached) FAILED in 0.2s

Executed 5 out of 7 tests: 1 test passes, 2 fail to build and 4 fail locally.
END

# A test that failed at first and is listed twice keeps its last word.
expect_counts '0 1' <<'END'
//runtime:a_test                                                         PASSED in 0.1s
//runtime:a_test                                                         FAILED in 3 out of 3 in 0.1s
END

expect_counts '0 0' </dev/null

((failures == 0))
