// Goal: simulated UDP loses, duplicates, reorders, corrupts and drops datagrams as its link is
// told to, keeps their boundaries, and counts each fault when it changed something.
// Method: two sockets with a constant latency between them. Faults are certain, or are switched on
// for one datagram; where they are drawn, what arrived is compared with what was counted.
#include "sim/datagram.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sim/testing/two_hosts.h"

namespace faultline::sim {
namespace {

class Datagrams : public TwoHosts {
 protected:
  void Send(const std::string& bytes) { client->Send(out, to, bytes); }
  // What has arrived and is read now.
  std::vector<std::string> ReceiveAll() {
    std::vector<std::string> all;
    while (true) {
      Job<Received> receiving = server->Receive(in);
      if (!receiving.done()) {
        receiving.Cancel();
        lab.Settle();
        return all;
      }
      all.push_back(receiving.result()->bytes);
    }
  }
  std::vector<std::string> ReceiveAfter(Duration duration) {
    lab.Advance(duration);
    return ReceiveAll();
  }
  // Why datagrams did not arrive.
  std::vector<DatagramDrop> Drops() const {
    std::vector<DatagramDrop> drops;
    for (const TraceRecord& record : lab.Records(TraceKind::kDatagramDrop)) {
      drops.push_back(static_cast<DatagramDrop>(record.detail));
    }
    return drops;
  }
  void Edit(const std::function<void(LinkConfig*)>& edit) { EditLink(kClient, kServer, edit); }

  using Texts = std::vector<std::string>;
  using Why = std::vector<DatagramDrop>;

  Endpoint to = server->At(53);
  DatagramSocket* out = client->Bind(client->At(0));
  DatagramSocket* in = server->Bind(to);
};

// --- The ordinary ---

TEST_F(Datagrams, ADatagramArrivesWholeAfterTheLatency) {
  Send("hello");
  Job<Received> receiving = server->Receive(in);
  lab.Advance(kOneWay - 1ns);
  EXPECT_FALSE(receiving.done());
  lab.Advance(1ns);
  EXPECT_EQ(receiving.result()->bytes, "hello");
  EXPECT_EQ(receiving.result()->info.from, out->local_address());
  EXPECT_FALSE(receiving.result()->info.truncated);
  EXPECT_EQ(lab.bites(), Lab::Bites());
}

TEST_F(Datagrams, BoundariesAreKeptAndNothingIsADatagramToo) {
  Send("one");
  Send("");
  Send("three");
  EXPECT_EQ(ReceiveAfter(kOneWay), Texts({"one", "", "three"}));
}

TEST_F(Datagrams, WhatDoesNotFitIntoTheBufferIsCutOffAndSaid) {
  Send("longer than that");
  Send("next");
  lab.Advance(kOneWay);
  Job<Received> receiving = server->Receive(in, 6);
  EXPECT_EQ(receiving.result()->bytes, "longer");
  EXPECT_TRUE(receiving.result()->info.truncated);
  EXPECT_EQ(ReceiveAll(), Texts({"next"}));
}

TEST_F(Datagrams, AWildcardSocketSendsFromTheAddressInThePlaneOfItsTarget) {
  DatagramSocket* wild = client->Bind(Endpoint::Ipv4Any(7000));
  DatagramSocket* everywhere = server->Bind(Endpoint::Ipv4Any(7001));
  for (Plane plane : {Plane::kReplica, Plane::kClient}) {
    client->Send(wild, server->At(7001, plane), "who am I?");
    Received received = *lab.Await(server->Receive(everywhere));
    EXPECT_EQ(received.info.from, client->At(7000, plane));
  }
  server->Send(everywhere, Endpoint::Ipv4Loopback(7001), "me");
  EXPECT_EQ(lab.Await(server->Receive(everywhere))->info.from, Endpoint::Ipv4Loopback(7001));
  server->Send(everywhere, server->At(7001), "me too");
  EXPECT_EQ(lab.Await(server->Receive(everywhere))->info.from, server->At(7001));
  server->Send(everywhere, Endpoint::Ipv4Any(7001), "and me");
  EXPECT_EQ(lab.Await(server->Receive(everywhere))->info.from, Endpoint::Ipv4Loopback(7001));
}

TEST_F(Datagrams, Ipv6WorksTheSame) {
  Endpoint address = server->host()->Ipv6Address(Plane::kClient, 54);
  DatagramSocket* wild = client->Bind(Endpoint::Ipv6Any(7000));
  DatagramSocket* six = server->Bind(address);
  client->Send(wild, address, "six");
  Received received = *lab.Await(server->Receive(six));
  EXPECT_EQ(received.bytes, "six");
  EXPECT_EQ(received.info.from, client->host()->Ipv6Address(Plane::kClient, 7000));
  EXPECT_EQ(ErrorOf(client->Send(out, address, "from IPv4")), EAFNOSUPPORT);
}

TEST_F(Datagrams, SendErrorsAreThoseOfTheSystemCall) {
  EXPECT_EQ(ErrorOf(client->Send(out, to, std::string(65'508, 'x'))), EMSGSIZE);
  EXPECT_EQ(ErrorOf(client->Send(out, *Endpoint::Parse("10.1.0.9:1"), "x")), ENETUNREACH);
  EXPECT_EQ(ErrorOf(client->Send(out, Endpoint::Unix("/x"), "x")), EAFNOSUPPORT);
  ASSERT_TRUE(out->Close().ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(client->Send(out, to, "x").status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(client->Receive(out).status()));
  EXPECT_TRUE(out->Close().ok());
}

TEST_F(Datagrams, TheLargestFitsThroughLoopback) {
  DatagramSocket* self = server->Bind(Endpoint::Ipv4Loopback(55));
  server->Send(self, self->local_address(), Pattern(65'507));
  EXPECT_EQ(lab.Await(server->Receive(self))->bytes, Pattern(65'507));
  DatagramSocket* six = server->Bind(Endpoint::Ipv6Loopback(55));
  server->Send(six, six->local_address(), Pattern(65'527));
  EXPECT_EQ(lab.Await(server->Receive(six))->bytes, Pattern(65'527));
}

TEST_F(Datagrams, NobodyHearsWhatArrivesWhereNobodyIsBound) {
  client->Send(out, server->At(54), "x");
  ASSERT_TRUE(in->Close().ok());
  client->Send(out, to, "x");
  lab.Advance(kOneWay);
  server->Crash();
  client->Send(out, to, "x");
  lab.Advance(kOneWay);
  EXPECT_EQ(Drops(),
            Why({DatagramDrop::kNoSocket, DatagramDrop::kNoSocket, DatagramDrop::kHostDown}));
}

TEST_F(Datagrams, ACancelledReceiveLosesNothing) {
  Job<Received> receiving = server->Receive(in);
  receiving.Cancel();
  lab.Settle();
  EXPECT_TRUE(absl::IsCancelled(receiving.status()));
  Send("kept");
  EXPECT_EQ(ReceiveAfter(kOneWay), Texts({"kept"}));
}

TEST_F(Datagrams, AFullReceiveBufferDropsTheNewest) {
  BindOptions options;
  options.receive_buffer_bytes = 300;
  in = server->Bind(server->At(56), options);
  to = in->local_address();
  for (const char* text : {"one", "two", "three"}) Send(text + std::string(80, '.'));
  lab.Advance(kOneWay);
  EXPECT_EQ(Drops(), Why({DatagramDrop::kBufferFull}));
  EXPECT_EQ(lab.bites(), Lab::Bites()) << "the socket has asked for it";
  std::vector<std::string> got = ReceiveAll();
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[1].substr(0, 3), "two");
  Send("room again");
  EXPECT_EQ(ReceiveAfter(kOneWay), Texts({"room again"}));
}

TEST_F(Datagrams, ABufferThatAFaultHasMadeSmallBites) {
  HostLimits limits;
  limits.receive_buffer_bytes = 300;
  server->host()->SetLimits(limits);
  for (const char* text : {"one", "two", "three"}) Send(text + std::string(80, '.'));
  lab.Advance(kOneWay);
  EXPECT_EQ(Drops(), Why({DatagramDrop::kBufferFull}));
  EXPECT_EQ(lab.bites(), Lab::Bites({{"small-buffers", 1}}));
}

TEST_F(Datagrams, AReceiverThatWaitsNeedsNoBuffer) {
  BindOptions options;
  options.receive_buffer_bytes = 1;
  in = server->Bind(server->At(56), options);
  Job<Received> receiving = server->Receive(in);
  client->Send(out, in->local_address(), "straight into its hands");
  lab.Advance(kOneWay);
  EXPECT_TRUE(receiving.done());
}

// --- Faults of the link ---

TEST_F(Datagrams, ALostDatagramNeverComes) {
  Edit([](LinkConfig* link) { link->loss = {1, 1}; });
  Send("lost");
  Edit([](LinkConfig* link) { link->loss = {}; });
  Send("not lost");
  EXPECT_EQ(ReceiveAfter(1h), Texts({"not lost"}));
  EXPECT_EQ(lab.bites(), Lab::Bites({{"loss", 1}}));
  EXPECT_EQ(Drops(), Why({DatagramDrop::kLost}));
}

TEST_F(Datagrams, DrawnLossesAreCountedAsTheyHappen) {
  Edit([](LinkConfig* link) { link->loss = {1, 4}; });
  for (int i = 0; i < 400; ++i) Send("x");
  size_t arrived = ReceiveAfter(kOneWay).size();
  EXPECT_EQ(lab.bites()["loss"], 400 - arrived);
  EXPECT_GT(arrived, 250u);
  EXPECT_LT(arrived, 350u);
}

TEST_F(Datagrams, ADuplicateComesTwice) {
  Edit([](LinkConfig* link) { link->duplicate = {1, 1}; });
  Send("twice");
  EXPECT_EQ(ReceiveAfter(kOneWay), Texts({"twice", "twice"}));
  EXPECT_EQ(lab.bites(), Lab::Bites({{"duplication", 1}}));
}

TEST_F(Datagrams, ADuplicateIsNoReorderingOfItself) {
  Edit([](LinkConfig* link) {
    link->duplicate = {1, 1};
    link->latency = Latency::Uniform(1ms, 9ms);
  });
  for (int i = 0; i < 50; ++i) {
    Send("x");
    EXPECT_EQ(ReceiveAfter(10ms).size(), 2u);
  }
  EXPECT_EQ(lab.bites(), Lab::Bites({{"duplication", 50}}));
}

TEST_F(Datagrams, ALateDatagramIsOvertakenAndThatIsCountedWhenItArrives) {
  Edit([](LinkConfig* link) {
    link->reorder = {1, 1};
    link->reorder_delay = Latency::Constant(2ms);
  });
  Send("late");
  Edit([](LinkConfig* link) { link->reorder = {}; });
  Send("early");
  EXPECT_EQ(ReceiveAfter(kOneWay), Texts({"early"}));
  EXPECT_EQ(lab.bites(), Lab::Bites());
  EXPECT_EQ(ReceiveAfter(2ms), Texts({"late"}));
  EXPECT_EQ(lab.bites(), Lab::Bites({{"reordering", 1}}));
}

TEST_F(Datagrams, ALateDatagramThatNobodyOvertakesIsNotReordered) {
  Edit([](LinkConfig* link) { link->reorder = {1, 1}; });
  for (int i = 0; i < 5; ++i) {
    Send("alone");
    EXPECT_EQ(ReceiveAfter(10ms).size(), 1u);
  }
  EXPECT_EQ(lab.bites(), Lab::Bites());
}

// --- Congestion that is told ---

TEST_F(Datagrams, RoutersMarkThoseWhoUnderstandIt) {
  Edit([](LinkConfig* link) { link->mark_ce = {1, 1}; });
  for (Ecn sent : {Ecn::kNotEct, Ecn::kEct0, Ecn::kEct1, Ecn::kCe}) {
    client->Send(out, to, "x", {.ecn = sent});
    Ecn expected = sent == Ecn::kNotEct ? Ecn::kNotEct : Ecn::kCe;
    EXPECT_EQ(lab.Await(server->Receive(in))->info.ecn, expected);
  }
}

TEST_F(Datagrams, SomeAreMarkedAndSomeAreNot) {
  Edit([](LinkConfig* link) { link->mark_ce = {1, 2}; });
  int marked = 0;
  for (int i = 0; i < 100; ++i) {
    client->Send(out, to, "x", {.ecn = Ecn::kEct0});
    if (lab.Await(server->Receive(in))->info.ecn == Ecn::kCe) ++marked;
  }
  EXPECT_GT(marked, 20);
  EXPECT_LT(marked, 80);
}

TEST_F(Datagrams, ABleachedPathCarriesNoMarks) {
  Edit([](LinkConfig* link) {
    link->mark_ce = {1, 1};
    link->bleach_ecn = true;
  });
  client->Send(out, to, "x", {.ecn = Ecn::kEct0});
  EXPECT_EQ(lab.Await(server->Receive(in))->info.ecn, Ecn::kNotEct);
}

// --- Several at once ---

// Each segment travels, and gets lost, by itself.
TEST_F(Datagrams, SegmentsAreLostOneByOne) {
  Edit([](LinkConfig* link) { link->loss = {1, 2}; });
  client->Send(out, to, Pattern(640), {.segment_bytes = 10});
  lab.Advance(kOneWay);
  const size_t arrived = ReceiveAll().size();
  EXPECT_GT(arrived, 10u);
  EXPECT_LT(arrived, 54u);
  EXPECT_EQ(arrived + Drops().size(), 64u);
}

// One size, one sender; a shorter one is the last.
TEST_F(Datagrams, WhoTakesSeveralGetsRunsOfOneSize) {
  DatagramSocket* several = server->Bind(server->At(54), {.receive_several = true});
  DatagramSocket* other = client->Bind(client->At(0));
  for (size_t size : {10, 10, 4, 10, 20, 20}) {
    client->Send(out, several->local_address(), Pattern(size));
  }
  client->Send(other, several->local_address(), Pattern(20));
  lab.Advance(kOneWay);
  std::vector<std::pair<size_t, size_t>> runs;  // bytes, bytes of a segment
  for (int i = 0; i < 4; ++i) {
    Received got = *lab.Await(server->Receive(several));
    runs.emplace_back(got.bytes.size(), got.info.segment_bytes);
  }
  using Runs = std::vector<std::pair<size_t, size_t>>;
  EXPECT_EQ(runs, Runs({{24, 10}, {10, 0}, {40, 20}, {20, 0}}));
}

// --- Corruption ---

TEST_F(Datagrams, ACorruptDatagramHasOneOtherByte) {
  Edit([](LinkConfig* link) { link->corrupt = {1, 1}; });
  std::set<size_t> places;
  for (int i = 0; i < 40; ++i) {
    Send(Pattern(100));
    std::string got = ReceiveAfter(kOneWay).at(0);
    ASSERT_EQ(got.size(), 100u);
    size_t differing = 0;
    for (size_t at = 0; at < 100; ++at) {
      if (got[at] == Pattern(100)[at]) continue;
      ++differing;
      places.insert(at);
    }
    EXPECT_EQ(differing, 1u);
  }
  EXPECT_GT(places.size(), 20u);
  Send("");  // has no byte that could change
  EXPECT_EQ(ReceiveAfter(kOneWay), Texts({""}));
  EXPECT_EQ(lab.bites(), Lab::Bites({{"corruption", 40}}));
}

TEST_F(Datagrams, WhatIsLongerThanTheMtuVanishes) {
  Send(Pattern(1472));  // 1500 with the headers
  Send(Pattern(1473));
  EXPECT_EQ(ReceiveAfter(kOneWay), Texts({Pattern(1472)}));
  EXPECT_EQ(lab.bites(), Lab::Bites({{"mtu", 1}}));
  EXPECT_EQ(Drops(), Why({DatagramDrop::kTooLong}));
}

TEST_F(Datagrams, ALimitedLinkQueuesAndDrops) {
  Edit([](LinkConfig* link) {
    link->bytes_per_second = 1'000'000;
    link->queue_bytes = 2000;
  });
  for (const char* text : {"one", "two", "three"}) Send(text + std::string(1000 - 31, '.'));
  EXPECT_EQ(ReceiveAfter(1ms + kOneWay).size(), 1u);  // 1 ms for 1000 bytes with the headers
  EXPECT_EQ(ReceiveAfter(1ms).size(), 1u);
  EXPECT_EQ(ReceiveAfter(1s).size(), 0u);
  EXPECT_EQ(Drops(), Why({DatagramDrop::kQueueFull}));
  EXPECT_EQ(lab.bites(), Lab::Bites({{"bandwidth", 2}}));  // one waited, one fell off
}

TEST_F(Datagrams, AClogDelaysAndCounts) {
  lab.world()->Clog(kClient, kServer, Plane::kClient, 10ms);
  Send("slow");
  EXPECT_EQ(ReceiveAfter(10ms + kOneWay - 1ns).size(), 0u);
  EXPECT_EQ(ReceiveAfter(1ns).size(), 1u);
  EXPECT_EQ(lab.bites(), Lab::Bites({{"clog", 1}}));
}

// --- Partitions ---

TEST_F(Datagrams, WhatIsInFlightObeysANewPartition) {
  Send("in flight");
  lab.Advance(kOneWay - 1us);
  uint32_t cut = CutBothWays();
  lab.Advance(1us);
  Heal(cut);
  EXPECT_EQ(ReceiveAfter(1h), Texts());
  EXPECT_EQ(Drops(), Why({DatagramDrop::kPartition}));
  EXPECT_EQ(lab.bites(), Lab::Bites({{"partition", 1}}));
}

TEST_F(Datagrams, APartitionThatEndsBeforeTheArrivalChangesNothing) {
  Send("in flight");
  Heal(CutBothWays());
  EXPECT_EQ(ReceiveAfter(kOneWay), Texts({"in flight"}));
  EXPECT_EQ(lab.bites(), Lab::Bites());
}

TEST_F(Datagrams, AOneWayPartitionLeavesTheOtherWayOpen) {
  uint32_t cut = CutOneWay(kServer, kClient);
  Send("there");
  EXPECT_EQ(ReceiveAfter(kOneWay), Texts({"there"}));
  Job<Received> receiving = client->Receive(out);
  server->Send(in, out->local_address(), "and back");
  lab.Advance(1s);
  EXPECT_FALSE(receiving.done());
  EXPECT_EQ(lab.bites(), Lab::Bites({{"one-way-partition", 1}}));
  Heal(cut);
}

TEST_F(Datagrams, HeldDatagramsArriveInOrderWhenTheHoldEnds) {
  Send("one");
  uint32_t cut = CutOneWay(kClient, kServer, Passage::kHold);
  Send("two");
  EXPECT_EQ(ReceiveAfter(10s), Texts());
  Heal(cut);
  EXPECT_EQ(ReceiveAfter(0s), Texts({"one", "two"}));
  EXPECT_EQ(lab.bites(), Lab::Bites({{"hold", 2}}));
}

TEST_F(Datagrams, AHoldThatBecomesALossLosesThem) {
  Send("held");
  uint32_t hold = CutOneWay(kClient, kServer, Passage::kHold);
  lab.Advance(1s);
  uint32_t drop = CutOneWay(kClient, kServer);
  Heal(hold);
  lab.Advance(0s);
  Heal(drop);
  EXPECT_EQ(ReceiveAfter(1s), Texts());
  EXPECT_EQ(lab.bites(), Lab::Bites({{"hold", 1}, {"one-way-partition", 1}}));
}

// --- Incarnations ---

TEST_F(Datagrams, ADatagramOutlivesItsSenderAndFindsTheNextReceiver) {
  Send("last words");
  client->Crash();
  server->Crash();
  server->Restart();
  in = server->Bind(to);
  EXPECT_EQ(ReceiveAfter(kOneWay), Texts({"last words"}));
}

TEST_F(Datagrams, ACrashEmptiesTheReceiveBuffer) {
  Job<Received> receiving = server->Receive(server->Bind(server->At(57)));
  Send("never read");
  lab.Advance(kOneWay);
  server->Crash();
  server->Restart();
  EXPECT_FALSE(receiving.done());
  in = server->Bind(to);
  EXPECT_EQ(ReceiveAfter(1s), Texts());
}

TEST_F(Datagrams, ASocketOnTheSamePortDrawsItsOwnFaults) {
  Edit([](LinkConfig* link) { link->loss = {1, 2}; });
  std::set<std::string> patterns;
  for (int socket = 0; socket < 8; ++socket) {
    out = client->Bind(client->At(7000));
    std::string pattern;
    for (int i = 0; i < 16; ++i) {
      Send("x");
      pattern += ReceiveAfter(kOneWay).empty() ? '-' : 'x';
    }
    patterns.insert(pattern);
    ASSERT_TRUE(out->Close().ok());
  }
  EXPECT_EQ(patterns.size(), 8u);
}

}  // namespace
}  // namespace faultline::sim
