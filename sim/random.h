// Random and Entropy of a simulated process: choices of the run.
#ifndef FAULTLINE_SIM_RANDOM_H_
#define FAULTLINE_SIM_RANDOM_H_

#include <cstring>

#include "runtime/entropy.h"
#include "runtime/random.h"
#include "sim/choices.h"

namespace faultline::sim {

class ChoiceRandom final : public Random {
 public:
  ChoiceRandom(Choices* choices, uint64_t who) : chooser_(choices, who) {}
  uint64_t Next() override { return chooser_.Next(); }

 private:
  LoneChooser<Choice::kApplication> chooser_;
};

class ChoiceEntropy final : public Entropy {
 public:
  ChoiceEntropy(Choices* choices, uint64_t who) : chooser_(choices, who) {}
  void Fill(std::span<std::byte> bytes) override {
    for (size_t at = 0; at < bytes.size(); at += sizeof(uint64_t)) {
      uint64_t draw = chooser_.Next();
      size_t size = bytes.size() - at < sizeof(draw) ? bytes.size() - at : sizeof(draw);
      std::memcpy(bytes.data() + at, &draw, size);
    }
  }

 private:
  LoneChooser<Choice::kEntropy> chooser_;
};

}  // namespace faultline::sim

#endif  // FAULTLINE_SIM_RANDOM_H_
