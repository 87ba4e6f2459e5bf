// Loop: what the production worlds of one thread have in common: tasks, timers, wake-ups from other
// threads, turns. A backend adds sockets, and how to wait for them.
//
//   absl::StatusOr<std::unique_ptr<epoll::Loop>> loop = epoll::Loop::Create({});
//   if (!loop.ok()) ...
//   absl::Status armed = (*loop)->StopOnSignals();
//   (*loop)->Run(Serve((*loop)->runtime()));      // returns when Serve has ended
//
// A turn: the ready tasks run; the timers that are due fire (the clock is read once, and only if a
// timer is armed); then one wait of the backend's, which does not wait if a task is ready, and else
// until the next timer, to the nanosecond. A turn ends early after 256 tasks or 256 transfers, so
// that neither busy tasks nor busy streams keep the others from being seen.
//
// A loop belongs to the thread that made it. Only `Remote` may be used from others.
#ifndef FAULTLINE_RUNTIME_KERNEL_LOOP_H_
#define FAULTLINE_RUNTIME_KERNEL_LOOP_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "runtime/executor.h"
#include "runtime/kernel/clock.h"
#include "runtime/kernel/descriptor.h"
#include "runtime/kernel/random.h"
#include "runtime/kernel/remote.h"
#include "runtime/network.h"
#include "runtime/runtime.h"
#include "runtime/scope.h"
#include "runtime/stop.h"
#include "runtime/task.h"

namespace faultline::kernel {

struct LoopOptions {
  size_t remote_capacity = 1024;                 // functions that other threads have posted
  size_t buffer_cache_bytes = size_t{64} << 20;  // free message buffers that are kept
};

// Brings work to a loop by other ways than descriptors, timers and posts: mailboxes of other
// threads.
class OutsideWork {
 public:
  // Makes ready whoever has something to do. Once a turn.
  virtual void Look() = 0;
  // The loop sleeps next, unless this makes a task ready: from the beginning of this call on,
  // whoever brings something calls `Remote::Wake`.
  virtual void BeforeSleep() = 0;

 protected:
  ~OutsideWork() = default;
};

class Loop {
 public:
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  // Sockets and frames of this loop are gone by then. Calls what was posted after the last `Run`.
  virtual ~Loop() = default;

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
  virtual absl::Status StopOnSignals(StopSource* source) = 0;

  // Asked in each turn from now on. Not owned; null for none.
  void SetOutsideWork(OutsideWork* work) { outside_ = work; }

  // For other threads. It may be kept for longer than the loop lives (hence shared): posts are
  // refused then.
  std::shared_ptr<Remote> remote() { return remote_; }

 protected:
  // Takes over an eventfd.
  Loop(Descriptor event, const LoopOptions& options);
  // What belongs to whoever derives; once, in the constructor. `transfers` counts those that were
  // tried in this turn.
  void Attach(KernelClock* clock, Network* network, uint32_t* transfers);

  // Waits until something happens or for `timeout` (null: without end; zero: not at all).
  virtual void WaitForEvents(const Duration* timeout) = 0;
  // Somebody has posted.
  void OnRemoteWoken() { remote_woken_ = true; }
  // No more posts; calls those that there are. In the destructor of whoever derives, first.
  void EndRemote();

 private:
  static constexpr uint32_t kTasksPerTurn = 256;
  static constexpr uint32_t kTransfersPerTurn = 256;

  bool RunReady();
  MonotonicTime FireTimers();
  void Wait(MonotonicTime now);

  KernelClock* clock_ = nullptr;
  Network* network_ = nullptr;
  uint32_t* transfers_ = nullptr;
  OutsideWork* outside_ = nullptr;
  ReadyQueue ready_;
  Executor executor_;
  KernelEntropy entropy_;
  SeededRandom random_;
  BufferPool buffers_;
  std::shared_ptr<Remote> remote_;
  bool remote_woken_ = false;
  bool skipped_wait_ = false;
  bool running_ = false;
  StopSource stop_;
};

}  // namespace faultline::kernel

#endif  // FAULTLINE_RUNTIME_KERNEL_LOOP_H_
