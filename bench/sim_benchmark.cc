// What a simulated event, message and datagram costs, beside the floor: what any simulator has to
// pay for them.
//
// The floor of a delivered segment is one push and one pop on a heap of 64 events, one coroutine
// resumed, one hash of 16 bytes, one copy of 256 bytes and one allocation, each measured by itself
// in the same run and added up. `cost an event` is processor time by events fired.
// docs/performance.md says how to read the figures.

#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include <coroutine>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <queue>
#include <string>
#include <vector>

#include "bench/bars.h"
#include "bench/sim_workloads.h"
#include "xxhash.h"

namespace faultline::bench {
namespace {

constexpr size_t kEventLines = 33;  // that an event of a round trip touches, messages included

// --- The floor ---

struct FloorEvent {
  int64_t when;
  uint64_t sequence;
  void* actor;
  bool operator<(const FloorEvent& other) const {
    return when != other.when ? when > other.when : sequence > other.sequence;
  }
};

// Each event that is popped is pushed again, a while later.
void FloorHeap(benchmark::State& state) {
  uint64_t random = 88172645463325252;
  auto later = [&random] {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    return static_cast<int64_t>(random % 1'000'000);
  };
  std::priority_queue<FloorEvent> heap;
  uint64_t sequence = 0;
  for (int64_t i = 0; i < state.range(0); ++i) heap.push({later(), ++sequence, nullptr});
  for (auto _ : state) {
    FloorEvent first = heap.top();
    heap.pop();
    heap.push({first.when + later(), ++sequence, first.actor});
  }
}
BENCHMARK(FloorHeap)->Name("Floor/heap")->Arg(64)->Arg(10'000);

struct Spinner {
  struct promise_type {
    Spinner get_return_object() {
      return {std::coroutine_handle<promise_type>::from_promise(*this)};
    }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() {}
  };
  std::coroutine_handle<promise_type> handle;
};

Spinner Spin(uint64_t* turns) {
  while (true) {
    ++*turns;
    co_await std::suspend_always();
  }
}

void FloorResume(benchmark::State& state) {
  uint64_t turns = 0;
  Spinner spinner = Spin(&turns);
  benchmark::DoNotOptimize(spinner.handle);
  for (auto _ : state) spinner.handle.resume();
  benchmark::DoNotOptimize(turns);
  spinner.handle.destroy();
}
BENCHMARK(FloorResume)->Name("Floor/resume");

// Each hash waits for the one before it, as those of a rolling hash do.
void FloorHash(benchmark::State& state) {
  uint64_t block[2] = {1, 2};
  for (auto _ : state) block[0] = XXH3_64bits(block, sizeof(block));
  benchmark::DoNotOptimize(block[0]);
}
BENCHMARK(FloorHash)->Name("Floor/hash_16");

void FloorCopy(benchmark::State& state) {
  constexpr size_t kRing = 64 << 10;
  std::vector<std::byte> from(kRing);
  std::vector<std::byte> to(kRing);
  benchmark::DoNotOptimize(from.data());
  benchmark::DoNotOptimize(to.data());
  size_t at = 0;
  for (auto _ : state) {
    std::memcpy(to.data() + at, from.data() + at, kMessageBytes);
    benchmark::ClobberMemory();
    at = (at + kMessageBytes) % kRing;
  }
}
BENCHMARK(FloorCopy)->Name("Floor/copy_256");

void FloorAllocation(benchmark::State& state) {
  for (auto _ : state) {
    void* memory = ::operator new(kMessageBytes);
    benchmark::DoNotOptimize(memory);
    ::operator delete(memory);
  }
}
BENCHMARK(FloorAllocation)->Name("Floor/allocation");

// What the memory system alone asks for a message to one of many hosts. Each event goes to a random
// host of `state.range(0)`, writes to so many cache lines of its own as an event of a simulated
// world does, and copies a message out of one of its buffers into another. Nothing is computed, no
// line depends on another, and the lines of the next events are fetched ahead of time, in huge
// pages: a simulator cannot be better than that, only touch fewer lines.
class ColdHosts {
 public:
  explicit ColdHosts(size_t hosts) : hosts_(hosts) {
    const size_t bytes = (hosts * sizeof(Host) + kHugePage - 1) / kHugePage * kHugePage;
    memory_ = static_cast<Host*>(std::aligned_alloc(kHugePage, bytes));
    (void)madvise(memory_, bytes, MADV_HUGEPAGE);
    std::memset(static_cast<void*>(memory_), 1, bytes);
    for (size_t& host : coming_) host = Draw();
  }
  ColdHosts(const ColdHosts&) = delete;
  ColdHosts& operator=(const ColdHosts&) = delete;
  ~ColdHosts() { std::free(memory_); }

  void Event() {
    Host& host = memory_[coming_[turn_]];
    for (Line& line : host.state) line.value += turn_;
    std::memcpy(host.to, host.from, kMessageBytes);
    host.from[turn_] = static_cast<std::byte>(turn_);
    coming_[turn_] = Draw();
    turn_ = (turn_ + 1) % kAhead;
  }

 private:
  static constexpr size_t kHugePage = size_t{2} << 20;
  static constexpr size_t kAhead = 4;

  struct alignas(64) Line {
    uint64_t value;
  };
  struct Host {
    Line state[kEventLines - 2 * kMessageBytes / 64];
    std::byte from[kMessageBytes];
    std::byte to[kMessageBytes];
  };

  size_t Draw() {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    const size_t host = random_ % hosts_;
    FetchLines(&memory_[host], sizeof(Host));
    return host;
  }

  const size_t hosts_;
  Host* memory_;
  uint64_t random_ = 88172645463325252;
  size_t coming_[kAhead];
  size_t turn_ = 0;
};

void FloorMemory(benchmark::State& state) {
  ColdHosts hosts(static_cast<size_t>(state.range(0)));
  for (auto _ : state) hosts.Event();
}
BENCHMARK(FloorMemory)->Name("Floor/memory")->Arg(10)->Arg(10'000);

// --- Worlds ---

LoadOptions Plain() { return {}; }

LoadOptions Idle(uint32_t hosts) { return {.idle_hosts = hosts}; }

LoadOptions Shuffled() {
  LoadOptions options;
  options.world.scheduling = sim::Scheduling::kRandom;
  return options;
}

LoadOptions Pct() {
  LoadOptions options;
  options.world.scheduling = sim::Scheduling::kPct;
  return options;
}

// Latencies differ, so that events of different connections mix.
LoadOptions Jittered() {
  LoadOptions options;
  for (sim::LinkConfig& link : options.world.links)
    link.latency = sim::Latency::Uniform(100us, 900us);
  return options;
}

LoadOptions Faulty() {
  LoadOptions options = Jittered();
  for (sim::LinkConfig& link : options.world.links) {
    link.latency = sim::Latency::Exponential(100us, 400us);
    link.loss = {1, 100};
    link.reorder = {1, 100};
    link.duplicate = {1, 100};
  }
  return options;
}

constexpr uint64_t kBatch = 65'536;  // several steps of each of 10,000 hosts

void Drive(benchmark::State& state, std::unique_ptr<Workload> load) {
  load->Run(kBatch);  // warm: buffers have grown, frames are in the pool
  const uint64_t before = load->events();
  while (state.KeepRunningBatch(kBatch)) load->Run(kBatch);
  const double events = static_cast<double>(load->events() - before);
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
  state.counters["events/s"] = benchmark::Counter(events, benchmark::Counter::kIsRate);
  state.counters["events"] = benchmark::Counter(events, benchmark::Counter::kAvgIterations);
}

void Register(const std::string& name, std::unique_ptr<Workload> (*make)()) {
  benchmark::RegisterBenchmark(name.c_str(),
                               [make](benchmark::State& state) { Drive(state, make()); });
}

void RegisterWorlds() {
  Register("OneWay/plain", [] { return OneWay(Plain()); });
  Register("OneWay/random_scheduling", [] { return OneWay(Shuffled()); });
  Register("OneWay/pct", [] { return OneWay(Pct()); });
  Register("OneWay/jitter", [] { return OneWay(Jittered()); });
  Register("OneWay/faults", [] { return OneWay(Faulty()); });
  Register("PingPong/plain", [] { return PingPong(Plain(), 1); });
  Register("PingPong/random_scheduling", [] { return PingPong(Shuffled(), 1); });
  Register("PingPong/jitter", [] { return PingPong(Jittered(), 1); });
  Register("PingPong/10_000_idle_hosts", [] { return PingPong(Idle(10'000), 1); });
  Register("ManyToOne/plain", [] { return ManyToOne(Plain(), 100); });
  Register("ManyToOne/random_scheduling", [] { return ManyToOne(Shuffled(), 100); });
  Register("ManyToOne/jitter", [] { return ManyToOne(Jittered(), 100); });
  Register("Datagrams/plain", [] { return Datagrams(Plain()); });
  Register("Hosts/10", [] { return PingPong(Plain(), 5); });
  Register("Hosts/100", [] { return PingPong(Plain(), 50); });
  Register("Hosts/1_000", [] { return PingPong(Plain(), 500); });
  Register("Hosts/10_000", [] { return PingPong(Plain(), 5'000); });
  Register("Hosts/10/jitter", [] { return PingPong(Jittered(), 5); });
  Register("Hosts/10_000/jitter", [] { return PingPong(Jittered(), 5'000); });
  Register("Mesh/10", [] { return Mesh(Jittered(), 10); });
  Register("Mesh/10_000", [] { return Mesh(Jittered(), 10'000); });
  Register("Timers/10", [] { return Timers(Plain(), 10); });
  Register("Timers/10_000", [] { return Timers(Plain(), 10'000); });
}

// --- Bars ---

std::optional<double> Floor(const Measurements& seen) {
  double sum = 0;
  for (const char* part :
       {"Floor/heap/64", "Floor/resume", "Floor/hash_16", "Floor/copy_256", "Floor/allocation"}) {
    std::optional<double> cost = seen.Nanoseconds(part);
    if (!cost.has_value()) return std::nullopt;
    sum += *cost;
  }
  return sum;
}

Bars Judge(const Measurements& seen) {
  auto growth = [&seen](const std::string& few, const std::string& many) {
    return seen.Quotient("events/s", few, many);
  };
  return {
      AtMost("delivered segment, by its floor",
             Quotient(seen.Nanoseconds("OneWay/plain"), Floor(seen)), 4, "floors"),
      AtLeast("one-way messages of 256 B", seen.ItemsPerSecond("OneWay/plain"), 4e6, "/s"),
      AtLeast("round trips of 256 B", seen.ItemsPerSecond("PingPong/plain"), 1e6, "/s"),
      AtLeast("datagrams of 256 B", seen.ItemsPerSecond("Datagrams/plain"), 2e6, "/s"),
      AtLeast("round trips, 100 hosts against one", seen.ItemsPerSecond("ManyToOne/plain"), 8e5,
              "/s"),
      AtMost("cost an event, 10,000 hosts by 10", growth("Hosts/10", "Hosts/10_000"), 2, "times"),
      AtMost("cost an event, 10,000 hosts by 10, jittered",
             growth("Hosts/10/jitter", "Hosts/10_000/jitter"), 2, "times"),
      AtMost("cost an event, 10,000 hosts by 10, anybody with anybody",
             growth("Mesh/10", "Mesh/10_000"), 2, "times"),
      AtMost("cost a timer, 10,000 hosts by 10", growth("Timers/10", "Timers/10_000"), 2, "times"),
      AtMost("round trip, 10,000 idle hosts by none",
             seen.TimeQuotient("PingPong/10_000_idle_hosts", "PingPong/plain"), 1.05, "times"),
  };
}

}  // namespace
}  // namespace faultline::bench

int main(int argc, char** argv) {
  faultline::bench::RegisterWorlds();
  return faultline::bench::Run(argc, argv,
                               {.judge = &faultline::bench::Judge, .passes = 11, .seconds = 0.1});
}
