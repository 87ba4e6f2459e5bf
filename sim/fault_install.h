// How each family of planned faults begins and ends in a world. Used by FaultPlan.
#ifndef FAULTLINE_SIM_FAULT_INSTALL_H_
#define FAULTLINE_SIM_FAULT_INSTALL_H_

#include "sim/fault_plan.h"

namespace faultline::sim {

// Schedules the beginning and the end of `fault`, and marks its family as configured.
void InstallFault(World* world, const PlannedFault& fault);

}  // namespace faultline::sim

#endif  // FAULTLINE_SIM_FAULT_INSTALL_H_
