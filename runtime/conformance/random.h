// SeededRandom: the numbers that programs are generated from: a seed means the same everywhere.
#ifndef FAULTLINE_RUNTIME_CONFORMANCE_RANDOM_H_
#define FAULTLINE_RUNTIME_CONFORMANCE_RANDOM_H_

#include <cstdint>

#include "runtime/random.h"

namespace faultline::conformance {

// splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}

  uint64_t Next() override {
    uint64_t value = state_ += 0x9E3779B97F4A7C15u;
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
    return value ^ (value >> 31);
  }

 private:
  uint64_t state_;
};

}  // namespace faultline::conformance

#endif  // FAULTLINE_RUNTIME_CONFORMANCE_RANDOM_H_
