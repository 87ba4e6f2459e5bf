// Goal: each request is appended once and answered whenever asked for again, with bounded memory.
// Method: drive the table as the primary does, through every judgement; fill it to its limits.
#include "scenarios/ledger/sessions.h"

#include <gtest/gtest.h>

namespace faultline::ledger {
namespace {

constexpr ClientId kClient{0, 1};
constexpr MonotonicTime kStart{};

Digest D(uint64_t n) { return {n, n}; }

class SessionTableTest : public testing::Test {
 protected:
  Session* Open(const ClientId& client) { return *table_.Open(client, 0, kStart); }
  // Appends `number` at the same op.
  void Append(Session* session, uint64_t number) {
    ASSERT_EQ(table_.Judge(*session, number, D(number), 0), Judgement::kNew);
    table_.Record(session, number, D(number), number);
  }

  SessionTable table_{
      SessionLimits{.max_sessions = 2, .max_empty = 2, .window = 4, .forget_after = 10s}};
};

TEST_F(SessionTableTest, ARequestIsNewOnce) {
  Session* session = Open(kClient);
  EXPECT_EQ(table_.Judge(*session, 1, D(1), 0), Judgement::kNew);
  table_.Record(session, 1, D(1), 10);
  EXPECT_EQ(table_.Judge(*session, 1, D(1), 9), Judgement::kInFlight);
  EXPECT_EQ(table_.Judge(*session, 1, D(1), 10), Judgement::kCommitted);
  EXPECT_EQ(session->op(1), 10u);
}

TEST_F(SessionTableTest, RequestsComeWithoutGaps) {
  Session* session = Open(kClient);
  EXPECT_EQ(table_.Judge(*session, 2, D(2), 0), Judgement::kGap);
  Append(session, 1);
  EXPECT_EQ(table_.Judge(*session, 3, D(3), 0), Judgement::kGap);
}

TEST_F(SessionTableTest, ANumberStandsForOneEntry) {
  Session* session = Open(kClient);
  Append(session, 1);
  EXPECT_EQ(table_.Judge(*session, 1, D(2), 1), Judgement::kConflict);
}

TEST_F(SessionTableTest, AtMostAWindowIsUnanswered) {
  Session* session = Open(kClient);
  for (uint64_t n = 1; n <= 4; ++n) Append(session, n);
  EXPECT_EQ(table_.Judge(*session, 5, D(5), 0), Judgement::kOverrun);
  EXPECT_EQ(table_.Judge(*session, 5, D(5), 1), Judgement::kNew);
}

// Everything that can still be asked for is remembered; what is older was answered.
TEST_F(SessionTableTest, TheWholeWindowCanBeAskedForAgain) {
  Session* session = Open(kClient);
  for (uint64_t n = 1; n <= 9; ++n) {
    ASSERT_EQ(table_.Judge(*session, n, D(n), n - 1), Judgement::kNew);
    table_.Record(session, n, D(n), n);
  }
  for (uint64_t n = 6; n <= 9; ++n) {
    EXPECT_EQ(table_.Judge(*session, n, D(n), 9), Judgement::kCommitted) << n;
    EXPECT_EQ(session->op(n), n);
  }
  EXPECT_EQ(table_.Judge(*session, 5, D(5), 9), Judgement::kStale);
  EXPECT_EQ(table_.Judge(*session, 1, D(1), 9), Judgement::kStale);
}

TEST_F(SessionTableTest, AClientReturnsToItsSession) {
  Session* session = Open(kClient);
  Append(session, 1);
  table_.Leave(kClient, kStart);
  absl::StatusOr<Session*> again = table_.Open(kClient, 1, kStart + 1s);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*again, session);
  EXPECT_EQ(table_.Judge(**again, 1, D(1), 1), Judgement::kCommitted);
}

// What it sent last may not have arrived.
TEST_F(SessionTableTest, AClientMayHaveSentMoreThanArrived) {
  Session* session = Open(kClient);
  Append(session, 1);
  absl::StatusOr<Session*> again = table_.Open(kClient, 3, kStart);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*again, session);
}

// The answer to its first greeting was lost.
TEST_F(SessionTableTest, AClientThatHasSentNothingMayGreetAgain) {
  Session* session = Open(kClient);
  absl::StatusOr<Session*> again = table_.Open(kClient, 0, kStart);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*again, session);
}

TEST_F(SessionTableTest, AnIdBelongsToOneLifeOfOneClient) {
  Session* session = Open(kClient);
  Append(session, 1);
  Append(session, 2);
  EXPECT_EQ(table_.Open(kClient, 0, kStart).status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(table_.Open(kClient, 1, kStart).status().code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(SessionTableTest, IsBoundedAndForgetsOnlyThoseLongGone) {
  const ClientId second{0, 2}, third{0, 3};
  Append(Open(kClient), 1);
  Open(second);
  EXPECT_EQ(table_.Open(third, 0, kStart).status().code(), absl::StatusCode::kResourceExhausted);
  table_.Leave(kClient, kStart);
  EXPECT_FALSE(table_.Open(third, 0, kStart + 9s).ok()) << "it may still return";
  EXPECT_TRUE(table_.Open(third, 0, kStart + 10s).ok());
  EXPECT_EQ(table_.size(), 2u);
  EXPECT_EQ(table_.Find(kClient), nullptr);
  // Not taken for a new client, whose retries would be appended again.
  EXPECT_EQ(table_.Open(kClient, 1, kStart + 11s).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(SessionTableTest, ForgetsTheOneThatLeftFirst) {
  const ClientId second{0, 2};
  Append(Open(kClient), 1);
  Append(Open(second), 1);
  table_.Leave(second, kStart);
  table_.Leave(kClient, kStart + 1s);
  ASSERT_TRUE(table_.Open(ClientId{0, 3}, 0, kStart + 20s).ok());
  EXPECT_EQ(table_.Find(second), nullptr);
  EXPECT_NE(table_.Find(kClient), nullptr);
}

TEST_F(SessionTableTest, ForgetsWhoeverSaysGoodbyeWithEverythingAnswered) {
  Session* session = Open(kClient);
  Append(session, 1);
  Append(session, 2);  // at op 2
  table_.SayGoodbye(kClient, 2, kStart);
  EXPECT_EQ(table_.size(), 0u);
  // It was no goodbye after all: it is not taken for a new client.
  EXPECT_EQ(table_.Open(kClient, 2, kStart).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(SessionTableTest, KeepsWhoeverSaysGoodbyeTooEarly) {
  Session* session = Open(kClient);
  Append(session, 1);
  Append(session, 2);
  table_.SayGoodbye(kClient, 1, kStart);
  ASSERT_NE(table_.Find(kClient), nullptr);
  absl::StatusOr<Session*> again = table_.Open(kClient, 2, kStart + 1s);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(table_.Judge(**again, 2, D(2), 2), Judgement::kCommitted);
}

TEST_F(SessionTableTest, ForgetsWhoeverSaysGoodbyeWithoutHavingAppended) {
  Open(kClient);
  table_.SayGoodbye(kClient, 0, kStart);
  EXPECT_EQ(table_.size(), 0u);
}

// Its first entry may be lost with its connection: it says that it has sent one, and is known.
TEST_F(SessionTableTest, KeepsWhoeverIsCutOffBeforeItsFirstEntryArrives) {
  Open(kClient);
  table_.Leave(kClient, kStart);
  absl::StatusOr<Session*> again = table_.Open(kClient, 1, kStart + 1h);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(table_.Judge(**again, 1, D(1), 0), Judgement::kNew);
}

TEST_F(SessionTableTest, ThoseWhoAppendedNothingMakeRoomFirst) {
  Append(Open(kClient), 1);
  table_.Leave(kClient, kStart);
  Open({0, 2});
  table_.Leave({0, 2}, kStart + 1s);
  ASSERT_TRUE(table_.Open(ClientId{0, 3}, 0, kStart + 2s).ok()) << "nobody has to wait";
  EXPECT_NE(table_.Find(kClient), nullptr) << "it may still retry";
  EXPECT_EQ(table_.Find({0, 2}), nullptr);
}

TEST_F(SessionTableTest, FewOfThoseWhoAppendedNothingAreKept) {
  SessionTable table({.max_sessions = 100, .max_empty = 2, .window = 4});
  for (uint64_t i = 1; i <= 50; ++i) {
    ASSERT_TRUE(table.Open({0, i}, 0, kStart + i * 1s).ok());
    table.Leave({0, i}, kStart + i * 1s);
  }
  EXPECT_EQ(table.size(), 2u);
  EXPECT_NE(table.Find({0, 50}), nullptr);
  EXPECT_NE(table.Find({0, 49}), nullptr);
}

}  // namespace
}  // namespace faultline::ledger
