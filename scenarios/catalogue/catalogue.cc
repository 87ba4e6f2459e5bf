#include "scenarios/catalogue/catalogue.h"

#include "scenarios/catalogue/echo.h"
#include "scenarios/catalogue/ledger.h"

namespace faultline::catalogue {

void AddAllScenarios(harness::Registry* registry) {
  registry->Add(MakeLedgerScenario());
  registry->Add(MakeLedgerFiveScenario());
  registry->Add(MakeLedgerPartitionScenario());
  registry->Add(MakeLedgerCrashScenario());
  registry->Add(MakeLedgerSlowBackupScenario());
  registry->Add(MakeLedgerSlowClientScenario());
  registry->Add(MakeEchoScenario());
  registry->Add(MakeCanaryScenario());
}

}  // namespace faultline::catalogue
