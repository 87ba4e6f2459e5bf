#!/usr/bin/env bash
#
# Installs what a package-lock.json pins, once, into a cache outside of the tree, and prints the folder that has
# `node_modules`. For tests against peers from npm: nothing of theirs lies in the tree but the lock, which holds the
# version and the integrity hash of each package; npm compares every byte that it installs with it.
#
#   modules="$(npm_package.sh transports/quic/interop/package-lock.json)"   # package.json lies beside it
#
# Install scripts of packages are not run. The folder is named by the hash of the lock: another lock, another folder.
#
# Exit codes: 0 installed, or there already; 75 it cannot be had here (no node, no npm, or no registry that answers):
# the caller skips, loudly; 1 anything else, a hash that does not fit among it.
#
# Environment: FAULTLINE_NPM_CACHE  where; by default ~/.cache/faultline-npm, also where HOME is not set.

set -euo pipefail

readonly CANNOT_BE_HAD=75
# What npm calls it if no registry answers, or if it has no such package (any more).
readonly UNREACHABLE='ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|EHOSTUNREACH|ETIMEDOUT|ERR_SOCKET_TIMEOUT|E404|ETARGET'

say() { printf 'npm_package: %s\n' "$*" >&2; }

home() { getent passwd "$(id -u)" | cut -d: -f6; }

install_into() {
  local lock="$1" folder="$2" log="$2/install.log"
  cp -L "$lock" "$(dirname "$lock")/package.json" "$folder/"
  chmod -R u+w "$folder"
  if (cd "$folder" && HOME="$(home)" timeout 300 npm ci --ignore-scripts --no-audit --no-fund \
    --fetch-retries=2 --fetch-timeout=30000) > "$log" 2>&1; then
    return 0
  fi
  cat "$log" >&2
  if ! grep -q EINTEGRITY "$log" && grep -qE "$UNREACHABLE" "$log"; then
    return "$CANNOT_BE_HAD"
  fi
  return 1
}

main() {
  local lock="$1" cache target folder
  for program in node npm; do
    if ! command -v "$program" > /dev/null; then
      say "$program is not installed"
      return "$CANNOT_BE_HAD"
    fi
  done
  cache="${FAULTLINE_NPM_CACHE:-$(home)/.cache/faultline-npm}"
  target="$cache/$(cat "$lock" "$(dirname "$lock")/package.json" | sha256sum | cut -c 1-32)"
  if [[ ! -d "$target" ]]; then
    mkdir -p "$cache"
    folder="$(mktemp -d "$cache/new.XXXXXX")"
    # shellcheck disable=SC2064  # as the folder is called now
    trap "rm -rf '$folder'" EXIT
    install_into "$lock" "$folder" || return
    # Somebody else may have been faster.
    mv -T "$folder" "$target" 2> /dev/null || [[ -d "$target" ]]
  fi
  printf '%s\n' "$target"
}

main "$@"
