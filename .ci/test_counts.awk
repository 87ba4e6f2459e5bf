# Reads what `bazel test` printed and prints "PASSED FAILED": how many tests it says passed, and how many did
# not, for whatever reason (failed, timed out, could not be built, were never run).
#
# Bazel names each test once in its closing summary, `//package:name   STATUS in 0.1s`; progress lines that
# name tests begin otherwise. A test that passed only when it was tried again is FLAKY: that is a failure here.

/^(@[A-Za-z0-9_.-]*)?\/\/[^ ]+ +(\(cached\) +)?(PASSED|FLAKY|FAILED|TIMEOUT|INCOMPLETE|NO STATUS|REMOTE FAILURE|BLAZE HALTED)/ {
  outcome[$1] = ($2 == "PASSED" || ($2 == "(cached)" && $3 == "PASSED")) ? "passed" : "failed"
}

END {
  for (test in outcome) ++count[outcome[test]]
  print count["passed"] + 0, count["failed"] + 0
}
