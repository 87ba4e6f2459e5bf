#!/usr/bin/env bash
#
# run_tidy.sh REPORT CONFIG SOURCE FLAG...: clang-tidy-19 on one file. Prints its findings and fails if there
# is any; otherwise leaves an empty REPORT, which is what the build asked for.

set -euo pipefail

readonly REPORT="$1" CONFIG="$2" SOURCE="$3"
shift 3

if ! clang-tidy-19 --quiet --config-file="$CONFIG" "$SOURCE" -- "$@" -Wno-everything \
  >"$REPORT" 2>"$REPORT.log"; then
  cat "$REPORT" "$REPORT.log" | sed -e "s|$PWD/||g" -e '/^[0-9]* warnings\? generated\.$/d' >&2
  exit 1
fi
rm "$REPORT.log"
: >"$REPORT"
