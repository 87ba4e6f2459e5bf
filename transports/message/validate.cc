#include "transports/message/validate.h"

#include <string_view>

#include "absl/strings/str_cat.h"
#include "transports/message/frame_error.h"
#include "transports/message/header_check.h"

namespace faultline::message {
namespace {

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

std::string Describe(FrameError error, std::string_view what, uint64_t value,
                     size_t max_message_size) {
  switch (error) {
    case FrameError::kSizeBelowHeader:
      return absl::StrCat("frame size ", value, " is below the ", kHeaderSize,
                          " bytes of a header");
    case FrameError::kSizeAboveMaximum:
      return absl::StrCat("frame size ", value, " is above the maximum of ", max_message_size,
                          " bytes");
    case FrameError::kCorruptedHeader:
      return "the header does not match its seal";
    default:
      return absl::StrCat("unknown ", View(what), " ", value);
  }
}

}  // namespace

Uint128 ChecksumOf(std::span<const std::byte> bytes) {
  return internal::Hash(bytes.data(), bytes.size());
}

Uint128 SealOf(HeaderBytes header) { return internal::SealIn(header); }

absl::Status ValidateHeader(HeaderBytes header, size_t max_message_size) {
  absl::Status status;
  internal::CheckHeader(
      header, max_message_size, [&](FrameError error, std::string_view what, uint64_t value) {
        status = FrameErrorStatus(error, Describe(error, what, value, max_message_size));
      });
  return status;
}

absl::Status ValidateBody(HeaderBytes header, std::span<const std::byte> body) {
  if (internal::IsValidBody(header, body)) return absl::OkStatus();
  return FrameErrorStatus(
      FrameError::kCorruptedBody,
      absl::StrCat("the body of ", body.size(), " bytes does not match its checksum"));
}

absl::Status ValidateFrame(std::span<const std::byte> frame, size_t max_message_size) {
  if (frame.size() < kHeaderSize) {
    return FrameErrorStatus(FrameError::kTornHeader, absl::StrCat("torn header: ", frame.size(),
                                                                  " of ", kHeaderSize, " bytes"));
  }
  HeaderBytes header = frame.first<kHeaderSize>();
  absl::Status status = ValidateHeader(header, max_message_size);
  if (!status.ok()) return status;
  if (SizeOf(header) != frame.size()) {
    return FrameErrorStatus(
        FrameError::kLengthMismatch,
        absl::StrCat("a frame of size ", SizeOf(header), " came as ", frame.size(), " bytes"));
  }
  return ValidateBody(header, frame.subspan(kHeaderSize));
}

}  // namespace faultline::message
