#include "runtime/shards/shards.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/check.h"
#include "runtime/errors.h"

namespace faultline::shards {
namespace {

absl::Status Validate(const ShardsOptions& options) {
  if (options.count < 1 || options.count > kMaxShards) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.count, " shards: between 1 and ", kMaxShards, " are possible"));
  }
  if (options.mailbox_capacity < 1) {
    return absl::InvalidArgumentError("a mailbox holds at least one parcel");
  }
  if (!options.cores.empty() && options.cores.size() != options.count) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.cores.size(), " cores for ", options.count, " shards"));
  }
  return absl::OkStatus();
}

// With one shard there is nothing to tell apart.
absl::Status Named(uint32_t shard, uint32_t count, const absl::Status& error) {
  if (count == 1) return error;
  absl::Status named(error.code(), absl::StrCat("shard ", shard, ": ", error.message()));
  error.ForEachPayload([&named](absl::string_view type, const absl::Cord& payload) {
    named.SetPayload(type, payload);
  });
  return named;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Shards>> Shards::Create(const ShardsOptions& options) {
  if (absl::Status valid = Validate(options); !valid.ok()) return valid;
  auto shards = std::make_unique<Shards>(options);
  absl::Status opened = shards->Open();
  if (!opened.ok()) return opened;
  return shards;
}

Shards::Shards(const ShardsOptions& options)
    : options_(options),
      backend_(options.backend),
      office_(options.count, options.mailbox_capacity) {
  for (uint32_t i = 0; i < options.count; ++i) {
    workers_.push_back(std::make_unique<Worker>(&office_, i, options.count));
    seats_.push_back({this, i});
  }
}

Shards::~Shards() {
  Enter(Phase::kCancelled);
  JoinThreads();
  workers_[0]->Shut();
}

absl::Status Shards::Open() {
  if (absl::Status first = OpenFirst(); !first.ok()) return first;
  if (absl::Status started = StartThreads(); !started.ok()) return started;
  return AwaitOpened();
}

absl::Status Shards::OpenFirst() {
  absl::Status opened;
  if (!options_.cores.empty()) opened = before_.Keep();
  const uint32_t* core = options_.cores.empty() ? nullptr : &options_.cores[0];
  if (opened.ok()) opened = workers_[0]->Open(options_.backend, core);
  if (!opened.ok()) return Named(0, options_.count, opened);
  backend_ = workers_[0]->backend();
  why_not_ = workers_[0]->why_not();
  return options_.stop_on_signals ? workers_[0]->StopOnSignals() : absl::OkStatus();
}

absl::Status Shards::StartThreads() {
  for (uint32_t i = 1; i < options_.count; ++i) {
    pthread_t thread;
    if (int error = pthread_create(&thread, nullptr, &WorkOnSeat, &seats_[i])) {
      return ErrnoStatus(error, absl::StrCat("shard ", i, ": pthread_create"));
    }
    threads_.push_back(thread);
  }
  return absl::OkStatus();
}

void* Shards::WorkOnSeat(void* seat) {
  const auto* own = static_cast<const Seat*>(seat);
  own->shards->WorkOn(own->index);
  return nullptr;
}

// A thread's life.
void Shards::WorkOn(uint32_t index) {
  Worker* worker = workers_[index].get();
  const uint32_t* core = options_.cores.empty() ? nullptr : &options_.cores[index];
  const bool opened = worker->Open(backend_, core).ok();
  std::unique_lock<std::mutex> lock(mutex_);
  ++opened_;
  changed_.notify_all();
  changed_.wait(lock, [this] { return phase_ != Phase::kOpening; });
  const ShardMain* main = main_;
  lock.unlock();
  if (opened && main != nullptr) worker->Run(*main);
  worker->Shut();
}

absl::Status Shards::AwaitOpened() {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return opened_ == threads_.size(); });
  for (uint32_t i = 1; i < options_.count; ++i) {
    if (!workers_[i]->opened().ok()) return Named(i, options_.count, workers_[i]->opened());
  }
  return absl::OkStatus();
}

void Shards::Enter(Phase phase) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (phase_ == Phase::kOpening) phase_ = phase;
  changed_.notify_all();
}

void Shards::JoinThreads() {
  for (pthread_t thread : threads_) {
    FAULTLINE_CHECK(pthread_join(thread, nullptr) == 0) << "a thread is joined once";
  }
  threads_.clear();
}

ShardsReport Shards::Run(const ShardMain& main) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    FAULTLINE_CHECK(main_ == nullptr) << "shards run once";
    main_ = &main;
  }
  Enter(Phase::kRunning);
  workers_[0]->Run(main);
  JoinThreads();
  ShardsReport report;
  for (const auto& worker : workers_) report.shards.push_back(worker->report());
  return report;
}

}  // namespace faultline::shards
