// Goal: messages go over whatever is a stream, behind the same concepts: a pair in memory, in both
// worlds, and descriptors, as standard input and output are.
// Method: `any::Connection`s, so that nobody knows what is below; one end echoes. The simulation
// runs under many seeds, over capacities that cut frames anywhere.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "runtime/epoll/descriptor_stream.h"
#include "runtime/epoll/loop.h"
#include "runtime/errors.h"
#include "runtime/stream_pair.h"
#include "sim/host.h"
#include "sim/world.h"
#include "transports/any/any.h"
#include "transports/message/frame_error.h"
#include "transports/message/stream_connection.h"
#include "transports/testing/samples.h"

namespace faultline::any {
namespace {

using faultline::testing::Sample;
using faultline::testing::TagOf;
using message::Message;

constexpr size_t kMax = size_t{1} << 20;
constexpr uint64_t kMessages = 50;

struct Outcome {
  std::vector<uint64_t> echoes{};
  absl::Status end = absl::UnknownError("not yet");
};

Connection Over(std::unique_ptr<Stream> stream, BufferPool* pool) {
  return Connection::Of(message::StreamConnection(std::move(stream), pool, {}));
}

Task<void> Echo(Connection connection) {
  auto [reader, writer] = std::move(connection).Split();
  while (true) {
    absl::StatusOr<Message> message = co_await reader.ReadMessage(kMax);
    if (!message.ok()) break;
    FrozenBatch batch;
    batch.Add(message->frozen());
    EXPECT_TRUE((co_await writer.SendBatch(&batch)).ok());
  }
  EXPECT_TRUE(writer.FinishWrites().ok());
}

Task<void> Send(Writer* writer, BufferPool* pool) {
  for (uint64_t tag = 1; tag <= kMessages; ++tag) {
    FrozenBatch batch;
    batch.Add(Sample(pool, tag, tag * 100).frozen());
    EXPECT_TRUE((co_await writer->SendBatch(&batch)).ok());
  }
  EXPECT_TRUE(writer->FinishWrites().ok());
}

Task<void> Receive(Reader* reader, Outcome* outcome) {
  while (true) {
    absl::StatusOr<Message> message = co_await reader->ReadMessage(kMax);
    if (!message.ok()) {
      outcome->end = message.status();
      co_return;
    }
    outcome->echoes.push_back(TagOf(*message));
  }
}

Task<void> Converse(Connection near, Connection far, BufferPool* pool, Outcome* outcome) {
  Scope scope(co_await ThisTask());
  auto [reader, writer] = std::move(near).Split();
  scope.Spawn(Echo(std::move(far)));
  scope.Spawn(Send(&writer, pool));
  scope.Spawn(Receive(&reader, outcome));
  co_await scope.Join();
}

void Check(const Outcome& outcome) {
  EXPECT_TRUE(message::IsConnectionClosed(outcome.end)) << outcome.end;
  ASSERT_EQ(outcome.echoes.size(), kMessages);
  for (uint64_t i = 0; i < kMessages; ++i) EXPECT_EQ(outcome.echoes[i], i + 1);
}

Task<void> OverAPair(Runtime runtime, size_t capacity, Outcome* outcome) {
  auto [near, far] = MakeStreamPair({.capacity_bytes = capacity});
  co_await Converse(Over(std::move(near), runtime.buffers), Over(std::move(far), runtime.buffers),
                    runtime.buffers, outcome);
}

TEST(StreamPair, CarriesMessagesInSimulation) {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(seed);
    sim::World world({.seed = seed, .scheduling = sim::Scheduling::kRandom});
    Outcome outcome;
    world.AddHost({.name = "both"})->Boot([&outcome, seed](const Runtime& runtime) {
      return OverAPair(runtime, 1 + seed * 13, &outcome);
    });
    const sim::Verdict verdict = world.Run({.until = 60s});
    EXPECT_TRUE(verdict.passed()) << verdict.ToString();
    Check(outcome);
  }
}

TEST(StreamPair, CarriesMessagesInARealLoop) {
  auto loop = epoll::Loop::Create({});
  ASSERT_TRUE(loop.ok()) << loop.status();
  Outcome outcome;
  (*loop)->Run(OverAPair((*loop)->runtime(), size_t{256} << 10, &outcome));
  Check(outcome);
}

struct Pipe {
  kernel::Descriptor read;
  kernel::Descriptor write;
};

Pipe MakePipe() {
  std::array<int, 2> fds;
  FAULTLINE_CHECK(pipe2(fds.data(), O_CLOEXEC) == 0) << ErrnoStatus(errno, "pipe2");
  return {kernel::Descriptor(fds[0]), kernel::Descriptor(fds[1])};
}

TEST(DescriptorStream, CarriesMessagesOverPipes) {
  auto loop = epoll::Loop::Create({});
  ASSERT_TRUE(loop.ok()) << loop.status();
  Pipe forth = MakePipe();
  Pipe back = MakePipe();
  auto near =
      epoll::MakeDescriptorStream((*loop)->core(), std::move(back.read), std::move(forth.write));
  auto far =
      epoll::MakeDescriptorStream((*loop)->core(), std::move(forth.read), std::move(back.write));
  ASSERT_TRUE(near.ok() && far.ok()) << near.status() << far.status();
  Outcome outcome;
  BufferPool* pool = (*loop)->runtime().buffers;
  (*loop)->Run(Converse(Over(*std::move(near), pool), Over(*std::move(far), pool), pool, &outcome));
  Check(outcome);
}

}  // namespace
}  // namespace faultline::any
