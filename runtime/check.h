// FAULTLINE_CHECK: assertions about our own code.
//
// What: a condition that can only be false through a bug of ours (never through the world, a peer,
// a file or a flag: those are `absl::Status`). It stays on in every build.
//
//   FAULTLINE_CHECK(pending_ == nullptr) << "a stream takes one read at a time";
//
// A failure prints the place, the condition and the message to standard error, then whatever the
// program registered with `SetCheckFailureNote` (the replay program prints the command that replays
// the run), and aborts.
#ifndef FAULTLINE_RUNTIME_CHECK_H_
#define FAULTLINE_RUNTIME_CHECK_H_

#include <sstream>

namespace faultline {

// Prints a last line before an abort. Called at most once, on the failing thread. Programs only.
using CheckFailureNote = void (*)();
void SetCheckFailureNote(CheckFailureNote note);

namespace internal {

// The message lies on the heap: a stream among the locals would give each function that checks
// something a large frame, and a canary to guard it.
class CheckFailure {
 public:
  [[gnu::cold]] CheckFailure(const char* file, int line, const char* condition);
  CheckFailure(const CheckFailure&) = delete;
  CheckFailure& operator=(const CheckFailure&) = delete;
  [[noreturn]] ~CheckFailure();

  std::ostream& stream() { return *message_; }

 private:
  std::ostringstream* const message_;
};

// Gives both arms of the macro's conditional the type void.
struct Voidify {
  void operator&(std::ostream&) const {}
};

}  // namespace internal
}  // namespace faultline

#define FAULTLINE_CHECK(condition)                       \
  (__builtin_expect(static_cast<bool>(condition), true)) \
      ? (void)0                                          \
      : ::faultline::internal::Voidify() &               \
            ::faultline::internal::CheckFailure(__FILE__, __LINE__, #condition).stream()

#endif  // FAULTLINE_RUNTIME_CHECK_H_
