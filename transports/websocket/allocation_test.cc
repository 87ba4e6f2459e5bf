// Goal: once warm, neither reading nor writing messages over WebSocket takes anything from the
// heap. Method: a counting allocator round an echo on epoll.

#include <gtest/gtest.h>

#include <utility>

#include "runtime/frame_pool.h"
#include "runtime/testing/allocation_counter.h"
#include "transports/testing/samples.h"
#include "transports/websocket/testing/worlds.h"

namespace faultline::websocket::testing {
namespace {

using faultline::testing::AllocationCounter;
using faultline::testing::Sample;
using faultline::testing::TagOf;

constexpr int kWarm = 200;
constexpr int kCounted = 500;

Task<void> EchoServer(Environment environment, Runtime runtime, Context* context) {
  Connection connection = co_await AcceptOne(environment, runtime, context);
  FrozenBatch batch;
  for (;;) {
    absl::StatusOr<message::Message> message = co_await connection.ReadMessage(kMax);
    if (!message.ok()) break;
    batch.Add(message->frozen());
    context->sent.Update(co_await connection.SendBatch(&batch));
  }
  context->server_end = connection.Close();
}

Task<void> CountingClient(Environment environment, Runtime runtime, Context* context) {
  Connection connection = co_await ConnectOne(environment, runtime, context);
  message::Message message = Sample(runtime.buffers, 7, 200);
  FrozenBatch batch;
  context->answers.reserve(kWarm + kCounted);  // not to be counted
  size_t allocations = 0;
  for (int i = 0; i < kWarm + kCounted; ++i) {
    AllocationCounter counter;
    batch.Add(message.frozen());
    context->sent.Update(co_await connection.SendBatch(&batch));
    absl::StatusOr<message::Message> answer = co_await connection.ReadMessage(kMax);
    if (!answer.ok()) break;
    context->answers.push_back(TagOf(*answer));
    if (i >= kWarm) allocations += counter.allocations();
  }
  context->received.push_back(allocations);
  (void)connection.Close();
}

TEST(WebSocketAllocation, ASteadyStateTakesNothingFromTheHeap) {
  Context done = OnEpoll(EchoServer, CountingClient, {});
  EXPECT_TRUE(done.sent.ok()) << done.sent;
  ASSERT_EQ(done.answers.size(), static_cast<size_t>(kWarm + kCounted));
  if (FAULTLINE_FRAME_POOL == 0) GTEST_SKIP() << "every frame goes to the heap";
  EXPECT_EQ(done.received, std::vector<uint64_t>{0});
}

}  // namespace
}  // namespace faultline::websocket::testing
