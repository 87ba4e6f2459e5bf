// Goal: a path is open, drops or holds as the blocks on it say, tells its users once about each
// change, and a world's partitions put the right blocks on the right paths, those that are made
// later too.
// Method: a path alone with users that write down what they hear; then worlds of three hosts in
// which datagrams show which ways are open.
#include "sim/path.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "sim/testing/two_hosts.h"

namespace faultline::sim {
namespace {

// --- A path alone ---

struct Listening final : PathUser {
  explicit Listening(std::vector<int>* log, int id) : log(log), id(id) {}
  void OnPassageChange(Path* path, Passage before) override {
    was = before;
    is = path->passage();
    log->push_back(id);
    if (leaves) Unlink();
    if (removes != nullptr) removes->Unlink();
    if (joins != nullptr && !joins->linked()) path->Register(joins);
  }
  std::vector<int>* const log;
  const int id;
  Passage was = Passage::kOpen;
  Passage is = Passage::kOpen;
  bool leaves = false;
  PathUser* removes = nullptr;
  PathUser* joins = nullptr;
};

class PathAlone : public ::testing::Test {
 protected:
  FaultEffects effects;
  LinkConfig link;
  Path path{0, 1, Plane::kClient, &link, &effects};
  std::vector<int> log;
  Listening first{&log, 1};
  Listening second{&log, 2};
  Listening third{&log, 3};
};

// What users keep instead of looking at the path must be what they would see there.
class Plain final : public PathUser {
 public:
  void OnPassageChange(Path* path, Passage) override {
    EXPECT_EQ(link != nullptr, path->passage() == Passage::kOpen) << "told too late";
  }
  void OnPlain(const LinkConfig* now) override { link = now; }
  const LinkConfig* link = nullptr;
};

TEST_F(PathAlone, UsersAreToldWhileOnlyTheLinkShapesIt) {
  Plain user;
  path.Register(&user);
  EXPECT_EQ(user.link, &link);
  for (Passage how : {Passage::kDrop, Passage::kHold}) {
    path.Block(how, true);
    EXPECT_EQ(user.link, nullptr);
    path.Unblock(how, true);
    EXPECT_EQ(user.link, &link);
  }
  path.SetClog(1ms);
  EXPECT_EQ(user.link, nullptr);
  Plain late;
  path.Register(&late);
  EXPECT_EQ(late.link, nullptr);
  path.SetClog(0ms);
  EXPECT_EQ(user.link, &link);
  EXPECT_EQ(late.link, &link);
  path.SetLink(LinkConfig{.mtu = 9000});
  EXPECT_EQ(user.link, &path.link());
  EXPECT_EQ(user.link->mtu, 9000u);
  path.ShareLink(&link);
  EXPECT_EQ(user.link, &link);
}

TEST_F(PathAlone, OverlappingBlocksOpenWithTheLast) {
  path.Block(Passage::kDrop, true);
  path.Block(Passage::kDrop, true);
  path.Unblock(Passage::kDrop, true);
  EXPECT_EQ(path.passage(), Passage::kDrop);
  path.Unblock(Passage::kDrop, true);
  EXPECT_EQ(path.passage(), Passage::kOpen);
}

TEST_F(PathAlone, ADropIsStrongerThanAHold) {
  path.Block(Passage::kHold, false);
  EXPECT_EQ(path.passage(), Passage::kHold);
  path.Block(Passage::kDrop, false);
  EXPECT_EQ(path.passage(), Passage::kDrop);
  path.Unblock(Passage::kDrop, false);
  EXPECT_EQ(path.passage(), Passage::kHold);
}

TEST_F(PathAlone, WhatIsRefusedIsAccountedToWhatBlocksNow) {
  path.Block(Passage::kDrop, false);
  EXPECT_EQ(path.blocked_by(), Fault::kOneWayPartition);
  path.Block(Passage::kDrop, true);
  path.Block(Passage::kHold, true);
  EXPECT_EQ(path.blocked_by(), Fault::kPartition);
  path.Unblock(Passage::kDrop, true);
  EXPECT_EQ(path.blocked_by(), Fault::kOneWayPartition);
  path.Unblock(Passage::kDrop, false);
  EXPECT_EQ(path.blocked_by(), Fault::kHold);
}

TEST_F(PathAlone, UsersHearOfChangesInOrderAndOfNothingElse) {
  for (Listening* user : {&first, &second, &third}) path.Register(user);
  path.Block(Passage::kDrop, true);
  path.Block(Passage::kDrop, true);  // no change
  path.Block(Passage::kHold, true);  // no change
  path.Unblock(Passage::kDrop, true);
  EXPECT_EQ(log, std::vector<int>({1, 2, 3}));
  EXPECT_EQ(first.was, Passage::kOpen);
  EXPECT_EQ(first.is, Passage::kDrop);
  path.Unblock(Passage::kDrop, true);
  EXPECT_EQ(log, std::vector<int>({1, 2, 3, 1, 2, 3}));
  EXPECT_EQ(third.was, Passage::kDrop);
  EXPECT_EQ(third.is, Passage::kHold);
}

TEST_F(PathAlone, UsersMayComeAndGoWhileTheyAreTold) {
  path.Register(&first);
  path.Register(&second);
  first.leaves = true;
  first.removes = &second;
  first.joins = &third;
  path.Block(Passage::kDrop, true);
  EXPECT_EQ(log, std::vector<int>({1})) << "the removed one and the new one are not told";
  path.Unblock(Passage::kDrop, true);
  EXPECT_EQ(log, std::vector<int>({1, 3}));
}

TEST_F(PathAlone, DatagramsAreOvertakenByLaterOnes) {
  uint64_t one = path.NextDatagram();
  uint64_t two = path.NextDatagram();
  uint64_t three = path.NextDatagram();
  EXPECT_FALSE(path.NoteDelivery(two));
  EXPECT_TRUE(path.NoteDelivery(one));
  EXPECT_FALSE(path.NoteDelivery(three));
}

TEST_F(PathAlone, AQueueEmptiesWithTime) {
  Choices choices(1);
  Chooser chooser(&choices, 1);
  LinkConfig link;
  link.bytes_per_second = 1000;
  link.queue_bytes = 1500;
  path.SetLink(link);
  auto depart = [&](Duration at, size_t bytes) {
    return path.Depart(MonotonicTime(at), bytes, &chooser, Choice::kLatency);
  };
  EXPECT_EQ(*depart(0s, 1000), MonotonicTime(1s + 500us));
  EXPECT_EQ(effects.bites(Fault::kBandwidth), 0u);
  EXPECT_EQ(depart(0s, 501), std::nullopt);
  EXPECT_EQ(*depart(0s, 500), MonotonicTime(1500ms + 500us));
  EXPECT_EQ(effects.bites(Fault::kBandwidth), 2u);
  EXPECT_EQ(*depart(1500ms, 1000), MonotonicTime(2500ms + 500us));  // empty again
  EXPECT_EQ(effects.bites(Fault::kBandwidth), 2u);
}

// --- Partitions of a world ---

class Partitions : public TwoHosts {
 protected:
  void SetUp() override {
    for (Agent* agent : {client, server, third}) {
      sockets.push_back(agent->Bind(Endpoint::Ipv4Any(9)));
    }
  }

  // Whether a datagram gets from one host to another now.
  bool Passes(uint32_t from, uint32_t to, Plane plane = Plane::kClient) {
    std::string text = std::to_string(++sent);
    lab.agent(from)->Send(sockets[from], lab.agent(to)->At(9, plane), text);
    lab.Advance(kOneWay);
    while (true) {
      Job<Received> receiving = lab.agent(to)->Receive(sockets[to]);
      if (receiving.done() && receiving.result()->bytes == text) return true;
      if (receiving.done()) continue;  // an earlier one, late
      receiving.Cancel();
      lab.Settle();
      return false;
    }
  }
  // Which ways are open: "01 02 10 12 20 21" if all are.
  std::string Open(Plane plane = Plane::kClient) {
    std::string open;
    for (uint32_t from = 0; from < 3; ++from) {
      for (uint32_t to = 0; to < 3; ++to) {
        if (from == to || !Passes(from, to, plane)) continue;
        open += (open.empty() ? "" : " ") + std::to_string(from) + std::to_string(to);
      }
    }
    return open;
  }

  Agent* third = lab.AddAgent({.name = "third"});
  std::vector<DatagramSocket*> sockets;
  int sent = 0;
};

TEST_F(Partitions, OneWayCutsOneWay) {
  uint32_t cut = lab.world()->Partition({.from = {0}, .to = {1, 2}});
  EXPECT_EQ(Open(), "10 12 20 21");
  Heal(cut);
  EXPECT_EQ(Open(), "01 02 10 12 20 21");
  EXPECT_EQ(lab.bites(), Lab::Bites({{"one-way-partition", 2}}));
}

TEST_F(Partitions, SymmetricCutsBoth) {
  uint32_t cut = lab.world()->Partition({.from = {0}, .to = {1, 2}, .symmetric = true});
  EXPECT_EQ(Open(), "12 21");
  Heal(cut);
  EXPECT_EQ(lab.bites(), Lab::Bites({{"partition", 4}}));
}

TEST_F(Partitions, APlaneIsCutAlone) {
  uint32_t cut = lab.world()->Partition(
      {.from = {0}, .to = {1, 2}, .planes = {true, false, false}, .symmetric = true});
  EXPECT_EQ(Open(Plane::kReplica), "12 21");
  EXPECT_EQ(Open(Plane::kClient), "01 02 10 12 20 21");
  Heal(cut);
}

TEST_F(Partitions, PathsThatAreMadeLaterAreCutToo) {
  EXPECT_TRUE(Passes(0, 1));
  uint32_t cut = lab.world()->Partition({.from = {0, 2}, .to = {1}});
  EXPECT_EQ(Open(), "02 10 12 20");
  Heal(cut);
  EXPECT_EQ(Open(), "01 02 10 12 20 21");
}

TEST_F(Partitions, OverlappingOnesHealSeparately) {
  uint32_t left = lab.world()->Partition({.from = {0}, .to = {1}, .symmetric = true});
  uint32_t right = lab.world()->Partition({.from = {0, 2}, .to = {1}, .symmetric = true});
  Heal(left);
  EXPECT_EQ(Open(), "02 20");
  Heal(right);
  EXPECT_EQ(Open(), "01 02 10 12 20 21");
}

TEST_F(Partitions, AHostReachesItselfWhateverIsCut) {
  uint32_t cut = lab.world()->Partition({.from = {0}, .to = {0, 1, 2}, .symmetric = true});
  EXPECT_TRUE(Passes(0, 0));
  Heal(cut);
}

TEST_F(Partitions, LinksAreSetForAllForOneDirectionAndInParts) {
  LinkConfig slow;
  slow.latency = Latency::Constant(1s);
  lab.world()->SetLink(Plane::kClient, slow);
  EXPECT_EQ(Open(), "");
  EXPECT_EQ(Open(Plane::kReplica), "01 02 10 12 20 21");
  lab.world()->SetLink(0, 1, Plane::kClient, LinkConfig());
  lab.world()->EditLink(2, 1, Plane::kClient,
                        [](LinkConfig* link) { link->latency = Latency::Constant(1us); });
  lab.Advance(2s);
  EXPECT_EQ(Open(), "01 21");
}

// --- Resets by a middlebox ---

TEST_F(Partitions, ResetConnectionsResetsBothEndsOfThatPairInThatPlane) {
  auto [near, far] = lab.Connect(client, server);
  auto [replica_near, replica_far] = lab.Connect(client, server, 80, Plane::kReplica);
  auto [other_near, other_far] = lab.Connect(third, server);
  lab.world()->ResetConnections(kServer, kClient, Plane::kClient);
  lab.Settle();
  EXPECT_EQ(ErrorOf(client->Read(near)), ECONNRESET);
  EXPECT_EQ(ErrorOf(server->Write(far, "x")), ECONNRESET);
  EXPECT_EQ(lab.bites(), Lab::Bites({{"reset", 2}}));
  lab.world()->ResetConnections(kServer, kClient, Plane::kClient);
  EXPECT_EQ(lab.bites(), Lab::Bites({{"reset", 2}})) << "they are reset already";
  EXPECT_TRUE(client->Write(replica_near, "x").status().ok());
  EXPECT_TRUE(third->Write(other_near, "x").status().ok());
  lab.Advance(kOneWay);
  EXPECT_EQ(*server->Read(replica_far).result(), "x");
  EXPECT_EQ(*server->Read(other_far).result(), "x");
}

TEST_F(Partitions, ResetConnectionsLeavesNothingOfWhatWasClosed) {
  auto [near, far] = lab.Connect(client, server);
  ASSERT_TRUE(near->Close().ok());
  ASSERT_TRUE(far->Close().ok());
  lab.world()->ResetConnections(kClient, kServer, Plane::kClient);
  lab.Settle();
  EXPECT_EQ(lab.world()->connection_count(), 0u);
  EXPECT_EQ(lab.bites(), Lab::Bites()) << "nobody is left to notice";
}

TEST_F(Partitions, ResetConnectionsEndsWhatIsInTheBacklog) {
  Listener* listener = server->Listen(server->At(80));
  Stream* near = *lab.Await(client->Connect(server->At(80)));
  lab.Advance(kOneWay);
  lab.world()->ResetConnections(kClient, kServer, Plane::kClient);
  Stream* far = *lab.Await(server->Accept(listener));
  EXPECT_EQ(ErrorOf(server->Read(far)), ECONNRESET);
  EXPECT_EQ(ErrorOf(client->Read(near)), ECONNRESET);
}

TEST_F(Partitions, ResetConnectionsTakesAWriterOutOfAClosedWindow) {
  auto [near, far] = lab.Connect(client, server);
  Job<size_t> writing = client->WriteAll(near, Pattern(1 << 20));
  lab.Advance(1s);
  lab.world()->ResetConnections(kClient, kServer, Plane::kClient);
  lab.Settle();
  EXPECT_EQ(ErrorOf(writing), ECONNRESET);
  EXPECT_EQ(server->Read(far).result()->size(), size_t{64 << 10}) << "what had arrived is read";
}

}  // namespace
}  // namespace faultline::sim
