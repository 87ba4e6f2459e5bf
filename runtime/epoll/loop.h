// Loop: the production world of one thread: tasks, timers and sockets over epoll(7).
//
//   absl::StatusOr<std::unique_ptr<epoll::Loop>> loop = epoll::Loop::Create({});
//   if (!loop.ok()) ...
//   absl::Status armed = (*loop)->StopOnSignals();
//   (*loop)->Run(Serve((*loop)->runtime()));      // returns when Serve has ended
//
// A turn: the ready tasks run; the timers that are due fire (the clock is read once, and only if a
// timer is armed); then one epoll_pwait2(2), which does not wait if a task is ready, and else waits
// until the next timer, to the nanosecond. Operations that an event completes make their calls
// there, and their tasks run in the next turn. A turn ends early after 256 tasks or 256 transfers,
// so that neither busy tasks nor busy streams keep the others from being seen.
//
// A loop belongs to the thread that made it. Only `kernel::Remote::Post` may be called from others.
#ifndef FAULTLINE_RUNTIME_EPOLL_LOOP_H_
#define FAULTLINE_RUNTIME_EPOLL_LOOP_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/epoll/core.h"
#include "runtime/epoll/network.h"
#include "runtime/epoll/signal_stop.h"
#include "runtime/executor.h"
#include "runtime/kernel/random.h"
#include "runtime/kernel/remote.h"
#include "runtime/runtime.h"
#include "runtime/scope.h"
#include "runtime/stop.h"
#include "runtime/task.h"

namespace faultline::epoll {

struct LoopOptions {
  size_t remote_capacity = 1024;                 // functions that other threads have posted
  size_t buffer_cache_bytes = size_t{64} << 20;  // free message buffers that are kept
};

class Loop final : private Pollable {
 public:
  // Errors: EMFILE, ENFILE, ENOMEM.
  static absl::StatusOr<std::unique_ptr<Loop>> Create(const LoopOptions& options);
  Loop(Descriptor epoll, Descriptor event, const LoopOptions& options);
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
  // SIGINT and SIGTERM request that stop (signal_stop.h). Call it before other threads are started.
  absl::Status StopOnSignals();
  // Likewise for a source of the caller's, which outlives the loop.
  absl::Status StopOnSignals(StopSource* source);

  // For other threads. It may be kept for longer than the loop lives (hence shared): posts are
  // refused then.
  std::shared_ptr<kernel::Remote> remote() { return remote_; }

  // For those who watch descriptors of their own; they let go of it before the loop ends.
  Core* core() { return &core_; }

 private:
  static constexpr uint32_t kTasksPerTurn = 256;
  static constexpr uint32_t kTransfersPerTurn = 256;

  void OnEvents(uint32_t) override { remote_woken_ = true; }
  bool RunReady();
  MonotonicTime FireTimers();
  void Wait(MonotonicTime now);

  Core core_;
  ReadyQueue ready_;
  Executor executor_;
  kernel::KernelEntropy entropy_;
  kernel::SeededRandom random_;
  BufferPool buffers_;
  EpollNetwork network_;
  std::shared_ptr<kernel::Remote> remote_;
  Poller::Token remote_token_ = 0;
  bool remote_woken_ = false;
  bool skipped_wait_ = false;
  bool running_ = false;
  StopSource stop_;
  std::unique_ptr<SignalStop> signals_;
};

}  // namespace faultline::epoll

#endif  // FAULTLINE_RUNTIME_EPOLL_LOOP_H_
