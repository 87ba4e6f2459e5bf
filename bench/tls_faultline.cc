// Ours over TLS: a TlsStream, read and written as any stream.

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "bench/credentials.h"
#include "bench/faultline_ends.h"
#include "bench/our_transport.h"
#include "bench/tls_contestants.h"
#include "runtime/endpoint.h"
#include "runtime/engine/environment.h"
#include "runtime/scope.h"
#include "runtime/stream_io.h"
#include "transports/tls/context.h"
#include "transports/tls/stream.h"

namespace faultline::bench {
namespace {

using tls::TlsStream;

engine::Environment EnvironmentOf(const Runtime& runtime) {
  return {runtime.entropy, runtime.clock};
}

// --- Server ---

struct Server {
  Server(const Runtime& runtime_of_it, const Endpoint& listen)
      : runtime(runtime_of_it),
        context(Must(tls::ServerContext::Create(EnvironmentOf(runtime),
                                                {.identities = {TheCredentials().server}}))),
        listener(Must(runtime.network->Listen(listen, {}))) {}

  Task<std::unique_ptr<TlsStream>> Accept() {
    std::unique_ptr<Stream> below = Must(co_await listener->Accept());
    co_return Must(co_await tls::ServerHandshake(std::move(below), context.get(), runtime.buffers));
  }

  const Runtime runtime;
  const std::unique_ptr<tls::ServerContext> context;
  const std::unique_ptr<Listener> listener;
};

Task<uint64_t> ServeHandshakes(Server* server) {
  for (uint64_t count = 0;; ++count) {
    std::unique_ptr<TlsStream> stream = co_await server->Accept();
    std::byte goodbye;
    bool last = false;
    while (Must(co_await stream->Read(std::span(&goodbye, 1))) > 0) last = true;
    Must(co_await stream->CloseOrderly());
    if (last) co_return count;
  }
}

Task<void> Hold(std::unique_ptr<TlsStream> stream) {
  std::byte none;
  FAULTLINE_CHECK(Must(co_await stream->Read(std::span(&none, 1))) == 0) << "it speaks";
  Must(co_await stream->CloseOrderly());
}

Task<uint64_t> ServeIdle(Server* server, const Load* load) {
  Scope scope(co_await ThisTask());
  for (size_t i = 0; i < load->connections; ++i) scope.Spawn(Hold(co_await server->Accept()));
  co_await scope.Join();
  co_return load->connections;
}

Task<uint64_t> ServeOne(Server* server, const Load* load) {
  Counter counter(*load);
  std::unique_ptr<TlsStream> stream = co_await server->Accept();
  co_await ServeBytes(stream.get(), load, &counter);
  Must(co_await stream->CloseOrderly());
  co_return counter.messages();
}

Task<void> ServeLoad(Runtime runtime, Endpoint listen, const Load* load, const Announce* announce,
                     uint64_t* count) {
  Server server(runtime, listen);
  (*announce)(server.listener->local_address().port());
  switch (load->shape) {
    case Shape::kHandshakes:
      *count = co_await ServeHandshakes(&server);
      break;
    case Shape::kIdle:
      *count = co_await ServeIdle(&server, load);
      break;
    default:
      *count = co_await ServeOne(&server, load);
  }
}

// --- Client ---

struct Client {
  Client(const Runtime& runtime_of_it, const Endpoint& server_to_reach)
      : runtime(runtime_of_it),
        server(server_to_reach),
        context(Must(tls::ClientContext::Create(EnvironmentOf(runtime),
                                                {.roots_pem = TheCredentials().root_pem}))) {}

  Task<std::unique_ptr<TlsStream>> Connect() {
    std::unique_ptr<Stream> below = Must(co_await runtime.network->Connect(server, {}));
    co_return Must(co_await tls::ClientHandshake(std::move(below), context.get(), runtime.buffers,
                                                 kServerName));
  }

  const Runtime runtime;
  const Endpoint server;
  const std::unique_ptr<tls::ClientContext> context;
};

Task<uint64_t> DriveHandshakes(Client* client, const KeepGoing* keep_going) {
  uint64_t count = 0;
  do {
    std::unique_ptr<TlsStream> stream = co_await client->Connect();
    Must(co_await stream->CloseOrderly());
    ++count;
  } while ((*keep_going)());
  std::unique_ptr<TlsStream> last = co_await client->Connect();
  const std::byte goodbye{};
  Must(co_await WriteAll(last.get(), std::span(&goodbye, 1)));
  Must(co_await last->CloseOrderly());
  co_return count;
}

Task<uint64_t> DriveIdle(Client* client, const KeepGoing* keep_going) {
  std::vector<std::unique_ptr<TlsStream>> streams;
  do {
    streams.push_back(co_await client->Connect());
  } while ((*keep_going)());
  for (std::unique_ptr<TlsStream>& stream : streams) Must(co_await stream->CloseOrderly());
  co_return streams.size();
}

Task<uint64_t> DriveOne(Client* client, const Load* load, const KeepGoing* keep_going) {
  std::unique_ptr<TlsStream> stream = co_await client->Connect();
  const uint64_t sent = co_await DriveBytes(stream.get(), load, keep_going);
  Must(stream->ShutdownWrite());
  co_await DropRest(stream.get());
  Must(co_await stream->CloseOrderly());
  co_return sent;
}

Task<void> DriveLoad(Runtime runtime, Endpoint server, const Load* load,
                     const KeepGoing* keep_going, uint64_t* sent) {
  Client client(runtime, server);
  switch (load->shape) {
    case Shape::kHandshakes:
      *sent = co_await DriveHandshakes(&client, keep_going);
      break;
    case Shape::kIdle:
      *sent = co_await DriveIdle(&client, keep_going);
      break;
    default:
      *sent = co_await DriveOne(&client, load, keep_going);
  }
}

}  // namespace

const OurTransport kTlsTransport = {&ServeLoad, &DriveLoad};
const Contestant kFaultlineTls = MakeContestant<{&ServeLoad, &DriveLoad}>("faultline");

}  // namespace faultline::bench
