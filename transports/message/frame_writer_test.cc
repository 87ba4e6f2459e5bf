// Goal: a batch goes out whole and in order however the stream takes it, in as few calls as it
// allows; or the stream ends, and the writer refuses everything from then on.
// Method: an adversarial stream in memory that takes every number of bytes, or fails behind every
// byte; the messages read back on the other side; calls and buffers counted.

#include "transports/message/frame_writer.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <utility>
#include <vector>

#include "runtime/errors.h"
#include "transports/message/frame_error.h"
#include "transports/message/frame_reader.h"
#include "transports/testing/memory_stream.h"
#include "transports/testing/samples.h"
#include "transports/testing/task_runner.h"

namespace faultline::message {
namespace {

using testing::MakeMemoryStreams;
using testing::MemoryPipeOptions;
using testing::MemoryStream;
using testing::Sample;
using testing::TagOf;
using testing::TaskRunner;

constexpr size_t kMax = size_t{1} << 20;

struct Fixture {
  explicit Fixture(MemoryPipeOptions forth = {})
      : streams(MakeMemoryStreams(std::move(forth))),
        stream(*streams.first),
        peer(*streams.second),
        writer(&stream),
        reader(&peer, &pool, {}) {}

  void Fill(FrozenBatch* batch, const std::vector<size_t>& bodies) {
    for (size_t body : bodies) batch->Add(Sample(&pool, ++last_tag, body).frozen());
  }

  // The tags of what has arrived.
  std::vector<uint64_t> Received() {
    std::vector<uint64_t> tags;
    for (;;) {
      auto read = loop.Start(reader.ReadMessage(kMax));
      loop.Run();
      if (!read.done()) {
        read.RequestStop();
        loop.Run();
      }
      if (!read.result().ok()) {
        last_error = read.result().status();
        return tags;
      }
      tags.push_back(TagOf(*read.result()));
    }
  }

  BufferPool pool;
  TaskRunner loop;
  std::pair<std::unique_ptr<MemoryStream>, std::unique_ptr<MemoryStream>> streams;
  MemoryStream& stream;
  MemoryStream& peer;
  FrameWriter<Stream> writer;
  FrameReader<Stream> reader;
  uint64_t last_tag = 0;
  absl::Status last_error;
};

std::vector<uint64_t> OneTo(uint64_t last) {
  std::vector<uint64_t> tags;
  for (uint64_t tag = 1; tag <= last; ++tag) tags.push_back(tag);
  return tags;
}

TEST(FrameWriter, EveryPartialWriteIsResumed) {
  constexpr size_t kTotal = 256 + 3 + 256 + 256 + 100;
  for (size_t taken = 1; taken <= kTotal; ++taken) {
    Fixture f({.write_sizes = {taken}});
    FrozenBatch batch;
    f.Fill(&batch, {3, 0, 100});
    EXPECT_TRUE(f.loop.Await(f.writer.SendBatch(&batch)).ok());
    EXPECT_TRUE(batch.empty());
    EXPECT_EQ(batch.size(), 0u) << "the batch lets go of its messages";
    EXPECT_EQ(f.stream.writes(), (kTotal + taken - 1) / taken);
    EXPECT_EQ(f.Received(), OneTo(3)) << taken << " bytes a write";
  }
}

TEST(FrameWriter, FiveHundredAndTwelveFramesAreOneWrite) {
  Fixture f;
  FrozenBatch batch;
  f.Fill(&batch, std::vector<size_t>(FrozenBatch::kMaxBuffers, 44));
  EXPECT_TRUE(batch.full());
  EXPECT_TRUE(f.loop.Await(f.writer.SendBatch(&batch)).ok());
  EXPECT_EQ(f.stream.writes(), 1u);
  EXPECT_EQ(f.stream.widest_write(), 512u);
  EXPECT_EQ(f.Received(), OneTo(512));
}

TEST(FrameWriter, ABatchIsReused) {
  Fixture f({.write_sizes = {700, 1, 33}});
  FrozenBatch batch;
  for (int round = 0; round < 10; ++round) {
    f.Fill(&batch, {10, 600, 0});
    EXPECT_TRUE(f.loop.Await(f.writer.SendBatch(&batch)).ok());
  }
  EXPECT_EQ(f.Received(), OneTo(30));
}

TEST(FrameWriter, AnEmptyBatchIsNoSystemCall) {
  Fixture f;
  FrozenBatch batch;
  EXPECT_TRUE(f.loop.Await(f.writer.SendBatch(&batch)).ok());
  EXPECT_EQ(f.stream.writes(), 0u);
}

TEST(FrameWriter, WaitsForAReaderThatIsSlow) {
  Fixture f({.capacity = 300});
  FrozenBatch batch;
  f.Fill(&batch, {1000, 1000});
  auto send = f.loop.Start(f.writer.SendBatch(&batch));
  f.loop.Run();
  EXPECT_FALSE(send.done()) << "300 bytes are the most that may be unread";
  EXPECT_EQ(f.Received(), OneTo(2));
  ASSERT_TRUE(send.done());
  EXPECT_TRUE(send.result().ok());
}

// The caller's bytes are what the kernel is given.
TEST(FrameWriter, NothingIsCopied) {
  struct Spy {
    struct Op {
      bool await_ready() { return true; }
      void await_suspend(std::coroutine_handle<>) {}
      absl::StatusOr<size_t> await_resume() { return bytes; }
      size_t bytes;
    };
    Op WriteVector(std::span<const iovec> buffers) {
      seen.assign(buffers.begin(), buffers.end());
      size_t bytes = 0;
      for (const iovec& buffer : buffers) bytes += buffer.iov_len;
      return Op{bytes};
    }
    absl::Status ShutdownWrite() { return absl::OkStatus(); }
    void Abort() {}
    std::vector<iovec> seen;
  };
  BufferPool pool;
  TaskRunner loop;
  Spy spy;
  FrameWriter<Spy> writer(&spy);
  Message first = Sample(&pool, 1, 10), second = Sample(&pool, 2, 5000);
  FrozenBatch batch;
  batch.Add(first.frozen());
  batch.Add(second.frozen());
  EXPECT_TRUE(loop.Await(writer.SendBatch(&batch)).ok());
  ASSERT_EQ(spy.seen.size(), 2u);
  EXPECT_EQ(spy.seen[0].iov_base, first.frozen().data());
  EXPECT_EQ(spy.seen[1].iov_base, second.frozen().data());
}

TEST(FrameWriter, AFaultBehindEveryByteEndsTheConnection) {
  constexpr size_t kTotal = 256 + 10 + 256;
  for (size_t fault = 0; fault < kTotal; fault += 13) {
    Fixture f({.write_sizes = {100}, .write_fault_after = fault, .write_fault = ETIMEDOUT});
    FrozenBatch batch;
    f.Fill(&batch, {10, 0});
    absl::Status sent = f.loop.Await(f.writer.SendBatch(&batch));
    EXPECT_EQ(ErrnoOf(sent), ETIMEDOUT) << sent;
    EXPECT_TRUE(f.stream.aborted()) << "a part of a frame may be on the wire";
    EXPECT_EQ(batch.size(), 2u) << "a batch that failed keeps its messages";
    size_t writes = f.stream.writes();
    FrozenBatch next;
    f.Fill(&next, {1});
    absl::Status refused = f.loop.Await(f.writer.SendBatch(&next));
    EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
    EXPECT_NE(refused.message().find("ETIMEDOUT"), absl::string_view::npos) << refused;
    EXPECT_TRUE(absl::IsFailedPrecondition(f.writer.FinishWrites()));
    EXPECT_EQ(f.stream.writes(), writes) << "a refused batch reaches no stream";
  }
}

TEST(FrameWriter, ACancelledBatchEndsTheConnection) {
  Fixture f({.capacity = 300});
  FrozenBatch batch;
  f.Fill(&batch, {1000});
  auto send = f.loop.Start(f.writer.SendBatch(&batch));
  f.loop.Run();
  send.RequestStop();
  f.loop.Run();
  ASSERT_TRUE(send.done());
  EXPECT_TRUE(absl::IsCancelled(send.result()));
  EXPECT_TRUE(f.stream.aborted());
  FrozenBatch next;
  EXPECT_TRUE(absl::IsFailedPrecondition(f.loop.Await(f.writer.SendBatch(&next))));
  EXPECT_TRUE(f.Received().empty());
  EXPECT_FALSE(IsConnectionClosed(f.last_error)) << f.last_error;
}

// The reader on our own side must not stay behind, waiting for ever.
TEST(FrameWriter, AFailedBatchWakesTheReaderOfTheSameConnection) {
  Fixture f({.write_fault_after = 0});
  FrameReader<Stream> own_reader(&f.stream, &f.pool, {});
  auto read = f.loop.Start(own_reader.ReadMessage(kMax));
  f.loop.Run();
  FrozenBatch batch;
  f.Fill(&batch, {1});
  EXPECT_FALSE(f.loop.Await(f.writer.SendBatch(&batch)).ok());
  ASSERT_TRUE(read.done());
  EXPECT_TRUE(absl::IsAborted(read.result().status())) << read.result().status();
}

TEST(FrameWriter, AnAbandonedBatchIsFinal) {
  Fixture f({.capacity = 300});
  FrozenBatch batch;
  f.Fill(&batch, {1000});
  auto send = f.loop.Start(f.writer.SendBatch(&batch));
  f.loop.Run();
  f.loop.Crash();
  FrozenBatch next;
  absl::Status refused = f.loop.Await(f.writer.SendBatch(&next));
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
}

TEST(FrameWriter, FinishedMeansACleanEndForThePeer) {
  Fixture f;
  FrozenBatch batch;
  f.Fill(&batch, {10});
  EXPECT_TRUE(f.loop.Await(f.writer.SendBatch(&batch)).ok());
  EXPECT_TRUE(f.writer.FinishWrites().ok());
  EXPECT_EQ(f.Received(), OneTo(1));
  EXPECT_TRUE(IsConnectionClosed(f.last_error)) << f.last_error;
  f.Fill(&batch, {10});
  absl::Status refused = f.loop.Await(f.writer.SendBatch(&batch));
  EXPECT_TRUE(absl::IsFailedPrecondition(refused));
  EXPECT_EQ(refused.message(), "writing was finished");
}

TEST(FrameWriterDeathTest, TwoBatchesAtOnceAreOurBug) {
  Fixture f({.capacity = 300});
  FrozenBatch batch, other;
  f.Fill(&batch, {1000});
  f.Fill(&other, {1});
  auto send = f.loop.Start(f.writer.SendBatch(&batch));
  f.loop.Run();
  EXPECT_DEATH((void)f.loop.Await(f.writer.SendBatch(&other)), "one batch at a time");
  EXPECT_DEATH((void)f.writer.FinishWrites(), "a batch is being sent");
  f.loop.Crash();
}

}  // namespace
}  // namespace faultline::message
