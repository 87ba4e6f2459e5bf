// One end of a connection by URL, for tests against other implementations.
//
//   peer --write=FOLDER               a self-signed certificate of 127.0.0.1, its key and two
//   messages:
//                                     certificate.pem, key.pem, small, large
//   peer --listen=URL --files=FOLDER [--connections=N]
//                                     prints "port P"; sends back every message of N connections,
//                                     one after the other
//   peer --connect=URL --files=FOLDER --count=N
//                                     sends N messages, wants each of them back, in order
//
// Prints how each connection ended; exits with 0 if all of them ended in order, and nothing was
// lost.

#include <charconv>
#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/epoll/loop.h"
#include "runtime/scope.h"
#include "transports/any/open.h"
#include "transports/message/frame_error.h"
#include "transports/testing/samples.h"
#include "transports/tls/certificate.h"

namespace faultline::any {
namespace {

constexpr size_t kMax = size_t{1} << 20;
constexpr size_t kSmall = 300;
constexpr size_t kLarge = 300'000;

using Flags = std::map<std::string, std::string>;

Flags FlagsOf(int argc, char** argv) {
  Flags flags;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const size_t equals = argument.find('=');
    if (!argument.starts_with("--") || equals == std::string_view::npos) continue;
    flags[std::string(argument.substr(2, equals - 2))] = argument.substr(equals + 1);
  }
  return flags;
}

uint64_t NumberIn(const std::string& text, uint64_t otherwise) {
  (void)std::from_chars(text.data(), text.data() + text.size(), otherwise);
  return otherwise;
}

std::string Load(const std::string& path) {
  std::ostringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  return content.str();
}

void Store(const std::string& path, std::string_view content) {
  std::ofstream(path, std::ios::binary).write(content.data(), std::ssize(content));
}

absl::Status WriteFiles(const Runtime& runtime, const std::string& folder) {
  absl::StatusOr<tls::Identity> identity =
      tls::SelfSigned({runtime.entropy, runtime.clock}, {.names = {"127.0.0.1", "localhost"}});
  if (!identity.ok()) return identity.status();
  Store(folder + "/certificate.pem", identity->certificate_chain_pem);
  Store(folder + "/key.pem", identity->private_key_pem);
  for (size_t size : {kSmall, kLarge}) {
    const message::Message message = testing::Sample(runtime.buffers, size, size);
    const std::span<const std::byte> bytes = message.frozen().bytes();
    Store(folder + (size == kSmall ? "/small" : "/large"),
          {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
  return message::ConnectionClosed();
}

Task<absl::Status> SendBack(Connection connection) {
  auto [reader, writer] = std::move(connection).Split();
  FrozenBatch batch;
  for (;;) {
    absl::StatusOr<message::Message> message = co_await reader.ReadMessage(kMax);
    if (!message.ok()) {
      (void)writer.FinishWrites();
      co_return message.status();
    }
    batch.Add(message->frozen());
    absl::Status sent = co_await writer.SendBatch(&batch);
    if (!sent.ok()) co_return sent;
  }
}

size_t BodyOf(uint64_t tag) { return tag % 10 == 0 ? 100'000 : tag * 7; }

Task<absl::Status> SendAll(Connection connection, BufferPool* pool, uint64_t count) {
  auto [reader, writer] = std::move(connection).Split();
  for (uint64_t tag = 1; tag <= count; ++tag) {
    FrozenBatch batch;
    batch.Add(testing::Sample(pool, tag, BodyOf(tag)).frozen());
    absl::Status sent = co_await writer.SendBatch(&batch);
    if (!sent.ok()) co_return sent;
    absl::StatusOr<message::Message> message = co_await reader.ReadMessage(kMax);
    if (!message.ok()) co_return message.status();
    if (testing::TagOf(*message) != tag) co_return absl::DataLossError("a wrong answer");
  }
  absl::Status finished = writer.FinishWrites();
  if (!finished.ok()) co_return finished;
  co_return (co_await reader.ReadMessage(kMax)).status();
}

absl::Status Report(const absl::Status& end) {
  printf("end %s\n", end.ToString().c_str());
  fflush(stdout);
  return end;
}

// The first end that is not in order, if there is one.
Task<absl::Status> Serve(const Environment* environment, Url url, Options options,
                         uint64_t connections) {
  absl::StatusOr<Listener> listener = Listen(*environment, url, options);
  if (!listener.ok()) co_return listener.status();
  printf("port %d\n", listener->local_address().port());
  fflush(stdout);
  absl::Status result = message::ConnectionClosed();
  for (; connections > 0; --connections) {
    absl::StatusOr<Connection> connection = co_await listener->Accept();
    if (!connection.ok()) co_return connection.status();
    absl::Status end = Report(co_await SendBack(*std::move(connection)));
    if (message::IsConnectionClosed(result)) result = end;
  }
  co_return result;
}

Task<absl::Status> Ask(const Environment* environment, Url url, Options options, uint64_t count) {
  absl::StatusOr<Connector> connector = MakeConnector(*environment, url, options);
  if (!connector.ok()) co_return connector.status();
  absl::StatusOr<Connection> connection = co_await connector->Connect(url.address);
  if (!connection.ok()) co_return Report(connection.status());
  co_return Report(co_await SendAll(*std::move(connection), environment->runtime.buffers, count));
}

Task<absl::Status> RunUrl(Runtime runtime, Flags flags) {
  const bool listens = flags.contains("listen");
  absl::StatusOr<Url> url = ParseUrl(flags[listens ? "listen" : "connect"]);
  if (!url.ok()) co_return url.status();
  SecurityOptions wanted;
  wanted.identity = {.certificate_chain_pem = Load(flags["files"] + "/certificate.pem"),
                     .private_key_pem = Load(flags["files"] + "/key.pem")};
  wanted.roots_pem = wanted.identity.certificate_chain_pem;
  absl::StatusOr<std::unique_ptr<Security>> security = Security::Create(runtime, wanted);
  if (!security.ok()) co_return security.status();
  Scope scope(co_await ThisTask());
  const Environment environment{runtime, &scope};
  Options options;
  options.security = security->get();
  absl::Status end;
  if (listens) {
    end = co_await Serve(&environment, *url, options, NumberIn(flags["connections"], 1));
  } else {
    end = co_await Ask(&environment, *url, options, NumberIn(flags["count"], 100));
  }
  co_await scope.Join();
  co_await (*security)->Drain();
  co_return end;
}

Task<void> Run(Runtime runtime, Flags flags, absl::Status* end) {
  if (flags.contains("write")) {
    *end = WriteFiles(runtime, flags["write"]);
  } else {
    *end = co_await RunUrl(runtime, flags);
  }
}

}  // namespace
}  // namespace faultline::any

int main(int argc, char** argv) {
  auto loop = faultline::epoll::Loop::Create({});
  if (!loop.ok()) return 2;
  absl::Status end;
  (*loop)->Run(faultline::any::Run((*loop)->runtime(), faultline::any::FlagsOf(argc, argv), &end));
  if (faultline::message::IsConnectionClosed(end)) return 0;
  fprintf(stderr, "%s\n", end.ToString().c_str());
  return 1;
}
