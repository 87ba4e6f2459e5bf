// The smallest scenario, to begin a new one from: a client, an echo server, and whatever the
// options do to the network between them.
#ifndef FAULTLINE_SCENARIOS_CATALOGUE_ECHO_H_
#define FAULTLINE_SCENARIOS_CATALOGUE_ECHO_H_

#include <memory>

#include "scenarios/harness/scenario.h"

namespace faultline::catalogue {

std::unique_ptr<harness::Scenario> MakeEchoScenario();

}  // namespace faultline::catalogue

#endif  // FAULTLINE_SCENARIOS_CATALOGUE_ECHO_H_
