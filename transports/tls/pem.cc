#include "transports/tls/pem.h"

#include <openssl/bio.h>
#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/check.h"

namespace faultline::tls {
namespace {

std::string ContentsOf(BIO* bio) {
  const uint8_t* data = nullptr;
  size_t size = 0;
  FAULTLINE_CHECK(BIO_mem_contents(bio, &data, &size) == 1);
  return std::string(reinterpret_cast<const char*>(data), size);
}

bssl::UniquePtr<BIO> BioOf(std::string_view text) {
  return bssl::UniquePtr<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// Asked for a passphrase, gives none: a program does not wait for somebody to type.
int NoPassphrase(char*, int, int, void*) { return 0; }

}  // namespace

std::string CertificateToPem(X509* certificate) {
  bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  FAULTLINE_CHECK(PEM_write_bio_X509(bio.get(), certificate) == 1);
  return ContentsOf(bio.get());
}

std::string KeyToPem(EVP_PKEY* key) {
  bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  FAULTLINE_CHECK(
      PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return ContentsOf(bio.get());
}

absl::StatusOr<std::vector<bssl::UniquePtr<X509>>> CertificatesFromPem(std::string_view pem) {
  bssl::UniquePtr<BIO> bio = BioOf(pem);
  std::vector<bssl::UniquePtr<X509>> certificates;
  while (X509* next = PEM_read_bio_X509(bio.get(), nullptr, &NoPassphrase, nullptr)) {
    certificates.emplace_back(next);
  }
  std::string reason = TakeEngineError();
  if (!certificates.empty() && reason == "NO_START_LINE") return certificates;
  return absl::InvalidArgumentError(absl::StrCat("not a certificate in PEM: ", reason));
}

absl::StatusOr<bssl::UniquePtr<EVP_PKEY>> KeyFromPem(std::string_view pem) {
  bssl::UniquePtr<BIO> bio = BioOf(pem);
  bssl::UniquePtr<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, &NoPassphrase, nullptr));
  if (key != nullptr) return key;
  return absl::InvalidArgumentError(
      absl::StrCat("not a private key in PEM without a passphrase: ", TakeEngineError()));
}

bool IsAddress(std::string_view name) {
  bssl::UniquePtr<ASN1_OCTET_STRING> address(a2i_IPADDRESS(std::string(name).c_str()));
  (void)TakeEngineError();
  return address != nullptr;
}

std::string SubjectOf(X509* certificate) {
  bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  return ContentsOf(bio.get());
}

std::string TakeEngineError() {
  uint32_t error = ERR_peek_last_error();
  ERR_clear_error();
  const char* reason = error == 0 ? nullptr : ERR_reason_error_string(error);
  return reason == nullptr ? "" : reason;
}

}  // namespace faultline::tls
