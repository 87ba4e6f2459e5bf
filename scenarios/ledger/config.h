// ReplicaConfig: everything that an operator, or a scenario, may set about a replica.
#ifndef FAULTLINE_SCENARIOS_LEDGER_CONFIG_H_
#define FAULTLINE_SCENARIOS_LEDGER_CONFIG_H_

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

  PlaneLimits replicas{.max_connections = 32, .max_handshakes = 16};
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

// Errors: InvalidArgument, naming what is wrong.
absl::Status Validate(const ReplicaConfig& config);

// The largest payload of an entry that fits into every frame that carries it, in bytes.
inline size_t MaxPayload(size_t max_message_size) {
  return max_message_size - message::kHeaderSize - 32;
}

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_CONFIG_H_
