// FrameOutput: the writing side without a stream: the frames of a batch of messages, as buffers for
// vectored writes.
//
//   output.Begin(&batch);
//   while (!output.done()) output.OnWritten(writev(fd, output.buffers()));
//   output.End();
//
// A server's frames are a header of 2 to 10 bytes and the message where it lies: nothing is copied.
// A client masks, and messages are immutable and shared: the mask is applied on the way into a
// buffer that is written from, at most 128 KiB at a time.
#ifndef FAULTLINE_TRANSPORTS_WEBSOCKET_FRAME_OUTPUT_H_
#define FAULTLINE_TRANSPORTS_WEBSOCKET_FRAME_OUTPUT_H_

#include <sys/uio.h>

#include <cstddef>
#include <span>
#include <vector>

#include "runtime/entropy.h"
#include "runtime/frozen.h"
#include "transports/websocket/frame_header.h"

namespace faultline::websocket {

class FrameOutput {
 public:
  // At most so many buffers go into one write (IOV_MAX).
  static constexpr size_t kMaxBuffers = 1024;
  static constexpr size_t kMaskedBytes = size_t{128} << 10;  // masked ahead of a write

  // `pool` and `entropy` outlive it. `entropy`: where a client's masks come from; null for a
  // server, which does not mask.
  FrameOutput(BufferPool* pool, Entropy* entropy) : pool_(pool), entropy_(entropy) {}

  // `batch` stays as it is until `End`. `control`, which may be empty, goes first.
  void Begin(const FrozenBatch* batch, std::span<const std::byte> control);
  bool done() const { return buffers_.size() == first_; }
  // Not when done. Valid until the next call.
  std::span<const iovec> buffers() const {
    return std::span(buffers_).subspan(first_, std::min(kMaxBuffers, buffers_.size() - first_));
  }
  // The first `bytes` of them were written.
  void OnWritten(size_t bytes);
  void End();

  // For planted bugs: what the next write is given; the part of the first `bytes` of it that is
  // whole buffers; and to be done, whatever is left.
  size_t offered() const;
  size_t WholeBuffers(size_t bytes) const;
  void DropRest();

 private:
  void AddFrames(std::span<const Frozen> messages);
  void DrawMasks(size_t count);
  size_t MaskedSize(std::span<const Frozen> messages) const;
  void MaskMore();
  void MaskMessage(std::byte** out, std::byte* end);

  BufferPool* const pool_;
  Entropy* const entropy_;
  std::vector<iovec> buffers_;
  size_t first_ = 0;
  std::vector<std::byte> headers_;
  // A client's: messages from `next_` on are to be masked; of that one `offset_` bytes were.
  std::span<const Frozen> messages_;
  std::vector<Mask> masks_;
  size_t next_ = 0;
  size_t offset_ = 0;
  bool header_written_ = false;
  Unfrozen masked_;
};

}  // namespace faultline::websocket

#endif  // FAULTLINE_TRANSPORTS_WEBSOCKET_FRAME_OUTPUT_H_
