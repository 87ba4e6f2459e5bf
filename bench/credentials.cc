#include "bench/credentials.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>
#include <string_view>
#include <utility>

#include "runtime/check.h"
#include "runtime/engine/environment.h"
#include "runtime/epoll/loop.h"

namespace faultline::bench {
namespace {

template <typename T>
T Must(absl::StatusOr<T> result) {
  FAULTLINE_CHECK(result.ok()) << result.status();
  return *std::move(result);
}

Credentials Make() {
  std::unique_ptr<epoll::Loop> loop = Must(epoll::Loop::Create({}));
  const engine::Environment environment{loop->runtime().entropy, loop->runtime().clock};
  tls::Authority authority = Must(tls::Authority::Create(environment, {.names = {"authority"}}));
  return {Must(authority.Issue(environment, {.names = {kServerName, kServerAddress}})),
          authority.root_pem()};
}

bssl::UniquePtr<BIO> Open(std::string_view pem) {
  return bssl::UniquePtr<BIO>(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

bssl::UniquePtr<X509> CertificateOf(std::string_view pem) {
  return bssl::UniquePtr<X509>(PEM_read_bio_X509(Open(pem).get(), nullptr, nullptr, nullptr));
}

bssl::UniquePtr<SSL_CTX> NewEngine() {
  bssl::UniquePtr<SSL_CTX> engine(SSL_CTX_new(TLS_method()));
  SSL_CTX_set_min_proto_version(engine.get(), TLS1_3_VERSION);
  SSL_CTX_set_max_proto_version(engine.get(), TLS1_3_VERSION);
  SSL_CTX_set_options(engine.get(), SSL_OP_NO_TICKET);
  SSL_CTX_set_session_cache_mode(engine.get(), SSL_SESS_CACHE_OFF);
  return engine;
}

}  // namespace

const Credentials& TheCredentials() {
  static const Credentials* const credentials = new Credentials(Make());
  return *credentials;
}

bssl::UniquePtr<SSL_CTX> NewServerEngine() {
  const tls::Identity& identity = TheCredentials().server;
  bssl::UniquePtr<SSL_CTX> engine = NewEngine();
  bssl::UniquePtr<X509> leaf = CertificateOf(identity.certificate_chain_pem);
  bssl::UniquePtr<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(Open(identity.private_key_pem).get(), nullptr, nullptr, nullptr));
  FAULTLINE_CHECK(SSL_CTX_use_certificate(engine.get(), leaf.get()) == 1 &&
                  SSL_CTX_use_PrivateKey(engine.get(), key.get()) == 1)
      << "the certificate is not usable";
  return engine;
}

bssl::UniquePtr<SSL_CTX> NewClientEngine() {
  bssl::UniquePtr<SSL_CTX> engine = NewEngine();
  bssl::UniquePtr<X509> root = CertificateOf(TheCredentials().root_pem);
  FAULTLINE_CHECK(X509_STORE_add_cert(SSL_CTX_get_cert_store(engine.get()), root.get()) == 1)
      << "the root is not usable";
  SSL_CTX_set_verify(engine.get(), SSL_VERIFY_PEER, nullptr);
  return engine;
}

bssl::UniquePtr<SSL> NewClientSession(SSL_CTX* engine) {
  bssl::UniquePtr<SSL> session(SSL_new(engine));
  const std::string_view name = kServerName;
  FAULTLINE_CHECK(
      SSL_set_tlsext_host_name(session.get(), kServerName) == 1 &&
      X509_VERIFY_PARAM_set1_host(SSL_get0_param(session.get()), name.data(), name.size()) == 1)
      << "the name is not usable";
  SSL_set_connect_state(session.get());
  return session;
}

}  // namespace faultline::bench
