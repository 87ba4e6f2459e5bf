// Verification of the peer's certificate, and what is remembered of a handshake that is refused.
#ifndef FAULTLINE_TRANSPORTS_TLS_VERIFY_H_
#define FAULTLINE_TRANSPORTS_TLS_VERIFY_H_

#include <openssl/base.h>

#include <string>

#include "absl/status/status.h"

namespace faultline::tls::internal {

// What the callbacks of a handshake have to say; hangs on its SSL.
struct HandshakeDetails {
  std::string wanted;    // the name that the peer has to have; empty: any
  absl::Status refusal;  // why we refused; OK if we did not
};

// `details` outlives `ssl`, or `ssl` is not used any more.
void SetDetails(SSL* ssl, HandshakeDetails* details);
HandshakeDetails* DetailsOf(const SSL* ssl);

// From now on peers of this context need a certificate that its roots vouch for. A failure says in
// the details what failed, of which certificate.
void RequireVerifiedPeer(SSL_CTX* engine);

}  // namespace faultline::tls::internal

#endif  // FAULTLINE_TRANSPORTS_TLS_VERIFY_H_
