// Goal: listeners accept in order, wait for descriptors instead of failing, and die cleanly;
// limits of descriptors hold everywhere where a descriptor is made.
// Method: two hosts; the descriptors of one are limited to what is open, and given back later.
#include <gtest/gtest.h>

#include <cerrno>

#include "sim/testing/two_hosts.h"

namespace faultline::sim {
namespace {

class Listeners : public TwoHosts {
 protected:
  // Room for `more` descriptors beside those that are open.
  static void Limit(Agent* agent, uint32_t more) {
    HostLimits limits;
    limits.descriptors = agent->host()->process()->descriptors() + more;
    agent->host()->SetLimits(limits);
  }

  Endpoint address = server->At(80);
};

TEST_F(Listeners, AcceptTakesConnectionsInTheOrderInWhichTheyCame) {
  Listener* listener = server->Listen(address);
  Stream* first = *lab.Await(client->Connect(address));
  Stream* second = *lab.Await(client->Connect(address));
  lab.Advance(kOneWay);
  for (Stream* connected : {first, second}) {
    Stream* accepted = *lab.Await(server->Accept(listener));
    EXPECT_EQ(accepted->peer_address(), connected->local_address());
  }
  EXPECT_EQ(lab.Count(TraceKind::kAccepted, kServer), 2u);
}

TEST_F(Listeners, ACancelledAcceptLosesNoConnection) {
  Listener* listener = server->Listen(address);
  Job<Stream*> accepting = server->Accept(listener);
  accepting.Cancel();
  lab.Settle();
  EXPECT_TRUE(absl::IsCancelled(accepting.status()));
  EXPECT_TRUE(lab.Await(client->Connect(address)).ok());
  EXPECT_TRUE(lab.Await(server->Accept(listener)).ok());
}

TEST_F(Listeners, AfterCloseThereIsNothingToAccept) {
  Listener* listener = server->Listen(address);
  ASSERT_TRUE(listener->Close().ok());
  EXPECT_TRUE(listener->Close().ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(server->Accept(listener).status()));
  EXPECT_EQ(server->host()->process()->descriptors(), 3u);
}

TEST_F(Listeners, DataThatArrivesBeforeTheAcceptIsThere) {
  Listener* listener = server->Listen(address);
  Stream* stream = *lab.Await(client->Connect(address));
  client->Write(stream, "early");
  ASSERT_TRUE(stream->Close().ok());
  lab.Advance(1s);
  Stream* accepted = *lab.Await(server->Accept(listener));
  EXPECT_EQ(*lab.Await(server->ReadAll(accepted)), "early");
}

TEST_F(Listeners, AConnectionThatWasResetInTheBacklogIsAcceptedAndSaysSo) {
  Listener* listener = server->Listen(address);
  Stream* stream = *lab.Await(client->Connect(address));
  stream->Abort();
  lab.Advance(1s);
  Stream* accepted = *lab.Await(server->Accept(listener));  // as accept(2) on Linux
  EXPECT_EQ(ErrorOf(server->Read(accepted)), ECONNRESET);
}

TEST_F(Listeners, WithoutDescriptorsAnAcceptWaitsAndRecovers) {
  Listener* listener = server->Listen(address);
  DatagramSocket* other = server->Bind(server->At(70));
  Limit(server, 0);
  Job<Stream*> accepting = server->Accept(listener);
  Stream* stream = *lab.Await(client->Connect(address));
  EXPECT_EQ(lab.bites(), Lab::Bites());
  lab.Advance(1s);
  EXPECT_FALSE(accepting.done());
  EXPECT_EQ(lab.bites(), Lab::Bites({{"descriptors", 1}})) << "one call that waits is one bite";
  ASSERT_TRUE(other->Close().ok());
  Stream* accepted = *lab.Await(accepting, 20ms);
  client->Write(stream, "still here");
  EXPECT_EQ(*lab.Await(server->Read(accepted)), "still here");
}

TEST_F(Listeners, AnAcceptThatWaitsForDescriptorsCanBeCancelled) {
  Listener* listener = server->Listen(address);
  Limit(server, 0);
  Job<Stream*> accepting = server->Accept(listener);
  client->Connect(address);
  lab.Advance(1s);
  accepting.Cancel();
  lab.Settle();
  EXPECT_TRUE(absl::IsCancelled(accepting.status()));
  Limit(server, 1);
  EXPECT_TRUE(lab.Await(server->Accept(listener)).ok()) << "the connection is still there";
}

TEST_F(Listeners, WithoutDescriptorsNothingElseIsMade) {
  server->Listen(address);
  Limit(client, 0);
  EXPECT_EQ(ErrorOf(client->Connect(address)), EMFILE);
  EXPECT_EQ(ErrnoOf(client->TryListen(client->At(80)).status()), EMFILE);
  EXPECT_EQ(ErrnoOf(client->TryBind(client->At(80)).status()), EMFILE);
  EXPECT_EQ(lab.bites(), Lab::Bites({{"descriptors", 3}}));
  EXPECT_EQ(lab.Count(TraceKind::kConnect), 0u);
  Limit(client, 1);
  EXPECT_TRUE(client->TryBind(client->At(80)).ok());
}

TEST_F(Listeners, DescriptorsComeBackHoweverAConnectEnds) {
  Limit(client, 1);
  EXPECT_FALSE(lab.Await(client->Connect(address)).ok());  // refused
  uint32_t cut = CutBothWays();
  Job<Stream*> connecting = client->Connect(address);
  lab.Advance(1s);
  EXPECT_EQ(ErrorOf(client->Connect(address)), EMFILE) << "a connect in progress holds one";
  connecting.Cancel();
  lab.Settle();
  Heal(cut);
  server->Listen(address);
  EXPECT_TRUE(lab.Await(client->Connect(address)).ok());
}

TEST_F(Listeners, ACrashClosesTheListenerAndItsBacklog) {
  Listener* listener = server->Listen(address);
  server->Accept(listener);
  Stream* accepted_once = *lab.Await(client->Connect(address));
  Stream* in_backlog = *lab.Await(client->Connect(address));
  lab.Advance(1s);
  server->Crash();
  server->Restart();
  Job<Stream*> refused = client->Connect(address);
  for (Stream* stream : {accepted_once, in_backlog}) client->Write(stream, "x");
  lab.Advance(2 * kOneWay);
  EXPECT_EQ(ErrorOf(refused), ECONNREFUSED);
  for (Stream* stream : {accepted_once, in_backlog}) {
    EXPECT_EQ(ErrorOf(client->Read(stream)), ECONNRESET);
  }
}

}  // namespace
}  // namespace faultline::sim
