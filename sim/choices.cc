#include "sim/choices.h"

#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "xxhash.h"

namespace faultline::sim {
namespace {

constexpr uint64_t kTapeMagic = 0x31455041544c4146;  // "FALTAPE1"
constexpr size_t kTapeEntryBytes = 32;
constexpr size_t kTapeHeaderBytes = 24;  // magic, count, checksum of the entries

constexpr std::string_view kNames[] = {"schedule",       "priority",
                                       "change-point",   "latency",
                                       "loss",           "duplicate",
                                       "reorder",        "reorder-delay",
                                       "corrupt",        "corrupt-position",
                                       "partial-write",  "partial-write-size",
                                       "partial-read",   "partial-read-size",
                                       "ephemeral-port", "ack-latency",
                                       "application",    "entropy",
                                       "fault-plan",     "clock",
                                       "reset",          "yield",
                                       "mark-ce",        "mailbox"};
static_assert(std::size(kNames) == static_cast<size_t>(Choice::kCount));

void PutU64(std::string* out, uint64_t value) {
  for (int shift = 0; shift < 64; shift += 8) out->push_back(static_cast<char>(value >> shift));
}

uint64_t GetU64(std::string_view bytes, size_t offset) {
  uint64_t value = 0;
  for (int i = 7; i >= 0; --i) value = value << 8 | static_cast<uint8_t>(bytes[offset + i]);
  return value;
}

}  // namespace

std::string_view ChoiceName(Choice kind) { return kNames[static_cast<size_t>(kind)]; }

uint64_t ChooserId(std::initializer_list<uint64_t> parts) {
  uint64_t id = 0;
  for (uint64_t part : parts) id = XXH3_64bits_withSeed(&part, sizeof(part), id);
  return id;
}

Choices::Choices(uint64_t seed, Tape* record_on, const Tape* replay_from) : seed_(seed) {
  RecordOn(record_on);
  if (replay_from != nullptr) ReplayFrom(*replay_from);
}

uint64_t Choices::Generate(uint64_t who, Choice kind, uint64_t nth) const {
  const uint64_t key[3] = {who, static_cast<uint64_t>(kind), nth};
  return XXH3_64bits_withSeed(key, sizeof(key), seed_);
}

uint64_t Choices::DrawOnTape(uint64_t who, Choice kind, uint64_t nth, uint64_t value) {
  TapeKey key{who, kind, nth};
  if (replaying_) {
    auto found = replay_.find(key);
    if (found != replay_.end()) {
      value = found->second;
    } else {
      ++off_tape_;
    }
  }
  if (record_ != nullptr) record_->Append({key, value});
  return value;
}

void Choices::ReplayFrom(const Tape& tape) {
  replaying_ = true;
  for (const TapeEntry& entry : tape.entries()) replay_[entry.key] = entry.value;
}

std::string Tape::Serialize() const {
  std::string body;
  body.reserve(entries_.size() * kTapeEntryBytes);
  for (const TapeEntry& entry : entries_) {
    PutU64(&body, entry.key.who);
    PutU64(&body, static_cast<uint64_t>(entry.key.kind));
    PutU64(&body, entry.key.nth);
    PutU64(&body, entry.value);
  }
  std::string out;
  PutU64(&out, kTapeMagic);
  PutU64(&out, entries_.size());
  PutU64(&out, XXH3_64bits(body.data(), body.size()));
  return out + body;
}

absl::StatusOr<Tape> Tape::Parse(std::string_view bytes) {
  if (bytes.size() < kTapeHeaderBytes)
    return absl::InvalidArgumentError("tape: shorter than its header");
  if (GetU64(bytes, 0) != kTapeMagic)
    return absl::InvalidArgumentError("tape: not a tape (wrong magic number)");
  std::string_view body = bytes.substr(kTapeHeaderBytes);
  uint64_t count = GetU64(bytes, 8);
  if (body.size() % kTapeEntryBytes != 0 || body.size() / kTapeEntryBytes != count) {
    return absl::InvalidArgumentError(absl::StrCat("tape: ", count, " entries announced, ",
                                                   body.size(), " bytes of entries present"));
  }
  if (GetU64(bytes, 16) != XXH3_64bits(body.data(), body.size())) {
    return absl::InvalidArgumentError("tape: the checksum does not match: the file is damaged");
  }
  Tape tape;
  for (size_t at = 0; at < body.size(); at += kTapeEntryBytes) {
    uint64_t kind = GetU64(body, at + 8);
    if (kind >= static_cast<uint64_t>(Choice::kCount)) {
      return absl::InvalidArgumentError(absl::StrCat("tape: unknown kind of choice ", kind));
    }
    tape.Append({{GetU64(body, at), static_cast<Choice>(kind), GetU64(body, at + 16)},
                 GetU64(body, at + 24)});
  }
  return tape;
}

}  // namespace faultline::sim
