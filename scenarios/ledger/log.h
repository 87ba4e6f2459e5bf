// Log: what one replica holds, in order, under a hash chain.
//
//   Log log(LogLimits{});
//   absl::StatusOr<uint64_t> op = log.Append({client, 1}, payload);     // 1
//   log.chain(*op) == other.chain(*op)      // the two logs are the same up to there
//
// Entries are only ever added, at the end, and never change. Payloads are copied in, packed into
// large segments, so that a small entry costs its size and not a page. The log lives in memory: a
// replica that starts again starts empty.
//
// Invariant: chain(op) = DigestOfChain(chain(op - 1), op, entry); chain(0) is all zero.
#ifndef FAULTLINE_SCENARIOS_LEDGER_LOG_H_
#define FAULTLINE_SCENARIOS_LEDGER_LOG_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "scenarios/ledger/types.h"

namespace faultline::ledger {

// Together they bound the memory of a log: 72 bytes for each entry, and 4/3 of the payloads.
struct LogLimits {
  uint64_t max_entries = uint64_t{1} << 24;
  uint64_t max_payload_bytes = uint64_t{2} << 30;
};

// One entry as it stands in a log. `payload` is valid as long as the log lives.
struct Entry {
  uint64_t op = 0;
  EntryId id;
  Digest payload_digest;
  Digest chain;
  std::span<const std::byte> payload;
};

class Log {
 public:
  explicit Log(LogLimits limits = {}) : limits_(limits) {}
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // 0: empty.
  uint64_t last_op() const { return size_; }
  uint64_t payload_bytes() const { return payload_bytes_; }

  // `op` is in [1, last_op].
  Entry at(uint64_t op) const;
  // `op` is in [0, last_op].
  Digest chain(uint64_t op) const;
  Digest chain() const { return chain(size_); }

  // Adds an entry and returns its op. Errors: ResourceExhausted, a limit is reached.
  absl::StatusOr<uint64_t> Append(const EntryId& id, std::span<const std::byte> payload);

  // Adds an entry if the chain stands at `parent` now. Errors: DataLoss, it does not: the log that
  // the entry comes from is another one; ResourceExhausted.
  absl::Status AppendAfter(const Digest& parent, const EntryId& id,
                           std::span<const std::byte> payload);

 private:
  struct Record {
    EntryId id;
    Digest payload_digest;
    Digest chain;
    const std::byte* payload = nullptr;
    size_t payload_size = 0;
  };
  static_assert(sizeof(Record) == 72, "as LogLimits says");
  static constexpr size_t kRecordsPerChunk = 1024;
  static constexpr size_t kSegmentBytes = size_t{1} << 20;

  const Record& record(uint64_t op) const;
  absl::Status CheckLimits(size_t payload_size) const;
  const std::byte* Store(std::span<const std::byte> payload);
  void Add(const Record& record);

  const LogLimits limits_;
  uint64_t size_ = 0;
  uint64_t payload_bytes_ = 0;
  std::vector<std::unique_ptr<Record[]>> records_;
  std::vector<std::unique_ptr<std::byte[]>> segments_;
  std::byte* free_ = nullptr;  // in the segment that is being filled
  size_t free_bytes_ = 0;
};

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_LOG_H_
