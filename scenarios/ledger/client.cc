#include "scenarios/ledger/client.h"

#include <algorithm>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"

namespace faultline::ledger {
namespace {

using message::Command;
using message::RejectFields;
using message::ReplyFields;

ClientId DrawIfZero(ClientId id, Entropy* entropy) {
  while (id == ClientId()) entropy->Fill(std::as_writable_bytes(std::span(&id, 1)));
  return id;
}

}  // namespace

Client::Client(const ClientConfig& config, const Runtime& runtime, const Observers& observers,
               const LedgerBugs* bugs)
    : config_(config),
      runtime_(runtime),
      observers_(observers),
      bugs_(bugs),
      id_(DrawIfZero(config.id, runtime.entropy)),
      frames_(runtime.buffers, config.cluster, Party::Client(id_), 0) {}

Task<absl::StatusOr<uint64_t>> Client::Append(Frozen payload) {
  if (payload.size() > MaxPayload(config_.pipe.max_message_size)) {
    co_return absl::InvalidArgumentError(absl::StrCat("a payload of ", payload.size(), " bytes"));
  }
  while (gave_up_.ok() && pending_.size() >= config_.window) {
    room_.Reset();
    absl::Status room = co_await room_.Wait();
    if (!room.ok()) co_return room;
  }
  if (!gave_up_.ok()) co_return gave_up_;
  Ticket ticket(this, ++last_number_);
  Issue(&ticket, payload);
  absl::Status done = co_await ticket.done.Wait();
  if (ticket.op != 0) co_return ticket.op;
  co_return done.ok() ? gave_up_ : done;
}

void Client::Issue(Ticket* ticket, const Frozen& payload) {
  const EntryId id{id_, ticket->number};
  const Digest request = DigestOfRequest(id, DigestOfBytes(payload.bytes()));
  pending_.push_back({.number = id.number,
                      .request = request,
                      .frame = frames_.Request(id, request, payload.bytes()),
                      .ticket = ticket});
  if (observers_.clients != nullptr) observers_.clients->OnIssued(id, request);
  Feed();
}

Client::Ticket::~Ticket() {
  Pending* pending = client->Find(number);
  if (pending != nullptr) pending->ticket = nullptr;
}

Client::Pending* Client::Find(uint64_t number) {
  if (pending_.empty() || number < pending_.front().number) return nullptr;
  const uint64_t index = number - pending_.front().number;
  return index < pending_.size() ? &pending_[index] : nullptr;
}

// --- Connections ---

Greeting Client::OwnGreeting(uint64_t attempt) const {
  return {.who = self(), .sequence = attempt, .op = last_sent_};
}

ConnectionId Client::IdOf(uint64_t attempt, const message::Message& pong) const {
  return ConnectionIdOf(OwnGreeting(attempt), pong.header().replica);
}

void Client::OnConnected(Pipe* pipe) {
  ++connections_;
  pipe_ = pipe;
  unsent_ = 0;
  last_ping_ = runtime_.clock->Now();
  if (observers_.connections != nullptr) {
    observers_.connections->OnConnected(pipe->self(), pipe->peer(), pipe->id());
  }
  Feed();
}

void Client::OnLost(Pipe* pipe) {
  pipe_ = nullptr;
  if (observers_.connections == nullptr) return;
  observers_.connections->OnLost(pipe->self(), pipe->peer(), pipe->id(), pipe->status());
}

void Client::Feed() {
  for (; pipe_ != nullptr && unsent_ < pending_.size(); ++unsent_) {
    Pending& next = pending_[unsent_];
    if (next.done) continue;
    if (!pipe_->Send(next.frame)) return;
    next.sent_at = runtime_.clock->Now();
    last_sent_ = std::max(last_sent_, next.number);
  }
}

void Client::Watch() {
  const MonotonicTime now = runtime_.clock->Now();
  if (pipe_ == nullptr || pipe_->ending()) return;
  if (now - pipe_->last_heard() >= config_.silence) {
    pipe_->Fail(absl::DeadlineExceededError("nothing was heard for too long"));
  } else if (unsent_ > 0 && now - pending_.front().sent_at >= config_.request_timeout) {
    pipe_->Fail(absl::DeadlineExceededError(
        absl::StrCat("no reply to ", ToString(EntryId{id_, pending_.front().number}))));
  } else if (now - last_ping_ >= config_.keepalive) {
    last_ping_ = now;
    pipe_->Send(frames_.Ping(OwnGreeting(0)));
  }
}

void Client::GiveUp(absl::Status reason) {
  gave_up_ = std::move(reason);
  for (Pending& pending : pending_) {
    if (pending.ticket != nullptr) pending.ticket->done.Set();
  }
  room_.Set();
}

// --- Frames ---

absl::Status Client::OnFrame(Pipe*, const message::Message& frame) {
  if (frame.command() == Command::kReply) return OnReply(frame.Fields<ReplyFields>());
  if (frame.command() == Command::kReject) return StatusOfReject(frame.Fields<RejectFields>());
  if (frame.command() == Command::kPong) return absl::OkStatus();
  const std::string_view name = message::CommandName(frame.command());
  return absl::InvalidArgumentError(
      absl::StrCat("a ", absl::string_view(name.data(), name.size()), " for a client"));
}

absl::Status Client::OnReply(const ReplyFields& reply) {
  const EntryId id{ClientFromWire(reply.client), reply.request};
  const Digest request = DigestFromWire(reply.request_checksum);
  const bool served = reply.status == message::ReplyStatus::kOk;
  if (served && observers_.clients != nullptr) {
    observers_.clients->OnReply(id_, {id, reply.op, request});
  }
  if (id.client != id_ || (reply.op == 0) == served || id.number > last_sent_) {
    return absl::DataLossError(absl::StrCat("a reply to ", ToString(id), ", op ", reply.op));
  }
  Pending* pending = Find(id.number);
  if (pending == nullptr || pending->done) return absl::OkStatus();  // answered before
  if (pending->request != request) {
    return absl::DataLossError(absl::StrCat("a reply to another ", ToString(id)));
  }
  if (!served) return OnRefusal(id, reply.status);
  Complete(pending, reply.op);
  return absl::OkStatus();
}

// Entries follow each other without gaps: behind one that is not taken, no other can be.
absl::Status Client::OnRefusal(const EntryId& id, message::ReplyStatus status) {
  GiveUp(absl::FailedPreconditionError(
      absl::StrCat("the ledger refused ", ToString(id), " (reply status ",
                   static_cast<uint32_t>(status), "): it is too large, or the log is full")));
  return gave_up_;
}

void Client::Complete(Pending* pending, uint64_t op) {
  pending->done = true;
  ++completed_;
  pending->frame = Frozen();
  if (observers_.clients != nullptr) observers_.clients->OnCompleted({id_, pending->number}, op);
  if (pending->ticket != nullptr) {
    pending->ticket->op = op;
    pending->ticket->done.Set();
  }
  while (!pending_.empty() && pending_.front().done) {
    pending_.pop_front();
    if (unsent_ > 0) --unsent_;
    room_.Set();
  }
}

}  // namespace faultline::ledger
