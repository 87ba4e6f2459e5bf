// DialLog: says why nobody is reached at an address, without a line for each attempt.
//
//   DialLog failures(runtime.clock);
//   std::optional<std::string> line = failures.OnFailed(server, status);   // for the operator
//
// The first failure at an address is said at once; another reason after 5 s, the same one again
// after 30 s. It remembers each address.
#ifndef FAULTLINE_SCENARIOS_LEDGER_DIAL_LOG_H_
#define FAULTLINE_SCENARIOS_LEDGER_DIAL_LOG_H_

#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "runtime/clock.h"
#include "runtime/endpoint.h"
#include "runtime/time.h"

namespace faultline::ledger {

class DialLog {
 public:
  // `clock` outlives it.
  explicit DialLog(const Clock* clock) : clock_(clock) {}

  std::optional<std::string> OnFailed(const Endpoint& server, const absl::Status& status);

 private:
  static constexpr Duration kOtherReason = 5s;
  static constexpr Duration kSameReason = 30s;

  struct Said {
    std::string line;
    MonotonicTime at;
  };

  const Clock* const clock_;
  std::map<std::string, Said> said_;  // by address
};

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_DIAL_LOG_H_
