#include "transports/any/open.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "transports/tcp/tcp.h"
#include "transports/websocket/websocket.h"

namespace faultline::any {
namespace {

// Behind the first error there is no listener.
template <typename T>
absl::StatusOr<Listener> Erase(absl::StatusOr<T> listener) {
  if (!listener.ok()) return listener.status();
  return Listener::Of(*std::move(listener));
}

absl::Status NoSuchTransport(const Url& url) {
  return absl::UnimplementedError(absl::StrCat("no transport for ", NameOf(url.scheme)));
}

tcp::ConnectionOptions FramesOf(const Options& options) {
  return {.reader = options.reader, .bugs = options.bugs};
}

websocket::Environment ForWebSocket(const Environment& environment) {
  return {.clock = environment.runtime.clock,
          .entropy = environment.runtime.entropy,
          .pool = environment.runtime.buffers,
          .scope = environment.scope};
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
      return Erase(websocket::Listener::Listen(
          ForWebSocket(environment), network, url.address,
          {.socket = options.listen, .policy = {.path = url.path, .origins = {}}}));
    default:
      return NoSuchTransport(url);
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
      return Connector::Of(websocket::Connector(
          ForWebSocket(environment), network,
          {.socket = options.connect,
           .request = {.host = url.address.ToString(), .path = url.path, .origin = ""}}));
    default:
      return NoSuchTransport(url);
  }
}

}  // namespace faultline::any
