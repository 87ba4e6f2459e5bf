// Affinity: on which cores the calling thread may run.
#ifndef FAULTLINE_RUNTIME_SHARDS_AFFINITY_H_
#define FAULTLINE_RUNTIME_SHARDS_AFFINITY_H_

#include <sched.h>

#include <cstdint>
#include <optional>

#include "absl/status/status.h"

namespace faultline::shards {

// sched_setaffinity(2): the calling thread runs on `core` alone from now on. Errors, which name the
// core: EINVAL (there is none of that number, or this process may not run on it), EPERM.
absl::Status PinTo(uint32_t core);

// What the calling thread may do now, given back when this is destroyed, on the same thread, if
// `Keep` was called.
class Affinity {
 public:
  Affinity() = default;
  Affinity(const Affinity&) = delete;
  Affinity& operator=(const Affinity&) = delete;
  ~Affinity();

  // sched_getaffinity(2).
  absl::Status Keep();

 private:
  std::optional<cpu_set_t> before_;
};

}  // namespace faultline::shards

#endif  // FAULTLINE_RUNTIME_SHARDS_AFFINITY_H_
