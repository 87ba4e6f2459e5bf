// MessageInput: the reading side without a stream: which bytes have arrived, which messages their
// frames make, where the next bytes go.
//
//   for (;;) {
//     MessageInput::Found found = input.Find(max, &message);
//     if (found != Found::kNeedBytes) break;
//     input.OnRead(readv(fd, input.BeginRead(&buffers)));
//   }
//
// A message that is one frame and has come whole is unmasked where it was received and shares that
// buffer, as messages over TCP do (docs/decisions/received-messages-share-buffers.md); one that
// does not lie at a multiple of 8 there is copied. Of any other the header of the message is
// collected first; when that is valid the message gets a buffer of its own, of the size that the
// header names, and the rest of the payload is received directly into that.
//
// Invariants
//  1. [begin_, end_) of the receive buffer is what has arrived and was not given to the engine.
//  2. `left_` bytes of the frame that the engine is in are still to come; 0 between frames.
//  3. `assembling_`: a message has begun and has not ended. What there is of it is in `head_`, or
//     in `body_` once the header was valid.
//  4. A read starts with [begin_, end_) empty if `left_` is not 0. So what it brings belongs to the
//     payload first.
//  5. Nothing of the size of a message is allocated before the message's header is valid.
//  6. `dropping_`: `head_` and `body_` are empty, and the engine alone sees payloads.
#ifndef FAULTLINE_TRANSPORTS_WEBSOCKET_MESSAGE_INPUT_H_
#define FAULTLINE_TRANSPORTS_WEBSOCKET_MESSAGE_INPUT_H_

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <optional>
#include <span>

#include "absl/status/status.h"
#include "runtime/buffer_packer.h"
#include "runtime/frozen.h"
#include "transports/message/bugs.h"
#include "transports/message/header.h"
#include "transports/message/message.h"
#include "transports/websocket/engine.h"
#include "transports/websocket/frame_header.h"

namespace faultline::websocket {

inline constexpr size_t kMinReceiveBuffer = 1024;

struct InputOptions {
  // Of the receive buffer, which comes from the pool with the first read. At least
  // `kMinReceiveBuffer`.
  size_t receive_buffer_bytes = size_t{64} << 10;
  // What it grows to, by doubling, while reads fill it. At most 1 MiB, if pools are to keep it.
  size_t receive_buffer_max_bytes = size_t{256} << 10;
  // After a message of at least this many bytes, and of at least half a receive buffer, the next
  // one is expected to be large as well: only its head is read into the receive buffer.
  size_t direct_bytes = size_t{16} << 10;
  // Each message gets a buffer of its own, which starts at a multiple of 4096 (see
  // message::FrameReaderOptions).
  bool own_buffers = false;
};

class MessageInput {
 public:
  enum class Found {
    kNeedBytes,   // read more
    kMessage,     // one is given out
    kPeerClosed,  // the peer's close frame: nothing comes after it
    kFailed,      // what came is wrong: `failure`, `close_code`
  };

  // None is owned; all outlive it. `bugs` may be null (transports/message/bugs.h).
  MessageInput(Session* session, BufferPool* pool, const InputOptions& options,
               const message::TransportBugs* bugs = nullptr);
  MessageInput(const MessageInput&) = delete;
  MessageInput& operator=(const MessageInput&) = delete;

  // The next message. Answers to pings are in the session's output after it. `max_message_size` is
  // of the message, in bytes, its header included. kPeerClosed and kFailed are final.
  Found Find(size_t max_message_size, message::Message* out);
  const absl::Status& failure() const { return failure_; }
  int close_code() const { return close_code_; }

  // Where the next bytes go. Not after something final.
  std::span<const iovec> BeginRead(std::array<iovec, 2>* buffers);
  // What a read into them brought, at least 1 byte. Errors: `failure`.
  absl::Status OnRead(size_t bytes);

  // The read was cancelled: nothing is lost, but by a planted bug.
  void OnCancelled();

  // What has arrived and was not looked at: for the upgrade.
  std::span<const std::byte> unread() const { return {buffer_.data() + begin_, end_ - begin_}; }
  void Skip(size_t bytes) { begin_ += bytes; }

  // Nothing of a message or of a frame has arrived: how the stream ended if it ends here.
  // OutOfRange is never among it: only a close frame is a clean end.
  absl::Status EndOfStream() const;

  // A message has begun and has not ended, between two of its frames or within one.
  bool within_message() const { return assembling_; }

  // From now on messages are taken apart and not put together: `Find` knows no kMessage any more,
  // whatever they hold and however large they are. No read is pending.
  void DropMessages();
  // Gives the receive buffer back. Nothing is to be found any more.
  void Drop() {
    buffer_ = Slab();
    begin_ = end_ = 0;
  }

 private:
  // Nothing: something was done, go on.
  std::optional<Found> FindFrame(size_t max_message_size, message::Message* out);
  absl::Status CheckHeader(const FrameHeader& header, size_t max_message_size);
  absl::Status CheckSize(const FrameHeader& header, size_t max_message_size);
  std::optional<Found> TakeControl(const FrameHeader& header);
  absl::Status ParseClose(const FrameHeader& header);
  Found TakeWhole(const FrameHeader& header, size_t max_message_size, message::Message* out);
  absl::Status TakePayload(size_t max_message_size);
  absl::Status Append(std::span<const std::byte> payload, size_t max_message_size);
  absl::Status StartBody(size_t max_message_size);
  Found FinishMessage(message::Message* out);
  Frozen Own(std::span<const std::byte> message);

  void MakeRoom();
  size_t StartOffset() const;
  bool ExpectsLarge() const;
  size_t ReadLimit() const;
  absl::Status Check(absl::Status status, int close_code);
  absl::Status ParseBytes(std::byte* bytes, size_t size);
  Found Fail(absl::Status status, int close_code);
  absl::Status TornFrame() const;

  Session* const session_;
  BufferPool* const pool_;
  const InputOptions options_;
  const message::TransportBugs* const bugs_;
  BufferPacker packer_;
  Slab buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t wanted_;           // size of the next receive buffer
  size_t needed_ = 0;       // bytes from `begin_` that have to be there for the next step
  size_t needed_skip_ = 0;  // of them, before the payload
  size_t offered_ = 0;      // to the read that is pending
  size_t direct_ = 0;       // of that, into the body
  uint64_t left_ = 0;
  bool final_frame_ = false;
  bool assembling_ = false;
  bool dropping_ = false;
  std::array<std::byte, message::kHeaderSize> head_{};
  size_t filled_ = 0;  // of `head_`, then of `body_`
  Unfrozen body_;
  size_t last_size_ = 0;  // of the last message
  absl::Status failure_;
  int close_code_ = 0;
};

}  // namespace faultline::websocket

#endif  // FAULTLINE_TRANSPORTS_WEBSOCKET_MESSAGE_INPUT_H_
