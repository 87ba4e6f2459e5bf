// FailureNote: while it lives, a failed FAULTLINE_CHECK prints the command that replays the run.
//
// The hook of runtime/check.h takes a function without a context; hence there is one note at a time
// in a process, and it is the only state of the program that is not in an object.
#ifndef FAULTLINE_SCENARIOS_REPLAY_FAILURE_NOTE_H_
#define FAULTLINE_SCENARIOS_REPLAY_FAILURE_NOTE_H_

#include <string>

namespace faultline::replay {

class FailureNote {
 public:
  // `command` outlives it.
  explicit FailureNote(const std::string& command);
  FailureNote(const FailureNote&) = delete;
  FailureNote& operator=(const FailureNote&) = delete;
  ~FailureNote();
};

}  // namespace faultline::replay

#endif  // FAULTLINE_SCENARIOS_REPLAY_FAILURE_NOTE_H_
