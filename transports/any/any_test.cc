// Goal: whatever the URL says, messages go there and back, an end is an end, and errors pass
// through.
// Method: for each transport, a server that echoes and a client, by URL alone; on epoll over
// loopback, and between two simulated hosts under many seeds.

#include "transports/any/any.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/epoll/loop.h"
#include "runtime/errors.h"
#include "runtime/kernel/temporary_directory.h"
#include "sim/host.h"
#include "sim/world.h"
#include "transports/any/open.h"
#include "transports/message/frame_error.h"
#include "transports/testing/samples.h"
#include "transports/tls/certificate.h"

namespace faultline::any {
namespace {

using faultline::testing::Sample;
using faultline::testing::TagOf;
using message::Message;

constexpr size_t kMax = size_t{1} << 20;
constexpr uint64_t kMessages = 50;

struct Outcome {
  Url url;
  std::string roots{};  // of the server, once it is there
  bool served = false;
  std::vector<uint64_t> echoes{};
  absl::Status end = absl::UnknownError("not yet");
};

Task<void> Echo(Connection connection) {
  auto [reader, writer] = std::move(connection).Split();
  FrozenBatch batch;
  while (true) {
    absl::StatusOr<Message> message = co_await reader.ReadMessage(kMax);
    if (!message.ok()) break;
    batch.Add(message->frozen());
    while (auto next = reader.TryNext(kMax)) {
      if (!next->ok()) break;
      batch.Add((**next).frozen());
    }
    if (!(co_await writer.SendBatch(&batch)).ok()) break;
  }
  EXPECT_TRUE(writer.FinishWrites().ok());
}

std::unique_ptr<Security> MakeIdentity(const Runtime& runtime, Outcome* outcome) {
  std::string name = "unix";
  if (outcome->url.address.is_ip()) name = IpText(outcome->url.address);
  absl::StatusOr<tls::Identity> identity =
      tls::SelfSigned({runtime.entropy, runtime.clock}, {.names = {name}});
  EXPECT_TRUE(identity.ok()) << identity.status();
  outcome->roots = identity->certificate_chain_pem;
  return *Security::Create(runtime, {.identity = *identity});
}

Task<void> Serve(Runtime runtime, Outcome* outcome) {
  Scope scope(co_await ThisTask());
  const std::unique_ptr<Security> security = MakeIdentity(runtime, outcome);
  Options options;
  options.security = security.get();
  absl::StatusOr<Listener> listener = Listen({runtime, &scope}, outcome->url, options);
  EXPECT_TRUE(listener.ok()) << listener.status();
  if (!listener.ok()) co_return;
  if (outcome->url.address.is_ip())
    outcome->url.address = outcome->url.address.WithPort(listener->local_address().port());
  outcome->served = true;
  absl::StatusOr<Connection> connection = co_await listener->Accept();
  EXPECT_TRUE(connection.ok()) << connection.status();
  if (connection.ok()) co_await Echo(*std::move(connection));
  EXPECT_TRUE(listener->Close().ok());
  scope.RequestStop();
  co_await scope.Join();
  co_await security->Drain();
}

Task<void> Send(Writer* writer, BufferPool* pool) {
  FrozenBatch batch;
  for (uint64_t tag = 1; tag <= kMessages; ++tag) batch.Add(Sample(pool, tag, tag * 100).frozen());
  EXPECT_TRUE((co_await writer->SendBatch(&batch)).ok());
  EXPECT_TRUE(writer->FinishWrites().ok());
}

Task<void> Ask(Runtime runtime, Outcome* outcome) {
  while (!outcome->served) (void)co_await runtime.clock->SleepFor(1ms);
  Scope scope(co_await ThisTask());
  const std::unique_ptr<Security> security =
      *Security::Create(runtime, {.roots_pem = outcome->roots});
  Options options;
  options.security = security.get();
  absl::StatusOr<Connector> connector = MakeConnector({runtime, &scope}, outcome->url, options);
  EXPECT_TRUE(connector.ok()) << connector.status();
  if (!connector.ok()) co_return;
  absl::StatusOr<Connection> connection = co_await connector->Connect(outcome->url.address);
  EXPECT_TRUE(connection.ok()) << connection.status();
  if (!connection.ok()) co_return;
  EXPECT_EQ(connection->peer_address(), outcome->url.address);
  auto [reader, writer] = (*std::move(connection)).Split();
  scope.Spawn(Send(&writer, runtime.buffers));
  while (true) {
    absl::StatusOr<Message> message = co_await reader.ReadMessage(kMax);
    outcome->end = message.status();
    if (!message.ok()) break;
    outcome->echoes.push_back(TagOf(*message));
  }
  scope.RequestStop();
  co_await scope.Join();
  co_await security->Drain();
}

void Check(const Outcome& outcome) {
  std::vector<uint64_t> expected;
  for (uint64_t tag = 1; tag <= kMessages; ++tag) expected.push_back(tag);
  EXPECT_EQ(outcome.echoes, expected);
  EXPECT_TRUE(message::IsConnectionClosed(outcome.end)) << outcome.end;
}

Task<void> Together(Runtime runtime, Outcome* outcome) {
  Scope scope(co_await ThisTask());
  scope.Spawn(Serve(runtime, outcome));
  scope.Spawn(Ask(runtime, outcome));
  co_await scope.Join();
}

class Transports : public ::testing::TestWithParam<const char*> {
 protected:
  Outcome Start() { return {.url = *ParseUrl(GetParam())}; }
};

TEST_P(Transports, CarryMessagesBetweenSimulatedHosts) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    Outcome outcome = Start();
    sim::World world({.seed = seed, .scheduling = sim::Scheduling::kRandom});
    sim::Host* server = world.AddHost({.name = "server"});
    if (outcome.url.address.is_ip()) {
      outcome.url.address = server->Address(sim::Plane::kClient, 7000);
      server->Boot([&outcome](const Runtime& runtime) { return Serve(runtime, &outcome); });
      world.AddHost({.name = "client"})->Boot([&outcome](const Runtime& runtime) {
        return Ask(runtime, &outcome);
      });
    } else {
      server->Boot([&outcome](const Runtime& runtime) { return Together(runtime, &outcome); });
    }
    const sim::Verdict verdict = world.Run({.until = 60s});
    EXPECT_TRUE(verdict.passed()) << verdict.ToString();
    Check(outcome);
  }
}

TEST_P(Transports, CarryMessagesOverLoopback) {
  kernel::TemporaryDirectory directory;
  Outcome outcome = Start();
  if (!outcome.url.address.is_ip())
    outcome.url.address = Endpoint::Unix(directory.File("any.sock"));
  auto loop = epoll::Loop::Create({});
  ASSERT_TRUE(loop.ok()) << loop.status();
  (*loop)->Run(Together((*loop)->runtime(), &outcome));
  Check(outcome);
}

INSTANTIATE_TEST_SUITE_P(Any, Transports,
                         ::testing::Values("tcp://127.0.0.1:0", "tls://127.0.0.1:0",
                                           "ws://127.0.0.1:0/bus", "wss://127.0.0.1:0/bus",
                                           "quic://127.0.0.1:0", "unix:///run/any.sock"));

// --- Errors pass through ---

Task<void> ConnectToNobody(Runtime runtime, absl::Status* status) {
  Scope scope(co_await ThisTask());
  const Url url = *ParseUrl("tcp://10.1.0.1:9");
  absl::StatusOr<Connector> connector = MakeConnector({runtime, &scope}, url, {});
  *status = (co_await connector->Connect(url.address)).status();
  co_await scope.Join();
}

TEST(Any, ErrorsKeepTheirErrno) {
  sim::World world({.seed = 1});
  absl::Status status;
  world.AddHost({.name = "client"})->Boot([&status](const Runtime& runtime) {
    return ConnectToNobody(runtime, &status);
  });
  EXPECT_TRUE(world.Run({.until = 60s}).passed());
  EXPECT_EQ(ErrnoOf(status), ECONNREFUSED) << status;
}

Task<void> OpenWithoutCertificates(Runtime runtime) {
  Scope scope(co_await ThisTask());
  const Url url = *ParseUrl("quic://10.1.0.1:9");
  EXPECT_TRUE(absl::IsFailedPrecondition(Listen({runtime, &scope}, url, {}).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(MakeConnector({runtime, &scope}, url, {}).status()));
  co_await scope.Join();
}

Task<void> ListenOnAQuery(Runtime runtime) {
  Scope scope(co_await ThisTask());
  const Url url = *ParseUrl("ws://10.1.0.1:9/bus?token=x");
  EXPECT_TRUE(absl::IsInvalidArgument(Listen({runtime, &scope}, url, {}).status()));
  EXPECT_TRUE(MakeConnector({runtime, &scope}, url, {}).ok());
  co_await scope.Join();
}

TEST(Any, APathThatIsListenedOnHasNoQuery) {
  sim::World world({.seed = 1});
  world.AddHost({.name = "host"})->Boot(&ListenOnAQuery);
  EXPECT_TRUE(world.Run({.until = 60s}).passed());
}

TEST(Any, WithoutCertificatesThereIsNoTls) {
  sim::World world({.seed = 1});
  world.AddHost({.name = "host"})->Boot([](const Runtime& runtime) {
    return OpenWithoutCertificates(runtime);
  });
  EXPECT_TRUE(world.Run({.until = 60s}).passed());
}

}  // namespace
}  // namespace faultline::any
