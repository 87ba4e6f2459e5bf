#include "scenarios/replay/campaign.h"

#include <poll.h>
#include <sched.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "scenarios/replay/text.h"

namespace faultline::replay {
namespace {

using WallClock = std::chrono::steady_clock;

constexpr int kPollMs = 100;

// While it lives, SIGINT and SIGTERM become readable instead of ending the process, and writing to
// a worker that died is no signal either. What came meanwhile is not delivered afterwards.
class Interruption {
 public:
  Interruption() {
    sigset_t interrupting;
    sigemptyset(&interrupting);
    sigaddset(&interrupting, SIGINT);
    sigaddset(&interrupting, SIGTERM);
    blocked_ = interrupting;
    sigaddset(&blocked_, SIGPIPE);
    sigprocmask(SIG_BLOCK, &blocked_, &before_);
    descriptor_ = signalfd(-1, &interrupting, SFD_CLOEXEC | SFD_NONBLOCK);
  }
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;
  ~Interruption() {
    close(descriptor_);
    const timespec now{};
    while (sigtimedwait(&blocked_, nullptr, &now) > 0) {
    }
    sigprocmask(SIG_SETMASK, &before_, nullptr);
  }

  int descriptor() const { return descriptor_; }

 private:
  sigset_t blocked_;
  sigset_t before_;
  int descriptor_ = -1;
};

class Campaign {
 public:
  Campaign(const CampaignConfig& config, Progress* progress)
      : config_(config), progress_(progress), next_(config.first_seed) {}

  absl::StatusOr<CampaignOutcome> Run() {
    absl::Status status = StartWorkers();
    while (status.ok() && outcome_.cut_short.empty() && AssignSeeds()) {
      Wait();
      status = Collect();
      progress_->Update(outcome_.totals, Elapsed());
    }
    progress_->Finish();
    if (!status.ok()) return status;
    if (outcome_.cut_short.empty()) DismissWorkers();
    workers_.clear();
    outcome_.elapsed = Elapsed();
    return outcome_;
  }

 private:
  Duration Elapsed() const { return WallClock::now() - began_; }

  absl::Status StartWorkers() {
    const uint64_t seeds = config_.last_seed - config_.first_seed + 1;
    for (uint64_t i = 0; i < std::min(config_.jobs, seeds); ++i) {
      auto worker = StartWorker();
      if (!worker.ok()) return worker.status();
      workers_.push_back(*std::move(worker));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<Worker>> StartWorker() {
    std::vector<int> others = {interruption_.descriptor()};
    for (const auto& worker : workers_) {
      for (int descriptor : worker->descriptors()) others.push_back(descriptor);
    }
    return Worker::Start(config_.job, others);
  }

  // False when every seed has been run.
  bool AssignSeeds() {
    bool working = false;
    for (const auto& worker : workers_) {
      if (!worker->busy() && next_ <= config_.last_seed) worker->Assign(next_++);
      working |= worker->busy();
    }
    return working;
  }

  void Wait() {
    waiting_.assign(1, {interruption_.descriptor(), POLLIN, 0});
    for (const auto& worker : workers_) {
      waiting_.push_back({worker->busy() ? worker->result_descriptor() : -1, POLLIN, 0});
    }
    poll(waiting_.data(), waiting_.size(), kPollMs);
    if (waiting_[0].revents != 0) outcome_.cut_short = "interrupted";
  }

  absl::Status Collect() {
    for (size_t i = 0; i < workers_.size(); ++i) {
      std::unique_ptr<Worker>& worker = workers_[i];
      const bool readable = waiting_[i + 1].revents != 0;
      const bool hung =
          worker->busy() && !readable && WallClock::now() - worker->started() > config_.wall_limit;
      if (!readable && !hung) continue;
      const bool alive = !hung && TakeResult(worker.get());
      if (alive) continue;
      TakeLoss(worker.get(), hung);
      absl::Status replaced = Replace(&worker);
      if (!replaced.ok()) return replaced;
    }
    return absl::OkStatus();
  }

  // False if it died instead.
  bool TakeResult(Worker* worker) {
    std::optional<SeedResult> result = worker->Receive();
    if (!result.has_value()) return false;
    outcome_.totals.Add(*result);
    if (!result->headline.empty()) Announce(result->headline);
    return true;
  }

  void TakeLoss(Worker* worker, bool hung) {
    if (hung) worker->Kill();
    const std::string end = worker->Reap();
    const std::string how =
        hung ? absl::StrCat("did not end within ", config_.wall_limit / 1s, " s of real time")
             : end;
    const std::string headline =
        absl::StrCat("seed ", worker->seed(), ": CRASHED: its process ", how);
    outcome_.totals.AddLost(worker->seed(), headline,
                            absl::StrCat(worker->StandardError(), "  replay it with:\n    ",
                                         config_.command(worker->seed()), "\n"));
    Announce(headline);
  }

  absl::Status Replace(std::unique_ptr<Worker>* worker) {
    auto started = StartWorker();
    if (!started.ok()) return started.status();
    *worker = *std::move(started);
    return absl::OkStatus();
  }

  void Announce(const std::string& headline) {
    progress_->Say(headline);
    const size_t failed = outcome_.totals.failures().size();
    if (config_.max_failures == 0 || failed < config_.max_failures) return;
    if (outcome_.totals.seeds() > config_.last_seed - config_.first_seed) return;
    outcome_.cut_short = absl::StrCat(failed, " failures are enough (see --max-failures)");
  }

  void DismissWorkers() {
    for (const auto& worker : workers_) {
      if (std::optional<std::string> bad = worker->Dismiss()) outcome_.totals.AddDisorder(*bad);
    }
  }

  const CampaignConfig& config_;
  Progress* const progress_;
  const WallClock::time_point began_ = WallClock::now();
  Interruption interruption_;
  uint64_t next_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<pollfd> waiting_;
  CampaignOutcome outcome_;
};

}  // namespace

absl::StatusOr<CampaignOutcome> RunCampaign(const CampaignConfig& config, Progress* progress) {
  return Campaign(config, progress).Run();
}

uint64_t DefaultJobs() {
  cpu_set_t usable;
  CPU_ZERO(&usable);
  if (sched_getaffinity(0, sizeof(usable), &usable) != 0) return 1;
  return static_cast<uint64_t>(std::max(CPU_COUNT(&usable), 1));
}

}  // namespace faultline::replay
