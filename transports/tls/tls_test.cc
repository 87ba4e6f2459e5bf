// Goal: messages over TLS behave alike in both worlds; a slow or hostile handshake holds up nobody.
// Method: servers and clients as in testing.h, with the listener and the connector.

#include "transports/tls/tls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/combine.h"
#include "runtime/errors.h"
#include "runtime/scope.h"
#include "transports/message/frame_error.h"
#include "transports/testing/samples.h"
#include "transports/tls/testing.h"

namespace faultline::tls {
namespace {

using faultline::testing::Sample;
using faultline::testing::TagOf;
using message::IsConnectionClosed;
using message::Message;
using testing::InBothWorlds;
using testing::Shared;

constexpr size_t kMax = size_t{1} << 20;
constexpr uint64_t kMessages = 400;

size_t BodyOf(uint64_t tag) {
  return tag % 97 == 0 ? 70'000 : tag % 13 == 0 ? 5'000 : tag % 3 * 40;
}

Listener ListenAt(const Runtime& runtime, Shared* shared, ServerContext* context,
                  const ListenerOptions& options = {}) {
  auto listener =
      Listener::Listen(runtime.network, runtime.buffers, context, shared->listen, options);
  FAULTLINE_CHECK(listener.ok()) << listener.status();
  if (shared->address == Endpoint()) shared->address = listener->local_address();
  return *std::move(listener);
}

// In simulation the hosts start together: the listener may not be there yet.
Task<absl::StatusOr<Connection>> Dial(Runtime runtime, Shared* shared, ClientContext* context) {
  Connector connector(runtime.network, runtime.buffers, context,
                      {.server_name = shared->server_name});
  for (int attempt = 0;; ++attempt) {
    auto connected = co_await connector.Connect(shared->address);
    if (ErrnoOf(connected.status()) != ECONNREFUSED || attempt == 100) co_return connected;
    (void)co_await runtime.clock->SleepFor(5ms);
  }
}

// Echoes everything, in batches of what has arrived together.
Task<absl::Status> Echo(Reader* reader, Writer* writer, size_t* count) {
  FrozenBatch batch;
  for (;;) {
    absl::StatusOr<Message> message = co_await reader->ReadMessage(kMax);
    if (!message.ok()) co_return message.status();
    batch.Add(message->frozen());
    for (++*count; !batch.full(); ++*count) {
      auto next = reader->TryNext(kMax);
      if (!next.has_value()) break;
      if (!next->ok()) co_return next->status();
      batch.Add((*next)->frozen());
    }
    absl::Status sent = co_await writer->SendBatch(&batch);
    if (!sent.ok()) co_return sent;
  }
}

Task<void> EchoServer(Runtime runtime, Shared* shared) {
  auto context = testing::NewServer(runtime, *shared);
  Listener listener = ListenAt(runtime, shared, context.get());
  auto accepted = co_await listener.Accept();
  shared->server_end = accepted.status();
  if (!accepted.ok()) co_return;
  auto [reader, writer] = std::move(*accepted).Split();
  shared->server_end = co_await Echo(&reader, &writer, &shared->received);
  EXPECT_TRUE(writer.FinishWrites().ok());
  EXPECT_TRUE((co_await context->closing()->Drain()).ok());
}

Task<void> SendAll(Writer* writer, BufferPool* pool, absl::Status* sent) {
  FrozenBatch batch;
  for (uint64_t tag = 1; tag <= kMessages && sent->ok(); ++tag) {
    batch.Add(Sample(pool, tag, BodyOf(tag)).frozen());
    if (batch.size() == 64 || tag == kMessages) *sent = co_await writer->SendBatch(&batch);
  }
  if (sent->ok()) *sent = writer->FinishWrites();
}

Task<void> EchoClient(Runtime runtime, Shared* shared) {
  auto context = testing::NewClient(runtime, *shared);
  auto connected = co_await Dial(runtime, shared, context.get());
  shared->client_end = connected.status();
  if (!connected.ok()) co_return;
  EXPECT_EQ(connected->peer_address(), shared->address);
  auto [reader, writer] = std::move(*connected).Split();
  absl::Status sent;
  Scope scope(co_await ThisTask());
  scope.Spawn(SendAll(&writer, runtime.buffers, &sent));
  for (;;) {
    absl::StatusOr<Message> message = co_await reader.ReadMessage(kMax);
    shared->client_end = message.status();
    if (!message.ok() || TagOf(*message) != ++shared->answered) break;
  }
  co_await scope.Join();
  EXPECT_TRUE(sent.ok()) << sent;
  EXPECT_TRUE((co_await context->closing()->Drain()).ok());
}

TEST(Tls, EchoesMessagesInOrderAndEndsCleanly) {
  InBothWorlds(EchoServer, EchoClient, [](const Shared& shared) {
    EXPECT_TRUE(IsConnectionClosed(shared.server_end)) << shared.server_end;
    EXPECT_TRUE(IsConnectionClosed(shared.client_end)) << shared.client_end;
    EXPECT_EQ(shared.received, kMessages);
    EXPECT_EQ(shared.answered, kMessages);
  });
}

// --- Handshakes beside the accept loop ---

struct Failures final : HandshakeObserver {
  void OnHandshakeFailed(const Endpoint&, const absl::Status& why) override {
    told.push_back(why.ToString());
  }
  std::vector<std::string> told;
};

// Serves one connection, then waits for those who say nothing to be given up.
Task<void> PatientServer(Runtime runtime, Shared* shared) {
  Failures failures;
  auto context = testing::NewServer(runtime, *shared);
  Listener listener = ListenAt(runtime, shared, context.get(),
                               {.max_handshakes = shared->bytes,
                                .crowded_grace = shared->crowded_grace,
                                .observer = &failures});
  auto accepted = co_await listener.Accept();
  shared->server_end = accepted.status();
  if (!accepted.ok()) co_return;
  size_t in_flight = listener.handshakes();
  shared->notes.push_back(std::to_string(in_flight) + " in flight");
  shared->server_end = (co_await accepted->ReadMessage(kMax)).status();
  EXPECT_TRUE(accepted->Close().ok());
  auto none = co_await Deadline(runtime.clock, runtime.clock->Now() + 300ms, listener.Accept());
  EXPECT_TRUE(absl::IsDeadlineExceeded(none.status())) << none.status();
  EXPECT_EQ(listener.handshakes(), 0u);
  shared->notes.insert(shared->notes.end(), failures.told.begin(), failures.told.end());
  EXPECT_TRUE(listener.Close().ok());
  EXPECT_TRUE(absl::IsFailedPrecondition((co_await listener.Accept()).status()));
}

// Two connections that say nothing, and behind them one that does.
Task<void> CrowdedClient(Runtime runtime, Shared* shared) {
  auto context = testing::NewClient(runtime, *shared);
  std::unique_ptr<Stream> first = co_await testing::ConnectRaw(runtime, shared);
  std::unique_ptr<Stream> second = co_await testing::ConnectRaw(runtime, shared);
  (void)co_await runtime.clock->SleepFor(20ms);
  MonotonicTime start = runtime.clock->Now();
  auto connected = co_await Dial(runtime, shared, context.get());
  shared->took = runtime.clock->Now() - start;
  shared->client_end = connected.status();
  if (!connected.ok()) co_return;
  FrozenBatch batch;
  batch.Add(Sample(runtime.buffers, 1, 10).frozen());
  shared->client_end = co_await connected->SendBatch(&batch);
  shared->client_end.Update(co_await connected->CloseOrderly());
  std::array<std::byte, 1> byte{};
  EXPECT_FALSE((co_await first->Read(byte)).ok());
  EXPECT_FALSE((co_await second->Read(byte)).ok());
}

TEST(TlsListener, ASlowHandshakeHoldsUpNobody) {
  InBothWorlds(
      PatientServer, CrowdedClient,
      [](const Shared& shared) {
        EXPECT_TRUE(shared.server_end.ok()) << shared.server_end;
        const std::string given_up =
            "DEADLINE_EXCEEDED: TLS handshake: not done within handshake_grace, 0.100000000s";
        EXPECT_EQ(shared.notes, (std::vector<std::string>{"2 in flight", given_up, given_up}));
      },
      [](Shared* shared) {
        shared->bytes = 3;
        shared->server.common.handshake_grace = 100ms;
      });
}

TEST(TlsListener, TheNumberOfHandshakesIsBounded) {
  InBothWorlds(
      PatientServer, CrowdedClient,
      [](const Shared& shared) {
        EXPECT_TRUE(shared.server_end.ok()) << shared.server_end;
        EXPECT_EQ(shared.notes.front(), "0 in flight");
        EXPECT_GE(shared.took, 50ms);  // until the others had been given up
      },
      [](Shared* shared) {
        shared->bytes = 2;
        shared->server.common.handshake_grace = 100ms;
      });
}

TEST(TlsListener, TheOldestHandshakeMakesRoom) {
  InBothWorlds(
      PatientServer, CrowdedClient,
      [](const Shared& shared) {
        EXPECT_TRUE(shared.server_end.ok()) << shared.server_end;
        EXPECT_TRUE(shared.client_end.ok()) << shared.client_end;
        ASSERT_EQ(shared.notes.size(), 3u);
        EXPECT_EQ(shared.notes[0], "1 in flight");
        EXPECT_EQ(shared.notes[1],
                  "RESOURCE_EXHAUSTED: TLS handshake: max_handshakes: 2 are in flight and others "
                  "wait; given up after crowded_grace, 0.050000000s");
        EXPECT_THAT(shared.notes[2], ::testing::HasSubstr("handshake_grace"));
      },
      [](Shared* shared) {
        shared->bytes = 2;
        shared->server.common.handshake_grace = 250ms;
        shared->crowded_grace = 50ms;
      });
}

// --- Limits ---

Task<void> NarrowServer(Runtime runtime, Shared* shared) {
  auto context = testing::NewServer(runtime, *shared);
  Listener listener = ListenAt(runtime, shared, context.get());
  auto accepted = co_await listener.Accept();
  shared->server_end = accepted.status();
  if (!accepted.ok()) co_return;
  shared->server_end = (co_await accepted->ReadMessage(1000)).status();
}

Task<void> WideClient(Runtime runtime, Shared* shared) {
  auto context = testing::NewClient(runtime, *shared);
  auto connected = co_await Dial(runtime, shared, context.get());
  shared->client_end = connected.status();
  if (!connected.ok()) co_return;
  FrozenBatch batch;
  batch.Add(Sample(runtime.buffers, 1, 745).frozen());
  shared->client_end = co_await connected->SendBatch(&batch);
  shared->client_end.Update((co_await connected->ReadMessage(kMax)).status());
}

TEST(Tls, AMessageAboveTheMaximumEndsTheConnection) {
  InBothWorlds(NarrowServer, WideClient, [](const Shared& shared) {
    EXPECT_EQ(message::FrameErrorOf(shared.server_end), message::FrameError::kSizeAboveMaximum);
    EXPECT_EQ(ErrnoOf(shared.client_end), ECONNRESET) << shared.client_end;
  });
}

}  // namespace
}  // namespace faultline::tls
