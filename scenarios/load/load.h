// RunLoad: clients against a cluster, for a time, and what came of it.
#ifndef FAULTLINE_SCENARIOS_LOAD_LOAD_H_
#define FAULTLINE_SCENARIOS_LOAD_LOAD_H_

#include <ostream>

#include "runtime/runtime.h"
#include "runtime/task.h"
#include "scenarios/load/load_flags.h"
#include "scenarios/load/report.h"
#include "transports/any/security.h"

namespace faultline::load {

// Ends when the time is over or when its task is asked to stop; then it waits for what is
// unanswered, at most `flags.timeout`, and verifies. Lines of progress, unless `flags.quiet`, and
// the reasons why a replica cannot be reached go to `progress` unless it is null. `runtime`'s parts
// and `progress` outlive the task.
Task<Summary> RunLoad(LoadFlags flags, any::Security* security, Runtime runtime,
                      std::ostream* progress);

}  // namespace faultline::load

#endif  // FAULTLINE_SCENARIOS_LOAD_LOAD_H_
