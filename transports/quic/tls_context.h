// TlsContext: what the TLS handshakes of one endpoint share: certificates, trust, ALPN, key log.
//
// TLS 1.3 alone (RFC 9001, section 4.2), no tickets, no early data. Entropy and the time of day
// come from the engine environment (runtime/engine/environment.h), which the caller has entered.
#ifndef FAULTLINE_TRANSPORTS_QUIC_TLS_CONTEXT_H_
#define FAULTLINE_TRANSPORTS_QUIC_TLS_CONTEXT_H_

#include <ngtcp2/ngtcp2_crypto.h>
#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "runtime/endpoint.h"
#include "transports/quic/options.h"

namespace faultline::quic {

class TlsContext {
 public:
  // Errors: InvalidArgument, naming the option that BoringSSL does not take.
  static absl::StatusOr<std::unique_ptr<TlsContext>> Server(const TlsOptions& options);
  static absl::StatusOr<std::unique_ptr<TlsContext>> Client(const TlsOptions& options);
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  // The TLS half of a session; null without memory. `session` outlives it.
  bssl::UniquePtr<SSL> NewServerSession(ngtcp2_crypto_conn_ref* session) const;
  // `peer` is what the certificate has to name if no server name is set.
  bssl::UniquePtr<SSL> NewClientSession(ngtcp2_crypto_conn_ref* session,
                                        const Endpoint& peer) const;

 private:
  TlsContext(const TlsOptions& options, bssl::UniquePtr<SSL_CTX> context);

  absl::Status UseAlpn();
  absl::Status UseCertificate();
  absl::Status UseTrustAnchors(std::string_view option, const std::string& pem, int verify_mode);
  static int SelectAlpn(SSL* ssl, const uint8_t** out, uint8_t* out_size, const uint8_t* in,
                        unsigned in_size, void* self);
  static void LogKey(const SSL* ssl, const char* line);

  const TlsOptions options_;
  std::string wire_alpn_;  // with its length in front
  const bssl::UniquePtr<SSL_CTX> context_;
};

// Of the peer itself, in PEM; empty if it has shown none.
std::string PeerCertificatePem(const SSL* ssl);

// Why a handshake failed: the certificate's fault if it was that, the last error otherwise.
std::string WhyHandshakeFailed(const SSL* ssl);

}  // namespace faultline::quic

#endif  // FAULTLINE_TRANSPORTS_QUIC_TLS_CONTEXT_H_
