// Shrink: from a program that shows something to a small one that still does.
#ifndef FAULTLINE_RUNTIME_CONFORMANCE_SHRINK_H_
#define FAULTLINE_RUNTIME_CONFORMANCE_SHRINK_H_

#include <functional>

#include "runtime/conformance/program.h"

namespace faultline::conformance {

// Leaves out phases, tasks and steps, then makes positions, buffers and backlogs smaller and
// sockets plainer, as long as `shows` holds of what remains; until nothing more can go, or after
// `tries` calls of `shows`. It holds of `program`; the result is `program` or something of which it
// held.
Program Shrink(const Program& program, const std::function<bool(const Program&)>& shows, int tries);

}  // namespace faultline::conformance

#endif  // FAULTLINE_RUNTIME_CONFORMANCE_SHRINK_H_
