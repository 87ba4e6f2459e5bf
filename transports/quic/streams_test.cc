// Goal: a session carries as many streams as both ends agree on, each with an end of its own; what
// a peer does with streams costs a bounded amount, and is told to whoever waits for it. Method:
// servers and clients of sessions and streams, without the message bus, in both worlds.

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/check.h"
#include "runtime/errors.h"
#include "runtime/scope.h"
#include "transports/quic/quic.h"
#include "transports/quic/session_callbacks.h"
#include "transports/quic/testing/fixture.h"

namespace faultline::quic {
namespace {

using testing::Context;
using testing::InBothWorlds;
using testing::NewContext;
using testing::Place;
using testing::UntilClientDone;

constexpr size_t kWindow = 20'000;

bool Says(const absl::Status& status, std::string_view word) {
  return std::string(status.message()).find(word) != std::string::npos;
}

Hub::Use ServerHub(const Place& place, Context* context) {
  auto hub = Hub::Start(place.surroundings, Hub::Role::kServer, context->listen, context->server);
  FAULTLINE_CHECK(hub.ok()) << hub.status();
  if (context->address == Endpoint()) context->address = (*hub)->local_address();
  return *std::move(hub);
}

Task<SessionHandle> AcceptSession(const Hub::Use* hub) {
  auto ready = co_await (*hub)->Accept();
  FAULTLINE_CHECK(ready.ok()) << ready.status();
  co_return SessionHandle(hub->Again(), *std::move(ready));
}

Task<SessionHandle> ConnectSession(Place place, Context* context) {
  auto hub =
      Hub::Start(place.surroundings, Hub::Role::kClient, Endpoint::Ipv4Any(0), context->client);
  FAULTLINE_CHECK(hub.ok()) << hub.status();
  while (context->address == Endpoint()) (void)co_await place.runtime.clock->SleepFor(1ms);
  SessionHandle session(hub->Again(), *(*hub)->Connect(context->address));
  EXPECT_TRUE((co_await session.Settled()).ok());
  co_return session;
}

Task<std::unique_ptr<Stream>> AcceptOneStream(SessionHandle* session) {
  auto stream = co_await session->AcceptStream();
  FAULTLINE_CHECK(stream.ok()) << stream.status();
  co_return *std::move(stream);
}

// Until something is wrong.
Task<absl::Status> WriteForEver(Stream* stream) {
  std::vector<std::byte> bytes(10'000);
  for (;;) {
    auto taken = co_await stream->Write(bytes);
    if (!taken.ok()) co_return taken.status();
  }
}

// --- Many streams ---

Task<absl::Status> EchoStream(Stream* stream) {
  std::vector<std::byte> buffer(5000);
  for (;;) {
    auto got = co_await stream->Read(buffer);
    if (!got.ok()) co_return got.status();
    if (*got == 0) co_return stream->ShutdownWrite();
    std::span<const std::byte> left(buffer.data(), *got);
    while (!left.empty()) {
      auto written = co_await stream->Write(left);
      if (!written.ok()) co_return written.status();
      left = left.subspan(*written);
    }
  }
}

Task<void> EchoAndClose(std::unique_ptr<Stream> stream) {
  EXPECT_TRUE((co_await EchoStream(stream.get())).ok());
  EXPECT_TRUE(stream->Close().ok());
}

Task<void> StreamServer(Place place, Context* context) {
  Hub::Use hub = ServerHub(place, context);
  SessionHandle session = co_await AcceptSession(&hub);
  Scope scope(co_await ThisTask());
  for (;;) {
    auto stream = co_await session.AcceptStream();
    if (!stream.ok()) {
      context->server_end = stream.status();
      break;
    }
    ++context->count;
    scope.Spawn(EchoAndClose(*std::move(stream)));
  }
  co_await scope.Join();
  hub->StopAccepting();
}

Task<void> OneStream(SessionHandle* session, size_t size, size_t* echoed) {
  auto stream = session->OpenStream();
  FAULTLINE_CHECK(stream.ok()) << stream.status();
  std::vector<std::byte> out(size, std::byte{42});
  std::span<const std::byte> left(out);
  std::vector<std::byte> in(5000);
  while (!left.empty()) {
    auto written = co_await (*stream)->Write(left);
    FAULTLINE_CHECK(written.ok()) << written.status();
    left = left.subspan(*written);
  }
  EXPECT_TRUE((*stream)->ShutdownWrite().ok());
  for (;;) {
    auto got = co_await (*stream)->Read(in);
    EXPECT_TRUE(got.ok()) << got.status();
    if (!got.ok() || *got == 0) break;
    *echoed += *got;
  }
  EXPECT_TRUE((*stream)->Close().ok());
}

constexpr size_t kStreams = 8;

Task<void> StreamClient(Place place, Context* context) {
  SessionHandle session = co_await ConnectSession(place, context);
  std::vector<size_t> echoed(kStreams);
  Scope scope(co_await ThisTask());
  for (size_t i = 0; i < kStreams; ++i) {
    scope.Spawn(OneStream(&session, 1000 * (i + 1) * (i + 1), &echoed[i]));
  }
  co_await scope.Join();
  for (size_t i = 0; i < kStreams; ++i) EXPECT_EQ(echoed[i], 1000 * (i + 1) * (i + 1));
  session.Close();
}

TEST(QuicStreams, ManyStreamsShareASession) {
  Context context = NewContext();
  context.server.transport.max_peer_streams = kStreams;
  InBothWorlds(
      StreamServer, StreamClient,
      [](const Context& context) {
        EXPECT_EQ(context.count, kStreams);
        EXPECT_EQ(CloseCodeOf(context.server_end), CloseCode::kDone) << context.server_end;
      },
      context);
}

Task<void> GreedyClient(Place place, Context* context) {
  SessionHandle session = co_await ConnectSession(place, context);
  std::vector<std::unique_ptr<Stream>> held;
  for (;;) {
    auto stream = session.OpenStream();
    context->client_end = stream.status();
    if (!stream.ok()) break;
    held.push_back(*std::move(stream));
  }
  context->answers.push_back(held.size());
  held.clear();
  session.Abort();
}

TEST(QuicStreams, StreamsAreBoundedByThePeer) {
  Context context = NewContext();
  context.server.transport.max_peer_streams = 3;
  InBothWorlds(
      StreamServer, GreedyClient,
      [](const Context& context) {
        EXPECT_EQ(context.answers, std::vector<uint64_t>{3});
        EXPECT_TRUE(absl::IsResourceExhausted(context.client_end)) << context.client_end;
        EXPECT_TRUE(Says(context.client_end, "max_peer_streams")) << context.client_end;
        EXPECT_EQ(CloseCodeOf(context.server_end), CloseCode::kAborted) << context.server_end;
      },
      context);
}

// Opens streams and drops them, as fast as it is allowed to.
Task<void> RestlessClient(Place place, Context* context) {
  SessionHandle session = co_await ConnectSession(place, context);
  for (int round = 0; round < 200; ++round) {
    auto stream = session.OpenStream();
    if (stream.ok()) {
      ++context->count;
      const std::byte byte{1};
      EXPECT_TRUE((co_await (*stream)->Write({&byte, 1})).ok());
      (void)co_await place.runtime.clock->SleepFor(5ms);  // or the byte would never leave
      (*stream)->Abort();
    }
    (void)co_await place.runtime.clock->SleepFor(5ms);
  }
  context->client_done = true;
  session.Abort();
}

Task<void> DreamingServer(Place place, Context* context) {
  Hub::Use hub = ServerHub(place, context);
  SessionHandle session = co_await AcceptSession(&hub);
  co_await UntilClientDone(place.runtime.clock, context);
  hub->StopAccepting();
}

// What was opened and given up lies here until somebody accepts it. It is bounded all the same.
TEST(QuicStreams, StreamsThatNobodyAcceptsAreBounded) {
  Context context = NewContext();
  context.server.transport.max_peer_streams = 3;
  InBothWorlds(
      DreamingServer, RestlessClient, [](const Context& context) { EXPECT_EQ(context.count, 3u); },
      context);
}

Task<void> DroppingServer(Place place, Context* context) {
  Hub::Use hub = ServerHub(place, context);
  SessionHandle session = co_await AcceptSession(&hub);
  while ((co_await session.AcceptStream()).ok()) {
  }
  hub->StopAccepting();
}

TEST(QuicStreams, AStreamThatWasDroppedMakesRoomForAnother) {
  Context context = NewContext();
  context.server.transport.max_peer_streams = 3;
  InBothWorlds(
      DroppingServer, RestlessClient,
      [](const Context& context) { EXPECT_GE(context.count, 100u); }, context);
}

// --- A stream that is not read any more ---

Task<void> StoppingServer(Place place, Context* context) {
  Hub::Use hub = ServerHub(place, context);
  SessionHandle session = co_await AcceptSession(&hub);
  std::unique_ptr<Stream> unread = co_await AcceptOneStream(&session);
  std::unique_ptr<Stream> stream = co_await AcceptOneStream(&session);
  (void)co_await place.runtime.clock->SleepFor(50ms);  // by now the writer waits
  if (context->count == 0) {
    stream->Abort();
  } else {
    EXPECT_TRUE(stream->Close().ok());
  }
  auto next = co_await session.AcceptStream();  // the session has not ended
  EXPECT_TRUE(next.ok()) << next.status();
  co_await UntilClientDone(place.runtime.clock, context);
  hub->StopAccepting();
}

Task<void> BlockedClient(Place place, Context* context) {
  SessionHandle session = co_await ConnectSession(place, context);
  auto unread = session.OpenStream();
  FAULTLINE_CHECK(unread.ok()) << unread.status();
  std::vector<std::byte> bytes(kWindow);
  auto taken = co_await (*unread)->Write(bytes);
  EXPECT_EQ(taken.value_or(0), kWindow) << taken.status();
  (void)co_await place.runtime.clock->SleepFor(50ms);  // the session's window is full
  auto stream = session.OpenStream();
  FAULTLINE_CHECK(stream.ok()) << stream.status();

  context->sent = co_await WriteForEver(stream->get());
  auto next = session.OpenStream();
  FAULTLINE_CHECK(next.ok()) << next.status();
  const std::byte byte{1};
  EXPECT_TRUE((co_await (*next)->Write({&byte, 1})).ok());
  (void)co_await place.runtime.clock->SleepFor(50ms);
  context->client_done = true;
  session.Close();
}

void CheckBlocked(size_t how) {
  Context context = NewContext();
  context.count = how;
  context.server.transport.max_peer_streams = 3;
  context.server.transport.session_window_bytes = kWindow;
  context.client.transport.send_buffer_bytes = kWindow;
  context.client.transport.idle_timeout = 5s;
  InBothWorlds(
      StoppingServer, BlockedClient,
      [](const Context& context) { EXPECT_EQ(ErrnoOf(context.sent), EPIPE) << context.sent; },
      context);
}

TEST(QuicStreams, ABlockedWriterHearsThatItsPeerGaveUp) { CheckBlocked(0); }
TEST(QuicStreams, ABlockedWriterHearsThatItsPeerClosed) { CheckBlocked(1); }

// --- Closing ---

// Writes and closes at once: until that is acknowledged the session lingers.
Task<void> ClosingServer(Place place, Context* context) {
  Hub::Use hub = ServerHub(place, context);
  SessionHandle session = co_await AcceptSession(&hub);
  std::unique_ptr<Stream> stream = co_await AcceptOneStream(&session);
  std::vector<std::byte> bytes(context->count);
  auto taken = co_await stream->Write(bytes);
  EXPECT_TRUE(taken.ok() && *taken == bytes.size()) << taken.status();
  session.Close();
  EXPECT_TRUE(absl::IsFailedPrecondition(session.OpenStream().status()));
  MonotonicTime begun = place.runtime.clock->Now();
  context->server_end = (co_await session.AcceptStream()).status();
  context->answers.push_back(
      static_cast<uint64_t>((place.runtime.clock->Now() - begun) / Duration(1ms)));
  hub->StopAccepting();
}

// Has opened another stream when it hears the first word of the server.
Task<void> LateClient(Place place, Context* context) {
  SessionHandle session = co_await ConnectSession(place, context);
  auto first = session.OpenStream();
  FAULTLINE_CHECK(first.ok()) << first.status();
  std::vector<std::byte> buffer(100);
  auto got = co_await (*first)->Read(buffer);
  EXPECT_TRUE(got.ok()) << got.status();
  auto late = session.OpenStream();
  EXPECT_TRUE(late.ok()) << late.status();
  context->client_end = (co_await session.AcceptStream()).status();
}

TEST(QuicStreams, AStreamThatComesLateHoldsUpNoClose) {
  Context context = NewContext();
  context.server.transport.max_peer_streams = 2;
  context.count = 10;
  InBothWorlds(
      ClosingServer, LateClient,
      [](const Context& context) {
        EXPECT_EQ(CloseCodeOf(context.client_end), CloseCode::kDone) << context.client_end;
      },
      context);
}

// Reads nothing at all, or (if `max_message_size` is not 0) so much each 50 ms.
Task<void> SlowClient(Place place, Context* context) {
  SessionHandle session = co_await ConnectSession(place, context);
  auto stream = session.OpenStream();
  FAULTLINE_CHECK(stream.ok()) << stream.status();
  std::vector<std::byte> buffer(context->max_message_size);
  while (!buffer.empty() && session.end().ok()) {
    (void)co_await place.runtime.clock->SleepFor(50ms);
    if (!(co_await (*stream)->Read(buffer)).ok()) break;
  }
  context->client_end = (co_await session.AcceptStream()).status();
}

Context Slow(size_t bytes_a_read) {
  Context context = NewContext();
  context.count = 300'000;
  context.max_message_size = bytes_a_read;
  context.server.transport.close_grace = 200ms;
  context.client.transport.stream_window_bytes = kWindow;
  return context;
}

TEST(QuicStreams, ACloseIsBoundedByItsGrace) {
  auto check = [](const Context& context) {
    EXPECT_EQ(CloseCodeOf(context.client_end), CloseCode::kAborted) << context.client_end;
    EXPECT_TRUE(Says(context.client_end, "close_grace")) << context.client_end;
    EXPECT_GE(context.answers.front(), 200u);
    EXPECT_LE(context.answers.front(), 400u);
  };
  testing::UnderWeather(ClosingServer, SlowClient, check, Slow(0), {}, 5);
}

// As long as the peer makes progress it has more time, and ten graces in all.
TEST(QuicStreams, ASlowPeerHasTenGraces) {
  auto check = [](const Context& context) {
    EXPECT_EQ(CloseCodeOf(context.client_end), CloseCode::kAborted) << context.client_end;
    EXPECT_EQ(context.answers.front(), 2000u);
  };
  testing::UnderWeather(ClosingServer, SlowClient, check, Slow(6000), {}, 5);
}

// --- 0-RTT ---

// No tickets are given, so nobody can send early data. Were they, its bytes would be refused.
TEST(QuicEarlyData, IsRefusedWhereItWouldArrive) {
  struct Sides {
    static Task<void> Server(Place place, Context* context) {
      Hub::Use hub = ServerHub(place, context);
      auto ready = co_await hub->Accept();
      FAULTLINE_CHECK(ready.ok()) << ready.status();
      ngtcp2_callbacks table = SessionCallbackTable(/*server=*/true);
      const uint8_t byte = 1;
      EXPECT_EQ(table.recv_stream_data(nullptr, NGTCP2_STREAM_DATA_FLAG_EARLY, 0, 0, &byte, 1,
                                       ready->get(), nullptr),
                NGTCP2_ERR_CALLBACK_FAILURE);
      EXPECT_EQ(table.recv_stream_data(nullptr, 0, 0, 0, &byte, 1, ready->get(), nullptr), 0);
      SessionHandle session(hub.Again(), *std::move(ready));
      session.Abort();
      hub->StopAccepting();
    }
    static Task<void> Client(Place place, Context* context) {
      SessionHandle session = co_await ConnectSession(place, context);
      context->client_end = (co_await session.AcceptStream()).status();
    }
  };
  InBothWorlds(Sides::Server, Sides::Client, [](const Context& context) {
    EXPECT_EQ(CloseCodeOf(context.client_end), CloseCode::kAborted) << context.client_end;
  });
}

}  // namespace
}  // namespace faultline::quic
