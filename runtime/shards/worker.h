// Worker: one shard of `Shards`, on its thread: its loop, its mailboxes, its main.
//
// States:  made --Open--> open --Run--> ended --Shut--> shut
// Everything but the constructor happens on the shard's own thread; who waits for that thread (or
// is it) may read the results afterwards.
#ifndef FAULTLINE_RUNTIME_SHARDS_WORKER_H_
#define FAULTLINE_RUNTIME_SHARDS_WORKER_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "runtime/backend/backend.h"
#include "runtime/event.h"
#include "runtime/kernel/loop.h"
#include "runtime/shard.h"
#include "runtime/shards/post_office.h"

namespace faultline::shards {

class Worker final : private kernel::OutsideWork {
 public:
  // `office` outlives it.
  Worker(PostOffice* office, uint32_t index, uint32_t count)
      : office_(office), index_(index), count_(count), link_(office, index) {}
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Pins the thread, if `core` is not null, and makes the loop. The error is kept too.
  absl::Status Open(backend::Backend backend, const uint32_t* core);
  const absl::Status& opened() const { return opened_; }
  // SIGINT and SIGTERM stop all shards. Before other threads are started.
  absl::Status StopOnSignals() { return loop_->StopOnSignals(&signalled_); }

  // Runs `main` to its end, and waits for the ends of all others: what comes meanwhile is
  // destroyed.
  void Run(const ShardMain& main);
  // Ends the loop. Others may still ring.
  void Shut();

  kernel::Loop* loop() { return loop_.get(); }
  backend::Backend backend() const { return backend_; }
  const absl::Status& why_not() const { return why_not_; }
  ShardsReport::One report() const { return {status_, undelivered_}; }

 private:
  void Look() override;
  void BeforeSleep() override;
  void LookAround();
  Task<void> Live(const ShardMain* main);

  PostOffice* const office_;
  const uint32_t index_;
  const uint32_t count_;
  MailLink link_;
  absl::Status opened_;
  std::unique_ptr<kernel::Loop> loop_;
  backend::Backend backend_ = backend::Backend::kAuto;
  absl::Status why_not_;
  // Of the main.
  std::optional<Shard> shard_;
  Event all_ended_;
  absl::Status status_;
  uint64_t undelivered_ = 0;
  // Passes a signal on to all shards.
  struct OnSignal : StopCallback {
    explicit OnSignal(PostOffice* to) : StopCallback(&Pass), office(to) {}
    static void Pass(StopCallback* self) { static_cast<OnSignal*>(self)->office->RequestStop(); }
    PostOffice* const office;
  };
  StopSource signalled_;
  OnSignal on_signal_{office_};
};

}  // namespace faultline::shards

#endif  // FAULTLINE_RUNTIME_SHARDS_WORKER_H_
