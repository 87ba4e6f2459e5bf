// Backoff: how long to wait before the next attempt. Doubles from `min` to `max`, with jitter: half
// of each wait is drawn, so that those who were cut off together do not return together.
//
//   Backoff backoff({.min = 50ms, .max = 2s});
//   co_await clock->SleepFor(backoff.Next(random));
//   ... backoff.Reset();      // after a success
#ifndef FAULTLINE_SCENARIOS_LEDGER_BACKOFF_H_
#define FAULTLINE_SCENARIOS_LEDGER_BACKOFF_H_

#include <algorithm>

#include "runtime/random.h"
#include "runtime/time.h"

namespace faultline::ledger {

struct BackoffLimits {
  Duration min = 50ms;
  Duration max = 2s;
};

class Backoff {
 public:
  explicit Backoff(BackoffLimits limits) : limits_(limits), next_(limits.min) {}

  // In [n/2, n], where n is `min` at first and then twice the last n, at most `max`.
  Duration Next(Random* random) {
    const Duration wait = next_;
    next_ = std::min(limits_.max, next_ * 2);
    return random->Between(wait / 2, wait);
  }
  void Reset() { next_ = limits_.min; }

 private:
  const BackoffLimits limits_;
  Duration next_;
};

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_BACKOFF_H_
