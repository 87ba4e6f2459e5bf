// The replay program: runs the scenarios of a registry as its command line says.
#ifndef FAULTLINE_SCENARIOS_REPLAY_REPLAY_H_
#define FAULTLINE_SCENARIOS_REPLAY_REPLAY_H_

#include <cstdio>
#include <string>
#include <vector>

#include "scenarios/harness/registry.h"

namespace faultline::replay {

inline constexpr int kExitPassed = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

// Returns the exit code. `arguments` are those after the program's name. Reports go to standard
// output, complaints and progress to standard error.
int Main(const std::vector<std::string>& arguments, const harness::Registry& registry);

}  // namespace faultline::replay

#endif  // FAULTLINE_SCENARIOS_REPLAY_REPLAY_H_
