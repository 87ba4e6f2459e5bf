// Security: what the transports with TLS need besides an address: who one is, whom one trusts.
//
//   absl::StatusOr<std::unique_ptr<Security>> security =
//       Security::Create(runtime, {.identity = *identity, .roots_pem = roots});
//   any::Listen(environment, url, {.security = security->get()});
//   ... at the end: co_await security->Drain();
#ifndef FAULTLINE_TRANSPORTS_ANY_SECURITY_H_
#define FAULTLINE_TRANSPORTS_ANY_SECURITY_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "runtime/endpoint.h"
#include "runtime/runtime.h"
#include "runtime/stream.h"
#include "runtime/task.h"
#include "transports/quic/options.h"
#include "transports/tls/certificate.h"
#include "transports/tls/context.h"
#include "transports/websocket/websocket.h"

namespace faultline::any {

struct SecurityOptions {
  // Of who listens; empty: it does not listen with TLS.
  tls::Identity identity{};
  // Of who connects: PEM. Neither of the two: it does not connect with TLS.
  std::string roots_pem{};
  bool trust_everybody = false;  // for development: anybody can be in the middle
  // Gets the secrets of every connection: whoever has them reads the traffic. Not owned; outlives
  // the security.
  tls::KeyLog* key_log = nullptr;
};

// Outlives the listeners, connectors and connections that are made with it.
class Security {
 public:
  // `runtime`'s parts outlive it. Errors: InvalidArgument, naming the setting.
  static absl::StatusOr<std::unique_ptr<Security>> Create(const Runtime& runtime,
                                                          SecurityOptions options);
  Security(const Security&) = delete;
  Security& operator=(const Security&) = delete;

  // Null: there is no identity.
  tls::ServerContext* server() const { return server_.get(); }
  // Null: nobody is trusted.
  tls::ClientContext* client() const { return client_.get(); }
  // Between a stream and WebSocket; null likewise.
  websocket::StreamLayer* server_layer() const { return server_layer_.get(); }
  websocket::StreamLayer* client_layer() const { return client_layer_.get(); }
  quic::TlsOptions ForQuic() const;

  // Waits for connections that are being closed in the background, which is bounded.
  Task<void> Drain();

 private:
  explicit Security(SecurityOptions options) : options_(std::move(options)) {}

  const SecurityOptions options_;
  std::unique_ptr<tls::ServerContext> server_;
  std::unique_ptr<tls::ClientContext> client_;
  std::unique_ptr<websocket::StreamLayer> server_layer_;
  std::unique_ptr<websocket::StreamLayer> client_layer_;
};

// The address of an IP endpoint as a certificate names it: without its port.
std::string IpText(const Endpoint& endpoint);

}  // namespace faultline::any

#endif  // FAULTLINE_TRANSPORTS_ANY_SECURITY_H_
