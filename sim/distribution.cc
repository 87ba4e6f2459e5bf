#include "sim/distribution.h"

#include <bit>

#include "runtime/check.h"

namespace faultline::sim {
namespace {

constexpr uint64_t kLn2 = 2977044472;  // ln 2 with 32 fractional bits, rounded
constexpr int kFractionBits = 32;

Duration UniformBetween(uint64_t draw, Duration low, Duration high) {
  uint64_t width = static_cast<uint64_t>((high - low).count()) + 1;
  return low + Duration(static_cast<int64_t>((static_cast<unsigned __int128>(draw) * width) >> 64));
}

// log2 of a mantissa in [1, 2) with 63 fractional bits: squaring doubles the logarithm, and each
// time that the square reaches 2 the next binary digit of the logarithm is 1.
uint64_t FractionalLog2(uint64_t mantissa) {
  uint64_t result = 0;
  for (int bit = 0; bit < kFractionBits; ++bit) {
    unsigned __int128 square =
        static_cast<unsigned __int128>(mantissa) * mantissa;  // 126 fractional bits
    uint64_t digit = static_cast<uint64_t>(square >> 127);
    result = result << 1 | digit;
    mantissa = static_cast<uint64_t>(square >> (63 + digit));
  }
  return result;
}

}  // namespace

uint64_t NegativeLog(uint64_t draw) {
  if (draw == ~uint64_t{0}) return 0;
  uint64_t x = draw + 1;
  int exponent = 63 - std::countl_zero(x);
  uint64_t log2 =
      (static_cast<uint64_t>(exponent) << kFractionBits) + FractionalLog2(x << (63 - exponent));
  uint64_t negative = (uint64_t{64} << kFractionBits) - log2;
  return static_cast<uint64_t>((static_cast<unsigned __int128>(negative) * kLn2) >> kFractionBits);
}

Latency Latency::Constant(Duration value) {
  Latency latency;
  latency.low_ = value;
  return latency;
}

Latency Latency::Uniform(Duration low, Duration high) {
  FAULTLINE_CHECK(low <= high) << "an empty range of latencies";
  Latency latency;
  latency.shape_ = Shape::kUniform;
  latency.low_ = low;
  latency.high_ = high;
  return latency;
}

Latency Latency::Exponential(Duration low, Duration mean) {
  Latency latency;
  latency.shape_ = Shape::kExponential;
  latency.low_ = low;
  latency.high_ = mean;
  return latency;
}

Latency Latency::Bimodal(Duration low, Duration high, Ratio slow, Duration slow_low,
                         Duration slow_high) {
  FAULTLINE_CHECK(low <= high && slow_low <= slow_high) << "an empty range of latencies";
  Latency latency;
  latency.shape_ = Shape::kBimodal;
  latency.low_ = low;
  latency.high_ = high;
  latency.slow_ = slow;
  latency.slow_low_ = slow_low;
  latency.slow_high_ = slow_high;
  return latency;
}

Duration Latency::SampleDrawn(Chooser* chooser, Choice kind) const {
  if (shape_ == Shape::kExponential) {
    unsigned __int128 scaled = static_cast<unsigned __int128>(NegativeLog(chooser->Next(kind))) *
                               static_cast<uint64_t>(high_.count());
    return low_ + Duration(static_cast<int64_t>(scaled >> kFractionBits));
  }
  if (shape_ == Shape::kBimodal && chooser->Chance(kind, slow_)) {
    return UniformBetween(chooser->Next(kind), slow_low_, slow_high_);
  }
  return UniformBetween(chooser->Next(kind), low_, high_);
}

}  // namespace faultline::sim
