// Session: one TLS connection as a machine without I/O: bytes go in and out through `Input` and
// `Output`, entropy and time come from the environment that it enters for each step.
//
// States:  handshaking --Handshake returns true--> open --close_notify, fault--> ended
// Invariants
//  1. After a fault every step reports it again.
//  2. Whatever a step has to say to the peer, an alert above all, is in the output when it returns.
#ifndef FAULTLINE_TRANSPORTS_TLS_SESSION_H_
#define FAULTLINE_TRANSPORTS_TLS_SESSION_H_

#include <openssl/ssl.h>
#include <sys/uio.h>

#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/engine/environment.h"
#include "runtime/frozen.h"
#include "transports/tls/buffers.h"
#include "transports/tls/verify.h"

namespace faultline::tls::internal {

class Session {
 public:
  // `wanted`: the name that the peer has to have, for errors. `pool` outlives the session.
  Session(bssl::UniquePtr<SSL> ssl, const engine::Environment& environment, BufferPool* pool,
          std::string wanted);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  Input* input() { return &input_; }
  Output* output() { return &output_; }

  // True: done. False: needs more input.
  absl::StatusOr<bool> Handshake();
  // Plaintext into `buffers`: how much. 0: the peer has said close_notify. Nothing: needs more
  // input.
  absl::StatusOr<std::optional<size_t>> Read(std::span<const iovec> buffers);
  // Plaintext from `buffers`: how much was encrypted. 0: the output has no room.
  absl::StatusOr<size_t> Write(std::span<const iovec> buffers);
  void SayCloseNotify();

  // A fault was found; what has to be said of it is in the output.
  bool failed() const { return !fault_.ok(); }
  // The input has ended: what that means now, which is never a clean end.
  absl::Status Truncated() const;

  // After the handshake. Empty if none was agreed on.
  std::string alpn() const;
  // The peer's certificate in PEM; empty if it showed none.
  std::string peer_certificate_pem() const;
  // Keying material that both ends know and nobody between them (RFC 5705, RFC 8446 section 7.5).
  std::string ExportKey(std::string_view label, std::string_view context, size_t size) const;

 private:
  friend struct BioCalls;

  absl::Status Fault(absl::string_view during);
  absl::Status DescribeFault(absl::string_view during);

  const engine::Environment environment_;
  HandshakeDetails details_;
  Input input_;
  Output output_;
  bssl::UniquePtr<SSL> ssl_;
  absl::Status fault_;
  bool open_ = false;
};

}  // namespace faultline::tls::internal

#endif  // FAULTLINE_TRANSPORTS_TLS_SESSION_H_
