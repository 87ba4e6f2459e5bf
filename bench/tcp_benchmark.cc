// TCP over loopback: ours beside a bare epoll loop and beside Asio, in the same run.
//
// The two ends of a connection are two processes with one thread each, for every contestant alike;
// what they do is told in tcp_workload.h. Times are of the wall. `client_cpu` and `server_cpu` are
// nanoseconds of the processor a message at each end, those of the kernel included.
// docs/performance.md says how to read the figures.

#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/bars.h"
#include "bench/tcp_congestion.h"
#include "bench/tcp_server_process.h"
#include "bench/tcp_workload.h"
#include "runtime/check.h"

namespace faultline::bench {
namespace {

double OwnCpuNanoseconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e9 +
         static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e3;
}

uint64_t StepOf(const Load& load) {
  return load.shape == Shape::kPingPong ? kRoundTripsAtOnce : load.round();
}

// Bytes that a stream moves before the clock starts: about 0.1 seconds. Until then the kernel's
// buffers still grow, and who reads slowly is ahead. Runs that only find out how many iterations
// fill the time do without.
constexpr uint64_t kWarmUpBytes = uint64_t{512} << 20;
constexpr uint64_t kLongRunBytes = uint64_t{64} << 20;

uint64_t WarmUpSteps(const Load& load, uint64_t iterations) {
  if (load.shape == Shape::kPingPong || iterations * load.message_bytes < kLongRunBytes) return 1;
  return kWarmUpBytes / (StepOf(load) * load.message_bytes);
}

void Measure(benchmark::State& state, const Contestant& contestant, const Load& load) {
  ServerProcess server(contestant, load);
  const auto step = static_cast<int64_t>(StepOf(load));
  const auto warm_up =
      static_cast<int64_t>(WarmUpSteps(load, static_cast<uint64_t>(state.max_iterations)));
  const double cpu_before = OwnCpuNanoseconds();
  int64_t cold = warm_up;
  const uint64_t sent = contestant.drive(load, server.port(), [&] {
    if (cold == warm_up) UseReno();
    return --cold > 0 || state.KeepRunningBatch(step);
  });
  const double cpu = OwnCpuNanoseconds() - cpu_before;
  const ServerProcess::Outcome outcome = server.Join();
  FAULTLINE_CHECK(sent == outcome.messages) << sent << " sent, " << outcome.messages << " came";
  FAULTLINE_CHECK(sent == static_cast<uint64_t>(state.iterations() + warm_up * step));
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(load.message_bytes));
  state.counters["client_cpu"] = cpu / static_cast<double>(sent);
  state.counters["server_cpu"] = outcome.cpu_ns / static_cast<double>(sent);
}

constexpr const Contestant* kContestants[] = {&kBare, &kAsio, &kFaultline, &kFaultlineUring};
// Measured for comparison; no bar is about them.
constexpr const Contestant* kVariants[] = {&kFaultlineAligned, &kFaultlineThreads};

std::string NameOf(const Load& load, const Contestant& contestant) {
  return absl::StrCat(load.shape == Shape::kPingPong ? "PingPong" : "Stream", "/",
                      load.cores == Cores::kOne ? "one_core" : "two_cores", "/",
                      load.content == Content::kBytes ? "bytes" : "frames", "/", load.message_bytes,
                      "/", contestant.name);
}

// The ends of a stream work at the same time.
std::vector<Cores> PlacementsOf(Shape shape) {
  if (ServerProcess::ProcessorCount() < 2) return {Cores::kOne};
  if (shape == Shape::kStream) return {Cores::kTwo};
  return {Cores::kOne, Cores::kTwo};
}

constexpr size_t kSmallestFrame = 256;  // its header

std::vector<Load> Loads() {
  std::vector<Load> loads;
  for (Shape shape : {Shape::kPingPong, Shape::kStream}) {
    for (Cores cores : PlacementsOf(shape)) {
      for (Content content : {Content::kBytes, Content::kFrames}) {
        for (size_t size : {64, 256, 4096, 65536}) {
          if (content == Content::kFrames && size < kSmallestFrame) continue;
          loads.push_back({shape, content, size, cores});
        }
      }
    }
  }
  return loads;
}

void Register(const Load& load, const Contestant* contestant) {
  auto* benchmark = benchmark::RegisterBenchmark(
      NameOf(load, *contestant).c_str(),
      [contestant, load](benchmark::State& state) { Measure(state, *contestant, load); });
  benchmark->UseRealTime();
}

void Register() {
  for (const Load& load : Loads()) {
    for (const Contestant* contestant : kContestants) Register(load, contestant);
    if (load.content != Content::kFrames || load.shape != Shape::kStream) continue;
    for (const Contestant* variant : kVariants) Register(load, variant);
  }
}

// --- Bars ---

struct Pair {
  std::string ours, theirs, name;
};

Pair PairOf(const Load& load, const Contestant& peer) {
  const std::string ours = NameOf(load, kFaultline);
  return {ours, NameOf(load, peer), absl::StrCat(ours, ", by ", peer.name)};
}

void JudgePingPong(const Measurements& seen, const Load& load, Bars* bars) {
  const Pair bare = PairOf(load, kBare);
  const Pair asio = PairOf(load, kAsio);
  bars->push_back(
      AtMost(bare.name, seen.TimeQuotient(bare.ours, bare.theirs), 1.10, "of its time"));
  bars->push_back(NotMore(asio.name, seen.TimeQuotients(asio.ours, asio.theirs), "of its time"));
}

void JudgeStream(const Measurements& seen, const Load& load, Bars* bars) {
  for (const auto& [peer, bound] : {std::pair(&kBare, 0.95), std::pair(&kAsio, 1.0)}) {
    const Pair pair = PairOf(load, *peer);
    bars->push_back(AtLeast(pair.name, seen.Quotient("items_per_second", pair.ours, pair.theirs),
                            bound, "of its rate"));
  }
}

Bars Judge(const Measurements& seen) {
  Bars bars;
  for (const Load& load : Loads()) {
    load.shape == Shape::kPingPong ? JudgePingPong(seen, load, &bars)
                                   : JudgeStream(seen, load, &bars);
  }
  return bars;
}

}  // namespace
}  // namespace faultline::bench

int main(int argc, char** argv) {
  faultline::bench::Register();
  return faultline::bench::Run(argc, argv,
                               {.judge = &faultline::bench::Judge, .passes = 15, .seconds = 0.1});
}
