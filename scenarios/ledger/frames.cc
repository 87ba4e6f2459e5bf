#include "scenarios/ledger/frames.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace faultline::ledger {
namespace {

using message::CatchUpDataFields;
using message::CatchUpRequestFields;
using message::CommitFields;
using message::Header;
using message::Message;
using message::MessageBuilder;
using message::PingFields;
using message::PongFields;
using message::PrepareFields;
using message::PrepareOkFields;
using message::RejectFields;
using message::ReplyFields;
using message::RequestFields;
using message::Role;

// In front of each entry in the body of catch-up data.
struct EntryHeader {
  message::Uint128 client;
  uint64_t number = 0;
  uint64_t payload_size = 0;
};
static_assert(sizeof(EntryHeader) == kEntryHeaderSize);

Role RoleOf(const Party& party) {
  switch (party.kind) {
    case Party::Kind::kReplica:
      return Role::kReplica;
    case Party::Kind::kClient:
      return Role::kClient;
    case Party::Kind::kReader:
      return Role::kReader;
  }
  return Role::kReplica;
}

Party PartyOf(Role role, const ClientId& client, ReplicaId replica) {
  if (role == Role::kReplica) return Party::Replica(replica);
  return role == Role::kClient ? Party::Client(client) : Party::Reader(client);
}

template <typename Fields>
Fields ToFields(const Greeting& greeting) {
  return {.client = ToWire(greeting.who.client),
          .incarnation = greeting.incarnation,
          .timestamp = greeting.timestamp,
          .sequence = greeting.sequence,
          .op = greeting.op,
          .commit = greeting.commit,
          .role = RoleOf(greeting.who)};
}

template <typename Fields>
Greeting FromFields(const Fields& fields, ReplicaId replica) {
  return {.who = PartyOf(fields.role, ClientFromWire(fields.client), replica),
          .incarnation = fields.incarnation,
          .sequence = fields.sequence,
          .timestamp = fields.timestamp,
          .op = fields.op,
          .commit = fields.commit};
}

// How many entries from `first_op` make a chunk, and their size in the body.
std::pair<uint64_t, size_t> MeasureChunk(const Log& log, uint64_t first_op, uint64_t last_op,
                                         const ChunkLimits& limits) {
  uint64_t count = 0;
  size_t bytes = 0;
  for (uint64_t op = first_op; op <= last_op && count < limits.max_entries; ++op) {
    const size_t size = sizeof(EntryHeader) + log.at(op).payload.size();
    if (count > 0 && bytes + size > limits.max_bytes) break;
    bytes += size;
    ++count;
  }
  return {count, bytes};
}

std::byte* WriteEntry(const Entry& entry, std::byte* to) {
  const EntryHeader header{ToWire(entry.id.client), entry.id.number, entry.payload.size()};
  std::memcpy(to, &header, sizeof(header));
  to += sizeof(header);
  if (!entry.payload.empty()) std::memcpy(to, entry.payload.data(), entry.payload.size());
  return to + entry.payload.size();
}

}  // namespace

Greeting ReadGreeting(const Message& greeting) {
  const ReplicaId replica = greeting.header().replica;
  return greeting.command() == message::Command::kPing
             ? FromFields(greeting.Fields<PingFields>(), replica)
             : FromFields(greeting.Fields<PongFields>(), replica);
}

ConnectionId ConnectionIdOf(const Greeting& ping, ReplicaId acceptor) {
  const uint64_t fields[] = {static_cast<uint64_t>(ping.who.kind),
                             ping.who.replica,
                             ping.who.client.high,
                             ping.who.client.low,
                             ping.incarnation,
                             ping.sequence,
                             acceptor};
  return DigestOfBytes(std::as_bytes(std::span(fields)));
}

Header FrameMaker::NewHeader() const {
  Header header;
  header.cluster = cluster_;
  header.replica = self_.replica;
  return header;
}

template <typename Fields>
Frozen FrameMaker::Make(const Fields& fields, std::span<const std::byte> body) const {
  Header header = NewHeader();
  header.SetFields(fields);
  return message::MakeMessage(pool_, header, body).frozen();
}

Frozen FrameMaker::Ping(const Greeting& greeting) const {
  Greeting own = greeting;
  own.who = self_;
  own.incarnation = incarnation_;
  return Make(ToFields<PingFields>(own));
}

Frozen FrameMaker::Pong(const Greeting& greeting) const {
  Greeting own = greeting;
  own.who = self_;
  own.incarnation = incarnation_;
  return Make(ToFields<PongFields>(own));
}

Frozen FrameMaker::Request(const EntryId& id, const Digest& request,
                           std::span<const std::byte> payload) const {
  return Make(
      RequestFields{
          .client = ToWire(id.client), .request_checksum = ToWire(request), .request = id.number},
      payload);
}

Frozen FrameMaker::Reply(const EntryId& id, const Digest& request, uint64_t op,
                         uint64_t commit) const {
  return Make(ReplyFields{.request_checksum = ToWire(request),
                          .context = {},
                          .client = ToWire(id.client),
                          .op = op,
                          .commit = commit,
                          .request = id.number});
}

Frozen FrameMaker::Refusal(const EntryId& id, const Digest& request) const {
  return Make(ReplyFields{.request_checksum = ToWire(request),
                          .context = {},
                          .client = ToWire(id.client),
                          .request = id.number,
                          .status = message::ReplyStatus::kRefused});
}

Frozen FrameMaker::Reject(message::RejectReason reason) const {
  return Make(RejectFields{.client = {}, .request_checksum = {}, .reason = reason});
}

Frozen FrameMaker::Prepare(const Log& log, uint64_t op, uint64_t commit) const {
  const Entry entry = log.at(op);
  return Make(
      PrepareFields{.client = ToWire(entry.id.client),
                    .request_checksum = ToWire(DigestOfRequest(entry.id, entry.payload_digest)),
                    .parent = ToWire(log.chain(op - 1)),
                    .op = op,
                    .commit = commit,
                    .request = entry.id.number,
                    .incarnation = incarnation_},
      entry.payload);
}

Frozen FrameMaker::PrepareOk(uint64_t op, const Digest& digest, uint64_t commit,
                             uint64_t primary_incarnation) const {
  return Make(PrepareOkFields{.digest = ToWire(digest),
                              .op = op,
                              .commit = commit,
                              .incarnation = incarnation_,
                              .primary_incarnation = primary_incarnation});
}

Frozen FrameMaker::Commit(const Log& log, uint64_t commit) const {
  return Make(CommitFields{
      .digest = ToWire(log.chain(commit)), .commit = commit, .incarnation = incarnation_});
}

Frozen FrameMaker::CatchUpRequest(uint64_t first_op, const Digest& parent,
                                  uint64_t sequence) const {
  return Make(CatchUpRequestFields{.digest = ToWire(parent),
                                   .first_op = first_op,
                                   .incarnation = incarnation_,
                                   .sequence = sequence});
}

Frozen FrameMaker::CatchUpData(const Log& log, uint64_t first_op, uint64_t last_op, uint64_t commit,
                               uint64_t sequence, const ChunkLimits& limits,
                               uint64_t* end_op) const {
  const auto [count, bytes] = MeasureChunk(log, first_op, last_op, limits);
  MessageBuilder builder(pool_, bytes);
  builder.header() = NewHeader();
  builder.header().SetFields(CatchUpDataFields{.parent = ToWire(log.chain(first_op - 1)),
                                               .first_op = first_op,
                                               .count = count,
                                               .last_op = last_op,
                                               .commit = commit,
                                               .incarnation = incarnation_,
                                               .sequence = sequence});
  std::byte* to = builder.body().data();
  *end_op = first_op + count - 1;
  for (uint64_t op = first_op; op <= *end_op; ++op) to = WriteEntry(log.at(op), to);
  return std::move(builder).Seal().frozen();
}

std::optional<CatchUpBody::Item> CatchUpBody::Next() {
  if (rest_.empty() || !status_.ok()) return std::nullopt;
  EntryHeader header;
  const bool whole = rest_.size() >= sizeof(header);
  if (whole) std::memcpy(&header, rest_.data(), sizeof(header));
  if (!whole || header.payload_size > rest_.size() - sizeof(header)) {
    status_ = absl::InvalidArgumentError(
        absl::StrCat("an entry of catch-up data is torn: ", rest_.size(), " bytes are left"));
    return std::nullopt;
  }
  Item item{{ClientFromWire(header.client), header.number},
            rest_.subspan(sizeof(header), header.payload_size)};
  rest_ = rest_.subspan(sizeof(header) + header.payload_size);
  return item;
}

}  // namespace faultline::ledger
