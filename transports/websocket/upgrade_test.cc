// Goal: only a right upgrade makes a connection, on both sides; a wrong, refused, slow or endless
// one ends in time with the right answer, and keeps nobody else waiting. Method: raw requests
// against a listener and raw answers against a connector, in both worlds.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "runtime/combine.h"
#include "runtime/errors.h"
#include "runtime/stream_io.h"
#include "transports/message/frame_error.h"
#include "transports/testing/samples.h"
#include "transports/websocket/testing/worlds.h"

namespace faultline::websocket::testing {
namespace {

using message::IsConnectionClosed;

struct Head {
  std::string method = "GET";
  std::string path = "/";
  std::string http = "HTTP/1.1";
  std::string upgrade = "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n";
  std::string key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  std::string version = "Sec-WebSocket-Version: 13\r\n";
  std::string host = "Host: localhost\r\n";
  std::string more{};
};

std::string RequestOf(const Head& head) {
  return head.method + " " + head.path + " " + head.http + "\r\n" + head.host + head.upgrade +
         head.key + head.version + head.more + "\r\n";
}

std::span<const std::byte> Bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

Task<void> KeepAll(Stream* stream, Context* context) {
  std::array<std::byte, 512> buffer{};
  for (;;) {
    absl::StatusOr<size_t> read = co_await stream->Read(buffer);
    context->raw_end = read.status();
    if (!read.ok() || *read == 0) co_return;
    context->raw.append(reinterpret_cast<const char*>(buffer.data()), *read);
  }
}

// Sends `wire` from the start, keeps what comes until the end, then connects in earnest.
Task<void> RequestThenConnect(Environment environment, Runtime runtime, Context* context) {
  auto stream = co_await runtime.network->Connect(context->address, {});
  FAULTLINE_CHECK(stream.ok()) << stream.status();
  (void)co_await WriteAll(stream->get(), Bytes(context->wire));
  co_await KeepAll(stream->get(), context);
  (void)(*stream)->Close();
  Connection connection = co_await ConnectOne(environment, runtime, context);
  context->sent = connection.Close();
}

// One answer, and whole; the server is as good as before.
void ExpectAnswerTo(const std::string& request, const std::string& answer, const std::string& why,
                    const Context& start = {}) {
  SCOPED_TRACE(request.substr(0, 1000));
  Context context = start;
  context.wire = request;
  InBothWorlds(
      ReadingServer, RequestThenConnect,
      [&](const Context& done) {
        EXPECT_EQ(done.raw.substr(0, done.raw.find("\r\n")), "HTTP/1.1 " + answer) << done.raw;
        EXPECT_EQ(done.raw.find("\r\n\r\n") + 4, done.raw.size()) << done.raw;
        EXPECT_TRUE(done.raw_end.ok()) << done.raw_end;
        EXPECT_TRUE(IsConnectionClosed(done.server_end)) << done.server_end;
        ASSERT_EQ(done.failures.all.size(), 1u);
        EXPECT_NE(done.failures.all[0].message().find(why.c_str()), absl::string_view::npos)
            << done.failures.all[0];
      },
      context);
}

void ExpectAnswer(const Head& head, const std::string& answer, const std::string& why,
                  const Context& start = {}) {
  ExpectAnswerTo(RequestOf(head), answer, why, start);
}

TEST(WebSocketUpgrade, WrongRequestsAreRefused) {
  ExpectAnswer({.upgrade = ""}, "400 Bad Request", "not an upgrade");
  ExpectAnswer({.upgrade = "Upgrade: websocket\r\n"}, "400 Bad Request", "not an upgrade");
  ExpectAnswer({.upgrade = "Connection: Upgrade\r\n"}, "400 Bad Request", "not an upgrade");
  for (const char* other : {"h2c", "TLS/1.3", "websocketz", "web"}) {
    ExpectAnswer({.upgrade = std::string("Upgrade: ") + other + "\r\nConnection: Upgrade\r\n"},
                 "400 Bad Request", "not an upgrade");
  }
  ExpectAnswer({.key = ""}, "400 Bad Request", "not a key");
  ExpectAnswer({.key = "Sec-WebSocket-Key: dGhl\r\n"}, "400 Bad Request", "not a key");
  ExpectAnswer({.key = "Sec-WebSocket-Key: no base 64!\r\n"}, "400 Bad Request", "not a key");
  ExpectAnswer({.version = ""}, "426 Upgrade Required", "other than 13");
  ExpectAnswer({.version = "Sec-WebSocket-Version: 8\r\n"}, "426 Upgrade Required",
               "other than 13");
  ExpectAnswer({.host = ""}, "400 Bad Request", "no host");
  ExpectAnswer({.http = "HTTP/1.0"}, "400 Bad Request", "not HTTP/1.1");
  ExpectAnswer({.method = "POST"}, "405 Method Not Allowed", "other than GET");
  ExpectAnswer({.more = "Sec-WebSocket-Protocol: chat\r\n"}, "400 Bad Request", "no subprotocols");
}

// For CONNECT the engine would call what this platform has not, and end the program.
TEST(WebSocketUpgrade, OtherMethodsAreRefused) {
  for (const char* method : {"CONNECT", "PUT", "OPTIONS", "HEAD", "PATCH", "DELETE", "get", "X"}) {
    SCOPED_TRACE(method);
    Context context;
    context.wire = RequestOf({.method = method});
    InBothWorlds(
        ReadingServer, RequestThenConnect,
        [](const Context& done) {
          EXPECT_EQ(done.raw.rfind("HTTP/1.1 405 ", 0), 0u) << done.raw;
          EXPECT_EQ(done.raw.find("\r\n\r\n") + 4, done.raw.size()) << done.raw;
          EXPECT_TRUE(IsConnectionClosed(done.server_end)) << done.server_end;
        },
        context);
  }
}

// The engine ends a head at an empty line of line feeds alone; behind it would be bytes that passed
// nobody, or more than it takes at a time.
TEST(WebSocketUpgrade, AHeadHasOneEndForEverybody) {
  std::string bare = RequestOf({});
  bare.erase(std::remove(bare.begin(), bare.end(), '\r'), bare.end());
  const std::string frame = FrameOf("smuggled", {.masked = false});
  const std::string why = "not one of HTTP";
  for (size_t more : {0, 100, 6000}) {
    const std::string rest = frame + std::string(more, 'x') + "\r\n\r\n";
    ExpectAnswerTo(bare + rest, "400 Bad Request", why);
    std::string last = RequestOf({});
    last.replace(last.size() - 4, 4, "\r\n\n");
    ExpectAnswerTo(last + rest, "400 Bad Request", why);
    last.replace(last.size() - 3, 3, "\n\r\n");
    ExpectAnswerTo(last + rest, "400 Bad Request", why);
  }
  ExpectAnswer({.more = std::string("X: a\0b\r\n", 8)}, "400 Bad Request", why);
  ExpectAnswer({.more = "X: a\rb\r\n"}, "400 Bad Request", why);
  ExpectAnswer({.more = "X: a\r\n b\r\n"}, "400 Bad Request", why);
  ExpectAnswer({.more = "CONNECT x:80\r\n"}, "400 Bad Request", why);
  ExpectAnswer({.more = "no colon\r\n"}, "400 Bad Request", why);
  ExpectAnswer({.more = ":path: /\r\n"}, "400 Bad Request", why);
  ExpectAnswerTo("\r\n" + RequestOf({}), "400 Bad Request", why);
}

// What a client sends behind a head that is refused does not keep it from the answer.
TEST(WebSocketUpgrade, AnAnswerIsNotOvertakenByAReset) {
  ExpectAnswerTo(RequestOf({.method = "POST", .more = "Content-Length: 100000\r\n"}) +
                     std::string(100'000, 'b'),
                 "405 Method Not Allowed", "other than GET");
}

TEST(WebSocketUpgrade, OnlyThePathThatIsServed) {
  Context context;
  context.server.policy.path = "/bus";
  context.client.request.path = "/bus";
  ExpectAnswer({}, "404 Not Found", "path /", context);
  ExpectAnswer({.path = "/bus/x"}, "404 Not Found", "path /bus/x", context);
}

TEST(WebSocketUpgrade, OnlyOriginsThatAreAllowed) {
  Context context;
  context.server.policy.origins = {"https://a.example", "https://b.example"};
  context.client.request.origin = "https://B.example";
  ExpectAnswer({}, "403 Forbidden", "origin", context);
  ExpectAnswer({.more = "Origin: https://c.example\r\n"}, "403 Forbidden",
               "origin https://c.example", context);
}

// A query behind the path, header names in other cases, and headers that mean nothing here.
TEST(WebSocketUpgrade, WhatDoesNotMatterIsIgnored) {
  Context context;
  context.wire = RequestOf({.path = "/?token=x",
                            .upgrade = "upgrade: WebSocket\r\nconnection: upgrade\r\n",
                            .more = "X-Nothing: at all\r\nCookie: a=b\r\n"}) +
                 CloseFrame(1000, "", true);
  InBothWorlds([](Environment environment, Runtime runtime,
                  Context* context) { return ReadingServer(environment, runtime, context); },
               [](Environment, Runtime runtime, Context* context) -> Task<void> {
                 auto stream = co_await runtime.network->Connect(context->address, {});
                 FAULTLINE_CHECK(stream.ok()) << stream.status();
                 (void)co_await WriteAll(stream->get(), Bytes(context->wire));
                 co_await KeepAll(stream->get(), context);
                 (void)(*stream)->Close();
               },
               [](const Context& done) {
                 EXPECT_EQ(done.raw.substr(0, done.raw.find("\r\n")),
                           "HTTP/1.1 101 Switching Protocols");
                 EXPECT_TRUE(IsConnectionClosed(done.server_end)) << done.server_end;
               },
               context);
}

// --- Slow, endless and many ---

// Garbage without an empty line; the server gives up by itself.
TEST(WebSocketUpgrade, AnEndlessRequestIsCutOff) {
  ExpectAnswerTo(std::string(20'000, 'x'), "431 Request Header Fields Too Large",
                 "max_head_bytes, 8192");
}

TEST(WebSocketUpgrade, ASilentPeerIsDroppedInTime) {
  Context context;
  context.wire = "GET / HTTP/1.1\r\n";
  context.server.connection.handshake_grace = 30ms;
  InBothWorlds(
      ReadingServer, RequestThenConnect,
      [](const Context& done) {
        ASSERT_EQ(done.failures.all.size(), 1u);
        EXPECT_TRUE(absl::IsDeadlineExceeded(done.failures.all[0]));
        EXPECT_NE(done.failures.all[0].message().find("handshake_grace, 0.030"),
                  absl::string_view::npos)
            << done.failures.all[0];
        EXPECT_TRUE(IsConnectionClosed(done.server_end)) << done.server_end;
      },
      context);
}

// Silent peers stay while another is served.
Task<void> ConnectBesideSilentOnes(Environment environment, Runtime runtime, Context* context) {
  std::vector<std::unique_ptr<Stream>> silent;
  for (int i = 0; i < 5; ++i) {
    auto stream = co_await runtime.network->Connect(context->address, {});
    FAULTLINE_CHECK(stream.ok()) << stream.status();
    silent.push_back(*std::move(stream));
  }
  Connection connection = co_await ConnectOne(environment, runtime, context);
  context->sent = connection.Close();
}

TEST(WebSocketUpgrade, SilentPeersKeepNobodyWaiting) {
  InBothWorlds(ReadingServer, ConnectBesideSilentOnes, [](const Context& done) {
    EXPECT_EQ(done.failed_upgrades, 0u);  // they were still waited for
    EXPECT_TRUE(IsConnectionClosed(done.server_end)) << done.server_end;
  });
}

// No more upgrades at a time than are allowed; the others have their turn.
TEST(WebSocketUpgrade, HandshakesInFlightAreBounded) {
  Context context;
  context.server.max_handshakes = 2;
  context.server.connection.handshake_grace = 30ms;
  InBothWorlds(
      ReadingServer, ConnectBesideSilentOnes,
      [](const Context& done) {
        EXPECT_GE(done.failed_upgrades, 4u);  // two at a time, before the one that speaks
        EXPECT_TRUE(IsConnectionClosed(done.server_end)) << done.server_end;
      },
      context);
}

TEST(WebSocketUpgrade, SessionsAreBounded) {
  Context context;
  context.server.engine.max_sessions = 1;
  context.server.connection.handshake_grace = 50ms;
  context.wire = RequestOf({});
  InBothWorlds(
      [](Environment environment, Runtime runtime, Context* context) -> Task<void> {
        Listener listener = ListenAt(environment, runtime, context);
        auto held = co_await listener.Accept();
        FAULTLINE_CHECK(held.ok()) << held.status();
        // The one that has the place keeps it until the other was refused.
        while (listener.failed_upgrades() == 0) (void)co_await runtime.clock->SleepFor(1ms);
        context->failed_upgrades = listener.failed_upgrades();
        context->server_end = held->Close();
      },
      [](Environment environment, Runtime runtime, Context* context) -> Task<void> {
        Connection connection = co_await ConnectOne(environment, runtime, context);
        Connector second(environment, runtime.network, context->client);
        auto refused = co_await second.Connect(context->address);
        context->client_end = refused.status();
        context->sent = connection.Close();
      },
      [](const Context& done) {
        ASSERT_EQ(done.failures.all.size(), 1u);
        EXPECT_TRUE(absl::IsResourceExhausted(done.failures.all[0])) << done.failures.all[0];
        EXPECT_NE(done.failures.all[0].message().find("max_sessions"), absl::string_view::npos);
        EXPECT_NE(done.client_end.message().find("503"), absl::string_view::npos)
            << done.client_end;
      },
      context);
}

// --- A client ---

// Answers whatever is asked with `wire`, then waits for the end.
Task<void> AnsweringServer(Environment, Runtime runtime, Context* context) {
  auto listener = runtime.network->Listen(context->listen, {});
  FAULTLINE_CHECK(listener.ok()) << listener.status();
  if (context->address == Endpoint()) context->address = (*listener)->local_address();
  auto stream = co_await (*listener)->Accept();
  FAULTLINE_CHECK(stream.ok()) << stream.status();
  if (!context->wire.empty()) (void)co_await WriteAll(stream->get(), Bytes(context->wire));
  co_await KeepAll(stream->get(), context);
}

Task<void> RefusedClient(Environment environment, Runtime runtime, Context* context) {
  Connector connector(environment, runtime.network, context->client);
  auto connected = co_await connector.Connect(context->address);
  context->client_end = connected.status();
}

void ExpectClientRefuses(const std::string& answer, const std::string& why,
                         absl::StatusCode code = absl::StatusCode::kInvalidArgument) {
  SCOPED_TRACE(answer.substr(0, 1000));
  Context context;
  context.wire = answer;
  InBothWorlds(
      AnsweringServer, RefusedClient,
      [&](const Context& done) {
        EXPECT_EQ(done.client_end.code(), code) << done.client_end;
        EXPECT_NE(done.client_end.message().find(why.c_str()), absl::string_view::npos)
            << done.client_end;
      },
      context);
}

TEST(WebSocketUpgrade, AClientTakesOnlyARightAnswer) {
  const std::string accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
  const std::string upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
  ExpectClientRefuses("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "404 Not Found");
  ExpectClientRefuses("HTTP/1.1 301 Moved\r\nLocation: ws://x.example/\r\n\r\n", "301 Moved");
  ExpectClientRefuses("HTTP/1.1 200 OK\r\n" + upgrade + accept + "\r\n", "200 OK");
  ExpectClientRefuses("HTTP/1.1 101 Switching Protocols\r\n" + upgrade + "\r\n", "ACCEPT");
  ExpectClientRefuses("HTTP/1.1 101 Switching Protocols\r\n" + upgrade + accept + "\r\n",
                      "Accept hash");
  ExpectClientRefuses(
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n" + accept + "\r\n", "UPGRADE");
  ExpectClientRefuses("SSH-2.0-OpenSSH\r\n\r\n", "SSH-2.0-OpenSSH");
  const std::string right = upgrade + accept;
  std::string bare = "HTTP/1.1 101 Switching Protocols\n" + right + "\n";
  bare.erase(std::remove(bare.begin(), bare.end(), '\r'), bare.end());
  for (size_t more : {0, 6000}) {
    ExpectClientRefuses(bare + std::string(more, 'x') + "\r\n\r\n", "not one of HTTP");
  }
  ExpectClientRefuses(std::string(20'000, 'x'), "max_head_bytes",
                      absl::StatusCode::kResourceExhausted);
}

// Answers rightly, and with one header more.
Task<void> ExtendingServer(Environment environment, Runtime runtime, Context* context) {
  auto listener = runtime.network->Listen(context->listen, {});
  FAULTLINE_CHECK(listener.ok()) << listener.status();
  if (context->address == Endpoint()) context->address = (*listener)->local_address();
  auto stream = co_await (*listener)->Accept();
  FAULTLINE_CHECK(stream.ok()) << stream.status();
  std::array<std::byte, 1> byte{};
  while (!context->raw.ends_with("\r\n\r\n")) {
    EXPECT_TRUE((co_await ReadExactly(stream->get(), byte)).ok());
    context->raw.push_back(static_cast<char>(byte[0]));
  }
  Engine engine(environment.clock, environment.entropy, {});
  Session session(&engine);
  UpgradePolicy policy;
  session.BeginServer(&policy);
  EXPECT_TRUE(session.Upgrade(Bytes(context->raw)).ok());
  std::string answer = *session.output();
  answer.insert(answer.size() - 2, context->wire);
  (void)co_await WriteAll(stream->get(), Bytes(answer));
  co_await KeepAll(stream->get(), context);
}

TEST(WebSocketUpgrade, WhatWasNotAskedForIsRefused) {
  for (const char* header :
       {"Sec-WebSocket-Extensions: permessage-deflate\r\n", "Sec-WebSocket-Protocol: chat\r\n"}) {
    Context context;
    context.wire = header;
    InBothWorlds(
        ExtendingServer, RefusedClient,
        [](const Context& done) {
          EXPECT_TRUE(absl::IsInvalidArgument(done.client_end)) << done.client_end;
        },
        context);
  }
}

TEST(WebSocketUpgrade, AClientGivesUpInTime) {
  Context context;
  context.client.connection.handshake_grace = 30ms;
  InBothWorlds(
      AnsweringServer, RefusedClient,
      [](const Context& done) {
        EXPECT_TRUE(absl::IsDeadlineExceeded(done.client_end)) << done.client_end;
        EXPECT_NE(done.client_end.message().find("handshake_grace"), absl::string_view::npos);
        EXPECT_EQ(done.raw.substr(0, 16), "GET / HTTP/1.1\r\n");
        // Nothing else was asked for: the peer is named by its address.
        EXPECT_NE(done.raw.find("\r\nHost: " + done.address.ToString() + "\r\n"), std::string::npos)
            << done.raw;
      },
      context);
}

TEST(WebSocketUpgrade, ARequestIsCheckedBeforeItIsSent) {
  for (const std::string& path :
       {std::string("/ HTTP/1.1\r\nX: y"), std::string("/a b"), std::string(200, '/')}) {
    Context context;
    context.client.request.path = path;
    context.client.connection.handshake_grace = 1s;
    InBothWorlds(
        AnsweringServer, RefusedClient,
        [](const Context& done) {
          EXPECT_TRUE(absl::IsInvalidArgument(done.client_end)) << done.client_end;
          EXPECT_EQ(done.raw, "");
        },
        context);
  }
}

// --- The listener ---

Task<void> StoppedListener(Environment environment, Runtime runtime, Context* context) {
  Listener listener = ListenAt(environment, runtime, context);
  auto accepted = co_await Deadline(runtime.clock, runtime.clock->Now() + 1ms, listener.Accept());
  context->server_end = accepted.status();
  EXPECT_TRUE(listener.Close().ok());
  auto refused = co_await listener.Accept();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused.status())) << refused.status();
}

Task<void> LateClient(Environment environment, Runtime runtime, Context* context) {
  (void)co_await runtime.clock->SleepFor(50ms);
  co_await RefusedClient(environment, runtime, context);
}

TEST(WebSocketUpgrade, AClosedListenerRefuses) {
  InBothWorlds(StoppedListener, LateClient, [](const Context& done) {
    EXPECT_TRUE(absl::IsDeadlineExceeded(done.server_end)) << done.server_end;
    EXPECT_EQ(ErrnoOf(done.client_end), ECONNREFUSED) << done.client_end;
  });
}

}  // namespace
}  // namespace faultline::websocket::testing
