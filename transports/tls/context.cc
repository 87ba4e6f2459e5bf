#include "transports/tls/context.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/check.h"
#include "transports/tls/pem.h"
#include "transports/tls/verify.h"

namespace faultline::tls {
namespace {

constexpr size_t kAlpnNameMax = 255;  // RFC 7301, section 3.1
// Names are those of subjectAltName; a common name is none (RFC 9525, section 2).
constexpr unsigned kNameFlags = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;

std::string AlpnWire(const std::vector<std::string>& names) {
  std::string wire;
  for (const std::string& name : names) {
    wire.push_back(static_cast<char>(name.size()));
    wire.append(name);
  }
  return wire;
}

absl::Status CheckAlpn(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (name.empty() || name.size() > kAlpnNameMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("alpn: a name has 1 to 255 bytes, not ", name.size()));
    }
  }
  return absl::OkStatus();
}

absl::Status Named(absl::string_view setting, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(setting, ": ", status.message()));
}

const uint8_t* Bytes(const std::string& text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

absl::Status UseIdentity(SSL_CTX* engine, const Identity& identity) {
  auto chain = CertificatesFromPem(identity.certificate_chain_pem);
  if (!chain.ok()) return Named("certificate_chain_pem", chain.status());
  auto key = KeyFromPem(identity.private_key_pem);
  if (!key.ok()) return Named("private_key_pem", key.status());
  bool used = SSL_CTX_use_certificate(engine, chain->front().get()) == 1;
  for (size_t i = 1; i < chain->size(); ++i) {
    used = used && SSL_CTX_add1_chain_cert(engine, (*chain)[i].get()) == 1;
  }
  used = used && SSL_CTX_use_PrivateKey(engine, key->get()) == 1;
  if (used) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("private_key_pem: not usable with the certificate of ",
                   SubjectOf(chain->front().get()), ": ", TakeEngineError()));
}

absl::Status TrustRoots(SSL_CTX* engine, std::string_view roots_pem) {
  auto roots = CertificatesFromPem(roots_pem);
  if (!roots.ok()) return roots.status();
  for (const bssl::UniquePtr<X509>& root : *roots) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(engine), root.get());
    SSL_CTX_add_client_CA(engine, root.get());
  }
  return absl::OkStatus();
}

}  // namespace

namespace internal {

ContextBase::ContextBase(const engine::Environment& environment, const CommonOptions& common)
    : environment_(environment),
      common_(common),
      alpn_wire_(AlpnWire(common.alpn)),
      closing_(std::make_shared<Closing>(common.max_closing, common.max_farewells)) {}

absl::StatusOr<bssl::UniquePtr<SSL_CTX>> ContextBase::NewEngineContext() {
  if (absl::Status alpn = CheckAlpn(common_.alpn); !alpn.ok()) return alpn;
  bssl::UniquePtr<SSL_CTX> engine(SSL_CTX_new(TLS_method()));
  SSL_CTX_set_min_proto_version(engine.get(), TLS1_3_VERSION);
  SSL_CTX_set_max_proto_version(engine.get(), TLS1_3_VERSION);
  SSL_CTX_set_early_data_enabled(engine.get(), 0);
  SSL_CTX_set_options(engine.get(), SSL_OP_NO_TICKET);
  SSL_CTX_set_session_cache_mode(engine.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(engine.get(), SSL_MODE_ENABLE_PARTIAL_WRITE);
  SSL_CTX_set_app_data(engine.get(), this);
  if (common_.key_log != nullptr) SSL_CTX_set_keylog_callback(engine.get(), &OnKeyLogLine);
  return engine;
}

void ContextBase::OnKeyLogLine(const SSL* ssl, const char* line) {
  auto* self = static_cast<ContextBase*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  self->common_.key_log->OnLine(line);
}

}  // namespace internal

// --- Server ---

ServerContext::ServerContext(const engine::Environment& environment, ServerOptions options)
    : ContextBase(environment, options.common),
      client_roots_pem_(std::move(options.client_roots_pem)) {}

absl::StatusOr<std::unique_ptr<ServerContext>> ServerContext::Create(
    const engine::Environment& environment, ServerOptions options) {
  std::vector<Identity> identities = std::move(options.identities);
  std::unique_ptr<ServerContext> context(new ServerContext(environment, std::move(options)));
  if (absl::Status loaded = context->Reload(std::move(identities)); !loaded.ok()) return loaded;
  return context;
}

absl::Status ServerContext::Reload(std::vector<Identity> identities) {
  engine::Entered entered(environment());
  auto loaded = Load(identities);
  if (!loaded.ok()) return loaded.status();
  identities_ = *std::move(loaded);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<bssl::UniquePtr<SSL_CTX>>> ServerContext::Load(
    const std::vector<Identity>& identities) {
  if (identities.empty()) return absl::InvalidArgumentError("identities: a server needs one");
  std::vector<bssl::UniquePtr<SSL_CTX>> loaded;
  for (const Identity& identity : identities) {
    auto engine = LoadOne(identity);
    if (!engine.ok()) return engine.status();
    loaded.push_back(*std::move(engine));
  }
  return loaded;
}

absl::StatusOr<bssl::UniquePtr<SSL_CTX>> ServerContext::LoadOne(const Identity& identity) {
  auto engine = NewEngineContext();
  if (!engine.ok()) return engine.status();
  if (absl::Status used = UseIdentity(engine->get(), identity); !used.ok()) return used;
  SSL_CTX_set_select_certificate_cb(engine->get(), &OnClientHello);
  if (!alpn_wire().empty()) SSL_CTX_set_alpn_select_cb(engine->get(), &OnAlpn, this);
  if (client_roots_pem_.empty()) return engine;
  absl::Status trusted = TrustRoots(engine->get(), client_roots_pem_);
  if (!trusted.ok()) return Named("client_roots_pem", trusted);
  internal::RequireVerifiedPeer(engine->get());
  return engine;
}

bssl::UniquePtr<SSL> ServerContext::NewEngine() {
  engine::Entered entered(environment());
  bssl::UniquePtr<SSL> ssl(SSL_new(identities_.front().get()));
  SSL_set_accept_state(ssl.get());
  return ssl;
}

// Before anything else of the hello is looked at. Nobody has a ticket of ours, so nobody has a
// reason to send early data.
ssl_select_cert_result_t ServerContext::OnClientHello(const SSL_CLIENT_HELLO* hello) {
  const uint8_t* data = nullptr;
  size_t size = 0;
  if (SSL_early_callback_ctx_extension_get(hello, TLSEXT_TYPE_early_data, &data, &size) == 1) {
    internal::DetailsOf(hello->ssl)->refusal =
        absl::InvalidArgumentError("early data (0-RTT) is refused");
    return ssl_select_cert_error;
  }
  auto* base = static_cast<ContextBase*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(hello->ssl)));
  static_cast<ServerContext*>(base)->SelectIdentity(hello->ssl);
  return ssl_select_cert_success;
}

void ServerContext::SelectIdentity(SSL* ssl) {
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (name == nullptr) return;
  std::string_view wanted(name);
  for (const bssl::UniquePtr<SSL_CTX>& identity : identities_) {
    X509* certificate = SSL_CTX_get0_certificate(identity.get());
    if (X509_check_host(certificate, wanted.data(), wanted.size(), kNameFlags, nullptr) != 1) {
      continue;
    }
    SSL_set_SSL_CTX(ssl, identity.get());
    return;
  }
}

int ServerContext::OnAlpn(SSL* ssl, const uint8_t** out, uint8_t* out_size, const uint8_t* in,
                          unsigned in_size, void* self) {
  const std::string& wire = static_cast<ServerContext*>(self)->alpn_wire();
  uint8_t* chosen = nullptr;
  int result = SSL_select_next_proto(&chosen, out_size, Bytes(wire),
                                     static_cast<unsigned>(wire.size()), in, in_size);
  if (result == OPENSSL_NPN_NEGOTIATED) {
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
  }
  internal::DetailsOf(ssl)->refusal = absl::FailedPreconditionError("alpn: no protocol in common");
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

// --- Client ---

ClientContext::ClientContext(const engine::Environment& environment, const ClientOptions& options)
    : ContextBase(environment, options.common), trust_everybody_(options.trust_everybody) {}

absl::StatusOr<std::unique_ptr<ClientContext>> ClientContext::Create(
    const engine::Environment& environment, ClientOptions options) {
  std::unique_ptr<ClientContext> context(new ClientContext(environment, options));
  engine::Entered entered(environment);
  if (absl::Status loaded = context->Load(options); !loaded.ok()) return loaded;
  return context;
}

absl::Status ClientContext::Load(const ClientOptions& options) {
  auto engine = NewEngineContext();
  if (!engine.ok()) return engine.status();
  engine_ = *std::move(engine);
  if (!alpn_wire().empty()) {
    SSL_CTX_set_alpn_protos(engine_.get(), Bytes(alpn_wire()),
                            static_cast<unsigned>(alpn_wire().size()));
  }
  if (options.identity.size() > 1) return absl::InvalidArgumentError("identity: more than one");
  for (const Identity& identity : options.identity) {
    if (absl::Status used = UseIdentity(engine_.get(), identity); !used.ok()) return used;
  }
  if (trust_everybody_) return absl::OkStatus();
  internal::RequireVerifiedPeer(engine_.get());
  absl::Status trusted = TrustRoots(engine_.get(), options.roots_pem);
  return trusted.ok() ? trusted : Named("roots_pem", trusted);
}

absl::StatusOr<bssl::UniquePtr<SSL>> ClientContext::NewEngine(const std::string& server_name) {
  engine::Entered entered(environment());
  bssl::UniquePtr<SSL> ssl(SSL_new(engine_.get()));
  SSL_set_connect_state(ssl.get());
  X509_VERIFY_PARAM* expected = SSL_get0_param(ssl.get());
  X509_VERIFY_PARAM_set_hostflags(expected, kNameFlags);
  bool set =
      IsAddress(server_name)
          ? X509_VERIFY_PARAM_set1_ip_asc(expected, server_name.c_str()) == 1
          : X509_VERIFY_PARAM_set1_host(expected, server_name.data(), server_name.size()) == 1 &&
                SSL_set_tlsext_host_name(ssl.get(), server_name.c_str()) == 1;
  if (set && !server_name.empty()) return ssl;
  (void)TakeEngineError();
  return absl::InvalidArgumentError(
      absl::StrCat("server_name: '", server_name, "' is neither a host's name nor an address"));
}

}  // namespace faultline::tls
