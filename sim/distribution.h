// Latency distributions, in integers: the same draw gives the same nanoseconds on every machine and
// compiler.
#ifndef FAULTLINE_SIM_DISTRIBUTION_H_
#define FAULTLINE_SIM_DISTRIBUTION_H_

#include <cstdint>

#include "runtime/random.h"
#include "runtime/time.h"
#include "sim/choices.h"

namespace faultline::sim {

class Latency {
 public:
  // Always `value`.
  static Latency Constant(Duration value);
  // Uniform in [low, high].
  static Latency Uniform(Duration low, Duration high);
  // `low` plus an exponential with mean `mean`, cut at `low + 44 * mean` (the longest that 64 bits
  // can express).
  static Latency Exponential(Duration low, Duration mean);
  // Uniform in [low, high], but in `slow` cases uniform in [slow_low, slow_high].
  static Latency Bimodal(Duration low, Duration high, Ratio slow, Duration slow_low,
                         Duration slow_high);

  // One to two draws of `kind`; none if constant.
  Duration Sample(Chooser* chooser, Choice kind) const {
    return shape_ == Shape::kConstant ? low_ : SampleDrawn(chooser, kind);
  }
  bool constant() const { return shape_ == Shape::kConstant; }
  // No sample is shorter.
  Duration min() const { return low_ < slow_low_ || shape_ != Shape::kBimodal ? low_ : slow_low_; }

 private:
  enum class Shape : uint8_t { kConstant, kUniform, kExponential, kBimodal };

  Duration SampleDrawn(Chooser* chooser, Choice kind) const;

  Shape shape_ = Shape::kConstant;
  Duration low_{};
  Duration high_{};  // or the mean
  Ratio slow_;
  Duration slow_low_{};
  Duration slow_high_{};
};

// -ln((draw + 1) / 2^64) as a fixed-point number with 32 fractional bits, in integers only; within
// 2^-28 of the exact value.
uint64_t NegativeLog(uint64_t draw);

}  // namespace faultline::sim

#endif  // FAULTLINE_SIM_DISTRIBUTION_H_
