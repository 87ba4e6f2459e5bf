#include "transports/quic/tls_context.h"

#include <ngtcp2/ngtcp2_crypto_boringssl.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "runtime/check.h"

namespace faultline::quic {
namespace {

absl::Status Refused(std::string_view option, std::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("quic: ", absl::string_view(option.data(), option.size()), ": ",
                   absl::string_view(why.data(), why.size())));
}

bssl::UniquePtr<BIO> Reader(const std::string& pem) {
  return bssl::UniquePtr<BIO>(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

using Certificates = std::vector<bssl::UniquePtr<X509>>;

// All of `pem`; none if a part of it cannot be read.
Certificates CertificatesOf(const std::string& pem) {
  Certificates all;
  bssl::UniquePtr<BIO> reader = Reader(pem);
  while (X509* next = PEM_read_bio_X509(reader.get(), nullptr, nullptr, nullptr)) {
    all.emplace_back(next);
  }
  uint32_t error = ERR_peek_last_error();
  ERR_clear_error();
  bool to_the_end =
      ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  if (!to_the_end) all.clear();
  return all;
}

bssl::UniquePtr<SSL_CTX> NewContext() {
  bssl::UniquePtr<SSL_CTX> context(SSL_CTX_new(TLS_method()));
  FAULTLINE_CHECK(context != nullptr) << "SSL_CTX_new fails without memory alone";
  // 0-RTT, the first refusal: no tickets, hence nothing to resume; no early data in any case.
  SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_early_data_enabled(context.get(), 0);
  return context;
}

}  // namespace

TlsContext::TlsContext(const TlsOptions& options, bssl::UniquePtr<SSL_CTX> context)
    : options_(options), context_(std::move(context)) {
  SSL_CTX_set_app_data(context_.get(), this);
  if (options_.key_log) SSL_CTX_set_keylog_callback(context_.get(), &LogKey);
}

absl::StatusOr<std::unique_ptr<TlsContext>> TlsContext::Server(const TlsOptions& options) {
  std::unique_ptr<TlsContext> made(new TlsContext(options, NewContext()));
  ngtcp2_crypto_boringssl_configure_server_context(made->context_.get());
  if (absl::Status status = made->UseAlpn(); !status.ok()) return status;
  if (absl::Status status = made->UseCertificate(); !status.ok()) return status;
  if (options.client_trust_anchors_pem.empty()) return made;
  absl::Status status =
      made->UseTrustAnchors("client_trust_anchors_pem", options.client_trust_anchors_pem,
                            SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT);
  if (!status.ok()) return status;
  return made;
}

absl::StatusOr<std::unique_ptr<TlsContext>> TlsContext::Client(const TlsOptions& options) {
  std::unique_ptr<TlsContext> made(new TlsContext(options, NewContext()));
  ngtcp2_crypto_boringssl_configure_client_context(made->context_.get());
  if (absl::Status status = made->UseAlpn(); !status.ok()) return status;
  if (!options.certificate_chain_pem.empty()) {
    if (absl::Status status = made->UseCertificate(); !status.ok()) return status;
  }
  if (!options.verify_server) return made;
  absl::Status status =
      made->UseTrustAnchors("trust_anchors_pem", options.trust_anchors_pem, SSL_VERIFY_PEER);
  if (!status.ok()) return status;
  return made;
}

absl::Status TlsContext::UseAlpn() {
  if (options_.alpn.empty() || options_.alpn.size() > 255) {
    return Refused("alpn", "is of 1 to 255 bytes");
  }
  wire_alpn_ = static_cast<char>(options_.alpn.size()) + options_.alpn;
  SSL_CTX_set_alpn_select_cb(context_.get(), &SelectAlpn, this);
  return absl::OkStatus();
}

absl::Status TlsContext::UseCertificate() {
  Certificates chain = CertificatesOf(options_.certificate_chain_pem);
  if (chain.empty() || SSL_CTX_use_certificate(context_.get(), chain.front().get()) != 1) {
    return Refused("certificate_chain_pem", "has no certificate that can be used");
  }
  for (size_t i = 1; i < chain.size(); ++i) {
    int added = SSL_CTX_add1_chain_cert(context_.get(), chain[i].get());
    FAULTLINE_CHECK(added == 1) << "fails without memory alone";
  }
  bssl::UniquePtr<BIO> pem = Reader(options_.private_key_pem);
  bssl::UniquePtr<EVP_PKEY> key(PEM_read_bio_PrivateKey(pem.get(), nullptr, nullptr, nullptr));
  bool taken = key != nullptr && SSL_CTX_use_PrivateKey(context_.get(), key.get()) == 1;
  ERR_clear_error();
  return taken ? absl::OkStatus()
               : Refused("private_key_pem", "has no key that belongs to the certificate");
}

absl::Status TlsContext::UseTrustAnchors(std::string_view option, const std::string& pem,
                                         int verify_mode) {
  SSL_CTX_set_verify(context_.get(), verify_mode, nullptr);
  Certificates anchors = CertificatesOf(pem);
  for (const bssl::UniquePtr<X509>& anchor : anchors) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context_.get()), anchor.get());
  }
  ERR_clear_error();
  return anchors.empty() ? Refused(option, "has no certificate, or one that cannot be read")
                         : absl::OkStatus();
}

bssl::UniquePtr<SSL> TlsContext::NewServerSession(ngtcp2_crypto_conn_ref* session) const {
  bssl::UniquePtr<SSL> ssl(SSL_new(context_.get()));
  if (ssl == nullptr) return ssl;
  SSL_set_app_data(ssl.get(), session);
  SSL_set_accept_state(ssl.get());
  return ssl;
}

bssl::UniquePtr<SSL> TlsContext::NewClientSession(ngtcp2_crypto_conn_ref* session,
                                                  const Endpoint& peer) const {
  bssl::UniquePtr<SSL> ssl(SSL_new(context_.get()));
  if (ssl == nullptr) return ssl;
  SSL_set_app_data(ssl.get(), session);
  SSL_set_connect_state(ssl.get());
  SSL_set_alpn_protos(ssl.get(), reinterpret_cast<const uint8_t*>(wire_alpn_.data()),
                      static_cast<unsigned>(wire_alpn_.size()));
  X509_VERIFY_PARAM* wanted = SSL_get0_param(ssl.get());
  if (options_.server_name.empty()) {
    size_t size = peer.family() == Endpoint::Family::kIpv4 ? 4 : 16;
    X509_VERIFY_PARAM_set1_ip(wanted, peer.address().data(), size);
  } else {
    SSL_set_tlsext_host_name(ssl.get(), options_.server_name.c_str());
    X509_VERIFY_PARAM_set1_host(wanted, options_.server_name.data(), options_.server_name.size());
  }
  return ssl;
}

int TlsContext::SelectAlpn(SSL*, const uint8_t** out, uint8_t* out_size, const uint8_t* in,
                           unsigned in_size, void* self) {
  const std::string& ours = static_cast<TlsContext*>(self)->wire_alpn_;
  uint8_t* chosen = nullptr;
  int found =
      SSL_select_next_proto(&chosen, out_size, reinterpret_cast<const uint8_t*>(ours.data()),
                            static_cast<unsigned>(ours.size()), in, in_size);
  if (found != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

void TlsContext::LogKey(const SSL* ssl, const char* line) {
  auto* self = static_cast<TlsContext*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  self->options_.key_log(line);
}

std::string PeerCertificatePem(const SSL* ssl) {
  bssl::UniquePtr<X509> certificate(SSL_get_peer_certificate(ssl));
  if (certificate == nullptr) return "";
  bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  FAULTLINE_CHECK(PEM_write_bio_X509(bio.get(), certificate.get()) == 1);
  const uint8_t* data = nullptr;
  size_t size = 0;
  FAULTLINE_CHECK(BIO_mem_contents(bio.get(), &data, &size) == 1);
  return std::string(reinterpret_cast<const char*>(data), size);
}

std::string WhyHandshakeFailed(const SSL* ssl) {
  long verified = SSL_get_verify_result(ssl);
  if (verified != X509_V_OK) return X509_verify_cert_error_string(verified);
  uint32_t error = ERR_peek_last_error();
  const char* reason = error == 0 ? nullptr : ERR_reason_error_string(error);
  ERR_clear_error();
  return reason == nullptr ? "no reason given" : reason;
}

}  // namespace faultline::quic
