// Goal: connections begin as on Linux: when SYNs are sent again, when a connect gives up and with
// which error, what a full backlog does, and what is left of a handshake that one side forgot.
// Method: two hosts with a constant latency; SYNs and their answers are lost, held and refused at
// given times, and the outcome is compared with the times of Linux (tcp(7): tcp_syn_retries 6,
// tcp_synack_retries 5).
#include <gtest/gtest.h>

#include <cerrno>
#include <vector>

#include "sim/testing/two_hosts.h"

namespace faultline::sim {
namespace {

class Handshake : public TwoHosts {
 protected:
  // When the client's SYNs left.
  std::vector<Duration> SynTimes() const {
    std::vector<Duration> times;
    for (const TraceRecord& record : lab.Records(TraceKind::kConnect, kClient)) {
      times.push_back(Duration(record.time_ns));
    }
    return times;
  }

  Endpoint address = server->At(80);
};

TEST_F(Handshake, TakesOneRoundTripAndThenHalfOne) {
  Job<Stream*> accepting = server->Accept(server->Listen(address));
  Job<Stream*> connecting = client->Connect(address);
  lab.AdvanceTo(2 * kOneWay - 1ns);
  EXPECT_FALSE(connecting.done());
  lab.AdvanceTo(2 * kOneWay);
  ASSERT_TRUE(connecting.done());
  lab.AdvanceTo(3 * kOneWay - 1ns);
  EXPECT_FALSE(accepting.done());
  lab.AdvanceTo(3 * kOneWay);
  ASSERT_TRUE(accepting.done());
  EXPECT_EQ(SynTimes(), std::vector<Duration>({0s}));
  EXPECT_EQ(lab.bites(), Lab::Bites());
}

TEST_F(Handshake, EachEndKnowsBothAddresses) {
  auto [near, far] = lab.Connect(client, server, 80);
  EXPECT_EQ(near->peer_address(), address);
  EXPECT_EQ(far->local_address(), address);
  EXPECT_EQ(near->local_address(), far->peer_address());
  EXPECT_EQ(near->local_address(), client->At(near->local_address().port()));
  EXPECT_GE(near->local_address().port(), HostLimits().first_ephemeral_port);
}

TEST_F(Handshake, SynsAreSentAgainWithDoublingPausesAndTimeOutAfter127Seconds) {
  server->Listen(address);
  uint32_t cut = CutOneWay(kClient, kServer);
  Job<Stream*> connecting = client->Connect(address);
  lab.AdvanceTo(127s - 1ns);
  EXPECT_FALSE(connecting.done());
  lab.AdvanceTo(127s);
  EXPECT_EQ(ErrorOf(connecting), ETIMEDOUT);
  EXPECT_EQ(SynTimes(), std::vector<Duration>({0s, 1s, 3s, 7s, 15s, 31s, 63s}));
  EXPECT_EQ(lab.bites(), Lab::Bites({{"one-way-partition", 7}}));
  Heal(cut);
}

TEST_F(Handshake, TheFirstSynAfterHealingConnects) {
  server->Listen(address);
  uint32_t cut = CutBothWays();
  Job<Stream*> connecting = client->Connect(address);
  lab.AdvanceTo(3500ms);
  Heal(cut);
  lab.AdvanceTo(7s + 2 * kOneWay - 1ns);
  EXPECT_FALSE(connecting.done());
  lab.AdvanceTo(7s + 2 * kOneWay);
  EXPECT_TRUE(connecting.status().ok());
  EXPECT_EQ(lab.bites(), Lab::Bites({{"partition", 3}}));
}

TEST_F(Handshake, ALostAnswerCostsTheSameAndTheServerHasOneConnection) {
  Listener* listener = server->Listen(address);
  uint32_t cut = CutOneWay(kServer, kClient);
  Job<Stream*> connecting = client->Connect(address);
  lab.AdvanceTo(500ms);
  Heal(cut);
  lab.AdvanceTo(1s + 2 * kOneWay);
  EXPECT_TRUE(connecting.status().ok());
  EXPECT_TRUE(lab.Await(server->Accept(listener)).ok());
  Job<Stream*> second = server->Accept(listener);
  lab.Advance(10min);
  EXPECT_FALSE(second.done());
}

TEST_F(Handshake, LossAndCorruptionOfTheLinkCostASyn) {
  server->Listen(address);
  SetLoss(kClient, kServer, {1, 1});
  Job<Stream*> connecting = client->Connect(address);
  lab.AdvanceTo(500ms);
  SetLoss(kClient, kServer, {});
  EditLink(kServer, kClient, [](LinkConfig* link) { link->corrupt = {1, 1}; });
  lab.AdvanceTo(2s);
  EditLink(kServer, kClient, [](LinkConfig* link) { link->corrupt = {}; });
  lab.AdvanceTo(3s + 2 * kOneWay - 1ns);
  EXPECT_FALSE(connecting.done());
  lab.Advance(1ns);
  EXPECT_TRUE(connecting.status().ok());
  EXPECT_EQ(lab.bites(), Lab::Bites({{"loss", 1}, {"corruption", 1}}));
}

TEST_F(Handshake, AHostWithoutPowerAnswersNothing) {
  server->Crash();
  Job<Stream*> connecting = client->Connect(address);
  lab.AdvanceTo(127s);
  EXPECT_EQ(ErrorOf(connecting), ETIMEDOUT);
}

TEST_F(Handshake, AHostThatComesUpAnswersTheNextSyn) {
  server->Crash();
  Job<Stream*> connecting = client->Connect(address);
  lab.AdvanceTo(2s);
  server->Restart();
  server->Listen(address);
  lab.AdvanceTo(3s + 2 * kOneWay);
  EXPECT_TRUE(connecting.status().ok());
}

TEST_F(Handshake, WhereNobodyListensItIsRefusedAfterOneRoundTrip) {
  Job<Stream*> connecting = client->Connect(address);
  lab.AdvanceTo(2 * kOneWay - 1ns);
  EXPECT_FALSE(connecting.done());
  lab.AdvanceTo(2 * kOneWay);
  EXPECT_EQ(ErrorOf(connecting), ECONNREFUSED);
  EXPECT_EQ(lab.Count(TraceKind::kRefused, kServer), 1u);
}

TEST_F(Handshake, ALostRefusalIsAskedForAgain) {
  uint32_t cut = CutOneWay(kServer, kClient);
  Job<Stream*> connecting = client->Connect(address);
  lab.AdvanceTo(500ms);
  Heal(cut);
  lab.AdvanceTo(1s + 2 * kOneWay - 1ns);
  EXPECT_FALSE(connecting.done());
  lab.Advance(1ns);
  EXPECT_EQ(ErrorOf(connecting), ECONNREFUSED);
}

TEST_F(Handshake, AnAddressThatNobodyHasIsUnreachableAtOnce) {
  for (const char* text : {"10.1.0.9:80", "10.2.0.1:80", "192.168.0.1:80", "[fd00::9]:80"}) {
    Job<Stream*> connecting = client->Connect(*Endpoint::Parse(text));
    EXPECT_EQ(ErrorOf(connecting), ENETUNREACH) << text;
  }
}

// --- Backlog ---

TEST_F(Handshake, AFullBacklogDropsSynsUntilOneIsAccepted) {
  Listener* listener = server->Listen(address, Backlog(1));
  Job<Stream*> first = client->Connect(address);
  Job<Stream*> second = client->Connect(address);  // Linux admits one more than the backlog
  lab.AdvanceTo(10ms);
  EXPECT_TRUE(first.done() && second.done());
  EXPECT_EQ(lab.bites(), Lab::Bites());
  Job<Stream*> third = client->Connect(address);
  lab.AdvanceTo(500ms);
  EXPECT_FALSE(third.done());
  EXPECT_EQ(lab.bites(), Lab::Bites()) << "full by itself: nobody's fault";
  EXPECT_EQ(lab.Count(TraceKind::kBacklogDrop, kServer), 1u);
  EXPECT_TRUE(lab.Await(server->Accept(listener)).ok());
  lab.AdvanceTo(1010ms + 2 * kOneWay);
  EXPECT_TRUE(third.done());
}

TEST_F(Handshake, ABacklogThatStaysFullTimesOut) {
  server->Listen(address, Backlog(0));
  Job<Stream*> first = client->Connect(address);
  Job<Stream*> second = client->Connect(address);
  lab.AdvanceTo(128s);
  EXPECT_TRUE(first.status().ok());
  EXPECT_EQ(ErrorOf(second), ETIMEDOUT);
  EXPECT_EQ(lab.Count(TraceKind::kBacklogDrop, kServer), 7u);
}

TEST_F(Handshake, TheHostsLimitCutsTheBacklogShort) {
  HostLimits limits;
  limits.max_backlog = 0;
  server->host()->SetLimits(limits);
  server->Listen(address, Backlog(100));
  Job<Stream*> first = client->Connect(address);
  Job<Stream*> second = client->Connect(address);
  lab.AdvanceTo(10ms);
  EXPECT_TRUE(first.done());
  EXPECT_FALSE(second.done());
  EXPECT_EQ(lab.bites(), Lab::Bites({{"backlog", 1}}));
}

// The SYN queue has room for both, the accept queue for one more: the client of the other believes
// to be connected, and what it sends waits.
TEST_F(Handshake, AFullAcceptQueueDropsTheLastAckOfAHandshake) {
  Listener* listener = server->Listen(address, Backlog(1));
  ASSERT_TRUE(lab.Await(client->Connect(address)).ok());
  lab.Advance(10ms);
  Job<Stream*> second = client->Connect(address);
  Job<Stream*> third = client->Connect(address);
  lab.Advance(10ms);
  EXPECT_TRUE(second.done() && third.done());
  EXPECT_EQ(lab.Count(TraceKind::kBacklogDrop, kServer), 1u);
  client->Write(*third.result(), "early");
  lab.Advance(100ms);
  EXPECT_EQ(lab.Count(TraceKind::kDeliver, kServer), 0u);
  ASSERT_TRUE(lab.Await(server->Accept(listener)).ok());
  ASSERT_TRUE(lab.Await(server->Accept(listener)).ok());
  Stream* accepted = *lab.Await(server->Accept(listener));
  EXPECT_EQ(*lab.Await(server->Read(accepted)), "early");
}

// --- Held ---

TEST_F(Handshake, AHeldSynConnectsWhenItIsLetGo) {
  server->Listen(address);
  uint32_t cut = CutOneWay(kClient, kServer, Passage::kHold);
  Job<Stream*> connecting = client->Connect(address);
  lab.AdvanceTo(5s);
  Heal(cut);
  lab.AdvanceTo(5s + kOneWay);
  EXPECT_TRUE(connecting.status().ok());
  EXPECT_EQ(lab.bites(), Lab::Bites({{"hold", 1}}));
}

TEST_F(Handshake, AHeldAnswerTimesOutAfter127Seconds) {
  server->Listen(address);
  uint32_t cut = CutOneWay(kServer, kClient, Passage::kHold);
  Job<Stream*> connecting = client->Connect(address);
  lab.AdvanceTo(127s - 1ns);
  EXPECT_FALSE(connecting.done());
  lab.AdvanceTo(127s);
  EXPECT_EQ(ErrorOf(connecting), ETIMEDOUT);
  Heal(cut);
}

TEST_F(Handshake, AHoldThatBecomesALossCostsASyn) {
  server->Listen(address);
  uint32_t hold = CutOneWay(kClient, kServer, Passage::kHold);
  Job<Stream*> connecting = client->Connect(address);
  lab.AdvanceTo(100ms);
  uint32_t drop = CutOneWay(kClient, kServer);
  Heal(hold);
  lab.AdvanceTo(200ms);
  Heal(drop);
  lab.AdvanceTo(1s + 2 * kOneWay);
  EXPECT_TRUE(connecting.status().ok());
  EXPECT_EQ(lab.bites(), Lab::Bites({{"hold", 1}, {"one-way-partition", 1}}));
}

// --- One side forgets ---

TEST_F(Handshake, ACancelledConnectGivesItsPortAndDescriptorBack) {
  HostLimits limits;
  limits.first_ephemeral_port = limits.last_ephemeral_port = 40000;
  client->host()->SetLimits(limits);
  uint32_t cut = CutBothWays();
  Job<Stream*> connecting = client->Connect(address);
  lab.AdvanceTo(5s);
  connecting.Cancel();
  lab.Settle();
  EXPECT_TRUE(absl::IsCancelled(connecting.status()));
  EXPECT_EQ(client->host()->process()->descriptors(), 3u);
  EXPECT_EQ(lab.world()->connection_count(), 0u);  // the wait for the next SYN ends too
  Heal(cut);
  server->Listen(address);
  EXPECT_TRUE(lab.Await(client->Connect(address)).ok());
}

TEST_F(Handshake, AConnectCancelledUnderWayIsResetAndNeverAccepted) {
  Listener* listener = server->Listen(address, Backlog(0));
  Job<Stream*> connecting = client->Connect(address);
  lab.AdvanceTo(kOneWay + 1us);  // the answer is under way
  connecting.Cancel();
  Job<Stream*> accepting = server->Accept(listener);
  lab.AdvanceTo(1s);
  EXPECT_FALSE(accepting.done());
  EXPECT_EQ(lab.world()->connection_count(), 0u);
  EXPECT_TRUE(lab.Await(client->Connect(address)).ok()) << "it still fills the backlog";
  EXPECT_TRUE(lab.Await(accepting).ok());
}

TEST_F(Handshake, AClientThatVanishesLeavesTheSynQueueInTheEnd) {
  server->Listen(address, Backlog(0));
  client->Connect(address);
  lab.AdvanceTo(kOneWay + 1us);
  client->Crash();
  lab.AdvanceTo(60s);
  EXPECT_EQ(lab.world()->connection_count(), 1u);
  Agent* other = lab.AddAgent();
  Job<Stream*> connecting = other->Connect(address);
  lab.AdvanceTo(62s);
  EXPECT_FALSE(connecting.done());
  EXPECT_EQ(lab.Count(TraceKind::kBacklogDrop, kServer), 2u);
  lab.AdvanceTo(68s);
  EXPECT_TRUE(connecting.status().ok());
}

TEST_F(Handshake, AClientThatIsBackAnswersWithReset) {
  server->Listen(address, Backlog(0));
  client->Connect(address);
  lab.AdvanceTo(kOneWay + 1us);
  client->Crash();
  client->Restart();
  lab.AdvanceTo(10ms);
  EXPECT_EQ(lab.Count(TraceKind::kReset, kServer), 1u);
  EXPECT_EQ(lab.world()->connection_count(), 0u);
  EXPECT_TRUE(lab.Await(client->Connect(address)).ok());
}

TEST_F(Handshake, AListenerThatClosesResetsWhatWasNotAccepted) {
  Listener* listener = server->Listen(address);
  Stream* stream = *lab.Await(client->Connect(address));
  lab.Advance(kOneWay);
  Job<std::string> reading = client->Read(stream);
  ASSERT_TRUE(listener->Close().ok());
  lab.Advance(kOneWay);
  EXPECT_EQ(ErrorOf(reading), ECONNRESET);
}

TEST_F(Handshake, AListenerThatClosesDuringTheHandshakeResetsItsEnd) {
  Listener* listener = server->Listen(address);
  Job<Stream*> connecting = client->Connect(address);
  lab.AdvanceTo(kOneWay + 1us);
  ASSERT_TRUE(listener->Close().ok());
  Stream* stream = *lab.Await(connecting);  // the answer was under way
  lab.Advance(2 * kOneWay);                 // the third packet finds nobody
  EXPECT_EQ(ErrorOf(client->Read(stream)), ECONNRESET);
}

TEST_F(Handshake, ASynThatComesAgainFindsTheNextListener) {
  Listener* listener = server->Listen(address);
  uint32_t cut = CutOneWay(kServer, kClient);
  Job<Stream*> connecting = client->Connect(address);
  lab.AdvanceTo(500ms);
  ASSERT_TRUE(listener->Close().ok());
  listener = server->Listen(address);
  Heal(cut);
  Stream* near = *lab.Await(connecting);
  Stream* far = *lab.Await(server->Accept(listener));
  ASSERT_TRUE(lab.Await(client->Write(near, "hello")).ok());
  EXPECT_EQ(*lab.Await(server->Read(far)), "hello");
}

TEST_F(Handshake, APausedServerStillAnswers) {
  Listener* listener = server->Listen(address);
  server->host()->Pause();
  Job<Stream*> connecting = client->Connect(address);
  lab.AdvanceTo(2 * kOneWay);
  EXPECT_TRUE(connecting.done());
  server->host()->Resume();
  EXPECT_TRUE(lab.Await(server->Accept(listener)).ok());
}

}  // namespace
}  // namespace faultline::sim
