// Goal: a stream goes from loop to loop, of one backend or of two, while its peer keeps sending,
// and nothing is lost; one that is under way when its receiver has ended is aborted. Method: a
// client on shard 0 sends a pattern; the server's end wanders over all shards, each of which reads
// a little, checks it, and puts some of it back. Run under ThreadSanitizer too.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "runtime/combine.h"
#include "runtime/detached_stream.h"
#include "runtime/errors.h"
#include "runtime/shards/shards.h"

namespace faultline::shards {
namespace {

using backend::Backend;
using Bytes = std::vector<std::byte>;

constexpr size_t kSent = 400'000;

std::byte ByteAt(size_t position) { return static_cast<std::byte>(position * 7 + position / 251); }

struct Baton {
  std::unique_ptr<DetachedStream> stream;
  size_t done = 0;  // bytes that were read and checked
};

// The end of the stream: says so, in one byte.
Task<absl::Status> Answer(Shard* shard, Stream* stream) {
  const Bytes answer(1, std::byte{42});
  auto written = co_await stream->Write(std::span<const std::byte>(answer));
  shard->RequestStop();
  co_return written.ok() ? stream->Close() : written.status();
}

Task<absl::Status> TakeTurn(Shard* shard, Baton baton, size_t size) {
  auto stream = shard->runtime().network->Adopt(std::move(baton.stream));
  if (!stream.ok()) co_return stream.status();
  Bytes buffer(size);
  auto got = co_await (*stream)->Read(buffer);
  if (!got.ok()) co_return got.status();
  for (size_t i = 0; i < *got; ++i) {
    if (buffer[i] != ByteAt(baton.done + i)) co_return absl::DataLossError("not what was sent");
  }
  if (*got == 0 && baton.done != kSent) co_return absl::DataLossError("an early end");
  if (*got == 0) co_return co_await Answer(shard, stream->get());
  const size_t kept = *got - *got / 3;
  auto detached = (*stream)->Detach();
  if (!detached.ok()) co_return detached.status();
  (*detached)->Unread(std::span(buffer).subspan(kept, *got - kept));
  const uint32_t next = (shard->index() + 1) % shard->count();
  co_return co_await shard->Send(next, Parcel::Of(Baton{*std::move(detached), baton.done + kept}));
}

Task<absl::Status> TakeTurns(Shard* shard) {
  for (size_t turn = 0;; ++turn) {
    absl::StatusOr<Delivery> came = co_await shard->Receive();
    if (absl::IsCancelled(came.status())) co_return absl::OkStatus();
    if (!came.ok()) co_return came.status();
    absl::Status taken =
        co_await TakeTurn(shard, std::move(came->parcel).Take<Baton>(), 1 + turn * 977 % 9000);
    if (!taken.ok()) co_return taken;
  }
}

Task<absl::Status> SendPattern(Stream* stream) {
  Bytes bytes(kSent);
  for (size_t i = 0; i < kSent; ++i) bytes[i] = ByteAt(i);
  for (size_t done = 0; done < kSent;) {
    const size_t part = std::min<size_t>(5000, kSent - done);
    auto taken = co_await stream->Write(std::span<const std::byte>(bytes).subspan(done, part));
    if (!taken.ok()) co_return taken.status();
    done += *taken;
  }
  if (absl::Status finished = stream->ShutdownWrite(); !finished.ok()) co_return finished;
  Bytes answer(1);
  auto got = co_await stream->Read(answer);
  if (!got.ok()) co_return got.status();
  co_return *got == 1 && answer[0] == std::byte{42} ? absl::OkStatus()
                                                    : absl::DataLossError("no answer");
}

struct Pair {
  std::unique_ptr<Stream> client;
  std::unique_ptr<Stream> server;
};

Task<absl::StatusOr<Pair>> ConnectPair(Runtime runtime) {
  auto listener = runtime.network->Listen(Endpoint::Ipv4Loopback(0), {});
  if (!listener.ok()) co_return listener.status();
  auto [accepted, connected] = co_await All(
      (*listener)->Accept(), runtime.network->Connect((*listener)->local_address(), {}));
  if (!accepted.ok()) co_return accepted.status();
  if (!connected.ok()) co_return connected.status();
  co_return Pair{*std::move(connected), *std::move(accepted)};
}

Task<absl::Status> StartAndServe(Shard* shard) {
  absl::StatusOr<Pair> pair = co_await ConnectPair(shard->runtime());
  if (!pair.ok()) co_return pair.status();
  auto detached = pair->server->Detach();
  if (!detached.ok()) co_return detached.status();
  absl::Status sent = co_await shard->Send(1, Parcel::Of(Baton{*std::move(detached), 0}));
  if (!sent.ok()) co_return sent;
  auto [client, server] = co_await All(Shielded(SendPattern(pair->client.get())), TakeTurns(shard));
  co_return client.ok() ? server : client;
}

class Handover : public ::testing::TestWithParam<Backend> {};
INSTANTIATE_TEST_SUITE_P(Backends, Handover, ::testing::Values(Backend::kEpoll, Backend::kIoUring),
                         [](const auto& info) { return backend::NameOf(info.param); });

TEST_P(Handover, LosesNothingWhileThePeerKeepsSending) {
  auto shards = Shards::Create({.count = 3, .backend = GetParam()});
  if (!shards.ok()) GTEST_SKIP() << shards.status();
  const ShardsReport report = (*shards)->Run(
      [](Shard* shard) { return shard->index() == 0 ? StartAndServe(shard) : TakeTurns(shard); });
  EXPECT_TRUE(report.status().ok()) << report.status();
}

// Nobody receives on shard 1: the stream ends with it. If it has ended already, with the send.
Task<absl::Status> SendItAway(Shard* shard) {
  absl::StatusOr<Pair> pair = co_await ConnectPair(shard->runtime());
  if (!pair.ok()) co_return pair.status();
  auto detached = pair->server->Detach();
  if (!detached.ok()) co_return detached.status();
  absl::Status sent = co_await shard->Send(1, Parcel::Of(*std::move(detached)));
  if (!sent.ok() && !absl::IsFailedPrecondition(sent)) co_return sent;
  Bytes byte(1);
  auto got = co_await pair->client->Read(byte);
  co_return ErrnoOf(got.status()) == ECONNRESET ? absl::OkStatus()
                                                : absl::InternalError("not reset");
}

Task<absl::Status> EndLater(Shard* shard) {
  co_return co_await shard->runtime().clock->SleepFor(5ms);
}

TEST_P(Handover, OneThatNobodyAdoptsIsAborted) {
  auto shards = Shards::Create({.count = 2, .backend = GetParam()});
  if (!shards.ok()) GTEST_SKIP() << shards.status();
  const ShardsReport report = (*shards)->Run(
      [](Shard* shard) { return shard->index() == 0 ? SendItAway(shard) : EndLater(shard); });
  EXPECT_TRUE(report.status().ok()) << report.status();
}

// --- From one backend to the other ---

Task<void> MakePair(Runtime runtime, Pair* pair) {
  absl::StatusOr<Pair> made = co_await ConnectPair(runtime);
  EXPECT_TRUE(made.ok()) << made.status();
  if (made.ok()) *pair = *std::move(made);
}

Task<void> WriteByte(Stream* stream, std::byte byte) {
  const Bytes bytes(1, byte);
  auto taken = co_await stream->Write(std::span<const std::byte>(bytes));
  EXPECT_TRUE(taken.ok()) << taken.status();
}

Task<void> ReadByte(Stream* stream, std::byte* byte) {
  auto got = co_await stream->Read(std::span(byte, 1));
  EXPECT_TRUE(got.ok() && *got == 1) << got.status();
}

void PassBetween(Backend from, Backend to) {
  absl::StatusOr<backend::ChosenLoop> first = backend::MakeLoop(from);
  absl::StatusOr<backend::ChosenLoop> second = backend::MakeLoop(to);
  if (!first.ok() || !second.ok()) GTEST_SKIP() << first.status() << second.status();
  Pair pair;
  first->loop->Run(MakePair(first->loop->runtime(), &pair));
  ASSERT_NE(pair.server, nullptr);
  auto detached = pair.server->Detach();
  ASSERT_TRUE(detached.ok()) << detached.status();
  auto adopted = second->loop->runtime().network->Adopt(*std::move(detached));
  ASSERT_TRUE(adopted.ok()) << adopted.status();
  for (int i = 1; i <= 3; ++i) {  // the second read waits, whatever mode the socket was in before
    std::byte byte{};
    first->loop->Run(WriteByte(pair.client.get(), static_cast<std::byte>(i)));
    second->loop->Run(ReadByte(adopted->get(), &byte));
    EXPECT_EQ(byte, static_cast<std::byte>(i));
    second->loop->Run(WriteByte(adopted->get(), static_cast<std::byte>(i + 10)));
    first->loop->Run(ReadByte(pair.client.get(), &byte));
    EXPECT_EQ(byte, static_cast<std::byte>(i + 10));
  }
}

TEST(BetweenBackends, EpollToIoUring) { PassBetween(Backend::kEpoll, Backend::kIoUring); }
TEST(BetweenBackends, IoUringToEpoll) { PassBetween(Backend::kIoUring, Backend::kEpoll); }

class Foreign final : public DetachedStream {
 public:
  void Unread(std::span<const std::byte>) override {}
  Endpoint local_address() const override { return {}; }
  Endpoint peer_address() const override { return {}; }
};

TEST_P(Handover, AStreamOfAnotherKindIsRefused) {
  absl::StatusOr<backend::ChosenLoop> chosen = backend::MakeLoop(GetParam());
  if (!chosen.ok()) GTEST_SKIP() << chosen.status();
  EXPECT_TRUE(absl::IsInvalidArgument(
      chosen->loop->runtime().network->Adopt(std::make_unique<Foreign>()).status()));
}

}  // namespace
}  // namespace faultline::shards
