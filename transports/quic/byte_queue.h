// ByteQueue: bytes in blocks that stay where they are, added at the back and taken from the front.
//
// What QUIC sends has to lie still until the peer has acknowledged it, and what it receives waits
// here for its reader. The bound is the owner's: its send buffer or its receive window.
#ifndef FAULTLINE_TRANSPORTS_QUIC_BYTE_QUEUE_H_
#define FAULTLINE_TRANSPORTS_QUIC_BYTE_QUEUE_H_

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <deque>
#include <memory>
#include <span>

#include "runtime/frame_pool.h"

namespace faultline::quic {

class ByteQueue {
 public:
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  void Append(std::span<const std::byte> bytes);
  // Copies from the front into `buffers`, and drops what was copied. Returns how much.
  size_t TakeInto(std::span<const iovec> buffers);
  // Drops `bytes` from the front; at most `size()`.
  void Drop(size_t bytes);

  // What lies from `offset` on, as pieces in order; as many as fit. `offset` is at most `size()`.
  // Valid until those bytes are dropped, whatever is appended.
  std::span<iovec> Peek(size_t offset, std::span<iovec> pieces);

 private:
  static constexpr size_t kBlock = 4096;
  // Recycled: a stream that carries a message now and then has none in between.
  struct Block : internal::Pooled {
    std::array<std::byte, kBlock> bytes;
  };

  std::deque<std::unique_ptr<Block>> blocks_;
  size_t begin_ = 0;  // of the first byte, in the first block
  size_t size_ = 0;
};

}  // namespace faultline::quic

#endif  // FAULTLINE_TRANSPORTS_QUIC_BYTE_QUEUE_H_
