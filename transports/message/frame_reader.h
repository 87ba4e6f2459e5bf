// FrameReader: cuts a byte stream into messages.
//
//   FrameReader<Stream> reader(stream, pool, {});
//   for (;;) {
//     absl::StatusOr<Message> message = co_await reader.ReadMessage(max_message_size);
//     if (!message.ok()) break;
//     Handle(*message);
//     while (auto next = reader.TryNext(max_message_size)) { ... }  // already here: no coroutine
//   }
//
// Those who need a message only while they look at it need not share it:
//
//     for (MessageView view; !(view = reader.TryNextView(max_message_size)).empty();) { ... }
//
// One read takes as many frames as the kernel has: they land in the receive buffer, and each
// message is a part of it (docs/decisions/received-messages-share-buffers.md). The rest of a frame
// of which a part has arrived is received behind that part, or behind the part moved to the front;
// if the receive buffer has no room for it, the frame gets a buffer of its own, and the rest is
// read directly into that, and what follows it, in the same system call, into the receive buffer.
// After a frame of at least `direct_bytes` the next is expected to be large too: only its head is
// then read into the receive buffer, so that a stream of large frames is not copied.
//
// Invariants
//  1. [begin_, end_) of the receive buffer is what has arrived and was not given out. Messages that
//     live may share what lies before `begin_`: nothing is written there before they are gone.
//  2. `partial_` is empty, or its header is valid and all that has arrived lies in it: begin_ ==
//     end_ whenever a read starts.
//  3. A read starts only when no whole frame is buffered, and the header of one that is buffered in
//     part has been validated. So a part of one frame is all that is ever moved, and the end of the
//     stream is clean if and only if nothing is buffered.
//  4. `final_` is OK until the stream has ended; nothing is given out after that.
//  5. Bytes are accounted for when the read that brought them completes. A cancelled read brought
//     none; one that was cancelled too late brought what it reports. Either way nothing is lost.
//
// States:  reading --end, fault, wrong frame--> ended (`final_`)      [OnRead, Fail]
//          header --header valid, no room for the frame--> partial    [StartPartial]
//          partial --last byte--> header                              [FindPartial]
#ifndef FAULTLINE_TRANSPORTS_MESSAGE_FRAME_READER_H_
#define FAULTLINE_TRANSPORTS_MESSAGE_FRAME_READER_H_

#include <sys/uio.h>

#include <array>
#include <concepts>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/check.h"
#include "runtime/frozen.h"
#include "runtime/task.h"
#include "transports/message/bugs.h"
#include "transports/message/frame_buffer.h"
#include "transports/message/message.h"

namespace faultline::message {

// Where bytes come from: `Stream`, or anything else that reads as it does (transfer.h). One that
// has `OnCleanEnd()` is told, once, that the stream has ended between two frames.
template <typename T>
concept ByteSource = requires(T source, std::span<const iovec> buffers) {
  { source.ReadVector(buffers).await_resume() } -> std::same_as<absl::StatusOr<size_t>>;
};

template <ByteSource Source>
class FrameReader {
 public:
  // None is owned; `source` and `pool` outlive the reader. `bugs` may be null (bugs.h).
  FrameReader(Source* source, BufferPool* pool, const FrameReaderOptions& options,
              const TransportBugs* bugs = nullptr)
      : source_(source), frames_(pool, options, bugs) {}

  // Movable while no read is pending.
  FrameReader(FrameReader&&) noexcept = default;
  FrameReader& operator=(FrameReader&&) noexcept = default;

  // See concepts.h. `max_message_size` is in bytes, header included; it may differ from call to
  // call.
  Task<absl::StatusOr<Message>> ReadMessage(size_t max_message_size) {
    Pending pending(&frames_);
    std::array<iovec, 2> buffers;
    for (;;) {
      const std::span<const std::byte> frame = frames_.Find(max_message_size);
      if (!frame.empty()) {
        pending.Done();
        co_return Message(AlreadyValidated(), frames_.Own(frame));
      }
      absl::Status status = frames_.final();
      if (status.ok()) {
        status = frames_.OnRead(co_await source_->ReadVector(frames_.BeginRead(&buffers)));
        if (status.ok()) continue;
        TellOfCleanEnd();
      }
      pending.Done();
      co_return status;
    }
  }

  // See concepts.h.
  std::optional<absl::StatusOr<Message>> TryNext(size_t max_message_size) {
    FAULTLINE_CHECK(!frames_.reading()) << "a read is pending";
    return Next(max_message_size);
  }

  // As `TryNext`, but the message stays where it was received: nothing is copied or allocated. The
  // view is valid until the next call of the reader. Empty if there is none: ask ReadMessage, which
  // also tells how the stream ended.
  MessageView TryNextView(size_t max_message_size) {
    FAULTLINE_CHECK(!frames_.reading()) << "a read is pending";
    return MessageView(AlreadyValidated(), frames_.Find(max_message_size));
  }

  // See FrameBuffer. Whether the stream has ended here, one way or another.
  std::vector<std::byte> TakeUnread() { return frames_.TakeUnread(); }
  bool ended() const { return !frames_.final().ok(); }

  // The peer half-closed between two frames, and every message has been given out.
  bool closed_cleanly() const { return frames_.closed_cleanly(); }

 private:
  // One read at a time; one whose frame was destroyed took bytes with it that nobody counted.
  class Pending {
   public:
    explicit Pending(FrameBuffer* frames) : frames_(frames) { frames->SetReading(); }
    Pending(const Pending&) = delete;
    Pending& operator=(const Pending&) = delete;
    ~Pending() {
      if (frames_ != nullptr) frames_->Abandon();
    }
    void Done() { std::exchange(frames_, nullptr)->ClearReading(); }

   private:
    FrameBuffer* frames_;
  };

  std::optional<absl::StatusOr<Message>> Next(size_t max_message_size) {
    std::optional<absl::StatusOr<Message>> next;
    std::span<const std::byte> frame = frames_.Find(max_message_size);
    if (frame.empty()) {
      if (!frames_.final().ok()) next.emplace(frames_.final());
    } else if (frames_.IsShareable(frame)) {
      next.emplace(absl::in_place, AlreadyValidated(), frames_.Share(frame));
    } else {
      next.emplace(absl::in_place, AlreadyValidated(), frames_.LendOrCopy(frame));
    }
    return next;
  }

  // The source is told, if it wants to know.
  void TellOfCleanEnd() {
    if constexpr (requires { source_->OnCleanEnd(); }) {
      if (frames_.closed_cleanly()) source_->OnCleanEnd();
    }
  }

  Source* source_;
  FrameBuffer frames_;
};

}  // namespace faultline::message

#endif  // FAULTLINE_TRANSPORTS_MESSAGE_FRAME_READER_H_
