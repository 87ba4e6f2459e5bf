// Setters for values of the runtime: endpoints and durations. For `FlagParser` (flag_parser.h).
//
//   parser.Add({.name = "listen", .value = "HOST:PORT", .help = "...", .set = Address(&listen)});
//   parser.Add({.name = "duration", .value = "TIME", .help = "...",
//               .set = TimeSpan(&duration, 1ms, 24h)});
#ifndef FAULTLINE_SCENARIOS_FLAGS_VALUES_H_
#define FAULTLINE_SCENARIOS_FLAGS_VALUES_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/endpoint.h"
#include "runtime/time.h"
#include "scenarios/flags/flag_parser.h"

namespace faultline::flags {

// What `Endpoint::Parse` takes. The target outlives the parser, here and below.
FlagSetter Address(Endpoint* target);
// Several, separated by commas.
FlagSetter Addresses(std::vector<Endpoint>* target);

// Names, separated by commas; none of them empty.
FlagSetter Names(std::vector<std::string>* target);

// "5s", "250ms", "1m30s", "1.5h" in [min, max].
FlagSetter TimeSpan(Duration* target, Duration min, Duration max);

// Errors: InvalidArgument, naming what would be right.
absl::StatusOr<Duration> ParseTimeSpan(std::string_view text);

// "1m30s"; parses back to the same.
std::string FormatTimeSpan(Duration duration);

}  // namespace faultline::flags

#endif  // FAULTLINE_SCENARIOS_FLAGS_VALUES_H_
