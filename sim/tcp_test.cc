// Goal: connections end as on Linux: in order, half by half, by RST, by a crash that nobody is told
// of, and each end learns of it when and as it would there.
// Method: two connected hosts with a constant latency; what each end reads, and which error its
// next calls get, is compared with Linux's tcp_recvmsg, tcp_sendmsg, tcp_reset and tcp_close.
#include <gtest/gtest.h>

#include <cerrno>

#include "sim/testing/two_hosts.h"

namespace faultline::sim {
namespace {

class Tcp : public TwoHosts {
 protected:
  void SetUp() override {
    std::tie(near, far) = lab.Connect(client, server);
    start = lab.now();
  }

  // Reads at `agent`'s end until an error or the end, and fails unless it is `error` (0: the end).
  void ExpectEnd(Agent* agent, Stream* stream, int error) {
    Job<std::string> reading = agent->Read(stream);
    ASSERT_TRUE(reading.done());
    EXPECT_EQ(ErrorOf(reading), error) << reading.status();
    if (error == 0) EXPECT_EQ(*reading.result(), "");
  }
  void ExpectWriteFails(Agent* agent, Stream* stream, int error) {
    EXPECT_EQ(ErrorOf(agent->Write(stream, "x")), error);
  }
  std::string ReadNow(Agent* agent, Stream* stream) {
    Job<std::string> reading = agent->Read(stream);
    return reading.done() && reading.status().ok() ? *reading.result() : "(nothing)";
  }

  Stream* near = nullptr;  // the client's end
  Stream* far = nullptr;   // the server's
  Duration start{};
};

// --- In order ---

TEST_F(Tcp, AClientsHalfCloseLeavesTheOtherDirectionOpen) {
  client->Write(near, "request");
  ASSERT_TRUE(near->ShutdownWrite().ok());
  lab.Advance(kOneWay);
  EXPECT_EQ(ReadNow(server, far), "request");
  ExpectEnd(server, far, 0);
  server->Write(far, "reply");
  lab.Advance(kOneWay);
  EXPECT_EQ(ReadNow(client, near), "reply");
  Job<std::string> reading = client->Read(near);
  EXPECT_FALSE(reading.done());
  ASSERT_TRUE(far->Close().ok());
  lab.Advance(kOneWay);
  EXPECT_EQ(*reading.result(), "");
}

TEST_F(Tcp, AServersHalfCloseLeavesTheOtherDirectionOpen) {
  ASSERT_TRUE(far->ShutdownWrite().ok());
  lab.Advance(kOneWay);
  ExpectEnd(client, near, 0);
  client->Write(near, "late");
  lab.Advance(kOneWay);
  EXPECT_EQ(ReadNow(server, far), "late");
}

TEST_F(Tcp, TheEndArrivesOnceAndAfterEverythingWritten) {
  client->WriteAll(near, Pattern(50'000));
  Job<std::string> all = server->ReadAll(far);
  ASSERT_TRUE(near->Close().ok());
  lab.Advance(kOneWay);
  EXPECT_EQ(*all.result(), Pattern(50'000));
  EXPECT_EQ(lab.Count(TraceKind::kFin, kServer), 1u);
  EXPECT_EQ(lab.Count(TraceKind::kReset), 0u);
}

TEST_F(Tcp, WritesAfterAHalfCloseFailAndASecondOneDoesNothing) {
  ASSERT_TRUE(near->ShutdownWrite().ok());
  ExpectWriteFails(client, near, EPIPE);
  EXPECT_TRUE(near->ShutdownWrite().ok());
  lab.Advance(kOneWay);
  ExpectWriteFails(client, near, EPIPE);
  EXPECT_EQ(lab.Count(TraceKind::kFin), 1u);
}

TEST_F(Tcp, AConnectionIsGoneWhenBothHaveClosed) {
  ASSERT_TRUE(near->Close().ok());
  lab.Advance(kOneWay);
  EXPECT_EQ(lab.world()->connection_count(), 1u);
  ASSERT_TRUE(far->Close().ok());
  lab.Advance(kOneWay);
  EXPECT_EQ(lab.world()->connection_count(), 0u);
}

TEST_F(Tcp, BothMayCloseAtOnce) {
  ASSERT_TRUE(near->Close().ok());
  ASSERT_TRUE(far->Close().ok());
  lab.Advance(kOneWay);
  EXPECT_EQ(lab.Count(TraceKind::kReset), 0u);
  EXPECT_EQ(lab.world()->connection_count(), 0u);
}

// --- RST ---

TEST_F(Tcp, AnAbortResetsThePeerBehindWhatArrivedBefore) {
  client->Write(near, "last words");
  near->Abort();
  lab.Advance(kOneWay - 1ns);
  Job<std::string> reading = server->Read(far);
  EXPECT_FALSE(reading.done());
  lab.Advance(1ns);
  EXPECT_EQ(*reading.result(), "last words");
  EXPECT_EQ(lab.world()->connection_count(), 1u);
}

TEST_F(Tcp, AResetNeverReadsAsTheEnd) {
  client->Write(near, "last words");
  near->Abort();
  lab.Advance(kOneWay);
  EXPECT_EQ(ReadNow(server, far), "last words");
  ExpectEnd(server, far, ECONNRESET);
  ExpectEnd(server, far, ECONNRESET);
  ExpectWriteFails(server, far, EPIPE);
  EXPECT_EQ(ErrnoOf(far->ShutdownWrite()), ENOTCONN);
}

TEST_F(Tcp, AResetEndsAPendingReadAndAPendingWrite) {
  Job<std::string> reading = server->Read(far);
  Job<size_t> writing = server->WriteAll(far, Pattern(1 << 20));
  lab.Advance(10ms);
  EXPECT_FALSE(writing.done());
  near->Abort();
  lab.Advance(kOneWay);
  EXPECT_EQ(ErrorOf(reading), ECONNRESET);  // the first to ask gets the error
  EXPECT_EQ(ErrorOf(writing), EPIPE);
}

TEST_F(Tcp, AWriteMayBeTheOneThatHearsOfTheReset) {
  near->Abort();
  lab.Advance(kOneWay);
  ExpectWriteFails(server, far, ECONNRESET);
  ExpectWriteFails(server, far, EPIPE);
  ExpectEnd(server, far, ECONNRESET);
}

TEST_F(Tcp, ClosingWithUnreadInputResetsThePeer) {
  server->Write(far, "unread");
  lab.Advance(kOneWay);
  ASSERT_TRUE(near->Close().ok());
  lab.Advance(kOneWay);
  ExpectEnd(server, far, ECONNRESET);
  EXPECT_EQ(lab.world()->connection_count(), 1u);
}

TEST_F(Tcp, ClosingAfterReadingItDoesNot) {
  server->Write(far, "read");
  lab.Advance(kOneWay);
  EXPECT_EQ(ReadNow(client, near), "read");
  ASSERT_TRUE(near->Close().ok());
  lab.Advance(kOneWay);
  ExpectEnd(server, far, 0);
  EXPECT_EQ(lab.Count(TraceKind::kReset), 0u);
}

TEST_F(Tcp, DataForAClosedEndIsAnsweredWithReset) {
  ASSERT_TRUE(near->Close().ok());
  lab.Advance(kOneWay);
  ExpectEnd(server, far, 0);
  EXPECT_EQ(*lab.Await(server->Write(far, "too late")), 8u);
  lab.Advance(2 * kOneWay);
  ExpectWriteFails(server, far, EPIPE);  // CLOSE_WAIT: tcp_reset says EPIPE, not ECONNRESET
  EXPECT_EQ(lab.world()->connection_count(), 1u);
}

TEST_F(Tcp, DataUnderWayToAnEndThatClosesResetsBeforeTheEndIsRead) {
  server->Write(far, "under way");
  ASSERT_TRUE(near->Close().ok());  // nothing unread yet: FIN
  lab.Advance(kOneWay);
  ExpectEnd(server, far, 0);
  lab.Advance(kOneWay);
  EXPECT_EQ(lab.Count(TraceKind::kReset, kServer), 1u);
}

TEST_F(Tcp, WhatBothHaveEndedIsNotResetForUnreadInput) {
  server->Write(far, "unread");
  ASSERT_TRUE(far->ShutdownWrite().ok());
  ASSERT_TRUE(near->ShutdownWrite().ok());
  lab.Advance(kOneWay);
  ASSERT_TRUE(near->Close().ok());
  lab.Advance(kOneWay);
  EXPECT_EQ(lab.Count(TraceKind::kReset), 0u);
  ExpectEnd(server, far, 0);
}

TEST_F(Tcp, AfterBothEndsAResetMeansNothing) {
  ASSERT_TRUE(far->ShutdownWrite().ok());
  ASSERT_TRUE(near->ShutdownWrite().ok());
  lab.Advance(kOneWay);
  near->Abort();
  lab.Advance(kOneWay);
  EXPECT_EQ(lab.Count(TraceKind::kReset), 0u);
}

TEST_F(Tcp, AResetBetweenOurEndAndTheirsIsAReset) {
  ASSERT_TRUE(far->ShutdownWrite().ok());
  lab.Advance(kOneWay);
  near->Abort();
  lab.Advance(kOneWay);
  ExpectEnd(server, far, ECONNRESET);  // FIN_WAIT: not CLOSE_WAIT
}

TEST_F(Tcp, AStreamThatIsDestroyedUnclosedResets) {
  Job<std::string> reading = server->Read(far);
  client->Drop(near);
  lab.Advance(kOneWay);
  EXPECT_EQ(ErrorOf(reading), ECONNRESET);
}

TEST_F(Tcp, ALostResetLeavesThePeerHalfOpenUntilItWrites) {
  Job<std::string> reading = server->Read(far);
  uint32_t cut = CutBothWays();
  near->Abort();
  lab.Advance(1h);
  EXPECT_FALSE(reading.done());
  Heal(cut);
  lab.Advance(1h);
  EXPECT_FALSE(reading.done()) << "an RST is not sent again";
  server->Write(far, "anybody there?");
  lab.Advance(2 * kOneWay);
  EXPECT_EQ(ErrorOf(reading), ECONNRESET);
  EXPECT_EQ(lab.bites(), Lab::Bites({{"partition", 1}}));
}

TEST_F(Tcp, AResetOutlivesTheLossOfTheDataBeforeIt) {
  SetLoss(kClient, kServer, {1, 1});
  client->Write(near, "lost");
  lab.Advance(kOneWay - 1us);
  client->Write(near, "behind it");
  near->Abort();
  lab.Advance(2us);
  SetLoss(kClient, kServer, {});
  Job<std::string> reading = server->Read(far);
  lab.Advance(kOneWay);
  EXPECT_EQ(ErrorOf(reading), ECONNRESET);
}

// --- Crashes ---

TEST_F(Tcp, ACrashTellsThePeerNothing) {
  Job<std::string> reading = server->Read(far);
  client->Crash();
  lab.Advance(24h);
  EXPECT_FALSE(reading.done());
  EXPECT_EQ(lab.Count(TraceKind::kReset) + lab.Count(TraceKind::kFin), 0u);
  EXPECT_EQ(lab.bites(), Lab::Bites({{"crash", 1}}));
}

TEST_F(Tcp, WhatLeftBeforeACrashArrives) {
  client->Write(near, "before");
  client->Crash();
  lab.Advance(kOneWay);
  EXPECT_EQ(ReadNow(server, far), "before");
}

TEST_F(Tcp, WhatWasOnlyWrittenBeforeACrashNeverLeaves) {
  client->WriteAll(near, Pattern(128 << 10));  // 64 KiB of window, and as much in the send buffer
  lab.Advance(10ms);
  client->Crash();
  Job<std::string> all = server->ReadAll(far);
  lab.Advance(1h);
  EXPECT_FALSE(all.done());
  uint64_t delivered = 0;
  for (const TraceRecord& record : lab.Records(TraceKind::kDeliver, kServer)) delivered += record.b;
  EXPECT_EQ(delivered, uint64_t{64 << 10});
}

TEST_F(Tcp, AClosedStreamsBufferDiesInACrashToo) {
  client->WriteAll(near, Pattern(100'000));
  lab.Advance(10ms);
  ASSERT_TRUE(near->Close().ok());
  client->Crash();
  Job<std::string> all = server->ReadAll(far);
  lab.Advance(1h);
  EXPECT_FALSE(all.done());
  EXPECT_EQ(lab.Count(TraceKind::kFin), 0u);
}

TEST_F(Tcp, ARetransmissionThatIsDueAfterTheCrashIsNotSent) {
  SetLoss(kClient, kServer, {1, 1});
  client->Write(near, "lost");
  lab.Advance(10ms);
  SetLoss(kClient, kServer, {});
  client->Crash();
  lab.Advance(1h);
  EXPECT_EQ(lab.Count(TraceKind::kDeliver), 0u);
}

TEST_F(Tcp, ARetransmissionThatLeftBeforeTheCrashArrives) {
  SetLoss(kClient, kServer, {1, 1});
  client->Write(near, "lost");
  lab.Advance(10ms);
  SetLoss(kClient, kServer, {});
  lab.AdvanceTo(start + kOneWay + 200ms + 1us);
  client->Crash();
  lab.Advance(kOneWay);
  EXPECT_EQ(ReadNow(server, far), "lost");
}

TEST_F(Tcp, WritesToAHostThatIsDownAreRepeatedUntilTheUserTimeout) {
  server->Crash();
  Job<std::string> reading = client->Read(near);
  client->Write(near, "anybody there?");
  lab.AdvanceTo(start + 924s);
  EXPECT_FALSE(reading.done());
  EXPECT_EQ(lab.Count(TraceKind::kRetransmit, kClient), 15u);  // tcp_retries2
  lab.AdvanceTo(start + 925s);
  EXPECT_EQ(ErrorOf(reading), ETIMEDOUT);
  ExpectWriteFails(client, near, EPIPE);
  EXPECT_EQ(lab.Count(TraceKind::kUserTimeout, kClient), 1u);
}

TEST_F(Tcp, AWriteToADeadIncarnationIsAnsweredWithReset) {
  server->Crash();
  server->Restart();
  Job<std::string> reading = client->Read(near);
  lab.Advance(1h);
  EXPECT_FALSE(reading.done());
  client->Write(near, "do you know me?");
  lab.Advance(2 * kOneWay);
  EXPECT_EQ(ErrorOf(reading), ECONNRESET);
}

TEST_F(Tcp, ARetransmissionFindsTheHostThatCameBack) {
  server->Crash();
  Job<std::string> reading = client->Read(near);
  client->Write(near, "anybody there?");
  lab.AdvanceTo(start + 1s);
  server->Restart();
  lab.AdvanceTo(start + 1400ms);
  EXPECT_FALSE(reading.done());
  lab.AdvanceTo(start + 1410ms);  // 0.2 + 0.4 + 0.8 s, and the ways
  EXPECT_EQ(ErrorOf(reading), ECONNRESET);
}

TEST_F(Tcp, ACloseTowardsADeadIncarnationIsAnsweredWithReset) {
  server->Crash();
  server->Restart();
  ASSERT_TRUE(near->Close().ok());
  lab.Advance(2 * kOneWay);
  EXPECT_EQ(lab.world()->connection_count(), 0u);
}

TEST_F(Tcp, ACloseTowardsAHostThatIsDownGivesUp) {
  server->Crash();
  ASSERT_TRUE(near->Close().ok());
  lab.AdvanceTo(start + 100s);
  EXPECT_EQ(lab.world()->connection_count(), 1u);
  lab.AdvanceTo(start + 103s);  // tcp_orphan_retries: 8, 0.2 s doubling
  EXPECT_EQ(lab.world()->connection_count(), 0u);
}

TEST_F(Tcp, BothMayCrash) {
  client->WriteAll(near, Pattern(200'000));
  lab.Advance(100us);
  client->Crash();
  server->Crash();
  lab.Advance(1h);
  EXPECT_EQ(lab.world()->connection_count(), 0u);
}

TEST_F(Tcp, ACrashedClientsConnectionsDoNotDisturbTheNextIncarnation) {
  client->Crash();
  client->Restart();
  Listener* listener = server->Listen(server->At(80));
  Stream* again = *lab.Await(client->Connect(server->At(80)));
  Stream* accepted = *lab.Await(server->Accept(listener));
  server->Write(far, "to the dead");
  server->Write(accepted, "to the living");
  lab.Advance(2 * kOneWay);
  ExpectEnd(server, far, ECONNRESET);
  EXPECT_EQ(ReadNow(client, again), "to the living");
}

}  // namespace
}  // namespace faultline::sim
