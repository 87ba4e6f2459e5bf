# Sourced by the tests of this folder: the compiler of record with the flags of our code (.bazelrc), on the
# headers in the runfiles.

cd "$TEST_SRCDIR/$TEST_WORKSPACE"

compiler=(clang-19 -std=c++20 -fno-exceptions -Wall -Wextra -Werror -fno-color-diagnostics
  -iquote . -isystem "$TEST_SRCDIR/com_google_absl")

# Reads and checks C++ from a file, or from standard input for "-"; writes nothing but messages.
compile() {
  "${compiler[@]}" -x c++ -fsyntax-only "$@"
}

fail() {
  printf 'FAILED: %s\n' "$*"
  exit 1
}
