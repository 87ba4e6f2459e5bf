#include "scenarios/replay/totals.h"

#include <type_traits>

#include "scenarios/replay/text.h"

namespace faultline::replay {

static_assert(kVerdictKinds == static_cast<size_t>(sim::VerdictKind::kBound) + 1);
static_assert(std::is_trivially_copyable_v<SeedNumbers>, "it travels through a pipe");

SeedResult ResultOf(uint64_t seed, const harness::RunReport& report) {
  SeedResult result;
  result.numbers = {seed,        report.verdict.kind, report.virtual_time(), report.verdict.events,
                    report.hash, report.effects};
  return result;
}

void CampaignTotals::Add(const SeedResult& result) {
  const SeedNumbers& numbers = result.numbers;
  ++seeds_;
  ++verdicts_[static_cast<size_t>(numbers.verdict)];
  simulated_ += numbers.simulated;
  events_ += numbers.events;
  hash_.low ^= numbers.hash.low;
  hash_.high ^= numbers.hash.high;
  effects_.Merge(numbers.effects);
  if (numbers.verdict == sim::VerdictKind::kPassed) return;
  failures_[numbers.seed] = {result.headline, result.details};
}

void CampaignTotals::AddLost(uint64_t seed, const std::string& headline,
                             const std::string& details) {
  ++seeds_;
  ++lost_;
  failures_[seed] = {headline, details};
}

std::string CampaignTotals::IdleFamilies() const { return FamiliesWithoutEffect(effects_); }

}  // namespace faultline::replay
