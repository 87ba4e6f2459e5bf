#include "scenarios/replay/testing/odd_scenarios.h"

#include <malloc.h>
#include <sys/types.h>
#include <unistd.h>

#include <cassert>
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include "runtime/check.h"
#include "runtime/event.h"
#include "runtime/runtime.h"
#include "scenarios/harness/scenario.h"
#include "scenarios/harness/stage.h"
#include "sim/host.h"

namespace faultline::replay {
namespace {

using harness::RunReport;
using harness::Stage;

// A host that marks the passing of ten seconds, so that there is something to compare.
Task<void> Tick(Runtime runtime, sim::World* world) {
  for (uint64_t i = 1; i <= 10; ++i) {
    (void)co_await runtime.clock->SleepFor(runtime.random->Between(500ms, 1500ms));
    world->Record(sim::TraceKind::kMark, 0, i, runtime.random->Next());
  }
}

Task<void> WaitForNothing() {
  Event never;
  (void)co_await never.Wait();
}

Task<void> SpinWithoutTime() {
  while (true) co_await Yield();
}

Task<void> SleepForEver(Runtime runtime) {
  while (true) (void)co_await runtime.clock->SleepFor(1h);
}

// A scenario of one host: what it runs, and what happens to it besides.
class OddScenario final : public harness::Scenario {
 public:
  using Direct = void (*)(Stage* stage);

  OddScenario(const char* name, Direct direct) : direct_(direct) {
    info_.name = name;
    info_.summary = "goes wrong on purpose";
    info_.story = info_.summary;
    info_.default_scheduling = sim::Scheduling::kRandom;
    info_.transports = {"tcp", "carrier-pigeon"};
    info_.bugs = {{"first-bug", "does harm", "nowhere"},
                  {"second-bug", "does harm", "nowhere"},
                  {"wired-bug", "does harm", "nowhere", {"tcp"}}};
  }

  const harness::ScenarioInfo& info() const override { return info_; }
  RunReport Run(const harness::RunOptions& options, const harness::RunHooks& hooks) const override {
    Stage stage(options, hooks);
    stage.world()->AddHost({.name = "clock"});
    direct_(&stage);
    if (!stage.world()->host(0)->up()) BootTicker(&stage);
    return stage.Report(stage.Run({.until = 30s}));
  }

 private:
  static void BootTicker(Stage* stage) {
    sim::World* world = stage->world();
    world->host(0)->Boot([world](const Runtime& runtime) { return Tick(runtime, world); });
  }

  harness::ScenarioInfo info_;
  const Direct direct_;
};

void MarkLater(Stage* stage, uint64_t value) {
  sim::World* world = stage->world();
  world->At(MonotonicTime(3s),
            [world, value] { world->Record(sim::TraceKind::kMark, 0, 99, value); });
}

// Objects of earlier runs stay, so that their addresses are not used again.
void LeakAddress(Stage* stage) {
  static std::vector<std::unique_ptr<int>> objects;
  objects.push_back(std::make_unique<int>(0));
  MarkLater(stage, reinterpret_cast<uintptr_t>(objects.back().get()));
}

void LeakProcess(Stage* stage) { MarkLater(stage, static_cast<uint64_t>(getpid())); }

void LeakStack(Stage* stage) {
  int here = 0;
  MarkLater(stage, reinterpret_cast<uintptr_t>(&here));
}

void LeakHistory(Stage* stage) {
  static uint64_t runs = 0;
  MarkLater(stage, ++runs);
}

// The second draw of its kind, or the first where the assertion is compiled away.
void LeakAssertion(Stage* stage) {
  assert(stage->chooser()->Below(sim::Choice::kApplication, 2) < 2);
  MarkLater(stage, stage->chooser()->Below(sim::Choice::kApplication, uint64_t{1} << 62));
}

void LeakOptimisation(Stage* stage) {
#if defined(__OPTIMIZE__)
  MarkLater(stage, 1);
#else
  MarkLater(stage, 0);
#endif
}

void LeakAllocator(Stage* stage) {
  const auto block = std::make_unique<char[]>(20);
  MarkLater(stage, malloc_usable_size(block.get()));
}

bool Chosen(Stage* stage) { return stage->options().seed % 3 == 0; }

void FailCheck(Stage* stage) { FAULTLINE_CHECK(!Chosen(stage)) << "a check that fails on purpose"; }

void Crash(Stage* stage) {
  volatile int* nowhere = nullptr;
  if (Chosen(stage)) *nowhere = 1;  // NOLINT: on purpose
}

void Hang(Stage* stage) {
  volatile bool forever = stage->options().seed == 3;
  while (forever) {
  }
}

void Deadlock(Stage* stage) {
  stage->world()->host(0)->Boot([](const Runtime&) { return WaitForNothing(); });
}

void Livelock(Stage* stage) {
  stage->world()->host(0)->Boot([](const Runtime&) { return SpinWithoutTime(); });
}

void ExceedBound(Stage* stage) {
  stage->world()->host(0)->Boot([](const Runtime& runtime) { return SleepForEver(runtime); });
}

void BreakInvariant(Stage* stage) {
  stage->AddFault({.family = sim::Fault::kPause, .at = 1s, .lasts = 4s, .a = 0});
  stage->AddFault({.family = sim::Fault::kPause, .at = 20s, .lasts = 1s, .a = 0});
  sim::World* world = stage->world();
  world->At(MonotonicTime(3s),
            [world] { world->Fail(absl::InternalError("invariant sample: broken on purpose")); });
}

// Nobody connects: there is no backlog to fill.
void IdleFault(Stage* stage) {
  stage->AddFault({.family = sim::Fault::kPause, .at = 1s, .lasts = 4s, .a = 0});
  stage->AddFault({.family = sim::Fault::kBacklog, .at = 1s, .lasts = 4s, .a = 0});
}

void Chatter(Stage*) { std::fprintf(stderr, "chatter\n"); }

}  // namespace

void AddOddScenarios(harness::Registry* registry) {
  constexpr std::pair<const char*, OddScenario::Direct> kAll[] = {
      {"address-leak", &LeakAddress},
      {"process-leak", &LeakProcess},
      {"stack-leak", &LeakStack},
      {"history-leak", &LeakHistory},
      {"assertion-leak", &LeakAssertion},
      {"optimisation-leak", &LeakOptimisation},
      {"allocator-leak", &LeakAllocator},
      {"check-failure", &FailCheck},
      {"crash", &Crash},
      {"hang", &Hang},
      {"deadlock", &Deadlock},
      {"livelock", &Livelock},
      {"bound", &ExceedBound},
      {"invariant", &BreakInvariant},
      {"idle-fault", &IdleFault},
      {"noisy", &Chatter},
  };
  for (const auto& [name, direct] : kAll) {
    registry->Add(std::make_unique<OddScenario>(name, direct));
  }
}

}  // namespace faultline::replay
