// Goal: local addresses are given out as by Linux's bind and connect: who is in whose way, which
// port a connection gets and when it is free again, and what an exhausted range says.
// Method: the tables alone for who is in whose way; two hosts with a range of two or three ports,
// and connections that end in each of the ways, for the rest.
#include "sim/ports.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>

#include "sim/testing/two_hosts.h"

namespace faultline::sim {
namespace {

Endpoint At(const char* text) { return *Endpoint::Parse(text); }

// --- The tables ---

struct Pair {
  const char* bound;
  bool bound_v6_only;
  const char* wanted;
  bool wanted_v6_only;
  bool free;
};

TEST(BoundSockets, WildcardsCoverTheirFamilyAndDualStackBoth) {
  const Pair kPairs[] = {
      {"10.0.0.1:80", true, "10.0.0.1:80", true, false},
      {"10.0.0.1:80", true, "10.0.0.1:81", true, true},
      {"10.0.0.1:80", true, "10.1.0.1:80", true, true},
      {"10.0.0.1:80", true, "0.0.0.0:80", true, false},
      {"0.0.0.0:80", true, "10.0.0.1:80", true, false},
      {"0.0.0.0:80", true, "[::]:80", true, true},
      {"0.0.0.0:80", true, "[::]:80", false, false},
      {"[::]:80", false, "0.0.0.0:80", true, false},
      {"[::]:80", false, "10.0.0.1:80", true, false},
      {"[::]:80", true, "10.0.0.1:80", true, true},
      {"[::]:80", true, "[fd00::1]:80", true, false},
      {"unix:/a", true, "unix:/a", true, false},
      {"unix:/a", true, "unix:/b", true, true},
  };
  for (const Pair& pair : kPairs) {
    BoundSockets<int> sockets;
    int socket = 0;
    sockets.Add(At(pair.bound), pair.bound_v6_only, &socket);
    EXPECT_EQ(sockets.Free(At(pair.wanted), pair.wanted_v6_only), pair.free)
        << pair.bound << " and " << pair.wanted;
  }
}

TEST(BoundSockets, TheExactAddressComesBeforeAWildcard) {
  BoundSockets<int> sockets;
  int exact = 0;
  int wild = 0;
  sockets.Add(Endpoint::Ipv4Any(80), true, &wild);
  sockets.Add(At("10.0.0.1:81"), true, &exact);
  EXPECT_EQ(sockets.Find(At("10.0.0.1:80")), &wild);
  EXPECT_EQ(sockets.Find(At("10.0.0.1:81")), &exact);
  EXPECT_EQ(sockets.Find(At("10.0.0.2:81")), nullptr);
  EXPECT_EQ(sockets.Find(At("[fd00::1]:80")), nullptr);
  sockets.Remove(Endpoint::Ipv4Any(80));
  EXPECT_EQ(sockets.Find(At("10.0.0.1:80")), nullptr);
}

TEST(BoundSockets, ADualStackSocketGetsBoth) {
  BoundSockets<int> sockets;
  int socket = 0;
  sockets.Add(Endpoint::Ipv6Any(80), false, &socket);
  EXPECT_EQ(sockets.Find(At("10.0.0.1:80")), &socket);
  EXPECT_EQ(sockets.Find(At("[fd00::1]:80")), &socket);
}

// --- Connections ---

class Ports : public TwoHosts {
 protected:
  void SetUp() override {
    UseRange(client, 40000, 40001);
    listener = server->Listen(server->At(80));
  }
  static void UseRange(Agent* agent, uint16_t first, uint16_t last) {
    HostLimits limits;
    limits.first_ephemeral_port = first;
    limits.last_ephemeral_port = last;
    agent->host()->SetLimits(limits);
  }
  // A connection, accepted.
  std::pair<Stream*, Stream*> Pair() {
    Stream* near = *lab.Await(client->Connect(server->At(80)));
    return {near, *lab.Await(server->Accept(listener))};
  }
  // Uses up what is left of the client's range; how many ports that was.
  int Exhaust() {
    int taken = 0;
    while (lab.Await(client->Connect(server->At(80))).ok()) ++taken;
    return taken;
  }
  int NextError() { return ErrnoOf(lab.Await(client->Connect(server->At(80))).status()); }

  Listener* listener = nullptr;
};

TEST_F(Ports, AnExhaustedRangeSaysSoAndCounts) {
  std::set<uint16_t> ports;
  for (int i = 0; i < 2; ++i) ports.insert(Pair().first->local_address().port());
  EXPECT_EQ(ports, std::set<uint16_t>({40000, 40001}));
  EXPECT_EQ(lab.bites(), Lab::Bites());
  EXPECT_EQ(NextError(), EADDRNOTAVAIL);
  EXPECT_EQ(lab.bites(), Lab::Bites({{"ports", 1}}));
  EXPECT_EQ(client->host()->process()->descriptors(), 5u);
}

TEST_F(Ports, APortServesOneConnectionToEachPeer) {
  Exhaust();
  server->Listen(server->At(81));
  EXPECT_TRUE(lab.Await(client->Connect(server->At(81))).ok());
  EXPECT_TRUE(lab.Await(client->Connect(server->At(81))).ok());
  EXPECT_FALSE(lab.Await(client->Connect(server->At(81))).ok());
}

TEST_F(Ports, TheSideThatClosesFirstWaits) {
  auto [near, far] = Pair();
  Exhaust();
  ASSERT_TRUE(near->Close().ok());
  lab.Advance(1s);
  ASSERT_TRUE(far->Close().ok());
  Duration fin = lab.now() + kOneWay;
  lab.AdvanceTo(fin + 60s - 1us);
  EXPECT_EQ(NextError(), EADDRNOTAVAIL);
  lab.AdvanceTo(fin + 60s);
  EXPECT_EQ(NextError(), 0);
}

TEST_F(Ports, TheSideThatClosesLastDoesNot) {
  auto [near, far] = Pair();
  Exhaust();
  ASSERT_TRUE(far->Close().ok());
  lab.Advance(1s);
  EXPECT_EQ(NextError(), EADDRNOTAVAIL);
  ASSERT_TRUE(near->Close().ok());
  lab.Advance(kOneWay);
  EXPECT_EQ(NextError(), 0);
}

TEST_F(Ports, AnAbortedConnectionGivesItsPortBackAtOnce) {
  auto [near, far] = Pair();
  Exhaust();
  near->Abort();
  EXPECT_EQ(NextError(), 0);
  (void)far;
}

TEST_F(Ports, AResetConnectionGivesItsPortBackAlthoughItIsOpen) {
  auto [near, far] = Pair();
  Exhaust();
  far->Abort();
  lab.Advance(kOneWay);
  EXPECT_EQ(NextError(), 0);
  EXPECT_EQ(ErrorOf(client->Read(near)), ECONNRESET);
}

TEST_F(Ports, APeerThatNeverClosesHoldsThePortForAMinute) {
  auto [near, far] = Pair();
  Exhaust();
  ASSERT_TRUE(near->Close().ok());
  Duration closed = lab.now();
  lab.AdvanceTo(closed + 59s);
  EXPECT_EQ(NextError(), EADDRNOTAVAIL);  // FIN_WAIT_2
  lab.AdvanceTo(closed + 60s);
  EXPECT_EQ(NextError(), 0);
  (void)far;
}

TEST_F(Ports, ARefusedConnectGivesItsPortBack) {
  UseRange(client, 40000, 40000);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(ErrnoOf(lab.Await(client->Connect(server->At(99))).status()), ECONNREFUSED);
  }
}

TEST_F(Ports, ACrashForgetsAllPorts) {
  auto [near, far] = Pair();
  Exhaust();
  ASSERT_TRUE(near->Close().ok());
  client->Crash();
  client->Restart();
  EXPECT_EQ(Exhaust(), 2);
  // What the dead incarnation left behind ends now, and frees nothing of the living.
  ASSERT_TRUE(far->Close().ok());
  lab.Advance(200s);
  EXPECT_EQ(NextError(), EADDRNOTAVAIL);
}

TEST_F(Ports, AConnectMayNameItsPort) {
  ConnectOptions options;
  options.local = client->At(12345);
  Stream* stream = *lab.Await(client->Connect(server->At(80), options));
  EXPECT_EQ(stream->local_address(), client->At(12345));
  EXPECT_EQ(ErrorOf(client->Connect(server->At(80), options)), EADDRINUSE);
  options.local = Endpoint::Ipv4Any(12346);
  stream = *lab.Await(client->Connect(server->At(80), options));
  EXPECT_EQ(stream->local_address(), client->At(12346));
  options.local = server->At(12347);
  EXPECT_EQ(ErrorOf(client->Connect(server->At(80), options)), EADDRNOTAVAIL);
}

// --- Listeners and datagram sockets ---

TEST_F(Ports, PortZeroTakesAFreeOneOfTheRange) {
  std::set<uint16_t> ports;
  for (int i = 0; i < 2; ++i) {
    ports.insert(client->Listen(client->At(0))->local_address().port());
  }
  EXPECT_EQ(ports, std::set<uint16_t>({40000, 40001}));
  EXPECT_EQ(ErrnoOf(client->TryListen(client->At(0)).status()), EADDRINUSE);
  EXPECT_EQ(lab.bites(), Lab::Bites({{"ports", 1}}));
  EXPECT_NE(client->Bind(client->At(0))->local_address().port(), 0) << "UDP has its own ports";
}

TEST_F(Ports, OthersAddressesCannotBeBound) {
  EXPECT_EQ(ErrnoOf(client->TryListen(server->At(80)).status()), EADDRNOTAVAIL);
  EXPECT_EQ(ErrnoOf(client->TryBind(server->At(80)).status()), EADDRNOTAVAIL);
  EXPECT_EQ(ErrnoOf(server->TryListen(server->At(80)).status()), EADDRINUSE);
  EXPECT_EQ(ErrnoOf(client->TryBind(Endpoint::Unix("/x")).status()), EAFNOSUPPORT);
  EXPECT_EQ(ErrnoOf(client->TryListen(Endpoint()).status()), EAFNOSUPPORT);
}

TEST_F(Ports, AListenerOnAnyAddressServesEachOfThem) {
  server->Listen(Endpoint::Ipv4Any(82));
  for (const Endpoint& to : {server->At(82), server->At(82, Plane::kReplica)}) {
    EXPECT_TRUE(lab.Await(client->Connect(to)).ok());
  }
  EXPECT_TRUE(lab.Await(server->Connect(Endpoint::Ipv4Loopback(82))).ok());
  EXPECT_FALSE(lab.Await(client->Connect(server->At(80, Plane::kReplica))).ok())
      << "a listener on one address serves that";
}

TEST_F(Ports, WithoutReuseAListenerWaitsForTimeWait) {
  auto [near, far] = Pair();
  ASSERT_TRUE(far->Close().ok());  // the server closes first
  lab.Advance(1s);
  ASSERT_TRUE(near->Close().ok());
  lab.Advance(1s);
  ASSERT_TRUE(listener->Close().ok());
  ListenOptions strict;
  strict.reuse_address = false;
  EXPECT_EQ(ErrnoOf(server->TryListen(server->At(80), strict).status()), EADDRINUSE);
  EXPECT_EQ(ErrnoOf(server->TryListen(Endpoint::Ipv4Any(80), strict).status()), EADDRINUSE);
  EXPECT_TRUE(server->TryListen(server->At(81), strict).ok());
  absl::StatusOr<Listener*> reusing = server->TryListen(server->At(80));
  ASSERT_TRUE(reusing.ok());
  ASSERT_TRUE((*reusing)->Close().ok());
  lab.Advance(60s);
  EXPECT_TRUE(server->TryListen(server->At(80), strict).ok());
}

}  // namespace
}  // namespace faultline::sim
