#include "scenarios/ledger/dial.h"

#include "absl/strings/str_cat.h"

namespace faultline::ledger {

using message::Command;
using message::RejectFields;
using message::RejectReason;

absl::Status StatusOfReject(const RejectFields& reject) {
  switch (reject.reason) {
    case RejectReason::kNotPrimary:
      return absl::FailedPreconditionError(
          absl::StrCat("rejected: replica ", int{reject.primary}, " is the primary"));
    case RejectReason::kOverloaded:
      return absl::ResourceExhaustedError("rejected: overloaded");
    case RejectReason::kWrongCluster:
      return absl::PermissionDeniedError("rejected: another cluster");
    case RejectReason::kSuperseded:
      return absl::AlreadyExistsError("rejected: the id is in use, or was forgotten");
    case RejectReason::kShuttingDown:
      return absl::UnavailableError("rejected: shutting down");
    case RejectReason::kNotReady:
      return absl::UnavailableError("rejected: not ready");
  }
  return absl::InvalidArgumentError("rejected for an unknown reason");
}

absl::Status CheckAnswer(const message::Message& answer) {
  if (answer.command() == Command::kPong) return absl::OkStatus();
  if (answer.command() == Command::kReject) return StatusOfReject(answer.Fields<RejectFields>());
  const std::string_view name = message::CommandName(answer.command());
  return absl::InvalidArgumentError(
      absl::StrCat("a ping was answered by a ", absl::string_view(name.data(), name.size())));
}

}  // namespace faultline::ledger
