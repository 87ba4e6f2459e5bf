#include "runtime/conformance/campaign.h"

#include <chrono>
#include <cstdio>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "runtime/conformance/flags.h"
#include "runtime/conformance/generate.h"
#include "runtime/conformance/judge.h"
#include "runtime/conformance/world.h"
#include "runtime/kernel/clock.h"

namespace faultline::conformance {
namespace {

constexpr Duration kProgressEvery = 5s;

void Print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void Complain(const std::string& text) {
  std::fflush(stdout);
  std::fprintf(stderr, "conformance: %s\n", text.c_str());
}

using Worlds = std::vector<std::unique_ptr<World>>;

// A kernel without io_uring has one world less, unless it was all that was asked for.
absl::StatusOr<Worlds> MakeWorlds(const ConformanceFlags& flags) {
  Worlds worlds;
  if (flags.epoll) {
    auto epoll = MakeEpollWorld();
    if (!epoll.ok()) return epoll.status();
    worlds.push_back(*std::move(epoll));
  }
  if (flags.io_uring) {
    auto io_uring = MakeIoUringWorld();
    if (!io_uring.ok() && !flags.epoll && !flags.simulation) return io_uring.status();
    if (io_uring.ok()) {
      worlds.push_back(*std::move(io_uring));
    } else {
      Complain(absl::StrCat("SKIPPED: the world io_uring: ", io_uring.status().message()));
    }
  }
  if (flags.simulation) {
    for (Simulation kind : {Simulation::kFifo, Simulation::kRandom, Simulation::kHosts}) {
      worlds.push_back(MakeSimulatedWorld(kind, flags.seed));
    }
  }
  return worlds;
}

std::vector<World*> Borrowed(const Worlds& worlds) {
  std::vector<World*> borrowed;
  for (const auto& world : worlds) borrowed.push_back(world.get());
  return borrowed;
}

class Campaign {
 public:
  Campaign(const ConformanceFlags& flags, Worlds worlds)
      : flags_(flags), worlds_(std::move(worlds)), judge_(Borrowed(worlds_)) {}

  int Run() {
    started_ = progress_ = clock_.Now();
    Print(absl::StrCat("worlds: ",
                       absl::StrJoin(worlds_, ", ",
                                     [](std::string* out, const auto& world) {
                                       absl::StrAppend(out, std::string(world->name()));
                                     }),
                       "\n"));
    for (uint64_t i = 0; i < flags_.programs && GoesOn(); ++i) {
      RunOne(flags_.seed + i);
      ShowProgress(i + 1);
    }
    Print(absl::StrCat("\n", tally_.ToString(), Verdict()));
    return mismatches_ == 0 ? kExitAgree : kExitMismatch;
  }

 private:
  bool GoesOn() const {
    if (mismatches_ >= flags_.max_mismatches) return false;
    return flags_.seconds == 0 || clock_.Now() < started_ + std::chrono::seconds(flags_.seconds);
  }

  void RunOne(uint64_t seed) {
    const Program program = Generate(seed);
    if (flags_.show) Show(program);
    const std::optional<Mismatch> mismatch = judge_.Try(program, Judge::kQuick, &tally_);
    if (!mismatch.has_value()) return;
    if (!judge_.Confirms(program, *mismatch)) {
      fleeting_.push_back(seed);
      Print(absl::StrCat("seed ", seed, ": once, and not again: ", mismatch->worlds, ": ",
                         mismatch->finding.what, "\n"));
      return;
    }
    ++mismatches_;
    Report(seed, *mismatch, judge_.Shrunk(program, *mismatch));
  }

  void Report(uint64_t seed, const Mismatch& mismatch, const Program& shrunk) {
    const std::optional<Mismatch> small = judge_.Try(shrunk, Judge::kCareful);
    const Mismatch& shown = small.has_value() ? *small : mismatch;
    Print(absl::StrCat("\nMISMATCH of seed ", seed, ": ", shown.worlds, "\n  ", shown.finding.what,
                       "\n", shown.table, "shrunk to ", shrunk.size(), " steps, as source:\n\n",
                       shrunk.ToSource(), "\nreplay: bazel run //runtime/conformance -- ",
                       "--programs=1 --seed=", seed, "\n"));
  }

  void Show(const Program& program) {
    Print(program.ToSource());
    for (const auto& world : worlds_) {
      const Observation seen = world->Run(program, Judge::kQuick);
      Print(absl::StrCat("\n", std::string(world->name()), "\n"));
      ForEachStep(program, [&](const Place& place, const Step& step) {
        Print(absl::StrFormat("  %d.%d.%d %-48s %s\n", place.phase, place.task, place.step,
                              ToSource(step), seen.at(place).ToString()));
      });
    }
  }

  void ShowProgress(uint64_t done) {
    const MonotonicTime now = clock_.Now();
    if (now < progress_ + kProgressEvery) return;
    progress_ = now;
    Print(absl::StrCat(FormatSeconds(now - started_), " ", done, " programs, ", mismatches_,
                       " mismatches\n"));
  }

  std::string Verdict() const {
    std::string text = absl::StrCat(mismatches_, " mismatches");
    if (!fleeting_.empty()) {
      absl::StrAppend(&text, "; seen once and not again: seeds ", absl::StrJoin(fleeting_, ", "));
    }
    return absl::StrCat(text, "\n");
  }

  const ConformanceFlags flags_;
  const Worlds worlds_;
  Judge judge_;
  kernel::KernelClock clock_;
  MonotonicTime started_;
  MonotonicTime progress_;
  Tally tally_;
  uint64_t mismatches_ = 0;
  std::vector<uint64_t> fleeting_;
};

int Unusable(const absl::Status& status) {
  Complain(absl::StrCat(status.message(), "\nconformance --help tells what there is"));
  return kExitUsage;
}

}  // namespace

int Main(const std::vector<std::string>& arguments) {
  const absl::StatusOr<ConformanceFlags> flags = ParseConformanceFlags(arguments);
  if (!flags.ok()) return Unusable(flags.status());
  if (flags->help) {
    Print(HelpText());
    return kExitAgree;
  }
  absl::StatusOr<Worlds> worlds = MakeWorlds(*flags);
  if (!worlds.ok()) return Unusable(worlds.status());
  return Campaign(*flags, *std::move(worlds)).Run();
}

}  // namespace faultline::conformance
