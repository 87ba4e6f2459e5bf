// Loop: the production world of one thread: tasks, timers and sockets over io_uring(7).
//
// The same interface and the same promises as epoll::Loop. A turn: the ready tasks run; the timers
// that are due fire; then one io_uring_enter(2), which submits what the tasks have started, and
// waits until something has ended or for the next timer, unless a task is ready.
#ifndef FAULTLINE_RUNTIME_IO_URING_LOOP_H_
#define FAULTLINE_RUNTIME_IO_URING_LOOP_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/executor.h"
#include "runtime/io_uring/core.h"
#include "runtime/io_uring/flight.h"
#include "runtime/io_uring/network.h"
#include "runtime/io_uring/signal_stop.h"
#include "runtime/kernel/random.h"
#include "runtime/kernel/remote.h"
#include "runtime/runtime.h"
#include "runtime/scope.h"
#include "runtime/stop.h"
#include "runtime/task.h"

namespace faultline::uring {

struct LoopOptions {
  size_t remote_capacity = 1024;                 // functions that other threads have posted
  size_t buffer_cache_bytes = size_t{64} << 20;  // free message buffers that are kept
  uint32_t entries = 256;                        // submissions that leave with one system call
};

class Loop final {
 public:
  // Errors: those of `Ring::Create`; EMFILE, ENFILE.
  static absl::StatusOr<std::unique_ptr<Loop>> Create(const LoopOptions& options);
  Loop(std::unique_ptr<Ring> ring, Descriptor event, const LoopOptions& options);
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  // Sockets and frames of this loop are gone by then. Calls what was posted after the last `Run`.
  ~Loop();

  // What tasks are given. Its parts live as long as the loop.
  Runtime runtime();

  // Runs `main` until it and everything that it awaits have ended. It hears `stop()`. One run at a
  // time; others may follow.
  void Run(Task<void> main);
  // Runs until no task of `scope` is left. The scope is on this loop's executor.
  void RunUntilJoined(const Scope& scope);

  // Reaches every task that `Run` runs. From the loop's thread, or through `remote()`.
  StopSource* stop() { return &stop_; }
  // SIGINT and SIGTERM request that stop. Call it before other threads are started.
  absl::Status StopOnSignals() { return StopOnSignals(&stop_); }
  // Likewise for a source of the caller's, which outlives the loop.
  absl::Status StopOnSignals(StopSource* source);

  // For other threads. It may be kept for longer than the loop lives (hence shared): posts are
  // refused then.
  std::shared_ptr<kernel::Remote> remote() { return remote_; }

  Core* core() { return &core_; }

 private:
  static constexpr uint32_t kTasksPerTurn = 256;

  void WatchRemote();
  void OnRemote(int32_t result);
  bool RunReady();
  MonotonicTime FireTimers();
  void Wait(MonotonicTime now);

  Core core_;
  ReadyQueue ready_;
  Executor executor_;
  kernel::KernelEntropy entropy_;
  kernel::SeededRandom random_;
  BufferPool buffers_;
  UringNetwork network_;
  std::shared_ptr<kernel::Remote> remote_;
  Flight<Loop, &Loop::OnRemote> watch_{this, &core_};
  bool remote_woken_ = false;
  bool skipped_wait_ = false;
  bool running_ = false;
  StopSource stop_;
  std::unique_ptr<SignalStop> signals_;
};

}  // namespace faultline::uring

#endif  // FAULTLINE_RUNTIME_IO_URING_LOOP_H_
