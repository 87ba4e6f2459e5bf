// What the tests of WebSocket share: a server and a client, each with a scope of its own, on epoll
// over loopback and between two simulated hosts whose transfers are cut short.
#ifndef FAULTLINE_TRANSPORTS_WEBSOCKET_TESTING_WORLDS_H_
#define FAULTLINE_TRANSPORTS_WEBSOCKET_TESTING_WORLDS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "runtime/endpoint.h"
#include "runtime/runtime.h"
#include "runtime/scope.h"
#include "runtime/task.h"
#include "sim/trace.h"
#include "transports/websocket/testing/frames.h"
#include "transports/websocket/websocket.h"

namespace faultline::websocket::testing {

inline constexpr size_t kMax = size_t{1} << 20;

// What a listener is told of upgrades that failed.
struct FailedUpgrades final : UpgradeObserver {
  void OnUpgradeFailed(const Endpoint&, const absl::Status& why) override { all.push_back(why); }
  std::vector<absl::Status> all;
};

// What the two sides of a scenario share. Each writes its own part, the test reads all of it.
struct Context {
  Endpoint listen;   // where the server listens
  Endpoint address;  // where the client finds it
  ListenerOptions server{};
  ConnectorOptions client{};
  size_t max_message_size = kMax;
  std::vector<uint64_t> received;  // by the server
  std::vector<uint64_t> answers;   // by the client
  absl::Status server_end;         // the first error of the server's reads
  absl::Status client_end;
  absl::Status sent;                  // by the client
  std::string wire;                   // bytes that a raw peer sends, after the upgrade
  std::string raw;                    // bytes that a raw peer got, after the upgrade
  absl::Status raw_end;               // how its stream ended; OK: in order
  std::optional<CloseReason> reason;  // that the server was given
  uint64_t failed_upgrades = 0;
  FailedUpgrades failures;  // the same
};

using Side = Task<void> (*)(Environment environment, Runtime runtime, Context* context);

Context OnEpoll(Side server, Side client, Context context);
// `hash` may be null.
Context InSimulation(Side server, Side client, Context context, uint64_t seed,
                     sim::TraceHash* hash = nullptr);
// In simulation, the server's process crashing and starting again every few milliseconds, until the
// client has ended. The server may still run.
void RunWithCrashes(Side server, Side client, Context* context, uint64_t seed);
// Runs a scenario in both worlds, under many seeds, and checks what came of it.
inline constexpr uint64_t kSeeds = 20;
void InBothWorlds(Side server, Side client, const std::function<void(const Context&)>& check,
                  const Context& start = {}, uint64_t seeds = kSeeds);

// --- Parts of sides ---

Listener ListenAt(Environment environment, Runtime runtime, Context* context);
Task<Connection> AcceptOne(Environment environment, Runtime runtime, Context* context);
Task<Connection> ConnectOne(Environment environment, Runtime runtime, Context* context);
// Until the end; the tags go to `tags`, the error is returned.
Task<absl::Status> ReadToEnd(Reader* reader, std::vector<uint64_t>* tags, size_t max);
// A server that reads to the end and then finishes.
Task<void> ReadingServer(Environment environment, Runtime runtime, Context* context);
// A client that speaks bytes: upgrades, sends `context->wire`, keeps what comes until the end.
Task<void> RawClient(Environment environment, Runtime runtime, Context* context);
// A server that does the same to a client.
Task<void> RawServer(Environment environment, Runtime runtime, Context* context);
// A client that reads to the end and then finishes.
Task<void> ReadingClient(Environment environment, Runtime runtime, Context* context);

std::vector<uint64_t> OneTo(uint64_t last);

}  // namespace faultline::websocket::testing

#endif  // FAULTLINE_TRANSPORTS_WEBSOCKET_TESTING_WORLDS_H_
