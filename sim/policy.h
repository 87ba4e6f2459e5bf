// Scheduling policies: which of the ready tasks runs next.
//
//   RandomPolicy  uniform among the ready tasks
//   PctPolicy     probabilistic concurrency testing (Burckhardt et al., ASPLOS 2010): each task has
//   a random rank, the
//                 highest ready one runs, and at depth - 1 random steps the running task drops
//                 below all others. A bug of depth d among n tasks and k steps is found with
//                 probability at least 1 / (n * k^(d-1)).
//
// First in, first out is the absence of a policy.
#ifndef FAULTLINE_SIM_POLICY_H_
#define FAULTLINE_SIM_POLICY_H_

#include <cstdint>
#include <vector>

#include "runtime/executor.h"
#include "sim/choices.h"

namespace faultline::sim {

enum class Scheduling : uint8_t { kFifo, kRandom, kPct };

class RandomPolicy final : public SchedulingPolicy {
 public:
  explicit RandomPolicy(Choices* choices);
  size_t Pick(const std::vector<Resumable*>& ready) override;

 private:
  Chooser chooser_;
};

class PctPolicy final : public SchedulingPolicy {
 public:
  // `depth` >= 1: the number of ordering constraints to aim at. `steps` >= 1: how many picks a run
  // is expected to make; the change points are drawn among them.
  PctPolicy(Choices* choices, uint32_t depth, uint64_t steps);
  size_t Pick(const std::vector<Resumable*>& ready) override;

 private:
  void RankNewcomers(const std::vector<Resumable*>& ready);

  Chooser chooser_;
  std::vector<uint64_t> change_points_;  // ascending
  size_t next_change_ = 0;
  uint64_t step_ = 0;
};

}  // namespace faultline::sim

#endif  // FAULTLINE_SIM_POLICY_H_
