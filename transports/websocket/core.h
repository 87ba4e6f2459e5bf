// Core: one WebSocket connection: what its two halves share, and the task that looks after it.
//
// Who does what
//   reader   parses; never writes. Answers to pings are left in the session's output.
//   writer   `SendBatch`, in the caller's task: the control frames that wait, then the batch.
//   tender   a task in the scope that the user gave, alive only while something is to be done that
//            no caller waits for: it writes control frames while no batch does, and it concludes
//            the connection. It keeps the core alive after both halves have gone. A stop of the
//            scope ends the first, which loses nothing; the second is bounded by itself, and so
//            goes on.
//
// One of writer and tender writes at a time (`wire_`). A control frame goes out whole before
// anything else does: what was written of it is kept in `control_`, whoever goes on.
//
// States:  open --FinishWrites, Close--> closing: our close frame is sent, the peer's is awaited
//          open --the reader reports the peer's close frame--> answering: the answer waits for
//               FinishWrites, for the writer's end, or for `close_grace`
//          open --a wrong frame--> failing: our close frame says why; then the write side is shut,
//               and what still comes is dropped until the peer has ended
//          all three --within close_grace--> closed; else aborted
//          any --a failed or cancelled batch, Abort, both halves dropped while open--> aborted
#ifndef FAULTLINE_TRANSPORTS_WEBSOCKET_CORE_H_
#define FAULTLINE_TRANSPORTS_WEBSOCKET_CORE_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/clock.h"
#include "runtime/event.h"
#include "runtime/frozen.h"
#include "runtime/scope.h"
#include "runtime/stream.h"
#include "runtime/task.h"
#include "transports/message/bugs.h"
#include "transports/message/message.h"
#include "transports/websocket/engine.h"
#include "transports/websocket/frame_output.h"
#include "transports/websocket/message_input.h"

namespace faultline::websocket {

// See websocket.h.
struct ConnectionOptions {
  InputOptions input{};
  Duration handshake_grace = std::chrono::seconds(10);
  Duration close_grace = std::chrono::seconds(2);
  // Planted bugs (transports/message/bugs.h); null but in the replay program. Outlives the
  // connection.
  const message::TransportBugs* bugs = nullptr;
};

namespace internal {

// `status`; but what has taken until `by` is told by the setting that bounds it.
absl::Status NameHandshakeGrace(absl::Status status, Clock* clock, MonotonicTime by,
                                const ConnectionOptions& options);

class Core : public std::enable_shared_from_this<Core> {
 public:
  // `pool` and `scope` outlive it.
  Core(std::unique_ptr<Stream> stream, std::shared_ptr<Engine> engine, BufferPool* pool,
       Scope* scope, bool client, const ConnectionOptions& options);
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;
  ~Core() = default;

  // The upgrade, bounded by `handshake_grace`. A server has sent its refusal when it fails. Errors:
  // those of `Session::Upgrade`, DeadlineExceeded, those of the stream, DataLoss if it ends.
  Task<absl::Status> UpgradeServer(const UpgradePolicy* policy);
  Task<absl::Status> UpgradeClient(UpgradeRequest request);

  // See transports/message/concepts.h.
  Task<absl::StatusOr<message::Message>> ReadMessage(size_t max_message_size);
  std::optional<absl::StatusOr<message::Message>> TryNext(size_t max_message_size);
  Task<absl::Status> SendBatch(FrozenBatch* batch);
  absl::Status FinishWrites();
  absl::Status Close();
  void Abort();

  // A half is dropped.
  void OnReaderGone();
  void OnWriterGone();

  const Stream& stream() const { return *stream_; }
  const std::optional<CloseReason>& peer_reason() const { return peer_reason_; }

 private:
  class Reading;
  class Sending;

  Task<absl::Status> ServeUpgrade(const UpgradePolicy* policy);
  Task<absl::Status> Refuse(absl::Status why);
  Task<absl::Status> AskUpgrade(UpgradeRequest request);
  Task<absl::StatusOr<size_t>> ReadHead();
  Task<absl::Status> ReadMore();

  absl::Status Refusal() const;
  absl::Status OnFound(MessageInput::Found found);
  void OnPeerClosed();
  void OnWrongFrame();
  absl::Status OnReadFault(absl::Status status);
  absl::Status AbortedHere() const;
  void GiveUp(const absl::Status& why);
  void OnChange();

  // Whether the task that calls is alive: false while a crash destroys frames.
  bool in_task() const { return executor_->current() != nullptr; }
  bool concluding() const { return close_queued_ || peer_reported_ || failing_; }
  void Kick();
  static Task<void> Tend(std::shared_ptr<Core> core);
  Task<absl::Status> WriteControlUntilConcluding();
  Task<absl::Status> AcquireWire();
  void ReleaseWire() { wire_.Set(); }
  bool HasControl();
  std::span<const std::byte> ControlLeft();
  Task<absl::Status> WriteControl();
  Task<absl::Status> WriteControlOnce();
  Task<absl::Status> WaitForLastBatch();
  bool PeerFailed() const;
  Task<absl::Status> Conclude();
  Task<absl::Status> AwaitPeerClose();
  Task<absl::Status> DropInput();
  Task<absl::Status> DropSome();
  Task<absl::Status> WaitForChange();
  void OnWritten(size_t bytes);
  void QueueClose(int code, std::string_view reason);

  const std::shared_ptr<Engine> engine_;
  const std::unique_ptr<Stream> stream_;
  Scope* const scope_;
  Executor* const executor_;
  const ConnectionOptions options_;
  Session session_;
  MessageInput input_;
  FrameOutput output_;

  Event wire_;     // set: nobody writes
  Event changed_;  // set: something that the tender waits for may have come
  std::string control_;
  size_t control_written_ = 0;
  StopSource* control_stop_ = nullptr;  // of the control frames that the tender writes
  bool tending_ = false;
  bool reading_ = false;
  bool sending_ = false;
  bool reader_gone_ = false;
  bool writer_gone_ = false;
  bool close_queued_ = false;   // our close frame
  bool peer_reported_ = false;  // the reader has reported the peer's
  bool failing_ = false;
  bool finished_ = false;  // FinishWrites
  bool dead_ = false;      // closed or aborted
  MonotonicTime close_by_ = kInfiniteFuture;
  absl::Status read_end_;  // final, once reported
  absl::Status failure_;   // of a batch
  std::string abort_reason_ = "the connection was aborted on this side";
  std::optional<CloseReason> peer_reason_;
};

}  // namespace internal
}  // namespace faultline::websocket

#endif  // FAULTLINE_TRANSPORTS_WEBSOCKET_CORE_H_
