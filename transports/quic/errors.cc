#include "transports/quic/errors.h"

#include <ngtcp2/ngtcp2.h>

#include <cerrno>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "runtime/errors.h"

namespace faultline::quic {
namespace {

constexpr char kCloseCodeUrl[] = "faultline/quic/close_code";
constexpr size_t kReasonBytesMax = 120;

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

std::string Printable(std::string_view reason) {
  return absl::CHexEscape(View(reason.substr(0, kReasonBytesMax)));
}

std::string_view TransportCodeName(uint64_t code) {
  switch (code) {
    case NGTCP2_NO_ERROR:
      return "NO_ERROR";
    case NGTCP2_INTERNAL_ERROR:
      return "INTERNAL_ERROR";
    case NGTCP2_CONNECTION_REFUSED:
      return "CONNECTION_REFUSED";
    case NGTCP2_FLOW_CONTROL_ERROR:
      return "FLOW_CONTROL_ERROR";
    case NGTCP2_STREAM_LIMIT_ERROR:
      return "STREAM_LIMIT_ERROR";
    case NGTCP2_STREAM_STATE_ERROR:
      return "STREAM_STATE_ERROR";
    case NGTCP2_FINAL_SIZE_ERROR:
      return "FINAL_SIZE_ERROR";
    case NGTCP2_FRAME_ENCODING_ERROR:
      return "FRAME_ENCODING_ERROR";
    case NGTCP2_TRANSPORT_PARAMETER_ERROR:
      return "TRANSPORT_PARAMETER_ERROR";
    case NGTCP2_CONNECTION_ID_LIMIT_ERROR:
      return "CONNECTION_ID_LIMIT_ERROR";
    case NGTCP2_PROTOCOL_VIOLATION:
      return "PROTOCOL_VIOLATION";
    case NGTCP2_INVALID_TOKEN:
      return "INVALID_TOKEN";
    case NGTCP2_APPLICATION_ERROR:
      return "APPLICATION_ERROR";
    case NGTCP2_CRYPTO_BUFFER_EXCEEDED:
      return "CRYPTO_BUFFER_EXCEEDED";
    case NGTCP2_KEY_UPDATE_ERROR:
      return "KEY_UPDATE_ERROR";
    case NGTCP2_AEAD_LIMIT_REACHED:
      return "AEAD_LIMIT_REACHED";
    case NGTCP2_NO_VIABLE_PATH:
      return "NO_VIABLE_PATH";
    default:
      return code >= NGTCP2_CRYPTO_ERROR ? "CRYPTO_ERROR" : "unknown";
  }
}

std::string Reason(std::string_view reason) {
  return reason.empty() ? "" : absl::StrCat(": ", Printable(reason));
}

}  // namespace

std::string_view CloseCodeName(CloseCode code) {
  switch (code) {
    case CloseCode::kDone:
      return "done";
    case CloseCode::kAborted:
      return "aborted";
    case CloseCode::kShutdown:
      return "shutdown";
    case CloseCode::kNoStream:
      return "no stream";
    case CloseCode::kBacklog:
      return "backlog";
  }
  return "unknown";
}

absl::Status ClosedByPeer(bool application, uint64_t code, std::string_view reason) {
  if (application) {
    absl::Status status =
        ErrnoStatus(ECONNRESET, absl::StrCat("quic: closed by the peer with code ", code, " (",
                                             View(CloseCodeName(static_cast<CloseCode>(code))), ")",
                                             Reason(reason)));
    status.SetPayload(kCloseCodeUrl, absl::Cord(absl::StrCat(code)));
    return status;
  }
  int error = code == NGTCP2_CONNECTION_REFUSED ? ECONNREFUSED : ECONNRESET;
  return ErrnoStatus(
      error, absl::StrCat("quic: closed by the peer with ", View(TransportCodeName(code)), " (0x",
                          absl::Hex(code), ")", Reason(reason)));
}

std::optional<CloseCode> CloseCodeOf(const absl::Status& status) {
  absl::optional<absl::Cord> payload = status.GetPayload(kCloseCodeUrl);
  uint64_t code = 0;
  if (!payload.has_value() || !absl::SimpleAtoi(std::string(*payload), &code)) return std::nullopt;
  return static_cast<CloseCode>(code);
}

absl::Status EngineStatus(int error, std::string_view what) {
  std::string text = absl::StrCat("quic: ", View(what), ": ", ngtcp2_strerror(error));
  if (error == NGTCP2_ERR_NOMEM) return absl::ResourceExhaustedError(text);
  if (error == NGTCP2_ERR_INTERNAL || error == NGTCP2_ERR_CALLBACK_FAILURE) {
    return absl::InternalError(text);
  }
  return absl::InvalidArgumentError(text);
}

absl::Status IdleTimeout() { return ErrnoStatus(ETIMEDOUT, "quic: idle_timeout"); }
absl::Status HandshakeTimeout() { return ErrnoStatus(ETIMEDOUT, "quic: handshake_timeout"); }
absl::Status StatelessReset() {
  return ErrnoStatus(ECONNRESET, "quic: the peer does not know this session (stateless reset)");
}

absl::Status TlsFailure(uint8_t alert, std::string_view why) {
  return absl::UnauthenticatedError(
      absl::StrCat("quic: TLS handshake failed: ", View(why), " (alert ", alert, ")"));
}

}  // namespace faultline::quic
