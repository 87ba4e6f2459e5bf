// Goal: a connection ends as it should and in time, whoever ends it: close frames in both
// directions, a peer that never answers, one that never finishes, ends without a close frame,
// batches that do not get through, reads that are given up. Method: pairs of sides in both worlds;
// peers that break the rules speak raw bytes. Time limits are told by which error came, never by a
// measured time.

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
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

using faultline::testing::Sample;
using faultline::testing::TagOf;
using message::FrameError;
using message::FrameErrorOf;
using message::IsConnectionClosed;

constexpr Duration kGrace = 30ms;

Context WithGrace() {
  Context context;
  context.server.connection.close_grace = kGrace;
  context.client.connection.close_grace = kGrace;
  return context;
}

// --- Half-closes ---

// Sends one message and finishes; reads to the end, and hears when.
Task<void> AskingClient(Environment environment, Runtime runtime, Context* context) {
  Connection connection = co_await ConnectOne(environment, runtime, context);
  auto [reader, writer] = std::move(connection).Split();
  FrozenBatch batch;
  batch.Add(Sample(runtime.buffers, 1, 10).frozen());
  context->sent = co_await writer.SendBatch(&batch);
  EXPECT_TRUE(writer.FinishWrites().ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(co_await writer.SendBatch(&batch)));
  EXPECT_TRUE(absl::IsFailedPrecondition(writer.FinishWrites()));
  context->client_end = co_await ReadToEnd(&reader, &context->answers, kMax);
}

// Answers after the end of what it was asked.
Task<void> LateAnsweringServer(Environment environment, Runtime runtime, Context* context) {
  Connection connection = co_await AcceptOne(environment, runtime, context);
  auto [reader, writer] = std::move(connection).Split();
  context->server_end = co_await ReadToEnd(&reader, &context->received, kMax);
  FrozenBatch batch;
  for (uint64_t tag = 1; tag <= 3; ++tag) batch.Add(Sample(runtime.buffers, tag, 5000).frozen());
  context->sent.Update(co_await writer.SendBatch(&batch));
  EXPECT_TRUE(writer.FinishWrites().ok());
}

TEST(WebSocketClosing, AnswersAfterTheEndArrive) {
  InBothWorlds(LateAnsweringServer, AskingClient, [](const Context& done) {
    EXPECT_TRUE(done.sent.ok()) << done.sent;
    EXPECT_EQ(done.received, OneTo(1));
    EXPECT_EQ(done.answers, OneTo(3));
    EXPECT_TRUE(IsConnectionClosed(done.server_end)) << done.server_end;
    EXPECT_TRUE(IsConnectionClosed(done.client_end)) << done.client_end;
  });
}

// Reads to the end and neither finishes nor lets go for long.
Task<void> IdleServer(Environment environment, Runtime runtime, Context* context) {
  Connection connection = co_await AcceptOne(environment, runtime, context);
  auto [reader, writer] = std::move(connection).Split();
  context->server_end = co_await ReadToEnd(&reader, &context->received, kMax);
  (void)co_await runtime.clock->SleepFor(20 * kGrace);
  EXPECT_TRUE(writer.FinishWrites().ok());  // there is nothing left to do
}

TEST(WebSocketClosing, ThePeerIsAnsweredAfterCloseGrace) {
  Context context = WithGrace();
  context.client.connection.close_grace = 10 * kGrace;
  InBothWorlds(
      IdleServer, AskingClient,
      [](const Context& done) {
        EXPECT_TRUE(IsConnectionClosed(done.server_end)) << done.server_end;
        EXPECT_TRUE(IsConnectionClosed(done.client_end)) << done.client_end;
      },
      context);
}

// Both at once: neither answers, both are done.
Task<void> FinishingServer(Environment environment, Runtime runtime, Context* context) {
  Connection connection = co_await AcceptOne(environment, runtime, context);
  auto [reader, writer] = std::move(connection).Split();
  EXPECT_TRUE(writer.FinishWrites().ok());
  context->server_end = co_await ReadToEnd(&reader, &context->received, kMax);
}

TEST(WebSocketClosing, BothSidesMayFinishAtOnce) {
  InBothWorlds(FinishingServer, AskingClient, [](const Context& done) {
    EXPECT_TRUE(IsConnectionClosed(done.server_end)) << done.server_end;
    EXPECT_TRUE(IsConnectionClosed(done.client_end)) << done.client_end;
  });
}

// --- Peers that do not play their part ---

// Never answers the close frame, and never ends its stream before the other does.
TEST(WebSocketClosing, APeerThatNeverAnswersIsAborted) {
  InBothWorlds(
      FinishingServer, RawClient,
      [](const Context& done) {
        EXPECT_EQ(ErrnoOf(done.server_end), ECONNABORTED) << done.server_end;
        EXPECT_NE(done.server_end.message().find("close_grace, 0.030"), absl::string_view::npos)
            << done.server_end;
        EXPECT_EQ(CloseCodeIn(done.raw), 1000);
      },
      WithGrace());
}

TEST(WebSocketClosing, CloseIsBoundedToo) {
  InBothWorlds(
      [](Environment environment, Runtime runtime, Context* context) -> Task<void> {
        Connection connection = co_await AcceptOne(environment, runtime, context);
        context->server_end = connection.Close();
      },
      RawClient,
      [](const Context& done) {
        EXPECT_TRUE(done.server_end.ok()) << done.server_end;
        EXPECT_EQ(CloseCodeIn(done.raw), 1000);
      },
      WithGrace());
}

// What still comes after `Close` is dropped, whole messages and a torn one.
TEST(WebSocketClosing, CloseDropsWhatStillComes) {
  BufferPool pool;
  Context context = WithGrace();
  context.server.connection.close_grace = 10s;  // the peer's close frame ends it
  for (uint64_t tag = 1; tag <= 5; ++tag) context.wire += MessageFrame(&pool, tag, 40'000, {});
  context.wire += FrameOf("?", {.opcode = 9}) + CloseFrame(1000, "", true);
  InBothWorlds(
      [](Environment environment, Runtime runtime, Context* context) -> Task<void> {
        Connection connection = co_await AcceptOne(environment, runtime, context);
        context->server_end = connection.Close();
      },
      RawClient,
      [](const Context& done) {
        EXPECT_EQ(ParseFrames(done.raw).size(), 1u);  // and nothing is answered
        EXPECT_EQ(CloseCodeIn(done.raw), 1000);
      },
      context);
}

// Something wrong among it is dropped too: the end is one in order, not a reset.
TEST(WebSocketClosing, CloseDropsWhatIsWrongToo) {
  BufferPool pool;
  Context context = WithGrace();
  context.server.connection.close_grace = 10s;
  context.wire = MessageFrame(&pool, 1, 70'000, {}) + FrameOf("text", {.opcode = 1}) +
                 std::string(70'000, 'x');
  InBothWorlds(
      [](Environment environment, Runtime runtime, Context* context) -> Task<void> {
        Connection connection = co_await AcceptOne(environment, runtime, context);
        context->server_end = connection.Close();
      },
      RawClient,
      [](const Context& done) {
        EXPECT_EQ(ParseFrames(done.raw).size(), 1u);
        EXPECT_EQ(CloseCodeIn(done.raw), 1000);
        EXPECT_TRUE(done.raw_end.ok()) << done.raw_end;
      },
      context);
}

// Sends as long as it may, while the other half meets pings and then a wrong frame.
Task<void> EagerServer(Environment environment, Runtime runtime, Context* context) {
  Connection connection = co_await AcceptOne(environment, runtime, context);
  auto [reader, writer] = std::move(connection).Split();
  Scope scope(co_await ThisTask());
  scope.Spawn([](Reader* reader, Context* context) -> Task<void> {
    context->server_end = co_await ReadToEnd(reader, &context->received, kMax);
  }(&reader, context));
  FrozenBatch batch;
  while (context->sent.ok()) {
    batch.Add(Sample(runtime.buffers, 1, 100).frozen());
    context->sent = co_await writer.SendBatch(&batch);
  }
  co_await scope.Join();
}

TEST(WebSocketClosing, NothingFollowsOurCloseFrame) {
  Context context;
  for (int i = 0; i < 20; ++i) context.wire += FrameOf("ping", {.opcode = 9});
  context.wire += FrameOf("text", {.opcode = 1});
  InBothWorlds(
      EagerServer, RawClient,
      [](const Context& done) {
        EXPECT_TRUE(absl::IsFailedPrecondition(done.sent)) << done.sent;
        const std::vector<ParsedFrame> frames = ParseFrames(done.raw);
        for (size_t i = 0; i < frames.size(); ++i) {
          EXPECT_EQ(frames[i].opcode == 8, i + 1 == frames.size()) << i << " of " << frames.size();
        }
        EXPECT_TRUE(done.raw_end.ok()) << done.raw_end;
      },
      context);
}

// Says something wrong, and goes on talking for ever.
Task<void> StubbornClient(Environment, Runtime runtime, Context* context) {
  auto stream = co_await runtime.network->Connect(context->address, {});
  FAULTLINE_CHECK(stream.ok()) << stream.status();
  std::string wire =
      "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n" +
      FrameOf("hello", {.opcode = 1});
  absl::Status sent;
  while (sent.ok()) {
    sent = co_await WriteAll(stream->get(), std::as_bytes(std::span(wire.data(), wire.size())));
    wire = std::string(1000, 'x');
    if (sent.ok()) sent = co_await runtime.clock->SleepFor(1ms);
  }
  context->client_end = sent;
}

TEST(WebSocketClosing, APeerThatTalksOnIsAborted) {
  InBothWorlds(
      ReadingServer, StubbornClient,
      [](const Context& done) {
        EXPECT_TRUE(absl::IsInvalidArgument(done.server_end)) << done.server_end;
        EXPECT_FALSE(done.client_end.ok());
      },
      WithGrace());
}

// --- Ends without a close frame ---

Task<void> EndingClient(Environment, Runtime runtime, Context* context) {
  auto stream = co_await runtime.network->Connect(context->address, {});
  FAULTLINE_CHECK(stream.ok()) << stream.status();
  const std::string wire =
      "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n" +
      context->wire;
  (void)co_await WriteAll(stream->get(), std::as_bytes(std::span(wire.data(), wire.size())));
  EXPECT_TRUE((*stream)->ShutdownWrite().ok());
  std::array<std::byte, 512> rest{};
  for (absl::StatusOr<size_t> read = 1; read.ok() && *read > 0;) {
    read = co_await (*stream)->Read(rest);
  }
  (void)(*stream)->Close();
}

void ExpectTorn(const std::string& wire, FrameError error, const char* what) {
  SCOPED_TRACE(what);
  Context context;
  context.wire = wire;
  InBothWorlds(
      ReadingServer, EndingClient,
      [&](const Context& done) {
        EXPECT_EQ(done.received, OneTo(1));
        EXPECT_EQ(FrameErrorOf(done.server_end), error) << done.server_end;
        EXPECT_TRUE(absl::IsDataLoss(done.server_end)) << done.server_end;
        EXPECT_FALSE(done.reason.has_value());
      },
      context);
}

TEST(WebSocketClosing, OnlyACloseFrameIsACleanEnd) {
  BufferPool pool;
  const std::string one = MessageFrame(&pool, 1, 30, {});
  const std::string two = MessageFrame(&pool, 2, 900, {});
  const std::string large = MessageFrame(&pool, 2, 200'000, {});
  ExpectTorn(one, FrameError::kNone, "between frames");
  ExpectTorn(one + two.substr(0, 3), FrameError::kTornHeader, "in a frame's header");
  ExpectTorn(one + two.substr(0, 200), FrameError::kTornHeader, "in a message's header");
  ExpectTorn(one + two.substr(0, 700), FrameError::kTornBody, "in a frame");
  ExpectTorn(one + large.substr(0, 100'000), FrameError::kTornBody, "in a large frame");
}

// --- Back-pressure, deadlines, stops ---

// Accepts, and does not read before the client has given up.
Task<void> MuteServer(Environment environment, Runtime runtime, Context* context) {
  Connection connection = co_await AcceptOne(environment, runtime, context);
  (void)co_await runtime.clock->SleepFor(300ms);
  auto [reader, writer] = std::move(connection).Split();
  context->server_end = co_await ReadToEnd(&reader, &context->received, kMax * 64);
}

Task<void> StoreEnd(Reader* reader, Context* context) {
  context->client_end = co_await ReadToEnd(reader, &context->answers, kMax);
}

// Sends more than any kernel buffers; gives up; then the whole connection has ended.
Task<void> ImpatientClient(Environment environment, Runtime runtime, Context* context) {
  Connection connection = co_await ConnectOne(environment, runtime, context);
  auto [reader, writer] = std::move(connection).Split();
  Scope scope(co_await ThisTask());
  scope.Spawn(StoreEnd(&reader, context));
  message::Message large = Sample(runtime.buffers, 1, kMax * 16);
  FrozenBatch batch;
  batch.Add(large.frozen());
  context->sent =
      co_await Deadline(runtime.clock, runtime.clock->Now() + 50ms, writer.SendBatch(&batch));
  co_await scope.Join();
  FrozenBatch next;
  EXPECT_TRUE(absl::IsFailedPrecondition(co_await writer.SendBatch(&next)));
}

TEST(WebSocketClosing, ASendThatTimesOutEndsBothHalves) {
  InBothWorlds(MuteServer, ImpatientClient, [](const Context& done) {
    EXPECT_TRUE(absl::IsDeadlineExceeded(done.sent)) << done.sent;
    EXPECT_EQ(ErrnoOf(done.client_end), ECONNABORTED) << done.client_end;
    EXPECT_TRUE(done.received.empty());
    EXPECT_FALSE(done.server_end.ok());
    EXPECT_FALSE(IsConnectionClosed(done.server_end)) << done.server_end;
  });
}

// Reads with deadlines so short that most of them cut a message in two.
Task<void> NervousServer(Environment environment, Runtime runtime, Context* context) {
  Connection connection = co_await AcceptOne(environment, runtime, context);
  auto [reader, writer] = std::move(connection).Split();
  while (context->server_end.ok()) {
    absl::StatusOr<message::Message> message =
        co_await Deadline(runtime.clock, runtime.clock->Now() + 100us, reader.ReadMessage(kMax));
    if (message.ok()) {
      context->received.push_back(TagOf(*message));
    } else if (!absl::IsDeadlineExceeded(message.status())) {
      context->server_end = message.status();
    }
  }
  (void)writer.FinishWrites();
}

TEST(WebSocketClosing, ReadsWithDeadlinesLoseNothing) {
  BufferPool pool;
  Context context;
  for (uint64_t tag = 1; tag <= 20; ++tag) context.wire += MessageFrame(&pool, tag, tag * 600, {});
  context.wire += CloseFrame(1000, "", true);
  InBothWorlds(
      NervousServer, RawClient,
      [](const Context& done) {
        EXPECT_EQ(done.received, OneTo(20));
        EXPECT_TRUE(IsConnectionClosed(done.server_end)) << done.server_end;
      },
      context);
}

// Pings in plenty while batches are on their way: frames stay whole, every ping is answered.
Task<void> TalkingServer(Environment environment, Runtime runtime, Context* context) {
  Connection connection = co_await AcceptOne(environment, runtime, context);
  auto [reader, writer] = std::move(connection).Split();
  Scope scope(co_await ThisTask());
  scope.Spawn([](Reader* reader, Context* context) -> Task<void> {
    context->server_end = co_await ReadToEnd(reader, &context->received, kMax);
  }(&reader, context));
  FrozenBatch batch;
  for (uint64_t tag = 1; tag <= 60; ++tag) {
    batch.Add(Sample(runtime.buffers, tag, tag % 7 == 0 ? 30'000 : 100).frozen());
    if (tag % 3 == 0) context->sent.Update(co_await writer.SendBatch(&batch));
  }
  co_await scope.Join();
  EXPECT_TRUE(writer.FinishWrites().ok());
}

TEST(WebSocketClosing, PongsGoBetweenFrames) {
  Context context;
  for (int i = 0; i < 200; ++i) {
    context.wire += FrameOf("ping " + std::to_string(i), {.opcode = 9});
  }
  context.wire += CloseFrame(1000, "", true);
  InBothWorlds(
      TalkingServer, RawClient,
      [](const Context& done) {
        EXPECT_TRUE(done.sent.ok()) << done.sent;
        size_t pongs = 0;
        size_t messages = 0;
        for (const ParsedFrame& frame : ParseFrames(done.raw)) {
          if (frame.opcode == 10) EXPECT_EQ(frame.payload, "ping " + std::to_string(pongs++));
          if (frame.opcode == 2) ++messages;
        }
        EXPECT_EQ(pongs, 200u);
        EXPECT_EQ(messages, 60u);
        EXPECT_EQ(CloseCodeIn(done.raw), 1000);
      },
      context);
}

// A stop of everything does not keep the close frame from the peer.
Task<void> StoppedClient(Environment environment, Runtime runtime, Context* context) {
  Connection connection = co_await ConnectOne(environment, runtime, context);
  auto [reader, writer] = std::move(connection).Split();
  environment.scope->RequestStop();
  EXPECT_TRUE(writer.FinishWrites().ok());
  (void)co_await runtime.clock->SleepFor(1ms);
}

TEST(WebSocketClosing, AStopDoesNotCutTheEnd) {
  InBothWorlds(ReadingServer, StoppedClient, [](const Context& done) {
    EXPECT_TRUE(IsConnectionClosed(done.server_end)) << done.server_end;
  });
}

}  // namespace
}  // namespace faultline::websocket::testing
