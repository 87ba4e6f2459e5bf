// Goal: cancelling is requesting, then awaiting; what was transferred is reported, never lost
// (transfer.h, stream.h, datagram.h).
// Method: stops are requested before an operation, while it waits and while bytes arrive; then the
// other end's view is compared with what the operations said.
#include <gtest/gtest.h>

#include <algorithm>

#include "runtime/combine.h"
#include "runtime/contract/contract.h"
#include "runtime/contract/helpers.h"

namespace faultline::contract {
namespace {

STREAM_TEST(StreamContract, AReadAfterAStopRequestIsCancelledAndTakesNothing) {
  Bytes sent = Pattern(10);
  Bytes received(10);
  CONTRACT_REQUIRE_OK(co_await WriteAll(t->client_stream.get(), &sent));
  StopSource stop(co_await CurrentStop());
  stop.RequestStop();
  auto read = co_await WithStop(&stop, ReadSome(t->server_stream.get(), &received));
  EXPECT_TRUE(absl::IsCancelled(read.status())) << read.status();
  CONTRACT_REQUIRE_OK(co_await ReadExactly(t->server_stream.get(), &received));
  EXPECT_EQ(received, sent);
}

STREAM_TEST(StreamContract, AWriteAfterAStopRequestIsCancelledAndSendsNothing) {
  Bytes sent = Pattern(10);
  StopSource stop(co_await CurrentStop());
  stop.RequestStop();
  auto written = co_await WithStop(&stop, WriteSome(t->client_stream.get(), &sent));
  EXPECT_TRUE(absl::IsCancelled(written.status())) << written.status();
  CONTRACT_REQUIRE_OK(t->client_stream->ShutdownWrite());
  absl::Status error;
  Bytes received = co_await ReadToEnd(t->server_stream.get(), &error);
  EXPECT_TRUE(error.ok()) << error;
  EXPECT_TRUE(received.empty());
}

STREAM_TEST(StreamContract, AStoppedReadIsCancelledAndItsBufferIsNeverTouchedAgain) {
  Bytes sent = Pattern(10);
  Bytes abandoned(10, std::byte{0xA5});
  Bytes received(10);
  auto read =
      co_await StoppedAfter(t->client().clock, 1ms, ReadSome(t->server_stream.get(), &abandoned));
  EXPECT_TRUE(absl::IsCancelled(read.status())) << read.status();
  CONTRACT_REQUIRE_OK(co_await WriteAll(t->client_stream.get(), &sent));
  CONTRACT_REQUIRE_OK(co_await ReadExactly(t->server_stream.get(), &received));
  EXPECT_EQ(received, sent);
  EXPECT_EQ(abandoned, Bytes(10, std::byte{0xA5}));
}

// `FillUp` ends with a write that is stopped while it waits.
STREAM_TEST(StreamContract, AStoppedWriteIsCancelledAndSentNothing) {
  auto filled = co_await FillUp(t->client().clock, t->client_stream.get());
  CONTRACT_REQUIRE_OK(filled);
  CONTRACT_REQUIRE_OK(t->client_stream->ShutdownWrite());
  absl::Status error;
  Bytes received = co_await ReadToEnd(t->server_stream.get(), &error);
  EXPECT_TRUE(error.ok()) << error;
  EXPECT_EQ(received.size(), *filled);
  EXPECT_TRUE(received == Pattern(received.size()));
}

STREAM_TEST(StreamContract, AReadThatIsStoppedWhileBytesArriveReportsThemOrLeavesThem) {
  constexpr size_t kBytes = 50;
  size_t at = 0;
  for (int i = 0; i < 40; ++i) {
    Bytes sent = Pattern(kBytes, at);
    Bytes received(kBytes);
    auto [read, written] = co_await All(
        StoppedAfter(t->client().clock, i * 50us, ReadSome(t->server_stream.get(), &received)),
        WriteAllLater(t->client().clock, 500us, t->client_stream.get(), &sent));
    CONTRACT_REQUIRE_OK(written);
    CONTRACT_REQUIRE(read.ok() || absl::IsCancelled(read.status()));
    size_t reported = read.value_or(0);
    Bytes rest(kBytes - reported);
    if (!rest.empty()) CONTRACT_REQUIRE_OK(co_await ReadExactly(t->server_stream.get(), &rest));
    std::copy(rest.begin(), rest.end(), received.begin() + static_cast<ptrdiff_t>(reported));
    EXPECT_EQ(received, sent) << i;
    at += kBytes;
  }
}

STREAM_TEST(StreamContract, AWriteThatIsStoppedWhileThePeerReadsReportsWhatItSent) {
  auto filled = co_await FillUp(t->client().clock, t->client_stream.get());
  CONTRACT_REQUIRE_OK(filled);
  size_t written = *filled;
  size_t read = 0;
  for (int i = 0; i < 20; ++i) {
    Bytes more = Pattern(size_t{100} << 10, written);
    Bytes part(std::min<size_t>(size_t{300} << 10, written - read));
    auto [sent, got] = co_await All(
        StoppedAfter(t->client().clock, i * 50us, WriteSome(t->client_stream.get(), &more)),
        ReadExactly(t->server_stream.get(), &part));
    CONTRACT_REQUIRE_OK(got);
    CONTRACT_REQUIRE(sent.ok() || absl::IsCancelled(sent.status()));
    EXPECT_TRUE(part == Pattern(part.size(), read)) << i;
    written += sent.value_or(0);
    read += part.size();
  }
  CONTRACT_REQUIRE_OK(t->client_stream->ShutdownWrite());
  absl::Status error;
  Bytes rest = co_await ReadToEnd(t->server_stream.get(), &error);
  EXPECT_EQ(rest.size(), written - read);
  EXPECT_TRUE(rest == Pattern(rest.size(), read));
}

Task<void> ReadAndNote(Stream* stream, bool* ended) {
  Bytes buffer(1);
  auto read = co_await stream->Read(buffer);
  EXPECT_TRUE(absl::IsCancelled(read.status())) << read.status();
  *ended = true;
}

STREAM_TEST(StreamContract, AStopRequestReturnsBeforeTheOperationEnds) {
  StopSource stop(co_await CurrentStop());
  Scope scope(co_await ThisTask());
  bool ended = false;
  scope.Spawn(WithStop(&stop, ReadAndNote(t->server_stream.get(), &ended)));
  EXPECT_TRUE((co_await t->client().clock->SleepFor(1ms)).ok());
  stop.RequestStop();
  EXPECT_FALSE(ended);  // request ...
  co_await scope.Join();
  EXPECT_TRUE(ended);  // ... then await
}

STREAM_TEST(StreamContract, AStreamGoesOnAfterAStoppedOperation) {
  Bytes unused(1);
  for (int i = 0; i < 3; ++i) {
    auto read =
        co_await StoppedAfter(t->client().clock, 100us, ReadSome(t->server_stream.get(), &unused));
    EXPECT_TRUE(absl::IsCancelled(read.status()));
  }
  Bytes sent = Pattern(100);
  Bytes received(100);
  CONTRACT_REQUIRE_OK(co_await WriteAll(t->client_stream.get(), &sent));
  CONTRACT_REQUIRE_OK(co_await ReadExactly(t->server_stream.get(), &received));
  EXPECT_EQ(received, sent);
}

}  // namespace
}  // namespace faultline::contract
