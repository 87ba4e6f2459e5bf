// Goal: what network.h and stream.h promise of connecting, listening and accepting.
// Method: IPv4, IPv6 and Unix, between the two hosts of a world; each error that a caller can bring
// about is brought about, and its errno is looked at.
#include <gtest/gtest.h>

#include <cerrno>
#include <vector>

#include "runtime/combine.h"
#include "runtime/contract/contract.h"
#include "runtime/contract/helpers.h"
#include "runtime/errors.h"

namespace faultline::contract {
namespace {

using StreamOr = absl::StatusOr<std::unique_ptr<Stream>>;
using ListenerOr = absl::StatusOr<std::unique_ptr<Listener>>;

ListenerOr ListenAt(Contract* t, ListenOptions options) {
  return t->server().network->Listen(t->ServerAddress(), options);
}

Task<StreamOr> ConnectTo(Contract* t, Endpoint peer) {
  return t->client().network->Connect(std::move(peer), ConnectOptions());
}

// Whether bytes go both ways between two ends.
Task<bool> AreConnected(Stream* a, Stream* b) {
  Bytes sent = Pattern(10);
  Bytes received(10);
  if (!(co_await WriteAll(a, &sent)).ok()) co_return false;
  if (!(co_await ReadExactly(b, &received)).ok() || received != sent) co_return false;
  if (!(co_await WriteAll(b, &sent)).ok()) co_return false;
  co_return (co_await ReadExactly(a, &received)).ok() && received == sent;
}

// --- Addresses ---

CONTRACT_TEST(NetworkContract, EndsKnowTheirAddressesAndTheirPeers) {
  auto listener = ListenAt(t, {});
  CONTRACT_REQUIRE_OK(listener);
  auto [accepted, connected] =
      co_await All((*listener)->Accept(), ConnectTo(t, (*listener)->local_address()));
  CONTRACT_REQUIRE_OK(accepted);
  CONTRACT_REQUIRE_OK(connected);
  EXPECT_EQ((*connected)->peer_address(), (*listener)->local_address());
  EXPECT_EQ((*accepted)->local_address(), (*listener)->local_address());
  EXPECT_EQ((*connected)->local_address(), (*accepted)->peer_address());
  Endpoint::Family family = t->is_unix() ? Endpoint::Family::kNone : t->family();
  EXPECT_EQ((*connected)->local_address().family(), family);  // a Unix client has no name
  EXPECT_TRUE(co_await AreConnected(connected->get(), accepted->get()));
}

CONTRACT_TEST(TcpNetworkContract, PortZeroTakesAFreePort) {
  auto first = ListenAt(t, {});
  auto second = ListenAt(t, {});
  CONTRACT_REQUIRE_OK(first);
  CONTRACT_REQUIRE_OK(second);
  EXPECT_NE((*first)->local_address().port(), 0);
  EXPECT_NE((*second)->local_address().port(), 0);
  EXPECT_NE((*first)->local_address().port(), (*second)->local_address().port());
  EXPECT_EQ((*first)->local_address().WithPort(0), t->ServerAddress());
}

CONTRACT_TEST(TcpNetworkContract, AListenerOnAnyAddressAcceptsAtEachOfThem) {
  bool v4 = t->family() == Endpoint::Family::kIpv4;
  Endpoint any = v4 ? Endpoint::Ipv4Any(0) : Endpoint::Ipv6Any(0);
  auto listener = t->server().network->Listen(any, {});
  CONTRACT_REQUIRE_OK(listener);
  EXPECT_TRUE((*listener)->local_address().is_any());
  Endpoint where = t->ServerAddress().WithPort((*listener)->local_address().port());
  auto [accepted, connected] = co_await All((*listener)->Accept(), ConnectTo(t, where));
  CONTRACT_REQUIRE_OK(accepted);
  CONTRACT_REQUIRE_OK(connected);
  EXPECT_EQ((*accepted)->local_address(), where);
  EXPECT_EQ((*accepted)->peer_address(), (*connected)->local_address());
}

CONTRACT_TEST(TcpNetworkContract, AConnectFromAGivenAddressComesFromThere) {
  auto listener = ListenAt(t, {});
  CONTRACT_REQUIRE_OK(listener);
  // A port that is free: somebody has just given it back.
  auto holder = t->client().network->Listen(t->ClientAddress(), {});
  CONTRACT_REQUIRE_OK(holder);
  ConnectOptions options;
  options.local = (*holder)->local_address();
  CONTRACT_REQUIRE_OK((*holder)->Close());
  auto [accepted, connected] = co_await All(
      (*listener)->Accept(), t->client().network->Connect((*listener)->local_address(), options));
  CONTRACT_REQUIRE_OK(accepted);
  CONTRACT_REQUIRE_OK(connected);
  EXPECT_EQ((*connected)->local_address(), *options.local);
  EXPECT_EQ((*accepted)->peer_address(), *options.local);
}

CONTRACT_TEST(TcpNetworkContract, AConnectFromPortZeroComesFromSomePort) {
  auto listener = ListenAt(t, {});
  CONTRACT_REQUIRE_OK(listener);
  ConnectOptions options;
  options.local = t->ClientAddress();
  auto [accepted, connected] = co_await All(
      (*listener)->Accept(), t->client().network->Connect((*listener)->local_address(), options));
  CONTRACT_REQUIRE_OK(accepted);
  CONTRACT_REQUIRE_OK(connected);
  EXPECT_NE((*connected)->local_address().port(), 0);
  EXPECT_EQ((*connected)->local_address().WithPort(0), *options.local);
}

CONTRACT_TEST(NetworkContract, AnEndpointWithoutAFamilyIsRefused) {
  EXPECT_FALSE(t->server().network->Listen(Endpoint(), {}).ok());
  EXPECT_FALSE((co_await ConnectTo(t, Endpoint())).ok());
}

// --- Calls that fail at once ---

Task<void> ConnectUntil(Contract* t, const bool* enough) {
  while (!*enough) (void)co_await ConnectTo(t, Endpoint());
}

Task<void> AcceptUntil(Listener* closed, const bool* enough) {
  while (!*enough) (void)co_await closed->Accept();
}

Task<void> SayEnough(bool* enough) {
  *enough = true;
  co_return;
}

CONTRACT_TEST(NetworkContract, AConnectThatFailsAtOnceAgainAndAgainStarvesNobody) {
  bool enough = false;
  co_await All(ConnectUntil(t, &enough), SayEnough(&enough));
  EXPECT_TRUE(enough);
}

CONTRACT_TEST(NetworkContract, AnAcceptThatFailsAtOnceAgainAndAgainStarvesNobody) {
  auto listener = ListenAt(t, {});
  CONTRACT_REQUIRE_OK(listener);
  EXPECT_TRUE((*listener)->Close().ok());
  bool enough = false;
  co_await All(AcceptUntil(listener->get(), &enough), SayEnough(&enough));
  EXPECT_TRUE(enough);
}

CONTRACT_TEST(TcpNetworkContract, AForeignAddressCannotBeListenedAt) {
  // TEST-NET-1 and the documentation prefix of IPv6 (RFC 5737, RFC 3849): nobody's.
  Endpoint foreign = t->family() == Endpoint::Family::kIpv4
                         ? Endpoint::Ipv4({192, 0, 2, 1}, 0)
                         : Endpoint::Ipv6({0x20, 0x01, 0x0d, 0xb8}, 0);
  auto listener = t->server().network->Listen(foreign, {});
  EXPECT_EQ(ErrnoOf(listener.status()), EADDRNOTAVAIL) << listener.status();
  co_return;
}

CONTRACT_TEST(NetworkContract, AnAddressInUseIsEaddrinuseUntilItsListenerCloses) {
  auto first = ListenAt(t, {});
  CONTRACT_REQUIRE_OK(first);
  Endpoint where = (*first)->local_address();
  auto second = t->server().network->Listen(where, {});
  EXPECT_EQ(ErrnoOf(second.status()), EADDRINUSE) << second.status();
  CONTRACT_REQUIRE_OK((*first)->Close());
  auto third = t->server().network->Listen(where, {});
  CONTRACT_REQUIRE_OK(third);
  EXPECT_EQ((*third)->local_address(), where);
}

// Whoever closes first leaves its address in TIME_WAIT; a server must be able to restart.
CONTRACT_TEST(NetworkContract, AnAddressCanBeListenedAtAgainAfterItsConnectionsHaveClosed) {
  auto first = ListenAt(t, {});
  CONTRACT_REQUIRE_OK(first);
  Endpoint where = (*first)->local_address();
  auto [accepted, connected] = co_await All((*first)->Accept(), ConnectTo(t, where));
  CONTRACT_REQUIRE_OK(accepted);
  CONTRACT_REQUIRE_OK(connected);
  CONTRACT_REQUIRE_OK((*accepted)->Close());
  absl::Status error;
  (void)co_await ReadToEnd(connected->get(), &error);
  CONTRACT_REQUIRE_OK((*connected)->Close());
  CONTRACT_REQUIRE_OK((*first)->Close());
  auto second = t->server().network->Listen(where, {});
  EXPECT_TRUE(second.ok()) << second.status();
}

// --- Connect ---

CONTRACT_TEST(TcpNetworkContract, AConnectWhereNobodyListensIsRefused) {
  auto listener = ListenAt(t, {});
  CONTRACT_REQUIRE_OK(listener);
  Endpoint where = (*listener)->local_address();
  CONTRACT_REQUIRE_OK((*listener)->Close());
  auto connected = co_await ConnectTo(t, where);
  EXPECT_EQ(ErrnoOf(connected.status()), ECONNREFUSED) << connected.status();
}

CONTRACT_TEST(NetworkContract, AConnectToAClosedListenerFails) {
  auto listener = ListenAt(t, {});
  CONTRACT_REQUIRE_OK(listener);
  Endpoint where = (*listener)->local_address();
  CONTRACT_REQUIRE_OK((*listener)->Close());
  auto connected = co_await ConnectTo(t, where);
  int error = ErrnoOf(connected.status());
  EXPECT_TRUE(error == ECONNREFUSED || (t->is_unix() && error == ENOENT)) << connected.status();
}

CONTRACT_TEST(NetworkContract, AConnectWhereThereIsNoSuchPathIsEnoent) {
  if (!t->is_unix()) co_return;
  auto connected = co_await ConnectTo(t, t->ServerAddress());
  EXPECT_EQ(ErrnoOf(connected.status()), ENOENT) << connected.status();
}

CONTRACT_TEST(NetworkContract, AConnectAfterAStopRequestIsCancelled) {
  auto listener = ListenAt(t, {});
  CONTRACT_REQUIRE_OK(listener);
  StopSource stop(co_await CurrentStop());
  stop.RequestStop();
  auto connected = co_await WithStop(&stop, ConnectTo(t, (*listener)->local_address()));
  EXPECT_TRUE(absl::IsCancelled(connected.status())) << connected.status();
}

// Connects until a connect has to wait: the backlog, which nobody empties, is full.
Task<absl::Status> FillBacklog(Contract* t, Endpoint where,
                               std::vector<std::unique_ptr<Stream>>* queued) {
  Clock* clock = t->client().clock;
  while (queued->size() < 100) {
    auto connected = co_await StoppedAfter(clock, 50ms, ConnectTo(t, where));
    if (!connected.ok()) co_return connected.status();
    queued->push_back(*std::move(connected));
  }
  co_return absl::OutOfRangeError("the backlog is never full");
}

CONTRACT_TEST(NetworkContract, AConnectWaitsWhenTheBacklogIsFullAndCanBeStopped) {
  auto listener = ListenAt(t, ListenOptions{.stream = {}, .backlog = 3});
  CONTRACT_REQUIRE_OK(listener);
  std::vector<std::unique_ptr<Stream>> queued;
  absl::Status status = co_await FillBacklog(t, (*listener)->local_address(), &queued);
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  EXPECT_GE(queued.size(), 3u);
  // Those that were queued are accepted, and work.
  for (size_t i = 0; i < 3; ++i) {
    auto accepted = co_await (*listener)->Accept();
    CONTRACT_REQUIRE_OK(accepted);
    if (!t->is_unix()) EXPECT_EQ((*accepted)->peer_address(), queued[i]->local_address());
    EXPECT_TRUE(co_await AreConnected(queued[i].get(), accepted->get()));
  }
}

CONTRACT_TEST(NetworkContract, ADeadlineOnAConnectIsDeadlineExceeded) {
  auto listener = ListenAt(t, ListenOptions{.stream = {}, .backlog = 1});
  CONTRACT_REQUIRE_OK(listener);
  std::vector<std::unique_ptr<Stream>> queued;
  (void)co_await FillBacklog(t, (*listener)->local_address(), &queued);
  Clock* clock = t->client().clock;
  auto connected =
      co_await Deadline(clock, clock->Now() + 20ms, ConnectTo(t, (*listener)->local_address()));
  EXPECT_TRUE(absl::IsDeadlineExceeded(connected.status())) << connected.status();
}

Task<absl::Status> AcceptMany(Listener* listener, size_t count,
                              std::vector<std::unique_ptr<Stream>>* accepted) {
  while (accepted->size() < count) {
    auto stream = co_await listener->Accept();
    if (!stream.ok()) co_return stream.status();
    accepted->push_back(*std::move(stream));
  }
  co_return absl::OkStatus();
}

// The one that is connected to `stream`: handshakes may end in another order than they began. A
// Unix client has no name, but they keep their order.
Stream* PeerOf(const Stream& stream, const std::vector<std::unique_ptr<Stream>>& accepted) {
  for (const auto& one : accepted) {
    if (one->peer_address().is_ip() && one->peer_address() == stream.local_address()) {
      return one.get();
    }
  }
  return accepted.back().get();
}

CONTRACT_TEST(NetworkContract, AWaitingConnectGoesOnWhenTheBacklogHasRoom) {
  auto listener = ListenAt(t, ListenOptions{.stream = {}, .backlog = 1});
  CONTRACT_REQUIRE_OK(listener);
  std::vector<std::unique_ptr<Stream>> queued;
  (void)co_await FillBacklog(t, (*listener)->local_address(), &queued);
  std::vector<std::unique_ptr<Stream>> accepted;
  auto [late, done] = co_await All(ConnectTo(t, (*listener)->local_address()),
                                   AcceptMany(listener->get(), queued.size() + 1, &accepted));
  CONTRACT_REQUIRE_OK(done);
  CONTRACT_REQUIRE_OK(late);
  EXPECT_TRUE(co_await AreConnected(late->get(), PeerOf(**late, accepted)));
}

// --- Accept ---

CONTRACT_TEST(NetworkContract, AConnectionWaitsInTheBacklogUntilItIsAccepted) {
  auto listener = ListenAt(t, {});
  CONTRACT_REQUIRE_OK(listener);
  auto connected = co_await ConnectTo(t, (*listener)->local_address());
  CONTRACT_REQUIRE_OK(connected);
  auto accepted = co_await (*listener)->Accept();
  CONTRACT_REQUIRE_OK(accepted);
  EXPECT_TRUE(co_await AreConnected(connected->get(), accepted->get()));
}

CONTRACT_TEST(NetworkContract, ABurstOfConnectionsIsAcceptedToTheLast) {
  auto listener = ListenAt(t, {});
  CONTRACT_REQUIRE_OK(listener);
  std::vector<std::unique_ptr<Stream>> connected;
  for (int i = 0; i < 50; ++i) {
    auto stream = co_await ConnectTo(t, (*listener)->local_address());
    CONTRACT_REQUIRE_OK(stream);
    connected.push_back(*std::move(stream));
  }
  std::vector<std::unique_ptr<Stream>> accepted;
  CONTRACT_REQUIRE_OK(co_await AcceptMany(listener->get(), 50, &accepted));
  // And those who come while an accept waits.
  auto [stream, late] =
      co_await All((*listener)->Accept(), ConnectTo(t, (*listener)->local_address()));
  EXPECT_TRUE(stream.ok()) << stream.status();
  EXPECT_TRUE(late.ok()) << late.status();
}

CONTRACT_TEST(NetworkContract, AStoppedAcceptIsCancelledAndLosesNoConnection) {
  auto listener = ListenAt(t, {});
  CONTRACT_REQUIRE_OK(listener);
  auto stopped = co_await StoppedAfter(t->client().clock, 1ms, (*listener)->Accept());
  EXPECT_TRUE(absl::IsCancelled(stopped.status())) << stopped.status();
  auto connected = co_await ConnectTo(t, (*listener)->local_address());
  CONTRACT_REQUIRE_OK(connected);
  StopSource stop(co_await CurrentStop());
  stop.RequestStop();
  auto refused = co_await WithStop(&stop, (*listener)->Accept());
  EXPECT_TRUE(absl::IsCancelled(refused.status())) << refused.status();
  auto accepted = co_await (*listener)->Accept();
  CONTRACT_REQUIRE_OK(accepted);
  EXPECT_TRUE(co_await AreConnected(connected->get(), accepted->get()));
}

CONTRACT_TEST(NetworkContract, AnAcceptAfterCloseIsAFailedPrecondition) {
  auto listener = ListenAt(t, {});
  CONTRACT_REQUIRE_OK(listener);
  EXPECT_TRUE((*listener)->Close().ok());
  EXPECT_TRUE((*listener)->Close().ok());
  auto accepted = co_await (*listener)->Accept();
  EXPECT_TRUE(absl::IsFailedPrecondition(accepted.status())) << accepted.status();
}

CONTRACT_TEST(NetworkContract, ADestroyedListenerResetsWhatWaitsInItsBacklog) {
  auto listener = ListenAt(t, {});
  CONTRACT_REQUIRE_OK(listener);
  auto connected = co_await ConnectTo(t, (*listener)->local_address());
  CONTRACT_REQUIRE_OK(connected);
  listener->reset();
  absl::Status error = co_await ReadError(connected->get());
  EXPECT_EQ(ErrnoOf(error), ECONNRESET) << error;
}

Task<void> AcceptTwiceAtOnce(Contract* t) {
  auto listener = ListenAt(t, {});
  CONTRACT_REQUIRE_OK(listener);
  (void)co_await All((*listener)->Accept(), (*listener)->Accept());
}

TEST_P(NetworkContract, ASecondPendingAcceptIsRefusedLoudly) {
  EXPECT_DEATH(Run(AcceptTwiceAtOnce(this)), "one accept at a time");
}

Task<void> AcceptOnce(Listener* listener) { (void)co_await listener->Accept(); }

Task<void> CloseWhileAccepting(Contract* t) {
  auto listener = ListenAt(t, {});
  CONTRACT_REQUIRE_OK(listener);
  Scope scope(co_await ThisTask());
  scope.Spawn(AcceptOnce(listener->get()));
  (void)co_await t->client().clock->SleepFor(1ms);
  (void)(*listener)->Close();
  co_await scope.Join();
}

TEST_P(NetworkContract, ACloseWithAnAcceptPendingIsRefusedLoudly) {
  EXPECT_DEATH(Run(CloseWhileAccepting(this)), "pending");
}

// --- Options ---

// The kernel may double what is set (socket(7)), not shrink it.
void ExpectBuffers(const Stream& stream, size_t send_bytes, size_t receive_bytes) {
  auto send = stream.SendBufferSize();
  auto receive = stream.ReceiveBufferSize();
  ASSERT_TRUE(send.ok() && receive.ok());
  EXPECT_GE(*send, send_bytes);
  EXPECT_LE(*send, 2 * send_bytes);
  EXPECT_GE(*receive, receive_bytes);
  EXPECT_LE(*receive, 2 * receive_bytes);
}

CONTRACT_TEST(NetworkContract, OptionsAreAppliedToConnectedAndToAcceptedStreams) {
  constexpr size_t kSend = 20'000;
  constexpr size_t kReceive = 30'000;
  StreamOptions small{.send_buffer_bytes = kSend, .receive_buffer_bytes = kReceive};
  auto listener = ListenAt(t, ListenOptions{.stream = small});
  CONTRACT_REQUIRE_OK(listener);
  ConnectOptions options{.stream = {.send_buffer_bytes = 40'000, .receive_buffer_bytes = 50'000},
                         .local = std::nullopt};
  auto [accepted, connected] = co_await All(
      (*listener)->Accept(), t->client().network->Connect((*listener)->local_address(), options));
  CONTRACT_REQUIRE_OK(accepted);
  CONTRACT_REQUIRE_OK(connected);
  ExpectBuffers(**accepted, kSend, kReceive);
  ExpectBuffers(**connected, 40'000, 50'000);
}

CONTRACT_TEST(NetworkContract, OptionsCanBeSetOnAStream) {
  auto listener = ListenAt(t, {});
  CONTRACT_REQUIRE_OK(listener);
  auto [accepted, connected] =
      co_await All((*listener)->Accept(), ConnectTo(t, (*listener)->local_address()));
  CONTRACT_REQUIRE_OK(accepted);
  CONTRACT_REQUIRE_OK(connected);
  EXPECT_TRUE((*connected)->SetNoDelay(false).ok());
  EXPECT_TRUE((*connected)->SetNoDelay(true).ok());
  EXPECT_TRUE((*connected)->SetSendBufferSize(20'000).ok());
  EXPECT_TRUE((*connected)->SetReceiveBufferSize(30'000).ok());
  ExpectBuffers(**connected, 20'000, 30'000);
  EXPECT_TRUE(co_await AreConnected(connected->get(), accepted->get()));
}

CONTRACT_TEST(NetworkContract, ASmallSendBufferMakesAWriterWaitSooner) {
  size_t taken[2];
  size_t sizes[2] = {16 << 10, 1 << 20};
  for (int i = 0; i < 2; ++i) {
    StreamOptions stream{.send_buffer_bytes = sizes[i], .receive_buffer_bytes = 32 << 10};
    auto listener = ListenAt(t, ListenOptions{.stream = stream});
    CONTRACT_REQUIRE_OK(listener);
    ConnectOptions options{.stream = stream, .local = std::nullopt};
    auto [accepted, connected] = co_await All(
        (*listener)->Accept(), t->client().network->Connect((*listener)->local_address(), options));
    CONTRACT_REQUIRE_OK(accepted);
    CONTRACT_REQUIRE_OK(connected);
    auto filled = co_await FillUp(t->client().clock, connected->get());
    CONTRACT_REQUIRE_OK(filled);
    taken[i] = *filled;
  }
  EXPECT_LT(taken[0], taken[1]);
}

CONTRACT_TEST(TcpNetworkContract, AnIpv6ListenerLeavesThePortToIpv4) {
  if (t->family() != Endpoint::Family::kIpv6) co_return;
  auto v6 = t->server().network->Listen(Endpoint::Ipv6Any(0),
                                        ListenOptions{.stream = {}, .v6_only = true});
  CONTRACT_REQUIRE_OK(v6);
  uint16_t port = (*v6)->local_address().port();
  auto v4 = t->server().network->Listen(Endpoint::Ipv4Any(port), {});
  EXPECT_TRUE(v4.ok()) << v4.status();
}

CONTRACT_TEST(TcpNetworkContract, AListenerOfBothFamiliesLeavesNothingToIpv4) {
  if (t->family() != Endpoint::Family::kIpv6) co_return;
  auto both = t->server().network->Listen(Endpoint::Ipv6Any(0),
                                          ListenOptions{.stream = {}, .v6_only = false});
  CONTRACT_REQUIRE_OK(both);
  uint16_t port = (*both)->local_address().port();
  auto v4 = t->server().network->Listen(Endpoint::Ipv4Any(port), {});
  EXPECT_EQ(ErrnoOf(v4.status()), EADDRINUSE) << v4.status();
}

}  // namespace
}  // namespace faultline::contract
