#include "bench/sim_workloads.h"

#include <array>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "runtime/check.h"

namespace faultline::bench {
namespace {

using sim::Host;
using sim::Plane;
using sim::Verdict;
using sim::VerdictKind;
using sim::World;

constexpr uint16_t kPort = 7000;
constexpr uint64_t kDatagramWindow =
    64;  // datagrams under way; 64 * (256 + overhead) fit the receive buffer
constexpr uint32_t kMeshPeers = 2;
using Buffer = std::array<std::byte, kMessageBytes>;

// Moves all of `bytes`; false when the peer has gone.
Task<bool> WriteAll(Stream* stream, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    absl::StatusOr<size_t> written = co_await stream->Write(bytes);
    if (!written.ok()) co_return false;
    bytes = bytes.subspan(*written);
  }
  co_return true;
}

Task<bool> ReadAll(Stream* stream, std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    absl::StatusOr<size_t> read = co_await stream->Read(bytes);
    if (!read.ok() || *read == 0) co_return false;
    bytes = bytes.subspan(*read);
  }
  co_return true;
}

// The number of the message is its first 8 bytes.
void Number(Buffer* buffer, uint64_t number) {
  std::memcpy(buffer->data(), &number, sizeof(number));
}
uint64_t NumberOf(const Buffer& buffer) {
  uint64_t number;
  std::memcpy(&number, buffer.data(), sizeof(number));
  return number;
}

Task<std::unique_ptr<Stream>> ConnectTo(const Runtime* runtime, Endpoint server) {
  absl::StatusOr<std::unique_ptr<Stream>> stream = co_await runtime->network->Connect(server, {});
  FAULTLINE_CHECK(stream.ok()) << stream.status();
  co_return *std::move(stream);
}

std::unique_ptr<Listener> ListenOn(const Runtime& runtime) {
  auto listener = runtime.network->Listen(Endpoint::Ipv4Any(kPort), {});
  FAULTLINE_CHECK(listener.ok()) << listener.status();
  return *std::move(listener);
}

// --- One way ---

Task<void> Produce(Runtime runtime, Endpoint server, Meter* meter) {
  std::unique_ptr<Stream> stream = co_await ConnectTo(&runtime, server);
  (void)co_await meter->start()->Wait();
  Buffer buffer{};
  for (uint64_t number = 0;; ++number) {
    Number(&buffer, number);
    if (!co_await WriteAll(stream.get(), buffer)) co_return;
  }
}

Task<void> Consume(Runtime runtime, Meter* meter) {
  std::unique_ptr<Listener> listener = ListenOn(runtime);
  auto stream = co_await listener->Accept();
  FAULTLINE_CHECK(stream.ok()) << stream.status();
  Buffer buffer;
  for (uint64_t number = 0;; ++number) {
    if (!co_await ReadAll(stream->get(), buffer)) co_return;
    FAULTLINE_CHECK(NumberOf(buffer) == number) << "message " << number << " is another one";
    meter->Finish();
  }
}

// --- Round trips ---

Task<void> Call(Runtime runtime, Endpoint server, Meter* meter) {
  std::unique_ptr<Stream> stream = co_await ConnectTo(&runtime, server);
  (void)co_await meter->start()->Wait();
  Buffer buffer{};
  for (uint64_t number = 0;; ++number) {
    Number(&buffer, number);
    if (!co_await WriteAll(stream.get(), buffer) || !co_await ReadAll(stream.get(), buffer))
      co_return;
    FAULTLINE_CHECK(NumberOf(buffer) == number) << "reply " << number << " is another one";
    meter->Finish();
  }
}

Task<void> Echo(std::unique_ptr<Stream> stream) {
  Buffer buffer;
  while (co_await ReadAll(stream.get(), buffer) && co_await WriteAll(stream.get(), buffer)) {
  }
}

Task<void> ServeEcho(Runtime runtime) {
  std::unique_ptr<Listener> listener = ListenOn(runtime);
  Scope scope(co_await ThisTask());
  while (true) {
    auto stream = co_await listener->Accept();
    if (!stream.ok()) break;
    scope.Spawn(Echo(*std::move(stream)));
  }
  co_await scope.Join();
}

// --- Everybody talks to anybody ---

// One request at a time, each to one of `peers` by chance.
Task<void> Roam(Runtime runtime, std::vector<Endpoint> peers, Meter* meter) {
  std::vector<std::unique_ptr<Stream>> streams;
  for (const Endpoint& peer : peers) streams.push_back(co_await ConnectTo(&runtime, peer));
  (void)co_await meter->start()->Wait();
  Buffer buffer{};
  for (uint64_t number = 0;; ++number) {
    Stream* stream = streams[runtime.random->Below(streams.size())].get();
    Number(&buffer, number);
    if (!co_await WriteAll(stream, buffer) || !co_await ReadAll(stream, buffer)) co_return;
    FAULTLINE_CHECK(NumberOf(buffer) == number) << "reply " << number << " is another one";
    meter->Finish();
  }
}

Task<void> ServeAndRoam(Runtime runtime, std::vector<Endpoint> peers, Meter* meter) {
  Scope scope(co_await ThisTask());
  scope.Spawn(ServeEcho(runtime));
  scope.Spawn(Roam(runtime, std::move(peers), meter));
  co_await scope.Join();
}

// --- Datagrams ---

std::unique_ptr<DatagramSocket> BindTo(const Runtime& runtime) {
  auto socket = runtime.network->Bind(Endpoint::Ipv4Any(kPort), {});
  FAULTLINE_CHECK(socket.ok()) << socket.status();
  return *std::move(socket);
}

Task<void> SendDatagrams(Runtime runtime, Endpoint to, Meter* meter) {
  std::unique_ptr<DatagramSocket> socket = BindTo(runtime);
  (void)co_await meter->start()->Wait();
  Buffer buffer{};
  for (uint64_t number = 0;; ++number) {
    if (number % kDatagramWindow == 0 && number > 0) {
      Buffer answer;
      (void)co_await socket->ReceiveFrom(answer, nullptr);
    }
    Number(&buffer, number);
    (void)co_await socket->SendTo(&to, buffer);
  }
}

Task<void> ReceiveDatagrams(Runtime runtime, Meter* meter) {
  std::unique_ptr<DatagramSocket> socket = BindTo(runtime);
  Buffer buffer;
  DatagramInfo info;
  for (uint64_t number = 0;; ++number) {
    absl::StatusOr<size_t> size = co_await socket->ReceiveFrom(buffer, &info);
    FAULTLINE_CHECK(size.ok() && *size == kMessageBytes && NumberOf(buffer) == number)
        << "datagram " << number << " is another one";
    if (number % kDatagramWindow == kDatagramWindow - 1)
      (void)co_await socket->SendTo(&info.from, buffer);
    meter->Finish();
  }
}

// --- Timers, and hosts that do nothing ---

Task<void> SleepAgain(Runtime runtime, Duration nap, Meter* meter) {
  (void)co_await meter->start()->Wait();
  while (true) {
    (void)co_await runtime.clock->SleepFor(nap);
    meter->Finish();
  }
}

Task<void> SleepLong(Runtime runtime) { (void)co_await runtime.clock->SleepFor(10'000h); }

Task<void> Idle(Runtime runtime) {
  std::unique_ptr<Listener> listener = ListenOn(runtime);
  Scope scope(co_await ThisTask());
  scope.Spawn(SleepLong(runtime));
  (void)co_await listener->Accept();
  co_await scope.Join();
}

Host* Boot(World* world, sim::ProcessMain main) {
  Host* host = world->AddHost({});
  host->Boot(std::move(main));
  return host;
}

std::unique_ptr<Workload> NewWorkload(const LoadOptions& options) {
  auto load = std::make_unique<Workload>(options.world);
  for (uint32_t i = 0; i < options.idle_hosts; ++i) {
    Boot(load->world(), [](const Runtime& runtime) { return Idle(runtime); });
  }
  return load;
}

Endpoint AddEchoServer(Workload* load) {
  return Boot(load->world(), [](const Runtime& runtime) { return ServeEcho(runtime); })
      ->Address(Plane::kClient, kPort);
}

void AddCaller(Workload* load, const Endpoint& server) {
  Boot(load->world(), [server, meter = load->meter()](const Runtime& runtime) {
    return Call(runtime, server, meter);
  });
}

// Everything is connected and waits for the first step.
std::unique_ptr<Workload> Settled(std::unique_ptr<Workload> load) {
  Verdict verdict = load->world()->Run({.until = 1s});
  FAULTLINE_CHECK(verdict.kind == VerdictKind::kBound || verdict.kind == VerdictKind::kDeadlock)
      << verdict.ToString();
  return load;
}

}  // namespace

void Workload::Run(uint64_t steps) {
  const uint64_t goal = meter_.done() + steps;
  meter_.Allow(steps);
  Verdict verdict = world_.Run({.until = 1'000'000h, .max_events = ~uint64_t{0}});
  FAULTLINE_CHECK(verdict.passed() && meter_.done() == goal) << verdict.ToString();
  events_ += verdict.events;
}

std::unique_ptr<Workload> OneWay(const LoadOptions& options) {
  std::unique_ptr<Workload> load = NewWorkload(options);
  Meter* meter = load->meter();
  Host* consumer =
      Boot(load->world(), [meter](const Runtime& runtime) { return Consume(runtime, meter); });
  Boot(load->world(), [to = consumer->Address(Plane::kClient, kPort),
                       meter](const Runtime& runtime) { return Produce(runtime, to, meter); });
  return Settled(std::move(load));
}

std::unique_ptr<Workload> PingPong(const LoadOptions& options, uint32_t pairs) {
  std::unique_ptr<Workload> load = NewWorkload(options);
  for (uint32_t i = 0; i < pairs; ++i) AddCaller(load.get(), AddEchoServer(load.get()));
  return Settled(std::move(load));
}

std::unique_ptr<Workload> ManyToOne(const LoadOptions& options, uint32_t clients) {
  std::unique_ptr<Workload> load = NewWorkload(options);
  Endpoint server = AddEchoServer(load.get());
  for (uint32_t i = 0; i < clients; ++i) AddCaller(load.get(), server);
  return Settled(std::move(load));
}

std::unique_ptr<Workload> Mesh(const LoadOptions& options, uint32_t hosts) {
  std::unique_ptr<Workload> load = NewWorkload(options);
  World* world = load->world();
  const uint32_t first = static_cast<uint32_t>(world->host_count());
  for (uint32_t i = 0; i < hosts; ++i) world->AddHost({});
  sim::Chooser chooser(world->choices(), sim::ChooserId({first, hosts}));
  for (uint32_t i = 0; i < hosts; ++i) {
    std::vector<Endpoint> peers;
    for (uint32_t p = 0; p < kMeshPeers; ++p) {
      const uint64_t away = 1 + chooser.Below(sim::Choice::kApplication, hosts - 1);
      const uint32_t peer = first + static_cast<uint32_t>((i + away) % hosts);
      peers.push_back(world->host(peer)->Address(Plane::kClient, kPort));
    }
    world->host(first + i)->Boot([peers, meter = load->meter()](const Runtime& runtime) {
      return ServeAndRoam(runtime, peers, meter);
    });
  }
  return Settled(std::move(load));
}

std::unique_ptr<Workload> Datagrams(const LoadOptions& options) {
  std::unique_ptr<Workload> load = NewWorkload(options);
  Meter* meter = load->meter();
  Host* receiver = Boot(
      load->world(), [meter](const Runtime& runtime) { return ReceiveDatagrams(runtime, meter); });
  Boot(load->world(), [to = receiver->Address(Plane::kClient, kPort), meter](
                          const Runtime& runtime) { return SendDatagrams(runtime, to, meter); });
  return Settled(std::move(load));
}

std::unique_ptr<Workload> Timers(const LoadOptions& options, uint32_t hosts) {
  std::unique_ptr<Workload> load = NewWorkload(options);
  for (uint32_t i = 0; i < hosts; ++i) {
    // Naps that differ, so that the order in which they end keeps changing.
    Duration nap = 100us + Duration((i * 7919) % 100'000);
    Boot(load->world(), [nap, meter = load->meter()](const Runtime& runtime) {
      return SleepAgain(runtime, nap, meter);
    });
  }
  return Settled(std::move(load));
}

}  // namespace faultline::bench
