// Time as the library counts it: integer nanoseconds, two kinds of clock reading.
//
// `MonotonicTime` never goes back and means nothing outside its process; deadlines and timers use
// it. `WallTime` counts from the Unix epoch and may jump; only what people or other machines read
// uses it. The two do not mix: the compiler refuses to subtract one from the other.
//
//   MonotonicTime give_up = clock->Now() + 2s;
#ifndef FAULTLINE_RUNTIME_TIME_H_
#define FAULTLINE_RUNTIME_TIME_H_

#include <chrono>
#include <cstdint>
#include <string>

namespace faultline {

using Duration = std::chrono::duration<int64_t, std::nano>;

// Tags for the standard's time points. They have no now(): time is read from an injected `Clock`.
struct MonotonicTimeline {
  using rep = int64_t;
  using period = std::nano;
  using duration = Duration;
  static constexpr bool is_steady = true;
};
struct WallTimeline {
  using rep = int64_t;
  using period = std::nano;
  using duration = Duration;
  static constexpr bool is_steady = false;
};

using MonotonicTime = std::chrono::time_point<MonotonicTimeline, Duration>;
using WallTime = std::chrono::time_point<WallTimeline, Duration>;

// Later than every deadline that anybody sets: "never".
inline constexpr MonotonicTime kInfiniteFuture = MonotonicTime::max();

// As seconds with nine decimals, for people: "12.000500000s". In integers, so that it is the same
// everywhere.
std::string FormatSeconds(Duration duration);
inline std::string FormatSeconds(MonotonicTime time) {
  return FormatSeconds(time.time_since_epoch());
}

using namespace std::chrono_literals;  // NOLINT: 5ms, 2s are the vocabulary of this library

}  // namespace faultline

#endif  // FAULTLINE_RUNTIME_TIME_H_
