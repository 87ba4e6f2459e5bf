// Wires: what talks go over, for programs that are templates over it: how to listen and connect,
// and how somebody's broken program gets at the bare stream to end it within a frame.
#ifndef FAULTLINE_SCENARIOS_CATALOGUE_TALK_WIRES_H_
#define FAULTLINE_SCENARIOS_CATALOGUE_TALK_WIRES_H_

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "runtime/network.h"
#include "runtime/runtime.h"
#include "runtime/scope.h"
#include "runtime/stream.h"
#include "runtime/task.h"
#include "transports/message/stream_connection.h"
#include "transports/tcp/tcp.h"
#include "transports/websocket/frame_header.h"
#include "transports/websocket/websocket.h"

namespace faultline::catalogue {

// Where a program runs, and what its connections are made with.
struct WireEnvironment {
  Runtime runtime;
  Scope* scope = nullptr;
  message::StreamConnectionOptions connection{};
};

struct TcpWire {
  using Listener = tcp::Listener;
  using Connection = tcp::Connection;

  static absl::StatusOr<Listener> Listen(const WireEnvironment& environment,
                                         const Endpoint& local) {
    return Listener::Listen(environment.runtime.network, environment.runtime.buffers, local,
                            {.connection = environment.connection});
  }
  static Task<absl::StatusOr<Connection>> Connect(WireEnvironment environment, Endpoint peer) {
    tcp::Connector connector(environment.runtime.network, environment.runtime.buffers,
                             {.connection = environment.connection});
    co_return co_await connector.Connect(std::move(peer));
  }

  // A connection whose stream can be written to past all framing.
  struct Bare {
    std::unique_ptr<Stream> held;
    Stream* stream() const { return held.get(); }
  };
  static Task<absl::StatusOr<Bare>> ConnectBare(WireEnvironment environment, Endpoint peer) {
    auto stream = co_await environment.runtime.network->Connect(std::move(peer), {});
    if (!stream.ok()) co_return stream.status();
    co_return Bare{*std::move(stream)};
  }
  // What stands on the stream before a client's message of `size` bytes.
  static std::string FrameHeader(size_t) { return ""; }
};

struct WebSocketWire {
  using Listener = websocket::Listener;
  using Connection = websocket::Connection;

  // A talk may go on for long after one side has finished: no end cuts it off.
  static constexpr Duration kCloseGrace = 30s;

  static websocket::Environment In(const WireEnvironment& environment) {
    return {.clock = environment.runtime.clock,
            .entropy = environment.runtime.entropy,
            .pool = environment.runtime.buffers,
            .scope = environment.scope};
  }
  static websocket::ConnectionOptions Options(const WireEnvironment& environment) {
    const message::FrameReaderOptions& reader = environment.connection.reader;
    const size_t buffer = std::max(websocket::kMinReceiveBuffer, reader.receive_buffer_bytes);
    return {.input = {.receive_buffer_bytes = buffer,
                      .receive_buffer_max_bytes = buffer,
                      .direct_bytes = reader.direct_bytes},
            .close_grace = kCloseGrace,
            .bugs = environment.connection.bugs};
  }

  static absl::StatusOr<Listener> Listen(const WireEnvironment& environment,
                                         const Endpoint& local) {
    return Listener::Listen(In(environment), environment.runtime.network, local,
                            {.connection = Options(environment), .engine = {.max_sessions = 256}});
  }
  static Task<absl::StatusOr<Connection>> Connect(WireEnvironment environment, Endpoint peer) {
    websocket::Connector connector(
        In(environment), environment.runtime.network,
        {.connection = Options(environment), .engine = {.max_sessions = 1}});
    co_return co_await connector.Connect(std::move(peer));
  }

  // Lets a stream through, and remembers it.
  class Peephole final : public websocket::StreamLayer {
   public:
    Task<absl::StatusOr<std::unique_ptr<Stream>>> Wrap(std::unique_ptr<Stream> stream) override {
      seen_ = stream.get();
      co_return std::move(stream);
    }
    Stream* seen() const { return seen_; }

   private:
    Stream* seen_ = nullptr;
  };
  struct Bare {
    Connection held;
    Stream* seen;
    Stream* stream() const { return seen; }
  };
  static Task<absl::StatusOr<Bare>> ConnectBare(WireEnvironment environment, Endpoint peer) {
    Peephole peephole;
    websocket::Connector connector(
        In(environment), environment.runtime.network,
        {.connection = Options(environment), .engine = {.max_sessions = 1}, .layer = &peephole});
    auto connection = co_await connector.Connect(std::move(peer));
    if (!connection.ok()) co_return connection.status();
    co_return Bare{*std::move(connection), peephole.seen()};
  }
  static std::string FrameHeader(size_t size) {
    const websocket::Mask none{};
    std::array<std::byte, websocket::kMaxFrameHeader> header{};
    const size_t length = websocket::WriteFrameHeader(size, &none, header.data());
    return {reinterpret_cast<const char*>(header.data()), length};
  }
};

}  // namespace faultline::catalogue

#endif  // FAULTLINE_SCENARIOS_CATALOGUE_TALK_WIRES_H_
