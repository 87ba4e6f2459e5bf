// Every scenario of the project, in the order of `replay --list`.
#ifndef FAULTLINE_SCENARIOS_CATALOGUE_CATALOGUE_H_
#define FAULTLINE_SCENARIOS_CATALOGUE_CATALOGUE_H_

#include "scenarios/harness/registry.h"

namespace faultline::catalogue {

void AddAllScenarios(harness::Registry* registry);

}  // namespace faultline::catalogue

#endif  // FAULTLINE_SCENARIOS_CATALOGUE_CATALOGUE_H_
