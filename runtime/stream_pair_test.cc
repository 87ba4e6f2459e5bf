// Goal: two streams in memory keep every promise that stream.h makes of connected streams, resets
// included; and what stream_pair.h says of capacity.
// Method: the contract suite, over a network of which each connection is a pair, on a loop without
// a system; then capacities by hand.
#include "runtime/stream_pair.h"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/contract/contract.h"
#include "runtime/contract/paired_network.h"
#include "runtime/testing/counting_entropy.h"
#include "runtime/testing/test_loop.h"

namespace faultline {
namespace {

using testing::TestLoop;

class NoChoice final : public Random {
 public:
  uint64_t Next() override { return 0; }
};

class PairWorld final : public contract::World {
 public:
  Runtime runtime(int) override {
    return {.executor = loop_.executor(),
            .clock = loop_.clock(),
            .network = &network_,
            .entropy = &entropy_,
            .random = &random_,
            .buffers = &buffers_};
  }
  Endpoint Address(int, Endpoint::Family) override { return Endpoint::Unix("@pair"); }
  void Run(Task<void> test) override {
    Scope root(loop_.executor());
    root.Spawn(std::move(test));
    for (size_t steps = 1; root.live() > 0 && loop_.Step(); ++steps) {
      ASSERT_LT(steps, TestLoop::kMaxSteps) << "the test goes on for ever";
      // Tasks that are always ready take time as well.
      if (steps % 64 == 0) loop_.clock()->AdvanceTo(loop_.clock()->Now() + 1us);
    }
    EXPECT_EQ(root.live(), 0u) << "the test waits for ever";
  }

 private:
  TestLoop loop_;
  contract::PairedNetwork network_{[] { return MakeStreamPair(); }};
  testing::CountingEntropy entropy_;
  NoChoice random_;
  BufferPool buffers_{size_t{1} << 20};
};

std::unique_ptr<contract::World> MakePairWorld() { return std::make_unique<PairWorld>(); }

// --- Capacity ---

Task<void> WriteInto(Stream* stream, size_t bytes, std::optional<absl::StatusOr<size_t>>* result) {
  std::vector<std::byte> data(bytes);
  *result = co_await stream->Write(data);
}

Task<void> ReadInto(Stream* stream, size_t bytes, std::optional<absl::StatusOr<size_t>>* result) {
  std::vector<std::byte> data(bytes);
  *result = co_await stream->Read(data);
}

class StreamPairTest : public ::testing::Test {
 protected:
  using Result = std::optional<absl::StatusOr<size_t>>;

  Result Write(Stream* stream, size_t bytes) {
    Result result;
    Scope scope(loop_.executor());
    scope.Spawn(WriteInto(stream, bytes, &result));
    loop_.RunReady();
    return result;
  }
  Result Read(Stream* stream, size_t bytes) {
    Result result;
    Scope scope(loop_.executor());
    scope.Spawn(ReadInto(stream, bytes, &result));
    loop_.RunReady();
    return result;
  }

  TestLoop loop_;
};

TEST_F(StreamPairTest, HoldsItsCapacityInEachDirectionAndNoMore) {
  auto [near, far] = MakeStreamPair({.capacity_bytes = 10});
  for (Stream* stream : {near.get(), far.get()}) {
    EXPECT_EQ(**Write(stream, 7), 7u);
    EXPECT_EQ(**Write(stream, 7), 3u);
    EXPECT_FALSE(Write(stream, 1).has_value()) << "a full stream makes its writer wait";
  }
  EXPECT_EQ(**Read(far.get(), 100), 10u);
  EXPECT_EQ(**Write(near.get(), 100), 10u);
}

TEST_F(StreamPairTest, KeepsWhatLiesInADirectionThatGrowsOrShrinks) {
  auto [near, far] = MakeStreamPair({.capacity_bytes = 10});
  EXPECT_EQ(**Write(near.get(), 8), 8u);
  EXPECT_EQ(**Read(far.get(), 4), 4u);
  EXPECT_EQ(**Write(near.get(), 6), 6u);  // around the end of the ring
  ASSERT_TRUE(near->SetSendBufferSize(12).ok());
  EXPECT_EQ(*near->SendBufferSize(), 12u);
  EXPECT_EQ(*far->ReceiveBufferSize(), 12u);
  EXPECT_EQ(*far->SendBufferSize(), 10u);
  EXPECT_EQ(**Write(near.get(), 6), 2u);
  ASSERT_TRUE(far->SetReceiveBufferSize(0).ok());
  EXPECT_EQ(*near->SendBufferSize(), 1u);
  EXPECT_FALSE(Write(near.get(), 1).has_value());
  EXPECT_EQ(**Read(far.get(), 100), 12u);
  EXPECT_EQ(**Write(near.get(), 6), 1u);
}

TEST_F(StreamPairTest, KeepsTheOrderOfBytesAroundTheEndOfTheRing) {
  auto [near, far] = MakeStreamPair({.capacity_bytes = 7});
  uint8_t written = 0;
  uint8_t read = 0;
  for (int round = 0; round < 100; ++round) {
    std::array<std::byte, 5> out;
    for (std::byte& byte : out) byte = static_cast<std::byte>(written++);
    Scope scope(loop_.executor());
    scope.Spawn(
        [](Stream* from, Stream* to, std::array<std::byte, 5>* out, uint8_t* read) -> Task<void> {
          EXPECT_EQ(*co_await from->Write(*out), 5u);
          std::array<std::byte, 5> in;
          EXPECT_EQ(*co_await to->Read(in), 5u);
          for (std::byte byte : in) EXPECT_EQ(byte, static_cast<std::byte>((*read)++));
        }(near.get(), far.get(), &out, &read));
    loop_.RunReady();
  }
  EXPECT_EQ(read, written);
}

}  // namespace

namespace contract {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(NetworkContract);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(TcpNetworkContract);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(DatagramContract);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(TimeContract);

FAULTLINE_INSTANTIATE_SUITE_(Pair, StreamContract, &MakePairWorld, Endpoint::Family::kUnix);
FAULTLINE_INSTANTIATE_SUITE_(Pair, TcpContract, &MakePairWorld, Endpoint::Family::kUnix);

}  // namespace contract
}  // namespace faultline
