#include "transports/any/security.h"

#include <string_view>
#include <utility>

#include "transports/tls/stream.h"

namespace faultline::any {
namespace {

absl::StatusOr<std::unique_ptr<Stream>> AsStream(
    absl::StatusOr<std::unique_ptr<tls::TlsStream>> stream) {
  if (!stream.ok()) return stream.status();
  return std::unique_ptr<Stream>(*std::move(stream));
}

class ServerLayer final : public websocket::StreamLayer {
 public:
  ServerLayer(tls::ServerContext* context, BufferPool* pool) : context_(context), pool_(pool) {}
  Task<absl::StatusOr<std::unique_ptr<Stream>>> Wrap(std::unique_ptr<Stream> stream) override {
    co_return AsStream(co_await tls::ServerHandshake(std::move(stream), context_, pool_));
  }

 private:
  tls::ServerContext* const context_;
  BufferPool* const pool_;
};

class ClientLayer final : public websocket::StreamLayer {
 public:
  ClientLayer(tls::ClientContext* context, BufferPool* pool) : context_(context), pool_(pool) {}
  Task<absl::StatusOr<std::unique_ptr<Stream>>> Wrap(std::unique_ptr<Stream> stream) override {
    std::string name = IpText(stream->peer_address());
    co_return AsStream(
        co_await tls::ClientHandshake(std::move(stream), context_, pool_, std::move(name)));
  }

 private:
  tls::ClientContext* const context_;
  BufferPool* const pool_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Security>> Security::Create(const Runtime& runtime,
                                                           SecurityOptions options) {
  const engine::Environment environment{runtime.entropy, runtime.clock};
  std::unique_ptr<Security> security(new Security(std::move(options)));
  const SecurityOptions& wanted = security->options_;
  if (!wanted.identity.certificate_chain_pem.empty() || !wanted.identity.private_key_pem.empty()) {
    auto server = tls::ServerContext::Create(
        environment, {.identities = {wanted.identity}, .common = {.key_log = wanted.key_log}});
    if (!server.ok()) return server.status();
    security->server_ = *std::move(server);
    security->server_layer_ =
        std::make_unique<ServerLayer>(security->server_.get(), runtime.buffers);
  }
  if (!wanted.roots_pem.empty() || wanted.trust_everybody) {
    auto client =
        tls::ClientContext::Create(environment, {.roots_pem = wanted.roots_pem,
                                                 .trust_everybody = wanted.trust_everybody,
                                                 .common = {.key_log = wanted.key_log}});
    if (!client.ok()) return client.status();
    security->client_ = *std::move(client);
    security->client_layer_ =
        std::make_unique<ClientLayer>(security->client_.get(), runtime.buffers);
  }
  return security;
}

quic::TlsOptions Security::ForQuic() const {
  quic::TlsOptions quic;
  quic.certificate_chain_pem = options_.identity.certificate_chain_pem;
  quic.private_key_pem = options_.identity.private_key_pem;
  quic.trust_anchors_pem = options_.roots_pem;
  quic.verify_server = !options_.trust_everybody;
  if (tls::KeyLog* log = options_.key_log; log != nullptr) {
    quic.key_log = [log](std::string_view line) { log->OnLine(line); };
  }
  return quic;
}

Task<void> Security::Drain() {
  if (server_ != nullptr) (void)co_await server_->closing()->Drain();
  if (client_ != nullptr) (void)co_await client_->closing()->Drain();
}

std::string IpText(const Endpoint& endpoint) {
  std::string text = endpoint.WithPort(0).ToString();
  text.resize(text.rfind(':'));
  if (text.starts_with('[')) text = text.substr(1, text.size() - 2);
  return text;
}

}  // namespace faultline::any
