#include "transports/tls/session.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/check.h"
#include "transports/tls/pem.h"

namespace faultline::tls::internal {

// The engine's view of the two queues. Writing always succeeds; reading nothing is "later".
struct BioCalls {
  static int Read(BIO* bio, char* data, int size) {
    auto* session = static_cast<Session*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    size_t taken = session->input_.Take(
        {reinterpret_cast<std::byte*>(data), static_cast<size_t>(std::max(size, 0))});
    if (taken > 0) return static_cast<int>(taken);
    BIO_set_retry_read(bio);
    return -1;
  }

  static int Write(BIO* bio, const char* data, int size) {
    auto* session = static_cast<Session*>(BIO_get_data(bio));
    session->output_.Append(
        {reinterpret_cast<const std::byte*>(data), static_cast<size_t>(std::max(size, 0))});
    return size;
  }

  static long Control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static int Create(BIO* bio) {
    BIO_set_init(bio, 1);
    return 1;
  }
};

namespace {

constexpr size_t kRecordMax = 16384;  // bytes of plaintext (RFC 8446, section 5.1)

// Lives as long as the program, as the engine's own methods do.
const BIO_METHOD* QueueMethod() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(0, "faultline");
    BIO_meth_set_read(made, &BioCalls::Read);
    BIO_meth_set_write(made, &BioCalls::Write);
    BIO_meth_set_ctrl(made, &BioCalls::Control);
    BIO_meth_set_create(made, &BioCalls::Create);
    return made;
  }();
  return method;
}

// Alerts by which a peer refuses who we are (RFC 8446, section 6.2).
bool IsAboutIdentity(int alert) {
  return (alert >= SSL_AD_BAD_CERTIFICATE && alert <= SSL_AD_CERTIFICATE_UNKNOWN) ||
         alert == SSL_AD_UNKNOWN_CA || alert == SSL_AD_ACCESS_DENIED ||
         alert == SSL_AD_CERTIFICATE_REQUIRED;
}

absl::Status AlertStatus(int alert, absl::string_view during) {
  std::string text =
      absl::StrCat("TLS ", during, ": the peer refused: ", SSL_alert_desc_string_long(alert));
  return IsAboutIdentity(alert) ? absl::UnauthenticatedError(text) : absl::AbortedError(text);
}

// Up to a record's worth of `buffers` from `done` on. In place where it lies in one piece.
std::span<const std::byte> Gather(std::span<const iovec> buffers, size_t index, size_t offset,
                                  std::span<std::byte, kRecordMax> staging) {
  const iovec& first = buffers[index];
  const auto* start = static_cast<const std::byte*>(first.iov_base) + offset;
  size_t left = first.iov_len - offset;
  if (left >= kRecordMax || index + 1 == buffers.size()) return {start, std::min(left, kRecordMax)};
  size_t size = 0;
  for (; index < buffers.size() && size < kRecordMax; ++index, offset = 0) {
    size_t part = std::min(buffers[index].iov_len - offset, kRecordMax - size);
    if (part == 0) continue;
    std::memcpy(staging.data() + size,
                static_cast<const std::byte*>(buffers[index].iov_base) + offset, part);
    size += part;
  }
  return std::span<const std::byte>(staging).first(size);
}

// How far a write has come.
struct Position {
  size_t index = 0;
  size_t offset = 0;

  void Advance(std::span<const iovec> buffers, size_t bytes) {
    offset += bytes;
    while (index < buffers.size() && offset >= buffers[index].iov_len) {
      offset -= buffers[index++].iov_len;
    }
  }
};

}  // namespace

Session::Session(bssl::UniquePtr<SSL> ssl, const engine::Environment& environment, BufferPool* pool,
                 std::string wanted)
    : environment_(environment),
      details_{.wanted = std::move(wanted), .refusal = {}},
      input_(pool),
      output_(pool),
      ssl_(std::move(ssl)) {
  SetDetails(ssl_.get(), &details_);
  BIO* bio = BIO_new(QueueMethod());
  BIO_set_data(bio, this);
  SSL_set_bio(ssl_.get(), bio, bio);
}

absl::StatusOr<bool> Session::Handshake() {
  if (!fault_.ok()) return fault_;
  engine::Entered entered(environment_);
  int result = SSL_do_handshake(ssl_.get());
  if (result != 1) {
    if (SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_READ) return false;
    return Fault("handshake");
  }
  // The second refusal: whatever let it through, nobody reads early data.
  if (SSL_early_data_accepted(ssl_.get()) != 0 || SSL_in_early_data(ssl_.get()) != 0) {
    fault_ = absl::InvalidArgumentError("TLS handshake: early data (0-RTT) is refused");
    return fault_;
  }
  open_ = true;
  return true;
}

absl::StatusOr<std::optional<size_t>> Session::Read(std::span<const iovec> buffers) {
  if (!fault_.ok()) return fault_;
  engine::Entered entered(environment_);
  size_t done = 0;
  for (Position at; at.index < buffers.size();) {
    const iovec& buffer = buffers[at.index];
    if (buffer.iov_len == at.offset) {
      at.Advance(buffers, 0);
      continue;
    }
    size_t room = std::min<size_t>(buffer.iov_len - at.offset, INT_MAX);
    int result = SSL_read(ssl_.get(), static_cast<std::byte*>(buffer.iov_base) + at.offset,
                          static_cast<int>(room));
    if (result > 0) {
      done += static_cast<size_t>(result);
      at.Advance(buffers, static_cast<size_t>(result));
      continue;
    }
    if (done > 0) break;  // the engine says it again when it is asked again
    int error = SSL_get_error(ssl_.get(), result);
    if (error == SSL_ERROR_WANT_READ) return std::optional<size_t>();
    if (error == SSL_ERROR_ZERO_RETURN) return std::optional<size_t>(0);
    return Fault("read");
  }
  return std::optional<size_t>(done);
}

absl::StatusOr<size_t> Session::Write(std::span<const iovec> buffers) {
  if (!fault_.ok()) return fault_;
  engine::Entered entered(environment_);
  std::array<std::byte, kRecordMax> staging;  // not zeroed
  size_t done = 0;
  Position at;
  at.Advance(buffers, 0);
  while (at.index < buffers.size() && output_.has_room()) {
    std::span<const std::byte> record = Gather(buffers, at.index, at.offset, staging);
    int result = SSL_write(ssl_.get(), record.data(), static_cast<int>(record.size()));
    if (result <= 0) return done > 0 ? absl::StatusOr<size_t>(done) : Fault("write");
    done += static_cast<size_t>(result);
    at.Advance(buffers, static_cast<size_t>(result));
  }
  return done;
}

void Session::SayCloseNotify() {
  engine::Entered entered(environment_);
  SSL_shutdown(ssl_.get());
  (void)TakeEngineError();  // after a fault the alert has been said already
}

absl::Status Session::Fault(absl::string_view during) {
  if (fault_.ok()) fault_ = DescribeFault(during);
  ERR_clear_error();
  return fault_;
}

absl::Status Session::DescribeFault(absl::string_view during) {
  if (!details_.refusal.ok()) {
    return absl::Status(details_.refusal.code(),
                        absl::StrCat("TLS ", during, ": ", details_.refusal.message()));
  }
  uint32_t error = ERR_peek_error();
  int reason = ERR_GET_REASON(error);
  if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET) {
    return AlertStatus(reason - SSL_AD_REASON_OFFSET, during);
  }
  if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
    return absl::UnauthenticatedError(
        absl::StrCat("TLS ", during, ": the peer shows no certificate"));
  }
  const char* text = ERR_reason_error_string(error);
  std::string what = absl::StrCat("TLS ", during, ": ", text == nullptr ? "failed" : text);
  return open_ ? absl::DataLossError(what) : absl::InvalidArgumentError(what);
}

absl::Status Session::Truncated() const {
  if (!fault_.ok()) return fault_;
  return absl::DataLossError(open_ ? "TLS read: the stream ended without close_notify: truncated"
                                   : "TLS handshake: the peer ended the stream");
}

std::string Session::alpn() const {
  const uint8_t* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &size);
  return std::string(reinterpret_cast<const char*>(name), size);
}

std::string Session::peer_certificate_pem() const {
  bssl::UniquePtr<X509> certificate(SSL_get_peer_certificate(ssl_.get()));
  return certificate == nullptr ? "" : CertificateToPem(certificate.get());
}

std::string Session::ExportKey(std::string_view label, std::string_view context,
                               size_t size) const {
  std::string key(size, '\0');
  int exported = SSL_export_keying_material(
      ssl_.get(), reinterpret_cast<uint8_t*>(key.data()), size, label.data(), label.size(),
      reinterpret_cast<const uint8_t*>(context.data()), context.size(), 1);
  FAULTLINE_CHECK(exported == 1) << "keys are exported after the handshake";
  return key;
}

}  // namespace faultline::tls::internal
