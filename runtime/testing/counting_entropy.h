// CountingEntropy: bytes 1, 2, 3, ... so that a test knows who drew them, and how many.
#ifndef FAULTLINE_RUNTIME_TESTING_COUNTING_ENTROPY_H_
#define FAULTLINE_RUNTIME_TESTING_COUNTING_ENTROPY_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/entropy.h"

namespace faultline::testing {

class CountingEntropy final : public Entropy {
 public:
  void Fill(std::span<std::byte> bytes) override {
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(++drawn);
  }

  uint64_t drawn = 0;  // bytes
};

}  // namespace faultline::testing

#endif  // FAULTLINE_RUNTIME_TESTING_COUNTING_ENTROPY_H_
