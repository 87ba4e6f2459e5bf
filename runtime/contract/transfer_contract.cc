// Goal: what transfer.h and stream.h promise of reads and writes, in every world.
// Method: two connected streams (IPv4, IPv6, Unix) and one task that uses both. Buffers hold a
// known byte first, so that each byte that changes, or does not, is seen.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "runtime/combine.h"
#include "runtime/contract/contract.h"
#include "runtime/contract/helpers.h"
#include "runtime/frame_pool.h"
#include "runtime/testing/allocation_counter.h"

namespace faultline::contract {
namespace {

constexpr std::byte kUntouched{0xA5};
constexpr size_t kMaxBuffers = 1024;  // IOV_MAX

bool AllUntouched(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == kUntouched; });
}

bool StartsWith(std::span<const std::byte> bytes, std::span<const std::byte> prefix) {
  return bytes.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), bytes.begin());
}

// --- Reads ---

STREAM_TEST(StreamContract, AReadGetsTheBytesThatWereWritten) {
  Bytes sent = Pattern(1000);
  Bytes received(1000);
  CONTRACT_REQUIRE_OK(co_await WriteAll(t->client_stream.get(), &sent));
  CONTRACT_REQUIRE_OK(co_await ReadExactly(t->server_stream.get(), &received));
  EXPECT_EQ(received, sent);
}

STREAM_TEST(StreamContract, AReadWaitsUntilThereAreBytes) {
  Bytes sent = Pattern(1);
  Bytes received(100, kUntouched);
  auto [read, written] =
      co_await All(ReadSome(t->server_stream.get(), &received),
                   WriteAllLater(t->client().clock, 1ms, t->client_stream.get(), &sent));
  EXPECT_TRUE(written.ok()) << written;
  CONTRACT_REQUIRE_OK(read);
  EXPECT_EQ(*read, 1u);
}

STREAM_TEST(StreamContract, FewerBytesThanAskedForIsSuccessAndTheRestOfTheBufferIsUntouched) {
  Bytes sent = Pattern(10);
  Bytes received(100, kUntouched);
  CONTRACT_REQUIRE_OK(co_await WriteAll(t->client_stream.get(), &sent));
  auto read = co_await t->server_stream->Read(received);
  CONTRACT_REQUIRE_OK(read);
  EXPECT_GE(*read, 1u);
  EXPECT_LE(*read, 10u);
  EXPECT_TRUE(StartsWith(received, std::span(sent).first(*read)));
  EXPECT_TRUE(AllUntouched(std::span(received).subspan(*read)));
}

STREAM_TEST(StreamContract, WhatAReadDoesNotTakeStaysForTheNext) {
  Bytes sent = Pattern(100);
  CONTRACT_REQUIRE_OK(co_await WriteAll(t->client_stream.get(), &sent));
  for (size_t i = 0; i < sent.size(); ++i) {
    Bytes one(1);
    auto read = co_await t->server_stream->Read(one);
    CONTRACT_REQUIRE_OK(read);
    EXPECT_EQ(*read, 1u);
    EXPECT_EQ(one[0], sent[i]) << i;
  }
}

STREAM_TEST(StreamContract, AVectoredReadFillsItsBuffersInOrder) {
  Bytes sent = Pattern(10);
  Bytes received(12, kUntouched);
  CONTRACT_REQUIRE_OK(co_await WriteAll(t->client_stream.get(), &sent));
  for (size_t done = 0; done < sent.size();) {
    // 1 byte, none, and what is left: in memory they lie in a row.
    std::array<iovec, 3> buffers = {iovec{received.data() + done, 1},
                                    iovec{received.data() + done + 1, 0},
                                    iovec{received.data() + done + 1, received.size() - done - 1}};
    auto read = co_await t->server_stream->ReadVector(buffers);
    CONTRACT_REQUIRE_OK(read);
    CONTRACT_REQUIRE(*read >= 1 && *read <= sent.size() - done);
    done += *read;
    EXPECT_TRUE(StartsWith(received, std::span(sent).first(done)));
    EXPECT_TRUE(AllUntouched(std::span(received).subspan(done)));
  }
}

STREAM_TEST(StreamContract, AVectoredWriteTakesItsBuffersInOrder) {
  Bytes sent = Pattern(100);
  for (size_t done = 0; done < sent.size();) {
    std::array<iovec, 4> buffers = {iovec{sent.data() + done, 1}, iovec{sent.data() + done + 1, 0},
                                    iovec{sent.data() + done + 1, (sent.size() - done - 1) / 2},
                                    iovec{}};
    size_t covered = 1 + buffers[2].iov_len;
    buffers[3] = iovec{sent.data() + done + covered, sent.size() - done - covered};
    auto taken = co_await t->client_stream->WriteVector(buffers);
    CONTRACT_REQUIRE_OK(taken);
    CONTRACT_REQUIRE(*taken >= 1 && *taken <= sent.size() - done);
    done += *taken;
  }
  Bytes received(100);
  CONTRACT_REQUIRE_OK(co_await ReadExactly(t->server_stream.get(), &received));
  EXPECT_EQ(received, sent);
}

STREAM_TEST(StreamContract, AVectorHasUpTo1024Buffers) {
  Bytes sent = Pattern(kMaxBuffers);
  Bytes received(kMaxBuffers);
  std::vector<iovec> out(kMaxBuffers);
  std::vector<iovec> in(kMaxBuffers);
  for (size_t i = 0; i < kMaxBuffers; ++i) {
    out[i] = {&sent[i], 1};
    in[i] = {&received[i], 1};
  }
  for (size_t done = 0; done < kMaxBuffers;) {
    auto taken = co_await t->client_stream->WriteVector(std::span(out).subspan(done));
    CONTRACT_REQUIRE_OK(taken);
    done += *taken;
  }
  for (size_t done = 0; done < kMaxBuffers;) {
    auto got = co_await t->server_stream->ReadVector(std::span(in).subspan(done));
    CONTRACT_REQUIRE_OK(got);
    CONTRACT_REQUIRE(*got > 0);
    done += *got;
  }
  EXPECT_EQ(received, sent);
}

// --- Writes ---

STREAM_TEST(StreamContract, AWriteWaitsWhileThePeerDoesNotRead) {
  auto taken = co_await FillUp(t->client().clock, t->client_stream.get());
  CONTRACT_REQUIRE_OK(taken);
  EXPECT_GT(*taken, 0u);
}

STREAM_TEST(StreamContract, AWaitingWriteGoesOnWhenThePeerReads) {
  auto filled = co_await FillUp(t->client().clock, t->client_stream.get());
  CONTRACT_REQUIRE_OK(filled);
  Bytes more = Pattern(100, *filled);
  Bytes received(*filled + more.size());
  auto [written, read] = co_await All(WriteAll(t->client_stream.get(), &more),
                                      ReadExactly(t->server_stream.get(), &received));
  CONTRACT_REQUIRE_OK(written);
  CONTRACT_REQUIRE_OK(read);
  EXPECT_TRUE(received == Pattern(received.size()));
}

STREAM_TEST(StreamContract, OneReadAndOneWriteMayBePendingTogether) {
  auto filled = co_await FillUp(t->client().clock, t->client_stream.get());
  CONTRACT_REQUIRE_OK(filled);
  Bytes more = Pattern(100, *filled);
  Bytes answer = Pattern(5);
  Bytes read_by_client(5);
  Bytes read_by_server(*filled + more.size());
  auto [pending_write, pending_read, answered, drained] = co_await All(
      WriteAll(t->client_stream.get(), &more), ReadExactly(t->client_stream.get(), &read_by_client),
      WriteAllLater(t->client().clock, 1ms, t->server_stream.get(), &answer),
      ReadExactly(t->server_stream.get(), &read_by_server));
  CONTRACT_REQUIRE_OK(pending_write);
  CONTRACT_REQUIRE_OK(pending_read);
  CONTRACT_REQUIRE_OK(answered);
  CONTRACT_REQUIRE_OK(drained);
  EXPECT_EQ(read_by_client, answer);
  EXPECT_TRUE(read_by_server == Pattern(read_by_server.size()));
}

STREAM_TEST(StreamContract, LongTransfersBothWaysArriveWholeAndInOrder) {
  Bytes up = Pattern(size_t{3} << 20);
  Bytes down = Pattern(size_t{2} << 20, 13);
  Bytes up_received(up.size());
  Bytes down_received(down.size());
  auto [sent_up, sent_down, got_up, got_down] =
      co_await All(WriteAll(t->client_stream.get(), &up), WriteAll(t->server_stream.get(), &down),
                   ReadExactly(t->server_stream.get(), &up_received),
                   ReadExactly(t->client_stream.get(), &down_received));
  CONTRACT_REQUIRE_OK(sent_up);
  CONTRACT_REQUIRE_OK(sent_down);
  CONTRACT_REQUIRE_OK(got_up);
  CONTRACT_REQUIRE_OK(got_down);
  EXPECT_TRUE(up_received == up);
  EXPECT_TRUE(down_received == down);
}

STREAM_DEATH_TEST(StreamContract, ASecondPendingReadIsRefusedLoudly, "one read at a time") {
  Bytes first(1);
  Bytes second(1);
  (void)co_await All(ReadSome(t->server_stream.get(), &first),
                     ReadSome(t->server_stream.get(), &second));
}

// A late acknowledgement may make room for one write or another after a stream was full.
Task<absl::Status> WriteForEver(Stream* stream, const Bytes* bytes) {
  while (true) {
    absl::StatusOr<size_t> written = co_await WriteSome(stream, bytes);
    if (!written.ok()) co_return written.status();
  }
}

STREAM_DEATH_TEST(StreamContract, ASecondPendingWriteIsRefusedLoudly, "one write at a time") {
  (void)co_await FillUp(t->client().clock, t->client_stream.get());
  Bytes bytes = Pattern(1000);
  (void)co_await All(WriteForEver(t->client_stream.get(), &bytes),
                     WriteForEver(t->client_stream.get(), &bytes));
}

// --- Cost ---

// Returns the allocations that the rounds made.
Task<uint64_t> PingPong(StreamContract* t, int rounds, int* done) {
  std::array<std::byte, 256> out{};
  std::array<std::byte, 256> in{};
  std::array<iovec, 2> halves = {iovec{in.data(), 128}, iovec{in.data() + 128, 128}};
  const uint64_t before = testing::ThreadAllocations();
  for (int i = 0; i < rounds; ++i) {
    auto asked = co_await t->client_stream->Write(out);
    auto heard = co_await t->server_stream->ReadVector(halves);
    auto answered = co_await t->server_stream->WriteVector(halves);
    auto got = co_await t->client_stream->Read(in);
    if (asked.ok() && heard.ok() && answered.ok() && got.ok() && *got > 0) ++*done;
  }
  co_return testing::ThreadAllocations() - before;
}

STREAM_TEST(StreamContract, ASteadyStateReadOrWriteAllocatesNothing) {
  int rounds = 0;
  (void)co_await PingPong(t, 100, &rounds);  // whatever grows once has grown
  uint64_t allocations = co_await PingPong(t, 100, &rounds);
  EXPECT_EQ(rounds, 200);
  // Under AddressSanitizer nothing is recycled, so that a use after free is seen.
  if (FAULTLINE_FRAME_POOL != 0) {
    EXPECT_EQ(allocations, 0u);
  }
}

Task<void> KeepWriting(Stream* stream, const bool* stop) {
  Bytes chunk = Pattern(4096);
  while (!*stop) {
    auto taken = co_await stream->Write(chunk);
    if (!taken.ok()) co_return;
  }
  (void)stream->ShutdownWrite();
}

Task<void> KeepReading(Stream* stream) {
  Bytes chunk(4096);
  while (true) {
    auto got = co_await stream->Read(chunk);
    if (!got.ok() || *got == 0) co_return;
  }
}

STREAM_TEST(StreamContract, ABusyStreamDoesNotStarveOthers) {
  std::unique_ptr<Stream> busy_writer;
  std::unique_ptr<Stream> busy_reader;
  co_await t->ConnectPair(&busy_writer, &busy_reader);
  CONTRACT_REQUIRE(busy_writer != nullptr && busy_reader != nullptr);
  bool stop = false;
  Scope busy(co_await ThisTask());
  busy.Spawn(KeepWriting(busy_writer.get(), &stop));
  busy.Spawn(KeepReading(busy_reader.get()));
  int rounds = 0;
  (void)co_await PingPong(t, 20, &rounds);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE((co_await t->client().clock->SleepFor(1ms)).ok());
  EXPECT_EQ(rounds, 20);
  stop = true;
  co_await busy.Join();
}

}  // namespace
}  // namespace faultline::contract
