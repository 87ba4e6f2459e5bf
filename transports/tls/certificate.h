// Certificates for development and tests: made on the spot, with keys on P-256.
//
//   engine::Environment environment{runtime.entropy, runtime.clock};
//   absl::StatusOr<Identity> own = SelfSigned(environment, {.names = {"localhost", "127.0.0.1"}});
//
//   absl::StatusOr<Authority> authority = Authority::Create(environment, {});
//   absl::StatusOr<Identity> node = authority->Issue(environment, {.names = {"node-1"}});
//
// Keys are drawn from the environment: in a simulation they are functions of the seed, in
// production secret. P-256 because everybody accepts it (browsers refuse Ed25519), and because its
// signatures keep no state from one to the next, as RSA's blinding does.
#ifndef FAULTLINE_TRANSPORTS_TLS_CERTIFICATE_H_
#define FAULTLINE_TRANSPORTS_TLS_CERTIFICATE_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/engine/environment.h"
#include "runtime/time.h"

namespace faultline::tls {

// Who one is: a chain of certificates, one's own first, and its key; in PEM, as in files.
struct Identity {
  std::string certificate_chain_pem;
  std::string private_key_pem;
};

struct CertificateOptions {
  // DNS names and IP addresses; the first is the common name as well. May be empty for clients.
  std::vector<std::string> names{};
  // Relative to the environment's wall time.
  Duration valid_from = -1h;
  Duration valid_for = 24h * 365;  // from then on
};

// A certificate that vouches for itself: whoever trusts it has it among their roots, and trusts
// whatever its key signs.
// Errors: InvalidArgument for a name that a certificate cannot hold.
absl::StatusOr<Identity> SelfSigned(const engine::Environment& environment,
                                    const CertificateOptions& options);

// Vouches for others.
class Authority {
 public:
  // `options.names` is what it is called.
  static absl::StatusOr<Authority> Create(const engine::Environment& environment,
                                          const CertificateOptions& options);
  // For servers and clients alike. Errors: as `SelfSigned`.
  absl::StatusOr<Identity> Issue(const engine::Environment& environment,
                                 const CertificateOptions& options) const;
  // What those who trust it have among their roots.
  const std::string& root_pem() const { return identity_.certificate_chain_pem; }

 private:
  explicit Authority(Identity identity) : identity_(std::move(identity)) {}

  Identity identity_;
};

}  // namespace faultline::tls

#endif  // FAULTLINE_TRANSPORTS_TLS_CERTIFICATE_H_
