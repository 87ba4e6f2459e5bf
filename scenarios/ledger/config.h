// ReplicaConfig: everything that an operator, or a scenario, may set about a replica.
#ifndef FAULTLINE_SCENARIOS_LEDGER_CONFIG_H_
#define FAULTLINE_SCENARIOS_LEDGER_CONFIG_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "runtime/endpoint.h"
#include "runtime/time.h"
#include "scenarios/ledger/backoff.h"
#include "scenarios/ledger/frames.h"
#include "scenarios/ledger/sessions.h"
#include "scenarios/ledger/types.h"
#include "transports/message/header.h"

namespace faultline::ledger {

// Of one connection.
struct PipeLimits {
  size_t queue_frames = 256;  // that wait for the writer
  size_t queue_bytes = size_t{4} << 20;
  size_t max_batch = 256;                     // frames in one vectored write, 1 to 512
  size_t max_message_size = size_t{1} << 20;  // of a frame, header included, in bytes
  Duration write_timeout = 10s;               // for one batch
  Duration close_grace = 2s;                  // from the wish to end to the forced end
};

// Of all connections in one plane.
struct PlaneLimits {
  PipeLimits pipe{};
  size_t max_connections = 1024;  // handshakes included
  // What waits to be written on all of them together, in bytes of memory.
  size_t max_queued_bytes = size_t{256} << 20;
  size_t max_handshakes = 256;
  Duration handshake_grace = 10s;
  Duration silence = 3s;  // nothing received for so long: the connection is lost
};

struct ReplicaConfig {
  ReplicaId replica = 0;
  // Where each replica listens for the others, by number; its own entry is not used. Their count is
  // the size of the cluster: odd, at most kMaxReplicas.
  std::vector<Endpoint> peers{};
  message::Uint128 cluster{1, 0};

  // The largest frame of a client fits into the plane of the replicas as an entry of catch-up data.
  PlaneLimits replicas{
      .pipe = {.max_message_size = PipeLimits().max_message_size + kEntryHeaderSize},
      .max_connections = 32,
      .max_handshakes = 16};
  PlaneLimits clients{.silence = 60s};

  Duration heartbeat = 100ms;  // pings to the other replicas
  Duration connect_timeout = 2s;
  BackoffLimits reconnect{};
  Duration accept_pause = 100ms;  // after an accept that failed
  Duration catch_up_timeout = 1s;
  ChunkLimits catch_up{};
  SessionLimits sessions{};
  Duration drain_grace = 5s;  // for what is not committed yet when the end is asked for

  uint8_t replica_count() const { return static_cast<uint8_t>(peers.size()); }
};

// A client that was cut off keeps its session for a while: there are more of them than connections.
inline constexpr size_t kSessionsPerConnection = 4;
// Sets how many clients may be connected at a time, and what follows from it.
inline void SetMaxClients(size_t count, ReplicaConfig* config) {
  config->clients.max_connections = count;
  config->sessions.max_sessions = count * kSessionsPerConnection;
  config->sessions.max_empty = count;
}

// Errors: InvalidArgument, naming what is wrong.
absl::Status Validate(const ReplicaConfig& config);

// The largest payload of an entry that fits into every frame that carries it, in bytes: a request,
// a prepare, catch-up data.
inline size_t MaxPayload(size_t max_message_size) {
  return max_message_size - message::kHeaderSize - kEntryHeaderSize;
}
// The same for an entry that has to pass through both planes. The primary refuses larger ones.
inline size_t MaxPayload(const ReplicaConfig& config) {
  return MaxPayload(
      std::min(config.clients.pipe.max_message_size, config.replicas.pipe.max_message_size));
}

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_CONFIG_H_
