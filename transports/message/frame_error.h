// What can be wrong with a frame, as `absl::Status` with the kind kept.
//
//   absl::StatusOr<Message> message = co_await reader.ReadMessage(max);
//   if (FrameErrorOf(message.status()) == FrameError::kSizeAboveMaximum) ...
//
// A stream on which a frame was wrong cannot be trusted any more: nobody knows where the next frame
// begins. Its reader reports the same error from then on.
#ifndef FAULTLINE_TRANSPORTS_MESSAGE_FRAME_ERROR_H_
#define FAULTLINE_TRANSPORTS_MESSAGE_FRAME_ERROR_H_

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"

namespace faultline::message {

enum class FrameError : uint8_t {
  kNone = 0,                // not an error of a frame
  kSizeBelowHeader = 1,     // InvalidArgument: `size` is below 256
  kSizeAboveMaximum = 2,    // ResourceExhausted: `size` is above the configured maximum
  kUnknownCommand = 3,      // InvalidArgument
  kUnknownEnumeration = 4,  // InvalidArgument: another enumeration than the command
  kCorruptedHeader = 5,     // DataLoss: the seal does not match
  kCorruptedBody = 6,       // DataLoss: the body's checksum does not match
  kLengthMismatch = 7,      // InvalidArgument: a transport with boundaries disagrees with `size`
  kTornHeader = 8,          // DataLoss: the stream ended within a header
  kTornBody = 9,            // DataLoss: the stream ended within a body
};

// `error` is not kNone.
absl::Status FrameErrorStatus(FrameError error, std::string_view message);

// kNone for OK and for errors that were made otherwise.
FrameError FrameErrorOf(const absl::Status& status);

// A stream that ended between two frames: OutOfRange, "connection closed".
absl::Status ConnectionClosed();
bool IsConnectionClosed(const absl::Status& status);

}  // namespace faultline::message

#endif  // FAULTLINE_TRANSPORTS_MESSAGE_FRAME_ERROR_H_
