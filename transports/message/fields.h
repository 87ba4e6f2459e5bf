// The fields of each command: bytes 128..256 of the header, as values.
//
// Offsets in comments and assertions count from the start of the frame. Requests and replies are
// laid out as other speakers of this protocol lay them out; the rest is between our replicas.
// Timestamps are nanoseconds of the sender's wall clock, from the Unix epoch; nothing depends on
// them. An incarnation is a number that tells one life of a process from all others; it has no
// order.
#ifndef FAULTLINE_TRANSPORTS_MESSAGE_FIELDS_H_
#define FAULTLINE_TRANSPORTS_MESSAGE_FIELDS_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "transports/message/header.h"

namespace faultline::message {

struct RequestFields {
  static constexpr Command kCommand = Command::kRequest;

  Uint128 client{};
  Uint128 request_checksum{};  // names the request; its reply repeats it
  uint64_t timestamp = 0;
  uint64_t request = 0;  // the client's number, from 1
  Operation operation = Operation::kAppend;
  std::array<uint8_t, 7> padding{};
  uint64_t session = 0;
  uint32_t user_id = 0;
  std::array<uint8_t, 60> reserved{};
};

struct ReplyFields {
  static constexpr Command kCommand = Command::kReply;

  Uint128 request_checksum{};  // of the request that this answers
  Uint128 context{};
  Uint128 client{};
  uint64_t op = 0;      // the place of the entry
  uint64_t commit = 0;  // everything up to here is held by a majority
  uint64_t timestamp = 0;
  uint64_t request = 0;
  Operation operation = Operation::kAppend;
  std::array<uint8_t, 7> padding{};
  ReplyStatus status = ReplyStatus::kOk;
  std::array<uint8_t, 36> reserved{};
};

struct PrepareFields {
  static constexpr Command kCommand = Command::kPrepare;

  Uint128 client{};
  Uint128 request_checksum{};
  Uint128 parent{};  // digest of the log up to op - 1
  uint64_t op = 0;
  uint64_t commit = 0;
  uint64_t timestamp = 0;
  uint64_t request = 0;
  Operation operation = Operation::kAppend;
  std::array<uint8_t, 7> padding{};
  uint64_t incarnation = 0;  // of the primary
  std::array<uint8_t, 32> reserved{};
};

struct PrepareOkFields {
  static constexpr Command kCommand = Command::kPrepareOk;

  Uint128 digest{};  // of the log up to `op`
  uint64_t op = 0;
  uint64_t commit = 0;
  uint64_t incarnation = 0;          // of the backup
  uint64_t primary_incarnation = 0;  // whose prepares these were
  std::array<uint8_t, 80> reserved{};
};

struct CommitFields {
  static constexpr Command kCommand = Command::kCommit;

  Uint128 digest{};  // of the log up to `commit`
  uint64_t commit = 0;
  uint64_t timestamp = 0;
  uint64_t incarnation = 0;  // of the primary
  std::array<uint8_t, 88> reserved{};
};

// A ping announces who connects: a replica (its number is in the header), a client or a reader.
template <Command kName>
struct GreetingFields {
  static constexpr Command kCommand = kName;

  Uint128 client{};          // 0 for replicas
  uint64_t incarnation = 0;  // of the sender
  uint64_t timestamp = 0;    // a pong repeats the ping's
  uint64_t sequence = 0;     // a pong repeats the ping's
  uint64_t op = 0;           // the last entry that the sender holds
  uint64_t commit = 0;
  Role role = Role::kReplica;
  std::array<uint8_t, 7> padding{};
  std::array<uint8_t, 64> reserved{};
};
using PingFields = GreetingFields<Command::kPing>;
using PongFields = GreetingFields<Command::kPong>;

struct CatchUpRequestFields {
  static constexpr Command kCommand = Command::kCatchUpRequest;

  Uint128 digest{};          // of the log that the backup holds, up to first_op - 1
  uint64_t first_op = 0;     // the first entry that it lacks
  uint64_t last_op = 0;      // the last one that it asks for; 0: as many as there are
  uint64_t incarnation = 0;  // of the backup
  uint64_t sequence = 0;     // the data repeats it
  std::array<uint8_t, 80> reserved{};
};

struct CatchUpDataFields {
  static constexpr Command kCommand = Command::kCatchUpData;

  Uint128 parent{};       // digest of the log up to first_op - 1
  uint64_t first_op = 0;  // of the first entry in the body
  uint64_t count = 0;     // entries in the body
  uint64_t last_op = 0;   // the last one that the primary holds
  uint64_t commit = 0;
  uint64_t incarnation = 0;  // of the primary
  uint64_t sequence = 0;     // of the request that this answers
  std::array<uint8_t, 64> reserved{};
};

struct RejectFields {
  static constexpr Command kCommand = Command::kReject;

  Uint128 client{};
  Uint128 request_checksum{};  // of what is rejected, if it was a request
  uint64_t request = 0;
  RejectReason reason = RejectReason::kNotPrimary;
  uint8_t primary = 0;  // who serves, as far as the sender knows
  std::array<uint8_t, 83> reserved{};
};

namespace internal {

// What every struct of fields must be.
template <typename T>
consteval bool IsWireFormat() {
  return CommandFields<T> && std::has_unique_object_representations_v<T>;
}

}  // namespace internal

#define FAULTLINE_FIELD_AT(type, field, offset) \
  static_assert(offsetof(type, field) + offsetof(Header, reserved_command) == (offset))

static_assert(internal::IsWireFormat<RequestFields>());
FAULTLINE_FIELD_AT(RequestFields, client, 128);
FAULTLINE_FIELD_AT(RequestFields, request_checksum, 144);
FAULTLINE_FIELD_AT(RequestFields, timestamp, 160);
FAULTLINE_FIELD_AT(RequestFields, request, 168);
FAULTLINE_FIELD_AT(RequestFields, operation, 176);
FAULTLINE_FIELD_AT(RequestFields, padding, 177);
FAULTLINE_FIELD_AT(RequestFields, session, 184);
FAULTLINE_FIELD_AT(RequestFields, user_id, 192);
FAULTLINE_FIELD_AT(RequestFields, reserved, 196);

static_assert(internal::IsWireFormat<ReplyFields>());
FAULTLINE_FIELD_AT(ReplyFields, request_checksum, 128);
FAULTLINE_FIELD_AT(ReplyFields, context, 144);
FAULTLINE_FIELD_AT(ReplyFields, client, 160);
FAULTLINE_FIELD_AT(ReplyFields, op, 176);
FAULTLINE_FIELD_AT(ReplyFields, commit, 184);
FAULTLINE_FIELD_AT(ReplyFields, timestamp, 192);
FAULTLINE_FIELD_AT(ReplyFields, request, 200);
FAULTLINE_FIELD_AT(ReplyFields, operation, 208);
FAULTLINE_FIELD_AT(ReplyFields, padding, 209);
FAULTLINE_FIELD_AT(ReplyFields, status, 216);
FAULTLINE_FIELD_AT(ReplyFields, reserved, 220);

static_assert(internal::IsWireFormat<PrepareFields>());
FAULTLINE_FIELD_AT(PrepareFields, client, 128);
FAULTLINE_FIELD_AT(PrepareFields, request_checksum, 144);
FAULTLINE_FIELD_AT(PrepareFields, parent, 160);
FAULTLINE_FIELD_AT(PrepareFields, op, 176);
FAULTLINE_FIELD_AT(PrepareFields, commit, 184);
FAULTLINE_FIELD_AT(PrepareFields, timestamp, 192);
FAULTLINE_FIELD_AT(PrepareFields, request, 200);
FAULTLINE_FIELD_AT(PrepareFields, operation, 208);
FAULTLINE_FIELD_AT(PrepareFields, padding, 209);
FAULTLINE_FIELD_AT(PrepareFields, incarnation, 216);
FAULTLINE_FIELD_AT(PrepareFields, reserved, 224);

static_assert(internal::IsWireFormat<PrepareOkFields>());
FAULTLINE_FIELD_AT(PrepareOkFields, digest, 128);
FAULTLINE_FIELD_AT(PrepareOkFields, op, 144);
FAULTLINE_FIELD_AT(PrepareOkFields, commit, 152);
FAULTLINE_FIELD_AT(PrepareOkFields, incarnation, 160);
FAULTLINE_FIELD_AT(PrepareOkFields, primary_incarnation, 168);
FAULTLINE_FIELD_AT(PrepareOkFields, reserved, 176);

static_assert(internal::IsWireFormat<CommitFields>());
FAULTLINE_FIELD_AT(CommitFields, digest, 128);
FAULTLINE_FIELD_AT(CommitFields, commit, 144);
FAULTLINE_FIELD_AT(CommitFields, timestamp, 152);
FAULTLINE_FIELD_AT(CommitFields, incarnation, 160);
FAULTLINE_FIELD_AT(CommitFields, reserved, 168);

static_assert(internal::IsWireFormat<PingFields>() && internal::IsWireFormat<PongFields>());
FAULTLINE_FIELD_AT(PingFields, client, 128);
FAULTLINE_FIELD_AT(PingFields, incarnation, 144);
FAULTLINE_FIELD_AT(PingFields, timestamp, 152);
FAULTLINE_FIELD_AT(PingFields, sequence, 160);
FAULTLINE_FIELD_AT(PingFields, op, 168);
FAULTLINE_FIELD_AT(PingFields, commit, 176);
FAULTLINE_FIELD_AT(PingFields, role, 184);
FAULTLINE_FIELD_AT(PingFields, padding, 185);
FAULTLINE_FIELD_AT(PingFields, reserved, 192);

static_assert(internal::IsWireFormat<CatchUpRequestFields>());
FAULTLINE_FIELD_AT(CatchUpRequestFields, digest, 128);
FAULTLINE_FIELD_AT(CatchUpRequestFields, first_op, 144);
FAULTLINE_FIELD_AT(CatchUpRequestFields, last_op, 152);
FAULTLINE_FIELD_AT(CatchUpRequestFields, incarnation, 160);
FAULTLINE_FIELD_AT(CatchUpRequestFields, sequence, 168);
FAULTLINE_FIELD_AT(CatchUpRequestFields, reserved, 176);

static_assert(internal::IsWireFormat<CatchUpDataFields>());
FAULTLINE_FIELD_AT(CatchUpDataFields, parent, 128);
FAULTLINE_FIELD_AT(CatchUpDataFields, first_op, 144);
FAULTLINE_FIELD_AT(CatchUpDataFields, count, 152);
FAULTLINE_FIELD_AT(CatchUpDataFields, last_op, 160);
FAULTLINE_FIELD_AT(CatchUpDataFields, commit, 168);
FAULTLINE_FIELD_AT(CatchUpDataFields, incarnation, 176);
FAULTLINE_FIELD_AT(CatchUpDataFields, sequence, 184);
FAULTLINE_FIELD_AT(CatchUpDataFields, reserved, 192);

static_assert(internal::IsWireFormat<RejectFields>());
FAULTLINE_FIELD_AT(RejectFields, client, 128);
FAULTLINE_FIELD_AT(RejectFields, request_checksum, 144);
FAULTLINE_FIELD_AT(RejectFields, request, 160);
FAULTLINE_FIELD_AT(RejectFields, reason, 168);
FAULTLINE_FIELD_AT(RejectFields, primary, 172);
FAULTLINE_FIELD_AT(RejectFields, reserved, 173);

#undef FAULTLINE_FIELD_AT

}  // namespace faultline::message

#endif  // FAULTLINE_TRANSPORTS_MESSAGE_FIELDS_H_
