// TLS, WebSocket and QUIC over loopback: ours beside minimal loops on the same engines, in the same
// run; and in simulation, beside the cryptography that they cannot do without.
//
// What the ends do is told in tcp_workload.h; who takes part, in *_contestants.h. The two ends of a
// connection are two processes with one thread each, for every contestant alike. Times are of the
// wall. docs/performance.md says how to read the figures.

#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/bars.h"
#include "bench/credentials.h"
#include "bench/idle_memory.h"
#include "bench/quic_contestants.h"
#include "bench/quic_cryptography.h"
#include "bench/tcp_congestion.h"
#include "bench/tcp_server_process.h"
#include "bench/tcp_workload.h"
#include "bench/tls_contestants.h"
#include "bench/transports_sim.h"
#include "bench/ws_contestants.h"
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
  bool started = !contestant.over_tcp || load.shape == Shape::kHandshakes;
  const uint64_t sent = contestant.drive(load, server.port(), [&] {
    if (!std::exchange(started, true)) UseReno();
    return watch.GoOn();
  });
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

// In simulation. Times are of the processor.
void Simulate(benchmark::State& state, const OurTransport& transport, const Load& load) {
  SimulatedLoad simulated(transport, load);
  const uint64_t before = simulated.events();
  const auto step = static_cast<int64_t>(StepOf(load));
  while (state.KeepRunningBatch(step)) simulated.Run(1);
  state.SetItemsProcessed(state.iterations());
  if (load.message_bytes > 0) {
    state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(load.message_bytes));
  }
  state.counters["events"] = benchmark::Counter(static_cast<double>(simulated.events() - before),
                                                benchmark::Counter::kAvgIterations);
}

// What one step of it does in cryptography, and nothing else.
void Encrypt(benchmark::State& state, const OurTransport& transport, const Load& load) {
  SimulatedLoad simulated(transport, load);
  QuicCryptography floor(Witness([&simulated] { simulated.Run(1); }));
  FAULTLINE_CHECK(floor.packets() > 0) << "nothing was sealed";
  const auto step = static_cast<int64_t>(StepOf(load));
  while (state.KeepRunningBatch(step)) floor.Repeat();
  state.SetItemsProcessed(state.iterations());
  state.counters["packets"] =
      static_cast<double>(floor.packets()) / static_cast<double>(StepOf(load));
}

// Once a program: memory is the same in each pass.
void Hold(benchmark::State& state, const std::string& name, const Contestant& contestant,
          size_t connections) {
  static auto* const known = new std::map<std::string, IdleMemory>;
  auto [memory, is_new] = known->try_emplace(name);
  for (auto _ : state) {
    if (is_new) memory->second = MeasureIdle(contestant, connections);
  }
  state.counters["server_bytes"] = memory->second.server;
  state.counters["client_bytes"] = memory->second.client;
}

// --- Who does what ---

// A transport: its loads, and who does them.
struct Discipline {
  const char* name;
  std::vector<size_t> sizes;
  Content content;
  std::vector<const Contestant*> contestants;
  std::vector<const Contestant*> shaking;  // hands
  std::vector<const Contestant*> idle;
  const OurTransport* simulated;
};

const std::vector<Discipline>& Disciplines() {
  static const auto* const disciplines = new std::vector<Discipline>{
      {.name = "TLS",
       .sizes = {64, 256, 4096, 65536},
       .content = Content::kBytes,
       .contestants = {&kBareTls, &kBareFdTls, &kAsioTls, &kFaultlineTls},
       .shaking = {&kBareTls, &kBareFdTls, &kFaultlineTls},
       .idle = {&kBareTls, &kFaultlineTls},
       .simulated = &kTlsTransport},
      {.name = "WebSocket",
       .sizes = {256, 4096, 65536},
       .content = Content::kFrames,
       .contestants = {&kLibwebsockets, &kLibwebsocketsBurst, &kFaultlineWs},
       .shaking = {&kFaultlineWs},
       .idle = {&kFaultlineWs},
       .simulated = &kWsTransport},
      {.name = "WSS",
       .sizes = {256, 4096, 65536},
       .content = Content::kFrames,
       .contestants = {&kFaultlineWss},
       .shaking = {&kFaultlineWss},
       .idle = {&kFaultlineWss},
       .simulated = &kWssTransport},
      {.name = "QUIC",
       .sizes = {256, 4096, 65536},
       .content = Content::kBytes,
       .contestants = {&kBareQuic, &kBareGsoQuic, &kFaultlineQuic},
       .shaking = {&kBareQuic, &kFaultlineQuic},
       .idle = {&kFaultlineQuic},
       .simulated = &kQuicTransport},
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

std::string SimulatedNameOf(const Discipline& discipline, const Load& load) {
  if (load.shape == Shape::kHandshakes) return absl::StrCat("Sim/", discipline.name, "/Handshakes");
  return absl::StrCat("Sim/", discipline.name,
                      load.shape == Shape::kPingPong ? "/PingPong/" : "/Stream/",
                      load.message_bytes);
}
std::string CryptographyNameOf(const Discipline& discipline, const Load& load) {
  return SimulatedNameOf(discipline, load) + "/cryptography";
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

// What is simulated; the processor is one in any case.
std::vector<Load> SimulatedLoadsOf(const Discipline& discipline) {
  std::vector<Load> loads;
  for (Shape shape : {Shape::kPingPong, Shape::kStream}) {
    for (size_t size : {256, 4096, 65536}) loads.push_back({shape, discipline.content, size});
  }
  return loads;
}

void RegisterSimulated(const Discipline& discipline, const Load& load) {
  const OurTransport transport = *discipline.simulated;
  benchmark::RegisterBenchmark(
      SimulatedNameOf(discipline, load).c_str(),
      [transport, load](benchmark::State& state) { Simulate(state, transport, load); });
  if (discipline.simulated != &kQuicTransport || load.shape == Shape::kHandshakes) return;
  benchmark::RegisterBenchmark(
      CryptographyNameOf(discipline, load).c_str(),
      [transport, load](benchmark::State& state) { Encrypt(state, transport, load); });
}

void Register(const Discipline& discipline, const Load& load, const Contestant* contestant) {
  auto* benchmark = benchmark::RegisterBenchmark(
      NameOf(discipline, load, contestant->name).c_str(),
      [contestant, load](benchmark::State& state) { Measure(state, *contestant, load); });
  benchmark->UseRealTime();
}

void RegisterIdle(const Discipline& discipline, const Contestant* contestant, size_t connections) {
  const std::string name =
      absl::StrCat("Idle/", discipline.name, "/", connections, "/", contestant->name);
  auto* benchmark = benchmark::RegisterBenchmark(
      name.c_str(), [=](benchmark::State& state) { Hold(state, name, *contestant, connections); });
  benchmark->Iterations(1)->UseRealTime();
}

void Register(size_t idle_connections) {
  for (const Discipline& discipline : Disciplines()) {
    for (const Contestant* contestant : discipline.idle) {
      RegisterIdle(discipline, contestant, idle_connections);
    }
  }
  for (const Discipline& discipline : Disciplines()) {
    for (const Load& load : LoadsOf(discipline)) {
      for (const Contestant* contestant : discipline.contestants) {
        Register(discipline, load, contestant);
      }
    }
    for (const Contestant* contestant : discipline.shaking) {
      Register(discipline, Handshakes(), contestant);
    }
    for (const Load& load : SimulatedLoadsOf(discipline)) RegisterSimulated(discipline, load);
    RegisterSimulated(discipline, Handshakes());
  }
}

// --- Bars ---

const Discipline& Named(const std::string& name) {
  for (const Discipline& discipline : Disciplines()) {
    if (discipline.name == name) return discipline;
  }
  FAULTLINE_CHECK(false) << "no transport is called " << name;
}

// Ours by theirs: rates of streams.
Bar StreamBar(const Measurements& seen, const Discipline& discipline, const Load& load,
              const std::string& peer, double bound) {
  const std::string ours = NameOf(discipline, load, "faultline");
  return AtLeast(absl::StrCat(ours, ", by ", peer),
                 seen.Quotient("items_per_second", ours, NameOf(discipline, load, peer)), bound,
                 "of its rate");
}
// Times of round trips.
Bar RoundTripBar(const Measurements& seen, const Discipline& discipline, const Load& load,
                 const std::string& peer, double bound) {
  const std::string ours = NameOf(discipline, load, "faultline");
  return AtMost(absl::StrCat(ours, ", by ", peer),
                seen.TimeQuotient(ours, NameOf(discipline, load, peer)), bound, "of its time");
}

void JudgeTls(const Measurements& seen, Bars* bars) {
  const Discipline& tls = Named("TLS");
  for (const Load& load : LoadsOf(tls)) {
    if (load.shape != Shape::kStream) continue;
    bars->push_back(StreamBar(seen, tls, load, "bare", 0.9));
    bars->push_back(StreamBar(seen, tls, load, "bare_fd", 0.9));
  }
}

void JudgeWebSocket(const Measurements& seen, Bars* bars) {
  const Discipline& websocket = Named("WebSocket");
  for (const Load& load : LoadsOf(websocket)) {
    for (const char* peer : {"lws", "lws_burst"}) {
      if (load.shape == Shape::kPingPong) {
        bars->push_back(RoundTripBar(seen, websocket, load, peer, 1));
      } else if (load.message_bytes == 256) {
        bars->push_back(StreamBar(seen, websocket, load, peer, 3));
      }
    }
  }
}

void JudgeQuic(const Measurements& seen, Bars* bars) {
  const Discipline& quic = Named("QUIC");
  for (const Load& load : LoadsOf(quic)) {
    for (const char* peer : {"bare", "bare_gso"}) {
      bars->push_back(load.shape == Shape::kPingPong ? RoundTripBar(seen, quic, load, peer, 1.1)
                                                     : StreamBar(seen, quic, load, peer, 1));
    }
  }
}

void JudgeSimulation(const Measurements& seen, Bars* bars) {
  const std::string handshakes = SimulatedNameOf(Named("TLS"), Handshakes());
  bars->push_back(AtLeast(handshakes, seen.ItemsPerSecond(handshakes), 3000, "/s"));
  const Discipline& quic = Named("QUIC");
  for (const Load& load : SimulatedLoadsOf(quic)) {
    const std::string name = SimulatedNameOf(quic, load);
    bars->push_back(AtMost(absl::StrCat(name, ", by its cryptography"),
                           seen.TimeQuotient(name, CryptographyNameOf(quic, load)), 2,
                           "of its time"));
  }
}

Bars Judge(const Measurements& seen) {
  Bars bars;
  JudgeTls(seen, &bars);
  JudgeWebSocket(seen, &bars);
  JudgeQuic(seen, &bars);
  JudgeSimulation(seen, &bars);
  return bars;
}

}  // namespace
}  // namespace faultline::bench

int main(int argc, char** argv) {
  const bool once = std::find(argv, argv + argc, std::string_view("--once")) != argv + argc;
  (void)faultline::bench::TheCredentials();
  faultline::bench::Register(/*idle_connections=*/once ? 100 : 10'000);
  return faultline::bench::Run(argc, argv,
                               {.judge = &faultline::bench::Judge, .passes = 7, .seconds = 0.1});
}
