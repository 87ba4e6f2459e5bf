// FrameWriter: puts batches of frames on a byte stream, in order, or ends the stream.
//
//   FrameWriter<Stream> writer(stream);
//   batch.Add(message.frozen());
//   absl::Status sent = co_await writer.SendBatch(&batch);
//
// The buffers of the batch go to the kernel as they are, at most 512 in one vectored write; after
// a partial write the rest follows from the byte where it stopped.
//
// States:  open --FinishWrites--> finished
//          open --a write fails or is cancelled--> failed: the stream is aborted, because a part of
//          a frame may be on the wire; everything is refused from then on
#ifndef FAULTLINE_TRANSPORTS_MESSAGE_FRAME_WRITER_H_
#define FAULTLINE_TRANSPORTS_MESSAGE_FRAME_WRITER_H_

#include <sys/uio.h>

#include <concepts>
#include <cstddef>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/check.h"
#include "runtime/frozen.h"
#include "runtime/task.h"
#include "transports/message/bugs.h"
#include "transports/message/write_state.h"

namespace faultline::message {

// Where bytes go: `Stream`, or anything else that writes as it does (transfer.h).
template <typename T>
concept ByteSink = requires(T sink, std::span<const iovec> buffers) {
  { sink.WriteVector(buffers).await_resume() } -> std::same_as<absl::StatusOr<size_t>>;
  { sink.ShutdownWrite() } -> std::same_as<absl::Status>;
  sink.Abort();
};

template <ByteSink Sink>
class FrameWriter {
 public:
  // Neither is owned; both outlive the writer. `bugs` may be null (bugs.h).
  explicit FrameWriter(Sink* sink, const TransportBugs* bugs = nullptr)
      : sink_(sink), state_(bugs) {}

  // Movable while no batch is being sent.
  FrameWriter(FrameWriter&&) noexcept = default;
  FrameWriter& operator=(FrameWriter&&) noexcept = default;

  // See concepts.h. `batch` outlives the call; a batch that failed keeps its messages. Errors:
  // those of `Stream::Write`; FailedPrecondition after `FinishWrites` or a failure.
  Task<absl::Status> SendBatch(FrozenBatch* batch) {
    absl::Status refused = state_.Refusal();
    if (!refused.ok()) co_return refused;
    Sending sending(&state_);
    while (!batch->empty()) {
      absl::StatusOr<size_t> written = co_await sink_->WriteVector(batch->buffers());
      if (!written.ok()) {
        sending.Done();
        co_return Fail(written.status());
      }
      state_.OnWritten(batch, *written);
    }
    batch->Clear();
    sending.Done();
    co_return absl::OkStatus();
  }

  // See concepts.h. No batch is being sent. Errors: ENOTCONN; FailedPrecondition after a failure.
  absl::Status FinishWrites() {
    absl::Status refused = state_.Refusal();
    if (!refused.ok()) return refused;
    FAULTLINE_CHECK(!state_.sending()) << "a batch is being sent";
    state_.SetFinished();
    return sink_->ShutdownWrite();
  }

  bool finished() const { return state_.finished(); }
  bool failed() const { return state_.failed(); }

 private:
  // One batch at a time; one whose frame was destroyed may have left a part of a frame on the wire.
  class Sending {
   public:
    explicit Sending(WriteState* state) : state_(state) { state->SetSending(); }
    Sending(const Sending&) = delete;
    Sending& operator=(const Sending&) = delete;
    ~Sending() {
      if (state_ != nullptr) state_->Abandon();
    }
    void Done() { std::exchange(state_, nullptr)->ClearSending(); }

   private:
    WriteState* state_;
  };

  absl::Status Fail(absl::Status status) {
    if (state_.OnFailure(status)) sink_->Abort();
    return status;
  }

  Sink* sink_;
  WriteState state_;
};

}  // namespace faultline::message

#endif  // FAULTLINE_TRANSPORTS_MESSAGE_FRAME_WRITER_H_
