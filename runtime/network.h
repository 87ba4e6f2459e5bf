// Network: makes sockets. The seam between the worlds: the transports see this and nothing below
// it.
//
//   absl::StatusOr<std::unique_ptr<Listener>> listener =
//       network->Listen(Endpoint::Ipv4Loopback(0), {});
//   absl::StatusOr<std::unique_ptr<Stream>> stream =
//       co_await Deadline(clock, clock->Now() + 5s, network->Connect(peer, {}));
#ifndef FAULTLINE_RUNTIME_NETWORK_H_
#define FAULTLINE_RUNTIME_NETWORK_H_

#include <cstddef>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "runtime/datagram.h"
#include "runtime/detached_stream.h"
#include "runtime/endpoint.h"
#include "runtime/stream.h"
#include "runtime/task.h"

namespace faultline {

// Options of a stream. On a listener they are applied to each accepted stream.
struct StreamOptions {
  bool no_delay = true;             // TCP_NODELAY
  size_t send_buffer_bytes = 0;     // SO_SNDBUF; 0: the system's default
  size_t receive_buffer_bytes = 0;  // SO_RCVBUF; 0: the system's default
};

struct ConnectOptions {
  StreamOptions stream{};
  std::optional<Endpoint> local;  // bind(2) before connect(2); port 0 for any
};

struct ListenOptions {
  StreamOptions stream{};
  int backlog = 1024;         // listen(2)
  bool reuse_address = true;  // SO_REUSEADDR: bind in spite of TIME_WAIT; never SO_REUSEPORT
  bool v6_only = true;        // IPV6_V6ONLY, for IPv6 listeners
};

struct BindOptions {
  size_t send_buffer_bytes = 0;
  size_t receive_buffer_bytes = 0;
  bool v6_only = true;
  // No datagram is ever split on its way (IP_MTU_DISCOVER, IP_PMTUDISC_PROBE): one that is longer
  // than the MTU of its first link fails with EMSGSIZE, than that of a later one vanishes. For
  // those who find out the MTU of a path themselves.
  bool dont_fragment = false;
  // A receive may bring several datagrams that came one after the other from one sender, of one
  // size but for the last (UDP_GRO, where the system has it): `DatagramInfo::segment_bytes` tells.
  // Whoever sets it receives into 64 KiB.
  bool receive_several = false;
  // No address reuse of any kind: another process must not be able to take datagrams.
};

class Network {
 public:
  virtual ~Network() = default;

  // TCP or Unix, by the family of `peer`. Without a deadline the system's own time-out holds
  // (minutes). Errors: ECONNREFUSED, ETIMEDOUT, ENETUNREACH, EHOSTUNREACH, EADDRNOTAVAIL (no port
  // left), EMFILE, ENOENT (no such Unix path), Cancelled.
  virtual Task<absl::StatusOr<std::unique_ptr<Stream>>> Connect(Endpoint peer,
                                                                ConnectOptions options) = 0;

  // TCP or Unix, by the family. Port 0 takes a free port. A Unix path where nobody listens any more
  // is taken over. Errors: EADDRINUSE, EADDRNOTAVAIL, EACCES, EMFILE.
  virtual absl::StatusOr<std::unique_ptr<Listener>> Listen(const Endpoint& local,
                                                           const ListenOptions& options) = 0;

  // UDP. Errors: as `Listen`.
  virtual absl::StatusOr<std::unique_ptr<DatagramSocket>> Bind(const Endpoint& local,
                                                               const BindOptions& options) = 0;

  // The stream of a connection that somebody has let go of: a shard of the same program, this one
  // included. Options, half-closes and what was not read are as they were. Errors: InvalidArgument
  // (of another kind of network; in simulation, of another process), Unimplemented; the connection
  // is aborted then.
  virtual absl::StatusOr<std::unique_ptr<Stream>> Adopt(std::unique_ptr<DetachedStream> detached);
};

}  // namespace faultline

#endif  // FAULTLINE_RUNTIME_NETWORK_H_
