#include "scenarios/ledger/dial_log.h"

#include "absl/strings/str_cat.h"

namespace faultline::ledger {

std::optional<std::string> DialLog::OnFailed(const Endpoint& server, const absl::Status& status) {
  const std::string address = server.ToString();
  const std::string line = absl::StrCat("cannot reach ", address, ": ", status.ToString());
  const MonotonicTime now = clock_->Now();
  const auto [said, first] = said_.try_emplace(address, Said{line, now});
  if (first) return line;
  const Duration quiet = said->second.line == line ? kSameReason : kOtherReason;
  if (now - said->second.at < quiet) return std::nullopt;
  said->second = {line, now};
  return line;
}

}  // namespace faultline::ledger
