// Worker: a process of a campaign that runs seeds, one after the other, as it is told.
//
// A process, not a thread: a failed check, a signal or a sanitizer's report ends the worker, and
// the campaign goes on, knowing the seed. What a worker prints to standard error is kept for the
// report.
//
// States:  idle --Assign--> busy --Receive--> idle
//          busy --(it died: Receive says so)--> Reap --> gone
//          busy --Kill--> Reap --> gone;   idle --Dismiss--> gone
#ifndef FAULTLINE_SCENARIOS_REPLAY_WORKER_H_
#define FAULTLINE_SCENARIOS_REPLAY_WORKER_H_

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "scenarios/replay/totals.h"

namespace faultline::replay {

class Worker {
 public:
  // What a worker does with a seed. Called in the worker's process.
  using Job = std::function<SeedResult(uint64_t seed)>;

  // `close_there` are descriptors of this process that the worker must not keep open: those of the
  // other workers. Errors: Internal, the system refuses another process.
  static absl::StatusOr<std::unique_ptr<Worker>> Start(const Job& job,
                                                       const std::vector<int>& close_there);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  // Kills it if it is still there.
  ~Worker();

  void Assign(uint64_t seed);
  bool busy() const { return seed_.has_value(); }
  uint64_t seed() const { return *seed_; }
  std::chrono::steady_clock::time_point started() const { return started_; }

  // Readable when there is something to receive, or when it has died.
  int result_descriptor() const { return results_; }
  std::vector<int> descriptors() const { return {commands_, results_, errors_}; }

  // Nothing: it died. `seed()` stays.
  std::optional<SeedResult> Receive();
  void Kill();
  // How it ended: "killed by signal 6 (Aborted)". After `Receive` gave nothing, or `Kill`.
  std::string Reap();
  // No more work: waits until it has ended. Nothing, or how it ended badly. Not while busy.
  std::optional<std::string> Dismiss();

  // What it has printed to standard error since it was given its last seed; the last 64 KiB.
  std::string StandardError() const;

 private:
  Worker(pid_t pid, int commands, int results, int errors)
      : pid_(pid), commands_(commands), results_(results), errors_(errors) {}

  pid_t pid_;
  int commands_;
  int results_;
  const int errors_;  // a memory file, shared with the worker
  std::optional<uint64_t> seed_;
  std::chrono::steady_clock::time_point started_;
};

}  // namespace faultline::replay

#endif  // FAULTLINE_SCENARIOS_REPLAY_WORKER_H_
