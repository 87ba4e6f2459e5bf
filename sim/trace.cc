#include "sim/trace.h"

#include <bit>
#include <cstddef>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "xxhash.h"

namespace faultline::sim {
namespace {

static_assert(std::endian::native == std::endian::little && sizeof(TraceRecord) == 32 &&
                  offsetof(TraceRecord, host) == 8 && offsetof(TraceRecord, kind) == 12 &&
                  offsetof(TraceRecord, detail) == 13 && offsetof(TraceRecord, reserved) == 14 &&
                  offsetof(TraceRecord, a) == 16,
              "records are stored as they lie in memory");

constexpr std::string_view kMagic = "FALTRAC1";

struct KindText {
  std::string_view name;
  std::string_view a;  // what the fields mean; empty if unused
  std::string_view b;
};

constexpr KindText kKinds[] = {
    {"run", "task", "incarnation"},
    {"connect", "connection", "attempt"},
    {"established", "connection", ""},
    {"accepted", "connection", ""},
    {"refused", "connection", ""},
    {"connect-timeout", "connection", ""},
    {"backlog-drop", "connection", ""},
    {"send", "flow", "payload"},
    {"deliver", "flow", "bytes"},
    {"retransmit", "flow", "retries"},
    {"duplicate-drop", "flow", ""},
    {"fin", "flow", ""},
    {"reset", "flow", ""},
    {"read", "flow", "bytes"},
    {"user-timeout", "flow", ""},
    {"close", "connection", "how"},
    {"datagram-send", "bytes", "payload"},
    {"datagram-deliver", "bytes", "payload"},
    {"datagram-drop", "bytes", "why"},
    {"boot", "incarnation", ""},
    {"crash", "incarnation", ""},
    {"pause", "", ""},
    {"resume", "", ""},
    {"exit", "incarnation", ""},
    {"clock", "what", "value"},
    {"fault", "family", "which"},
    {"timer", "sequence", ""},
    {"mark", "number", "value"},
    {"mail-send", "mailbox", "number"},
    {"mail-deliver", "mailbox", "number"},
};
static_assert(std::size(kKinds) == static_cast<size_t>(TraceKind::kCount));

}  // namespace

TraceHash RollingHash::value() const {
  if (filled_ == 0) return block_.before;
  XXH128_hash_t hash = XXH3_128bits(&block_, sizeof(TraceHash) + filled_ * sizeof(TraceRecord));
  return {hash.low64, hash.high64};
}

std::string_view TraceKindName(TraceKind kind) { return kKinds[static_cast<size_t>(kind)].name; }

std::string TraceRecord::ToString() const {
  const KindText& text = kKinds[static_cast<size_t>(kind)];
  std::string line = absl::StrFormat("%17s ", FormatSeconds(Duration(time_ns)));
  absl::StrAppend(&line, host == kNoHost ? std::string("-") : absl::StrCat("host ", host), " ",
                  absl::string_view(text.name.data(), text.name.size()));
  if (!text.a.empty()) {
    absl::StrAppendFormat(&line, " %s=%x", absl::string_view(text.a.data(), text.a.size()), a);
  }
  if (!text.b.empty()) {
    absl::StrAppendFormat(&line, " %s=%x", absl::string_view(text.b.data(), text.b.size()), b);
  }
  if (detail != 0) absl::StrAppend(&line, " detail=", static_cast<int>(detail));
  return line;
}

std::string TraceHash::ToString() const { return absl::StrFormat("%016x%016x", high, low); }

void Trace::AddWords(uint64_t time, uint64_t who, uint64_t a, uint64_t b) {
  hash_.Add(time, who, a, b);
  if (const uint32_t host = static_cast<uint32_t>(who); host < host_hashes_.size()) {
    TraceHash& before = host_hashes_[host];
    const uint64_t link[] = {before.low, before.high, time, who, a, b};
    const XXH128_hash_t hash = XXH3_128bits(link, sizeof(link));
    before = {hash.low64, hash.high64};
  }
  last_[count_++ & (kKept - 1)] = {time, who, a, b};
  if (sink_ != nullptr) sink_->OnRecord(std::bit_cast<TraceRecord>(TraceWords{time, who, a, b}));
}

std::vector<TraceRecord> Trace::Last() const {
  std::vector<TraceRecord> records;
  uint64_t first = count_ > kKept ? count_ - kKept : 0;
  for (uint64_t i = first; i < count_; ++i) {
    records.push_back(std::bit_cast<TraceRecord>(last_[i & (kKept - 1)]));
  }
  return records;
}

std::string SerializeTraceHeader() { return std::string(kMagic); }

std::string SerializeTraceRecord(const TraceRecord& record) {
  return std::string(reinterpret_cast<const char*>(&record), sizeof(record));
}

absl::StatusOr<std::vector<TraceRecord>> ParseTrace(std::string_view bytes) {
  if (!bytes.starts_with(kMagic))
    return absl::InvalidArgumentError("trace: not a trace (wrong magic number)");
  bytes.remove_prefix(kMagic.size());
  if (bytes.size() % sizeof(TraceRecord) != 0) {
    return absl::InvalidArgumentError("trace: the last record is cut short");
  }
  std::vector<TraceRecord> records(bytes.size() / sizeof(TraceRecord));
  for (size_t i = 0; i < records.size(); ++i) {
    std::memcpy(&records[i], bytes.data() + i * sizeof(TraceRecord), sizeof(TraceRecord));
    if (records[i].kind >= TraceKind::kCount) {
      return absl::InvalidArgumentError(
          absl::StrCat("trace: record ", i, " is of an unknown kind"));
    }
  }
  return records;
}

}  // namespace faultline::sim
