#include "scenarios/ledger/replica.h"

#include <algorithm>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"

namespace faultline::ledger {
namespace {

using message::CatchUpRequestFields;
using message::Command;
using message::CommitFields;
using message::PrepareOkFields;
using message::RejectReason;

// Tells one life of a process from another. Not 0.
uint64_t DrawIncarnation(Entropy* entropy) {
  uint64_t drawn = 0;
  while (drawn == 0) entropy->Fill(std::as_writable_bytes(std::span(&drawn, 1)));
  return drawn;
}

absl::Status Unexpected(Command command, const Party& from) {
  const std::string_view name = message::CommandName(command);
  return absl::InvalidArgumentError(
      absl::StrCat("a ", absl::string_view(name.data(), name.size()), " from ", ToString(from)));
}

}  // namespace

absl::Status Validate(const ReplicaConfig& config) {
  const size_t count = config.peers.size();
  if (count % 2 == 0 || count > kMaxReplicas) {
    return absl::InvalidArgumentError(
        absl::StrCat("a cluster has an odd number of replicas, at most ", int{kMaxReplicas},
                     "; this one has ", count));
  }
  if (config.replica >= count) {
    return absl::InvalidArgumentError(
        absl::StrCat("there is no replica ", int{config.replica}, " of ", count));
  }
  for (const PlaneLimits* plane : {&config.replicas, &config.clients}) {
    if (plane->pipe.queue_frames < 1 || plane->pipe.max_batch < 1) {
      return absl::InvalidArgumentError("a queue and a batch hold at least one frame");
    }
    if (plane->pipe.max_message_size < 2 * message::kHeaderSize) {
      return absl::InvalidArgumentError("the maximum message size is too small for an entry");
    }
    if (plane->max_queued_bytes < 2 * plane->pipe.max_message_size) {
      return absl::InvalidArgumentError("a plane's queues must hold a frame of any size");
    }
  }
  const size_t replica_frame = config.replicas.pipe.max_message_size;
  if (replica_frame < config.clients.pipe.max_message_size + kEntryHeaderSize) {
    return absl::InvalidArgumentError(
        absl::StrCat("a frame between replicas must hold the largest of a client and ",
                     kEntryHeaderSize, " bytes: an entry that is caught up on"));
  }
  if (replica_frame < config.catch_up.max_bytes + message::kHeaderSize) {
    return absl::InvalidArgumentError("a frame between replicas must hold a chunk");
  }
  if (config.sessions.max_sessions < config.clients.max_connections) {
    return absl::InvalidArgumentError("there must be a session for each client's connection");
  }
  if (config.clients.pipe.queue_frames < config.sessions.window) {
    return absl::InvalidArgumentError("a client's queue must hold the replies of its window");
  }
  return absl::OkStatus();
}

Replica::Replica(const ReplicaConfig& config, const Runtime& runtime, const ReplicaParts& parts)
    : config_(config),
      runtime_(runtime),
      parts_(parts),
      frames_(runtime.buffers, config.cluster, Party::Replica(config.replica),
              DrawIncarnation(runtime.entropy)),
      replicas_(parts.observers.connections, parts.bugs),
      clients_(parts.observers.connections, parts.bugs),
      budgets_{ByteBudget(config.replicas.max_queued_bytes),
               ByteBudget(config.clients.max_queued_bytes)},
      last_tick_(runtime.clock->Now()) {
  const ProtocolParts protocol{.log = parts.log,
                               .frames = &frames_,
                               .outgoing = this,
                               .observer = parts.observers.replicas,
                               .bugs = parts.bugs};
  if (is_primary()) {
    const PrimaryLimits limits{
        .sessions = config.sessions, .chunks = config.catch_up, .max_payload = MaxPayload(config)};
    primary_.emplace(config.replica_count(), limits, protocol);
  } else {
    backup_.emplace(config.replica, config.replica_count(), config.catch_up_timeout,
                    config.catch_up, protocol);
  }
  if (protocol.observer != nullptr) {
    protocol.observer->OnReplicaStarted(config.replica, frames_.incarnation(), parts.log);
  }
}

Replica::~Replica() {
  ReplicaObserver* observer = parts_.observers.replicas;
  if (observer != nullptr) observer->OnReplicaGone(config_.replica, frames_.incarnation());
}

uint64_t Replica::committed() const {
  return primary_.has_value() ? primary_->committed() : backup_->committed();
}

// --- Handshakes ---

Replica::Admission Replica::Admit(Plane plane, const message::Message& ping) {
  if (ping.command() != Command::kPing) return Reject(RejectReason::kNotReady);
  if (ping.header().cluster != config_.cluster) return Reject(RejectReason::kWrongCluster);
  if (draining_) return Reject(RejectReason::kShuttingDown);
  const Greeting greeting = ReadGreeting(ping);
  return plane == Plane::kReplicas ? AdmitReplica(greeting) : AdmitClient(greeting);
}

Replica::Admission Replica::AdmitReplica(const Greeting& greeting) {
  const ReplicaId peer = greeting.who.replica;
  if (greeting.who.kind != Party::Kind::kReplica || peer >= config_.replica) {
    return Reject(RejectReason::kNotReady);  // the lower number dials
  }
  if (Superseded(replicas_, greeting)) return Reject(RejectReason::kSuperseded);
  return Welcome(greeting);
}

Replica::Admission Replica::AdmitClient(const Greeting& greeting) {
  if (greeting.who.kind == Party::Kind::kReplica) return Reject(RejectReason::kNotReady);
  if (greeting.who.kind == Party::Kind::kReader) return Welcome(greeting);
  if (!primary_.has_value()) return Reject(RejectReason::kNotPrimary);
  if (Superseded(clients_, greeting)) return Reject(RejectReason::kSuperseded);
  absl::Status opened =
      primary_->OnClientConnected(greeting.who.client, greeting.op, runtime_.clock->Now());
  if (absl::IsResourceExhausted(opened)) return Reject(RejectReason::kOverloaded);
  if (!opened.ok()) return Reject(RejectReason::kSuperseded);
  return Welcome(greeting);
}

// A later attempt of the same dialer is here already: this one was given up.
bool Replica::Superseded(const Registry& registry, const Greeting& greeting) const {
  const Pipe* pipe = registry.Find(greeting.who);
  return pipe != nullptr && pipe->peer_info().incarnation == greeting.incarnation &&
         pipe->peer_info().attempt >= greeting.sequence;
}

Replica::Admission Replica::Reject(RejectReason reason) const {
  return {.admitted = false, .answer = frames_.Reject(reason)};
}

Replica::Admission Replica::Welcome(const Greeting& greeting) const {
  Greeting state = StateFor(greeting.who);
  state.sequence = greeting.sequence;
  state.timestamp = greeting.timestamp;
  return {.admitted = true,
          .peer = {greeting.who, greeting.incarnation, greeting.sequence},
          .id = ConnectionIdOf(greeting, config_.replica),
          .greeting = greeting,
          .answer = frames_.Pong(state)};
}

// How far the log goes, as far as it concerns `peer`.
Greeting Replica::StateFor(const Party& peer) const {
  const bool backup = primary_.has_value() && peer.kind == Party::Kind::kReplica;
  return {.op = backup ? primary_->head_for(peer.replica) : log().last_op(), .commit = committed()};
}

Greeting Replica::OwnGreeting(uint64_t attempt) const {
  return {.who = self(),
          .incarnation = frames_.incarnation(),
          .sequence = attempt,
          .op = log().last_op(),
          .commit = committed()};
}

absl::StatusOr<Replica::Admission> Replica::Accept(ReplicaId peer, uint64_t attempt,
                                                   const message::Message& pong) const {
  const Greeting greeting = ReadGreeting(pong);
  if (pong.header().cluster != config_.cluster || greeting.who != Party::Replica(peer) ||
      greeting.sequence != attempt) {
    return absl::InvalidArgumentError(
        absl::StrCat(ToString(greeting.who), " answered in place of replica ", int{peer}));
  }
  return Admission{.admitted = true,
                   .peer = {greeting.who, greeting.incarnation, attempt},
                   .id = ConnectionIdOf(OwnGreeting(attempt), peer),
                   .greeting = greeting};
}

// --- Connections ---

Pipe* Replica::Add(Plane plane, Pipe* pipe, const Greeting& greeting) {
  ++counters_.admitted;
  Pipe* older = (plane == Plane::kReplicas ? replicas_ : clients_).Add(pipe);
  if (plane == Plane::kClients) return older;
  const ReplicaId peer = pipe->peer().replica;
  if (older != nullptr && backup_.has_value()) backup_->OnPeerLost(peer);
  if (primary_.has_value()) primary_->OnBackupConnected(peer, greeting.incarnation);
  if (backup_.has_value()) backup_->OnPeerConnected(peer, greeting, runtime_.clock->Now());
  return older;
}

void Replica::Release(Plane plane, Pipe* pipe) {
  if (pipe->failed()) ++counters_.lost;
  if (draining_) ++(pipe->failed() ? counters_.ended_forced : counters_.ended_clean);
  const bool registered = (plane == Plane::kReplicas ? replicas_ : clients_).Release(pipe);
  if (!registered) return;
  if (pipe->peer().kind == Party::Kind::kReader) return;
  if (plane == Plane::kClients) {
    const bool goodbye = pipe->ended_by_peer() && !pipe->failed();
    primary_->OnClientLeft(pipe->peer().client, goodbye, runtime_.clock->Now());
  } else if (primary_.has_value()) {
    primary_->OnBackupLost(pipe->peer().replica);
  } else {
    backup_->OnPeerLost(pipe->peer().replica);
  }
}

// --- Frames ---

absl::Status Replica::CheckSender(const Pipe& pipe, const message::Message& frame) const {
  if (frame.header().cluster != config_.cluster) {
    return absl::InvalidArgumentError("a frame of another cluster");
  }
  if (pipe.peer().kind == Party::Kind::kReplica && frame.header().replica != pipe.peer().replica) {
    return absl::InvalidArgumentError("a frame of another replica");
  }
  return absl::OkStatus();
}

absl::Status Replica::OnReplicaFrame(Pipe* pipe, const message::Message& frame) {
  if (absl::Status sender = CheckSender(*pipe, frame); !sender.ok()) return sender;
  const ReplicaId from = pipe->peer().replica;
  const MonotonicTime now = runtime_.clock->Now();
  switch (frame.command()) {
    case Command::kPing:
    case Command::kPong:
      return OnGreetingFrame(pipe, from, frame);
    case Command::kPrepareOk:
      if (!primary_.has_value()) break;
      return primary_->OnPrepareOk(from, frame.Fields<PrepareOkFields>());
    case Command::kCatchUpRequest: {
      const auto request = frame.Fields<CatchUpRequestFields>();
      return primary_.has_value() ? primary_->OnCatchUpRequest(from, request)
                                  : backup_->OnCatchUpRequest(from, request);
    }
    case Command::kPrepare:
      if (!backup_.has_value()) break;
      return backup_->OnPrepare(from, frame, now);
    case Command::kCommit:
      if (!backup_.has_value()) break;
      return backup_->OnCommit(from, frame.Fields<CommitFields>());
    case Command::kCatchUpData:
      if (!backup_.has_value()) break;
      return backup_->OnCatchUpData(from, frame, now);
    default:
      break;
  }
  return Unexpected(frame.command(), pipe->peer());
}

absl::Status Replica::OnGreetingFrame(Pipe* pipe, ReplicaId from, const message::Message& frame) {
  const Greeting greeting = ReadGreeting(frame);
  if (frame.command() == Command::kPing) {
    Greeting answer = StateFor(pipe->peer());
    answer.sequence = greeting.sequence;
    answer.timestamp = greeting.timestamp;
    ToReplica(from, frames_.Pong(answer));
  }
  if (backup_.has_value()) backup_->OnGreeting(from, greeting, runtime_.clock->Now());
  return absl::OkStatus();
}

absl::Status Replica::OnClientFrame(Pipe* pipe, const message::Message& frame) {
  if (absl::Status sender = CheckSender(*pipe, frame); !sender.ok()) return sender;
  if (draining_) return absl::OkStatus();
  if (pipe->peer().kind == Party::Kind::kReader) return OnReaderFrame(pipe, frame);
  if (frame.command() == Command::kRequest) {
    absl::Status taken = primary_->OnRequest(pipe->peer().client, frame, pipe->slot);
    if (!absl::IsResourceExhausted(taken) && !absl::IsFailedPrecondition(taken)) return taken;
    pipe->Finish();
    return absl::OkStatus();
  }
  if (frame.command() == Command::kPing) {
    Greeting answer = StateFor(pipe->peer());
    answer.sequence = ReadGreeting(frame).sequence;
    SendReply(pipe, frames_.Pong(answer));
    return absl::OkStatus();
  }
  ++counters_.ignored_frames;
  return absl::OkStatus();
}

// Entries from where the reader is, as many as a chunk takes; none if it is at the end or beyond.
absl::Status Replica::OnReaderFrame(Pipe* pipe, const message::Message& frame) {
  if (frame.command() != Command::kCatchUpRequest) return Unexpected(frame.command(), pipe->peer());
  const auto request = frame.Fields<CatchUpRequestFields>();
  const uint64_t last = log().last_op();
  const uint64_t first = std::clamp<uint64_t>(request.first_op, 1, last + 1);
  uint64_t end = 0;
  SendReply(pipe, frames_.CatchUpData(log(), first, last, committed(), request.sequence,
                                      config_.catch_up, &end));
  return absl::OkStatus();
}

// --- Sending ---

bool Replica::ToReplica(ReplicaId replica, Frozen frame) {
  Pipe* pipe = PipeTo(replica);
  if (pipe != nullptr && pipe->Send(std::move(frame))) return true;
  ++counters_.dropped_frames;
  return false;
}

bool Replica::ToClient(const ClientId& client, Frozen frame) {
  return SendReply(clients_.Find(Party::Client(client)), std::move(frame));
}

bool Replica::ToSlot(uint32_t slot, Frozen frame) {
  return SendReply(clients_.FindSlot(slot), std::move(frame));
}

bool Replica::SendReply(Pipe* pipe, Frozen frame) {
  if (pipe == nullptr || pipe->ending()) return false;
  if (pipe->outbox()->HasRoomFor(frame) && !budget(Plane::kClients)->HasRoomFor(MemoryOf(frame))) {
    ShedLongestQueue(Plane::kClients);
  }
  if (pipe->Send(std::move(frame))) return true;
  if (!pipe->ending()) pipe->Fail(absl::ResourceExhaustedError("it does not read its replies"));
  return false;
}

// Whoever reads least makes room for the others.
void Replica::ShedLongestQueue(Plane plane) {
  Pipe* longest = nullptr;
  for (const auto& [serial, pipe] : registry(plane).live()) {
    if (pipe->failed()) continue;
    if (longest == nullptr || pipe->outbox()->held() > longest->outbox()->held()) longest = pipe;
  }
  if (longest == nullptr) return;
  ++counters_.shed;
  longest->Fail(absl::ResourceExhaustedError(absl::StrCat(
      "too much waits to be written, most of it, ", longest->outbox()->held(), " bytes, here")));
}

// --- Background ---

void Replica::Tick() {
  const MonotonicTime now = runtime_.clock->Now();
  // After a pause of this process, the silence of others proves nothing.
  const bool was_away = now - last_tick_ > config_.replicas.silence / 2;
  last_tick_ = now;
  EndTheSilent(Plane::kReplicas, now, was_away);
  EndTheSilent(Plane::kClients, now, was_away);
  if (primary_.has_value()) primary_->Replicate();
  if (backup_.has_value()) backup_->OnTick(now);
  PingReplicas();
}

void Replica::PingReplicas() {
  ++last_ping_;
  for (ReplicaId r = 0; r < config_.replica_count(); ++r) {
    if (r == config_.replica || PipeTo(r) == nullptr) continue;
    Greeting state = StateFor(Party::Replica(r));
    state.sequence = last_ping_;
    ToReplica(r, frames_.Ping(state));
  }
}

void Replica::EndTheSilent(Plane plane, MonotonicTime now, bool was_away) {
  for (const auto& [serial, pipe] : registry(plane).live()) {
    if (was_away) pipe->set_last_heard(now);
    if (now - pipe->last_heard() < limits(plane).silence) continue;
    pipe->Fail(absl::DeadlineExceededError("nothing was heard for too long"));
  }
}

}  // namespace faultline::ledger
