// Goal: a stream of TLS that somebody cuts is never a clean end, wherever it is cut; a writer whose
// peer does not read keeps a bounded number of bytes.
// Method: both ends on streams in memory, which end behind any byte and hold as little as is
// wanted. The entropy is the same each time, so that a cut hits the same byte.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "runtime/combine.h"
#include "runtime/testing/test_loop.h"
#include "transports/testing/memory_stream.h"
#include "transports/tls/scenarios.h"
#include "transports/tls/session_peer.h"
#include "transports/tls/stream.h"
#include "transports/tls/testing.h"

namespace faultline::tls {
namespace {

using faultline::testing::kNever;
using faultline::testing::MemoryPipeOptions;
using ::testing::HasSubstr;

constexpr size_t kSent = 40'000;  // bytes of plaintext: three records
constexpr size_t kRecordMax = 16'384;
constexpr size_t kQueueMax = size_t{64} << 10;

struct MemoryTest : ::testing::Test {
  MemoryTest() {
    loop.clock()->set_wall_offset(24h * 365 * 56);
    certificates.emplace(environment);
    server_context = *ServerContext::Create(environment, {.identities = {certificates->server}});
    client_context =
        *ClientContext::Create(environment, {.roots_pem = certificates->authority.root_pem()});
  }

  // A connection; the server's bytes travel under `options`.
  void Connect(const MemoryPipeOptions& options) {
    entropy.state = 7;
    auto [below_server, below_client] = faultline::testing::MakeMemoryStreams(options);
    below = below_server.get();
    EXPECT_TRUE(loop.RunToEnd(ShakeHands(this, std::move(below_server), std::move(below_client))));
  }

  static Task<void> ShakeHands(MemoryTest* t, std::unique_ptr<Stream> server,
                               std::unique_ptr<Stream> client) {
    auto [accepted, connected] = co_await All(
        ServerHandshake(std::move(server), t->server_context.get(), &t->pool),
        ClientHandshake(std::move(client), t->client_context.get(), &t->pool, "server"));
    t->handshake = connected.status();
    if (accepted.ok()) t->server = *std::move(accepted);
    if (connected.ok()) t->client = *std::move(connected);
  }

  testing::SeededEntropy entropy{7};
  faultline::testing::TestLoop loop;
  engine::Environment environment{&entropy, loop.clock()};
  BufferPool pool;
  std::optional<testing::Certificates> certificates;
  std::unique_ptr<ServerContext> server_context;
  std::unique_ptr<ClientContext> client_context;
  const faultline::testing::MemoryStream* below = nullptr;  // the server's
  absl::Status handshake;                                   // the client's
  std::unique_ptr<TlsStream> server;
  std::unique_ptr<TlsStream> client;
};

// --- Cut streams ---

struct Heard {
  size_t plaintext = 0;
  absl::Status end;
  absl::Status again;
};

Task<void> SayAll(TlsStream* stream) {
  EXPECT_TRUE((co_await testing::SendPattern(stream, kSent)).ok());
  EXPECT_TRUE(stream->ShutdownWrite().ok());
}

Task<void> HearAll(TlsStream* stream, Heard* heard) {
  heard->end = co_await testing::ReceivePattern(stream, &heard->plaintext);
  std::array<std::byte, 10> more;
  auto again = co_await stream->Read(more);
  heard->again = again.status();
  if (again.ok()) EXPECT_EQ(*again, 0u);
}

Task<void> TalkAndHear(MemoryTest* t, Heard* heard) {
  (void)co_await All(SayAll(t->server.get()), HearAll(t->client.get(), heard));
}

TEST_F(MemoryTest, AStreamThatEndsWithoutCloseNotifyIsTruncatedWhereverItEnds) {
  size_t clean = 0;
  size_t cut = 0;
  for (size_t at = 100; clean == 0; at += at < 1500 ? 13 : 997) {
    SCOPED_TRACE(at);
    ASSERT_LT(at, 3 * kSent) << "no stream is long enough";
    Connect({.end_after = at});
    if (!handshake.ok()) {
      EXPECT_TRUE(absl::IsDataLoss(handshake)) << handshake;
      continue;
    }
    Heard heard;
    EXPECT_TRUE(loop.RunToEnd(TalkAndHear(this, &heard)));
    EXPECT_EQ(heard.end, heard.again);
    if (heard.end.ok()) {
      ++clean;
      EXPECT_EQ(heard.plaintext, kSent);
      continue;
    }
    ++cut;
    EXPECT_TRUE(absl::IsDataLoss(heard.end)) << heard.end;
    EXPECT_THAT(heard.end.ToString(), HasSubstr("without close_notify: truncated"));
    EXPECT_LE(heard.plaintext, kSent);
  }
  EXPECT_GT(cut, 20u);
}

// --- Memory ---

Task<void> WriteUntilItWaits(TlsStream* stream, Clock* clock, size_t* taken) {
  std::vector<std::byte> block(5000);
  absl::StatusOr<size_t> written = size_t{0};
  while (written.ok()) {
    *taken += *written;
    EXPECT_LT(*taken, size_t{10} << 20) << "nothing bounds what is queued";
    if (*taken >= size_t{10} << 20) co_return;
    written = co_await Deadline(
        clock, clock->Now() + 1s,
        [](TlsStream* stream, std::vector<std::byte>* block) -> Task<absl::StatusOr<size_t>> {
          co_return co_await stream->Write(*block);
        }(stream, &block));
  }
  EXPECT_TRUE(absl::IsDeadlineExceeded(written.status())) << written.status();
}

TEST_F(MemoryTest, AWriterWhosePeerDoesNotReadKeepsABoundedNumberOfBytes) {
  constexpr size_t kBelow = 1000;
  Connect({.capacity = kBelow});
  ASSERT_TRUE(handshake.ok()) << handshake;
  size_t taken = 0;
  for (int times = 0; times < 3; ++times) {
    EXPECT_TRUE(loop.RunToEnd(WriteUntilItWaits(server.get(), loop.clock(), &taken)));
    EXPECT_GE(taken, kQueueMax);
    EXPECT_LE(taken, 2 * (kQueueMax + kRecordMax) + kBelow);
  }
}

}  // namespace
}  // namespace faultline::tls
