#include "runtime/shards/affinity.h"

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "runtime/errors.h"

namespace faultline::shards {

absl::Status PinTo(uint32_t core) {
  cpu_set_t only;
  CPU_ZERO(&only);
  if (core < CPU_SETSIZE) CPU_SET(core, &only);
  if (sched_setaffinity(0, sizeof(only), &only) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, absl::StrCat("sched_setaffinity: core ", core));
}

absl::Status Affinity::Keep() {
  cpu_set_t now;
  if (sched_getaffinity(0, sizeof(now), &now) != 0) return ErrnoStatus(errno, "sched_getaffinity");
  before_ = now;
  return absl::OkStatus();
}

// Cannot fail for what the thread was allowed before, short of cores taken away meanwhile: then the
// system has chosen for it already.
Affinity::~Affinity() {
  if (before_.has_value()) (void)sched_setaffinity(0, sizeof(*before_), &*before_);
}

}  // namespace faultline::shards
