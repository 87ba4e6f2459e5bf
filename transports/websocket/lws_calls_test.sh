#!/usr/bin/env bash
#
# Goal: libwebsockets, as it is linked into programs, calls nothing of the system: no socket, no clock, no
# random device, no file, no environment. What it asks for goes to transports/websocket.
# Method: the symbols that the two archives leave undefined, against the list of functions that compute and no
# more. The list is what holds: a call that is added to it has to be looked at.
#
# Arguments: the archives, libwebsockets' and its platform's.

set -euo pipefail

# Memory, characters, numbers, and errno. `stderr` is a pointer, given to a function that ends the program.
readonly PURE=(
  __ctype_b_loc __ctype_tolower_loc __errno_location __stack_chk_fail bcmp free malloc memchr memcmp memcpy
  memmove memset realloc snprintf sprintf stderr strcasecmp strchr strcmp strcpy strerror strlen strncasecmp
  strncmp strncpy strrchr strstr strtol strtoll vsnprintf
)
# Of compilers that were asked for more, and the functions of engine.cc.
readonly OTHERS='^(__(asan|ubsan|tsan|msan|lsan|sanitizer|sancov)_|_GLOBAL_OFFSET_TABLE_$|FaultlineLws)'

symbols() {  # which, as nm's types of one letter; archives
  local types="$1"
  shift
  nm "$@" | awk -v types="$types" 'NF >= 2 && $(NF-1) ~ "^[" types "]$" {print $NF}' | sort -u
}

archives=()
for file in "$@"; do
  if [[ "$file" == *.a && "$file" != *.pic.a ]]; then archives+=("$file"); fi
done
if ((${#archives[@]} != 2)); then
  printf 'two archives were expected, got: %s\n' "$*" >&2
  exit 1
fi

defined="$(symbols 'A-TV-Zdrb' "${archives[@]}")"
undefined="$(comm -23 <(symbols 'U' "${archives[@]}") <(printf '%s\n' "$defined"))"

# A check that sees nothing would pass: the library does compute.
for expected in strlen realloc; do
  grep -qx "$expected" <<< "$undefined" || { printf 'nm sees no %s\n' "$expected" >&2; exit 1; }
done
grep -qx lws_parse_ws <<< "$defined" || { printf 'nm sees no lws_parse_ws\n' >&2; exit 1; }

calls="$(comm -23 <(printf '%s\n' "$undefined") <(printf '%s\n' "${PURE[@]}" | sort -u) \
  | grep -Ev "$OTHERS" || true)"
if [[ -n "$calls" ]]; then
  printf 'libwebsockets calls what no platform of ours answers:\n%s\n' "$calls" >&2
  exit 1
fi
