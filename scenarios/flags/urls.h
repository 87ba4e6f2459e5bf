// Setters for URLs of transports (transports/any/url.h). For `FlagParser` (flag_parser.h).
//
//   parser.Add({.name = "listen", .value = "URL,...", .help = "...", .set = Urls(&listen)});
#ifndef FAULTLINE_SCENARIOS_FLAGS_URLS_H_
#define FAULTLINE_SCENARIOS_FLAGS_URLS_H_

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "scenarios/flags/flag_parser.h"
#include "transports/any/url.h"

namespace faultline::flags {

// One or several, separated by commas. The target outlives the parser.
FlagSetter Urls(std::vector<any::Url>* target);

// A URL; or an address as `Endpoint::Parse` takes it, which means TCP or a Unix socket. Errors:
// InvalidArgument, naming what would be right.
absl::StatusOr<any::Url> ParseUrlOrAddress(std::string_view text);

}  // namespace faultline::flags

#endif  // FAULTLINE_SCENARIOS_FLAGS_URLS_H_
