// Trace: what happened, as fixed-size binary records under a rolling 128-bit hash.
//
// Every event that any part of the world can notice leaves a record. The hash of a run is the hash
// of all of them in order; each host has one of its own over the records that name it. Two runs are
// the same run if and only if their hashes are equal (up to a collision of XXH3's 128 bits).
// Payloads are in it by their own hashes.
//
// The hash of the run chains blocks of records: most of XXH3's work is done 1 KiB at a time. That
// of a host chains single records, which costs a little more, but it is 16 bytes in a dense array:
// with ten thousand hosts a block a host would be one cold line and more at each event.
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
#include "runtime/fetch.h"
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
  kMailSend,     // a parcel for another shard: mailbox (from * 65536 + to), how many-th of it
  kMailDeliver,  // it can be received: likewise
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

// A record as it lies in memory. Records are passed on in words, which stay in registers: one that
// has just been written field by field could not be read back in larger pieces before every earlier
// write is done, among them those to memory that is not in the cache.
using TraceWords = std::array<uint64_t, sizeof(TraceRecord) / sizeof(uint64_t)>;

// Chains blocks of records: each block is hashed together with the hash of everything before it.
class RollingHash {
 public:
  void Add(uint64_t time, uint64_t who, uint64_t a, uint64_t b) {
    block_.records[filled_++] = {time, who, a, b};
    if (filled_ == kBlock) Fold();
  }
  // Of all records so far. Looking changes nothing.
  TraceHash value() const;

 private:
  static constexpr size_t kBlock = 32;

  void Fold() {
    block_.before = value();
    filled_ = 0;
  }

  struct Block {
    TraceHash before;
    std::array<TraceWords, kBlock> records;
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

  void Add(const TraceRecord& record) {
    const uint64_t who = uint64_t{record.host} | uint64_t{static_cast<uint8_t>(record.kind)} << 32 |
                         uint64_t{record.detail} << 40 | uint64_t{record.reserved} << 48;
    AddWords(static_cast<uint64_t>(record.time_ns), who, record.a, record.b);
  }

  TraceHash hash() const { return hash_.value(); }
  TraceHash host_hash(uint32_t host) const { return host_hashes_[host]; }
  uint64_t count() const { return count_; }
  // A hint for the processor's caches: records of `host` come soon.
  void FetchHost(uint32_t host) const { FetchLines(&host_hashes_[host], sizeof(TraceHash)); }
  // The last records, oldest first.
  std::vector<TraceRecord> Last() const;

 private:
  void AddWords(uint64_t time, uint64_t who, uint64_t a, uint64_t b);

  RollingHash hash_;
  std::vector<TraceHash> host_hashes_;
  uint64_t count_ = 0;
  TraceSink* sink_ = nullptr;
  std::array<TraceWords, kKept> last_;
};

// The file form: a magic number and the records, little-endian.
std::string SerializeTraceHeader();
std::string SerializeTraceRecord(const TraceRecord& record);
// Errors: InvalidArgument, naming what is wrong with the bytes.
absl::StatusOr<std::vector<TraceRecord>> ParseTrace(std::string_view bytes);

}  // namespace faultline::sim

#endif  // FAULTLINE_SIM_TRACE_H_
