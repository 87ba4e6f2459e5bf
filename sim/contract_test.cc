// Goal: the simulated world keeps every promise of the seam's headers, as the real one does, under
// each scheduling policy, over calm links and over hostile ones.
// Method: the contract suite, with a simulated host for each of its two. Hostile links lose,
// corrupt, duplicate and reorder packets of TCP, and sockets cut transfers short; UDP is tested
// over calm links alone, because the suite expects its datagrams to arrive. A test that never ends
// is a deadlock, and the world says so.
#include "runtime/contract/contract.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/contract/detach_contract.h"
#include "runtime/event.h"
#include "sim/host.h"
#include "sim/world.h"

namespace faultline::sim {
namespace {

// Calm; packets that are late, out of order or doubled, and short transfers; and packets that are
// lost.
enum class Weather : uint8_t { kCalm, kRough, kLossy };

WorldConfig ConfigOf(Scheduling scheduling, Weather weather, uint64_t seed) {
  WorldConfig config;
  config.seed = seed;
  config.scheduling = scheduling;
  config.pct_steps = 300;
  if (weather == Weather::kCalm) return config;
  LinkConfig& link = config.links[static_cast<size_t>(Plane::kClient)];
  link.latency = Latency::Exponential(50us, 300us);
  link.duplicate = {1, 20};
  link.reorder = {1, 20};
  if (weather == Weather::kLossy) link.loss = link.corrupt = {1, 50};
  return config;
}

HostConfig HostOf(const char* name, Weather weather) {
  HostConfig config;
  config.name = name;
  if (weather == Weather::kCalm) return config;
  config.sockets = {.partial_write = {1, 4}, .partial_read = {1, 4}, .yield = {1, 4}};
  return config;
}

struct Exception {
  std::string_view test;
  Weather from;  // in this weather, and worse
  std::string_view why;
};

constexpr std::string_view kSlow = "a retransmission takes longer than the test waits";
constexpr std::string_view kResetLost = "an RST is not sent again when it is lost";

// What the suite takes for granted although no network promises it. Tests of both kinds of network
// are listed with their family where the other one keeps the promise.
constexpr Exception kExceptions[] = {
    {"ACloseWithUnreadInputResetsThePeer/Ipv4", Weather::kRough, "the rest may be under way still"},
    {"ASteadyStateReadOrWriteAllocatesNothing", Weather::kRough,
     "short transfers leave bytes behind, and what holds them grows"},
    {"AConnectWaitsWhenTheBacklogIsFullAndCanBeStopped/Ipv4", Weather::kRough,
     "handshakes may end in another order than they began"},
    {"AFrameMayBeDestroyedAtAnyMomentAndTakesOnlyWhatItWasTold/Ipv4", Weather::kLossy, kSlow},
    {"AFrameMayBeDestroyedWhileItConnects/Ipv4", Weather::kLossy, kSlow},
    {"AWaitingConnectGoesOnWhenTheBacklogHasRoom/Ipv4", Weather::kLossy, kSlow},
    {"ADeadlineOnAConnectIsDeadlineExceeded/Ipv4", Weather::kLossy, kSlow},
    {"AFrameMayBeDestroyedWithTheTasksThatItStarted/Ipv4", Weather::kLossy, kResetLost},
    {"ADestroyedListenerResetsWhatWaitsInItsBacklog/Ipv4", Weather::kLossy, kResetLost},
};

std::string_view WhyNot(Weather weather, std::string_view test) {
  for (const Exception& exception : kExceptions) {
    if (weather >= exception.from && test.starts_with(exception.test)) return exception.why;
  }
  return {};
}

class SimulatedWorld final : public contract::World {
 public:
  SimulatedWorld(Scheduling scheduling, Weather weather, uint64_t seed)
      : weather_(weather), world_(ConfigOf(scheduling, weather, seed)) {
    hosts_[0] = world_.AddHost(HostOf("client", weather));
    hosts_[1] = world_.AddHost(HostOf("server", weather));
    hosts_[0]->Boot([this](const Runtime&) { return RunTest(this); });
    hosts_[1]->Boot([this](const Runtime&) { return WaitForEnd(this); });
  }

  Runtime runtime(int host) override { return hosts_[host]->process()->runtime(); }

  Endpoint Address(int host, Endpoint::Family family) override {
    if (family == Endpoint::Family::kIpv4) return hosts_[host]->Address(Plane::kClient, 0);
    if (family == Endpoint::Family::kIpv6) return hosts_[host]->Ipv6Address(Plane::kClient, 0);
    return Endpoint::Unix(absl::StrCat("/run/contract/", ++last_path_));
  }

  void Run(Task<void> test) override {
    std::string_view why =
        WhyNot(weather_, ::testing::UnitTest::GetInstance()->current_test_info()->name());
    if (!why.empty()) GTEST_SKIP() << why;
    test_.emplace(std::move(test));
    Verdict verdict = world_.Run({.until = 10h});
    EXPECT_TRUE(verdict.passed() && ended_.is_set()) << verdict.ToString();
  }

 private:
  static Task<void> RunTest(SimulatedWorld* world) {
    co_await std::move(*world->test_);
    world->ended_.Set();
    world->world_.Stop();
  }
  static Task<void> WaitForEnd(SimulatedWorld* world) { (void)co_await world->ended_.Wait(); }

  const Weather weather_;
  std::optional<Task<void>> test_;
  Event ended_;
  sim::World world_;
  Host* hosts_[kHosts];
  int last_path_ = 0;
};

template <Scheduling kScheduling, Weather kWeather, uint64_t kSeed>
std::unique_ptr<contract::World> Make() {
  return std::make_unique<SimulatedWorld>(kScheduling, kWeather, kSeed);
}

}  // namespace
}  // namespace faultline::sim

namespace {

using faultline::sim::Make;
using faultline::sim::Scheduling;
using faultline::sim::Weather;

constexpr auto kFifo = &Make<Scheduling::kFifo, Weather::kCalm, 1>;
constexpr auto kRandom = &Make<Scheduling::kRandom, Weather::kCalm, 2>;
constexpr auto kPct = &Make<Scheduling::kPct, Weather::kCalm, 3>;
constexpr auto kRoughFifo = &Make<Scheduling::kFifo, Weather::kRough, 4>;
constexpr auto kRoughRandom = &Make<Scheduling::kRandom, Weather::kRough, 5>;
constexpr auto kRoughPct = &Make<Scheduling::kPct, Weather::kRough, 6>;
constexpr auto kLossyFifo = &Make<Scheduling::kFifo, Weather::kLossy, 7>;
constexpr auto kLossyRandom = &Make<Scheduling::kRandom, Weather::kLossy, 8>;

}  // namespace

FAULTLINE_INSTANTIATE_CONTRACT(Fifo, kFifo);
FAULTLINE_INSTANTIATE_CONTRACT(Random, kRandom);
FAULTLINE_INSTANTIATE_CONTRACT(Pct, kPct);
FAULTLINE_INSTANTIATE_DETACH(Fifo, kFifo);
FAULTLINE_INSTANTIATE_DETACH(Random, kRandom);
FAULTLINE_INSTANTIATE_DETACH(RoughPct, kRoughPct);

// What late and doubled packets leave of the contract: not datagrams, which the suite expects once
// and in order.
#define FAULTLINE_INSTANTIATE_STREAMS(prefix, factory)                                        \
  namespace faultline::contract {                                                             \
  FAULTLINE_INSTANTIATE_SUITE_(prefix, StreamContract, factory, Endpoint::Family::kIpv4,      \
                               Endpoint::Family::kUnix);                                      \
  FAULTLINE_INSTANTIATE_SUITE_(prefix, NetworkContract, factory, Endpoint::Family::kIpv4,     \
                               Endpoint::Family::kUnix);                                      \
  FAULTLINE_INSTANTIATE_SUITE_(prefix, TcpNetworkContract, factory, Endpoint::Family::kIpv4); \
  }                                                                                           \
  static_assert(true)

// And what lost ones leave: not RSTs, which are not sent again.
#define FAULTLINE_INSTANTIATE_RESETS(prefix, factory)                                  \
  namespace faultline::contract {                                                      \
  FAULTLINE_INSTANTIATE_SUITE_(prefix, TcpContract, factory, Endpoint::Family::kIpv4); \
  }                                                                                    \
  static_assert(true)

FAULTLINE_INSTANTIATE_STREAMS(RoughFifo, kRoughFifo);
FAULTLINE_INSTANTIATE_RESETS(RoughFifo, kRoughFifo);
FAULTLINE_INSTANTIATE_STREAMS(RoughRandom, kRoughRandom);
FAULTLINE_INSTANTIATE_RESETS(RoughRandom, kRoughRandom);
FAULTLINE_INSTANTIATE_STREAMS(RoughPct, kRoughPct);
FAULTLINE_INSTANTIATE_RESETS(RoughPct, kRoughPct);
FAULTLINE_INSTANTIATE_STREAMS(LossyFifo, kLossyFifo);
FAULTLINE_INSTANTIATE_STREAMS(LossyRandom, kLossyRandom);
