// Shards: a program on several threads, with a loop each, that share nothing but parcels (shard.h).
//
//   absl::StatusOr<std::unique_ptr<Shards>> shards =
//       Shards::Create({.count = 4, .backend = Backend::kAuto, .stop_on_signals = true});
//   if (!shards.ok()) ...
//   ShardsReport report = (*shards)->Run([](Shard* shard) { return Serve(shard); });
//   if (!report.status().ok()) ...
//
// Shard 0 is the thread that makes this: with one shard there is no other thread. Each other shard
// makes its loop on its own thread. `Run` returns when every main has ended and every thread is
// joined; a main that waits for something that never comes, and does not hear a stop, keeps it.
//
// How parcels cross is told in post_office.h.
#ifndef FAULTLINE_RUNTIME_SHARDS_SHARDS_H_
#define FAULTLINE_RUNTIME_SHARDS_SHARDS_H_

#include <pthread.h>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/backend/backend.h"
#include "runtime/shard.h"
#include "runtime/shards/affinity.h"
#include "runtime/shards/post_office.h"
#include "runtime/shards/worker.h"

namespace faultline::shards {

inline constexpr uint32_t kMaxShards = 256;

struct ShardsOptions {
  uint32_t count = 1;
  // `kAuto`: as the first shard's turns out, all of them.
  backend::Backend backend = backend::Backend::kAuto;
  // Shard i runs on core `cores[i]` alone (sched_setaffinity(2)). Empty: wherever the system likes.
  std::vector<uint32_t> cores{};
  // Of each of the count * count mailboxes, in parcels of 64 bytes.
  size_t mailbox_capacity = 256;
  // SIGINT and SIGTERM request the stop of all shards; a second one ends the program.
  bool stop_on_signals = false;
};

class Shards {
 public:
  // Makes the loops and starts the threads, which wait for `Run`. Errors: InvalidArgument; those of
  // the loops' `Create`, with the shard; EINVAL, with the core, for one that this process may not
  // run on; EAGAIN (no more threads).
  static absl::StatusOr<std::unique_ptr<Shards>> Create(const ShardsOptions& options);
  explicit Shards(const ShardsOptions& options);
  Shards(const Shards&) = delete;
  Shards& operator=(const Shards&) = delete;
  // On the thread that made it, which may run where it did before.
  ~Shards();

  backend::Backend backend() const { return backend_; }
  // Why `kAuto` did not take io_uring; OK if it did, or if it was not asked to.
  const absl::Status& why_not() const { return why_not_; }
  // Of shard 0, from now on: on this thread.
  Runtime runtime() { return workers_[0]->loop()->runtime(); }

  // Runs `main` on each shard until all have ended. Once.
  ShardsReport Run(const ShardMain& main);

  // Asks the mains of all shards to stop, now or when they start. From any thread.
  void RequestStop() { office_.RequestStop(); }

 private:
  enum class Phase : uint8_t { kOpening, kRunning, kCancelled };

  absl::Status Open();
  absl::Status OpenFirst();
  absl::Status StartThreads();
  void WorkOn(uint32_t index);
  absl::Status AwaitOpened();
  void Enter(Phase phase);
  void JoinThreads();

  const ShardsOptions options_;
  backend::Backend backend_;
  absl::Status why_not_;
  PostOffice office_;
  Affinity before_;  // of this thread
  std::vector<std::unique_ptr<Worker>> workers_;
  struct Seat {
    Shards* shards;
    uint32_t index;
  };
  static void* WorkOnSeat(void* seat);
  std::vector<Seat> seats_;         // by shard
  std::vector<pthread_t> threads_;  // of shards 1 and up

  std::mutex mutex_;
  std::condition_variable changed_;
  Phase phase_ = Phase::kOpening;    // guarded
  uint32_t opened_ = 0;              // guarded: threads that have said how it went
  const ShardMain* main_ = nullptr;  // guarded
};

}  // namespace faultline::shards

#endif  // FAULTLINE_RUNTIME_SHARDS_SHARDS_H_
