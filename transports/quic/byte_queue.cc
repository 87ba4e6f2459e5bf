#include "transports/quic/byte_queue.h"

#include <algorithm>
#include <cstring>

#include "runtime/check.h"

namespace faultline::quic {

void ByteQueue::Append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    size_t end = begin_ + size_;
    if (end == blocks_.size() * kBlock) blocks_.push_back(std::make_unique_for_overwrite<Block>());
    size_t at = end % kBlock;
    size_t count = std::min(bytes.size(), kBlock - at);
    std::memcpy(blocks_.back()->bytes.data() + at, bytes.data(), count);
    size_ += count;
    bytes = bytes.subspan(count);
  }
}

size_t ByteQueue::TakeInto(std::span<const iovec> buffers) {
  size_t taken = 0;
  for (const iovec& buffer : buffers) {
    auto* to = static_cast<std::byte*>(buffer.iov_base);
    for (size_t room = buffer.iov_len; room > 0 && size_ > 0;) {
      size_t count = std::min({room, size_, kBlock - begin_});
      std::memcpy(to, blocks_.front()->bytes.data() + begin_, count);
      Drop(count);
      to += count;
      room -= count;
      taken += count;
    }
  }
  return taken;
}

void ByteQueue::Drop(size_t bytes) {
  FAULTLINE_CHECK(bytes <= size_) << "more bytes are dropped than are here";
  begin_ += bytes;
  size_ -= bytes;
  for (; begin_ >= kBlock; begin_ -= kBlock) blocks_.pop_front();
  if (size_ > 0) return;
  blocks_.clear();
  begin_ = 0;
}

std::span<iovec> ByteQueue::Peek(size_t offset, std::span<iovec> pieces) {
  size_t at = begin_ + offset;
  size_t left = size_ - offset;
  size_t count = 0;
  for (; left > 0 && count < pieces.size(); ++count) {
    size_t length = std::min(left, kBlock - at % kBlock);
    pieces[count] = {blocks_[at / kBlock]->bytes.data() + at % kBlock, length};
    at += length;
    left -= length;
  }
  return pieces.first(count);
}

}  // namespace faultline::quic
