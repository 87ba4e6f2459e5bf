// Goal: with the real engine on the wire, the same seed gives the same bytes: in one process, in
// others, and wherever memory lies.
// Method: the hash of a world in which servers and clients upgrade, talk, ping, fail and close.
// This program runs itself again, with its memory laid out at random and not, and compares.

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>
#include <string_view>

#include "transports/testing/samples.h"
#include "transports/websocket/testing/worlds.h"

namespace faultline::websocket::testing {
namespace {

using faultline::testing::Sample;

constexpr char kSeedVariable[] = "WEBSOCKET_SEED";
constexpr char kMark[] = "hashes: ";

// Says everything twice, and stops at the first wrong frame.
Task<void> ChattyServer(Environment environment, Runtime runtime, Context* context) {
  Connection connection = co_await AcceptOne(environment, runtime, context);
  FrozenBatch batch;
  for (;;) {
    absl::StatusOr<message::Message> message = co_await connection.ReadMessage(kMax);
    if (!message.ok()) break;
    batch.Add(message->frozen());
    batch.Add(message->frozen());
    if (!(co_await connection.SendBatch(&batch)).ok()) break;
  }
  (void)connection.Close();
}

Task<void> ChattyClient(Environment environment, Runtime runtime, Context* context) {
  Connection connection = co_await ConnectOne(environment, runtime, context);
  FrozenBatch batch;
  for (uint64_t tag = 1; tag <= 30; ++tag) {
    batch.Add(Sample(runtime.buffers, tag, tag * tag * 40).frozen());
    if (!(co_await connection.SendBatch(&batch)).ok()) break;
    for (int answer = 0; answer < 2; ++answer) (void)co_await connection.ReadMessage(kMax);
  }
  (void)connection.Close();
}

std::string HashOfRun(Side server, Side client, const std::string& wire, uint64_t seed) {
  Context context;
  context.wire = wire;
  sim::TraceHash hash;
  (void)InSimulation(server, client, context, seed, &hash);
  return hash.ToString();
}

std::string HashesOfRuns(uint64_t seed) {
  BufferPool pool;
  const std::string wire = MessageFrame(&pool, 1, 100, {}) + FrameOf("ping", {.opcode = 9}) +
                           FrameOf("text", {.opcode = 1});
  return HashOfRun(ChattyServer, ChattyClient, "", seed) + " " +
         HashOfRun(ReadingServer, RawClient, wire, seed);
}

// What another process makes of the seed.
std::string HashesElsewhere(const std::string& prefix, uint64_t seed) {
  std::array<char, 4096> self{};
  if (readlink("/proc/self/exe", self.data(), self.size() - 1) < 0) return "no /proc";
  const std::string command = prefix + self.data() + " --gtest_filter=*.Printed* 2>&1";
  setenv(kSeedVariable, std::to_string(seed).c_str(), 1);
  FILE* output = popen(command.c_str(), "r");
  std::string text;
  std::array<char, 256> line{};
  while (fgets(line.data(), line.size(), output) != nullptr) text += line.data();
  pclose(output);
  const size_t mark = text.find(kMark);
  if (mark == std::string::npos) return text;
  const size_t start = mark + std::string_view(kMark).size();
  return text.substr(start, text.find('\n', start) - start);
}

// What the processes that are started below print; here too it has to be the same twice.
TEST(Determinism, PrintedHashesAreThoseOfTheSeed) {
  const char* seed = getenv(kSeedVariable);
  const std::string hashes = HashesOfRuns(seed == nullptr ? 1 : std::stoull(seed));
  printf("%s%s\n", kMark, hashes.c_str());
  EXPECT_EQ(hashes, HashesOfRuns(seed == nullptr ? 1 : std::stoull(seed)));
}

TEST(Determinism, TheSameSeedGivesTheSameBytesEverywhere) {
  std::set<std::string> different;
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    const std::string here = HashesOfRuns(seed);
    EXPECT_EQ(here, HashesOfRuns(seed));
    EXPECT_EQ(here, HashesElsewhere("", seed));
    EXPECT_EQ(here, HashesElsewhere("", seed));  // laid out anew
    EXPECT_EQ(here, HashesElsewhere("setarch --addr-no-randomize ", seed));
    different.insert(here);
  }
  EXPECT_EQ(different.size(), 5u);
}

}  // namespace
}  // namespace faultline::websocket::testing
