#!/usr/bin/env bash
#
# Goal: bazelw installs exactly what is missing, calls apt only then, and stops with a clear message where it
# cannot help.
# Method: run it with a PATH that holds nothing but stand-ins for dpkg-query, apt-get, id, uname, sudo and
# Bazel. Each stand-in writes its arguments to a log, and files in a scratch folder decide what it answers.
#
# shellcheck disable=SC2016  # The stand-ins' bodies expand when they run.

set -uo pipefail

readonly BAZELW="$PWD/bazelw"
readonly SCRATCH="${TEST_TMPDIR:-$(mktemp -d)}"
failures=0

# A new world: Debian 12 on x86_64, root, no sudo, every package installed, apt's lists complete.
new_world() {
  world="$(mktemp -d "$SCRATCH/world.XXXXXX")"
  log="$world/log"
  mkdir "$world/bin"
  : >"$log"
  : >"$world/missing"
  echo 0 >"$world/uid"
  echo x86_64 >"$world/machine"
  printf 'ID=debian\nVERSION_ID="12"\n' >"$world/os-release"
  local tool
  for tool in bash cat env rm; do
    ln -s "$(command -v "$tool")" "$world/bin/$tool"
  done
  stand_in id 'cat "$WORLD/uid"'
  stand_in uname 'cat "$WORLD/machine"'
  stand_in bazel 'echo "bazel $*" >>"$WORLD/log"; echo "built $*"'
  stand_in dpkg-query '
    echo dpkg-query >>"$WORLD/looks"
    for package in "$@"; do
      case "$package" in -*) continue ;; esac
      status="ii "
      while read -r missing half; do
        [[ "$missing" == "$package" ]] && status="$half"
      done <"$WORLD/missing"
      [[ "$status" == absent ]] || echo "$status $package"
    done
    [[ ! -s "$WORLD/missing" ]]'
  stand_in apt-get '
    echo "apt-get $*" >>"$WORLD/log"
    echo "apt says something"
    case "$*" in
      *update*) rm -f "$WORLD/stale" "$WORLD/gone"; [[ ! -e "$WORLD/offline" ]] ;;
      *--simulate*) [[ ! -e "$WORLD/stale" ]] ;;
      *) [[ ! -e "$WORLD/broken" && ! -e "$WORLD/gone" && ! -e "$WORLD/stale" ]] ;;
    esac'
}

stand_in() {
  printf '#!/usr/bin/env bash\n%s\n' "$2" >"$world/bin/$1"
  chmod +x "$world/bin/$1"
}

# Runs bazelw in the world; leaves its exit code in $code, its streams in $world/out and $world/err.
bazelw() {
  WORLD="$world" PATH="$world/bin" FAULTLINE_BAZEL="$world/bin/bazel" \
    FAULTLINE_OS_RELEASE="$world/os-release" \
    "$world/bin/bash" "$BAZELW" "$@" >"$world/out" 2>"$world/err" </dev/null
  code=$?
}

complain() {
  printf 'FAILED %s: %s\n' "${FUNCNAME[2]}" "$*"
  sed 's/^/  | /' "$log" "$world/err"
  failures=$((failures + 1))
}

expect_code() { [[ "$code" == "$1" ]] || complain "exit code $code, not $1"; }
expect_log() { grep -qxF -- "$1" "$log" || complain "the log lacks: $1"; }
expect_no_log() { ! grep -qE -- "$1" "$log" || complain "the log has: $1"; }
expect_message() { grep -qF -- "$1" "$world/err" || complain "the message lacks: $1"; }
expect_calls() {
  local calls
  calls="$(grep -c '^apt-get' "$log")"
  [[ "$calls" == "$1" ]] || complain "$calls calls of apt-get, not $1"
}

readonly OPTIONS='-q -y -o DPkg::Lock::Timeout=300'

nothing_missing_never_calls_apt() {
  new_world
  bazelw test //... --flag='a b'
  expect_code 0
  expect_log 'bazel test //... --flag=a b'
  expect_calls 0
  # One look is all that it costs: the world has no other tools that could take long.
  [[ "$(wc -l <"$world/looks")" == 1 ]] || complain "not one call of dpkg-query"
}

missing_packages_and_only_those_are_installed() {
  new_world
  printf 'clang-19 absent\nlld-19 un\n' >"$world/missing"
  bazelw build //x
  expect_code 0
  expect_log "apt-get $OPTIONS --no-install-recommends install clang-19 lld-19"
  expect_no_log 'update'
  expect_log 'bazel build //x'
}

a_package_whose_files_are_gone_counts_as_missing() {
  new_world
  printf 'dpkg-dev rc\n' >"$world/missing"
  bazelw build //x
  expect_log "apt-get $OPTIONS --no-install-recommends install dpkg-dev"
}

a_held_package_counts_as_installed() {
  new_world
  printf 'dpkg-dev hi\n' >"$world/missing"
  bazelw build //x
  expect_code 0
  expect_calls 0
}

bazel_output_is_not_mixed_with_apt_output() {
  new_world
  printf 'clang-19 absent\n' >"$world/missing"
  bazelw info
  [[ "$(<"$world/out")" == "built info" ]] || complain "stdout is: $(<"$world/out")"
}

unknown_packages_lead_to_an_update_first() {
  new_world
  printf 'clang-19 absent\n' >"$world/missing"
  touch "$world/stale"
  bazelw build //x
  expect_code 0
  expect_log "apt-get $OPTIONS update"
  expect_log "apt-get $OPTIONS --no-install-recommends install clang-19"
  expect_calls 3
}

an_archive_newer_than_the_lists_leads_to_one_retry() {
  new_world
  printf 'clang-19 absent\n' >"$world/missing"
  touch "$world/gone"
  bazelw build //x
  expect_code 0
  expect_log 'bazel build //x'
  expect_calls 4
}

a_failing_install_stops_with_a_message() {
  new_world
  printf 'clang-19 absent\n' >"$world/missing"
  touch "$world/broken"
  bazelw build //x
  expect_code 1
  expect_message 'could not install: clang-19'
  expect_message 'apt says something'
  expect_no_log '^bazel'
}

a_failing_update_stops_with_a_message() {
  new_world
  printf 'clang-19 absent\n' >"$world/missing"
  touch "$world/stale" "$world/offline"
  bazelw build //x
  expect_code 1
  expect_message "'apt-get update' failed"
  expect_no_log '^bazel'
}

sudo_is_used_by_other_users() {
  new_world
  printf 'clang-19 absent\n' >"$world/missing"
  echo 1000 >"$world/uid"
  stand_in sudo 'echo "sudo $1 $2 $3" >>"$WORLD/log"; exec "$@"'
  bazelw build //x
  expect_code 0
  expect_log 'sudo env DEBIAN_FRONTEND=noninteractive apt-get'
  expect_log "apt-get $OPTIONS --no-install-recommends install clang-19"
}

no_root_and_no_sudo_stops_with_the_command_to_run() {
  new_world
  printf 'clang-19 absent\n' >"$world/missing"
  echo 1000 >"$world/uid"
  bazelw build //x
  expect_code 1
  expect_message 'apt-get install --no-install-recommends clang-19'
  expect_calls 0
  expect_no_log '^bazel'
}

no_root_is_no_matter_when_nothing_is_missing() {
  new_world
  echo 1000 >"$world/uid"
  bazelw build //x
  expect_code 0
  expect_log 'bazel build //x'
}

# One world of another kind: $1 and $2 are its os-release, $3 its architecture, $4 what the message names.
refuse_elsewhere() {
  new_world
  printf 'ID=%s\nVERSION_ID="%s"\n' "$1" "$2" >"$world/os-release"
  echo "$3" >"$world/machine"
  bazelw build //x
  expect_code 1
  expect_message "$4"
  expect_message 'needs Debian 12 on x86_64'
  expect_message 'clang-19'
  expect_calls 0
  expect_no_log '^bazel'
}

other_systems_are_refused() {
  refuse_elsewhere ubuntu 24.04 x86_64 'ubuntu 24.04'
  refuse_elsewhere debian 13 x86_64 'debian 13'
  refuse_elsewhere debian 12 aarch64 'aarch64'
}

a_system_without_a_name_is_refused() {
  new_world
  rm "$world/os-release"
  bazelw build //x
  expect_code 1
  expect_message 'an unknown system'
}

bazel_exit_code_is_passed_on() {
  new_world
  stand_in bazel 'exit 3'
  bazelw test //x
  expect_code 3
}

for test in nothing_missing_never_calls_apt missing_packages_and_only_those_are_installed \
  a_package_whose_files_are_gone_counts_as_missing a_held_package_counts_as_installed \
  bazel_output_is_not_mixed_with_apt_output unknown_packages_lead_to_an_update_first \
  an_archive_newer_than_the_lists_leads_to_one_retry a_failing_install_stops_with_a_message \
  a_failing_update_stops_with_a_message sudo_is_used_by_other_users \
  no_root_and_no_sudo_stops_with_the_command_to_run no_root_is_no_matter_when_nothing_is_missing \
  other_systems_are_refused a_system_without_a_name_is_refused bazel_exit_code_is_passed_on; do
  "$test"
  printf 'ran %s\n' "$test"
done
printf '%d failures\n' "$failures"
((failures == 0))
