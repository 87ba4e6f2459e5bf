#include "transports/tls/verify.h"

#include <openssl/mem.h>
#include <openssl/ssl.h>
#include <openssl/stack.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "absl/strings/str_cat.h"
#include "runtime/check.h"
#include "transports/tls/pem.h"

namespace faultline::tls::internal {
namespace {

// The names that a certificate is for: "DNS:node-1, IP Address:127.0.0.1".
std::string NamesOf(X509* certificate) {
  int index = X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1);
  if (index < 0) return "no names";
  bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  X509V3_EXT_print(bio.get(), X509_get_ext(certificate, index), 0, 0);
  const uint8_t* data = nullptr;
  size_t size = 0;
  if (BIO_mem_contents(bio.get(), &data, &size) != 1) return "unreadable names";
  return std::string(reinterpret_cast<const char*>(data), size);
}

bool IsNameMismatch(int error) {
  return error == X509_V_ERR_HOSTNAME_MISMATCH || error == X509_V_ERR_IP_ADDRESS_MISMATCH;
}

std::string Describe(X509_STORE_CTX* chain, const SSL* ssl) {
  int error = X509_STORE_CTX_get_error(chain);
  std::string text =
      absl::StrCat("certificate verification failed: ", X509_verify_cert_error_string(error));
  X509* certificate = X509_STORE_CTX_get_current_cert(chain);
  if (certificate == nullptr) return text;
  absl::StrAppend(&text, " (depth ", X509_STORE_CTX_get_error_depth(chain), ", ",
                  SubjectOf(certificate), ")");
  if (!IsNameMismatch(error)) return text;
  return absl::StrCat(text, ": wanted ", DetailsOf(ssl)->wanted, ", and it is for ",
                      NamesOf(certificate));
}

int OnVerify(X509_STORE_CTX* chain, void*) {
  if (X509_verify_cert(chain) == 1) return 1;
  auto* ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
  DetailsOf(ssl)->refusal = absl::UnauthenticatedError(Describe(chain, ssl));
  return 0;
}

}  // namespace

void SetDetails(SSL* ssl, HandshakeDetails* details) { SSL_set_app_data(ssl, details); }

HandshakeDetails* DetailsOf(const SSL* ssl) {
  auto* details = static_cast<HandshakeDetails*>(SSL_get_app_data(ssl));
  FAULTLINE_CHECK(details != nullptr) << "a handshake keeps details";
  return details;
}

void RequireVerifiedPeer(SSL_CTX* engine) {
  SSL_CTX_set_verify(engine, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_cert_verify_callback(engine, &OnVerify, nullptr);
}

}  // namespace faultline::tls::internal
