// Runtime: what a program or a simulated process is given of its world. `main` (or the simulation)
// makes it; code takes the narrowest part that it needs.
#ifndef FAULTLINE_RUNTIME_RUNTIME_H_
#define FAULTLINE_RUNTIME_RUNTIME_H_

#include "runtime/clock.h"
#include "runtime/entropy.h"
#include "runtime/executor.h"
#include "runtime/frozen.h"
#include "runtime/network.h"
#include "runtime/random.h"

namespace faultline {

// Collaborators, not owned; all outlive the tasks that use them.
struct Runtime {
  Executor* executor = nullptr;
  Clock* clock = nullptr;
  Network* network = nullptr;
  Entropy* entropy = nullptr;
  Random* random = nullptr;
  BufferPool* buffers = nullptr;
};

}  // namespace faultline

#endif  // FAULTLINE_RUNTIME_RUNTIME_H_
