// Settings of QUIC, with the defaults of a message bus. Durations of 0 switch a feature off; they
// never mean "at once", but for `close_grace`: without a grace nothing is waited for.
#ifndef FAULTLINE_TRANSPORTS_QUIC_OPTIONS_H_
#define FAULTLINE_TRANSPORTS_QUIC_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "runtime/clock.h"
#include "runtime/entropy.h"
#include "runtime/network.h"
#include "runtime/scope.h"
#include "runtime/time.h"

namespace faultline::quic {

// What QUIC needs of its world. Not owned; all of it outlives what is made with it. Sockets are
// served by tasks in `scope`: joining it waits until everything here was closed, and a stop request
// of it closes everything within `TransportOptions::close_grace`.
struct Surroundings {
  Scope* scope = nullptr;
  Clock* clock = nullptr;
  Network* network = nullptr;
  Entropy* entropy = nullptr;
};

// TLS 1.3 alone, and never 0-RTT: early data is neither offered nor accepted.
struct TlsOptions {
  // Of a server, in PEM: its certificate first, then the ones that sign it; and its key. Of a
  // client: what it shows to servers that ask for it; may be empty.
  std::string certificate_chain_pem;
  std::string private_key_pem;
  // Of a client, in PEM: who may sign a server's certificate.
  std::string trust_anchors_pem;
  // Of a server, in PEM: who may sign a client's certificate. Not empty: clients have to show one
  // (mutual TLS). A client hears of a refusal after it was connected: its handshake ends first.
  std::string client_trust_anchors_pem;
  // Of a client. Off for tests and development only: anybody may then be in the middle.
  bool verify_server = true;
  // Of a client: what is asked for (SNI) and what the certificate has to name. Empty: no SNI, and
  // the certificate has to name the address.
  std::string server_name;
  // Both ends must name the same (RFC 9001, section 8.1).
  std::string alpn = "faultline";
  // If set, called with each line of a key log (NSS format, without the newline).
  std::function<void(std::string_view line)> key_log;
};

enum class CongestionControl : uint8_t { kCubic, kBbr };

struct TransportOptions {
  Duration idle_timeout = std::chrono::seconds(30);  // RFC 9000, section 10.1; 0: none
  Duration keepalive = std::chrono::seconds(10);     // silence before a PING; 0: none
  // Up to the session's announcement; 0: none.
  Duration handshake_timeout = std::chrono::seconds(10);
  // For what was written before a close: how long the peer may acknowledge nothing; ten times that
  // in all.
  Duration close_grace = std::chrono::seconds(2);
  CongestionControl congestion_control = CongestionControl::kCubic;
  // Larger packets are tried than the 1200 bytes that every path takes (RFC 9000, section 14.3).
  bool path_mtu_discovery = true;
  // What the peer may send before we have read it: on one stream, and on all of them.
  uint64_t stream_window_bytes = uint64_t{1} << 20;
  uint64_t session_window_bytes = uint64_t{4} << 20;
  // What is kept of one stream until the peer has acknowledged it.
  size_t send_buffer_bytes = size_t{1} << 20;
  // Bidirectional streams that the peer may have open at a time. Unidirectional ones are refused.
  uint64_t max_peer_streams = 1;
};

// When a server makes clients prove their address before it keeps anything of them (RFC 9000,
// section 8.1.2).
enum class RetryPolicy : uint8_t { kNever, kUnderLoad, kAlways };

// Of a server. What is above a limit is refused with CONNECTION_REFUSED, whose reason names it.
struct LimitOptions {
  size_t max_sessions = 16384;
  // Handshakes that have not ended, and sessions that nobody has accepted yet.
  size_t max_handshakes = 256;
  RetryPolicy retry = RetryPolicy::kUnderLoad;
  size_t retry_above_handshakes = 64;  // what load is, for kUnderLoad
};

struct Options {
  TlsOptions tls{};
  TransportOptions transport{};
  LimitOptions limits{};
  BindOptions socket{};
  // What stateless resets are made from: a server that comes back with the same key can tell its
  // old clients that it knows nothing of them (RFC 9000, section 10.3). Empty: a new one each time.
  std::string stateless_reset_key;
  // Of a server: a session is announced when its peer has opened a stream, not before. A peer that
  // opens none within `handshake_timeout` is refused.
  bool announce_with_stream = false;
};

}  // namespace faultline::quic

#endif  // FAULTLINE_TRANSPORTS_QUIC_OPTIONS_H_
