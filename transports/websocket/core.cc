#include "transports/websocket/core.h"

#include <array>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/check.h"
#include "runtime/combine.h"
#include "runtime/errors.h"
#include "runtime/stream_io.h"
#include "transports/message/frame_error.h"

namespace faultline::websocket::internal {
namespace {

constexpr std::string_view kHeadEnd = "\r\n\r\n";

std::string_view AsText(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

absl::Status PeerClosedStatus(const CloseReason& reason) {
  switch (reason.code) {
    case CloseReason::kNormal:
    case CloseReason::kGoingAway:
    case CloseReason::kNoCode:
      return message::ConnectionClosed();
    default:
      return absl::AbortedError(
          absl::StrCat("websocket: closed by the peer with ", reason.code, " ", reason.text));
  }
}

}  // namespace

absl::Status NameHandshakeGrace(absl::Status status, Clock* clock, MonotonicTime by,
                                const ConnectionOptions& options) {
  if (!absl::IsDeadlineExceeded(status) || clock->Now() < by) return status;
  return absl::DeadlineExceededError(
      absl::StrCat("websocket: the upgrade was not done within handshake_grace, ",
                   FormatSeconds(options.handshake_grace)));
}

// One read at a time; one whose frame was destroyed took bytes with it that nobody counted.
class Core::Reading {
 public:
  explicit Reading(Core* core) : core_(core) {
    FAULTLINE_CHECK(!core->reading_) << "a reader reads one message at a time";
    core->reading_ = true;
  }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;
  ~Reading() {
    if (core_ == nullptr) return;
    core_->reading_ = false;
    core_->read_end_ = absl::AbortedError("a read was abandoned");
  }
  absl::StatusOr<message::Message> Done(absl::StatusOr<message::Message> result) {
    std::exchange(core_, nullptr)->reading_ = false;
    return result;
  }

 private:
  Core* core_;
};

// One batch at a time; one whose frame was destroyed may have left a part of a frame on the wire.
class Core::Sending {
 public:
  explicit Sending(Core* core) : core_(core) {
    FAULTLINE_CHECK(!core->sending_) << "a writer sends one batch at a time";
    core->sending_ = true;
  }
  Sending(const Sending&) = delete;
  Sending& operator=(const Sending&) = delete;
  ~Sending() {
    if (core_ != nullptr) (void)Done(absl::AbortedError("the send was abandoned"));
  }
  // Nothing was sent; the connection goes on.
  absl::Status Refused(absl::Status status) {
    std::exchange(core_, nullptr)->sending_ = false;
    return status;
  }
  // A failure ends the connection.
  absl::Status Done(absl::Status status) {
    Core* core = std::exchange(core_, nullptr);
    core->sending_ = false;
    core->output_.End();
    const message::TransportBugs* bugs = core->options_.bugs;
    if (status.ok() || Planted(bugs, &message::TransportBugs::failed_writer_goes_on)) return status;
    core->failure_ = status;
    if (!Planted(bugs, &message::TransportBugs::dead_writer_parks_reader)) core->Abort();
    return status;
  }

 private:
  Core* core_;
};

Core::Core(std::unique_ptr<Stream> stream, std::shared_ptr<Engine> engine, BufferPool* pool,
           Scope* scope, bool client, const ConnectionOptions& options)
    : engine_(std::move(engine)),
      stream_(std::move(stream)),
      scope_(scope),
      executor_(scope->executor()),
      options_(options),
      session_(engine_.get()),
      input_(&session_, pool, options.input, options.bugs),
      output_(pool, client ? engine_->entropy() : nullptr) {
  wire_.Set();
}

// --- The upgrade ---

Task<absl::Status> Core::UpgradeServer(const UpgradePolicy* policy) {
  const MonotonicTime by = engine_->clock()->Now() + options_.handshake_grace;
  absl::Status done = co_await Deadline(engine_->clock(), by, ServeUpgrade(policy));
  co_return NameHandshakeGrace(std::move(done), engine_->clock(), by, options_);
}

Task<absl::Status> Core::UpgradeClient(UpgradeRequest request) {
  const MonotonicTime by = engine_->clock()->Now() + options_.handshake_grace;
  absl::Status done = co_await Deadline(engine_->clock(), by, AskUpgrade(std::move(request)));
  co_return NameHandshakeGrace(std::move(done), engine_->clock(), by, options_);
}

Task<absl::Status> Core::ServeUpgrade(const UpgradePolicy* policy) {
  session_.BeginServer(policy);
  absl::StatusOr<size_t> head = co_await ReadHead();
  if (head.ok() && *head == 0) co_return co_await Refuse(session_.RefuseLongHead());
  if (!head.ok()) co_return head.status();
  absl::Status upgraded = session_.Upgrade(input_.unread().first(*head));
  if (!upgraded.ok()) co_return co_await Refuse(std::move(upgraded));
  input_.Skip(*head);
  co_return co_await WriteControl();
}

// The answer is in the session's output. What the peer still sends is waited for: to close before
// would be a reset, which could overtake the answer.
Task<absl::Status> Core::Refuse(absl::Status why) {
  absl::Status written = co_await WriteControl();
  if (written.ok()) {
    Clock* clock = engine_->clock();
    written = co_await Deadline(clock, clock->Now() + options_.close_grace, DropInput());
  }
  if (written.ok()) (void)stream_->Close();
  dead_ = true;
  co_return why;
}

Task<absl::Status> Core::AskUpgrade(UpgradeRequest request) {
  const Endpoint peer = stream_->peer_address();
  if (request.host.empty() && peer.is_ip()) request.host = peer.ToString();
  absl::Status begun = session_.BeginClient(request);
  if (!begun.ok()) co_return begun;
  absl::Status written = co_await WriteControl();
  if (!written.ok()) co_return written;
  absl::StatusOr<size_t> head = co_await ReadHead();
  if (head.ok() && *head == 0) co_return session_.RefuseLongHead();
  if (!head.ok()) co_return head.status();
  absl::Status upgraded = session_.Upgrade(input_.unread().first(*head));
  input_.Skip(*head);
  co_return upgraded;
}

// Until the empty line is there; returns how many bytes that is, 0 for too many.
Task<absl::StatusOr<size_t>> Core::ReadHead() {
  const size_t max = static_cast<size_t>(engine_->options().max_head_bytes);
  for (size_t seen = 0;;) {
    std::string_view text = AsText(input_.unread());
    const size_t from = seen < kHeadEnd.size() ? 0 : seen - kHeadEnd.size();
    const size_t end = text.find(kHeadEnd, from);
    seen = text.size();
    if (end < max) co_return end + kHeadEnd.size();
    if (seen > max) co_return 0;
    absl::Status more = co_await ReadMore();
    if (!more.ok()) co_return more;
  }
}

Task<absl::Status> Core::ReadMore() {
  std::array<iovec, 2> buffers{};
  absl::StatusOr<size_t> read = co_await stream_->ReadVector(input_.BeginRead(&buffers));
  if (!read.ok()) co_return read.status();
  co_return *read > 0 ? input_.OnRead(*read) : input_.EndOfStream();
}

// --- Reading ---

Task<absl::StatusOr<message::Message>> Core::ReadMessage(size_t max_message_size) {
  Reading reading(this);
  for (;;) {
    if (!read_end_.ok()) co_return reading.Done(read_end_);
    message::Message message;
    MessageInput::Found found = input_.Find(max_message_size, &message);
    if (!session_.output()->empty()) Kick();
    if (found == MessageInput::Found::kMessage) co_return reading.Done(std::move(message));
    absl::Status status = OnFound(found);
    if (status.ok() && dead_) status = OnReadFault(ErrnoStatus(ECANCELED, "a closed connection"));
    if (status.ok()) {
      status = co_await ReadMore();
      if (!status.ok() && input_.failure().ok()) status = OnReadFault(std::move(status));
      if (!input_.failure().ok()) continue;
    }
    if (!status.ok()) co_return reading.Done(std::move(status));
  }
}

std::optional<absl::StatusOr<message::Message>> Core::TryNext(size_t max_message_size) {
  FAULTLINE_CHECK(!reading_) << "a read is pending";
  std::optional<absl::StatusOr<message::Message>> next;
  if (!read_end_.ok()) {
    next.emplace(read_end_);
    return next;
  }
  message::Message message;
  // How the stream has ended is for those who read: what they have in hand goes out before.
  if (input_.Find(max_message_size, &message) == MessageInput::Found::kMessage) {
    next.emplace(std::move(message));
  }
  if (!session_.output()->empty()) Kick();
  return next;
}

// OK: more is to be read. Anything else is final.
absl::Status Core::OnFound(MessageInput::Found found) {
  if (found == MessageInput::Found::kPeerClosed && dead_ && !failure_.ok()) {
    read_end_ = AbortedHere();  // beside a writer that has failed there is no clean end
  } else if (found == MessageInput::Found::kPeerClosed) {
    read_end_ = PeerClosedStatus(session_.peer_reason());
    const bool torn = input_.within_message() && message::IsConnectionClosed(read_end_);
    if (torn) read_end_ = input_.EndOfStream();
    OnPeerClosed();
  } else if (found == MessageInput::Found::kFailed) {
    read_end_ = input_.failure();
    OnWrongFrame();
  }
  return read_end_;
}

void Core::OnPeerClosed() {
  peer_reason_ = session_.peer_reason();
  peer_reported_ = true;
  OnChange();
}

void Core::OnWrongFrame() {
  failing_ = true;
  // A reason that a peer may see says no more than the code.
  if (!close_queued_) QueueClose(input_.close_code(), "");
  OnChange();
}

// Cancelled by a stop request is not final: nothing was lost.
absl::Status Core::OnReadFault(absl::Status status) {
  if (absl::IsCancelled(status) && ErrnoOf(status) != ECANCELED) {
    input_.OnCancelled();
    return status;
  }
  if (absl::IsCancelled(status)) status = AbortedHere();
  read_end_ = status;
  Abort();
  return status;
}

absl::Status Core::AbortedHere() const { return ErrnoStatus(ECONNABORTED, abort_reason_); }

// --- Writing ---

absl::Status Core::Refusal() const {
  if (finished_) return absl::FailedPreconditionError("writing was finished");
  if (!failure_.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat("an earlier batch failed: ", failure_.message()));
  }
  if (close_queued_) return absl::FailedPreconditionError("the close frame was sent");
  if (dead_) return absl::FailedPreconditionError("the connection has ended");
  return absl::OkStatus();
}

Task<absl::Status> Core::SendBatch(FrozenBatch* batch) {
  absl::Status refused = Refusal();
  if (!refused.ok()) co_return refused;
  Sending sending(this);
  absl::Status acquired = co_await AcquireWire();
  if (!acquired.ok()) co_return sending.Done(std::move(acquired));
  // A close frame may have been queued meanwhile: no data follows it (RFC 6455, section 5.5.1).
  refused = Refusal();
  if (!refused.ok()) {
    ReleaseWire();
    co_return sending.Refused(std::move(refused));
  }
  std::span<const std::byte> control = ControlLeft();
  size_t control_left = control.size();
  output_.Begin(batch, control);
  while (!output_.done()) {
    absl::StatusOr<size_t> written = co_await stream_->WriteVector(output_.buffers());
    if (!written.ok()) {
      ReleaseWire();
      co_return sending.Done(written.status());
    }
    const size_t of_control = std::min(*written, control_left);
    control_left -= of_control;
    control_written_ += of_control;
    OnWritten(*written);
  }
  batch->Clear();
  ReleaseWire();
  absl::Status done = sending.Done(absl::OkStatus());
  OnChange();
  co_return done;
}

void Core::OnWritten(size_t bytes) {
  const message::TransportBugs* bugs = options_.bugs;
  if (__builtin_expect(bugs != nullptr, false) && bytes < output_.offered()) {
    if (bugs->partial_write_is_complete) return output_.DropRest();
    if (bugs->partial_write_starts_over) bytes = output_.WholeBuffers(bytes);
  }
  output_.OnWritten(bytes);
}

absl::Status Core::FinishWrites() {
  absl::Status refused = Refusal();
  if (!refused.ok() && !(close_queued_ && !finished_ && failure_.ok())) return refused;
  FAULTLINE_CHECK(!sending_) << "a batch is being sent";
  finished_ = true;
  if (dead_) return absl::OkStatus();
  if (!close_queued_) QueueClose(CloseReason::kNormal, "");
  OnChange();
  return absl::OkStatus();
}

absl::Status Core::Close() {
  if (dead_) return absl::OkStatus();
  FAULTLINE_CHECK(!sending_ && !reading_) << "something is pending";
  finished_ = true;
  reader_gone_ = writer_gone_ = true;
  if (!close_queued_) QueueClose(CloseReason::kNormal, "");
  OnChange();
  return absl::OkStatus();
}

void Core::Abort() {
  if (dead_) return;
  dead_ = true;
  stream_->Abort();
  changed_.Set();
}

// --- The halves ---

// While a crash destroys frames nobody is told and nothing is started: the stream is aborted by its
// own destructor.
void Core::OnReaderGone() {
  reader_gone_ = true;
  if (in_task()) OnChange();
}

void Core::OnWriterGone() {
  writer_gone_ = true;
  if (in_task()) OnChange();
}

// --- The tender ---

void Core::OnChange() {
  if (reader_gone_ && writer_gone_ && !concluding()) Abort();
  if (concluding() && close_by_ == kInfiniteFuture) {
    close_by_ = engine_->clock()->Now() + options_.close_grace;
  }
  changed_.Set();
  if (concluding() && control_stop_ != nullptr) control_stop_->RequestStop();
  if (concluding() || HasControl()) Kick();
}

void Core::Kick() {
  if (tending_ || dead_) return;
  tending_ = true;
  scope_->Spawn(Tend(shared_from_this()));
}

Task<void> Core::Tend(std::shared_ptr<Core> core) {
  absl::Status status;
  while (!core->dead_ && !core->concluding() && core->HasControl() && status.ok()) {
    status = co_await core->WriteControlUntilConcluding();
  }
  if (!status.ok() && !absl::IsCancelled(status)) core->Abort();
  if (!core->dead_ && core->concluding()) {
    status = co_await Shielded(core->Conclude());
    if (!status.ok()) core->GiveUp(status);
    if (!std::exchange(core->dead_, true)) (void)core->stream_->Close();
  }
  core->tending_ = false;
}

void Core::GiveUp(const absl::Status& why) {
  if (dead_) return;
  if (absl::IsDeadlineExceeded(why) && ErrnoOf(why) == 0) {
    abort_reason_ = absl::StrCat("websocket: not closed in order within close_grace, ",
                                 FormatSeconds(options_.close_grace));
  }
  Abort();
}

// A peer that does not take a pong must not keep the connection from its end.
Task<absl::Status> Core::WriteControlUntilConcluding() {
  StopSource stop(co_await CurrentStop());
  control_stop_ = &stop;
  absl::Status written = co_await WithStop(&stop, WriteControl());
  control_stop_ = nullptr;
  co_return written;
}

Task<absl::Status> Core::AcquireWire() {
  while (!wire_.is_set()) {
    absl::Status free = co_await wire_.Wait();
    if (!free.ok()) co_return free;
  }
  if (dead_) co_return AbortedHere();
  wire_.Reset();
  co_return absl::OkStatus();
}

bool Core::HasControl() {
  return control_written_ < control_.size() || !session_.output()->empty();
}

// With the wire. What it returns stays where it is until it was written.
std::span<const std::byte> Core::ControlLeft() {
  if (control_written_ == control_.size()) {
    control_.clear();
    control_written_ = 0;
    control_.swap(*session_.output());
    session_.AnswerPing();  // one that had to wait for room
  }
  return std::as_bytes(std::span(control_)).subspan(control_written_);
}

Task<absl::Status> Core::WriteControl() {
  while (HasControl()) {
    absl::Status written = co_await WriteControlOnce();
    if (!written.ok()) co_return written;
  }
  co_return absl::OkStatus();
}

Task<absl::Status> Core::WriteControlOnce() {
  absl::Status acquired = co_await AcquireWire();
  if (!acquired.ok()) co_return acquired;
  std::span<const std::byte> control = ControlLeft();
  absl::StatusOr<size_t> written = absl::StatusOr<size_t>(size_t{0});
  if (!control.empty()) written = co_await stream_->Write(control);
  if (written.ok()) control_written_ += *written;
  ReleaseWire();
  co_return written.status();
}

// The last word of this side: what it still wants to send goes first, if it does so in time.
Task<absl::Status> Core::WaitForLastBatch() {
  while (!close_queued_ && !writer_gone_ && !dead_ && (sending_ || !PeerFailed())) {
    absl::Status changed = co_await WaitForChange();
    if (!changed.ok()) co_return changed;
  }
  co_return absl::OkStatus();
}

// A peer that says why it gives up wants nothing any more.
bool Core::PeerFailed() const {
  return peer_reason_.has_value() && !message::IsConnectionClosed(read_end_);
}

Task<absl::Status> Core::Conclude() {
  Clock* clock = engine_->clock();
  absl::Status last = co_await Deadline(clock, close_by_, WaitForLastBatch());
  if (absl::IsCancelled(last) || dead_) co_return absl::CancelledError("stop requested");
  if (!close_queued_) {
    // A batch that the peer does not take: there is no end of a message to put a close frame
    // behind.
    if (sending_) co_return absl::DeadlineExceededError("websocket: close_grace");
    close_queued_ = true;
    session_.Answer();
    close_by_ = clock->Now() + options_.close_grace;
  }
  co_return co_await Deadline(clock, close_by_, AwaitPeerClose());
}

Task<absl::Status> Core::AwaitPeerClose() {
  absl::Status written = co_await WriteControl();
  if (!written.ok()) co_return written;
  if (failing_) co_return co_await DropInput();
  while (!session_.peer_closed()) {
    absl::Status status = co_await (reader_gone_ ? DropSome() : WaitForChange());
    if (!status.ok()) co_return status;
    if (dead_) co_return absl::CancelledError("the connection has ended");
    if (failing_) co_return co_await DropInput();
  }
  co_return absl::OkStatus();
}

// One read, of messages that nobody wants any more.
Task<absl::Status> Core::DropSome() {
  message::Message none;
  input_.DropMessages();
  MessageInput::Found found = input_.Find(0, &none);
  session_.output()->clear();  // after our close frame nothing is answered
  if (found == MessageInput::Found::kNeedBytes) co_return co_await ReadMore();
  failing_ = found == MessageInput::Found::kFailed;
  co_return absl::OkStatus();
}

// To close with unread input would be a reset, which could overtake our close frame.
Task<absl::Status> Core::DropInput() {
  absl::Status shut = stream_->ShutdownWrite();
  if (!shut.ok()) co_return shut;
  input_.Drop();
  std::array<std::byte, 4096> dropped{};
  for (;;) {
    absl::StatusOr<size_t> read = co_await stream_->Read(dropped);
    if (!read.ok()) co_return read.status();
    if (*read == 0) co_return absl::OkStatus();
  }
}

Task<absl::Status> Core::WaitForChange() {
  changed_.Reset();
  co_return co_await changed_.Wait();
}

void Core::QueueClose(int code, std::string_view reason) {
  close_queued_ = true;
  if (session_.peer_closed() && code == CloseReason::kNormal) {
    session_.Answer();
  } else {
    session_.SendClose(code, reason);
  }
}

}  // namespace faultline::websocket::internal
