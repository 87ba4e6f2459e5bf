#include "transports/any/open.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "transports/quic/quic.h"
#include "transports/tcp/tcp.h"
#include "transports/tls/tls.h"
#include "transports/websocket/websocket.h"

namespace faultline::any {
namespace {

// Behind the first error there is no listener.
template <typename T>
absl::StatusOr<Listener> Erase(absl::StatusOr<T> listener) {
  if (!listener.ok()) return listener.status();
  return Listener::Of(*std::move(listener));
}

absl::Status Wanted(const Url& url, const char* what) {
  return absl::FailedPreconditionError(absl::StrCat(url.ToString(), " wants ", what));
}

tcp::ConnectionOptions FramesOf(const Options& options) {
  return {.reader = options.reader, .bugs = options.bugs};
}

websocket::ConnectionOptions WebSocketOptionsOf(const Options& options) {
  websocket::ConnectionOptions connection;
  websocket::InputOptions& input = connection.input;
  input.receive_buffer_bytes =
      std::max(websocket::kMinReceiveBuffer, options.reader.receive_buffer_bytes);
  input.receive_buffer_max_bytes =
      std::max(input.receive_buffer_bytes, options.reader.receive_buffer_max_bytes);
  input.direct_bytes = options.reader.direct_bytes;
  input.own_buffers = options.reader.own_buffers;
  connection.bugs = options.bugs;
  return connection;
}

websocket::Environment ForWebSocket(const Environment& environment) {
  return {.clock = environment.runtime.clock,
          .entropy = environment.runtime.entropy,
          .pool = environment.runtime.buffers,
          .scope = environment.scope};
}

quic::Surroundings ForQuic(const Environment& environment) {
  return {.scope = environment.scope,
          .clock = environment.runtime.clock,
          .network = environment.runtime.network,
          .entropy = environment.runtime.entropy};
}

quic::Options QuicOptionsOf(const Options& options) {
  quic::Options quic;
  quic.tls = options.security->ForQuic();
  return quic;
}

// Each peer is asked for by its own address.
class TlsConnector {
 public:
  using Connection = tls::Connection;

  TlsConnector(const Environment& environment, const Options& options)
      : runtime_(environment.runtime), options_(options) {}

  Task<absl::StatusOr<tls::Connection>> Connect(Endpoint peer) {
    tls::Connector connector(runtime_.network, runtime_.buffers, options_.security->client(),
                             {.socket = options_.connect,
                              .connection = {.reader = options_.reader, .bugs = options_.bugs},
                              .server_name = IpText(peer)});
    co_return co_await connector.Connect(std::move(peer));
  }

 private:
  Runtime runtime_;
  Options options_;
};

// --- Listeners ---

absl::StatusOr<Listener> ListenWebSocket(const Environment& environment, const Url& url,
                                         const Options& options, websocket::StreamLayer* layer) {
  if (url.path.find('?') != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat(url.ToString(), ": a path that is listened on has no query"));
  }
  websocket::ListenerOptions listening;
  listening.socket = options.listen;
  listening.connection = WebSocketOptionsOf(options);
  listening.policy.path = url.path;
  listening.layer = layer;
  return Erase(websocket::Listener::Listen(ForWebSocket(environment), environment.runtime.network,
                                           url.address, listening));
}

// With TLS; there is an identity.
absl::StatusOr<Listener> ListenSecurely(const Environment& environment, const Url& url,
                                        const Options& options) {
  const Runtime& runtime = environment.runtime;
  if (url.scheme == Scheme::kSecureWebSocket) {
    return ListenWebSocket(environment, url, options, options.security->server_layer());
  }
  if (url.scheme == Scheme::kQuic) {
    return Erase(quic::Listener::Listen(ForQuic(environment), runtime.buffers, url.address,
                                        QuicOptionsOf(options),
                                        {.reader = options.reader, .bugs = options.bugs}));
  }
  tls::ListenerOptions listening;
  listening.socket = options.listen;
  listening.connection = {.reader = options.reader, .bugs = options.bugs};
  return Erase(tls::Listener::Listen(runtime.network, runtime.buffers, options.security->server(),
                                     url.address, listening));
}

// --- Connectors ---

Connector WebSocketConnector(const Environment& environment, const Url& url, const Options& options,
                             websocket::StreamLayer* layer) {
  websocket::ConnectorOptions connecting;
  connecting.socket = options.connect;
  connecting.connection = WebSocketOptionsOf(options);
  connecting.request.path = url.path;
  connecting.layer = layer;
  return Connector::Of(
      websocket::Connector(ForWebSocket(environment), environment.runtime.network, connecting));
}

// With TLS; somebody is trusted.
Connector SecureConnector(const Environment& environment, const Url& url, const Options& options) {
  if (url.scheme == Scheme::kSecureWebSocket) {
    return WebSocketConnector(environment, url, options, options.security->client_layer());
  }
  if (url.scheme == Scheme::kQuic) {
    return Connector::Of(quic::Connector(ForQuic(environment), environment.runtime.buffers,
                                         QuicOptionsOf(options),
                                         {.reader = options.reader, .bugs = options.bugs}));
  }
  return Connector::Of(TlsConnector(environment, options));
}

}  // namespace

absl::StatusOr<Listener> Listen(const Environment& environment, const Url& url,
                                const Options& options) {
  Network* network = environment.runtime.network;
  switch (url.scheme) {
    case Scheme::kTcp:
    case Scheme::kUnix:
      return Erase(
          tcp::Listener::Listen(network, environment.runtime.buffers, url.address,
                                {.socket = options.listen, .connection = FramesOf(options)}));
    case Scheme::kWebSocket:
      return ListenWebSocket(environment, url, options, nullptr);
    default:
      if (options.security == nullptr || options.security->server() == nullptr) {
        return Wanted(url, "a certificate");
      }
      return ListenSecurely(environment, url, options);
  }
}

absl::StatusOr<Connector> MakeConnector(const Environment& environment, const Url& url,
                                        const Options& options) {
  Network* network = environment.runtime.network;
  switch (url.scheme) {
    case Scheme::kTcp:
    case Scheme::kUnix:
      return Connector::Of(
          tcp::Connector(network, environment.runtime.buffers,
                         {.socket = options.connect, .connection = FramesOf(options)}));
    case Scheme::kWebSocket:
      return WebSocketConnector(environment, url, options, nullptr);
    default:
      if (options.security == nullptr || options.security->client() == nullptr) {
        return Wanted(url, "certificates to trust");
      }
      return SecureConnector(environment, url, options);
  }
}

}  // namespace faultline::any
