// LoadMeter: what the clients of a run measure together.
#ifndef FAULTLINE_SCENARIOS_LOAD_METER_H_
#define FAULTLINE_SCENARIOS_LOAD_METER_H_

#include <cstdint>

#include "absl/status/status.h"
#include "runtime/time.h"
#include "scenarios/ledger/workload.h"
#include "scenarios/load/latency.h"

namespace faultline::load {

class LoadMeter final : public ledger::WorkloadMeter {
 public:
  // An entry that takes longer than `timeout` is overdue.
  explicit LoadMeter(Duration timeout) : timeout_(timeout) {}

  // Entries that are never answered have no latency; they count as unanswered. Those that are
  // answered behind the end of the run are measured as all others.
  void OnDone(Duration latency, const absl::Status& status) override {
    if (!status.ok()) return;
    window_.Record(latency);
    if (latency > timeout_) ++overdue_;
  }

  // Since the last `EndWindow`.
  const LatencyHistogram& window() const { return window_; }
  void EndWindow() {
    total_.Add(window_);
    window_.Reset();
  }
  // Up to the last `EndWindow`.
  const LatencyHistogram& total() const { return total_; }
  uint64_t overdue() const { return overdue_; }

 private:
  const Duration timeout_;
  LatencyHistogram window_;
  LatencyHistogram total_;
  uint64_t overdue_ = 0;
};

}  // namespace faultline::load

#endif  // FAULTLINE_SCENARIOS_LOAD_METER_H_
