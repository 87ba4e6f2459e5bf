// A server and a client over QUIC, run on epoll over loopback and in simulation between two hosts.
//
//   Task<void> Server(Place place, Context* context) { ... place.surroundings ... }
//   Task<void> Client(Place place, Context* context) { ... }
//   InBothWorlds(Server, Client, Check);
//
// Each side has a scope of its own, which is joined when it has returned: a hub that does not end
// by itself hangs the test.
#ifndef FAULTLINE_TRANSPORTS_QUIC_TESTING_FIXTURE_H_
#define FAULTLINE_TRANSPORTS_QUIC_TESTING_FIXTURE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "runtime/endpoint.h"
#include "runtime/runtime.h"
#include "runtime/task.h"
#include "sim/config.h"
#include "sim/trace.h"
#include "transports/quic/quic.h"

namespace faultline::quic::testing {

inline constexpr size_t kMax = size_t{1} << 20;

// What a side is given.
struct Place {
  Runtime runtime;
  Surroundings surroundings;
};

// What the two sides of a scenario share. Each writes its own part, the test reads all of it.
struct Context {
  Endpoint listen;   // where the server listens
  Endpoint address;  // where the client finds it
  Options server{};
  Options client{};
  ConnectionOptions connection{};
  size_t max_message_size = kMax;
  std::vector<uint64_t> received;  // by the server
  std::vector<uint64_t> answers;   // by the client
  absl::Status server_end;         // the first error of the server's reads
  absl::Status client_end;
  absl::Status sent;  // by the client
  HubCounters counters;
  size_t count = 0;  // whatever the scenario counts
  bool client_done = false;
};

// With certificates that fit.
Context NewContext();

using Side = Task<void> (*)(Place place, Context* context);

// What the network of a simulation does; and its seed.
struct Weather {
  uint64_t seed = 1;
  sim::LinkConfig link{};
  sim::Scheduling scheduling = sim::Scheduling::kRandom;
  Duration until = std::chrono::minutes(10);
};
struct SimResult {
  Context context;
  sim::TraceHash hash;
  Duration took{};
};

Context OnEpoll(Side server, Side client, Context context, Endpoint listen);
SimResult InSimulation(Side server, Side client, Context context, const Weather& weather);

// Runs a scenario in both worlds and checks what came of it.
void InBothWorlds(Side server, Side client, const std::function<void(const Context&)>& check,
                  const Context& start = NewContext());
// In simulation alone, under `seeds` seeds.
void UnderWeather(Side server, Side client, const std::function<void(const Context&)>& check,
                  const Context& start, Weather weather, uint64_t seeds);

Listener ListenAt(const Place& place, Context* context);
Task<Connection> AcceptOne(Place place, Context* context);
Task<Connection> ConnectOne(Place place, Context* context);

// Waits for the client's word that it is through (`Context::client_done`).
Task<void> UntilClientDone(Clock* clock, Context* context);
// The next connection; or none, once the client is through.
Task<absl::StatusOr<Connection>> AcceptUntilDone(Place place, Context* context, Listener* listener);

// Reads until the end; the tags go to `tags`, the error is returned.
Task<absl::Status> ReadToEnd(Reader* reader, std::vector<uint64_t>* tags, size_t max);
std::vector<uint64_t> OneTo(uint64_t last);

// Sides that many scenarios use. The client sends kEchoed messages in batches, the server sends
// each back.
inline constexpr uint64_t kEchoed = 300;
Task<void> EchoServer(Place place, Context* context);
Task<void> EchoClient(Place place, Context* context);
void CheckEcho(const Context& context);

// Accepts one connection and reads it to its end.
Task<void> ReadingServer(Place place, Context* context);

}  // namespace faultline::quic::testing

#endif  // FAULTLINE_TRANSPORTS_QUIC_TESTING_FIXTURE_H_
