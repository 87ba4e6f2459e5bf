// Goal: whoever connects, and whatever they say, the service serves those who keep to its protocol,
// tells the others why not, and stays within its limits.
// Method: replicas in simulation, and peers made by hand that do what the service's own never
// would.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "scenarios/ledger/testing/bare_cluster.h"
#include "scenarios/ledger/testing/stranger.h"

namespace faultline::ledger {
namespace {

using message::Command;
using message::ReplyFields;
using message::ReplyStatus;

constexpr ClientId kStranger{0, 99};

MonotonicTime At(Duration since_start) { return MonotonicTime(since_start); }

// --- Entries ---

// What came of an append.
struct Appended {
  absl::Status sent{};
  ReplyStatus status = ReplyStatus::kStaleRequest;
  uint64_t op = 0;
  absl::Status ending{};  // of the connection, behind a refusal
};

Task<void> AppendOf(Stranger* stranger, uint64_t number, size_t size, Appended* result) {
  result->sent = co_await stranger->SendRequest({kStranger, number}, std::vector<std::byte>(size));
  absl::StatusOr<message::Message> reply = co_await stranger->Receive();
  if (!reply.ok() || reply->command() != Command::kReply) {
    result->ending = reply.status();
    co_return;
  }
  result->status = reply->Fields<ReplyFields>().status;
  result->op = reply->Fields<ReplyFields>().op;
  if (result->status != ReplyStatus::kOk) result->ending = co_await stranger->SayGoodbye();
}

// An entry of `first` bytes, and one of `second` bytes.
Task<void> AppendTwo(Runtime runtime, Endpoint server, size_t first, size_t second,
                     std::vector<Appended>* results) {
  (void)co_await runtime.clock->SleepFor(1s);
  Stranger stranger(runtime, Party::Client(kStranger));
  EXPECT_TRUE((co_await stranger.Greet(server, {.sequence = 1})).ok());
  results->resize(2);
  co_await AppendOf(&stranger, 1, first, &(*results)[0]);
  co_await AppendOf(&stranger, 2, second, &(*results)[1]);
}

// The largest frame that the primary accepts from a client is larger than the largest entry that a
// backup could ever be given: that one is refused, and a backup that restarts gets the others.
TEST(EntriesTest, TheLargestOneIsCaughtUpOnAndALargerOneIsRefused) {
  BareCluster cluster(3);
  const size_t limit = MaxPayload(*cluster.config());
  const size_t legal_frame = cluster.config()->clients.pipe.max_message_size - message::kHeaderSize;
  ASSERT_LT(limit, legal_frame);
  std::vector<Appended> results;
  cluster.Play("stranger", [&](const Runtime& runtime) {
    return AppendTwo(runtime, cluster.ClientAddress(0), limit, legal_frame, &results);
  });
  cluster.world()->At(At(10s), [&] { cluster.replica(2)->Crash(); });
  cluster.world()->At(At(11s), [&] { cluster.replica(2)->Restart(); });
  cluster.Run(30s);
  EXPECT_EQ(results[0].status, ReplyStatus::kOk);
  EXPECT_EQ(results[0].op, 1u);
  EXPECT_EQ(results[1].status, ReplyStatus::kRefused);
  EXPECT_TRUE(message::IsConnectionClosed(results[1].ending)) << results[1].ending;
  for (ReplicaId id = 0; id < 3; ++id) EXPECT_EQ(cluster.log(id).last_op(), 1u) << int{id};
  EXPECT_EQ(cluster.log(2).chain(), cluster.log(0).chain());
}

}  // namespace
}  // namespace faultline::ledger
