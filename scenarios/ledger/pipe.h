// Pipe: one live connection of the service: its outbox, its reader and its writer.
//
//   Pipe pipe(self, peer, id, limits, parent_stop, clock, nullptr);
//   ... pipe.Send(frame) ...                   // from anywhere; never waits
//   co_await RunPipe(&pipe, std::move(reader), std::move(writer), &handler);
//   ... pipe.status() ...                      // OK if it ended in good order
//
// A reader task hands each frame to the handler, a writer task takes what is queued and sends it in
// batches. Whatever goes wrong first ends both: the other is asked to stop, and awaited.
//
// States:  open --Finish, or the peer's clean end--> finishing: what is queued is written, then the
//            stream is half-closed; input is read and dropped until the peer ends its side too
//          open, finishing --Fail, or `close_grace` after Finish--> failed: the stream is aborted
//          finishing --both ended--> done
#ifndef FAULTLINE_SCENARIOS_LEDGER_PIPE_H_
#define FAULTLINE_SCENARIOS_LEDGER_PIPE_H_

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/clock.h"
#include "runtime/combine.h"
#include "runtime/frozen.h"
#include "runtime/scope.h"
#include "runtime/stop.h"
#include "runtime/task.h"
#include "scenarios/ledger/bugs.h"
#include "scenarios/ledger/config.h"
#include "scenarios/ledger/observer.h"
#include "scenarios/ledger/outbox.h"
#include "transports/message/concepts.h"
#include "transports/message/frame_error.h"
#include "transports/message/message.h"

namespace faultline::ledger {

class Pipe;

class PipeHandler {
 public:
  virtual ~PipeHandler() = default;
  // An error ends the connection.
  virtual absl::Status OnFrame(Pipe* pipe, const message::Message& frame) = 0;
  // Every frame that had arrived has been handled.
  virtual void OnFramesEnd(Pipe* pipe) = 0;
};

// Who is connected, and how often its side has tried.
struct PeerInfo {
  Party party;
  uint64_t incarnation = 0;
  uint64_t attempt = 0;  // of the dialer
};

class Pipe {
 public:
  // A stop of `parent` ends it at once. `clock` and `budget` outlive it; `observer`, `bugs` and
  // `budget`, of the frames that are queued, may be null.
  Pipe(const Party& self, const PeerInfo& peer, const ConnectionId& id, const PipeLimits& limits,
       StopToken parent, Clock* clock, ConnectionObserver* observer,
       const LedgerBugs* bugs = nullptr, ByteBudget* budget = nullptr);
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  const Party& self() const { return self_; }
  const Party& peer() const { return peer_.party; }
  const PeerInfo& peer_info() const { return peer_; }
  const ConnectionId& id() const { return id_; }
  const PipeLimits& limits() const { return limits_; }
  Outbox* outbox() { return &outbox_; }
  const Outbox& outbox() const { return outbox_; }

  // Queues a frame. False if the queue is full or the pipe is ending: the frame is dropped.
  bool Send(Frozen frame);
  // The same for a frame of the handshake, which observers do not see.
  bool SendHandshake(Frozen frame) { return outbox_.TryPush(std::move(frame)); }

  // Ends it in good order. Later calls do nothing.
  void Finish();
  // Ends it now; what is queued is dropped. The first reason counts.
  void Fail(absl::Status reason);

  bool finishing() const { return finishing_; }
  bool failed() const { return !status_.ok(); }
  // The peer said goodbye before this side did.
  bool ended_by_peer() const { return ended_by_peer_; }
  // No more frames are handed to anybody.
  bool ending() const { return finishing_ || failed(); }
  const absl::Status& status() const { return status_; }

  MonotonicTime last_heard() const { return last_heard_; }
  void set_last_heard(MonotonicTime now) { last_heard_ = now; }

  // For the registry that it is in: when it came, and the slot that it got.
  uint64_t serial = 0;
  uint32_t slot = 0;

  // For the tasks of `RunPipe`.
  StopToken stop_token() { return stop_.token(); }
  Clock* clock() const { return clock_; }
  bool OnFrame(PipeHandler* handler, const message::Message& frame);
  void OnReadEnd(const absl::Status& status);
  void OnWriterIdle();
  // Planted: the writer goes to sleep over a half-emptied queue.
  bool loses_wake_up(bool was_full) const {
    return was_full && !outbox_.empty() && Planted(bugs_, &LedgerBugs::lost_wake_up);
  }
  size_t batch_limit(bool full) const;

 private:
  struct GraceTimer : Timer {
    explicit GraceTimer(Pipe* pipe) : Timer(&OnTimer), pipe(pipe) {}
    static void OnTimer(Timer* timer);
    Pipe* const pipe;
  };

  const Party self_;
  const PeerInfo peer_;
  const ConnectionId id_;
  const PipeLimits limits_;
  Clock* const clock_;
  ConnectionObserver* const observer_;
  const LedgerBugs* const bugs_;
  Outbox outbox_;
  StopSource stop_;
  GraceTimer grace_;
  MonotonicTime last_heard_;
  bool finishing_ = false;
  bool ended_by_peer_ = false;
  absl::Status status_;
};

// Reads frames until the pipe ends.
template <message::Reader Reader>
Task<void> ReadFrames(Pipe* pipe, Reader reader, PipeHandler* handler) {
  const size_t max = pipe->limits().max_message_size;
  while (true) {
    absl::StatusOr<message::Message> read = co_await reader.ReadMessage(max);
    pipe->set_last_heard(pipe->clock()->Now());
    std::optional<absl::StatusOr<message::Message>> next = std::move(read);
    for (; next.has_value() && next->ok(); next = reader.TryNext(max)) {
      if (!pipe->OnFrame(handler, **next)) co_return;
    }
    handler->OnFramesEnd(pipe);
    if (next.has_value()) {
      pipe->OnReadEnd(next->status());
      co_return;
    }
  }
}

// Writes what is queued until the pipe ends.
template <message::Writer Writer>
Task<void> WriteFrames(Pipe* pipe, Writer writer) {
  FrozenBatch batch;
  Outbox* outbox = pipe->outbox();
  bool asleep = false;
  while (!outbox->drained()) {
    if (outbox->empty() || asleep) {
      asleep = false;
      pipe->OnWriterIdle();
      absl::Status woken = co_await outbox->WaitForFrames();
      if (!woken.ok()) co_return;
      continue;
    }
    const bool was_full = outbox->full();
    outbox->MoveTo(&batch, pipe->batch_limit(was_full));
    const MonotonicTime deadline = pipe->clock()->Now() + pipe->limits().write_timeout;
    absl::Status sent = co_await Deadline(pipe->clock(), deadline, writer.SendBatch(&batch));
    if (!sent.ok()) {
      pipe->Fail(std::move(sent));
      co_return;
    }
    outbox->OnWritten();
    asleep = pipe->loses_wake_up(was_full);
  }
  if (pipe->failed()) co_return;
  absl::Status finished = writer.FinishWrites();
  if (!finished.ok()) pipe->Fail(std::move(finished));
}

// Runs a connection to its end: both halves are gone when it returns.
template <message::Reader Reader, message::Writer Writer>
Task<void> RunPipe(Pipe* pipe, Reader reader, Writer writer, PipeHandler* handler) {
  TaskInfo info = co_await ThisTask();
  info.stop = pipe->stop_token();
  Scope scope(info);
  scope.Spawn(ReadFrames<Reader>(pipe, std::move(reader), handler));
  scope.Spawn(WriteFrames<Writer>(pipe, std::move(writer)));
  co_await scope.Join();
}

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_PIPE_H_
