// What runs: tasks that are ready, the queue that they wait in, the executor that resumes them.
//
// A `Resumable` is a suspended coroutine that somebody may make ready. It lives in the coroutine's
// own frame; when the frame is destroyed (a simulated crash) it leaves the queue by itself.
//
// A `ReadyQueue` holds them until a loop takes one out. Which one is the queue's policy: FIFO in
// production; FIFO, seeded random or PCT in simulation.
//
// An `Executor` is one group of tasks that live and die together: a shard in production, a process
// in simulation. Several executors may share one queue.
//
//   while (Resumable* next = queue.Pop()) next->task()->executor->Resume(next);
#ifndef FAULTLINE_RUNTIME_EXECUTOR_H_
#define FAULTLINE_RUNTIME_EXECUTOR_H_

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/check.h"
#include "runtime/fetch.h"

namespace faultline {

class Executor;
class ReadyQueue;

// The identity of a spawned task; each coroutine that it awaits shares it. Owned by the task's
// scope.
struct TaskContext {
  Executor* executor = nullptr;
  uint64_t id = 0;        // unique in the executor, in order of spawning, from 1
  uint64_t priority = 0;  // for policies that rank tasks (PCT); larger runs first
};

class Resumable {
 public:
  static constexpr size_t kFrame = 256;  // bytes that hints ask for: frames that wait are small

  Resumable() = default;
  Resumable(const Resumable&) = delete;
  Resumable& operator=(const Resumable&) = delete;
  ~Resumable() { LeaveQueue(); }

  void Bind(std::coroutine_handle<> handle, TaskContext* task) {
    handle_ = handle;
    task_ = task;
  }
  TaskContext* task() const { return task_; }
  std::coroutine_handle<> handle() const { return handle_; }
  bool queued() const { return queue_ != nullptr; }
  // Takes it out of the ready queue; it will not be resumed.
  inline void LeaveQueue();
  // A hint for the processor's caches: it will be resumed soon.
  void Fetch() const {
    FetchLines(task_, sizeof(TaskContext));
    FetchLines(handle_.address(), kFrame);
  }

 private:
  friend class ReadyQueue;
  friend class Executor;

  std::coroutine_handle<> handle_;
  TaskContext* task_ = nullptr;
  ReadyQueue* queue_ = nullptr;
  size_t index_ = 0;
};

// Chooses among the tasks that are ready. Called only when there are at least two.
class SchedulingPolicy {
 public:
  virtual ~SchedulingPolicy() = default;
  // Returns an index into `ready`; no element is null. Their order is a function of the run alone,
  // but not that of arrival: the last one takes the place of the one that was picked.
  virtual size_t Pick(const std::vector<Resumable*>& ready) = 0;
};

class ReadyQueue {
 public:
  // Null means first in, first out. `policy` must outlive the queue.
  explicit ReadyQueue(SchedulingPolicy* policy = nullptr) : policy_(policy) {}
  ReadyQueue(const ReadyQueue&) = delete;
  ReadyQueue& operator=(const ReadyQueue&) = delete;
  ~ReadyQueue() {
    for (Resumable* item : items_) {
      if (item != nullptr) item->queue_ = nullptr;
    }
  }

  bool empty() const { return live_ == 0; }
  size_t size() const { return live_; }

  void Push(Resumable* item) {
    FAULTLINE_CHECK(item->queue_ == nullptr) << "a task was made ready twice";
    item->queue_ = this;
    item->index_ = items_.size();
    items_.push_back(item);
    ++live_;
  }

  // Takes the next one out; null when empty.
  Resumable* Pop() {
    if (live_ == 0) return nullptr;
    return policy_ == nullptr ? PopFirst() : PopPicked();
  }

  // Moves everything that belongs to `executor` to `to`, in order.
  void MoveTo(ReadyQueue* to, const Executor* executor);

 private:
  friend class Resumable;

  void Remove(Resumable* item) {
    items_[item->index_] = nullptr;
    item->queue_ = nullptr;
    if (--live_ == 0) Reset();
  }

  Resumable* PopFirst() {
    if (head_ >= kCompactAt && head_ * 2 > items_.size()) Compact();
    while (items_[head_] == nullptr) ++head_;
    Resumable* item = items_[head_];
    Remove(item);
    return item;
  }

  Resumable* PopPicked();
  void Compact();

  void Reset() {
    items_.clear();
    head_ = 0;
  }

  static constexpr size_t kCompactAt = 1024;  // a queue that never drains gives its past back

  SchedulingPolicy* const policy_;
  std::vector<Resumable*> items_;  // null where one was taken out
  size_t head_ = 0;                // everything before it is null
  size_t live_ = 0;
};

inline void Resumable::LeaveQueue() {
  if (queue_ != nullptr) queue_->Remove(this);
}

class Executor {
 public:
  // `ready` must outlive the executor. `label` is for the loop that owns it: which of its executors
  // this is. The first task's number is the one after `last_task_id`: executors with one label can
  // have numbers of their own.
  explicit Executor(ReadyQueue* ready, uint32_t label = 0, uint64_t last_task_id = 0)
      : ready_(ready), last_task_id_(last_task_id), label_(label) {}
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // `item` is resumed later, once, from the loop: never from inside this call.
  void MakeReady(Resumable* item) { ready_->Push(item); }

  // For the loop: resumes `item`, which it took from the queue.
  void Resume(Resumable* item) {
    current_ = item->task_;
    sync_budget_ = kSyncBudget;
    item->handle_.resume();
    current_ = nullptr;
  }

  // The task that runs now; null outside of tasks (in the loop, in a destructor during a crash).
  TaskContext* current() const { return current_; }

  // Where tasks go from now on; the ones already queued stay where they are. For pausing.
  void SetQueue(ReadyQueue* ready) { ready_ = ready; }

  uint32_t label() const { return label_; }

  uint64_t NextTaskId() { return ++last_task_id_; }

  // An operation that completes at once asks before it goes on without suspending. A refusal sends
  // the task through the ready queue, so that one busy stream cannot keep the others from running.
  bool TakeSyncBudget() {
    if (sync_budget_ == 0) return false;
    --sync_budget_;
    return true;
  }

 private:
  static constexpr uint32_t kSyncBudget = 64;

  ReadyQueue* ready_;
  TaskContext* current_ = nullptr;
  uint64_t last_task_id_;
  const uint32_t label_;
  uint32_t sync_budget_ = kSyncBudget;
};

}  // namespace faultline

#endif  // FAULTLINE_RUNTIME_EXECUTOR_H_
