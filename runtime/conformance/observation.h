// Observation: what a program saw of the world that it ran in, step by step.
#ifndef FAULTLINE_RUNTIME_CONFORMANCE_OBSERVATION_H_
#define FAULTLINE_RUNTIME_CONFORMANCE_OBSERVATION_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/conformance/program.h"

namespace faultline::conformance {

// How a step ended.
enum class Result : uint8_t {
  kNotReached,   // the step before it in its task never ended
  kNoSocket,     // there is no such socket: whoever should have made it has failed
  kBusy,         // a step that the seam forbids while another is pending; it was not tried
  kOk,           // done, up to its position
  kEnd,          // a read that found the end of the stream
  kError,        // an errno
  kClosed,       // FailedPrecondition: the socket was closed before
  kCancelled,    // by its own stop request
  kDeadline,     // by its own deadline
  kHung,         // stopped by the runner after a long time
  kStuck,        // did not even end when it was stopped
  kCorrupt,      // bytes that nobody wrote there
  kWrongSource,  // a datagram that nobody sent, or a stream of another connection's
};
inline constexpr size_t kResults = 13;

std::string_view NameOf(Result result);

struct Outcome {
  Result result = Result::kNotReached;
  int error = 0;          // errno, of kError
  uint64_t moved = 0;     // bytes in this step
  uint64_t position = 0;  // of the stream after this step; of a datagram, its number at its sender
  int from = -1;          // the socket that a datagram came from
  bool truncated = false;

  // "ok 100 @100", "ECONNRESET @50"
  std::string ToString() const;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

// Where a step is in its program.
struct Place {
  size_t phase = 0;
  size_t task = 0;
  size_t step = 0;

  friend bool operator==(const Place&, const Place&) = default;
};

class Observation {
 public:
  Observation() = default;
  explicit Observation(const Program& program);

  Outcome& at(const Place& place) { return outcomes_[place.phase][place.task][place.step]; }
  const Outcome& at(const Place& place) const {
    return outcomes_[place.phase][place.task][place.step];
  }

  friend bool operator==(const Observation&, const Observation&) = default;

 private:
  std::vector<std::vector<std::vector<Outcome>>> outcomes_;
};

// Calls `visit(place, step)` for each step, in the program's order.
template <typename Visit>
void ForEachStep(const Program& program, Visit visit) {
  for (size_t p = 0; p < program.phases().size(); ++p) {
    const auto& tasks = program.phases()[p].tasks;
    for (size_t t = 0; t < tasks.size(); ++t) {
      for (size_t s = 0; s < tasks[t].steps.size(); ++s) {
        visit(Place{p, t, s}, tasks[t].steps[s]);
      }
    }
  }
}

}  // namespace faultline::conformance

#endif  // FAULTLINE_RUNTIME_CONFORMANCE_OBSERVATION_H_
