// Goal: planned faults begin, bite and end as planned; drawn plans obey their level, aim and
// window. Method: traffic under each family, with and without the fault; statistics and edits of
// drawn plans.
#include "sim/fault_plan.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "runtime/combine.h"
#include "runtime/errors.h"
#include "runtime/scope.h"
#include "runtime/stream_io.h"
#include "sim/host.h"

namespace faultline::sim {
namespace {

constexpr uint16_t kPort = 9;

// What the program on a host sees of its world: the results of its calls and when they came, by its
// own clock and by the true one. Not what the simulation says of itself.
class Sight {
 public:
  explicit Sight(World* world) : world_(world) {}
  void Add(uint64_t what) {
    for (uint64_t word : {what, static_cast<uint64_t>(world_->now().time_since_epoch().count())}) {
      digest_ = (digest_ ^ word) * 0x100000001b3;  // FNV-1a, by words
    }
  }
  void Add(const absl::Status& status) {
    Add(static_cast<uint64_t>(status.code()) << 32 | static_cast<uint64_t>(ErrnoOf(status)));
  }
  uint64_t digest() const { return digest_; }

 private:
  World* const world_;
  uint64_t digest_ = 0xcbf29ce484222325;
};

// Echoes, noting how much each call took or gave.
Task<void> ServeOne(std::unique_ptr<Stream> stream, Sight* sight) {
  std::byte buffer[512];
  while (true) {
    absl::StatusOr<size_t> read = co_await stream->Read(buffer);
    if (!read.ok() || *read == 0) break;
    sight->Add(*read);
    for (size_t done = 0; done < *read;) {
      absl::StatusOr<size_t> written =
          co_await stream->Write(std::span(buffer).subspan(done, *read - done));
      if (!written.ok()) co_return stream->Abort();
      sight->Add(*written);
      done += *written;
    }
  }
  stream->Abort();
}

Task<void> Serve(Runtime runtime, Sight* sight) {
  auto listener = runtime.network->Listen(Endpoint::Ipv4Any(kPort), {});
  Scope scope(co_await ThisTask());
  while (true) {
    auto stream = co_await (*listener)->Accept();
    if (!stream.ok()) break;
    scope.Spawn(ServeOne(*std::move(stream), sight));
  }
  co_await scope.Join();
}

// Connects, exchanges, hangs up, again and again; whatever goes wrong, it tries again.
Task<absl::Status> Exchange(Runtime runtime, Endpoint server) {
  auto stream = co_await runtime.network->Connect(server, {});
  if (!stream.ok()) co_return stream.status();
  std::vector<std::byte> bytes(6000);
  for (int i = 0; i < 5; ++i) {
    auto both = co_await All(WriteAll(stream->get(), bytes), ReadExactly(stream->get(), bytes));
    if (!std::get<0>(both).ok()) co_return std::get<0>(both);
    if (!std::get<1>(both).ok()) co_return std::get<1>(both);
    (void)co_await runtime.clock->SleepFor(5ms);
  }
  (void)(*stream)->Close();
  co_return absl::OkStatus();
}

Task<void> CallForever(Runtime runtime, Endpoint server, Sight* sight) {
  while (true) {
    sight->Add(
        co_await Deadline(runtime.clock, runtime.clock->Now() + 3s, Exchange(runtime, server)));
    sight->Add(static_cast<uint64_t>(runtime.clock->WallNow().time_since_epoch().count()));
    (void)co_await runtime.clock->SleepFor(20ms);
  }
}

// Datagrams of 900 bytes, each with a number in it.
Task<void> SendDatagrams(Runtime runtime, Endpoint server) {
  auto socket = runtime.network->Bind(Endpoint::Ipv4Any(0), {});
  std::vector<std::byte> bytes(900);
  while (true) {
    (void)co_await (*socket)->SendTo(&server, bytes);
    bytes[0] = static_cast<std::byte>(static_cast<int>(bytes[0]) + 1);
    (void)co_await runtime.clock->SleepFor(3ms);
  }
}

Task<void> ReceiveDatagrams(Runtime runtime, Sight* sight) {
  auto socket = runtime.network->Bind(Endpoint::Ipv4Any(kPort), {});
  std::vector<std::byte> bytes(900);
  while (true) {
    auto received = co_await (*socket)->ReceiveFrom(bytes, nullptr);
    if (!received.ok()) co_return;
    for (std::byte byte : bytes) sight->Add(static_cast<uint64_t>(byte));
  }
}

struct Outcome {
  uint64_t bites = 0;
  uint64_t seen = 0;
};

Task<void> Call(Runtime runtime, Endpoint server, Sight* sight) {
  Scope scope(co_await ThisTask());
  for (int i = 0; i < 4; ++i) scope.Spawn(CallForever(runtime, server, sight));
  scope.Spawn(SendDatagrams(runtime, server));
  co_await scope.Join();
}

Task<void> ServeAll(Runtime runtime, Sight* sight) {
  Scope scope(co_await ThisTask());
  scope.Spawn(Serve(runtime, sight));
  scope.Spawn(ReceiveDatagrams(runtime, sight));
  co_await scope.Join();
}

// Host 0 serves; hosts 1 to 3 call it over the client plane for 7 seconds.
Outcome RunWith(const std::vector<PlannedFault>& faults, Fault family) {
  World world({.seed = 3, .scheduling = Scheduling::kRandom});
  Sight sight(&world);
  Host* server = world.AddHost({.name = "server"});
  server->Boot([&](const Runtime& runtime) { return ServeAll(runtime, &sight); });
  for (int i = 0; i < 3; ++i) {
    world.AddHost({.name = "client"})->Boot([&, server](const Runtime& runtime) {
      return Call(runtime, server->Address(Plane::kClient, kPort), &sight);
    });
  }
  FaultPlan plan;
  for (const PlannedFault& fault : faults) plan.Add(fault);
  plan.Install(&world);
  EXPECT_EQ(world.Run({.until = 7s}).kind, VerdictKind::kBound);
  EXPECT_EQ(world.effects()->configured(family), !faults.empty());
  return {world.effects()->bites(family), sight.digest()};
}

class EachFamily : public testing::TestWithParam<PlannedFault> {};

TEST_P(EachFamily, BitesAndOnlyWhenPlanned) {
  Outcome with = RunWith({GetParam()}, GetParam().family);
  Outcome without = RunWith({}, GetParam().family);
  EXPECT_GT(with.bites, 0u) << GetParam().ToString();
  EXPECT_NE(with.seen, without.seen) << "it bites, they say, but nobody noticed";
  EXPECT_EQ(without.bites, 0u);
}

// Each family, aimed at everybody there is.
TEST_P(EachFamily, StrikesEverybody) {
  PlannedFault everywhere = GetParam();
  everywhere.a = kEveryHost;
  const Outcome outcome = RunWith({everywhere}, everywhere.family);
  EXPECT_GT(outcome.bites, 0u) << everywhere.ToString();
  EXPECT_NE(outcome.seen, RunWith({}, everywhere.family).seen);
}

PlannedFault OnHost(Fault family, uint32_t host, uint64_t amount) {
  return {family, 2s, 3s, host, kEveryHost, Plane::kClient, amount};
}

INSTANTIATE_TEST_SUITE_P(
    FaultPlan, EachFamily,
    testing::Values(OnHost(Fault::kPartition, 0, 0), OnHost(Fault::kOneWayPartition, 0, 0),
                    OnHost(Fault::kHold, 0, 0), OnHost(Fault::kClog, 0, 300'000'000),
                    OnHost(Fault::kLoss, 0, 100'000), OnHost(Fault::kDuplication, 0, 100'000),
                    OnHost(Fault::kReordering, 0, 300'000), OnHost(Fault::kCorruption, 0, 100'000),
                    OnHost(Fault::kBandwidth, 0, 200'000), OnHost(Fault::kMtu, 0, 900),
                    OnHost(Fault::kCrash, 0, 0), OnHost(Fault::kPause, 0, 0),
                    OnHost(Fault::kSlow, 0, 50'000'000), OnHost(Fault::kClockSkew, 1, 100'000'000),
                    OnHost(Fault::kPartialWrite, 0, 500'000),
                    OnHost(Fault::kPartialRead, 0, 500'000), OnHost(Fault::kReset, 0, 0),
                    OnHost(Fault::kDescriptors, 0, 1), OnHost(Fault::kPorts, 1, 1),
                    OnHost(Fault::kBacklog, 0, 0), OnHost(Fault::kSmallBuffers, 0, 100)),
    [](const testing::TestParamInfo<PlannedFault>& info) {
      std::string name(FaultName(info.param.family));
      std::erase(name, '-');
      return name;
    });

TEST(FaultPlan, TheWorldIsHealthyAfterwards) {
  World world({.seed = 3});
  Host* a = world.AddHost({.name = "a"});
  Host* b = world.AddHost({.name = "b"});
  FaultPlan plan;
  for (Fault family : {Fault::kLoss, Fault::kDuplication, Fault::kReordering, Fault::kCorruption,
                       Fault::kBandwidth}) {
    plan.Add({family, 1s, 2s, 0, 1, Plane::kClient, 5000});
  }
  for (Fault family :
       {Fault::kPartialRead, Fault::kPartialWrite, Fault::kDescriptors, Fault::kPorts,
        Fault::kBacklog, Fault::kSmallBuffers, Fault::kPause, Fault::kSlow, Fault::kClockSkew}) {
    plan.Add({family, 1s, 2s, 0, kEveryHost, Plane::kClient, 2'000'000});
  }
  plan.Add({Fault::kPartition, 1s, 2s, 0, 1, Plane::kClient, 0});
  EXPECT_EQ(plan.end(), 3s);
  plan.Install(&world);
  bool struck = false;
  world.At(MonotonicTime(2s), [&] {
    Path* path = world.PathBetween(0, 1, Plane::kClient);
    struck = path->passage() == Passage::kDrop && path->link().loss.numerator > 0 && a->paused() &&
             a->config().sockets.partial_read.numerator > 0 &&
             a->config().clock.drift_ppb != a->clock()->config().drift_ppb;
  });
  (void)world.Run({.until = 4s});
  EXPECT_TRUE(struck);
  Path* path = world.PathBetween(0, 1, Plane::kClient);
  const LinkConfig& healthy = world.link(Plane::kClient);
  EXPECT_EQ(path->passage(), Passage::kOpen);
  EXPECT_EQ(path->link().loss, healthy.loss);
  EXPECT_EQ(path->link().duplicate, healthy.duplicate);
  EXPECT_EQ(path->link().reorder, healthy.reorder);
  EXPECT_EQ(path->link().corrupt, healthy.corrupt);
  EXPECT_EQ(path->link().bytes_per_second, healthy.bytes_per_second);
  EXPECT_FALSE(a->paused());
  EXPECT_EQ(a->config().sockets.partial_read, Ratio{});
  EXPECT_EQ(a->config().limits.descriptors, b->config().limits.descriptors);
  EXPECT_EQ(a->config().limits.last_ephemeral_port, b->config().limits.last_ephemeral_port);
  EXPECT_EQ(a->config().limits.max_backlog, b->config().limits.max_backlog);
  EXPECT_EQ(a->config().limits.send_buffer_bytes, b->config().limits.send_buffer_bytes);
  EXPECT_EQ(a->clock()->config().drift_ppb, 0);
}

TEST(FaultPlan, AFaultKeepsToItsPlaneAndPair) {
  World world({.seed = 3});
  for (int i = 0; i < 3; ++i) world.AddHost({.name = "host"});
  FaultPlan plan;
  plan.Add({Fault::kPartition, 0s, 10s, 0, 1, Plane::kReplica, 0});
  plan.Add({Fault::kLoss, 0s, 10s, 0, 1, Plane::kReplica, 1000});
  plan.Install(&world);
  (void)world.Run({.until = 1s});
  auto cut = [&](uint32_t from, uint32_t to, Plane plane) {
    return world.PathBetween(from, to, plane)->passage() != Passage::kOpen;
  };
  EXPECT_TRUE(cut(0, 1, Plane::kReplica));
  EXPECT_TRUE(cut(1, 0, Plane::kReplica));
  EXPECT_FALSE(cut(0, 1, Plane::kClient));
  EXPECT_FALSE(cut(0, 2, Plane::kReplica));
  EXPECT_FALSE(cut(1, 2, Plane::kReplica));
  EXPECT_EQ(world.PathBetween(0, 2, Plane::kReplica)->link().loss.numerator, 0u);
}

// --- Drawn plans ---

FaultPlanConfig Config(FaultLevel level) {
  return {.level = level, .replicas = {0, 1, 2}, .clients = {3, 4}, .crashable = {1, 2}};
}

std::vector<PlannedFault> Draw(uint64_t seed, const FaultPlanConfig& config) {
  Choices choices(seed);
  return DrawFaultPlan(&choices, config).faults();
}

TEST(DrawFaultPlan, NoneIsNone) { EXPECT_TRUE(Draw(1, Config(FaultLevel::kNone)).empty()); }

TEST(DrawFaultPlan, StaysInItsWindowAndAim) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    for (const PlannedFault& fault : Draw(seed, Config(FaultLevel::kSwarm))) {
      EXPECT_GE(fault.at, 1s);
      EXPECT_LE(fault.at + fault.lasts, 30s);
      if (fault.family == Fault::kCrash) {
        EXPECT_TRUE(fault.a == 1 || fault.a == 2);
      }
      if (fault.plane == Plane::kReplica && fault.b != kEveryHost) {
        EXPECT_LT(fault.b, 3u);
      }
    }
  }
}

TEST(DrawFaultPlan, APlaneCanBeSpared) {
  FaultPlanConfig config = Config(FaultLevel::kHeavy);
  config.client_plane = false;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    for (const PlannedFault& fault : Draw(seed, config)) {
      EXPECT_EQ(fault.plane, Plane::kReplica) << fault.ToString();
      EXPECT_LT(fault.a, 3u) << fault.ToString();
    }
  }
}

// Faults of paths; the others concern a host as a whole.
bool IsOfPaths(Fault family) {
  const std::set<Fault> of_hosts = {Fault::kCrash,       Fault::kPause,       Fault::kSlow,
                                    Fault::kClockSkew,   Fault::kPartialRead, Fault::kPartialWrite,
                                    Fault::kDescriptors, Fault::kPorts,       Fault::kBacklog,
                                    Fault::kSmallBuffers};
  return !of_hosts.contains(family);
}

TEST(DrawFaultPlan, TheReplicasPlaneCanBeSpared) {
  FaultPlanConfig config = Config(FaultLevel::kHeavy);
  config.replica_plane = false;
  size_t of_paths = 0;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    for (const PlannedFault& fault : Draw(seed, config)) {
      if (!IsOfPaths(fault.family)) continue;
      EXPECT_EQ(fault.plane, Plane::kClient) << fault.ToString();
      ++of_paths;
    }
  }
  EXPECT_GT(of_paths, 50u);
}

TEST(DrawFaultPlan, FaultsOfDatagramsGoWhereThereAreDatagrams) {
  FaultPlanConfig config = Config(FaultLevel::kHeavy);
  config.replica_datagrams = false;
  size_t of_datagrams = 0;
  std::set<Plane> of_others;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    for (const PlannedFault& fault : Draw(seed, config)) {
      if (fault.family == Fault::kDuplication || fault.family == Fault::kMtu) {
        EXPECT_EQ(fault.plane, Plane::kClient) << fault.ToString();
        ++of_datagrams;
      } else if (IsOfPaths(fault.family)) {
        of_others.insert(fault.plane);
      }
    }
  }
  EXPECT_GT(of_datagrams, 50u);
  EXPECT_EQ(of_others.size(), 2u);
  config.client_plane = false;  // nothing is left to aim at
  for (const PlannedFault& fault : Draw(1, config)) {
    EXPECT_TRUE(fault.family != Fault::kDuplication && fault.family != Fault::kMtu);
  }
}

TEST(DrawFaultPlan, BothPlanesAreStruck) {
  std::set<Plane> planes;
  for (const PlannedFault& fault : Draw(1, Config(FaultLevel::kHeavy))) {
    if (IsOfPaths(fault.family)) planes.insert(fault.plane);
  }
  EXPECT_EQ(planes, (std::set<Plane>{Plane::kReplica, Plane::kClient}));
}

TEST(PlannedFault, NamesThePlaneOnlyOfFaultsOfPaths) {
  for (size_t i = 0; i < kFaultCount; ++i) {
    const PlannedFault fault{.family = static_cast<Fault>(i), .a = 1, .plane = Plane::kClient};
    const bool named = fault.ToString().find("client plane") != std::string::npos;
    EXPECT_EQ(named, IsOfPaths(fault.family)) << fault.ToString();
    EXPECT_EQ(fault.ToString().find("replica plane"), std::string::npos) << fault.ToString();
  }
}

std::set<Fault> Families(const std::vector<PlannedFault>& faults) {
  std::set<Fault> families;
  for (const PlannedFault& fault : faults) families.insert(fault.family);
  return families;
}

TEST(DrawFaultPlan, HeavyHasAllFamiliesAndSwarmASubset) {
  size_t heavy = Families(Draw(1, Config(FaultLevel::kHeavy))).size();
  EXPECT_EQ(heavy, kFaultCount);
  std::set<std::set<Fault>> subsets;
  std::set<Fault> seen;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    std::set<Fault> families = Families(Draw(seed, Config(FaultLevel::kSwarm)));
    EXPECT_LT(families.size(), heavy);
    subsets.insert(families);
    seen.insert(families.begin(), families.end());
  }
  EXPECT_GT(subsets.size(), 90u);
  EXPECT_EQ(seen.size(), heavy) << "every family has its turn";
}

TEST(DrawFaultPlan, LightIsRare) {
  size_t light = 0;
  size_t heavy = 0;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    light += Draw(seed, Config(FaultLevel::kLight)).size();
    heavy += Draw(seed, Config(FaultLevel::kHeavy)).size();
  }
  EXPECT_GT(light, 0u);
  EXPECT_LT(light * 5, heavy);
}

TEST(DrawFaultPlan, AChangedFamilyLeavesTheOthers) {
  auto without_crashes = [](std::vector<PlannedFault> faults) {
    std::vector<std::string> texts;
    for (const PlannedFault& fault : faults) {
      if (fault.family != Fault::kCrash) texts.push_back(fault.ToString());
    }
    return texts;
  };
  FaultPlanConfig config = Config(FaultLevel::kHeavy);
  std::vector<PlannedFault> with = Draw(5, config);
  config.crashable = {};
  std::vector<PlannedFault> without = Draw(5, config);
  EXPECT_GT(with.size(), without.size());
  EXPECT_EQ(without_crashes(with), without_crashes(without));
}

}  // namespace
}  // namespace faultline::sim
