#include "scenarios/catalogue/catalogue.h"

#include "scenarios/catalogue/echo.h"
#include "scenarios/catalogue/ledger.h"
#include "scenarios/catalogue/transport.h"

namespace faultline::catalogue {

void AddAllScenarios(harness::Registry* registry) {
  registry->Add(MakeLedgerScenario());
  registry->Add(MakeLedgerFiveScenario());
  registry->Add(MakeLedgerPartitionScenario());
  registry->Add(MakeLedgerCrashScenario());
  registry->Add(MakeLedgerAmnesiaScenario());
  registry->Add(MakeLedgerStalledBackupScenario());
  registry->Add(MakeLedgerSlowBackupScenario());
  registry->Add(MakeLedgerSlowClientScenario());
  registry->Add(MakeTransportScenario());
  registry->Add(MakeEchoScenario());
  registry->Add(MakeCanaryScenario());
}

}  // namespace faultline::catalogue
