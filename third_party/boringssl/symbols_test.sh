#!/usr/bin/env bash
# Goal: BoringSSL, as it is built here, has no way to entropy or time but the engine environment.
# Method: looks at the symbols that its archives leave to others, and at those that they define.
set -euo pipefail

readonly FORBIDDEN='getrandom|getentropy|syscall|open|open64|openat|time|gettimeofday|clock_gettime|ftime|fork|getpid|madvise|arc4random|rand|random'
readonly UNWANTED='CRYPTO_rdrand|CRYPTO_rdrand_multiple8_buf|RAND_reset_for_fuzzing|RAND_need_entropy'
failed=0

archives=()
for file in "$@"; do
  if [[ "$file" == *.a ]]; then archives+=("$file"); fi
done
[[ ${#archives[@]} -ge 2 ]] || { echo "only ${#archives[@]} archives: $*"; exit 1; }

symbols="$(nm "${archives[@]}")"
for wanted in 'U faultline_engine_random' 'U faultline_engine_wall_seconds' 'T RAND_bytes'; do
  grep -qw -- "$wanted" <<<"$symbols" || { echo "no symbol '$wanted'"; failed=1; }
done
if grep -wE " U ($FORBIDDEN)\$" <<<"$symbols"; then
  echo "these are calls past the environment"
  failed=1
fi
if grep -wE "($UNWANTED)\$" <<<"$symbols"; then
  echo "these are other sources of entropy"
  failed=1
fi
exit $failed
