// Url: where a listener listens or a connector connects, and by which transport.
//
//   tcp://127.0.0.1:7000   tls://[::1]:7001   quic://10.0.0.1:7002   unix:///run/ledger.sock
//   ws://127.0.0.1:7003/bus   wss://127.0.0.1:7004/bus
//
// Addresses are numbers: nothing here asks a name server.
#ifndef FAULTLINE_TRANSPORTS_ANY_URL_H_
#define FAULTLINE_TRANSPORTS_ANY_URL_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "runtime/endpoint.h"

namespace faultline::any {

enum class Scheme : uint8_t { kTcp, kTls, kWebSocket, kSecureWebSocket, kQuic, kUnix };
inline constexpr std::array kSchemes = {Scheme::kTcp,       Scheme::kTls,
                                        Scheme::kWebSocket, Scheme::kSecureWebSocket,
                                        Scheme::kQuic,      Scheme::kUnix};

// Whether who listens has a certificate, and who connects verifies one.
bool UsesTls(Scheme scheme);
// As in a URL: "tcp", "tls", "ws", "wss", "quic", "unix".
const char* NameOf(Scheme scheme);
// Error: InvalidArgument, which lists the schemes.
absl::StatusOr<Scheme> ParseScheme(std::string_view name);

struct Url {
  Scheme scheme = Scheme::kTcp;
  Endpoint address;
  std::string path;  // of WebSocket, with its first slash; "/" if none is given; otherwise empty

  std::string ToString() const;
  bool operator==(const Url&) const = default;
};

// Error: InvalidArgument, which names what is wrong: no scheme, an unknown one, an address that is
// none, a path where there can be none.
absl::StatusOr<Url> ParseUrl(std::string_view text);

}  // namespace faultline::any

#endif  // FAULTLINE_TRANSPORTS_ANY_URL_H_
