// Goal: a reader allocates nothing for a frame before its size was checked; and once warm, neither
// reading nor writing takes anything from the heap.
// Method: a counting allocator round a connection in memory.

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "runtime/testing/allocation_counter.h"
#include "transports/message/frame_error.h"
#include "transports/message/frame_reader.h"
#include "transports/message/frame_writer.h"
#include "transports/testing/memory_stream.h"
#include "transports/testing/samples.h"
#include "transports/testing/task_runner.h"

namespace faultline::message {
namespace {

using testing::MakeMemoryStreams;
using testing::Sample;
using testing::TaskRunner;
using testing::TotalAllocations;

// A header that announces `size` bytes, sealed.
std::vector<std::byte> HeaderOfSize(BufferPool* pool, uint32_t size) {
  std::vector<std::byte> header = testing::Wire(std::vector<Message>{Sample(pool, 1, 0)});
  std::memcpy(header.data() + offsetof(Header, size), &size, sizeof(size));
  Uint128 seal = SealOf(HeaderBytes(header.data(), kHeaderSize));
  std::memcpy(header.data(), &seal, sizeof(seal));
  return header;
}

// The largest block that reading such a header took, with a maximum of 1 MiB.
size_t LargestBlockFor(uint32_t size, FrameError expected) {
  BufferPool pool;
  TaskRunner loop;
  auto [peer, stream] = MakeMemoryStreams();
  FrameReader<Stream> reader(stream.get(), &pool, {.receive_buffer_bytes = 4096});
  peer->Inject(HeaderOfSize(&pool, size));
  auto read = loop.Start(reader.ReadMessage(size_t{1} << 20));
  (void)testing::TakeLargestAllocation();
  loop.Run();
  size_t largest = testing::TakeLargestAllocation();
  if (expected == FrameError::kNone) {
    EXPECT_FALSE(read.done()) << "it waits for the body";
    loop.Crash();
  } else {
    EXPECT_EQ(FrameErrorOf(read.result().status()), expected);
  }
  return largest;
}

TEST(Allocation, NothingIsAllocatedForASizeThatIsNotAllowed) {
  EXPECT_LE(LargestBlockFor((1 << 20) + 1, FrameError::kSizeAboveMaximum), 4096u);
  EXPECT_LE(LargestBlockFor(UINT32_MAX, FrameError::kSizeAboveMaximum), 4096u);
  EXPECT_LE(LargestBlockFor(255, FrameError::kSizeBelowHeader), 4096u);
  EXPECT_GE(LargestBlockFor(1 << 20, FrameError::kNone), size_t{1} << 20)
      << "the test must see what an allowed size takes";
}

#if FAULTLINE_FRAME_POOL  // without it each coroutine is an allocation

struct Traffic {
  FrameWriter<Stream>* writer;
  FrameReader<Stream>* reader;
  const std::vector<Message>* messages;
  FrozenBatch batch;
};

Task<absl::Status> SendAll(Traffic* traffic) {
  for (const Message& message : *traffic->messages) traffic->batch.Add(message.frozen());
  co_return co_await traffic->writer->SendBatch(&traffic->batch);
}

Task<absl::Status> ReceiveAll(Traffic* traffic) {
  size_t left = traffic->messages->size();
  while (left > 0) {
    absl::StatusOr<Message> message = co_await traffic->reader->ReadMessage(kDefaultMaxMessageSize);
    if (!message.ok()) co_return message.status();
    --left;
    while (left > 0) {
      auto next = traffic->reader->TryNext(kDefaultMaxMessageSize);
      if (!next.has_value()) break;
      if (!next->ok()) co_return next->status();
      --left;
    }
  }
  co_return absl::OkStatus();
}

Task<void> Rounds(Traffic* traffic, int rounds, absl::Status* status) {
  for (int i = 0; i < rounds && status->ok(); ++i) {
    *status = co_await SendAll(traffic);
    if (status->ok()) *status = co_await ReceiveAll(traffic);
  }
}

// Blocks taken by the second hundred of rounds of `bodies`.
size_t BlocksWhenWarm(const std::vector<size_t>& bodies, testing::MemoryPipeOptions options) {
  BufferPool pool;
  TaskRunner loop;
  auto [first, second] = MakeMemoryStreams(std::move(options));
  FrameWriter<Stream> writer(first.get());
  FrameReader<Stream> reader(second.get(), &pool, {});
  std::vector<Message> messages;
  for (size_t body : bodies) messages.push_back(Sample(&pool, messages.size() + 1, body));
  Traffic traffic{&writer, &reader, &messages, {}};
  absl::Status status;
  loop.Spawn(Rounds(&traffic, 100, &status));
  loop.Run();
  loop.Spawn(Rounds(&traffic, 100, &status));
  size_t before = TotalAllocations();
  loop.Run();
  size_t taken = TotalAllocations() - before;
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(loop.live(), 0u);
  return taken;
}

TEST(Allocation, TheSteadyStateAllocatesNothing) {
  EXPECT_EQ(BlocksWhenWarm(std::vector<size_t>(512, 0), {}), 0u);
  EXPECT_EQ(BlocksWhenWarm({0, 100, 4096, 65536, 300000, 7}, {}), 0u);
  EXPECT_EQ(BlocksWhenWarm({0, 100, 4096, 65536, 7}, {.read_sizes = {1000, 3}}), 0u)
      << "partial reads";
  EXPECT_EQ(BlocksWhenWarm({0, 100, 4096, 65536, 7}, {.write_sizes = {1000, 3}}), 0u)
      << "partial writes";
}

#endif

}  // namespace
}  // namespace faultline::message
