#include "sim/policy.h"

#include <algorithm>

#include "runtime/check.h"

namespace faultline::sim {
namespace {

constexpr uint64_t kSchedulerId = 0x5c4ed;
// Ranks given by chance have the highest bit set; ranks after a change are small, and lower at each
// change.
constexpr uint64_t kChanceRank = uint64_t{1} << 63;

}  // namespace

RandomPolicy::RandomPolicy(Choices* choices) : chooser_(choices, ChooserId({kSchedulerId})) {}

size_t RandomPolicy::Pick(const std::vector<Resumable*>& ready) {
  return chooser_.Below(Choice::kSchedule, ready.size());
}

PctPolicy::PctPolicy(Choices* choices, uint32_t depth, uint64_t steps)
    : chooser_(choices, ChooserId({kSchedulerId})) {
  FAULTLINE_CHECK(depth >= 1 && steps >= 1) << "PCT needs a depth and a length of at least 1";
  for (uint32_t i = 1; i < depth; ++i) {
    change_points_.push_back(1 + chooser_.Below(Choice::kChangePoint, steps));
  }
  std::sort(change_points_.begin(), change_points_.end());
}

void PctPolicy::RankNewcomers(const std::vector<Resumable*>& ready) {
  for (Resumable* item : ready) {
    uint64_t& rank = item->task()->priority;
    if (rank == 0) rank = chooser_.Next(Choice::kPriority) | kChanceRank;
  }
}

size_t PctPolicy::Pick(const std::vector<Resumable*>& ready) {
  RankNewcomers(ready);
  ++step_;
  auto highest = [&ready] {
    auto lower = [](Resumable* x, Resumable* y) {
      return x->task()->priority < y->task()->priority;
    };
    return static_cast<size_t>(std::max_element(ready.begin(), ready.end(), lower) - ready.begin());
  };
  size_t picked = highest();
  while (next_change_ < change_points_.size() && change_points_[next_change_] <= step_) {
    ready[picked]->task()->priority = change_points_.size() - next_change_++;
    picked = highest();
  }
  return picked;
}

}  // namespace faultline::sim
