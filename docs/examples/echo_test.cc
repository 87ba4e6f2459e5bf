// A reader's first test: an echo server and a client in a world that cuts every transfer short.
#include <gtest/gtest.h>

#include "runtime/stream_io.h"
#include "sim/host.h"
#include "sim/world.h"

namespace faultline {
namespace {

Task<void> Serve(Runtime runtime) {
  auto listener = runtime.network->Listen(Endpoint::Ipv4Any(7), {});
  auto stream = co_await (*listener)->Accept();
  std::byte buffer[5];
  while ((co_await ReadExactly(stream->get(), buffer)).ok()) {
    (void)co_await WriteAll(stream->get(), buffer);
  }
  (void)(*stream)->Close();
}

Task<void> Call(Runtime runtime, Endpoint server, std::string* answer) {
  auto stream = co_await runtime.network->Connect(server, {});
  (void)co_await WriteAll(stream->get(), std::as_bytes(std::span("hello", 5)));
  (void)co_await ReadExactly(stream->get(), std::as_writable_bytes(std::span(*answer)));
  (void)(*stream)->Close();
}

TEST(Echo, SurvivesShortTransfers) {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    sim::World world({.seed = seed, .scheduling = sim::Scheduling::kRandom});
    sim::SocketFaults cut{.partial_write = {1, 2}, .partial_read = {1, 2}};
    sim::Host* server = world.AddHost({.name = "server", .sockets = cut});
    sim::Host* client = world.AddHost({.name = "client", .sockets = cut});
    std::string answer(5, '?');
    Endpoint address = server->Address(sim::Plane::kClient, 7);
    server->Boot([](const Runtime& runtime) { return Serve(runtime); });
    client->Boot([&](const Runtime& runtime) { return Call(runtime, address, &answer); });
    sim::Verdict verdict = world.Run({.until = 1min});
    EXPECT_TRUE(verdict.passed()) << "seed " << seed << ": " << verdict.ToString();
    EXPECT_EQ(answer, "hello") << "seed " << seed;
  }
}

}  // namespace
}  // namespace faultline
