// Goal: faults of one family that overlap on one target last as long as the longest of them, and
// leave the world as it was; nothing that was opened meanwhile stays ill.
// Method: two faults of each family, nested and staggered, looked at between their ends.
#include "sim/fault_layers.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <vector>

#include "runtime/scope.h"
#include "sim/fault_plan.h"
#include "sim/host.h"

namespace faultline::sim {
namespace {

TEST(FaultLayer, TheLatestThatLastsCounts) {
  FaultLayer<int> layer;
  EXPECT_EQ(layer.Begin(1, 7, 10), 10);
  EXPECT_EQ(layer.Begin(2, 10, 20), 20);
  EXPECT_EQ(layer.Begin(3, 20, 30), 30);
  EXPECT_EQ(layer.End(2), 30);
  EXPECT_EQ(layer.End(3), 10);
  EXPECT_EQ(layer.End(1), 7);
  EXPECT_EQ(layer.Begin(4, 8, 40), 40) << "healthy is what it was before the first";
  EXPECT_EQ(layer.End(4), 8);
}

// What a family sets, as a number; of host 0 and of the path from it to host 1.
uint64_t SettingOf(World* world, Fault family) {
  const Path& path = *world->PathBetween(0, 1, Plane::kClient);
  const HostConfig& host = world->host(0)->config();
  switch (family) {
    case Fault::kLoss:
      return path.link().loss.numerator;
    case Fault::kDuplication:
      return path.link().duplicate.numerator;
    case Fault::kReordering:
      return path.link().reorder.numerator;
    case Fault::kCorruption:
      return path.link().corrupt.numerator;
    case Fault::kBandwidth:
      return path.link().bytes_per_second;
    case Fault::kMtu:
      return path.link().mtu;
    case Fault::kClog:
      return static_cast<uint64_t>(path.clog().count());
    case Fault::kPartialWrite:
      return host.sockets.partial_write.numerator;
    case Fault::kPartialRead:
      return host.sockets.partial_read.numerator;
    case Fault::kDescriptors:
      return host.limits.descriptors;
    case Fault::kPorts:
      return host.limits.last_ephemeral_port;
    case Fault::kBacklog:
      return static_cast<uint64_t>(host.limits.max_backlog);
    case Fault::kSmallBuffers:
      return host.limits.send_buffer_bytes;
    case Fault::kClockSkew:
      return static_cast<uint64_t>(world->host(0)->clock()->config().drift_ppb);
    default:
      ADD_FAILURE() << "no setting: " << FaultName(family);
      return 0;
  }
}

constexpr Fault kSettings[] = {Fault::kLoss,         Fault::kDuplication,  Fault::kReordering,
                               Fault::kCorruption,   Fault::kBandwidth,    Fault::kMtu,
                               Fault::kClog,         Fault::kPartialWrite, Fault::kPartialRead,
                               Fault::kDescriptors,  Fault::kPorts,        Fault::kBacklog,
                               Fault::kSmallBuffers, Fault::kClockSkew};

class Overlap : public testing::TestWithParam<Fault> {};

// The second begins at 2 s. `second` and `first` are when each ends.
std::vector<uint64_t> SettingsUnder(Fault family, Duration first, Duration second) {
  World world({.seed = 1});
  for (int i = 0; i < 3; ++i) world.AddHost({.name = "host"});
  FaultPlan plan;
  plan.Add({family, 1s, first - 1s, 0, kEveryHost, Plane::kClient, 1000});
  plan.Add({family, 2s, second - 2s, 0, kEveryHost, Plane::kClient, 1002});
  plan.Install(&world);
  std::vector<uint64_t> settings;
  for (Duration at : {500ms, 1500ms, 2500ms, 4500ms, 6500ms}) {
    world.At(MonotonicTime(at), [&] { settings.push_back(SettingOf(&world, family)); });
  }
  (void)world.Run({.until = 10s});
  return settings;
}

TEST_P(Overlap, TheFirstEndsFirst) {
  const std::vector<uint64_t> seen = SettingsUnder(GetParam(), 4s, 6s);
  ASSERT_EQ(seen.size(), 5u);
  EXPECT_NE(seen[1], seen[0]);
  if (GetParam() != Fault::kDescriptors) {  // it leaves as many as are open, less by its amount
    EXPECT_NE(seen[2], seen[1]);
  }
  EXPECT_EQ(seen[3], seen[2]) << "the second goes on when the first ends";
  EXPECT_EQ(seen[4], seen[0]);
}

TEST_P(Overlap, TheSecondEndsFirst) {
  const std::vector<uint64_t> seen = SettingsUnder(GetParam(), 6s, 4s);
  ASSERT_EQ(seen.size(), 5u);
  EXPECT_EQ(seen[3], seen[1]) << "the first goes on when the second ends";
  EXPECT_EQ(seen[4], seen[0]);
}

INSTANTIATE_TEST_SUITE_P(FaultPlan, Overlap, testing::ValuesIn(kSettings),
                         [](const testing::TestParamInfo<Fault>& info) {
                           std::string name(FaultName(info.param));
                           std::erase(name, '-');
                           return name;
                         });

TEST(FaultPlan, AFaultOfOnePairEndsInsideOneOfEverybody) {
  World world({.seed = 1});
  for (int i = 0; i < 3; ++i) world.AddHost({.name = "host"});
  FaultPlan plan;
  plan.Add({Fault::kLoss, 1s, 9s, kEveryHost, kEveryHost, Plane::kClient, 1000});
  plan.Add({Fault::kLoss, 2s, 1s, 0, 1, Plane::kClient, 2000});
  plan.Install(&world);
  auto loss = [&](uint32_t from, uint32_t to) {
    return world.PathBetween(from, to, Plane::kClient)->link().loss.numerator;
  };
  std::vector<uint32_t> seen;
  for (Duration at : {2500ms, 4000ms}) {
    world.At(MonotonicTime(at), [&] {
      for (uint32_t to : {1u, 2u}) seen.insert(seen.end(), {loss(0, to), loss(to, 0)});
      seen.push_back(loss(1, 2));
    });
  }
  (void)world.Run({.until = 5s});
  EXPECT_EQ(seen,
            (std::vector<uint32_t>{2000, 2000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000}));
}

// --- Sockets that were opened during small buffers ---

struct Buffers {
  size_t during = 0;
  size_t send_after = 0;
  size_t receive_after = 0;
  size_t chosen_after = 0;  // of a socket that has set its own
};

Task<void> Accept(Runtime runtime) {
  auto listener = runtime.network->Listen(Endpoint::Ipv4Any(9), {});
  std::vector<std::unique_ptr<Stream>> streams;
  while (true) {
    auto stream = co_await (*listener)->Accept();
    if (!stream.ok()) co_return;
    streams.push_back(*std::move(stream));
  }
}

Task<void> Look(Runtime runtime, Endpoint server, Buffers* buffers) {
  (void)co_await runtime.clock->SleepFor(2s);
  auto plain = co_await runtime.network->Connect(server, {});
  ConnectOptions options;
  options.stream.send_buffer_bytes = 999;
  auto chosen = co_await runtime.network->Connect(server, options);
  buffers->during = *(*plain)->SendBufferSize();
  (void)co_await runtime.clock->SleepFor(5s);
  buffers->send_after = *(*plain)->SendBufferSize();
  buffers->receive_after = *(*plain)->ReceiveBufferSize();
  buffers->chosen_after = *(*chosen)->SendBufferSize();
}

Buffers BuffersUnder(const std::vector<PlannedFault>& faults) {
  World world({.seed = 1});
  Host* server = world.AddHost({.name = "server"});
  Host* client = world.AddHost({.name = "client"});
  FaultPlan plan;
  for (const PlannedFault& fault : faults) plan.Add(fault);
  plan.Install(&world);
  Buffers buffers;
  server->Boot([](const Runtime& runtime) { return Accept(runtime); });
  client->Boot([&](const Runtime& runtime) {
    return Look(runtime, server->Address(Plane::kClient, 9), &buffers);
  });
  (void)world.Run({.until = 10s});
  EXPECT_EQ(buffers.chosen_after, 999u) << "what a socket has set is its own";
  return buffers;
}

PlannedFault SmallBuffers(Duration at, Duration lasts, uint64_t bytes) {
  return {Fault::kSmallBuffers, at, lasts, 1, kEveryHost, Plane::kClient, bytes};
}

TEST(FaultPlan, SocketsFollowTheSizeOfBuffers) {
  const std::vector<PlannedFault> kPlans[] = {
      {SmallBuffers(1s, 3s, 100)},
      {SmallBuffers(1s, 3s, 100), SmallBuffers(1500ms, 5s, 50)},   // staggered
      {SmallBuffers(1s, 5s, 200), SmallBuffers(2500ms, 1s, 100)},  // nested
      {SmallBuffers(1s, 5s, 100), SmallBuffers(2500ms, 1s, 200)},
  };
  for (const auto& plan : kPlans) {
    const Buffers buffers = BuffersUnder(plan);
    EXPECT_LT(buffers.during, 1000u);
    EXPECT_EQ(buffers.send_after, HostLimits().send_buffer_bytes);
    EXPECT_EQ(buffers.receive_after, HostLimits().receive_buffer_bytes);
  }
}

}  // namespace
}  // namespace faultline::sim
