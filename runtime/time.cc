#include "runtime/time.h"

#include "absl/strings/str_format.h"

namespace faultline {

std::string FormatSeconds(Duration duration) {
  constexpr int64_t kNanosPerSecond = 1'000'000'000;
  bool negative = duration < Duration::zero();
  uint64_t nanos = static_cast<uint64_t>(duration.count());
  if (negative) nanos = ~nanos + 1;
  return absl::StrFormat("%s%d.%09ds", negative ? "-" : "", nanos / kNanosPerSecond,
                         nanos % kNanosPerSecond);
}

}  // namespace faultline
