// Goal: a cancelled read loses nothing, wherever it stood, and a read that is torn out by a crash
// is never mistaken for one that ended.
// Method: stop ReadMessage at each of its suspensions, with each number of bytes already there,
// also when the stop comes too late to stop the transfer; then read on and compare everything.

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
using testing::Sample;
using testing::TagOf;
using testing::TaskRunner;

constexpr size_t kMax = size_t{1} << 20;

// Reads everything that `wire` holds, fed in pieces of `piece` bytes, and cancels the pending read
// before each piece (`late`: behind it, when its bytes have already been transferred).
std::vector<uint64_t> ReadCancelling(std::span<const std::byte> wire, size_t piece,
                                     size_t buffer_bytes, bool late, size_t* cancelled) {
  BufferPool pool;
  TaskRunner loop;
  auto [peer, stream] = MakeMemoryStreams(MemoryPipeOptions{.hold_completions = late});
  FrameReader<Stream> reader(
      stream.get(), &pool,
      {.receive_buffer_bytes = buffer_bytes, .receive_buffer_max_bytes = buffer_bytes});
  std::vector<uint64_t> tags;
  auto settle = [&](const absl::StatusOr<Message>& message) {
    if (message.ok()) tags.push_back(TagOf(*message));
    if (absl::IsCancelled(message.status())) ++*cancelled;
    return message.ok() || absl::IsCancelled(message.status());
  };
  for (size_t at = 0; at < wire.size(); at += piece) {
    auto read = loop.Start(reader.ReadMessage(kMax));
    loop.Run();
    while (read.done()) {
      if (!settle(read.result())) return tags;
      read = loop.Start(reader.ReadMessage(kMax));
      loop.Run();
    }
    std::span<const std::byte> next = wire.subspan(at, std::min(piece, wire.size() - at));
    if (late) peer->Inject(next);
    read.RequestStop();
    loop.Run();
    if (!settle(read.result())) return tags;
    if (!late) peer->Inject(next);
  }
  EXPECT_TRUE(peer->ShutdownWrite().ok());
  while (settle(loop.Await(reader.ReadMessage(kMax)))) {
  }
  EXPECT_TRUE(reader.closed_cleanly());
  return tags;
}

std::vector<std::byte> WireOf(const std::vector<size_t>& bodies) {
  BufferPool pool;
  std::vector<Message> messages;
  for (size_t body : bodies) messages.push_back(Sample(&pool, messages.size() + 1, body));
  return testing::Wire(messages);
}

TEST(CancelledRead, LosesNothingAtAnySuspension) {
  std::vector<std::byte> wire = WireOf({0, 30, 700, 5000, 1});
  for (bool late : {false, true}) {
    for (size_t buffer : {512, 65536}) {
      for (size_t piece : {1, 2, 100, 255, 256, 257, 511, 1000}) {
        size_t cancelled = 0;
        EXPECT_EQ(ReadCancelling(wire, piece, buffer, late, &cancelled),
                  (std::vector<uint64_t>{1, 2, 3, 4, 5}))
            << "pieces of " << piece << ", buffer of " << buffer << ", late " << late;
        EXPECT_GT(cancelled, 0u) << "the test must have cancelled something";
      }
    }
  }
}

// What the read had got when the stop came is given out, not thrown away with the Cancelled.
TEST(CancelledRead, AMessageThatWasCompleteIsReturned) {
  BufferPool pool;
  TaskRunner loop;
  auto [peer, stream] = MakeMemoryStreams(MemoryPipeOptions{.hold_completions = true});
  FrameReader<Stream> reader(stream.get(), &pool, {});
  auto read = loop.Start(reader.ReadMessage(kMax));
  loop.Run();
  peer->Inject(WireOf({10}));
  read.RequestStop();
  loop.Run();
  ASSERT_TRUE(read.result().ok()) << read.result().status();
  EXPECT_EQ(TagOf(*read.result()), 1u);
}

TEST(CancelledRead, CancelledIsNotFinal) {
  BufferPool pool;
  TaskRunner loop;
  auto [peer, stream] = MakeMemoryStreams();
  FrameReader<Stream> reader(stream.get(), &pool, {});
  for (int i = 0; i < 3; ++i) {
    auto read = loop.Start(reader.ReadMessage(kMax));
    loop.Run();
    read.RequestStop();
    loop.Run();
    EXPECT_TRUE(absl::IsCancelled(read.result().status()));
    EXPECT_FALSE(reader.TryNext(kMax).has_value());
  }
  peer->Inject(WireOf({10}));
  EXPECT_TRUE(loop.Await(reader.ReadMessage(kMax)).ok());
}

// An abort from our own other half must not look like a stop request.
TEST(CancelledRead, AnAbortOfOursIsFinalAndNotCancelled) {
  BufferPool pool;
  TaskRunner loop;
  auto [peer, stream] = MakeMemoryStreams();
  FrameReader<Stream> reader(stream.get(), &pool, {});
  auto read = loop.Start(reader.ReadMessage(kMax));
  loop.Run();
  stream->Abort();
  loop.Run();
  EXPECT_TRUE(absl::IsAborted(read.result().status())) << read.result().status();
  EXPECT_EQ(ErrnoOf(read.result().status()), ECONNABORTED);
  EXPECT_EQ(loop.Await(reader.ReadMessage(kMax)).status(), read.result().status());
}

TEST(CancelledRead, AnAbandonedReadIsFinal) {
  BufferPool pool;
  TaskRunner loop;
  auto [peer, stream] = MakeMemoryStreams();
  FrameReader<Stream> reader(stream.get(), &pool, {});
  auto read = loop.Start(reader.ReadMessage(kMax));
  loop.Run();
  loop.Crash();
  EXPECT_FALSE(stream->read_pending());
  absl::StatusOr<Message> next = loop.Await(reader.ReadMessage(kMax));
  EXPECT_TRUE(absl::IsAborted(next.status())) << next.status();
  EXPECT_EQ(next.status().message(), "a read was abandoned");
}

}  // namespace
}  // namespace faultline::message
