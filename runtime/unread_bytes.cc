#include "runtime/unread_bytes.h"

#include <algorithm>
#include <cstring>

namespace faultline {

void UnreadBytes::Append(std::span<const std::byte> bytes) {
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
}

void UnreadBytes::Prepend(std::span<const std::byte> bytes) {
  bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<ptrdiff_t>(begin_));
  begin_ = 0;
  bytes_.insert(bytes_.begin(), bytes.begin(), bytes.end());
}

size_t UnreadBytes::Take(std::span<const iovec> buffers) {
  size_t taken = 0;
  for (const iovec& buffer : buffers) {
    const size_t part = std::min(buffer.iov_len, size());
    if (part == 0) continue;
    std::memcpy(buffer.iov_base, bytes_.data() + begin_, part);
    begin_ += part;
    taken += part;
  }
  if (empty()) {
    bytes_ = {};  // they are rare: the memory goes back
    begin_ = 0;
  }
  return taken;
}

}  // namespace faultline
