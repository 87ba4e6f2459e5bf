// The scenarios of the replicated ledger: everything at once, and one thing at a time.
#ifndef FAULTLINE_SCENARIOS_CATALOGUE_LEDGER_H_
#define FAULTLINE_SCENARIOS_CATALOGUE_LEDGER_H_

#include <memory>

#include "scenarios/harness/scenario.h"

namespace faultline::catalogue {

std::unique_ptr<harness::Scenario> MakeLedgerScenario();
std::unique_ptr<harness::Scenario> MakeLedgerFiveScenario();
std::unique_ptr<harness::Scenario> MakeLedgerPartitionScenario();
std::unique_ptr<harness::Scenario> MakeLedgerCrashScenario();
std::unique_ptr<harness::Scenario> MakeLedgerAmnesiaScenario();
std::unique_ptr<harness::Scenario> MakeLedgerStalledBackupScenario();
std::unique_ptr<harness::Scenario> MakeLedgerSlowBackupScenario();
std::unique_ptr<harness::Scenario> MakeLedgerSlowClientScenario();
// Fails with every seed: the checkers are told lies, and have to notice.
std::unique_ptr<harness::Scenario> MakeCanaryScenario();

}  // namespace faultline::catalogue

#endif  // FAULTLINE_SCENARIOS_CATALOGUE_LEDGER_H_
