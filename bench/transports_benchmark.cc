// TLS, WebSocket and QUIC over loopback: ours beside minimal loops on the same engines, in the same
// run; and in simulation, beside the cryptography that they cannot do without.
//
// What the ends do is told in tcp_workload.h; who takes part, in *_contestants.h. The two ends of a
// connection are two processes with one thread each, for every contestant alike. Times are of the
// wall. docs/performance.md says how to read the figures.

#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/bars.h"
#include "bench/credentials.h"
#include "bench/tcp_server_process.h"
#include "bench/tcp_workload.h"
#include "bench/tls_contestants.h"
#include "runtime/check.h"

namespace faultline::bench {
namespace {

using WallClock = std::chrono::steady_clock;

// Before the clock starts: buffers of the kernel grow, congestion windows open, keys are warm.
constexpr std::chrono::milliseconds kWarmUp(60);

double OwnCpuNanoseconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e9 +
         static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e3;
}

uint64_t StepOf(const Load& load) {
  switch (load.shape) {
    case Shape::kPingPong:
      return kRoundTripsAtOnce;
    case Shape::kStream:
      return load.round();
    default:
      return 1;
  }
}

// Steps that are driven, those before the clock starts among them.
class Watch {
 public:
  // The first run of a benchmark only finds out how many iterations fill the time.
  Watch(benchmark::State* state, const Load& load)
      : state_(state), step_(StepOf(load)), cold_(state->max_iterations > 1) {}

  bool GoOn() {
    if (cold_) {
      ++cold_steps_;
      if (WallClock::now() - start_ < kWarmUp) return true;
      cold_ = false;
    }
    return state_->KeepRunningBatch(static_cast<int64_t>(step_));
  }

  // What has been driven, if `GoOn` was asked after each step.
  uint64_t Expected() const {
    return static_cast<uint64_t>(state_->iterations()) +
           (cold_steps_ > 0 ? cold_steps_ : 1) * step_;
  }

 private:
  benchmark::State* const state_;
  const uint64_t step_;
  const WallClock::time_point start_ = WallClock::now();
  bool cold_;
  uint64_t cold_steps_ = 0;
};

void Measure(benchmark::State& state, const Contestant& contestant, const Load& load) {
  ServerProcess server(contestant, load);
  const double cpu_before = OwnCpuNanoseconds();
  Watch watch(&state, load);
  const uint64_t sent = contestant.drive(load, server.port(), [&] { return watch.GoOn(); });
  const double cpu = OwnCpuNanoseconds() - cpu_before;
  const ServerProcess::Outcome outcome = server.Join();
  FAULTLINE_CHECK(sent == outcome.messages) << sent << " sent, " << outcome.messages << " came";
  FAULTLINE_CHECK(sent == watch.Expected()) << sent << " sent";
  state.SetItemsProcessed(state.iterations());
  if (load.message_bytes > 0) {
    state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(load.message_bytes));
  }
  state.counters["client_cpu"] = cpu / static_cast<double>(sent);
  state.counters["server_cpu"] = outcome.cpu_ns / static_cast<double>(sent);
}

// --- Who does what ---

// A transport: its loads, and who does them.
struct Discipline {
  const char* name;
  std::vector<size_t> sizes;
  Content content;
  std::vector<const Contestant*> contestants;
  std::vector<const Contestant*> shaking;  // hands
};

const std::vector<Discipline>& Disciplines() {
  static const auto* const disciplines = new std::vector<Discipline>{
      {.name = "TLS",
       .sizes = {64, 256, 4096, 65536},
       .content = Content::kBytes,
       .contestants = {&kBareTls, &kBareFdTls, &kAsioTls, &kFaultlineTls},
       .shaking = {&kBareTls, &kBareFdTls, &kFaultlineTls}},
  };
  return *disciplines;
}

std::string NameOf(const Discipline& discipline, const Load& load, const std::string& contestant) {
  const std::string cores = load.cores == Cores::kOne ? "one_core" : "two_cores";
  if (load.shape == Shape::kHandshakes) {
    return absl::StrCat(discipline.name, "/Handshakes/", cores, "/", contestant);
  }
  return absl::StrCat(discipline.name, load.shape == Shape::kPingPong ? "/PingPong/" : "/Stream/",
                      cores, "/", load.message_bytes, "/", contestant);
}

// The ends of a stream work at the same time; those of a handshake in turn.
std::vector<Cores> PlacementsOf(Shape shape) {
  if (ServerProcess::ProcessorCount() < 2 || shape == Shape::kHandshakes) return {Cores::kOne};
  if (shape == Shape::kStream) return {Cores::kTwo};
  return {Cores::kOne, Cores::kTwo};
}

std::vector<Load> LoadsOf(const Discipline& discipline) {
  std::vector<Load> loads;
  for (Shape shape : {Shape::kPingPong, Shape::kStream}) {
    for (Cores cores : PlacementsOf(shape)) {
      for (size_t size : discipline.sizes)
        loads.push_back({shape, discipline.content, size, cores});
    }
  }
  return loads;
}

Load Handshakes() { return {Shape::kHandshakes, Content::kBytes, 0}; }

void Register(const Discipline& discipline, const Load& load, const Contestant* contestant) {
  auto* benchmark = benchmark::RegisterBenchmark(
      NameOf(discipline, load, contestant->name).c_str(),
      [contestant, load](benchmark::State& state) { Measure(state, *contestant, load); });
  benchmark->UseRealTime();
}

void Register() {
  for (const Discipline& discipline : Disciplines()) {
    for (const Load& load : LoadsOf(discipline)) {
      for (const Contestant* contestant : discipline.contestants) {
        Register(discipline, load, contestant);
      }
    }
    for (const Contestant* contestant : discipline.shaking) {
      Register(discipline, Handshakes(), contestant);
    }
  }
}

// --- Bars ---

// Rates of streams, ours by theirs.
void AddStreamBars(const Measurements& seen, const Discipline& discipline, const std::string& peer,
                   double bound, Bars* bars) {
  for (const Load& load : LoadsOf(discipline)) {
    if (load.shape != Shape::kStream) continue;
    const std::string ours = NameOf(discipline, load, "faultline");
    bars->push_back(AtLeast(absl::StrCat(ours, ", by ", peer),
                            seen.Quotient("items_per_second", ours, NameOf(discipline, load, peer)),
                            bound, "of its rate"));
  }
}

Bars Judge(const Measurements& seen) {
  Bars bars;
  const Discipline& tls = Disciplines()[0];
  AddStreamBars(seen, tls, "bare", 0.9, &bars);
  AddStreamBars(seen, tls, "bare_fd", 0.9, &bars);
  return bars;
}

}  // namespace
}  // namespace faultline::bench

int main(int argc, char** argv) {
  (void)faultline::bench::TheCredentials();
  faultline::bench::Register();
  return faultline::bench::Run(argc, argv,
                               {.judge = &faultline::bench::Judge, .passes = 7, .seconds = 0.1});
}
