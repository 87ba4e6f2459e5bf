// One end of a WebSocket connection, for tests against other implementations.
//
//   peer --listen [--path=/bus]      prints "port N", serves one connection: sends back every
//   message peer --connect=127.0.0.1:N --count=100
//                                    sends so many messages, wants each of them back, in order
//
// Prints how the connection ended; exits with 0 if that was a close frame, and nothing was lost.

#include <charconv>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/epoll/loop.h"
#include "runtime/scope.h"
#include "transports/message/frame_error.h"
#include "transports/testing/samples.h"
#include "transports/websocket/websocket.h"

namespace faultline::websocket {
namespace {

constexpr size_t kMax = size_t{1} << 20;

struct Flags {
  bool listen = false;
  std::string connect;
  std::string path = "/";
  uint64_t count = 100;
};

bool TakeFlag(std::string_view argument, std::string_view name, std::string* out) {
  if (!argument.starts_with(name)) return false;
  *out = std::string(argument.substr(name.size()));
  return true;
}

Flags FlagsOf(int argc, char** argv) {
  Flags flags;
  std::string count;
  for (int i = 1; i < argc; ++i) {
    std::string_view argument = argv[i];
    if (argument == "--listen") flags.listen = true;
    (void)(TakeFlag(argument, "--connect=", &flags.connect) ||
           TakeFlag(argument, "--path=", &flags.path) || TakeFlag(argument, "--count=", &count));
  }
  if (!count.empty()) (void)std::from_chars(count.data(), count.data() + count.size(), flags.count);
  return flags;
}

Task<absl::Status> SendBack(Connection* connection) {
  FrozenBatch batch;
  for (;;) {
    absl::StatusOr<message::Message> message = co_await connection->ReadMessage(kMax);
    if (!message.ok()) co_return message.status();
    batch.Add(message->frozen());
    absl::Status sent = co_await connection->SendBatch(&batch);
    if (!sent.ok()) co_return sent;
  }
}

size_t BodyOf(uint64_t tag) { return tag % 10 == 0 ? 100'000 : tag * 7; }

Task<absl::Status> SendAll(Connection* connection, BufferPool* pool, uint64_t count) {
  for (uint64_t tag = 1; tag <= count; ++tag) {
    FrozenBatch batch;
    batch.Add(faultline::testing::Sample(pool, tag, BodyOf(tag)).frozen());
    absl::Status sent = co_await connection->SendBatch(&batch);
    if (!sent.ok()) co_return sent;
    absl::StatusOr<message::Message> message = co_await connection->ReadMessage(kMax);
    if (!message.ok()) co_return message.status();
    if (faultline::testing::TagOf(*message) != tag) co_return absl::DataLossError("a wrong answer");
  }
  co_return message::ConnectionClosed();
}

Task<absl::StatusOr<Connection>> Open(Environment environment, Runtime runtime, Flags flags) {
  if (!flags.listen) {
    absl::StatusOr<Endpoint> peer = Endpoint::Parse(flags.connect);
    if (!peer.ok()) co_return peer.status();
    Connector connector(environment, runtime.network,
                        {.request = {.host = flags.connect, .path = flags.path}});
    co_return co_await connector.Connect(*peer);
  }
  auto listener = Listener::Listen(environment, runtime.network, Endpoint::Ipv4Loopback(0),
                                   {.policy = {.path = flags.path}});
  if (!listener.ok()) co_return listener.status();
  printf("port %d\n", listener->local_address().port());
  fflush(stdout);
  co_return co_await listener->Accept();
}

Task<void> Run(Runtime runtime, Flags flags, absl::Status* end) {
  Scope scope(co_await ThisTask());
  Environment environment{runtime.clock, runtime.entropy, runtime.buffers, &scope};
  absl::StatusOr<Connection> connection = co_await Open(environment, runtime, flags);
  *end = connection.status();
  if (connection.ok()) {
    *end = co_await (flags.listen ? SendBack(&*connection)
                                  : SendAll(&*connection, runtime.buffers, flags.count));
    (void)connection->Close();
  }
  co_await scope.Join();
}

}  // namespace
}  // namespace faultline::websocket

int main(int argc, char** argv) {
  auto loop = faultline::epoll::Loop::Create({});
  if (!loop.ok()) return 2;
  absl::Status end;
  (*loop)->Run(faultline::websocket::Run((*loop)->runtime(),
                                         faultline::websocket::FlagsOf(argc, argv), &end));
  printf("end %s\n", end.ToString().c_str());
  return faultline::message::IsConnectionClosed(end) ? 0 : 1;
}
