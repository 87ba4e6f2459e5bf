// What makes a frame valid: the one check, for all transports.
//
// In this order: the size is at least 256; it is at most the configured maximum; the command is
// known; every other enumeration of that command is known; the seal over bytes 16..256 matches; and
// once the body is there, its checksum matches. Nothing is allocated for a frame before its header
// has passed.
//
// The seals are XXH3 with 64 bits, widened to 128: against accidents and our own bugs. They are no
// protection against an attacker.
#ifndef FAULTLINE_TRANSPORTS_MESSAGE_VALIDATE_H_
#define FAULTLINE_TRANSPORTS_MESSAGE_VALIDATE_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "absl/status/status.h"
#include "transports/message/header.h"

namespace faultline::message {

using HeaderBytes = std::span<const std::byte, kHeaderSize>;

// XXH3-64 in the low half, 0 in the high half.
Uint128 ChecksumOf(std::span<const std::byte> bytes);
// Of bytes 16..256: what `checksum` has to be.
Uint128 SealOf(HeaderBytes header);

// The field `size`, unchecked. At any alignment, as everything here.
inline uint32_t SizeOf(HeaderBytes header) {
  uint32_t size;
  std::memcpy(&size, header.data() + offsetof(Header, size), sizeof(size));
  return size;
}

// Errors: see FrameError; allocates only to describe one.
absl::Status ValidateHeader(HeaderBytes header, size_t max_message_size);

// `body` is what follows a valid `header`. Errors: kCorruptedBody.
absl::Status ValidateBody(HeaderBytes header, std::span<const std::byte> body);

// A whole frame, from a transport that keeps boundaries: all of the above, and `size` is the
// length. Fewer than 256 bytes are kTornHeader.
absl::Status ValidateFrame(std::span<const std::byte> frame, size_t max_message_size);

}  // namespace faultline::message

#endif  // FAULTLINE_TRANSPORTS_MESSAGE_VALIDATE_H_
