// The conformance program without its `main`.
#ifndef FAULTLINE_RUNTIME_CONFORMANCE_CAMPAIGN_H_
#define FAULTLINE_RUNTIME_CONFORMANCE_CAMPAIGN_H_

#include <string>
#include <vector>

namespace faultline::conformance {

inline constexpr int kExitAgree = 0;
inline constexpr int kExitMismatch = 1;
inline constexpr int kExitUsage = 2;

// Returns the program's exit code.
int Main(const std::vector<std::string>& arguments);

}  // namespace faultline::conformance

#endif  // FAULTLINE_RUNTIME_CONFORMANCE_CAMPAIGN_H_
