// What a task, a resume, a channel and a timer cost, beside what the language and the standard
// library ask for the same: a bare coroutine, a deque, a heap. Nothing here enters the kernel.

#include <benchmark/benchmark.h>

#include <coroutine>
#include <cstdint>
#include <deque>
#include <memory>
#include <queue>
#include <utility>
#include <vector>

#include "bench/bars.h"
#include "bench/loop.h"
#include "runtime/channel.h"
#include "runtime/combine.h"
#include "runtime/event.h"
#include "runtime/frozen.h"

namespace faultline::bench {
namespace {

// Runs `work(state, loop)`, a coroutine that asks the state how long to go on, on a loop.
void OnLoop(benchmark::State& state, Task<void> (*work)(benchmark::State*, Loop*)) {
  Loop loop;
  loop.Run(work(&state, &loop));
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
}

// --- Peers ---

// A coroutine as the language gives it: lazily started, awaited once, its frame from the heap.
struct Bare {
  struct promise_type {
    Bare get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() {}
  };
  std::coroutine_handle<promise_type> handle;
};

Bare BareNothing(uint64_t* count) {
  ++*count;
  co_return;
}

void PeerCreate(benchmark::State& state) {
  uint64_t count = 0;
  for (auto _ : state) {
    Bare bare = BareNothing(&count);
    benchmark::DoNotOptimize(bare.handle);
    bare.handle.resume();
    bare.handle.destroy();
  }
  benchmark::DoNotOptimize(count);
}
BENCHMARK(PeerCreate)->Name("Peer/coroutine_create");

Bare BareForever(uint64_t* count) {
  while (true) {
    ++*count;
    co_await std::suspend_always();
  }
}

// A ready queue in the obvious way: handles in a deque.
void PeerResume(benchmark::State& state) {
  uint64_t count = 0;
  Bare bare = BareForever(&count);
  std::deque<std::coroutine_handle<>> ready = {bare.handle};
  for (auto _ : state) {
    std::coroutine_handle<> next = ready.front();
    ready.pop_front();
    next.resume();
    ready.push_back(next);
  }
  bare.handle.destroy();
}
BENCHMARK(PeerResume)->Name("Peer/deque_resume");

void PeerTimer(benchmark::State& state) {
  std::priority_queue<std::pair<int64_t, uint64_t>> heap;
  uint64_t random = 88172645463325252;
  auto later = [&random] {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    return static_cast<int64_t>(random % 1'000'000);
  };
  for (int64_t i = 0; i < state.range(0); ++i) heap.emplace(-later(), 0);
  uint64_t sequence = 0;
  for (auto _ : state) {
    int64_t first = heap.top().first;
    heap.pop();
    heap.emplace(first - later(), ++sequence);
  }
}
BENCHMARK(PeerTimer)->Name("Peer/heap_timer")->Arg(1)->Arg(64)->Arg(10'000);

// --- Tasks ---

Task<void> Nothing(uint64_t* count) {
  ++*count;
  co_return;
}

Task<void> CreateTasks(benchmark::State* state, Loop*) {
  uint64_t count = 0;
  while (state->KeepRunning()) co_await Nothing(&count);
  benchmark::DoNotOptimize(count);
}
BENCHMARK_CAPTURE(OnLoop, , &CreateTasks)->Name("Task/create_await");

Task<uint64_t> Nested(uint64_t depth) {
  if (depth == 0) co_return 0;
  co_return 1 + co_await Nested(depth - 1);
}

Task<void> NestTasks(benchmark::State* state, Loop*) {
  while (state->KeepRunningBatch(16)) benchmark::DoNotOptimize(co_await Nested(15));
}
BENCHMARK_CAPTURE(OnLoop, , &NestTasks)->Name("Task/nested_16_deep");

Task<void> YieldAlways(benchmark::State* state, Loop*) {
  while (state->KeepRunning()) co_await Yield();
}
BENCHMARK_CAPTURE(OnLoop, , &YieldAlways)->Name("Task/resume");

Task<void> SpawnTasks(benchmark::State* state, Loop*) {
  uint64_t count = 0;
  Scope scope(co_await ThisTask());
  while (state->KeepRunning()) {
    scope.Spawn(Nothing(&count));
    co_await scope.Join();
  }
}
BENCHMARK_CAPTURE(OnLoop, , &SpawnTasks)->Name("Task/spawn_join");

Task<int> Answer(int value) { co_return value; }

Task<void> RunBoth(benchmark::State* state, Loop*) {
  while (state->KeepRunning()) benchmark::DoNotOptimize(co_await All(Answer(1), Answer(2)));
}
BENCHMARK_CAPTURE(OnLoop, , &RunBoth)->Name("Task/all_of_2");

Task<absl::Status> Fine() { co_return absl::OkStatus(); }

Task<void> WithDeadline(benchmark::State* state, Loop* loop) {
  while (state->KeepRunning()) {
    benchmark::DoNotOptimize(co_await Deadline(loop->clock(), loop->clock()->Now() + 1s, Fine()));
  }
}
BENCHMARK_CAPTURE(OnLoop, , &WithDeadline)->Name("Task/deadline");

// --- Events and channels ---

struct Rally {
  Event ball[2];
  bool over = false;
};

Task<void> Play(Rally* rally, int side) {
  while (!rally->over) {
    (void)co_await rally->ball[side].Wait();
    rally->ball[side].Reset();
    rally->ball[1 - side].Set();
  }
}

Task<void> PlayEvents(benchmark::State* state, Loop*) {
  Rally rally;
  Scope scope(co_await ThisTask());
  scope.Spawn(Play(&rally, 1));
  while (state->KeepRunning()) {
    rally.ball[1].Set();
    (void)co_await rally.ball[0].Wait();
    rally.ball[0].Reset();
  }
  rally.over = true;
  rally.ball[1].Set();
  co_await scope.Join();
}
BENCHMARK_CAPTURE(OnLoop, , &PlayEvents)->Name("Event/round_trip");

void TryChannel(benchmark::State& state) {
  Channel<uint64_t> channel(256);
  uint64_t item = 0;
  for (auto _ : state) {
    channel.TrySend(item);
    item = 1 + *channel.TryReceive();
  }
}
BENCHMARK(TryChannel)->Name("Channel/try_send_receive");

Task<void> Drain(Channel<uint64_t>* channel, uint64_t* sum) {
  while (true) {
    absl::StatusOr<uint64_t> item = co_await channel->Receive();
    if (!item.ok()) co_return;
    *sum += *item;
  }
}

Task<void> Pump(benchmark::State* state, size_t capacity) {
  Channel<uint64_t> channel(capacity);
  uint64_t sum = 0;
  Scope scope(co_await ThisTask());
  scope.Spawn(Drain(&channel, &sum));
  while (state->KeepRunning()) (void)co_await channel.Send(1);
  channel.Close();
  co_await scope.Join();
  FAULTLINE_CHECK(sum == static_cast<uint64_t>(state->iterations())) << "items were lost";
}
Task<void> PumpOne(benchmark::State* state, Loop*) { return Pump(state, 1); }
Task<void> PumpMany(benchmark::State* state, Loop*) { return Pump(state, 256); }
BENCHMARK_CAPTURE(OnLoop, , &PumpOne)->Name("Channel/send_receive/1");
BENCHMARK_CAPTURE(OnLoop, , &PumpMany)->Name("Channel/send_receive/256");

// --- Timers ---

// Each sleep of each task is an iteration.
Task<void> SleepInTurn(benchmark::State* state, Loop* loop, Duration nap, bool* over) {
  while (!*over) {
    (void)co_await loop->clock()->SleepFor(nap);
    if (!*over && !state->KeepRunning()) *over = true;
  }
}

Task<void> SleepAmong(benchmark::State* state, Loop* loop, int64_t tasks) {
  bool over = false;
  Scope scope(co_await ThisTask());
  for (int64_t i = 0; i < tasks; ++i) {
    // Naps that differ, so that the order in which they end keeps changing.
    scope.Spawn(SleepInTurn(state, loop, 100us + Duration(i * 7919 % 100'000), &over));
  }
  co_await scope.Join();
}
Task<void> Sleep1(benchmark::State* state, Loop* loop) { return SleepAmong(state, loop, 1); }
Task<void> Sleep64(benchmark::State* state, Loop* loop) { return SleepAmong(state, loop, 64); }
Task<void> Sleep10000(benchmark::State* state, Loop* loop) {
  return SleepAmong(state, loop, 10'000);
}
BENCHMARK_CAPTURE(OnLoop, , &Sleep1)->Name("Timer/sleep/1");
BENCHMARK_CAPTURE(OnLoop, , &Sleep64)->Name("Timer/sleep/64");
BENCHMARK_CAPTURE(OnLoop, , &Sleep10000)->Name("Timer/sleep/10000");

// A deadline that is set and taken back, as most are.
void ArmDisarm(benchmark::State& state) {
  JumpingClock clock;
  std::deque<Timer> timers;
  for (int64_t i = 0; i < state.range(0); ++i) {
    timers.emplace_back([](Timer*) {})
        .Arm(&clock, MonotonicTime(1s + Duration(i * 7919 % 100'000)));
  }
  size_t at = 0;
  for (auto _ : state) {
    Timer& timer = timers[at];
    timer.Arm(&clock, timer.when() + 100us);
    at = at + 1 == timers.size() ? 0 : at + 1;
  }
}
BENCHMARK(ArmDisarm)->Name("Timer/rearm")->Arg(1)->Arg(64)->Arg(10'000);

// --- Buffers ---

void AllocateBuffer(benchmark::State& state) {
  BufferPool pool;
  for (auto _ : state) {
    Unfrozen draft = pool.Allocate(static_cast<size_t>(state.range(0)));
    benchmark::DoNotOptimize(draft.data());
    Frozen message = std::move(draft).Freeze();
    Frozen shared = message;
    benchmark::DoNotOptimize(shared.data());
  }
}
BENCHMARK(AllocateBuffer)->Name("Frozen/allocate_freeze_share")->Arg(256)->Arg(64 << 10);

Bars Judge(const Measurements& seen) {
  // The issue sets no bars here: these keep what a task costs in sight of what the language charges
  // for it.
  return {
      AtMost("task created and awaited, by a bare coroutine",
             seen.TimeQuotient("Task/create_await", "Peer/coroutine_create"), 2, "times"),
      AtMost("task resumed, by a deque of handles",
             seen.TimeQuotient("Task/resume", "Peer/deque_resume"), 4, "times"),
      AtMost("sleep among 10,000, by a bare heap",
             seen.TimeQuotient("Timer/sleep/10000", "Peer/heap_timer/10000"), 4, "times"),
  };
}

}  // namespace
}  // namespace faultline::bench

int main(int argc, char** argv) {
  return faultline::bench::Run(argc, argv,
                               {.judge = &faultline::bench::Judge, .passes = 11, .seconds = 0.1});
}
