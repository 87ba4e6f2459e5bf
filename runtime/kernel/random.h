// The kernel's entropy for keys, and a generator that it has seeded for decisions.
#ifndef FAULTLINE_RUNTIME_KERNEL_RANDOM_H_
#define FAULTLINE_RUNTIME_KERNEL_RANDOM_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/entropy.h"
#include "runtime/random.h"

namespace faultline::kernel {

// getrandom(2). Waits, once after boot, until the kernel has entropy.
class KernelEntropy final : public Entropy {
 public:
  void Fill(std::span<std::byte> bytes) override;
};

// xoshiro256** (Blackman and Vigna, "Scrambled linear pseudorandom number generators"): jitter and
// back-off, not keys.
class SeededRandom final : public Random {
 public:
  // 256 bits of state from `entropy`.
  explicit SeededRandom(Entropy* entropy);
  uint64_t Next() override;

 private:
  std::array<uint64_t, 4> state_;
};

}  // namespace faultline::kernel

#endif  // FAULTLINE_RUNTIME_KERNEL_RANDOM_H_
