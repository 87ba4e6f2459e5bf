// Goal: a campaign's account is right whatever the order in which its seeds end, and a family of
// faults that never changed anything is an error. Method: results made by hand.
#include "scenarios/replay/totals.h"

#include <gtest/gtest.h>

#include "scenarios/replay/progress.h"
#include "scenarios/replay/text.h"

namespace faultline::replay {
namespace {

using sim::Fault;
using sim::VerdictKind;

SeedResult Result(uint64_t seed, VerdictKind verdict = VerdictKind::kPassed) {
  SeedResult result;
  result.numbers.seed = seed;
  result.numbers.verdict = verdict;
  result.numbers.simulated = 10s * static_cast<int64_t>(seed);
  result.numbers.events = 100 * seed;
  result.numbers.hash = {seed * 7, seed * 11};
  if (verdict != VerdictKind::kPassed) result.headline = "seed failed";
  return result;
}

TEST(CampaignTotals, AddsUp) {
  CampaignTotals totals;
  totals.Add(Result(1));
  totals.Add(Result(2, VerdictKind::kDeadlock));
  totals.Add(Result(3));
  totals.AddLost(4, "seed 4: crashed", "details");
  EXPECT_EQ(totals.seeds(), 4u);
  EXPECT_EQ(totals.verdicts(VerdictKind::kPassed), 2u);
  EXPECT_EQ(totals.verdicts(VerdictKind::kDeadlock), 1u);
  EXPECT_EQ(totals.lost(), 1u);
  EXPECT_EQ(totals.simulated(), 60s);
  EXPECT_EQ(totals.events(), 600u);
  EXPECT_EQ(totals.failures().size(), 2u);
  EXPECT_EQ(totals.failures().begin()->first, 2u);
  EXPECT_FALSE(totals.ok());
}

TEST(CampaignTotals, TheHashDoesNotDependOnTheOrder) {
  CampaignTotals forward;
  CampaignTotals backward;
  CampaignTotals other;
  for (uint64_t seed : {1, 2, 3}) forward.Add(Result(seed));
  for (uint64_t seed : {3, 2, 1}) backward.Add(Result(seed));
  for (uint64_t seed : {1, 2, 4}) other.Add(Result(seed));
  EXPECT_EQ(forward.hash(), backward.hash());
  EXPECT_NE(forward.hash(), other.hash());
}

TEST(CampaignTotals, AFamilyThatNeverBitIsAnError) {
  CampaignTotals totals;
  SeedResult first = Result(1);
  first.numbers.effects.Configure(Fault::kLoss);
  first.numbers.effects.Configure(Fault::kMtu);
  totals.Add(first);
  EXPECT_EQ(totals.IdleFamilies(), "loss, mtu");
  EXPECT_FALSE(totals.ok());

  SeedResult second = Result(2);
  second.numbers.effects.Bite(Fault::kLoss);
  totals.Add(second);
  EXPECT_EQ(totals.IdleFamilies(), "mtu") << "an effect in any run counts for all";

  SeedResult third = Result(3);
  third.numbers.effects.Configure(Fault::kMtu);
  third.numbers.effects.Bite(Fault::kMtu);
  totals.Add(third);
  EXPECT_EQ(totals.IdleFamilies(), "");
  EXPECT_TRUE(totals.ok());
}

TEST(CampaignTotals, WhatWasNotConfiguredNeedNotBite) {
  CampaignTotals totals;
  totals.Add(Result(1));
  EXPECT_TRUE(totals.ok());
}

TEST(CampaignTotals, DisorderIsAFailure) {
  CampaignTotals totals;
  totals.Add(Result(1));
  totals.AddDisorder("a worker leaked");
  EXPECT_FALSE(totals.ok());
}

TEST(Progress, OneLineSaysHowFarItIs) {
  CampaignTotals totals;
  for (uint64_t seed = 1; seed <= 5; ++seed) totals.Add(Result(seed));
  totals.AddLost(6, "", "");
  EXPECT_EQ(ProgressLine(totals, 24, 3s),
            "[#####...............] 6 of 24 seeds, 2.0 a second, 0.04 h simulated, 1 failed, 9 s "
            "left");
}

TEST(Text, NumbersAreGrouped) {
  EXPECT_EQ(Grouped(0), "0");
  EXPECT_EQ(Grouped(999), "999");
  EXPECT_EQ(Grouped(1000), "1,000");
  EXPECT_EQ(Grouped(1234567), "1,234,567");
}

TEST(Text, CommandsAreFitForAShell) {
  const std::string command = Command({"--scenario=a", "--from-tape=/tmp/it's here"});
  EXPECT_TRUE(
      command.ends_with("//scenarios:replay -- --scenario=a '--from-tape=/tmp/it'\\''s here'"))
      << command;
}

TEST(Text, EffectsAreNamedAndCounted) {
  sim::FaultEffects effects;
  EXPECT_EQ(EffectsText(effects), "none had an effect");
  effects.Configure(Fault::kClog);
  effects.Bite(Fault::kLoss);
  effects.Bite(Fault::kLoss);
  effects.Bite(Fault::kCrash);
  EXPECT_EQ(EffectsText(effects), "loss 2, crash 1");
  EXPECT_EQ(FamiliesWithoutEffect(effects), "clog");
}

}  // namespace
}  // namespace faultline::replay
