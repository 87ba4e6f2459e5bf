// Goal: healthy programs break no invariant, whatever faults are drawn and wherever they are aimed;
// and each family that is drawn in a cell of the matrix has an effect in it.
// Method: every scenario but the canary, at each level of faults, aimed at each plane, over seeds
// from 1 on. More seeds where a checker was wrong once: enough to have met that.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "scenarios/catalogue/catalogue.h"
#include "scenarios/harness/registry.h"
#include "scenarios/harness/scenario.h"

namespace faultline::catalogue {
namespace {

constexpr uint64_t kSeeds = 6;
// A family of which so many seeds have drawn some and noticed none cannot be noticed there.
constexpr uint64_t kSeedsToJudgeFamilies = 40;

struct Cell {
  std::string scenario;
  sim::FaultLevel level = sim::FaultLevel::kNone;
  harness::Aim plane = harness::Aim::kBoth;
};

void PrintTo(const Cell& cell, std::ostream* out) {
  *out << cell.scenario << " " << harness::NameOf(harness::FaultLevels(), cell.level) << " "
       << harness::NameOf(harness::Aims(), cell.plane);
}

const harness::Registry& AllScenarios() {
  static const harness::Registry* const registry = [] {
    auto* all = new harness::Registry;
    AddAllScenarios(all);
    return all;
  }();
  return *registry;
}

std::vector<Cell> Cells() {
  std::vector<Cell> cells;
  for (const std::string& scenario : AllScenarios().Names()) {
    if (scenario == "canary") continue;
    for (const auto& level : harness::FaultLevels()) {
      if (level.value == sim::FaultLevel::kNone) continue;
      for (const auto& aim : harness::Aims()) cells.push_back({scenario, level.value, aim.value});
    }
  }
  return cells;
}

uint64_t SeedsOf(const Cell& cell) {
  if (cell.scenario == "ledger" && cell.level == sim::FaultLevel::kHeavy) return 130;
  if (cell.scenario == "ledger-partition") return 25;
  if (cell.scenario == "transport" || cell.scenario == "echo") return kSeedsToJudgeFamilies;
  return kSeeds;
}

class MatrixTest : public testing::TestWithParam<Cell> {};

TEST_P(MatrixTest, IsHealthy) {
  const Cell& cell = GetParam();
  const harness::Scenario& scenario = *AllScenarios().Find(cell.scenario);
  sim::FaultEffects effects;
  for (uint64_t seed = 1; seed <= SeedsOf(cell); ++seed) {
    harness::RunOptions options = harness::DefaultOptions(scenario.info(), seed);
    options.faults = cell.level;
    options.plane = cell.plane;
    const harness::RunReport report = scenario.Run(options, {});
    EXPECT_TRUE(report.verdict.passed()) << "seed " << seed << ": " << report.verdict.ToString();
    effects.Merge(report.effects);
  }
  if (SeedsOf(cell) < kSeedsToJudgeFamilies) return;
  for (size_t i = 0; i < sim::kFaultCount; ++i) {
    const auto fault = static_cast<sim::Fault>(i);
    EXPECT_TRUE(!effects.configured(fault) || effects.bites(fault) > 0) << sim::FaultName(fault);
  }
}

std::string NameOfCell(const testing::TestParamInfo<Cell>& info) {
  return absl::StrReplaceAll(testing::PrintToString(info.param), {{"-", "_"}, {" ", "_"}});
}

INSTANTIATE_TEST_SUITE_P(All, MatrixTest, testing::ValuesIn(Cells()), NameOfCell);

}  // namespace
}  // namespace faultline::catalogue
