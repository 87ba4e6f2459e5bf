// Goal: TLS over a stream behaves alike in both worlds: what is written arrives, in order and
// whole; each end is told from every other; whatever may take long is bounded. Method: servers and
// clients as in testing.h.

#include "transports/tls/stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "runtime/combine.h"
#include "runtime/errors.h"
#include "runtime/stream_io.h"
#include "transports/tls/scenarios.h"
#include "transports/tls/testing.h"

namespace faultline::tls {
namespace {

using ::testing::HasSubstr;
using namespace testing;  // NOLINT: the scenarios

TEST(TlsStream, CarriesBytesBothWaysAndEndsCleanly) {
  InBothWorlds(ConversingServer, ConversingClient, CheckConversation,
               [](Shared* shared) { shared->bytes = 300'000; });
}

TEST(TlsStream, NothingToSayIsAConversationToo) {
  InBothWorlds(ConversingServer, ConversingClient, CheckConversation);
}

// --- Handshakes that do not end, and those that are none ---

Task<void> MuteServer(Runtime runtime, Shared* shared) {
  std::unique_ptr<Stream> raw = co_await AcceptRaw(runtime, shared);
  std::array<std::byte, 4096> bytes;
  absl::StatusOr<size_t> read = size_t{1};
  while (read.ok() && *read > 0) read = co_await raw->Read(bytes);
  shared->server_end = read.status();
}

TEST(TlsHandshake, AServerThatSaysNothingIsGivenUp) {
  InBothWorlds(
      MuteServer, ConversingClient,
      [](const Shared& shared) {
        EXPECT_TRUE(absl::IsDeadlineExceeded(shared.client_end)) << shared.client_end;
        EXPECT_EQ(
            shared.client_end.ToString(),
            "DEADLINE_EXCEEDED: TLS handshake: not done within handshake_grace, 0.030000000s");
        EXPECT_EQ(ErrnoOf(shared.server_end), ECONNRESET) << shared.server_end;
        EXPECT_GE(shared.took, 30ms);
      },
      [](Shared* shared) { shared->client.common.handshake_grace = 30ms; });
}

// Says the first bytes of a hello, one after the other, for ever.
Task<void> DrippingClient(Runtime runtime, Shared* shared) {
  std::unique_ptr<Stream> raw = co_await ConnectRaw(runtime, shared);
  const std::array<std::byte, 5> head = {std::byte{22}, std::byte{3}, std::byte{1}, std::byte{16},
                                         std::byte{0}};
  shared->client_end = co_await WriteAll(raw.get(), head);
  while (shared->client_end.ok()) {
    (void)co_await runtime.clock->SleepFor(1ms);
    shared->client_end = co_await WriteAll(raw.get(), std::array{std::byte{1}});
  }
}

TEST(TlsHandshake, AClientThatDripsIsGivenUp) {
  InBothWorlds(
      ConversingServer, DrippingClient,
      [](const Shared& shared) {
        EXPECT_TRUE(absl::IsDeadlineExceeded(shared.server_end)) << shared.server_end;
        EXPECT_THAT(shared.server_end.ToString(), HasSubstr("handshake_grace"));
        EXPECT_FALSE(shared.client_end.ok());
      },
      [](Shared* shared) { shared->server.common.handshake_grace = 30ms; });
}

Task<void> PlainClient(Runtime runtime, Shared* shared) {
  std::unique_ptr<Stream> raw = co_await ConnectRaw(runtime, shared);
  std::string hello = "GET / HTTP/1.1\r\nHost: server\r\n\r\n";
  shared->client_end = co_await WriteAll(raw.get(), std::as_bytes(std::span(hello)));
  std::array<std::byte, 100> bytes;
  absl::StatusOr<size_t> read = size_t{1};
  while (read.ok() && *read > 0) {
    read = co_await raw->Read(bytes);
    if (read.ok()) shared->answered += *read;
  }
  shared->client_end.Update(read.status());
}

TEST(TlsHandshake, AClientThatDoesNotSpeakTlsIsShownOut) {
  InBothWorlds(
      ConversingServer, PlainClient,
      [](const Shared& shared) {
        EXPECT_TRUE(absl::IsInvalidArgument(shared.server_end)) << shared.server_end;
        EXPECT_EQ(shared.server_end.message(), "TLS handshake: HTTP_REQUEST");
        EXPECT_TRUE(shared.client_end.ok()) << shared.client_end;
      },
      nullptr, 6);
}

Task<void> LeavingClient(Runtime runtime, Shared* shared) {
  std::unique_ptr<Stream> raw = co_await ConnectRaw(runtime, shared);
  shared->client_end = raw->Close();
}

TEST(TlsHandshake, APeerThatLeavesIsNoCleanEnd) {
  InBothWorlds(ConversingServer, LeavingClient, [](const Shared& shared) {
    EXPECT_TRUE(absl::IsDataLoss(shared.server_end)) << shared.server_end;
    EXPECT_EQ(shared.server_end.message(), "TLS handshake: the peer ended the stream");
  });
}

// --- Ends ---

Task<void> ReceivingServer(Runtime runtime, Shared* shared) {
  auto context = NewServer(runtime, *shared);
  auto stream = co_await Serve(runtime, shared, context.get());
  shared->server_end = stream.status();
  if (!stream.ok()) co_return;
  shared->server_end = co_await ReceivePattern(stream->get(), &shared->received);
}

Task<void> ClosingClient(Runtime runtime, Shared* shared) {
  auto context = NewClient(runtime, *shared);
  {
    auto stream = co_await Dial(runtime, shared, context.get());
    shared->client_end = stream.status();
    if (!stream.ok()) co_return;
    shared->client_end = co_await SendPattern(stream->get(), shared->bytes);
    shared->client_end.Update((*stream)->Close());
    std::array<std::byte, 1> byte{};
    EXPECT_TRUE(absl::IsFailedPrecondition((co_await (*stream)->Read(byte)).status()));
    EXPECT_TRUE(absl::IsFailedPrecondition((co_await (*stream)->Write(byte)).status()));
    EXPECT_TRUE((*stream)->Close().ok());
  }
  shared->client_end.Update(co_await context->closing()->Drain());
}

TEST(TlsEnds, CloseDeliversWhatWasWritten) {
  InBothWorlds(
      ReceivingServer, ClosingClient,
      [](const Shared& shared) {
        EXPECT_TRUE(shared.client_end.ok()) << shared.client_end;
        EXPECT_TRUE(shared.server_end.ok()) << shared.server_end;
        EXPECT_EQ(shared.received, 200'000u);
      },
      [](Shared* shared) { shared->bytes = 200'000; });
}

// Serves two connections, one after the other, and notes how they end.
Task<void> TwiceReceivingServer(Runtime runtime, Shared* shared) {
  auto context = NewServer(runtime, *shared);
  std::unique_ptr<faultline::Listener> listener = ListenAt(runtime, shared);
  std::array<std::unique_ptr<TlsStream>, 2> streams;
  for (auto& stream : streams) {
    auto raw = co_await listener->Accept();
    auto done = co_await ServerHandshake(*std::move(raw), context.get(), runtime.buffers);
    shared->server_end.Update(done.status());
    if (!done.ok()) co_return;
    stream = *std::move(done);
  }
  for (auto& stream : streams) {
    size_t received = 0;
    absl::Status end = co_await ReceivePattern(stream.get(), &received);
    shared->notes.push_back(end.ok() ? "clean" : ErrnoOf(end) == ECONNRESET ? "reset" : "other");
  }
}

// Two connections are closed where one may be.
Task<void> HastyClient(Runtime runtime, Shared* shared) {
  auto context = NewClient(runtime, *shared);
  auto first = co_await Dial(runtime, shared, context.get());
  auto second = co_await Dial(runtime, shared, context.get());
  shared->client_end.Update(first.status());
  shared->client_end.Update(second.status());
  if (!shared->client_end.ok()) co_return;
  shared->client_end = (*first)->Close();
  EXPECT_TRUE(shared->client_end.ok()) << shared->client_end;
  shared->client_end = (*second)->Close();
  EXPECT_TRUE((co_await context->closing()->Drain()).ok());
}

TEST(TlsEnds, TheNumberOfThoseThatAreClosingIsBounded) {
  InBothWorlds(
      TwiceReceivingServer, HastyClient,
      [](const Shared& shared) {
        EXPECT_TRUE(absl::IsResourceExhausted(shared.client_end)) << shared.client_end;
        EXPECT_THAT(shared.client_end.ToString(), HasSubstr("max_closing"));
        EXPECT_EQ(shared.notes, (std::vector<std::string>{"clean", "reset"}));
      },
      [](Shared* shared) {
        shared->client.common.max_closing = 1;
        shared->client.common.close_grace = 200ms;
      },
      4);
}

// Greets one that fails and stays, then one that it closes in order.
Task<void> PesteredServer(Runtime runtime, Shared* shared) {
  auto context = NewServer(runtime, *shared);
  std::unique_ptr<faultline::Listener> listener = ListenAt(runtime, shared);
  auto raw = co_await listener->Accept();
  auto failed = co_await ServerHandshake(*std::move(raw), context.get(), runtime.buffers);
  EXPECT_TRUE(absl::IsInvalidArgument(failed.status())) << failed.status();
  EXPECT_EQ(context->closing()->live(), 1u);  // the farewell, which takes its time
  raw = co_await listener->Accept();
  auto stream = co_await ServerHandshake(*std::move(raw), context.get(), runtime.buffers);
  shared->server_end = stream.status();
  if (!stream.ok()) co_return;
  shared->server_end = co_await SendPattern(stream->get(), shared->bytes);
  shared->server_end.Update((*stream)->Close());
  EXPECT_TRUE((co_await context->closing()->Drain()).ok());
}

Task<void> PesteringClient(Runtime runtime, Shared* shared) {
  auto context = NewClient(runtime, *shared);
  std::unique_ptr<Stream> pest = co_await ConnectRaw(runtime, shared);
  std::string hello = "GET / HTTP/1.1\r\n\r\n";
  EXPECT_TRUE((co_await WriteAll(pest.get(), std::as_bytes(std::span(hello)))).ok());
  auto stream = co_await Dial(runtime, shared, context.get());
  shared->client_end = stream.status();
  if (!stream.ok()) co_return;
  shared->client_end = co_await ReceivePattern(stream->get(), &shared->answered);
  shared->client_end.Update(co_await (*stream)->CloseOrderly());
}

TEST(TlsEnds, FarewellsTakeNoPlaceFromOrderlyEnds) {
  InBothWorlds(
      PesteredServer, PesteringClient,
      [](const Shared& shared) {
        EXPECT_TRUE(shared.server_end.ok()) << shared.server_end;
        EXPECT_TRUE(shared.client_end.ok()) << shared.client_end;
        EXPECT_EQ(shared.answered, shared.bytes);
      },
      [](Shared* shared) {
        shared->bytes = 30'000;
        shared->server.common.max_closing = 1;
        shared->server.common.max_farewells = 1;
      },
      4);
}

// Shakes hands, and then neither reads nor answers.
Task<void> SleepyServer(Runtime runtime, Shared* shared) {
  auto context = NewServer(runtime, *shared);
  auto stream = co_await Serve(runtime, shared, context.get());
  shared->server_end = stream.status();
  (void)co_await runtime.clock->SleepFor(400ms);
  if (stream.ok()) (*stream)->Abort();
}

Task<void> OrderlyClient(Runtime runtime, Shared* shared) {
  auto context = NewClient(runtime, *shared);
  auto stream = co_await Dial(runtime, shared, context.get());
  shared->client_end = stream.status();
  if (!stream.ok()) co_return;
  (void)co_await SendPattern(stream->get(), shared->bytes);
  MonotonicTime start = runtime.clock->Now();
  shared->client_end = co_await (*stream)->CloseOrderly();
  shared->took = runtime.clock->Now() - start;
}

TEST(TlsEnds, ClosingIsBoundedByCloseGrace) {
  for (size_t bytes : {size_t{0}, size_t{50'000}}) {
    InBothWorlds(
        SleepyServer, OrderlyClient,
        [](const Shared& shared) {
          EXPECT_TRUE(absl::IsDeadlineExceeded(shared.client_end)) << shared.client_end;
          EXPECT_THAT(shared.client_end.ToString(), HasSubstr("close_grace"));
          EXPECT_GE(shared.took, 40ms);
        },
        [bytes](Shared* shared) {
          shared->bytes = bytes;
          shared->client.common.close_grace = 40ms;
        },
        4);
  }
}

Task<void> AbortingClient(Runtime runtime, Shared* shared) {
  auto context = NewClient(runtime, *shared);
  auto stream = co_await Dial(runtime, shared, context.get());
  shared->client_end = stream.status();
  if (stream.ok()) shared->client_end = co_await SendPattern(stream->get(), shared->bytes);
  (void)co_await runtime.clock->SleepFor(100ms);
}

TEST(TlsEnds, AStreamThatIsDroppedIsReset) {
  InBothWorlds(
      ReceivingServer, AbortingClient,
      [](const Shared& shared) {
        EXPECT_TRUE(shared.client_end.ok()) << shared.client_end;
        EXPECT_EQ(shared.received, shared.bytes);
        EXPECT_EQ(ErrnoOf(shared.server_end), ECONNRESET) << shared.server_end;
      },
      [](Shared* shared) { shared->bytes = 10'000; });
}

// --- Back-pressure, and what a stop request leaves ---

Task<void> ImpatientClient(Runtime runtime, Shared* shared) {
  auto context = NewClient(runtime, *shared);
  auto stream = co_await Dial(runtime, shared, context.get());
  shared->client_end = stream.status();
  if (!stream.ok()) co_return;
  MonotonicTime limit = runtime.clock->Now() + 100ms;
  shared->client_end =
      co_await Deadline(runtime.clock, limit, SendPattern(stream->get(), size_t{1} << 30));
}

TEST(TlsBackPressure, AWriterWaitsForAPeerThatDoesNotRead) {
  InBothWorlds(
      SleepyServer, ImpatientClient,
      [](const Shared& shared) {
        EXPECT_TRUE(absl::IsDeadlineExceeded(shared.client_end)) << shared.client_end;
      },
      nullptr, 4);
}

// Reads with deadlines so short that most of them come to nothing.
Task<void> NervousServer(Runtime runtime, Shared* shared) {
  auto context = NewServer(runtime, *shared);
  auto stream = co_await Serve(runtime, shared, context.get());
  shared->server_end = stream.status();
  if (!stream.ok()) co_return;
  do {
    MonotonicTime limit = runtime.clock->Now() + 50us;
    shared->server_end =
        co_await Deadline(runtime.clock, limit, ReceivePattern(stream->get(), &shared->received));
  } while (absl::IsDeadlineExceeded(shared->server_end));
}

Task<void> HaltingClient(Runtime runtime, Shared* shared) {
  auto context = NewClient(runtime, *shared);
  auto stream = co_await Dial(runtime, shared, context.get());
  shared->client_end = stream.status();
  if (!stream.ok()) co_return;
  for (size_t sent = 0; sent < shared->bytes; sent += 100) {
    shared->client_end.Update(co_await WriteAll(stream->get(), Pattern(sent, 100)));
    (void)co_await runtime.clock->SleepFor(120us);
  }
  shared->client_end.Update(co_await (*stream)->CloseOrderly());
}

TEST(TlsBackPressure, ReadsWithDeadlinesLoseNothing) {
  InBothWorlds(
      NervousServer, HaltingClient,
      [](const Shared& shared) {
        EXPECT_TRUE(shared.server_end.ok()) << shared.server_end;
        EXPECT_EQ(shared.received, shared.bytes);
      },
      [](Shared* shared) { shared->bytes = 5'000; });
}

// --- Crashes, in simulation alone ---

// Conversations whose server loses its power at every 200 µs or so of them: nothing of it is
// touched again, and the client does not take it for an end. Under AddressSanitizer this looks at
// the order in which frames die.
TEST(TlsCrash, ACrashIsNoCleanEnd) {
  auto setup = [](Shared* shared) {
    shared->bytes = 100'000;
    shared->client.common.handshake_grace = 2s;
  };
  int cut = 0;
  for (Duration when = 100us; when < 20ms; when += 300us) {
    SCOPED_TRACE(FormatSeconds(when));
    Shared shared = WithCrash(ConversingServer, ConversingClient, setup, when);
    bool ended = shared.took > Duration();  // a client that only reads may wait for ever
    bool whole = ended && shared.answered == shared.bytes;
    if (!whole) ++cut;
    if (ended) EXPECT_EQ(shared.client_end.ok(), whole) << shared.client_end;
  }
  EXPECT_GT(cut, 5);
}

}  // namespace
}  // namespace faultline::tls
