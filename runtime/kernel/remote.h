// Remote: how other threads have something done on a loop's thread.
//
//   std::shared_ptr<Remote> remote = loop->remote();
//   std::thread worker([remote, done] {
//     ...
//     if (!remote->Post([done] { done->Set(); })) ...          // full, or the loop is gone
//   });
//
// The queue is bounded. The loop is woken through an eventfd(2), by the first of several posts
// only: the counter is never read, because with an edge-triggered registration each write is an
// event of its own.
#ifndef FAULTLINE_RUNTIME_KERNEL_REMOTE_H_
#define FAULTLINE_RUNTIME_KERNEL_REMOTE_H_

#include <cstddef>
#include <mutex>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "runtime/kernel/descriptor.h"

namespace faultline::kernel {

class Remote {
 public:
  using Function = absl::AnyInvocable<void()>;

  // Takes over an eventfd. At most `capacity` functions wait at a time.
  Remote(Descriptor event, size_t capacity);
  Remote(const Remote&) = delete;
  Remote& operator=(const Remote&) = delete;

  // From any thread, the loop's own included: `function` is called on the loop's thread, outside of
  // tasks, after those that were posted earlier. Never waits. False: the queue is full or the loop
  // has ended; nothing will be called. What is accepted before the last task of a `Run` has ended
  // is called before that `Run` returns; otherwise by the next `Run`, or by the loop's end.
  [[nodiscard]] bool Post(Function function);

  // From any thread: the loop does not sleep, or wakes up, and looks at whatever it looks at.
  void Wake();

  // --- For the loop ---
  int event() const { return event_.get(); }
  // Calls everything that has been posted so far. False if there was nothing.
  bool RunPosted();
  // No more posts.
  void Close();

 private:
  const size_t capacity_;
  std::mutex mutex_;
  const Descriptor event_;
  bool closed_ = false;            // guarded
  std::vector<Function> posted_;   // guarded
  std::vector<Function> running_;  // the loop's thread only
};

}  // namespace faultline::kernel

#endif  // FAULTLINE_RUNTIME_KERNEL_REMOTE_H_
