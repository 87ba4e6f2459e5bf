#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "runtime/check.h"
#include "runtime/combine.h"
#include "runtime/conformance/pattern.h"
#include "runtime/conformance/site.h"
#include "runtime/conformance/sockets.h"
#include "runtime/errors.h"
#include "runtime/event.h"
#include "runtime/scope.h"

namespace faultline::conformance {
namespace {

// A buffer of each size, with a guard before and behind each, so that a transfer that leaves its
// buffers is seen.
class Buffers {
 public:
  explicit Buffers(const Sizes& sizes) {
    size_t total = kGuard;
    for (uint32_t size : sizes) total += size + kGuard;
    storage_.assign(total, kUntouched);
    size_t at = kGuard;
    for (uint32_t size : sizes) {
      buffers_.push_back({storage_.data() + at, size});
      at += size + kGuard;
    }
  }

  // The buffers, with room for at most `limit` bytes.
  std::span<const iovec> UpTo(uint64_t limit) {
    current_.clear();
    for (const iovec& buffer : buffers_) {
      const size_t size = static_cast<size_t>(std::min<uint64_t>(buffer.iov_len, limit));
      if (size == 0 && limit == 0) break;
      current_.push_back({buffer.iov_base, size});
      limit -= size;
    }
    return current_;
  }
  void Fill(uint64_t key, uint64_t position) {
    for (const iovec& buffer : current_) {
      FillPattern(key, position, {static_cast<std::byte*>(buffer.iov_base), buffer.iov_len});
      position += buffer.iov_len;
    }
  }
  // Whether the first `size` bytes are the pattern's, and nothing else was touched.
  bool Holds(uint64_t key, uint64_t position, size_t size) {
    bool right = GuardsHold();
    for (const iovec& buffer : current_) {
      const size_t part = std::min(size, buffer.iov_len);
      right &= HasPattern(key, position, {static_cast<std::byte*>(buffer.iov_base), part});
      position += part;
      size -= part;
    }
    return right && size == 0;
  }

 private:
  static constexpr size_t kGuard = 16;
  static constexpr std::byte kUntouched{0xA5};

  bool GuardsHold() const {
    const std::byte* at = storage_.data();
    for (const iovec& buffer : buffers_) {
      const auto* begin = static_cast<const std::byte*>(buffer.iov_base);
      if (!std::all_of(at, begin, [](std::byte byte) { return byte == kUntouched; })) return false;
      at = begin + buffer.iov_len;
    }
    const std::byte* end = storage_.data() + storage_.size();
    return std::all_of(at, end, [](std::byte byte) { return byte == kUntouched; });
  }

  std::vector<std::byte> storage_;
  std::vector<iovec> buffers_;
  std::vector<iovec> current_;
};

// True while it lives.
class Mark {
 public:
  explicit Mark(bool* flag) : flag_(flag) { *flag_ = true; }
  Mark(const Mark&) = delete;
  Mark& operator=(const Mark&) = delete;
  ~Mark() { *flag_ = false; }

 private:
  bool* const flag_;
};

class StopTimer : private Timer {
 public:
  StopTimer(Clock* clock, MonotonicTime when, StopSource* source)
      : Timer(&OnTimer), source_(source) {
    Arm(clock, when);
  }

 private:
  static void OnTimer(Timer* timer) { static_cast<StopTimer*>(timer)->source_->RequestStop(); }

  StopSource* const source_;
};

Task<absl::Status> StoppedAt(Clock* clock, MonotonicTime when, Task<absl::Status> task) {
  StopSource stop(co_await CurrentStop());
  StopTimer timer(clock, when, &stop);
  co_return co_await WithStop(&stop, std::move(task));
}

Task<absl::Status> Limited(Clock* clock, Limit limit, Duration after, Task<absl::Status> task) {
  switch (limit) {
    case Limit::kNone:
      co_return co_await std::move(task);
    case Limit::kStop:
      co_return co_await StoppedAt(clock, clock->Now() + after, std::move(task));
    case Limit::kDeadline:
      co_return co_await Deadline(clock, clock->Now() + after, std::move(task));
  }
}

// --- What steps do ---

Task<absl::Status> Connect(Network* network, Endpoint to, StreamSlot* slot) {
  auto stream = co_await network->Connect(std::move(to), ConnectOptions());
  if (!stream.ok()) co_return stream.status();
  slot->stream = *std::move(stream);
  co_return absl::OkStatus();
}

Task<absl::Status> Accept(ListenerSlot* from, StreamSlot* slot) {
  Mark accepting(&from->accepting);
  auto stream = co_await from->listener->Accept();
  if (!stream.ok()) co_return stream.status();
  slot->stream = *std::move(stream);
  co_return absl::OkStatus();
}

bool WantsMore(const Step& step, uint64_t position, const Outcome& outcome) {
  return step.once ? outcome.moved == 0 : position < step.amount;
}
uint64_t Wanted(const Step& step, uint64_t position) {
  return step.once ? UINT64_MAX : step.amount - position;
}

// The seam forbids two reads, or two writes, at a time: a rival waits until the other is over.
Task<absl::Status> TakeTurn(Clock* clock, const bool* pending) {
  absl::Status slept;
  while (slept.ok() && *pending) slept = co_await clock->SleepFor(100us);
  co_return slept;
}

Task<absl::Status> Read(Clock* clock, StreamSlot* slot, const Step* step, Outcome* outcome) {
  absl::Status mine = co_await TakeTurn(clock, &slot->reading);
  if (!mine.ok()) co_return mine;
  if (slot->stream == nullptr) {  // closed meanwhile
    outcome->result = Result::kNoSocket;
    co_return absl::OkStatus();
  }
  Mark reading(&slot->reading);
  Buffers buffers(step->buffers);
  const uint64_t key = KeyOf(PeerOf(step->end()));
  while (WantsMore(*step, slot->read, *outcome)) {
    auto got = co_await slot->stream->ReadVector(buffers.UpTo(Wanted(*step, slot->read)));
    if (!got.ok()) co_return got.status();
    if (*got == 0) outcome->result = Result::kEnd;
    if (!buffers.Holds(key, slot->read, *got)) outcome->result = Result::kCorrupt;
    slot->read += *got;
    outcome->moved += *got;
    if (outcome->result != Result::kOk) break;
  }
  co_return absl::OkStatus();
}

Task<absl::Status> Write(Clock* clock, StreamSlot* slot, const Step* step, Outcome* outcome) {
  absl::Status mine = co_await TakeTurn(clock, &slot->writing);
  if (!mine.ok()) co_return mine;
  if (slot->stream == nullptr) {  // closed meanwhile
    outcome->result = Result::kNoSocket;
    co_return absl::OkStatus();
  }
  Mark writing(&slot->writing);
  Buffers buffers(step->buffers);
  const uint64_t key = KeyOf(step->end());
  while (WantsMore(*step, slot->written, *outcome)) {
    std::span<const iovec> given = buffers.UpTo(Wanted(*step, slot->written));
    buffers.Fill(key, slot->written);
    auto taken = co_await slot->stream->WriteVector(given);
    if (!taken.ok()) co_return taken.status();
    slot->written += *taken;
    outcome->moved += *taken;
  }
  co_return absl::OkStatus();
}

Task<absl::Status> Send(Sockets* sockets, const Step* step, Outcome* outcome) {
  DatagramSlot& slot = sockets->datagrams(step->id);
  Mark sending(&slot.sending);
  const Endpoint to = *sockets->datagrams(step->other).address;
  const auto bytes = sockets->MakeDatagram(step->id, static_cast<uint32_t>(step->amount));
  auto sent = co_await slot.socket->SendTo(&to, bytes);
  if (!sent.ok()) co_return sent.status();
  outcome->moved = *sent;
  co_return absl::OkStatus();
}

Task<absl::Status> Receive(Sockets* sockets, const Step* step, Outcome* outcome) {
  DatagramSlot& slot = sockets->datagrams(step->id);
  Mark receiving(&slot.receiving);
  Buffers buffers({static_cast<uint32_t>(step->amount)});
  const iovec buffer = buffers.UpTo(UINT64_MAX).front();
  const std::span<std::byte> room(static_cast<std::byte*>(buffer.iov_base), buffer.iov_len);
  DatagramInfo info;
  auto got = co_await slot.socket->ReceiveFrom(room, &info);
  if (!got.ok()) co_return got.status();
  outcome->moved = *got;
  sockets->Recognise(info, room.first(std::min(*got, room.size())), outcome);
  co_return absl::OkStatus();
}

// --- A program's run ---

class Run {
 public:
  Run(const Program* program, Site* site, Observation* seen)
      : program_(program), site_(site), seen_(seen) {}

  Task<void> All() {
    for (size_t phase = 0; phase < program_->phases().size(); ++phase) {
      co_await RunPhase(phase);
      (void)co_await clock()->SleepFor(site_->settle());
    }
  }

 private:
  // The tasks of one phase, and the timer that destroys them.
  struct PhaseRun : Timer {
    PhaseRun(Executor* executor, size_t tasks)
        : Timer(&OnTimer), scope(std::in_place, executor), left(tasks) {
      if (left == 0) ended.Set();
    }
    static void OnTimer(Timer* timer) {
      auto* self = static_cast<PhaseRun*>(timer);
      self->scope.reset();
      self->ended.Set();
    }
    std::optional<Scope> scope;
    size_t left;
    bool stopped = false;
    Event ended;
  };

  Clock* clock() { return site_->runtime(0).clock; }
  static Task<absl::Status> Ended(PhaseRun* run) { co_return co_await run->ended.Wait(); }

  Task<void> RunPhase(size_t phase) {
    const auto& tasks = program_->phases()[phase].tasks;
    PhaseRun run((co_await ThisTask()).executor, tasks.size());
    for (size_t task = 0; task < tasks.size(); ++task)
      run.scope->Spawn(RunTask(&run, {phase, task, 0}));
    absl::Status ended =
        co_await Deadline(clock(), clock()->Now() + site_->patience(), Ended(&run));
    if (!ended.ok()) {
      run.stopped = true;
      run.scope->RequestStop();
      run.Arm(clock(), clock()->Now() + site_->patience());
      (void)co_await run.ended.Wait();
      run.Disarm();
    }
    if (run.scope.has_value()) co_await run.scope->Join();
  }

  Task<void> RunTask(PhaseRun* run, Place place) {
    const TaskScript& task = program_->phases()[place.phase].tasks[place.task];
    for (; place.step < task.steps.size(); ++place.step) {
      const Step& step = task.steps[place.step];
      Outcome* outcome = &seen_->at(place);
      outcome->result = Result::kStuck;
      absl::Status status = co_await Limited(site_->runtime(task.actor).clock, step.limit,
                                             Scaled(step.after_us), Do(task.actor, &step, outcome));
      Conclude(status, run->stopped, step, outcome);
      if (outcome->result == Result::kHung) break;
    }
    if (--run->left == 0) run->ended.Set();
  }

  Duration Scaled(uint64_t microseconds) const {
    return std::chrono::microseconds(microseconds) * site_->care();
  }

  void Conclude(const absl::Status& status, bool stopped, const Step& step, Outcome* outcome) {
    if (const int error = ErrnoOf(status); error != 0) {
      outcome->result = Result::kError;
      outcome->error = error;
    } else if (absl::IsDeadlineExceeded(status)) {
      outcome->result = Result::kDeadline;
    } else if (absl::IsCancelled(status)) {
      outcome->result = stopped ? Result::kHung : Result::kCancelled;
    } else if (absl::IsFailedPrecondition(status)) {
      outcome->result = Result::kClosed;
    } else if (!status.ok()) {
      outcome->result = Result::kError;
    }
    if (step.kind == StepKind::kRead) outcome->position = sockets_.stream(step.end()).read;
    if (step.kind == StepKind::kWrite) outcome->position = sockets_.stream(step.end()).written;
  }

  // The step, if it can be tried.
  Task<absl::Status> Do(int actor, const Step* step, Outcome* outcome) {
    outcome->result = Obstacle(*step);
    if (outcome->result != Result::kOk) co_return absl::OkStatus();
    Network* network = site_->runtime(actor).network;
    switch (step->kind) {
      case StepKind::kListen:
        co_return Listen(network, actor, *step);
      case StepKind::kBind:
        co_return Bind(network, actor, *step);
      case StepKind::kConnect:
        sockets_.stream(step->end()).made = true;
        co_return co_await Connect(network, *sockets_.listener(step->other).address,
                                   &sockets_.stream(step->end()));
      case StepKind::kAccept:
        sockets_.stream(step->end()).made = true;
        co_return co_await Accept(&sockets_.listener(step->other), &sockets_.stream(step->end()));
      case StepKind::kRead:
        co_return co_await Read(clock(), &sockets_.stream(step->end()), step, outcome);
      case StepKind::kWrite:
        co_return co_await Write(clock(), &sockets_.stream(step->end()), step, outcome);
      case StepKind::kSend:
        co_return co_await Send(&sockets_, step, outcome);
      case StepKind::kReceive:
        co_return co_await Receive(&sockets_, step, outcome);
      case StepKind::kSleep:
        co_return co_await site_->runtime(actor).clock->SleepFor(Scaled(step->amount));
      default:
        co_return EndOf(*step);
    }
  }

  absl::Status EndOf(const Step& step) {
    switch (step.kind) {
      case StepKind::kCloseListener:
        return sockets_.listener(step.id).listener->Close();
      case StepKind::kCloseSocket:
        return sockets_.datagrams(step.id).socket->Close();
      case StepKind::kHalfClose:
        return sockets_.stream(step.end()).stream->ShutdownWrite();
      case StepKind::kClose:
        return sockets_.stream(step.end()).stream->Close();
      case StepKind::kAbort:
        sockets_.stream(step.end()).stream->Abort();
        return absl::OkStatus();
      default:
        sockets_.stream(step.end()).stream.reset();
        return absl::OkStatus();
    }
  }

  absl::Status Listen(Network* network, int actor, const Step& step) {
    ListenerSlot& slot = sockets_.listener(step.id);
    const Endpoint where = step.other == Step::kNobody ? site_->Address(actor, step.family)
                                                       : *sockets_.listener(step.other).address;
    ListenOptions options;
    options.backlog = static_cast<int>(step.amount);
    auto listener = network->Listen(where, options);
    if (!listener.ok()) return listener.status();
    slot.listener = *std::move(listener);
    slot.address = slot.listener->local_address();
    return absl::OkStatus();
  }

  absl::Status Bind(Network* network, int actor, const Step& step) {
    DatagramSlot& slot = sockets_.datagrams(step.id);
    const Endpoint where = step.other == Step::kNobody ? site_->Address(actor, step.family)
                                                       : *sockets_.datagrams(step.other).address;
    auto socket = network->Bind(where, BindOptions());
    if (!socket.ok()) return socket.status();
    slot.socket = *std::move(socket);
    slot.address = slot.socket->local_address();
    return absl::OkStatus();
  }

  // Why `step` cannot be tried, if it cannot; kOk if it can.
  Result Obstacle(const Step& step) {
    if (step.OnListener()) return ListenerObstacle(step);
    if (step.OnConnection()) return StreamObstacle(step);
    if (step.OnDatagrams()) return DatagramObstacle(step);
    return Result::kOk;
  }

  Result ListenerObstacle(const Step& step) {
    ListenerSlot& slot = sockets_.listener(step.listener());
    switch (step.kind) {
      case StepKind::kListen:
        if (slot.listener != nullptr) return Result::kBusy;
        return step.other == Step::kNobody || sockets_.listener(step.other).address.has_value()
                   ? Result::kOk
                   : Result::kNoSocket;
      case StepKind::kConnect:
        if (sockets_.stream(step.end()).made) return Result::kBusy;
        return slot.address.has_value() ? Result::kOk : Result::kNoSocket;
      case StepKind::kAccept:
        if (sockets_.stream(step.end()).made || slot.accepting) return Result::kBusy;
        break;
      default:
        if (slot.accepting) return Result::kBusy;
    }
    return slot.listener != nullptr ? Result::kOk : Result::kNoSocket;
  }

  Result StreamObstacle(const Step& step) {
    StreamSlot& slot = sockets_.stream(step.end());
    if (slot.stream == nullptr) return Result::kNoSocket;
    switch (step.kind) {
      case StepKind::kRead:
      case StepKind::kWrite:
        return Result::kOk;
      case StepKind::kHalfClose:
        return slot.writing ? Result::kBusy : Result::kOk;
      case StepKind::kAbort:
        return Result::kOk;
      default:
        return slot.pending() ? Result::kBusy : Result::kOk;
    }
  }

  Result DatagramObstacle(const Step& step) {
    DatagramSlot& slot = sockets_.datagrams(step.id);
    if (step.kind == StepKind::kBind) {
      if (slot.socket != nullptr) return Result::kBusy;
      return step.other == Step::kNobody || sockets_.datagrams(step.other).address.has_value()
                 ? Result::kOk
                 : Result::kNoSocket;
    }
    if (slot.socket == nullptr) return Result::kNoSocket;
    if (step.kind == StepKind::kReceive) return slot.receiving ? Result::kBusy : Result::kOk;
    if (step.kind == StepKind::kCloseSocket) return slot.pending() ? Result::kBusy : Result::kOk;
    if (slot.sending) return Result::kBusy;
    return sockets_.datagrams(step.other).address.has_value() ? Result::kOk : Result::kNoSocket;
  }

  const Program* const program_;
  Site* const site_;
  Observation* const seen_;
  Sockets sockets_;
};

}  // namespace

Task<void> RunProgram(const Program* program, Site* site, Observation* seen) {
  Run run(program, site, seen);
  co_await run.All();
}

}  // namespace faultline::conformance
