#include "sim/tcp.h"

#include <cerrno>
#include <utility>

#include "runtime/check.h"
#include "sim/host.h"
#include "sim/listener.h"
#include "sim/stream.h"

namespace faultline::sim {
namespace {

constexpr uint64_t kConnectionTag = 5;

uint64_t ConnectionId(Host* client, Host* server, Plane plane) {
  return ChooserId({kConnectionTag, client->id(), server->id(), static_cast<uint64_t>(plane),
                    client->NextConnectionOrdinal(server->id(), plane)});
}

size_t MssOf(World* world, Plane plane) {
  const TcpConfig& tcp = world->config().tcp;
  return plane == Plane::kLoopback ? tcp.loopback_mss : tcp.mss;
}

}  // namespace

bool TcpEnd::alive() const { return host->up() && host->incarnation() == incarnation; }

TcpConnection::TcpConnection(World* world, Host* client, const Endpoint& local, Host* server,
                             const Endpoint& remote, Plane plane)
    : world_(world),
      id_(ConnectionId(client, server, plane)),
      ends_{{client, client->incarnation(), local}, {server, 0, remote}},
      paths_{world->PathBetween(client->id(), server->id(), plane),
             world->PathBetween(server->id(), client->id(), plane)},
      flows_{TcpFlow(this, 0, paths_[0], paths_[1], MssOf(world, plane)),
             TcpFlow(this, 1, paths_[1], paths_[0], MssOf(world, plane))} {
  handshake_.connection = this;
  for (int side = 0; side < 2; ++side) {
    const HostLimits& limits = ends_[side].host->config().limits;
    flows_[side].SetSendBuffer(limits.send_buffer_bytes);
    flows_[1 - side].SetReceiveBuffer(limits.receive_buffer_bytes);
  }
}

TcpConnection::~TcpConnection() = default;

// --- Handshake ---

void TcpConnection::SendSyn() {
  handshake_.stage = Stage::kSyn;
  handshake_.sent = world_->now();
  world_->Record(TraceKind::kConnect, ends_[0].host->id(), id_,
                 static_cast<uint64_t>(handshake_.attempt));
  world_->events()->Schedule(
      &handshake_, paths_[0]->DepartSmall(world_->now(), flows_[0].chooser(), Choice::kLatency));
}

void TcpConnection::OnHandshakeEvent() {
  switch (handshake_.stage) {
    case Stage::kSyn:
      if (Passes(paths_[0])) OnSynArrival();
      return;
    case Stage::kSynAck:
      if (Passes(paths_[1])) OnSynAckArrival();
      return;
    case Stage::kRefusal:
      if (Passes(paths_[1])) FailConnect(ECONNREFUSED);
      return;
    case Stage::kExpiry:
      handshake_.stage = Stage::kDone;
      return Kill(1, ETIMEDOUT), MaybeBury();
    case Stage::kDone:
      return;
  }
}

// Whether the handshake's packet gets through `path`; if not, its retransmission has been arranged.
bool TcpConnection::Passes(Path* path) {
  Passage passage = path->passage();
  if (passage == Passage::kHold) {
    handshake_.held = true;
    world_->effects()->Bite(Fault::kHold);
    return false;
  }
  if (passage == Passage::kDrop) {
    world_->effects()->Bite(path->blocked_by());
    RetrySyn();
    return false;
  }
  if (flows_[0].chooser()->Chance(Choice::kLoss, path->link().loss)) {
    world_->effects()->Bite(Fault::kLoss);
    RetrySyn();
    return false;
  }
  return true;
}

void TcpConnection::RetrySyn() {
  if (abandoned_ || !ends_[0].alive()) return FailConnect(ECANCELED);
  const TcpConfig& tcp = world_->config().tcp;
  Duration wait = tcp.syn_timeout * (int64_t{1} << handshake_.attempt);
  MonotonicTime again = std::max(world_->now(), handshake_.sent + wait);
  if (++handshake_.attempt > tcp.syn_retries) {
    world_->Record(TraceKind::kConnectTimeout, ends_[0].host->id(), id_);
    return FailConnect(ETIMEDOUT);
  }
  handshake_.stage = Stage::kSyn;
  handshake_.sent = again;
  world_->Record(TraceKind::kConnect, ends_[0].host->id(), id_,
                 static_cast<uint64_t>(handshake_.attempt));
  world_->events()->Schedule(&handshake_,
                             paths_[0]->DepartSmall(again, flows_[0].chooser(), Choice::kLatency));
}

void TcpConnection::OnSynArrival() {
  TcpEnd& server = ends_[1];
  if (!server.host->up()) return RetrySyn();
  bool known = listener_ != nullptr && server.alive();
  SimListener* listener = server.host->ports()->listeners()->Find(server.address);
  if (!known && listener == nullptr) {
    world_->Record(TraceKind::kRefused, server.host->id(), id_);
    handshake_.stage = Stage::kRefusal;
  } else if (!known && !listener->Admit(this)) {
    world_->effects()->Bite(Fault::kBacklog);
    world_->Record(TraceKind::kBacklogDrop, server.host->id(), id_);
    return RetrySyn();
  } else {
    if (!known) {
      listener_ = listener;
      server.incarnation = server.host->incarnation();
    }
    handshake_.stage = Stage::kSynAck;
  }
  world_->events()->Schedule(
      &handshake_, paths_[1]->DepartSmall(world_->now(), flows_[1].chooser(), Choice::kLatency));
}

void TcpConnection::OnSynAckArrival() {
  handshake_.stage = Stage::kDone;
  if (abandoned_ || !ends_[0].alive()) {
    FailConnect(ECANCELED);
    if (ends_[0].host->up()) AnswerWithReset(0);
    return;
  }
  state_ = State::kEstablished;
  world_->Record(TraceKind::kEstablished, ends_[0].host->id(), id_);
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
  if (listener_ != nullptr && error != ECANCELED) std::exchange(listener_, nullptr)->Forget(this);
  ReleasePort();
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
  MaybeBury();
}

void TcpConnection::OnPassageChange() {
  if (!handshake_.held) return;
  handshake_.held = false;
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

void TcpConnection::LeaveBacklog() {
  queued_ = false;
  listener_ = nullptr;
  MaybeBury();
}

// --- Sockets ---

int TcpConnection::TakeError(int side) { return std::exchange(ends_[side].error, 0); }

void TcpConnection::FinishEnd(int side) {
  if (first_fin_ < 0) first_fin_ = side;
  flows_[side].Finish();
}

void TcpConnection::CloseEnd(int side) {
  TcpEnd& end = ends_[side];
  TcpFlow& incoming = flows_[1 - side];
  if (incoming.unread() > 0 && !end.reset) return AbortEnd(side);
  world_->Record(TraceKind::kClose, end.host->id(), id_, 0);
  end.socket = nullptr;
  end.gone = true;
  if (!end.reset) {
    flows_[side].SetWriterWaiting(false);
    if (!flows_[side].fin_queued()) FinishEnd(side);
  }
  MaybeBury();
}

void TcpConnection::AbortEnd(int side) {
  TcpEnd& end = ends_[side];
  world_->Record(TraceKind::kClose, end.host->id(), id_, 1);
  end.socket = nullptr;
  end.gone = true;
  flows_[1 - side].Discard();
  flows_[side].SetWriterWaiting(false);
  if (!end.reset) {
    end.reset = true;
    flows_[side].SendReset();
  }
  MaybeBury();
}

void TcpConnection::SilenceEnd(int side) {
  TcpEnd& end = ends_[side];
  end.socket = nullptr;
  end.gone = true;
  flows_[side].SetWriterWaiting(false);
  if (side == 0 && state_ == State::kConnecting) abandoned_ = true;
  if (side == 0) port_taken_ = false;  // the host's table of ports died with it
  MaybeBury();
}

// The connection ends at `side` with `error`: its calls fail, its packets are no more.
void TcpConnection::Kill(int side, int error) {
  TcpEnd& end = ends_[side];
  if (end.reset) return;
  end.reset = true;
  end.error = error;
  flows_[side].Cut();
  flows_[side].SetWriterWaiting(false);
  Wake(side);
}

void TcpConnection::Wake(int side) {
  if (SimStream* socket = ends_[side].socket) socket->OnReset();
}

void TcpConnection::OnReset(int receiver) {
  TcpEnd& end = ends_[receiver];
  if (end.alive() && !end.reset) {
    world_->Record(TraceKind::kReset, end.host->id(), flows_[1 - receiver].id());
    // Linux: a reset after the peer's FIN (CLOSE_WAIT) shows as EPIPE.
    Kill(receiver, flows_[1 - receiver].fin_received() ? EPIPE : ECONNRESET);
  }
  MaybeBury();
}

void TcpConnection::OnUserTimeout(int sender) {
  world_->Record(TraceKind::kUserTimeout, ends_[sender].host->id(), flows_[sender].id());
  Kill(sender, ETIMEDOUT);
  MaybeBury();
}

void TcpConnection::OnData(int receiver) {
  if (SimStream* socket = ends_[receiver].socket) socket->OnReadable();
}

void TcpConnection::OnFin(int receiver) {
  world_->Record(TraceKind::kFin, ends_[receiver].host->id(), flows_[1 - receiver].id());
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
  if (state_ != State::kEstablished || paths_[0]->plane() != plane) return;
  uint32_t x = ends_[0].host->id();
  uint32_t y = ends_[1].host->id();
  if (!(x == a && y == b) && !(x == b && y == a)) return;
  for (int side = 0; side < 2; ++side) {
    if (!ends_[side].alive() || ends_[side].reset) continue;
    world_->effects()->Bite(Fault::kReset);
    world_->Record(TraceKind::kReset, ends_[side].host->id(), flows_[1 - side].id());
    Kill(side, ECONNRESET);
  }
}

void TcpConnection::ReleasePort() {
  if (!std::exchange(port_taken_, false)) return;
  bool waits = first_fin_ == 0 && !ends_[0].reset && !ends_[1].reset;
  Host* client = ends_[0].host;
  MonotonicTime until = waits ? world_->now() + client->config().limits.time_wait : world_->now();
  client->ports()->Release(ends_[0].address, ends_[1].address, until, world_->now());
}

// A half-open connection whose client has vanished leaves the SYN queue after Linux's SYN-ACK
// retries (5: 63 s).
bool TcpConnection::ExpiresInSynQueue() {
  if (listener_ == nullptr || queued_ || !ends_[1].alive() || ends_[1].reset) return false;
  handshake_.stage = Stage::kExpiry;
  world_->events()->Schedule(&handshake_, world_->now() + 63s);
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
  ReleasePort();
  buried_ = true;
  world_->Bury(this);
}

}  // namespace faultline::sim
