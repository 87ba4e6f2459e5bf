// Scenarios that go wrong in every way that the replay program has to cope with. For its tests.
//
//   address-leak    records the address of a heap object: no two runs are the same
//   process-leak    records the number of its process: differs from process to process only
//   stack-leak      records where the stack lies: the same twice only without address randomisation
//   history-leak    records how many of its runs its process has seen
//   assertion-leak  draws inside an assertion, which some builds leave out
//   optimisation-leak, allocator-leak   record whether the compiler optimised; how large the
//                   allocator makes a block, which sanitizers change
//   check-failure   a FAULTLINE_CHECK fails for every seed that 3 divides
//   crash           writes through a null pointer for every seed that 3 divides
//   hang            never returns, for seed 3
//   deadlock, livelock, bound, invariant   end in that verdict
//   idle-fault      configures a family of faults that can have no effect
//   noisy           passes and prints to standard error
#ifndef FAULTLINE_SCENARIOS_REPLAY_TESTING_ODD_SCENARIOS_H_
#define FAULTLINE_SCENARIOS_REPLAY_TESTING_ODD_SCENARIOS_H_

#include "scenarios/harness/registry.h"

namespace faultline::replay {

void AddOddScenarios(harness::Registry* registry);

}  // namespace faultline::replay

#endif  // FAULTLINE_SCENARIOS_REPLAY_TESTING_ODD_SCENARIOS_H_
