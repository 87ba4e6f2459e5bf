// Goal: bytes travel as segments, in order and once, whatever the link does to the packets; buffers
// and windows bound what is under way; each obstacle costs the time that it would cost, and is
// counted when it changed something.
// Method: two connected hosts with a constant latency. Faults are switched on and off at given
// times, so that it is known which packet they hit; the trace tells when each segment arrived.
#include <gtest/gtest.h>

#include <cerrno>
#include <numeric>
#include <vector>

#include "sim/testing/two_hosts.h"

namespace faultline::sim {
namespace {

constexpr size_t kMss = 1460;

class TcpFlows : public TwoHosts {
 protected:
  void SetUp() override { Reconnect(); }

  void Reconnect() {
    std::tie(near, far) = lab.Connect(client, server);
    start = lab.now();
    already = lab.Count(TraceKind::kDeliver, kServer);
  }
  // With these buffers at both ends.
  void Reconnect(size_t send, size_t receive) {
    client->host()->SetLimits(WithBuffers(send, receive));
    server->host()->SetLimits(WithBuffers(send, receive));
    Reconnect();
  }

  // The segments that reached the server, and when, since the connection was made.
  std::vector<TraceRecord> Segments() const {
    std::vector<TraceRecord> all = lab.Records(TraceKind::kDeliver, kServer);
    return {all.begin() + static_cast<ptrdiff_t>(already), all.end()};
  }
  std::vector<uint64_t> SegmentSizes() const {
    std::vector<uint64_t> sizes;
    for (const TraceRecord& record : Segments()) sizes.push_back(record.b);
    return sizes;
  }
  uint64_t Arrived() const {
    std::vector<uint64_t> sizes = SegmentSizes();
    return std::accumulate(sizes.begin(), sizes.end(), uint64_t{0});
  }
  Duration ArrivalOf(size_t segment) const {
    return Duration(Segments().at(segment).time_ns) - start;
  }

  Stream* near = nullptr;
  Stream* far = nullptr;
  Duration start{};
  size_t already = 0;
};

// --- Segments, buffers, windows ---

TEST_F(TcpFlows, AWriteTravelsInSegmentsOfTheMss) {
  client->Write(near, Pattern(4000));
  lab.Advance(kOneWay);
  EXPECT_EQ(SegmentSizes(), std::vector<uint64_t>({kMss, kMss, 4000 - 2 * kMss}));
}

TEST_F(TcpFlows, EachWriteIsASegmentOfItsOwn) {
  client->Write(near, "a");
  client->Write(near, "bc");
  lab.Advance(kOneWay);
  EXPECT_EQ(SegmentSizes(), std::vector<uint64_t>({1, 2}));
  EXPECT_EQ(*lab.Await(server->Read(far)), "abc");
}

TEST_F(TcpFlows, AWriteTakesWhatTheSendBufferHasRoomFor) {
  Reconnect(1000, 64 << 10);
  EXPECT_EQ(*client->Write(near, Pattern(1500)).result(), 1000u);
  EXPECT_EQ(lab.bites(), Lab::Bites());
  Job<size_t> next = client->Write(near, Pattern(1500));
  EXPECT_FALSE(next.done());
  EXPECT_EQ(lab.bites(), Lab::Bites({{"small-buffers", 1}}));
  lab.Advance(2 * kOneWay - 1ns);  // until the acknowledgement
  EXPECT_FALSE(next.done());
  lab.Advance(1ns);
  EXPECT_EQ(*next.result(), 1000u);
}

TEST_F(TcpFlows, ABufferOfOneByteTakesOneByteARoundTrip) {
  Reconnect(1, 64 << 10);
  Job<size_t> writing = client->WriteAll(near, "abc");
  Job<std::string> reading = server->ReadAll(far, 3);
  lab.Advance(4 * kOneWay + kOneWay - 1ns);
  EXPECT_FALSE(reading.done());
  lab.Advance(1ns);
  EXPECT_EQ(*reading.result(), "abc");
  EXPECT_EQ(SegmentSizes(), std::vector<uint64_t>({1, 1, 1}));
}

TEST_F(TcpFlows, TheReceiversWindowStopsTheSender) {
  Reconnect(64 << 10, 10'000);
  Job<size_t> writing = client->WriteAll(near, Pattern(30'000));
  lab.Advance(1h);
  EXPECT_TRUE(writing.done()) << "the send buffer has room for the rest";
  EXPECT_EQ(Arrived(), 10'000u);
  EXPECT_EQ(lab.bites(), Lab::Bites({{"small-buffers", 1}}));
  EXPECT_EQ(*lab.Await(server->ReadAll(far, 30'000)), Pattern(30'000));
}

TEST_F(TcpFlows, ASlowReaderOpensTheWindowInGoodPieces) {
  Reconnect(64 << 10, 10'000);
  client->WriteAll(near, Pattern(30'000));
  lab.Advance(10ms);
  std::string got;
  for (int i = 0; i < 2919; ++i) got += *lab.Await(server->Read(far, 1));
  lab.Advance(10ms);
  EXPECT_EQ(Arrived(), 10'000u) << "no silly window (RFC 9293, 3.8.6.2.2)";
  got += *lab.Await(server->Read(far, 1));  // two segments free
  lab.Advance(2 * kOneWay - 1ns);
  EXPECT_EQ(Arrived(), 10'000u);
  lab.Advance(1ns);
  EXPECT_EQ(Arrived(), 10'000u + 2 * kMss);
  EXPECT_EQ(got + *lab.Await(server->ReadAll(far, 30'000 - got.size())), Pattern(30'000));
}

TEST_F(TcpFlows, AWindowOfOneByteMakesProgress) {
  for (size_t window : {1, 2, 3, 5}) {
    Reconnect(64 << 10, window);
    client->WriteAll(near, Pattern(50));
    EXPECT_EQ(*lab.Await(server->ReadAll(far, 50), 1min), Pattern(50)) << window;
    for (uint64_t size : SegmentSizes()) EXPECT_LE(size, window);
  }
}

TEST_F(TcpFlows, AClosedWindowHasNoTimeout) {
  Job<size_t> writing = client->WriteAll(near, Pattern(200'000));
  lab.Advance(48h);
  EXPECT_FALSE(writing.done());
  EXPECT_EQ(*lab.Await(server->ReadAll(far, 200'000)), Pattern(200'000));
  EXPECT_TRUE(writing.status().ok());
}

TEST_F(TcpFlows, BehindAClosedWindowTheSenderLearnsOfADeadPeer) {
  Job<size_t> writing = client->WriteAll(near, Pattern(200'000));
  lab.Advance(10ms);
  server->Crash();
  lab.Advance(800s);
  EXPECT_FALSE(writing.done());
  lab.Advance(200s);
  EXPECT_EQ(ErrorOf(writing), ETIMEDOUT);
}

TEST_F(TcpFlows, BehindAClosedWindowTheSenderLearnsOfANewIncarnation) {
  Job<size_t> writing = client->WriteAll(near, Pattern(200'000));
  lab.Advance(10ms);
  server->Crash();
  server->Restart();
  lab.Advance(10s);
  EXPECT_EQ(ErrorOf(writing), ECONNRESET);
}

TEST_F(TcpFlows, BehindAClosedWindowTheSenderLearnsThatTheBacklogDied) {
  Listener* listener = server->Listen(server->At(81));
  Stream* unaccepted = *lab.Await(client->Connect(server->At(81)));
  Job<size_t> writing = client->WriteAll(unaccepted, Pattern(200'000));
  lab.Advance(10ms);
  ASSERT_TRUE(listener->Close().ok());
  lab.Advance(10s);
  EXPECT_EQ(ErrorOf(writing), ECONNRESET);
}

TEST_F(TcpFlows, TheListenersBufferIsTheWindowBeforeTheAccept) {
  ListenOptions options;
  options.stream.receive_buffer_bytes = 3000;
  Listener* listener = server->Listen(server->At(81), options);
  Stream* stream = *lab.Await(client->Connect(server->At(81)));
  client->WriteAll(stream, Pattern(10'000));
  lab.Advance(1s);
  EXPECT_EQ(Arrived(), 3000u);
  Stream* accepted = *lab.Await(server->Accept(listener));
  EXPECT_EQ(*accepted->ReceiveBufferSize(), 3000u);
  EXPECT_EQ(*lab.Await(server->ReadAll(accepted, 10'000)), Pattern(10'000));
}

// --- What links do ---

TEST_F(TcpFlows, ALostSegmentComesAfterTheRetransmissionTimeout) {
  SetLoss(kClient, kServer, {1, 1});
  client->Write(near, "lost twice");
  lab.Advance(300ms);
  SetLoss(kClient, kServer, {});
  lab.AdvanceTo(start + 2s);
  EXPECT_EQ(ArrivalOf(0), 600ms + 3 * kOneWay);  // 0.2 + 0.4 s
  EXPECT_EQ(lab.bites(), Lab::Bites({{"loss", 2}}));
  EXPECT_EQ(lab.Count(TraceKind::kRetransmit, kClient), 2u);
  EXPECT_EQ(*lab.Await(server->Read(far)), "lost twice");
}

TEST_F(TcpFlows, WhatFollowsALostSegmentWaitsForIt) {
  SetLoss(kClient, kServer, {1, 1});
  client->Write(near, "first ");
  lab.Advance(kOneWay);
  SetLoss(kClient, kServer, {});
  client->Write(near, "second");
  lab.AdvanceTo(start + 100ms);
  EXPECT_EQ(Segments().size(), 0u);
  EXPECT_EQ(*lab.Await(server->ReadAll(far, 12)), "first second");
  EXPECT_EQ(lab.bites(), Lab::Bites({{"loss", 1}}));
}

TEST_F(TcpFlows, ACorruptSegmentFailsItsChecksumAndIsLost) {
  EditLink(kClient, kServer, [](LinkConfig* link) { link->corrupt = {1, 1}; });
  client->Write(near, "corrupt");
  lab.Advance(kOneWay);
  EditLink(kClient, kServer, [](LinkConfig* link) { link->corrupt = {}; });
  EXPECT_EQ(*lab.Await(server->Read(far)), "corrupt");
  EXPECT_EQ(ArrivalOf(0), 200ms + 2 * kOneWay);
  EXPECT_EQ(lab.bites(), Lab::Bites({{"corruption", 1}}));
}

TEST_F(TcpFlows, ADuplicateIsDiscarded) {
  EditLink(kClient, kServer, [](LinkConfig* link) { link->duplicate = {1, 1}; });
  client->Write(near, Pattern(2 * kMss));
  lab.Advance(10ms);
  EXPECT_EQ(*lab.Await(server->Read(far)), Pattern(2 * kMss));
  EXPECT_EQ(lab.Count(TraceKind::kDuplicateDrop, kServer), 2u);
  EXPECT_EQ(lab.bites(), Lab::Bites()) << "nobody can notice";
}

TEST_F(TcpFlows, ADuplicateOfTheEndIsDiscarded) {
  EditLink(kClient, kServer, [](LinkConfig* link) { link->duplicate = {1, 1}; });
  client->Write(near, "all");
  (void)near->ShutdownWrite();
  EXPECT_EQ(*lab.Await(server->ReadAll(far)), "all");
  EXPECT_EQ(*lab.Await(server->Read(far)), "");
  lab.Advance(1s);
  EXPECT_EQ(lab.Count(TraceKind::kDuplicateDrop, kServer), 2u);
  EXPECT_EQ(lab.Count(TraceKind::kFin, kServer), 1u);
}

TEST_F(TcpFlows, AReorderedSegmentMakesThoseBehindItWait) {
  EditLink(kClient, kServer, [](LinkConfig* link) {
    link->reorder = {1, 1};
    link->reorder_delay = Latency::Constant(3ms);
  });
  client->Write(near, "late ");
  EXPECT_EQ(lab.bites(), Lab::Bites()) << "nobody waits yet";
  EditLink(kClient, kServer, [](LinkConfig* link) { link->reorder = {}; });
  client->Write(near, "behind");
  EXPECT_EQ(lab.bites(), Lab::Bites({{"reordering", 1}}));
  lab.AdvanceTo(start + 3ms + kOneWay - 1ns);
  EXPECT_EQ(Segments().size(), 0u);
  lab.Advance(1ns);
  EXPECT_EQ(*lab.Await(server->Read(far)), "late behind");
}

TEST_F(TcpFlows, JitterAloneKeepsTheOrderAndIsNoReordering) {
  EditLink(kClient, kServer, [](LinkConfig* link) { link->latency = Latency::Uniform(0us, 10ms); });
  client->WriteAll(near, Pattern(60'000));
  EXPECT_EQ(*lab.Await(server->ReadAll(far, 60'000)), Pattern(60'000));
  EXPECT_EQ(lab.bites(), Lab::Bites());
}

TEST_F(TcpFlows, EverythingAtOnceStillDeliversEachByteOnceAndInOrder) {
  for (uint32_t from : {kClient, kServer}) {
    EditLink(from, 1 - from, [](LinkConfig* link) {
      link->loss = link->corrupt = link->duplicate = link->reorder = {1, 20};
      link->latency = Latency::Exponential(100us, 1ms);
    });
  }
  client->WriteAll(near, Pattern(300'000));
  EXPECT_EQ(*lab.Await(server->ReadAll(far, 300'000)), Pattern(300'000));
  Lab::Bites bites = lab.bites();
  for (const char* family : {"loss", "corruption", "reordering"}) {
    EXPECT_GT(bites[family], 0u) << family;
  }
  EXPECT_GT(lab.Count(TraceKind::kDuplicateDrop), 0u);
}

TEST_F(TcpFlows, ALimitedLinkSpacesSegments) {
  EditLink(kClient, kServer, [](LinkConfig* link) { link->bytes_per_second = 1'500'000; });
  client->Write(near, Pattern(3 * kMss));  // 1500 bytes on the wire each: 1 ms each
  lab.Advance(10ms);
  ASSERT_EQ(Segments().size(), 3u);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(ArrivalOf(i), (i + 1) * 1ms + kOneWay);
  EXPECT_EQ(lab.bites(), Lab::Bites({{"bandwidth", 2}})) << "the first waited for nobody";
}

TEST_F(TcpFlows, WhatFallsOffAFullQueueIsSentAgain) {
  EditLink(kClient, kServer, [](LinkConfig* link) {
    link->bytes_per_second = 1'500'000;
    link->queue_bytes = 3000;  // the segment that is being sent, and one behind it
  });
  client->Write(near, Pattern(4 * kMss));
  EXPECT_EQ(*lab.Await(server->ReadAll(far, 4 * kMss)), Pattern(4 * kMss));
  EXPECT_EQ(ArrivalOf(1), 2ms + kOneWay);
  EXPECT_GT(ArrivalOf(2), 200ms);
  EXPECT_EQ(lab.Count(TraceKind::kRetransmit, kClient), 2u);
}

TEST_F(TcpFlows, ALossLateInTheWorldIsNotAnOldOne) {
  SetLoss(kClient, kServer, {1, 1});
  client->Write(near, "early");
  lab.Advance(kOneWay);
  SetLoss(kClient, kServer, {});
  lab.Advance(2000s);
  EditLink(kClient, kServer, [](LinkConfig* link) {
    link->bytes_per_second = 1'500'000;
    link->queue_bytes = 0;
  });
  client->Write(near, Pattern(2 * kMss));
  SetLoss(kClient, kServer, {1, 1});
  lab.Advance(300ms);
  SetLoss(kClient, kServer, {});
  EXPECT_EQ(*lab.Await(server->ReadAll(far, 5 + 2 * kMss)), "early" + Pattern(2 * kMss));
}

TEST_F(TcpFlows, AClogDelaysWhatLeavesDuringIt) {
  lab.world()->Clog(kClient, kServer, Plane::kClient, 10ms);
  client->Write(near, "slow");
  lab.world()->Clog(kClient, kServer, Plane::kClient, 0ms);
  lab.Advance(1s);
  EXPECT_EQ(ArrivalOf(0), 10ms + kOneWay);
  EXPECT_EQ(lab.bites(), Lab::Bites({{"clog", 1}}));
  server->Write(far, "the other direction was never slow");
  lab.Advance(kOneWay);
  EXPECT_TRUE(client->Read(near).done());
}

TEST_F(TcpFlows, AClogOfAcknowledgementsCountsWhenSomebodyWaitsForThem) {
  Reconnect(1000, 64 << 10);
  lab.world()->Clog(kServer, kClient, Plane::kClient, 10ms);
  client->Write(near, Pattern(1000));
  lab.Advance(kOneWay);
  EXPECT_EQ(lab.bites(), Lab::Bites());
  lab.Advance(1s);
  Job<size_t> writing = client->WriteAll(near, Pattern(1001));
  lab.Advance(10ms + 2 * kOneWay - 1ns);
  EXPECT_FALSE(writing.done());
  lab.Advance(1ns);
  EXPECT_TRUE(writing.done());
  EXPECT_EQ(lab.bites(), Lab::Bites({{"clog", 1}, {"small-buffers", 1}}));
}

// --- Partitions, and what is in flight ---

TEST_F(TcpFlows, DataInFlightObeysANewPartition) {
  client->Write(near, "in flight");
  lab.Advance(kOneWay - 1us);
  uint32_t cut = CutOneWay(kClient, kServer);
  lab.Advance(1s);
  EXPECT_EQ(Segments().size(), 0u);
  EXPECT_EQ(lab.bites(), Lab::Bites({{"one-way-partition", 3}}));  // at 0, 0.2 and 0.6 s
  Heal(cut);
  EXPECT_EQ(*lab.Await(server->Read(far)), "in flight");
  EXPECT_EQ(ArrivalOf(0), 1400ms + 4 * kOneWay);
}

TEST_F(TcpFlows, DataInFlightWaitsForAHoldToEnd) {
  client->Write(near, "first ");
  client->Write(near, "second");
  uint32_t cut = CutBothWays(Passage::kHold);
  lab.Advance(10s);
  EXPECT_EQ(Segments().size(), 0u);
  Heal(cut);
  lab.Advance(0s);
  EXPECT_EQ(*lab.Await(server->Read(far)), "first second");
  EXPECT_EQ(ArrivalOf(1), 10s);
  EXPECT_EQ(lab.bites(), Lab::Bites({{"hold", 1}}));
  EXPECT_EQ(lab.Count(TraceKind::kRetransmit), 0u);
}

TEST_F(TcpFlows, ASenderBehindAHoldGivesUpInTheEnd) {
  uint32_t cut = CutOneWay(kClient, kServer, Passage::kHold);
  Job<std::string> reading = client->Read(near);
  client->Write(near, "held");
  lab.AdvanceTo(start + 924s);
  EXPECT_FALSE(reading.done());
  lab.AdvanceTo(start + 925s);
  EXPECT_EQ(ErrorOf(reading), ETIMEDOUT);
  Heal(cut);
}

TEST_F(TcpFlows, AHalfOpenEndDoesNotNoticeAPartition) {
  uint32_t cut = CutBothWays();
  Job<std::string> reading = client->Read(near);
  lab.Advance(24h);
  EXPECT_FALSE(reading.done());
  Heal(cut);
  server->Write(far, "back again");
  lab.Advance(kOneWay);
  EXPECT_EQ(*reading.result(), "back again");
  EXPECT_EQ(lab.bites(), Lab::Bites());
}

TEST_F(TcpFlows, AcknowledgementsInFlightObeyANewPartition) {
  Reconnect(1000, 64 << 10);
  client->Write(near, Pattern(1000));
  Job<size_t> writing = client->Write(near, "more");
  lab.Advance(kOneWay + 1us);  // delivered, the acknowledgement is under way
  uint32_t cut = CutOneWay(kServer, kClient);
  EXPECT_EQ(lab.bites(), Lab::Bites({{"one-way-partition", 1}, {"small-buffers", 1}}));
  lab.Advance(500ms);
  EXPECT_FALSE(writing.done());
  Heal(cut);
  lab.Advance(50ms);
  EXPECT_FALSE(writing.done()) << "the next retransmission asks for it again, at 0.6 s";
  lab.Advance(100ms);
  EXPECT_TRUE(writing.done());
}

TEST_F(TcpFlows, HeldAcknowledgementsArriveWhenTheyAreLetGo) {
  Reconnect(1000, 64 << 10);
  client->Write(near, Pattern(1000));
  Job<size_t> writing = client->Write(near, "more");
  uint32_t cut = CutOneWay(kServer, kClient, Passage::kHold);
  lab.Advance(5s);
  EXPECT_FALSE(writing.done());
  Heal(cut);
  lab.Advance(kOneWay);
  EXPECT_TRUE(writing.done());
  EXPECT_EQ(lab.bites(), Lab::Bites({{"hold", 1}, {"small-buffers", 1}}));
}

TEST_F(TcpFlows, AWindowUpdateObeysAPartitionToo) {
  Job<size_t> writing = client->WriteAll(near, Pattern(200'000));
  lab.Advance(10ms);
  uint32_t cut = CutOneWay(kServer, kClient);
  Job<std::string> all = server->ReadAll(far, 200'000);
  lab.Advance(10s);
  EXPECT_FALSE(all.done());
  Heal(cut);
  EXPECT_EQ(*lab.Await(all), Pattern(200'000));
}

TEST_F(TcpFlows, ASenderWithoutAcknowledgementsTimesOut) {
  uint32_t cut = CutOneWay(kServer, kClient);
  Job<std::string> reading = client->Read(near);
  client->Write(near, "it arrives, but who knows?");
  EXPECT_EQ(*lab.Await(server->Read(far)), "it arrives, but who knows?");
  lab.AdvanceTo(start + 920s);
  EXPECT_FALSE(reading.done());
  lab.AdvanceTo(start + 925s);
  EXPECT_EQ(ErrorOf(reading), ETIMEDOUT);
  EXPECT_EQ(lab.bites(), Lab::Bites({{"one-way-partition", 1}}));
  Heal(cut);
}

TEST_F(TcpFlows, ASenderWhoseBytesAreAllAcknowledgedDoesNot) {
  client->Write(near, Pattern(60'000));
  lab.Advance(10ms);
  uint32_t cut = CutOneWay(kServer, kClient);
  EXPECT_EQ(lab.Await(server->ReadAll(far, 60'000))->size(), 60'000u);  // the update is lost
  Job<std::string> reading = client->Read(near);
  lab.Advance(24h);
  EXPECT_FALSE(reading.done());
  Heal(cut);
}

TEST_F(TcpFlows, AHandshakeAcknowledgementInFlightObeysAPartition) {
  Listener* listener = server->Listen(server->At(81));
  Job<Stream*> accepting = server->Accept(listener);
  ASSERT_TRUE(lab.Await(client->Connect(server->At(81))).ok());
  uint32_t cut = CutOneWay(kClient, kServer);
  lab.Advance(100ms);
  EXPECT_FALSE(accepting.done());
  Heal(cut);
  lab.Advance(150ms);
  EXPECT_TRUE(accepting.done());
}

TEST_F(TcpFlows, AnEndInFlightObeysAPartition) {
  ASSERT_TRUE(near->ShutdownWrite().ok());
  uint32_t cut = CutBothWays();
  Job<std::string> reading = server->Read(far);
  lab.Advance(1s);
  EXPECT_FALSE(reading.done());
  Heal(cut);
  EXPECT_EQ(*lab.Await(reading), "");
  EXPECT_EQ(ErrorOf(reading), 0);
}

// --- Orphans ---

TEST_F(TcpFlows, WhatWasWrittenBeforeACloseIsStillDelivered) {
  client->WriteAll(near, Pattern(128 << 10));  // the second half waits in the send buffer
  lab.Advance(10ms);
  ASSERT_TRUE(near->Close().ok());
  lab.Advance(1h);
  EXPECT_EQ(*lab.Await(server->ReadAll(far)), Pattern(128 << 10));
}

TEST_F(TcpFlows, AClosedEndGivesUpEarlierThanAnOpenOne) {
  uint32_t cut = CutBothWays();
  client->Write(near, "nobody waits for an answer");
  ASSERT_TRUE(near->Close().ok());
  lab.AdvanceTo(start + 110s);
  EXPECT_EQ(lab.Count(TraceKind::kUserTimeout, kClient), 1u);
  Heal(cut);
  server->Write(far, "hello?");
  lab.Advance(2 * kOneWay);
  EXPECT_EQ(ErrorOf(server->Read(far)), ECONNRESET);
}

}  // namespace
}  // namespace faultline::sim
