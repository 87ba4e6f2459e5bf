// Goal: each invariant that can be seen from outside is found broken when it is, and only then.
// Method: the checker is told of runs, good ones and ones with one thing wrong.

#include "scenarios/load/outside_checker.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "transports/message/frame_error.h"

namespace faultline::load {
namespace {

using ledger::ClientId;
using ledger::ConnectionId;
using ledger::Digest;
using ledger::EntryId;
using ledger::Party;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr ClientId kAlice{0, 1};
constexpr ClientId kBob{0, 2};

class OutsideCheckerTest : public ::testing::Test {
 protected:
  void Connect(const ClientId& client) {
    checker_.OnConnected(Party::Client(client), Party::Replica(0), ConnectionId{++connection_, 0});
  }
  void Lose(const ClientId& client, const absl::Status& status) {
    checker_.OnLost(Party::Client(client), Party::Replica(0), ConnectionId{connection_, 0}, status);
  }
  static Digest RequestOf(const EntryId& id) { return {id.number, id.client.low}; }
  void Issue(const EntryId& id) { checker_.OnIssued(id, RequestOf(id)); }
  void Reply(const EntryId& id, uint64_t op) {
    checker_.OnReply(id.client, {id, op, RequestOf(id)});
  }
  // As the client does it: a second reply completes nothing.
  void Answer(const EntryId& id, uint64_t op) {
    Reply(id, op);
    checker_.OnCompleted(id, op);
  }
  std::vector<std::string> Found() const {
    std::vector<std::string> found;
    for (const absl::Status& finding : findings_.all()) found.emplace_back(finding.message());
    return found;
  }

  ledger::Findings findings_;
  OutsideChecker checker_{&findings_};
  uint64_t connection_ = 0;
};

TEST_F(OutsideCheckerTest, AGoodRunIsGood) {
  for (const ClientId& client : {kAlice, kBob}) {
    Connect(client);
    for (uint64_t n = 1; n <= 3; ++n) Issue({client, n});
  }
  Answer({kAlice, 1}, 1);
  Answer({kBob, 1}, 2);
  Answer({kAlice, 2}, 3);
  Answer({kAlice, 3}, 4);
  Answer({kBob, 2}, 7);
  EXPECT_THAT(Found(), IsEmpty());
  std::vector<uint64_t> ops;
  checker_.ForEachAcknowledged([&](const Acknowledged& entry) {
    EXPECT_EQ(entry.request, RequestOf(entry.id));
    ops.push_back(entry.op);
  });
  EXPECT_THAT(ops, ElementsAre(1, 3, 4, 2, 7));
}

TEST_F(OutsideCheckerTest, AfterAReconnectOldEntriesMayBeAnsweredTwiceAndOutOfOrder) {
  Connect(kAlice);
  for (uint64_t n = 1; n <= 3; ++n) Issue({kAlice, n});
  Answer({kAlice, 1}, 1);
  Lose(kAlice, absl::UnavailableError("connection reset"));
  Connect(kAlice);
  Issue({kAlice, 4});
  Answer({kAlice, 3}, 3);
  Answer({kAlice, 2}, 2);
  Reply({kAlice, 3}, 3);
  Answer({kAlice, 4}, 4);
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(OutsideCheckerTest, RepliesOutOfOrder) {
  Connect(kAlice);
  Issue({kAlice, 1});
  Issue({kAlice, 2});
  Answer({kAlice, 2}, 2);
  EXPECT_THAT(Found(),
              ElementsAre(HasSubstr("invariant fifo: the reply to entry 2 of client 1 came "
                                    "when that to number 1")));
}

TEST_F(OutsideCheckerTest, AReplyTwiceOverOneConnection) {
  Connect(kAlice);
  Issue({kAlice, 1});
  Answer({kAlice, 1}, 1);
  Reply({kAlice, 1}, 1);
  EXPECT_THAT(Found(), ElementsAre(HasSubstr("invariant fifo")));
}

TEST_F(OutsideCheckerTest, AReplyLeftOut) {
  Connect(kAlice);
  for (uint64_t n = 1; n <= 3; ++n) Issue({kAlice, n});
  Answer({kAlice, 1}, 1);
  Answer({kAlice, 3}, 3);
  EXPECT_THAT(Found(), ElementsAre(HasSubstr("that to number 2")));
}

TEST_F(OutsideCheckerTest, AReplyToAnotherRequest) {
  Connect(kAlice);
  Issue({kAlice, 1});
  checker_.OnReply(kAlice, {{kAlice, 1}, 1, Digest{99, 99}});
  EXPECT_THAT(Found(), ElementsAre(HasSubstr("invariant reply-matches")));
}

TEST_F(OutsideCheckerTest, AReplyToAnotherClient) {
  Connect(kAlice);
  Connect(kBob);
  Issue({kAlice, 1});
  checker_.OnReply(kBob, {{kAlice, 1}, 1, RequestOf({kAlice, 1})});
  EXPECT_THAT(Found(), ElementsAre(HasSubstr("invariant reply-matches")));
}

TEST_F(OutsideCheckerTest, TwoRepliesThatNameTwoPlaces) {
  Connect(kAlice);
  Issue({kAlice, 1});
  Answer({kAlice, 1}, 1);
  Lose(kAlice, absl::OkStatus());
  Connect(kAlice);
  Reply({kAlice, 1}, 2);
  EXPECT_THAT(Found(), ElementsAre(HasSubstr("named op 1 before")));
}

TEST_F(OutsideCheckerTest, AcknowledgedTwice) {
  Issue({kAlice, 1});
  checker_.OnCompleted({kAlice, 1}, 5);
  checker_.OnCompleted({kAlice, 1}, 6);
  EXPECT_THAT(Found(), ElementsAre(HasSubstr("invariant acknowledged-once")));
}

TEST_F(OutsideCheckerTest, AcknowledgedWithoutHavingBeenIssued) {
  checker_.OnCompleted({kAlice, 1}, 5);
  EXPECT_THAT(Found(), ElementsAre(HasSubstr("was never issued")));
}

TEST_F(OutsideCheckerTest, EntriesOfAClientOutOfOrderInTheLog) {
  Issue({kAlice, 1});
  Issue({kAlice, 2});
  Issue({kAlice, 3});
  checker_.OnCompleted({kAlice, 1}, 9);
  checker_.OnCompleted({kAlice, 2}, 4);
  checker_.OnCompleted({kAlice, 3}, 10);
  EXPECT_THAT(Found(), ElementsAre(HasSubstr("invariant client-order")));
}

TEST_F(OutsideCheckerTest, EntriesOutOfOrderThatWereAnsweredOutOfOrder) {
  Issue({kAlice, 1});
  Issue({kAlice, 2});
  checker_.OnCompleted({kAlice, 2}, 3);
  checker_.OnCompleted({kAlice, 1}, 3);
  EXPECT_THAT(Found(), ElementsAre(HasSubstr("the one after it at op 3")));
}

TEST_F(OutsideCheckerTest, ACorruptedFrameIsAFindingATornOneIsNot) {
  Connect(kAlice);
  Lose(kAlice, message::FrameErrorStatus(message::FrameError::kTornBody, "torn body"));
  EXPECT_THAT(Found(), IsEmpty());
  Lose(kAlice, message::FrameErrorStatus(message::FrameError::kCorruptedBody, "a corrupted body"));
  EXPECT_THAT(Found(), ElementsAre(HasSubstr("invariant whole-frames")));
}

}  // namespace
}  // namespace faultline::load
