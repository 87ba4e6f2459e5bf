#include "transports/message/frame_error.h"

#include <string>

#include "absl/strings/cord.h"
#include "runtime/check.h"

namespace faultline::message {
namespace {

// The payload is one character: 'A' + the error.
constexpr char kFrameErrorPayload[] = "faultline/frame-error";
constexpr char kClosedMessage[] = "connection closed";

absl::StatusCode CodeOf(FrameError error) {
  switch (error) {
    case FrameError::kNone:
      break;
    case FrameError::kSizeAboveMaximum:
      return absl::StatusCode::kResourceExhausted;
    case FrameError::kSizeBelowHeader:
    case FrameError::kUnknownCommand:
    case FrameError::kUnknownEnumeration:
    case FrameError::kLengthMismatch:
      return absl::StatusCode::kInvalidArgument;
    case FrameError::kCorruptedHeader:
    case FrameError::kCorruptedBody:
    case FrameError::kTornHeader:
    case FrameError::kTornBody:
      return absl::StatusCode::kDataLoss;
  }
  FAULTLINE_CHECK(false) << "not an error of a frame";
  return absl::StatusCode::kUnknown;
}

}  // namespace

absl::Status FrameErrorStatus(FrameError error, std::string_view message) {
  absl::Status status(CodeOf(error), absl::string_view(message.data(), message.size()));
  status.SetPayload(kFrameErrorPayload,
                    absl::Cord(std::string(1, static_cast<char>('A' + static_cast<int>(error)))));
  return status;
}

FrameError FrameErrorOf(const absl::Status& status) {
  auto payload = status.GetPayload(kFrameErrorPayload);
  if (!payload.has_value() || payload->empty()) return FrameError::kNone;
  return static_cast<FrameError>((*payload)[0] - 'A');
}

absl::Status ConnectionClosed() { return absl::OutOfRangeError(kClosedMessage); }

bool IsConnectionClosed(const absl::Status& status) {
  return absl::IsOutOfRange(status) && status.message() == kClosedMessage;
}

}  // namespace faultline::message
