// Goal: no planted bug fires without its flag.
// Method: each campaign of testing/planted_bugs.h, over the seeds in which its bugs are found, with
// none of them: every seed passes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "scenarios/replay/testing/planted_bugs.h"
#include "scenarios/replay/testing/subprocess.h"

namespace faultline::replay {
namespace {

// Where faults are drawn, in fewer seeds a family of them may by chance have no effect in any run:
// the program calls that an error.
constexpr uint64_t kSeedsOfDrawnFaults = 40;

// Each campaign of the tables, with as many seeds as any of its rows takes, or more.
std::map<std::string, uint64_t> Campaigns() {
  std::map<std::string, uint64_t> campaigns;
  auto add = [&campaigns](const Planted& planted) {
    const bool drawn = !absl::StrContains(planted.where, "--faults=none");
    uint64_t& seeds = campaigns[planted.where];
    seeds = std::max({seeds, planted.seeds, drawn ? kSeedsOfDrawnFaults : 0});
  };
  std::for_each(std::begin(kPlanted), std::end(kPlanted), add);
  std::for_each(std::begin(kPlantedOverWebSocket), std::end(kPlantedOverWebSocket), add);
  return campaigns;
}

using Campaign = std::pair<const std::string, uint64_t>;

class NoBugTest : public testing::TestWithParam<Campaign> {};

TEST_P(NoBugTest, NothingIsFound) {
  const auto& [where, seeds] = GetParam();
  const Outcome outcome =
      RunProgram("scenarios/replay/replay",
                 absl::StrSplit(absl::StrCat(where, " --seeds=1..", seeds, " --jobs=1"), ' '));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
  EXPECT_TRUE(absl::StrContains(outcome.out, absl::StrCat("  verdicts   ", seeds, " passed\n")))
      << outcome.out;
}

// "--scenario=ledger --faults=heavy" as "ledger_heavy".
std::string NameOfCampaign(const testing::TestParamInfo<Campaign>& info) {
  std::vector<std::string> values;
  for (absl::string_view flag : absl::StrSplit(info.param.first, ' ')) {
    values.emplace_back(flag.substr(flag.find('=') + 1));
  }
  return absl::StrReplaceAll(absl::StrJoin(values, "_"), {{"-", "_"}});
}

INSTANTIATE_TEST_SUITE_P(Table, NoBugTest, testing::ValuesIn(Campaigns()), NameOfCampaign);

}  // namespace
}  // namespace faultline::replay
