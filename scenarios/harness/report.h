// RunReport: everything that one run of a scenario leaves behind. A value; for people it is turned
// into text by the program.
#ifndef FAULTLINE_SCENARIOS_HARNESS_REPORT_H_
#define FAULTLINE_SCENARIOS_HARNESS_REPORT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "sim/effects.h"
#include "sim/fault_plan.h"
#include "sim/trace.h"
#include "sim/world.h"

namespace faultline::harness {

// One host of the world, and the hash of what concerned it.
struct HostReport {
  std::string name;
  sim::TraceHash hash;
};

// Something that the scenario counted: {"entries acknowledged", 1200}.
struct Figure {
  std::string what;
  uint64_t count = 0;
};

struct RunReport {
  sim::Verdict verdict;  // with the virtual time, and the broken invariant if there is one
  sim::TraceHash hash;
  std::vector<HostReport> hosts;  // by number
  uint64_t records = 0;           // of the trace
  uint64_t draws = 0;             // decisions made
  uint64_t draws_off_tape = 0;    // when replayed from a tape: those that it did not have
  sim::FaultEffects effects;
  sim::FaultPlan plan;                 // given and drawn
  std::vector<sim::TraceRecord> last;  // of the trace, oldest first
  std::vector<Figure> figures;

  Duration virtual_time() const { return verdict.time.time_since_epoch(); }
};

}  // namespace faultline::harness

#endif  // FAULTLINE_SCENARIOS_HARNESS_REPORT_H_
