// Trace: what happened, as fixed-size binary records under a rolling 128-bit hash.
//
// Every event that any part of the world can notice leaves a record. The hash of a run is the hash
// of all of them in order; each host has one of its own over the records that name it. Two runs are
// the same run if and only if their hashes are equal (up to a collision of XXH3's 128 bits).
// Payloads are in it by their own hashes.
//
// The last records are kept for reports. A sink sees all of them: the program writes them to a
// file.
#ifndef FAULTLINE_SIM_TRACE_H_
#define FAULTLINE_SIM_TRACE_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/time.h"

namespace faultline::sim {

// What a record says. Values are part of the format: add at the end.
enum class TraceKind : uint8_t {
  kRun,              // a task was resumed: task id, process incarnation
  kConnect,          // SYN sent: connection, attempt
  kEstablished,      // the client's side is up: connection
  kAccepted,         // taken from the backlog: connection
  kRefused,          // connection
  kConnectTimeout,   // connection
  kBacklogDrop,      // SYN or last ACK of a handshake dropped: connection
  kSend,             // bytes written: flow, hash of the bytes
  kDeliver,          // a segment reached its socket: flow, length
  kRetransmit,       // a packet was lost and comes again: flow, retries
  kDuplicateDrop,    // a duplicate was discarded: flow
  kFin,              // half-close reached the peer: flow
  kReset,            // RST reached the peer: flow
  kRead,             // bytes read: flow, length
  kUserTimeout,      // nothing acknowledged for too long: flow
  kClose,            // connection, how
  kDatagramSend,     // length, hash
  kDatagramDeliver,  // length, hash
  kDatagramDrop,     // length, why
  kBoot,             // process started: incarnation
  kCrash,            // incarnation
  kPause,
  kResume,
  kExit,         // the process's main task ended: incarnation
  kClockChange,  // what changed, by how much
  kFault,        // a fault began or ended (kFaultBegins, kFaultEnds): family, which or how much
  kTimer,        // a timer fired: its place in the order of arming
  kMark,         // the scenario's own: a number and a value
  kCount,
};

std::string_view TraceKindName(TraceKind kind);

// The detail of a kFault.
inline constexpr uint8_t kFaultBegins = 1;
inline constexpr uint8_t kFaultEnds = 2;

struct TraceRecord {
  int64_t time_ns = 0;
  uint32_t host = 0;  // kNoHost if none
  TraceKind kind = TraceKind::kMark;
  uint8_t detail = 0;
  uint16_t reserved = 0;
  uint64_t a = 0;
  uint64_t b = 0;

  // One line, for people.
  std::string ToString() const;
  friend bool operator==(const TraceRecord&, const TraceRecord&) = default;
};
static_assert(sizeof(TraceRecord) == 32, "records are hashed and stored as bytes");

inline constexpr uint32_t kNoHost = 0xffffffff;

struct TraceHash {
  uint64_t low = 0;
  uint64_t high = 0;

  std::string ToString() const;  // 32 hexadecimal digits
  friend bool operator==(const TraceHash&, const TraceHash&) = default;
};

// Chains blocks of records: each block is hashed together with the hash of everything before it.
template <size_t kBlock>
class RollingHash {
 public:
  void Add(const TraceRecord& record) {
    block_.records[filled_++] = record;
    if (filled_ == kBlock) Fold();
  }
  // Of all records so far. Looking changes nothing.
  TraceHash value() const;

 private:
  void Fold() {
    block_.before = value();
    filled_ = 0;
  }

  struct Block {
    TraceHash before;
    std::array<TraceRecord, kBlock> records;
  };
  Block block_;
  size_t filled_ = 0;
};

// Sees each record as it is made.
class TraceSink {
 public:
  virtual ~TraceSink() = default;
  virtual void OnRecord(const TraceRecord& record) = 0;
};

class Trace {
 public:
  static constexpr size_t kKept = 64;  // records kept for reports; a power of two

  // One more host that records can name.
  void AddHost() { host_hashes_.emplace_back(); }
  // Not owned; null for none.
  void SetSink(TraceSink* sink) { sink_ = sink; }

  void Add(const TraceRecord& record);

  TraceHash hash() const { return hash_.value(); }
  TraceHash host_hash(uint32_t host) const { return host_hashes_[host].value(); }
  uint64_t count() const { return count_; }
  // The last records, oldest first.
  std::vector<TraceRecord> Last() const;

 private:
  RollingHash<32> hash_;
  std::vector<RollingHash<8>> host_hashes_;
  uint64_t count_ = 0;
  TraceSink* sink_ = nullptr;
  std::array<TraceRecord, kKept> last_;
};

// The file form: a magic number and the records, little-endian.
std::string SerializeTraceHeader();
std::string SerializeTraceRecord(const TraceRecord& record);
// Errors: InvalidArgument, naming what is wrong with the bytes.
absl::StatusOr<std::vector<TraceRecord>> ParseTrace(std::string_view bytes);

}  // namespace faultline::sim

#endif  // FAULTLINE_SIM_TRACE_H_
