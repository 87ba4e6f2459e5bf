#include "sim/tcp.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "runtime/check.h"
#include "sim/host.h"
#include "sim/listener.h"
#include "sim/stream.h"
#include "sim/wire.h"

namespace faultline::sim {
namespace {

constexpr uint64_t kConnectionTag = 5;
constexpr Duration kSynQueueTime = 63s;  // Linux's tcp_synack_retries of 5
constexpr Duration kFinWait2 = 60s;      // Linux's tcp_fin_timeout

uint64_t ConnectionId(Host* client, Host* server, Plane plane) {
  return ChooserId({kConnectionTag, client->id(), server->id(), static_cast<uint64_t>(plane),
                    client->NextConnectionOrdinal(server->id(), plane)});
}

size_t MssOf(World* world, Plane plane) {
  const TcpConfig& tcp = world->config().tcp;
  return plane == Plane::kLoopback ? tcp.loopback_mss : tcp.mss;
}

// Not to TCP once both have closed. A Unix socket hears of it in any case (unix_release_sock).
bool ResetMatters(const TcpConnection& connection) {
  return connection.is_unix() || !connection.FullyClosed();
}

}  // namespace

bool TcpEnd::alive() const { return host->up() && host->incarnation() == incarnation; }

TcpConnection::TcpConnection(World* world, Host* client, const Endpoint& local, Host* server,
                             const Endpoint& remote, Plane plane)
    : TcpConnection(world, ConnectionId(client, server, plane), client, local, server, remote,
                    Route{world->PathBetween(client->id(), server->id(), plane),
                          world->PathBetween(server->id(), client->id(), plane)},
                    MssOf(world, plane)) {}

TcpConnection::TcpConnection(World* world, uint64_t id, Host* client, const Endpoint& local,
                             Host* server, const Endpoint& remote, Route route, size_t mss)
    : world_(world),
      ends_{{.host = client,
             .incarnation = client->incarnation(),
             .id = static_cast<uint16_t>(client->id())},
            {.host = server, .id = static_cast<uint16_t>(server->id())}},
      unix_(remote.family() == Endpoint::Family::kUnix),
      flows_{TcpFlow(this, id, 0, route.there, route.back, mss, unix_),
             TcpFlow(this, id, 1, route.back, route.there, mss, unix_)},
      id_(id),
      addresses_{local, remote} {
  handshake_.connection = this;
  for (int side = 0; side < 2; ++side) {
    FollowLimits(side, ends_[side].host->config().limits);
  }
}

TcpConnection::~TcpConnection() = default;

// --- Handshake ---

void TcpConnection::SendSyn() {
  handshake_.stage = Stage::kSyn;
  handshake_.sent = world_->now();
  if (handshake_.attempt == 0) {
    const TcpConfig& tcp = world_->config().tcp;
    handshake_.deadline =
        world_->now() + tcp.syn_timeout * ((int64_t{1} << (tcp.syn_retries + 1)) - 1);
  }
  world_->Record(TraceKind::kConnect, ends_[0].id, id_, static_cast<uint64_t>(handshake_.attempt));
  world_->events()->Schedule(
      &handshake_, path(0)->DepartSmall(world_->now(), flows_[0].chooser(), Choice::kLatency));
}

void TcpConnection::OnHandshakeEvent() {
  switch (handshake_.stage) {
    case Stage::kSyn:
      if (Passes(path(0))) ShowHandshake(nullptr), OnSynArrival();
      return;
    case Stage::kSynAck:
      if (Passes(path(1))) ShowHandshake(nullptr), OnSynAckArrival();
      return;
    case Stage::kRefusal:
      if (Passes(path(1))) ShowHandshake(nullptr), FailConnect(ECONNREFUSED);
      return;
    case Stage::kWait:
      return OnRetry();
    case Stage::kExpiry:
      handshake_.stage = Stage::kDone;
      return Kill(1, ETIMEDOUT), MaybeBury();
    case Stage::kDone:
      return;
  }
}

// Whether the handshake's packet gets through `path`; if not, what follows has been arranged.
bool TcpConnection::Passes(Path* path) {
  if (unix_) return true;
  if (std::exchange(handshake_.held, false)) {  // to the end of the wait
    world_->Record(TraceKind::kConnectTimeout, ends_[0].id, id_);
    FailConnect(abandoned_ ? ECANCELED : ETIMEDOUT);
    return false;
  }
  if (path->passage() == Passage::kHold) {
    handshake_.held = true;
    world_->effects()->Bite(Fault::kHold);
    world_->events()->Schedule(&handshake_, std::max(handshake_.deadline, world_->now()));
    return false;
  }
  const char* lost = LossOn(path);
  if (lost == nullptr) return true;
  ShowHandshake(lost);
  AwaitRetry();
  return false;
}

// Why a packet of the handshake does not get through; null if it does.
const char* TcpConnection::LossOn(Path* path) {
  Chooser* chooser = flows_[0].chooser();
  if (path->passage() == Passage::kDrop) {
    world_->effects()->Bite(path->blocked_by());
    return "lost: partition";
  }
  if (chooser->Chance(Choice::kLoss, path->link().loss)) {
    world_->effects()->Bite(Fault::kLoss);
    return "lost";
  }
  if (!chooser->Chance(Choice::kCorrupt, path->link().corrupt)) return nullptr;
  world_->effects()->Bite(Fault::kCorruption);
  return "lost: corrupted on the way";
}

// The SYN was lost, or its answer: the client will notice when its time is up.
void TcpConnection::AwaitRetry() {
  if (abandoned_ || !ends_[0].alive()) return FailConnect(ECANCELED);
  handshake_.stage = Stage::kWait;
  if (unix_) return ends_[1].host->AwaitRoom(&room_wait_);
  Duration wait = world_->config().tcp.syn_timeout * (int64_t{1} << handshake_.attempt);
  world_->events()->Schedule(&handshake_, std::max(world_->now(), handshake_.sent + wait));
}

void TcpConnection::RoomWait::OnRoom() {
  connection->world_->events()->Schedule(&connection->handshake_, connection->world_->now());
}

void TcpConnection::OnRetry() {
  if (!ends_[0].alive()) return FailConnect(ECANCELED);
  if (unix_) return SendSyn();
  if (handshake_.attempt < world_->config().tcp.syn_retries) {
    ++handshake_.attempt;
    return SendSyn();
  }
  world_->Record(TraceKind::kConnectTimeout, ends_[0].id, id_);
  FailConnect(ETIMEDOUT);
}

void TcpConnection::OnSynArrival() {
  TcpEnd& server = ends_[1];
  if (!server.host->up()) return AwaitRetry();
  bool known = listener_ != nullptr && server.alive();
  SimListener* listener = server.host->ports()->listeners()->Find(addresses_[1]);
  if (!known && listener == nullptr) {
    world_->Record(TraceKind::kRefused, server.id, id_);
    handshake_.stage = Stage::kRefusal;
  } else if (!known && !listener->HasRoomForSyn(server.host->config().limits)) {
    OnBacklogFull(listener->HasRoomForSyn(server.host->healthy_limits()));
    return AwaitRetry();
  } else {
    if (!known) {
      listener_ = listener;
      listener->Admit(this);
      server.incarnation = server.host->incarnation();
      size_t receive_buffer = listener->stream_options().receive_buffer_bytes;
      if (receive_buffer != 0) flows_[0].SetReceiveBuffer(receive_buffer);
    }
    handshake_.stage = Stage::kSynAck;
  }
  world_->events()->Schedule(
      &handshake_, path(1)->DepartSmall(world_->now(), flows_[1].chooser(), Choice::kLatency));
}

// The doing of a fault if there would have been room without it.
void TcpConnection::OnBacklogFull(bool healthy_has_room) {
  world_->Record(TraceKind::kBacklogDrop, ends_[1].id, id_);
  if (healthy_has_room) world_->effects()->Bite(Fault::kBacklog);
}

bool TcpConnection::DropsHandshakeAck() {
  const Host* server = ends_[1].host;
  if (listener_ == nullptr || !ends_[1].alive()) return false;
  if (listener_->HasRoomForAck(server->config().limits)) return false;
  OnBacklogFull(listener_->HasRoomForAck(server->healthy_limits()));
  return true;
}

void TcpConnection::OnSynAckArrival() {
  handshake_.stage = Stage::kDone;
  if (abandoned_ || !ends_[0].alive()) {  // nobody there knows of a SYN
    if (ends_[0].host->up()) flows_[0].SendReset();
    return FailConnect(ECANCELED);
  }
  state_ = State::kEstablished;
  world_->Record(TraceKind::kEstablished, ends_[0].id, id_);
  flows_[0].OpenWindow();
  flows_[1].OpenWindow();
  flows_[0].SendHandshakeAck();
  connected_.Set();
}

void TcpConnection::FailConnect(int error) {
  handshake_.stage = Stage::kDone;
  state_ = State::kFailed;
  connect_error_ = error;
  ends_[0].gone = ends_[0].reset = true;
  if (listener_ != nullptr && error != ECANCELED) {
    std::exchange(listener_, nullptr)->Forget(this);
    ends_[1].incarnation = 0;
  }
  ReleasePort(Duration::zero());
  connected_.Set();
  MaybeBury();
}

void TcpConnection::ClaimedBySocket(SimStream* socket) {
  claimed_ = false;
  ends_[0].socket = socket;
}

void TcpConnection::AbandonConnect() {
  claimed_ = false;
  abandoned_ = true;
  if (state_ == State::kEstablished && ends_[0].alive()) return AbortEnd(0);
  ends_[0].gone = true;
  ReleasePort(Duration::zero());
  if (handshake_.stage != Stage::kWait) return MaybeBury();
  room_wait_.Unlink();
  world_->events()->Cancel(&handshake_);
  FailConnect(ECANCELED);
}

void TcpConnection::OnPassageChange(Path* path) {
  if (!handshake_.held || path != HandshakePath()) return;
  handshake_.held = false;
  world_->events()->Cancel(&handshake_);
  world_->events()->Schedule(&handshake_, world_->now());
}

void TcpConnection::OnHandshakeAck() {
  TcpEnd& server = ends_[1];
  if (!server.alive() || listener_ == nullptr) return AnswerWithReset(1);
  queued_ = true;
  listener_->Enqueue(this);
}

void TcpConnection::RefuseFromBacklog() {
  queued_ = false;
  listener_ = nullptr;
  AbortEnd(1);
}

void TcpConnection::ForgetHandshake() {
  listener_ = nullptr;
  ends_[1].incarnation = 0;
  MaybeBury();
}

void TcpConnection::LeaveBacklog() {
  queued_ = false;
  listener_ = nullptr;
  if (!ends_[1].alive()) flows_[0].ProbeIfStuck();
  MaybeBury();
}

// --- Sockets ---

int TcpConnection::TakeError(int side) { return std::exchange(ends_[side].error, uint8_t{0}); }

void TcpConnection::FollowLimits(int side, const HostLimits& limits) {
  flows_[side].FollowSendLimit(limits.send_buffer_bytes);
  flows_[1 - side].FollowReceiveLimit(limits.receive_buffer_bytes);
}

void TcpConnection::FinishEnd(int side) {
  if (first_fin_ < 0) first_fin_ = static_cast<int8_t>(side);
  flows_[side].Finish();
}

void TcpConnection::CloseEnd(int side) {
  TcpEnd& end = ends_[side];
  TcpFlow& incoming = flows_[1 - side];
  if (incoming.unread() > 0 && !end.reset && ResetMatters(*this)) return AbortEnd(side);
  world_->Record(TraceKind::kClose, end.id, id_, 0);
  end.socket = nullptr;
  end.gone = true;
  if (!end.reset) {
    flows_[side].SetWriterWaiting(false);
    if (side == 0 && !incoming.fin_received()) ReleasePort(kFinWait2);
    if (!flows_[side].fin_queued()) FinishEnd(side);
  }
  MaybeBury();
}

void TcpConnection::AbortEnd(int side) {
  TcpEnd& end = ends_[side];
  world_->Record(TraceKind::kClose, end.id, id_, 1);
  end.socket = nullptr;
  end.gone = true;
  flows_[1 - side].Discard();
  flows_[side].SetWriterWaiting(false);
  if (!end.reset && ResetMatters(*this)) {
    end.reset = true;
    if (side == 0) ReleasePort(Duration::zero());
    flows_[side].SendReset();
  }
  MaybeBury();
}

void TcpConnection::SilenceEnd(int side) {
  TcpEnd& end = ends_[side];
  end.socket = nullptr;
  end.gone = true;
  flows_[side].Silence();
  flows_[1 - side].ProbeIfStuck();
  MaybeBury();
}

// The connection ends at `side` with `error`: its calls fail, its packets are no more.
void TcpConnection::Kill(int side, int error) {
  TcpEnd& end = ends_[side];
  if (end.reset) return;
  end.reset = true;
  end.error = static_cast<uint8_t>(error);
  last_errors_[side] = error;
  flows_[side].Cut();
  flows_[side].SetWriterWaiting(false);
  flows_[1 - side].ProbeIfStuck();
  if (side == 0 && !FullyClosed()) ReleasePort(Duration::zero());
  if (side == 1 && listener_ != nullptr && !queued_) {
    std::exchange(listener_, nullptr)->Forget(this);
  }
  Wake(side);
}

void TcpConnection::Wake(int side) {
  if (SimStream* socket = ends_[side].socket) socket->OnReset();
}

void TcpConnection::OnReset(int receiver) {
  TcpEnd& end = ends_[receiver];
  if (end.alive() && !end.reset && ResetMatters(*this)) {
    world_->Record(TraceKind::kReset, end.id, flows_[1 - receiver].id());
    // Linux's tcp_reset: between the peer's FIN and ours (CLOSE_WAIT) it shows as EPIPE.
    bool close_wait = !unix_ && flows_[1 - receiver].fin_received() && !flows_[receiver].fin_sent();
    Kill(receiver, close_wait ? EPIPE : ECONNRESET);
  }
  MaybeBury();
}

void TcpConnection::OnUserTimeout(int sender) {
  world_->Record(TraceKind::kUserTimeout, ends_[sender].id, flows_[sender].id());
  Kill(sender, ETIMEDOUT);
  MaybeBury();
}

void TcpConnection::OnData(int receiver) {
  if (SimStream* socket = ends_[receiver].socket) socket->OnReadable();
}

void TcpConnection::OnFin(int receiver) {
  world_->Record(TraceKind::kFin, ends_[receiver].id, flows_[1 - receiver].id());
  if (FullyClosed()) StartTimeWait();
  if (SimStream* socket = ends_[receiver].socket) socket->OnReadable();
  MaybeBury();
}

void TcpConnection::OnWritable(int sender) {
  if (SimStream* socket = ends_[sender].socket) socket->OnWritable();
}

void TcpConnection::AnswerWithReset(int receiver) {
  flows_[receiver].SendReset();
  MaybeBury();
}

void TcpConnection::ResetIfBetween(uint32_t a, uint32_t b, Plane plane) {
  if (state_ != State::kEstablished || path(0)->plane() != plane) return;
  uint32_t x = ends_[0].id;
  uint32_t y = ends_[1].id;
  if (!(x == a && y == b) && !(x == b && y == a)) return;
  for (int side = 0; side < 2; ++side) {
    if (!ends_[side].alive() || ends_[side].reset) continue;
    if (!ends_[side].gone) world_->effects()->Bite(Fault::kReset);
    ShowControl(1 - side, kTcpRst, "sent by a middlebox");
    world_->Record(TraceKind::kReset, ends_[side].id, flows_[1 - side].id());
    Kill(side, ECONNRESET);
  }
  MaybeBury();
}

// The client's port is free again after `wait`. A crash has emptied the table already, and others
// may have taken it since.
void TcpConnection::ReleasePort(Duration wait) {
  MonotonicTime now = world_->now();
  if (!port_taken_ || port_until_ <= now || !ends_[0].alive()) return;
  port_taken_ = wait != Duration::zero();
  port_until_ = now + wait;
  ends_[0].host->ports()->Release(addresses_[0], addresses_[1], port_until_, now);
}

// RFC 9293, 3.6.1: the side that closed first keeps the connection's name for a while.
void TcpConnection::StartTimeWait() {
  if (unix_) return;
  if (first_fin_ == 0) return ReleasePort(ends_[0].host->config().limits.time_wait);
  ReleasePort(Duration::zero());
  Host* server = ends_[1].host;
  if (!ends_[1].alive()) return;
  server->ports()->Linger(addresses_[1], world_->now() + server->config().limits.time_wait);
}

// A half-open connection whose client has vanished leaves the SYN queue in the end.
bool TcpConnection::ExpiresInSynQueue() {
  if (listener_ == nullptr || queued_ || !ends_[1].alive() || ends_[1].reset) return false;
  handshake_.stage = Stage::kExpiry;
  world_->events()->Schedule(&handshake_, world_->now() + kSynQueueTime);
  return true;
}

void TcpConnection::MaybeBury() {
  if (buried_ || claimed_ || handshake_.queued() || handshake_.held || queued_) return;
  bool client_over = ends_[0].gone || !ends_[0].alive();
  if (!client_over || ends_[0].socket != nullptr || ends_[1].socket != nullptr) return;
  if (!flows_[0].wire_empty() || !flows_[1].wire_empty() || ExpiresInSynQueue()) return;
  bool server_over =
      ends_[1].gone || ends_[1].incarnation == 0 || !ends_[1].alive() || ends_[1].reset;
  if (!server_over) return;
  if (listener_ != nullptr && ends_[1].alive()) listener_->Forget(this);
  if (port_until_ == kInfiniteFuture) ReleasePort(Duration::zero());
  buried_ = true;
  world_->Bury(this);
}

}  // namespace faultline::sim
