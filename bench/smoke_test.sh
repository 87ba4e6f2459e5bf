#!/usr/bin/env bash
#
# Goal: the benchmarks still work: none is left out, crashes, hangs or does less than it was asked.
# Method: each program given as an argument runs every benchmark once (they check what they moved); it has to list at
# least the benchmarks that it registers, and to refuse what it does not know. No time that it reports is looked at.

set -uo pipefail

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}

for program in "$@"; do
  listed="$("$program" --benchmark_list_tests=true | wc -l)"
  ((listed >= 10)) || fail "$program lists $listed benchmarks"
  output="$(timeout 240 "$program" --once --benchmark_format=console 2>&1)" ||
    fail "$program --once: exit code $?"$'\n'"$output"
  printf '%s\n' "$output"
  ran="$(grep -Ec '^[A-Z][A-Za-z]+/.* [0-9]+ ' <<<"$output")"
  ((ran == listed)) || fail "$program lists $listed benchmarks and ran $ran"
  for unknown in --no-such-flag --bars=yes --once=1 --passes=0; do
    "$program" "$unknown" >/dev/null 2>&1
    (($? == 2)) || fail "$program takes $unknown"
  done
done
