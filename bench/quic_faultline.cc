// Ours over QUIC: a stream of a session, read and written as any stream; for handshakes and idle
// connections, connections of messages.

#include <memory>
#include <utility>

#include "bench/credentials.h"
#include "bench/faultline_connections.h"
#include "bench/faultline_ends.h"
#include "bench/our_transport.h"
#include "bench/quic_contestants.h"
#include "runtime/endpoint.h"
#include "runtime/scope.h"
#include "transports/quic/hub.h"
#include "transports/quic/quic.h"
#include "transports/quic/stream.h"

namespace faultline::bench {
namespace {

bool IsOneStream(const Load& load) {
  return load.shape == Shape::kPingPong || load.shape == Shape::kStream;
}

quic::Surroundings SurroundingsOf(const Runtime& runtime, Scope* scope) {
  return {.scope = scope,
          .clock = runtime.clock,
          .network = runtime.network,
          .entropy = runtime.entropy};
}

quic::Options OptionsOf() {
  quic::Options options;
  options.tls.certificate_chain_pem = TheCredentials().server.certificate_chain_pem;
  options.tls.private_key_pem = TheCredentials().server.private_key_pem;
  options.tls.trust_anchors_pem = TheCredentials().root_pem;
  options.tls.server_name = kServerName;
  options.transport.stream_window_bytes = kStreamWindow;
  options.transport.session_window_bytes = kSessionWindow;
  return options;
}

// --- Server ---

Task<uint64_t> ServeStream(quic::Surroundings surroundings, Endpoint local, const Load* load,
                           const Announce* announce) {
  quic::Hub::Use hub =
      Must(quic::Hub::Start(surroundings, quic::Hub::Role::kServer, local, OptionsOf()));
  (*announce)(hub->local_address().port());
  quic::SessionHandle session(hub.Again(), Must(co_await hub->Accept()));
  std::unique_ptr<quic::Stream> stream = Must(co_await session.AcceptStream());
  Counter counter(*load);
  co_await ServeBytes(stream.get(), load, &counter);
  Must(stream->ShutdownWrite());
  session.Close();
  co_return counter.messages();
}

Task<uint64_t> ServeConnections(quic::Surroundings surroundings, BufferPool* pool, Endpoint local,
                                const Load* load, const Announce* announce) {
  auto listener = Must(quic::Listener::Listen(surroundings, pool, local, OptionsOf(), {}));
  (*announce)(listener.local_address().port());
  const uint64_t count = co_await ServeLoad(&listener, load, pool);
  Must(listener.Close());
  co_return count;
}

Task<void> ServeAll(Runtime runtime, Endpoint local, const Load* load, const Announce* announce,
                    uint64_t* count) {
  Scope scope(co_await ThisTask());
  const quic::Surroundings surroundings = SurroundingsOf(runtime, &scope);
  *count = co_await (IsOneStream(*load)
                         ? ServeStream(surroundings, local, load, announce)
                         : ServeConnections(surroundings, runtime.buffers, local, load, announce));
  co_await scope.Join();
}

// --- Client ---

Task<uint64_t> DriveStream(quic::Surroundings surroundings, Endpoint server, const Load* load,
                           const KeepGoing* keep_going) {
  const Endpoint local = Endpoint::Ipv4Any(0);
  quic::Hub::Use hub =
      Must(quic::Hub::Start(surroundings, quic::Hub::Role::kClient, local, OptionsOf()));
  quic::SessionHandle session(hub.Again(), Must(hub->Connect(server)));
  Must(co_await session.Settled());
  std::unique_ptr<quic::Stream> stream = Must(session.OpenStream());
  const uint64_t sent = co_await DriveBytes(stream.get(), load, keep_going);
  Must(stream->ShutdownWrite());
  co_await DropRest(stream.get());
  session.Close();
  co_return sent;
}

Task<uint64_t> DriveConnections(quic::Surroundings surroundings, BufferPool* pool, Endpoint server,
                                const Load* load, const KeepGoing* keep_going) {
  quic::Connector connector(surroundings, pool, OptionsOf(), {});
  co_return co_await DriveLoad(&connector, server, load, pool, keep_going);
}

Task<void> DriveAll(Runtime runtime, Endpoint server, const Load* load, const KeepGoing* keep_going,
                    uint64_t* sent) {
  Scope scope(co_await ThisTask());
  const quic::Surroundings surroundings = SurroundingsOf(runtime, &scope);
  *sent = co_await (IsOneStream(*load) ? DriveStream(surroundings, server, load, keep_going)
                                       : DriveConnections(surroundings, runtime.buffers, server,
                                                          load, keep_going));
  co_await scope.Join();
}

}  // namespace

const OurTransport kQuicTransport = {&ServeAll, &DriveAll};
const Contestant kFaultlineQuic =
    MakeContestant<{&ServeAll, &DriveAll}>("faultline", /*over_tcp=*/false);

}  // namespace faultline::bench
