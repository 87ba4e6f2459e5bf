// FrameBuffer: the part of FrameReader that knows nothing of streams: which bytes have arrived,
// which messages they make, where the next bytes go. Its invariants are told in frame_reader.h.
//
//   for (;;) {
//     std::span<const std::byte> frame = frames.Find(max);
//     if (!frame.empty()) ... frames.Own(frame) ...           // or look at it where it lies
//     else if (!frames.final().ok()) break;
//     else frames.OnRead(readv(fd, frames.BeginRead(&buffers)));
//   }
#ifndef FAULTLINE_TRANSPORTS_MESSAGE_FRAME_BUFFER_H_
#define FAULTLINE_TRANSPORTS_MESSAGE_FRAME_BUFFER_H_

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/frozen.h"
#include "transports/message/bugs.h"
#include "transports/message/header.h"
#include "transports/message/validate.h"

namespace faultline::message {

struct FrameReaderOptions {
  // Of the receive buffer, which comes from the pool with the first read. At least 512.
  size_t receive_buffer_bytes = size_t{64} << 10;
  // What it grows to, by doubling, while reads fill it: then the kernel has more, and each call
  // should take it. At most 1 MiB, if pools are to keep it.
  size_t receive_buffer_max_bytes = size_t{256} << 10;
  // After a frame of at least this many bytes, and of at least half a receive buffer if that is
  // shared, the next one is expected to be large as well.
  size_t direct_bytes = size_t{16} << 10;
  // Each message gets a buffer of its own, which starts at a multiple of 4096: for those who write
  // messages to disk with direct I/O, or keep few out of many. Otherwise a message that was
  // received whole, at a multiple of 8, is a part of the receive buffer, which lives as long as the
  // last message in it (docs/decisions/received-messages-share-buffers.md).
  bool own_buffers = false;
};

class FrameBuffer {
 public:
  // `pool` outlives it; `bugs` may be null.
  FrameBuffer(BufferPool* pool, const FrameReaderOptions& options, const TransportBugs* bugs);
  FrameBuffer(FrameBuffer&&) noexcept = default;
  FrameBuffer& operator=(FrameBuffer&&) noexcept = default;

  // The next whole frame, valid, where it was received: until the next call of any method but
  // `Own`. Empty if there is none; if `final` is not OK, there will be none.
  std::span<const std::byte> Find(size_t max_message_size);
  // The frame that `Find` has just returned, to be kept: a part of the receive buffer, or in a
  // buffer of its own.
  Frozen Own(std::span<const std::byte> frame) {
    return IsShareable(frame) ? Share(frame) : LendOrCopy(frame);
  }
  // The same for those who make something of it at once. Apart from each other, so that the likely
  // one stays in registers.
  bool IsShareable(std::span<const std::byte> frame) const {
    return lent_.size() == 0 && !options_.own_buffers && OffsetOf(frame) % kShareAlignment == 0;
  }
  [[gnu::always_inline]] Frozen Share(std::span<const std::byte> frame) {
    return buffer_.Share(OffsetOf(frame), frame.size());
  }
  Frozen LendOrCopy(std::span<const std::byte> frame);
  // How the stream ended; OK until then.
  const absl::Status& final() const { return final_; }

  // Where the next bytes go: one or two buffers, in `*buffers`. `Find` has returned nothing.
  std::span<const iovec> BeginRead(std::array<iovec, 2>* buffers);
  // What a read into them brought; 0 is the end of the stream. The error if there is one: a final
  // one is kept, Cancelled is not.
  absl::Status OnRead(const absl::StatusOr<size_t>& read);

  bool closed_cleanly() const;

  // What has arrived and is part of no frame that was given out, in one piece. For a stream that
  // goes on elsewhere: nothing comes after it here. Nobody reads.
  std::vector<std::byte> TakeUnread();

  // Whether somebody reads.
  bool reading() const { return reading_; }
  void SetReading();
  void ClearReading() { reading_ = false; }
  // The reading coroutine was destroyed: nobody knows what it had read.
  void Abandon();

 private:
  // What `Message` asks for: headers are read where they lie.
  static constexpr size_t kShareAlignment = alignof(Header);

  size_t buffered() const { return end_ - begin_; }
  std::span<const std::byte> FindBuffered(size_t max_message_size);
  std::span<const std::byte> FindPartial(size_t max_message_size);
  void StartPartial(size_t size);
  size_t OffsetOf(std::span<const std::byte> frame) const {
    return static_cast<size_t>(frame.data() - buffer_.data());
  }
  void MakeRoom();
  bool StaysShared() const;
  bool FitsBehind(size_t size) const;
  void MoveRestToNewBuffer();
  bool ExpectsLarge() const;
  void MoveRest(std::byte* from, size_t to);
  size_t ReadLimit() const;
  void Account(size_t bytes);
  void OnEnd();
  absl::Status OnFault(const absl::Status& status);
  void Forget();
  // Ends the stream; returns no frame.
  std::span<const std::byte> Fail(absl::Status status);

  BufferPool* pool_;
  FrameReaderOptions options_;
  const TransportBugs* bugs_;
  Slab buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t wanted_;       // size of the next receive buffer
  size_t offered_ = 0;  // to the read that is pending
  Unfrozen partial_;
  size_t partial_filled_ = 0;
  Unfrozen lent_;         // `partial_`, once it is whole and `Find` has returned it
  size_t last_size_ = 0;  // of the last frame
  bool reading_ = false;
  absl::Status final_;
};

}  // namespace faultline::message

#endif  // FAULTLINE_TRANSPORTS_MESSAGE_FRAME_BUFFER_H_
