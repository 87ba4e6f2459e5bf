// WorkloadConfig: what clients do, whichever world they do it in.
//
// Each client has `pipeline` workers. In a closed loop (`period` is zero) each of them thinks, adds
// an entry, waits for the reply, and so on. In an open loop entries are due every `period`, whether
// or not earlier ones are answered, and their latency counts from when they were due.
#ifndef FAULTLINE_SCENARIOS_LEDGER_WORKLOAD_H_
#define FAULTLINE_SCENARIOS_LEDGER_WORKLOAD_H_

#include <cstddef>
#include <cstdint>
#include <limits>

#include "absl/status/status.h"
#include "runtime/frozen.h"
#include "runtime/time.h"
#include "scenarios/ledger/types.h"

namespace faultline::ledger {

struct WorkloadConfig {
  static constexpr uint64_t kEndless = std::numeric_limits<uint64_t>::max();

  uint32_t clients = 3;    // how many are to be run
  uint64_t entries = 100;  // of each client; or kEndless, until it is asked to stop
  uint32_t pipeline = 4;   // workers of each client; at most its window
  size_t payload_min = 0;  // bytes, drawn uniformly
  size_t payload_max = 1024;
  Duration think_min{};  // before each entry, in a closed loop; drawn uniformly
  Duration think_max = 10ms;
  Duration period{};  // between entries of one client; not zero: an open loop
};

// Errors: InvalidArgument, naming what is wrong.
absl::Status Validate(const WorkloadConfig& config);

// A payload that depends on its arguments alone.
Frozen MakePayload(BufferPool* pool, const ClientId& client, uint64_t index, size_t size);

// Told about each entry when its worker is done with it.
class WorkloadMeter {
 public:
  virtual ~WorkloadMeter() = default;
  // `latency` counts from when the entry was due.
  virtual void OnDone(Duration latency, const absl::Status& status) = 0;
};

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_WORKLOAD_H_
