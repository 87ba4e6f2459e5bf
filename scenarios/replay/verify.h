// Verification: one run three times, twice in this process and once in another, compared event by
// event.
//
// The first run's trace goes to a scratch file; the second is compared with it while it runs; the
// third runs in a new process, at other addresses, and leaves a file that is then compared. Memory
// stays as it is however long the run.
#ifndef FAULTLINE_SCENARIOS_REPLAY_VERIFY_H_
#define FAULTLINE_SCENARIOS_REPLAY_VERIFY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "scenarios/harness/report.h"
#include "scenarios/harness/scenario.h"
#include "scenarios/replay/trace_file.h"
#include "sim/trace.h"

namespace faultline::replay {

// Where two traces part.
struct Divergence {
  uint64_t index = 0;                     // of the first record that differs, from 0
  std::vector<sim::TraceRecord> before;   // the last ones that both have
  std::optional<sim::TraceRecord> first;  // nothing: the first run has ended here
  std::optional<sim::TraceRecord> second;
};

// Compares what it is told with a trace in a file.
class TraceComparison final : public sim::TraceSink {
 public:
  explicit TraceComparison(TraceReader expected) : expected_(std::move(expected)) {}

  void OnRecord(const sim::TraceRecord& record) override;
  // Once, after the last record: nothing if the traces are the same.
  std::optional<Divergence> Finish();

 private:
  void Compare(const std::optional<sim::TraceRecord>& expected,
               const std::optional<sim::TraceRecord>& got);

  static constexpr size_t kBefore = 8;

  TraceReader expected_;
  uint64_t index_ = 0;
  std::vector<sim::TraceRecord> before_;
  std::optional<Divergence> divergence_;
};

struct Verification {
  harness::RunReport report;  // of the first run
  sim::TraceHash hashes[3];
  int differing_run = 0;  // 2 or 3; 0: all three are the same
  Divergence divergence;  // between the first run and that one
};

// `flags` give the run to another process of this program. Errors: Internal, the other process
// could not be run or said nothing useful.
absl::StatusOr<Verification> Verify(const harness::Scenario& scenario,
                                    const harness::RunOptions& options,
                                    const harness::RunHooks& hooks,
                                    const std::vector<std::string>& flags);

// For people; ends in a line feed.
std::string VerificationText(const Verification& verification);

}  // namespace faultline::replay

#endif  // FAULTLINE_SCENARIOS_REPLAY_VERIFY_H_
