// Ours over WebSocket, plain or over our TLS: connections of transports/websocket, as users have
// them.

#include <memory>
#include <utility>

#include "bench/credentials.h"
#include "bench/faultline_connections.h"
#include "bench/faultline_ends.h"
#include "bench/our_transport.h"
#include "bench/ws_contestants.h"
#include "runtime/endpoint.h"
#include "runtime/engine/environment.h"
#include "runtime/scope.h"
#include "transports/tls/context.h"
#include "transports/tls/stream.h"
#include "transports/websocket/websocket.h"

namespace faultline::bench {
namespace {

websocket::Environment EnvironmentOf(const Runtime& runtime, Scope* scope) {
  return {
      .clock = runtime.clock, .entropy = runtime.entropy, .pool = runtime.buffers, .scope = scope};
}

engine::Environment EngineOf(const Runtime& runtime) { return {runtime.entropy, runtime.clock}; }

absl::StatusOr<std::unique_ptr<Stream>> AsStream(
    absl::StatusOr<std::unique_ptr<tls::TlsStream>> stream) {
  if (!stream.ok()) return stream.status();
  return std::unique_ptr<Stream>(*std::move(stream));
}

// TLS under WebSocket, at either end.
class ServerLayer final : public websocket::StreamLayer {
 public:
  explicit ServerLayer(const Runtime& runtime)
      : pool_(runtime.buffers),
        context_(Must(tls::ServerContext::Create(EngineOf(runtime),
                                                 {.identities = {TheCredentials().server}}))) {}

  Task<absl::StatusOr<std::unique_ptr<Stream>>> Wrap(std::unique_ptr<Stream> stream) override {
    co_return AsStream(co_await tls::ServerHandshake(std::move(stream), context_.get(), pool_));
  }
  tls::Closing* closing() const { return context_->closing().get(); }

 private:
  BufferPool* const pool_;
  const std::unique_ptr<tls::ServerContext> context_;
};

class ClientLayer final : public websocket::StreamLayer {
 public:
  explicit ClientLayer(const Runtime& runtime)
      : pool_(runtime.buffers),
        context_(Must(tls::ClientContext::Create(EngineOf(runtime),
                                                 {.roots_pem = TheCredentials().root_pem}))) {}

  Task<absl::StatusOr<std::unique_ptr<Stream>>> Wrap(std::unique_ptr<Stream> stream) override {
    co_return AsStream(
        co_await tls::ClientHandshake(std::move(stream), context_.get(), pool_, kServerName));
  }
  tls::Closing* closing() const { return context_->closing().get(); }

 private:
  BufferPool* const pool_;
  const std::unique_ptr<tls::ClientContext> context_;
};

Task<uint64_t> Listen(Runtime runtime, Endpoint local, websocket::StreamLayer* layer,
                      const Load* load, const Announce* announce, Scope* scope) {
  websocket::ListenerOptions options;
  options.layer = layer;
  auto listener = Must(
      websocket::Listener::Listen(EnvironmentOf(runtime, scope), runtime.network, local, options));
  (*announce)(listener.local_address().port());
  const uint64_t count = co_await ServeLoad(&listener, load, runtime.buffers);
  Must(listener.Close());
  co_return count;
}

template <bool kSecure>
Task<void> ServeAll(Runtime runtime, Endpoint local, const Load* load, const Announce* announce,
                    uint64_t* count) {
  ServerLayer layer(runtime);
  Scope scope(co_await ThisTask());
  *count = co_await Listen(runtime, local, kSecure ? &layer : nullptr, load, announce, &scope);
  co_await scope.Join();
  (void)co_await layer.closing()->Drain();
}

template <bool kSecure>
Task<void> DriveAll(Runtime runtime, Endpoint server, const Load* load, const KeepGoing* keep_going,
                    uint64_t* sent) {
  ClientLayer layer(runtime);
  Scope scope(co_await ThisTask());
  websocket::ConnectorOptions options;
  if (kSecure) options.layer = &layer;
  websocket::Connector connector(EnvironmentOf(runtime, &scope), runtime.network, options);
  *sent = co_await DriveLoad(&connector, server, load, runtime.buffers, keep_going);
  co_await scope.Join();
  (void)co_await layer.closing()->Drain();
}

}  // namespace

const OurTransport kWsTransport = {&ServeAll<false>, &DriveAll<false>};
const OurTransport kWssTransport = {&ServeAll<true>, &DriveAll<true>};
const Contestant kFaultlineWs = MakeContestant<{&ServeAll<false>, &DriveAll<false>}>("faultline");
const Contestant kFaultlineWss = MakeContestant<{&ServeAll<true>, &DriveAll<true>}>("faultline");

}  // namespace faultline::bench
