// What a simulated world is made of: links, hosts, limits, and how to run it. Plain values.
#ifndef FAULTLINE_SIM_CONFIG_H_
#define FAULTLINE_SIM_CONFIG_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "runtime/random.h"
#include "runtime/time.h"
#include "sim/choices.h"
#include "sim/distribution.h"
#include "sim/policy.h"

namespace faultline::sim {

// Each host has an address in each plane. Traffic belongs to the plane of the address that it goes
// to.
enum class Plane : uint8_t { kReplica, kClient, kLoopback };
inline constexpr size_t kPlanes = 3;

// One direction between two hosts in one plane.
struct LinkConfig {
  Latency latency = Latency::Constant(500us);
  uint64_t bytes_per_second = 0;         // 0: unlimited
  size_t queue_bytes = size_t{1} << 20;  // what waits for a limited link; more is dropped
  Ratio loss{};                          // TCP: the packet comes after a retransmission time-out
  Ratio duplicate{};                     // UDP: arrives twice; TCP: the second is discarded
  Ratio reorder{};  // UDP: delayed by `reorder_delay`; TCP: those behind it wait
  Latency reorder_delay = Latency::Uniform(0us, 2ms);
  Ratio corrupt{};          // UDP: one byte changes; TCP: the checksum fails, so it is lost
  Ratio mark_ce{};          // UDP: of those that can be told so, congestion is told (RFC 3168)
  bool bleach_ecn = false;  // UDP: routers clear what they should carry
  size_t mtu = 1500;        // bytes of an IP packet; longer datagrams vanish
};

// What the sockets of a host do beyond the necessary.
struct SocketFaults {
  Ratio partial_write{};  // a write takes only a prefix, although there is room
  Ratio partial_read{};   // a read returns only a prefix, down to one byte, although more is there
  // An operation that could complete at once goes through the ready queue. Of scheduling, as the
  // policies are, and no family of faults: it is noticed only where others are ready too.
  Ratio yield{};

  bool any() const {
    return partial_write.numerator > 0 || partial_read.numerator > 0 || yield.numerator > 0;
  }
};

struct HostLimits {
  uint32_t descriptors = 1024;            // RLIMIT_NOFILE
  uint16_t first_ephemeral_port = 32768;  // ip_local_port_range
  uint16_t last_ephemeral_port = 60999;   // below the first: none is left
  Duration time_wait = 60s;
  size_t send_buffer_bytes = 64 << 10;  // of a new socket, until it says otherwise
  size_t receive_buffer_bytes = 64 << 10;
  int max_backlog = 4096;  // net.core.somaxconn: one more is admitted; -1: strangers have filled it
};

// How a host's clocks differ from the world's.
struct ClockConfig {
  Duration wall_offset{};  // wall clock minus true time
  int64_t drift_ppb = 0;   // both clocks run (1e9 + drift) / 1e9 as fast as true time

  friend bool operator==(const ClockConfig&, const ClockConfig&) = default;
};

struct HostConfig {
  std::string name{};
  HostLimits limits{};
  SocketFaults sockets{};
  ClockConfig clock{};
};

// Constants of the simulated kernel, with Linux's values.
struct TcpConfig {
  size_t mss = 1460;  // bytes of payload a segment
  size_t loopback_mss = 65483;
  Duration min_rto = 200ms;  // doubles at each retransmission
  Duration max_rto = 120s;
  Duration syn_timeout = 1s;     // doubles at each retransmission
  int syn_retries = 6;           // then ETIMEDOUT: 127 s
  Duration user_timeout = 924s;  // tcp_retries2 = 15
  int orphan_retries = 8;
};

struct WorldConfig {
  uint64_t seed = 0;
  // The draws of the world, from its construction on, are appended to `record_on`, and taken from
  // `replay_from` where that has them. Not owned; null for none; the first outlives the world.
  Tape* record_on = nullptr;
  const Tape* replay_from = nullptr;
  Scheduling scheduling = Scheduling::kFifo;
  uint32_t pct_depth = 3;
  uint64_t pct_steps = 10'000;
  LinkConfig links[kPlanes] = {LinkConfig{}, LinkConfig{}, LoopbackLink()};
  TcpConfig tcp{};
  WallTime wall_start = WallTime(Duration(1'767'225'600'000'000'000));  // 2026-01-01T00:00:00Z
  uint64_t max_turns_an_instant =
      1'000'000;  // task resumes and events without time passing: livelock

  static LinkConfig LoopbackLink() {
    LinkConfig link;
    link.latency = Latency::Constant(5us);
    link.mtu = 65'564;  // longest datagram and headers: fragments do not get lost here
    return link;
  }
};

}  // namespace faultline::sim

#endif  // FAULTLINE_SIM_CONFIG_H_
