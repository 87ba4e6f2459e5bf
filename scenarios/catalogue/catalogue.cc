#include "scenarios/catalogue/catalogue.h"

#include "scenarios/catalogue/echo.h"

namespace faultline::catalogue {

void AddAllScenarios(harness::Registry* registry) { registry->Add(MakeEchoScenario()); }

}  // namespace faultline::catalogue
