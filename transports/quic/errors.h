// How a QUIC session ends, as `absl::Status`; and the close codes of the message bus.
//
//   absl::Status status = ...;              // of any operation on a session that has ended
//   if (CloseCodeOf(status) == CloseCode::kSessionLimit) ...
//
// Statuses carry an errno (runtime/errors.h) where one fits: ECONNRESET where the peer ended the
// session, ETIMEDOUT where it fell silent, ECONNREFUSED where it did not let us in.
#ifndef FAULTLINE_TRANSPORTS_QUIC_ERRORS_H_
#define FAULTLINE_TRANSPORTS_QUIC_ERRORS_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/status.h"

namespace faultline::quic {

// Application error codes of CONNECTION_CLOSE, RESET_STREAM and STOP_SENDING (RFC 9000, section
// 20.2).
enum class CloseCode : uint64_t {
  kDone = 0,      // everything was delivered
  kAborted = 1,   // dropped without a close: what was under way is lost
  kShutdown = 2,  // the process was asked to stop
  kNoStream = 3,  // the peer opened no stream in time
  kBacklog = 4,   // nobody accepted the session
};
std::string_view CloseCodeName(CloseCode code);

// CONNECTION_CLOSE from the peer: its code, whether that is the application's or the transport's
// (RFC 9000, section 20.1), and its reason, cut and made printable.
absl::Status ClosedByPeer(bool application, uint64_t code, std::string_view reason);
// The code of an application's CONNECTION_CLOSE.
std::optional<CloseCode> CloseCodeOf(const absl::Status& status);

// What ngtcp2 reports. `what` says what was being done.
absl::Status EngineStatus(int error, std::string_view what);

absl::Status IdleTimeout();
absl::Status HandshakeTimeout();
absl::Status StatelessReset();
// A handshake that failed, by whichever side; `why` is BoringSSL's word on it.
absl::Status TlsFailure(uint8_t alert, std::string_view why);

}  // namespace faultline::quic

#endif  // FAULTLINE_TRANSPORTS_QUIC_ERRORS_H_
