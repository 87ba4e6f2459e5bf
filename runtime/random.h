// Random: numbers for decisions (jitter, back-off, which peer). Not for keys: those are `Entropy`.
//
// In simulation each draw is a choice of the run and is recorded; in production it is a generator
// seeded by the kernel. Probabilities are integer ratios: no floating point decides anything.
#ifndef FAULTLINE_RUNTIME_RANDOM_H_
#define FAULTLINE_RUNTIME_RANDOM_H_

#include <cstdint>

#include "runtime/check.h"
#include "runtime/time.h"

namespace faultline {

// `numerator` in `denominator` cases; 0 <= numerator <= denominator, denominator > 0.
struct Ratio {
  uint32_t numerator = 0;
  uint32_t denominator = 1;

  friend bool operator==(const Ratio&, const Ratio&) = default;
};

class Random {
 public:
  virtual ~Random() = default;

  // Uniform over all 64-bit values.
  virtual uint64_t Next() = 0;

  // Uniform in [0, bound); bound > 0. The bias is below bound / 2^64.
  uint64_t Below(uint64_t bound) {
    FAULTLINE_CHECK(bound > 0) << "nothing lies below zero";
    return static_cast<uint64_t>((static_cast<unsigned __int128>(Next()) * bound) >> 64);
  }
  // Uniform in [low, high]; low <= high, and less than all 2^64 values.
  Duration Between(Duration low, Duration high) {
    FAULTLINE_CHECK(low <= high) << "a range runs upwards";
    // Unsigned: a range over more than half of all values has a width that no Duration can hold.
    uint64_t first = static_cast<uint64_t>(low.count());
    uint64_t width = static_cast<uint64_t>(high.count()) - first + 1;
    return Duration(static_cast<int64_t>(first + Below(width)));
  }
  bool Chance(Ratio ratio) { return Below(ratio.denominator) < ratio.numerator; }
};

}  // namespace faultline

#endif  // FAULTLINE_RUNTIME_RANDOM_H_
