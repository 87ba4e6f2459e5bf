// Certificates and keys out of PEM text and into it, and names as certificates see them.
#ifndef FAULTLINE_TRANSPORTS_TLS_PEM_H_
#define FAULTLINE_TRANSPORTS_TLS_PEM_H_

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace faultline::tls {

std::string CertificateToPem(X509* certificate);
// PKCS #8, not encrypted.
std::string KeyToPem(EVP_PKEY* key);

// All certificates of `pem`, at least one. Errors: InvalidArgument, saying what was found instead.
absl::StatusOr<std::vector<bssl::UniquePtr<X509>>> CertificatesFromPem(std::string_view pem);
// Errors: InvalidArgument: none, not a key, or one with a passphrase.
absl::StatusOr<bssl::UniquePtr<EVP_PKEY>> KeyFromPem(std::string_view pem);

// Whether `name` is an IP address in text, rather than a DNS name.
bool IsAddress(std::string_view name);

// "CN=node-1", for people.
std::string SubjectOf(X509* certificate);

// What the engine has to say of its last error, and forgets: "WRONG_VERSION_NUMBER". Empty if it
// has nothing to say.
std::string TakeEngineError();

}  // namespace faultline::tls

#endif  // FAULTLINE_TRANSPORTS_TLS_PEM_H_
