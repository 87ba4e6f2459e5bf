// The command line of the conformance program.
#ifndef FAULTLINE_RUNTIME_CONFORMANCE_FLAGS_H_
#define FAULTLINE_RUNTIME_CONFORMANCE_FLAGS_H_

#include <cstdint>
#include <span>
#include <string>

#include "absl/status/statusor.h"

namespace faultline::conformance {

struct ConformanceFlags {
  uint64_t programs = 1000;
  uint64_t seed = 1;     // of the first program; each further one has the next
  uint64_t seconds = 0;  // no further program after these; 0: no limit
  uint64_t max_mismatches = 10;
  bool simulation = true;
  bool epoll = true;
  bool io_uring = true;
  bool show = false;  // prints programs and what each world observed
  bool help = false;
};

// `arguments` are those after the program's name. Errors: InvalidArgument; the message is for the
// user and says what would be right.
absl::StatusOr<ConformanceFlags> ParseConformanceFlags(std::span<const std::string> arguments);

std::string HelpText();

}  // namespace faultline::conformance

#endif  // FAULTLINE_RUNTIME_CONFORMANCE_FLAGS_H_
