#include "transports/tls/testing.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <utility>

#include "runtime/check.h"
#include "runtime/combine.h"
#include "runtime/epoll/loop.h"
#include "runtime/scope.h"
#include "runtime/testing/counting_entropy.h"
#include "runtime/testing/manual_clock.h"
#include "sim/host.h"
#include "sim/world.h"

namespace faultline::tls::testing {
namespace {

template <typename T>
T Must(absl::StatusOr<T> result) {
  FAULTLINE_CHECK(result.ok()) << result.status();
  return *std::move(result);
}

Identity IssuedBy(const Authority& authority, const engine::Environment& environment,
                  CertificateOptions options) {
  return Must(authority.Issue(environment, options));
}

Task<void> RunSides(Side server, Side client, Runtime runtime, Shared* shared) {
  Scope scope(co_await ThisTask());
  scope.Spawn(server(runtime, shared));
  scope.Spawn(client(runtime, shared));
  co_await scope.Join();
}

Shared Prepared(const Certificates* certificates, const Setup& setup) {
  Shared shared;
  shared.certificates = certificates;
  if (setup != nullptr) setup(&shared);
  if (shared.server.identities.empty()) shared.server.identities = {certificates->server};
  if (shared.client.roots_pem.empty()) {
    shared.client.roots_pem = certificates->authority.root_pem();
  }
  return shared;
}

Shared OnEpoll(Side server, Side client, const Setup& setup) {
  auto loop = Must(epoll::Loop::Create({}));
  Runtime runtime = loop->runtime();
  Certificates certificates({runtime.entropy, runtime.clock});
  Shared shared = Prepared(&certificates, setup);
  shared.listen = Endpoint::Ipv4Loopback(0);
  loop->Run(RunSides(server, client, runtime, &shared));
  shared.certificates = nullptr;
  return shared;
}

struct Run {
  Shared shared;
  sim::TraceHash hash;
};

const Certificates& SimulatedCertificates() {
  static const Certificates* const certificates = [] {
    faultline::testing::CountingEntropy entropy;
    faultline::testing::ManualClock clock;
    clock.set_wall_offset(sim::WorldConfig().wall_start.time_since_epoch());
    return new Certificates({&entropy, &clock});
  }();
  return *certificates;
}

// Two hosts, whose transfers are cut short, and the scenario on them.
struct Stage {
  Stage(Side server, Side client, const Setup& setup, uint64_t seed)
      : world({.seed = seed, .scheduling = sim::Scheduling::kRandom}),
        shared(Prepared(&SimulatedCertificates(), setup)) {
    sim::SocketFaults cut{.partial_write = {1, 3}, .partial_read = {1, 3}, .yield = {1, 4}};
    first = world.AddHost({.name = "server", .sockets = cut});
    second = world.AddHost({.name = "client", .sockets = cut});
    shared.listen = Endpoint::Ipv4Any(7000);
    shared.address = first->Address(sim::Plane::kClient, 7000);
    first->Boot([this, server](const Runtime& runtime) { return server(runtime, &shared); });
    second->Boot([this, client](const Runtime& runtime) { return client(runtime, &shared); });
  }

  sim::World world;
  Shared shared;
  sim::Host* first = nullptr;
  sim::Host* second = nullptr;
};

Task<void> Nothing() { co_return; }

Run InSimulation(Side server, Side client, const Setup& setup, uint64_t seed) {
  Stage stage(server, client, setup, seed);
  sim::Verdict verdict = stage.world.Run({.until = 10min});
  EXPECT_TRUE(verdict.passed()) << "seed " << seed << ": " << verdict.ToString();
  return {stage.shared, stage.world.trace()->hash()};
}

}  // namespace

Certificates::Certificates(const engine::Environment& environment)
    : authority(Must(Authority::Create(environment, {.names = {"authority"}}))),
      stranger(Must(Authority::Create(environment, {.names = {"stranger"}}))),
      server(IssuedBy(authority, environment, {.names = {"server", "127.0.0.1"}})),
      other(IssuedBy(authority, environment, {.names = {"other"}})),
      expired(IssuedBy(authority, environment,
                       {.names = {"server"}, .valid_from = -48h, .valid_for = 24h})),
      future(IssuedBy(authority, environment, {.names = {"server"}, .valid_from = 24h})),
      unknown(IssuedBy(stranger, environment, {.names = {"server"}})),
      self_signed(Must(SelfSigned(environment, {.names = {"server"}}))),
      nameless(IssuedBy(authority, environment, {})),
      client(IssuedBy(authority, environment, {.names = {"client"}})),
      impostor(IssuedBy(stranger, environment, {.names = {"client"}})) {}

void InBothWorlds(Side server, Side client, const std::function<void(const Shared&)>& check,
                  const Setup& setup, int seeds) {
  {
    SCOPED_TRACE("epoll");
    check(OnEpoll(server, client, setup));
  }
  for (int seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE("simulation, seed " + std::to_string(seed));
    Run run = InSimulation(server, client, setup, static_cast<uint64_t>(seed));
    check(run.shared);
    Run again = InSimulation(server, client, setup, static_cast<uint64_t>(seed));
    EXPECT_EQ(run.hash, again.hash);
  }
}

Shared WithCrash(Side server, Side client, const Setup& setup, Duration when) {
  Stage stage(server, client, setup, 1);
  stage.world.At(MonotonicTime(when), [&stage] {
    stage.first->Crash();
    stage.first->Boot([](const Runtime&) { return Nothing(); });
  });
  (void)stage.world.Run({.until = 1min});
  return stage.shared;
}

std::unique_ptr<ServerContext> NewServer(const Runtime& runtime, const Shared& shared) {
  return Must(ServerContext::Create({runtime.entropy, runtime.clock}, shared.server));
}

std::unique_ptr<ClientContext> NewClient(const Runtime& runtime, const Shared& shared) {
  return Must(ClientContext::Create({runtime.entropy, runtime.clock}, shared.client));
}

std::unique_ptr<faultline::Listener> ListenAt(const Runtime& runtime, Shared* shared) {
  auto listener = Must(runtime.network->Listen(shared->listen, {}));
  if (shared->address == Endpoint()) shared->address = listener->local_address();
  return listener;
}

Task<std::unique_ptr<Stream>> AcceptRaw(Runtime runtime, Shared* shared) {
  std::unique_ptr<faultline::Listener> listener = ListenAt(runtime, shared);
  co_return Must(co_await listener->Accept());
}

Task<std::unique_ptr<Stream>> ConnectRaw(Runtime runtime, Shared* shared) {
  // In simulation the hosts start together: the listener may not be there yet.
  for (int attempt = 0;; ++attempt) {
    auto connected = co_await runtime.network->Connect(shared->address, {});
    if (connected.ok()) co_return *std::move(connected);
    if (attempt == 100) co_return nullptr;
    (void)co_await runtime.clock->SleepFor(5ms);
  }
}

}  // namespace faultline::tls::testing
