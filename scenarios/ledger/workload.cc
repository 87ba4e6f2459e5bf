#include "scenarios/ledger/workload.h"

#include <cstring>
#include <utility>

namespace faultline::ledger {

absl::Status Validate(const WorkloadConfig& config) {
  if (config.clients == 0) return absl::InvalidArgumentError("a workload has a client");
  if (config.pipeline == 0) return absl::InvalidArgumentError("a client has a worker");
  if (config.payload_min > config.payload_max) {
    return absl::InvalidArgumentError("the smallest payload is larger than the largest");
  }
  if (config.think_min < Duration::zero() || config.think_min > config.think_max) {
    return absl::InvalidArgumentError("the shortest thought is longer than the longest");
  }
  if (config.period < Duration::zero()) return absl::InvalidArgumentError("a negative period");
  return absl::OkStatus();
}

Frozen MakePayload(BufferPool* pool, const ClientId& client, uint64_t index, size_t size) {
  Unfrozen payload = pool->Allocate(size);
  uint64_t word = client.low ^ (client.high * 0x9e3779b97f4a7c15) ^ (index << 32);
  for (size_t at = 0; at < size; at += sizeof(word)) {
    word = word * 0xd1342543de82ef95 + 0x2545f4914f6cdd1d;  // an LCG: bytes that differ
    std::memcpy(payload.data() + at, &word, size - at < sizeof(word) ? size - at : sizeof(word));
  }
  return std::move(payload).Freeze();
}

}  // namespace faultline::ledger
