#include "transports/quic/hub.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "runtime/check.h"
#include "runtime/errors.h"
#include "runtime/scope.h"

namespace faultline::quic {
namespace {

constexpr Duration kAfterReceiveError = std::chrono::milliseconds(1);

}  // namespace

// --- Beginning ---

Hub::Hub(const Surroundings& surroundings, Role role, const Options& options)
    : surroundings_(surroundings),
      role_(role),
      options_(options),
      environment_{surroundings.entropy, surroundings.clock},
      stop_hook_(this),
      grace_timer_(this),
      ready_(std::max<size_t>(options.limits.max_handshakes, 1)) {
  reset_key_.assign(options.stateless_reset_key.begin(), options.stateless_reset_key.end());
  if (reset_key_.empty()) {
    reset_key_.resize(kKeyBytes);
    surroundings.entropy->Fill(std::as_writable_bytes(std::span(reset_key_)));
  }
  surroundings.entropy->Fill(std::as_writable_bytes(std::span(token_key_)));
}

Hub::~Hub() { Finish(); }

absl::StatusOr<Hub::Use> Hub::Start(const Surroundings& surroundings, Role role,
                                    const Endpoint& local, const Options& options) {
  std::shared_ptr<Hub> hub(new Hub(surroundings, role, options));
  absl::Status loaded = hub->Load(options.tls);
  if (!loaded.ok()) return loaded;
  absl::Status opened = hub->OpenSocket(local);
  if (!opened.ok()) return opened;
  surroundings.scope->Spawn(Run(hub));
  return Use(std::move(hub));
}

absl::Status Hub::OpenSocket(const Endpoint& local) {
  BindOptions bind = options_.socket;
  bind.dont_fragment = true;  // RFC 9000, section 14
  bind.receive_several = true;
  absl::StatusOr<std::unique_ptr<DatagramSocket>> socket = surroundings_.network->Bind(local, bind);
  if (!socket.ok()) return socket.status();
  socket_ = *std::move(socket);
  local_ = socket_->local_address();
  return absl::OkStatus();
}

absl::Status Hub::Rebind(const Endpoint& local) {
  if (over_ || stopping_ || loops_ == nullptr) {
    return absl::FailedPreconditionError("quic: the socket was stopped");
  }
  for (auto& [number, entry] : sessions_) {
    if (entry.session->end().ok() && !entry.session->confirmed()) {
      return absl::FailedPreconditionError("quic: a handshake is under way");
    }
  }
  absl::Status opened = OpenSocket(local);
  if (!opened.ok()) return opened;
  if (receive_stop_ != nullptr) receive_stop_->RequestStop();
  loops_->Spawn(ReceiveFrom(socket_));
  for (auto& [number, entry] : sessions_) {
    if (entry.session->Migrate(local_).ok()) ++counters_.migrations;
  }
  return absl::OkStatus();
}

absl::Status Hub::Load(const TlsOptions& options) {
  engine::Entered entered(environment_);
  absl::StatusOr<std::unique_ptr<TlsContext>> tls =
      role_ == Role::kServer ? TlsContext::Server(options) : TlsContext::Client(options);
  if (!tls.ok()) return tls.status();
  tls_ = *std::move(tls);
  return absl::OkStatus();
}

SessionContext Hub::Context() {
  return {.host = this,
          .environment = environment_,
          .tls = tls_,
          .options = &options_,
          .reset_key = reset_key_,
          .local = local_};
}

absl::StatusOr<std::shared_ptr<Session>> Hub::Connect(const Endpoint& peer) {
  if (over_ || stopping_) return absl::FailedPreconditionError("quic: the socket was stopped");
  absl::StatusOr<std::shared_ptr<Session>> session = Session::Connect(Context(), peer);
  if (session.ok()) AddSession(*session, /*pending=*/false);
  return session;
}

void Hub::AddSession(std::shared_ptr<Session> session, bool pending) {
  ++counters_.sessions;
  if (pending) ++pending_;
  session->SetNumber(++last_number_);
  sessions_.emplace(last_number_, Entry{std::move(session), pending});
}

// --- The task ---

Task<void> Hub::Run(std::shared_ptr<Hub> hub) {
  TaskInfo info = co_await ThisTask();
  Running running(hub.get());
  if (info.stop.stop_requested()) {
    hub->BeginStop();
  } else {
    info.stop.Subscribe(&hub->stop_hook_);
  }
  // A stop request begins an orderly end; it does not cut the loops off.
  Scope scope(TaskInfo{info.executor, info.context, hub->own_stop_.token()});
  hub->loops_ = &scope;
  scope.Spawn(hub->ReceiveFrom(hub->socket_));
  scope.Spawn(hub->SendLoop());
  co_await scope.Join();
}

Task<void> Hub::ReceiveFrom(std::shared_ptr<DatagramSocket> socket) {
  if (socket != socket_) co_return;  // replaced before it began
  StopSource stop(co_await CurrentStop());
  receive_stop_ = &stop;
  co_await WithStop(&stop, ReceiveLoop(socket.get()));
  if (receive_stop_ == &stop) receive_stop_ = nullptr;
}

Task<void> Hub::ReceiveLoop(DatagramSocket* socket) {
  for (;;) {
    DatagramInfo info;
    absl::StatusOr<size_t> got = co_await socket->ReceiveFrom(receive_buffer_, &info);
    if (absl::IsCancelled(got.status())) co_return;
    if (!got.ok()) {
      // What is wrong with one datagram, or with the machine, passes.
      ++counters_.dropped;
      (void)co_await surroundings_.clock->SleepFor(kAfterReceiveError);
      continue;
    }
    ++counters_.receives;
    OnReceived(std::span<const std::byte>(receive_buffer_).first(*got), info);
  }
}

Task<void> Hub::SendLoop() {
  while (!Over()) {
    if (!(co_await wake_.Wait()).ok()) break;
    wake_.Reset();
    if (!replies_.empty()) co_await SendReplies();
    // Whoever has waited for what came runs first: the answer leaves together with our
    // acknowledgement, in one packet.
    for (Session* next = turns_.front(); next != nullptr; next = turns_.Next(next)) next->Deliver();
    co_await Yield();
    while (Session* next = turns_.PopFront()) co_await TakeTurn(next->shared_from_this());
  }
  own_stop_.RequestStop();
}

Task<void> Hub::TakeTurn(std::shared_ptr<Session> session) {
  ++counters_.turns;
  session->BeginTurn();
  size_t left = session->burst_bytes();
  Batch batch;
  while (left > 0) {
    PacketHeader header;
    std::span<std::byte> room = std::span(send_buffer_).subspan(batch.bytes);
    size_t size = session->WritePacket(room, &header);
    if (size == 0) break;
    left -= std::min(left, size);
    if (!batch.Takes(header, size)) {
      co_await Send(&batch);
      std::memmove(send_buffer_.data(), room.data(), size);
    }
    batch.Add(header, size);
    bool full = send_buffer_.size() - batch.bytes < Session::kPacketMax;
    if (batch.complete || full) co_await Send(&batch);
  }
  if (batch.bytes > 0) co_await Send(&batch);
  session->EndTurn();
  if (left == 0) Wake(session.get());
  AfterTurn(session.get());
}

Task<void> Hub::SendReplies() {
  while (!replies_.empty()) {
    Reply reply = std::move(replies_.front());
    replies_.pop_front();
    co_await SendDatagram(&reply.to, reply.datagram, {});
  }
}

void Hub::Batch::Add(const PacketHeader& next, size_t size) {
  if (bytes == 0) {
    header = next;
    packet_bytes = size;
  }
  bytes += size;
  complete = size < packet_bytes || bytes / packet_bytes >= DatagramSocket::kSegmentsMax;
}

// All of it leaves; then it is empty.
Task<void> Hub::Send(Batch* batch) {
  co_await SendDatagram(&batch->header.to,
                        std::span<const std::byte>(send_buffer_).first(batch->bytes),
                        {.ecn = batch->header.ecn, .segment_bytes = batch->packet_bytes});
  *batch = {};
}

// A datagram that cannot be sent is a datagram that was lost.
Task<void> Hub::SendDatagram(const Endpoint* to, std::span<const std::byte> bytes,
                             SendOptions options) {
  size_t count = 1;
  if (options.segment_bytes > 0) {
    count = (bytes.size() + options.segment_bytes - 1) / options.segment_bytes;
  }
  const std::shared_ptr<DatagramSocket> socket = socket_;
  absl::StatusOr<size_t> sent = co_await socket->SendTo(to, bytes, options);
  ++counters_.sends;
  (sent.ok() ? counters_.sent : counters_.send_errors) += count;
}

// --- Sessions ---

void Hub::Wake(Session* session) {
  if (!session->linked()) turns_.PushBack(session);
  wake_.Set();
}

void Hub::AfterTurn(Session* session) {
  if (pending_ == 0 && !session->gone()) return;
  auto found = sessions_.find(session->number());
  if (found == sessions_.end()) return;
  Entry* entry = &found->second;
  if (entry->pending && session->ready()) Announce(entry);
  if (!session->gone()) return;
  if (entry->pending) --pending_;
  std::shared_ptr<Session> gone = std::move(entry->session);
  sessions_.erase(found);
  gone->Detach(absl::OkStatus());
}

void Hub::Announce(Entry* entry) {
  entry->pending = false;
  --pending_;
  std::shared_ptr<Session> session = entry->session;
  if (ready_.TrySend(session)) {
    entry->session->SetAnnounced();
  } else {
    session->Abort(CloseCode::kBacklog, "nobody accepts: max_handshakes");
  }
}

void Hub::StopAccepting() {
  ready_.Close();
  while (std::optional<std::shared_ptr<Session>> waiting = ready_.TryReceive()) {
    (*waiting)->Abort(CloseCode::kShutdown, "the listener was closed");
  }
  for (auto& [number, entry] : sessions_) {
    if (entry.pending) entry.session->Abort(CloseCode::kShutdown, "the listener was closed");
  }
}

// --- Ends ---

// Nothing of it is lost if the hub ends: it has said, or heard, that it is over.
bool Hub::IsQuiet(const Entry& entry) const {
  return !entry.session->end().ok() && !(entry.session->answering() && !stopping_);
}

bool Hub::Over() const {
  if (!stopping_ && uses_ > 0) return false;
  if (!turns_.empty() || !replies_.empty()) return false;
  return std::all_of(sessions_.begin(), sessions_.end(),
                     [this](const auto& entry) { return IsQuiet(entry.second); });
}

void Hub::BeginStop() {
  if (stopping_) return;
  stopping_ = true;
  StopAccepting();
  MonotonicTime now = surroundings_.clock->Now();
  grace_timer_.Arm(surroundings_.clock, now + options_.transport.close_grace);
  wake_.Set();
}

void Hub::EndGrace() {
  for (auto& [number, entry] : sessions_) entry.session->Abort(CloseCode::kShutdown, "close_grace");
  wake_.Set();
}

void Hub::OnUseEnd() {
  --uses_;
  if (uses_ == 0) wake_.Set();
}

void Hub::Finish() {
  if (over_) return;
  over_ = true;
  loops_ = nullptr;
  ready_.Close();
  stop_hook_.Unlink();
  grace_timer_.Disarm();
  std::map<uint64_t, Entry> sessions = std::exchange(sessions_, {});
  for (auto& [number, entry] : sessions) {
    entry.session->Detach(ErrnoStatus(ECANCELED, "quic: the socket was stopped"));
  }
  while (turns_.PopFront() != nullptr) {
  }
  if (socket_ != nullptr) (void)socket_->Close();
}

}  // namespace faultline::quic
