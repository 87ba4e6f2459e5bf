// What a side of TLS connections has in common: who it is, whom it trusts, what it insists on.
//
//   absl::StatusOr<std::unique_ptr<ServerContext>> server =
//       ServerContext::Create(environment, {.identities = {*identity}});
//   absl::StatusOr<std::unique_ptr<ClientContext>> client =
//       ClientContext::Create(environment, {.roots_pem = authority.root_pem()});
//
// TLS 1.3 and nothing older. No tickets, no resumption, hence no 0-RTT; a server refuses a client
// that offers early data, and either side refuses a connection on which some was accepted. Clients
// verify: the chain up to a root, its dates by the environment's clock, and the name.
//
// A context lives inside the process (simulated or real) whose connections use it, and outlives
// them.
#ifndef FAULTLINE_TRANSPORTS_TLS_CONTEXT_H_
#define FAULTLINE_TRANSPORTS_TLS_CONTEXT_H_

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/engine/environment.h"
#include "runtime/time.h"
#include "transports/tls/certificate.h"
#include "transports/tls/closing.h"

namespace faultline::tls {

// Gets the secrets of each connection, a line at a time, in NSS's key log format (what Wireshark
// reads), without an end of line. Whoever has them reads the traffic.
class KeyLog {
 public:
  virtual ~KeyLog() = default;
  virtual void OnLine(std::string_view line) = 0;
};

// Settings of both sides.
struct CommonOptions {
  // By preference. A server takes its own first that the client offers too; if both sides have
  // some and none in common, the handshake fails. Each 1 to 255 bytes.
  std::vector<std::string> alpn{};
  // From the first byte to a verified peer.
  Duration handshake_grace = 10s;
  // From the close to the peer's answer to close_notify. Then the stream below is closed without
  // it, or reset if something of ours is still queued.
  Duration close_grace = 2s;
  // Connections that are being closed; more are reset at once. Names itself in the error.
  size_t max_closing = 1024;
  // Peers that are being told why their handshake failed; more are reset at once, untold.
  size_t max_farewells = 256;
  KeyLog* key_log = nullptr;  // not owned; outlives the context
};

struct ServerOptions {
  // At least one. Chosen by the name that the client asks for (SNI); the first is for those who ask
  // for none, or for one that nobody has.
  std::vector<Identity> identities{};
  // Not empty: clients have to show a certificate of these roots (mutual TLS).
  std::string client_roots_pem{};
  CommonOptions common{};
};

struct ClientOptions {
  // Whom the client trusts: PEM, any number. There is no built-in list.
  std::string roots_pem{};
  // Only for tests of others: any certificate will do, so anybody can be in the middle.
  bool trust_everybody = false;
  // For servers that ask for a certificate.
  std::vector<Identity> identity{};  // none or one
  CommonOptions common{};
};

namespace internal {

class ContextBase {
 public:
  ContextBase(const ContextBase&) = delete;
  ContextBase& operator=(const ContextBase&) = delete;

  const engine::Environment& environment() const { return environment_; }
  const CommonOptions& common() const { return common_; }
  const std::shared_ptr<Closing>& closing() const { return closing_; }

 protected:
  ContextBase(const engine::Environment& environment, const CommonOptions& common);
  ~ContextBase() = default;

  // A context with everything but identities, roots and verification.
  absl::StatusOr<bssl::UniquePtr<SSL_CTX>> NewEngineContext();

 private:
  static void OnKeyLogLine(const SSL* ssl, const char* line);

  const engine::Environment environment_;
  const CommonOptions common_;
  const std::string alpn_wire_;
  // Watched by the connections: in a crash frames die in any order.
  const std::shared_ptr<Closing> closing_;

 protected:
  const std::string& alpn_wire() const { return alpn_wire_; }
};

}  // namespace internal

class ServerContext : public internal::ContextBase {
 public:
  // `environment`'s parts outlive the context. Errors: InvalidArgument, naming the setting: no
  // identity, PEM that is none, a key that does not belong to its certificate, a bad ALPN name.
  static absl::StatusOr<std::unique_ptr<ServerContext>> Create(
      const engine::Environment& environment, ServerOptions options);

  // Connections from now on are greeted with `identities`; those that live keep theirs. If it
  // fails everything stays as it was. Errors: as `Create`.
  absl::Status Reload(std::vector<Identity> identities);

  // For the stream: an engine for one connection.
  bssl::UniquePtr<SSL> NewEngine();

 private:
  ServerContext(const engine::Environment& environment, ServerOptions options);

  absl::StatusOr<std::vector<bssl::UniquePtr<SSL_CTX>>> Load(
      const std::vector<Identity>& identities);
  absl::StatusOr<bssl::UniquePtr<SSL_CTX>> LoadOne(const Identity& identity);
  static ssl_select_cert_result_t OnClientHello(const SSL_CLIENT_HELLO* hello);
  static int OnAlpn(SSL* ssl, const uint8_t** out, uint8_t* out_size, const uint8_t* in,
                    unsigned in_size, void* self);
  void SelectIdentity(SSL* ssl);

  const std::string client_roots_pem_;
  std::vector<bssl::UniquePtr<SSL_CTX>> identities_;
};

class ClientContext : public internal::ContextBase {
 public:
  // As above. No roots: InvalidArgument, unless everybody is trusted.
  static absl::StatusOr<std::unique_ptr<ClientContext>> Create(
      const engine::Environment& environment, ClientOptions options);

  // For the stream. The peer has to be `server_name`: a DNS name, or an IP address in text. Errors:
  // InvalidArgument for a name that cannot be asked for.
  absl::StatusOr<bssl::UniquePtr<SSL>> NewEngine(const std::string& server_name);

 private:
  ClientContext(const engine::Environment& environment, const ClientOptions& options);

  absl::Status Load(const ClientOptions& options);

  const bool trust_everybody_;
  bssl::UniquePtr<SSL_CTX> engine_;
};

}  // namespace faultline::tls

#endif  // FAULTLINE_TRANSPORTS_TLS_CONTEXT_H_
