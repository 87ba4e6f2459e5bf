// The transport under every fault: talks that end in every way a talk can end.
#ifndef FAULTLINE_SCENARIOS_CATALOGUE_TRANSPORT_H_
#define FAULTLINE_SCENARIOS_CATALOGUE_TRANSPORT_H_

#include <memory>

#include "scenarios/harness/scenario.h"

namespace faultline::catalogue {

std::unique_ptr<harness::Scenario> MakeTransportScenario();

}  // namespace faultline::catalogue

#endif  // FAULTLINE_SCENARIOS_CATALOGUE_TRANSPORT_H_
