// Credentials: the certificate that every contestant with TLS shows, and whom its clients trust.
//
// A leaf on P-256, signed by an authority on P-256: a handshake has one signature and verifies two.
// Made once a program, before it forks, so that both ends of a connection have the same.
#ifndef FAULTLINE_BENCH_CREDENTIALS_H_
#define FAULTLINE_BENCH_CREDENTIALS_H_

#include <openssl/ssl.h>

#include <string>

#include "transports/tls/certificate.h"

namespace faultline::bench {

inline constexpr char kServerName[] = "bench.test";
inline constexpr char kServerAddress[] = "127.0.0.1";  // the certificate names it as well

struct Credentials {
  tls::Identity server;
  std::string root_pem;
};

// Of this program. The first call makes them.
const Credentials& TheCredentials();

// Contexts for the peers that are written on BoringSSL itself. As ours are: TLS 1.3 alone, no
// tickets; a client verifies the chain and the name.
bssl::UniquePtr<SSL_CTX> NewServerEngine();
bssl::UniquePtr<SSL_CTX> NewClientEngine();
// A client's session that expects `kServerName`.
bssl::UniquePtr<SSL> NewClientSession(SSL_CTX* engine);

}  // namespace faultline::bench

#endif  // FAULTLINE_BENCH_CREDENTIALS_H_
