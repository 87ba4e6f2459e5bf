// Goal: what Linux alone has: Unix paths and the abstract namespace, sockets of both IP families,
// connections that meet themselves.
// Method: real files in a fresh directory, and plain sockets that listen, are dead, or are no
// sockets at all.
#include "runtime/epoll/network.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/combine.h"
#include "runtime/epoll/testing.h"
#include "runtime/errors.h"
#include "runtime/kernel/temporary_directory.h"

namespace faultline::epoll {
namespace {

bool Exists(const std::string& path) {
  struct stat file;
  return lstat(path.c_str(), &file) == 0;
}

// Binds a plain socket of `type` to `path`; does not listen.
Descriptor RawBind(const std::string& path, int type) {
  auto address = kernel::ToSocketAddress(Endpoint::Unix(path));
  EXPECT_TRUE(address.ok());
  Descriptor raw(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  EXPECT_EQ(bind(raw.get(), address->get(), address->size), 0);
  return raw;
}

class NetworkTest : public ::testing::Test {
 public:
  using Body = Task<void> (*)(NetworkTest*);
  void Run(Body body) { loop->Run(body(this)); }

  absl::StatusOr<std::unique_ptr<Listener>> ListenUnix(const std::string& path) {
    return network->Listen(Endpoint::Unix(path), {});
  }

  kernel::TemporaryDirectory directory;
  std::unique_ptr<Loop> loop = MakeLoop();
  Network* network = loop->runtime().network;
};

// Whether somebody can be reached at `where`, and accepted by `listener`.
Task<bool> Reachable(Network* network, Listener* listener, Endpoint where) {
  auto [accepted, connected] = co_await All(listener->Accept(), network->Connect(where, {}));
  EXPECT_TRUE(accepted.ok()) << accepted.status();
  EXPECT_TRUE(connected.ok()) << connected.status();
  co_return accepted.ok() && connected.ok();
}

// --- Unix ---

Task<void> TakeOverStale(NetworkTest* t) {
  std::string path = t->directory.File("stale");
  RawBind(path, SOCK_STREAM).Close();  // as after a crash: the file is there, nobody is bound
  EXPECT_TRUE(Exists(path));
  auto refused = co_await t->network->Connect(Endpoint::Unix(path), {});
  EXPECT_EQ(ErrnoOf(refused.status()), ECONNREFUSED) << refused.status();
  auto listener = t->ListenUnix(path);
  EXPECT_TRUE(listener.ok()) << listener.status();
  if (!listener.ok()) co_return;
  EXPECT_EQ((*listener)->local_address(), Endpoint::Unix(path));
  EXPECT_TRUE(co_await Reachable(t->network, listener->get(), Endpoint::Unix(path)));
}
TEST_F(NetworkTest, AUnixPathWhereNobodyListensAnyMoreIsTakenOver) { Run(&TakeOverStale); }

Task<void> LeaveTheLiving(NetworkTest* t) {
  std::string path = t->directory.File("alive");
  auto first = t->ListenUnix(path);
  EXPECT_TRUE(first.ok()) << first.status();
  auto second = t->ListenUnix(path);
  EXPECT_EQ(ErrnoOf(second.status()), EADDRINUSE) << second.status();
  // The first was neither removed nor disturbed: the first to come is whom we send.
  EXPECT_TRUE(co_await Reachable(t->network, first->get(), Endpoint::Unix(path)));
  // Bound, but on its way to listen(2) still: alive too.
  std::string early = t->directory.File("early");
  Descriptor bound = RawBind(early, SOCK_STREAM);
  EXPECT_EQ(ErrnoOf(t->ListenUnix(early).status()), EADDRINUSE);
  std::string datagrams = t->directory.File("datagrams");
  Descriptor other_type = RawBind(datagrams, SOCK_DGRAM);
  EXPECT_EQ(ErrnoOf(t->ListenUnix(datagrams).status()), EADDRINUSE);
  EXPECT_TRUE(Exists(early) && Exists(datagrams));
}
TEST_F(NetworkTest, AUnixPathWhereSomebodyIsBoundIsInUse) { Run(&LeaveTheLiving); }

Task<void> LeaveOtherFiles(NetworkTest* t) {
  std::string path = t->directory.File("precious");
  std::FILE* file = std::fopen(path.c_str(), "w");
  std::fputs("data", file);
  std::fclose(file);
  auto listener = t->ListenUnix(path);
  EXPECT_EQ(ErrnoOf(listener.status()), EADDRINUSE) << listener.status();
  struct stat found;
  EXPECT_EQ(stat(path.c_str(), &found), 0);
  EXPECT_EQ(found.st_size, 4);
  // Nor through a symbolic link.
  std::string link = t->directory.File("link");
  EXPECT_EQ(symlink(path.c_str(), link.c_str()), 0);
  EXPECT_EQ(ErrnoOf(t->ListenUnix(link).status()), EADDRINUSE);
  EXPECT_TRUE(Exists(link) && Exists(path));
  co_return;
}
TEST_F(NetworkTest, AFileThatIsNoSocketIsNeverRemoved) { Run(&LeaveOtherFiles); }

Task<void> RemoveOwnPath(NetworkTest* t) {
  std::string path = t->directory.File("own");
  auto first = t->ListenUnix(path);
  EXPECT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE((*first)->Close().ok());
  EXPECT_FALSE(Exists(path));
  auto second = t->ListenUnix(path);
  EXPECT_TRUE(second.ok()) << second.status();
  // Somebody removed the file and made another: it is not ours to remove.
  EXPECT_EQ(unlink(path.c_str()), 0);
  Descriptor successor = RawBind(path, SOCK_STREAM);
  EXPECT_TRUE((*second)->Close().ok());
  EXPECT_TRUE(Exists(path));
  co_return;
}
TEST_F(NetworkTest, AListenerRemovesItsOwnPathAndNoOther) { Run(&RemoveOwnPath); }

Task<void> Abstract(NetworkTest* t) {
  Endpoint name = Endpoint::Unix(absl::StrCat("@faultline-network-", getpid()));
  auto listener = t->network->Listen(name, {});
  EXPECT_TRUE(listener.ok()) << listener.status();
  if (!listener.ok()) co_return;
  EXPECT_EQ((*listener)->local_address(), name);
  EXPECT_EQ(ErrnoOf(t->network->Listen(name, {}).status()), EADDRINUSE);
  EXPECT_TRUE(co_await Reachable(t->network, listener->get(), name));
  EXPECT_TRUE((*listener)->Close().ok());
  auto gone = co_await t->network->Connect(name, {});
  EXPECT_EQ(ErrnoOf(gone.status()), ECONNREFUSED) << gone.status();
}
TEST_F(NetworkTest, TheAbstractNamespaceNeedsNoFile) { Run(&Abstract); }

Task<void> NamedClient(NetworkTest* t) {
  std::string path = t->directory.File("server");
  Endpoint client = Endpoint::Unix(t->directory.File("client"));
  auto listener = t->ListenUnix(path);
  EXPECT_TRUE(listener.ok()) << listener.status();
  ConnectOptions options;
  options.local = client;
  auto [accepted, connected] =
      co_await All((*listener)->Accept(), t->network->Connect(Endpoint::Unix(path), options));
  EXPECT_TRUE(accepted.ok() && connected.ok()) << connected.status();
  if (!accepted.ok() || !connected.ok()) co_return;
  EXPECT_EQ((*accepted)->peer_address(), client);
  EXPECT_EQ((*connected)->local_address(), client);
}
TEST_F(NetworkTest, AUnixClientMayHaveAPath) { Run(&NamedClient); }

Task<void> LongPath(NetworkTest* t) {
  std::string longest = t->directory.File("");
  longest.append(Endpoint::kMaxUnixPath - longest.size(), 'x');
  auto listener = t->ListenUnix(longest);
  EXPECT_TRUE(listener.ok()) << listener.status();
  if (listener.ok()) EXPECT_EQ((*listener)->local_address(), Endpoint::Unix(longest));
  EXPECT_EQ(ErrnoOf(t->ListenUnix(longest + "x").status()), ENAMETOOLONG);
  auto connected = co_await t->network->Connect(Endpoint::Unix(longest + "x"), {});
  EXPECT_EQ(ErrnoOf(connected.status()), ENAMETOOLONG);
}
TEST_F(NetworkTest, APathMayHave107Bytes) { Run(&LongPath); }

Task<void> Forbidden(NetworkTest* t) {
  auto listener = t->ListenUnix("/proc/faultline");
  EXPECT_FALSE(listener.ok());
  EXPECT_NE(ErrnoOf(listener.status()), 0) << listener.status();
  auto nowhere = t->ListenUnix(t->directory.File("no/such/directory"));
  EXPECT_EQ(ErrnoOf(nowhere.status()), ENOENT) << nowhere.status();
  co_return;
}
TEST_F(NetworkTest, APathThatCannotBeMadeKeepsItsErrno) { Run(&Forbidden); }

// --- IP ---

Task<void> BothFamilies(NetworkTest* t) {
  auto listener =
      t->network->Listen(Endpoint::Ipv6Any(0), ListenOptions{.stream = {}, .v6_only = false});
  EXPECT_TRUE(listener.ok()) << listener.status();
  if (!listener.ok()) co_return;
  uint16_t port = (*listener)->local_address().port();
  EXPECT_TRUE(co_await Reachable(t->network, listener->get(), Endpoint::Ipv4Loopback(port)));
  EXPECT_TRUE(co_await Reachable(t->network, listener->get(), Endpoint::Ipv6Loopback(port)));
}
TEST_F(NetworkTest, AListenerOfBothFamiliesIsReachedByBoth) { Run(&BothFamilies); }

Task<void> OnlyIpv6(NetworkTest* t) {
  auto listener = t->network->Listen(Endpoint::Ipv6Any(0), {});
  EXPECT_TRUE(listener.ok()) << listener.status();
  if (!listener.ok()) co_return;
  uint16_t port = (*listener)->local_address().port();
  auto refused = co_await t->network->Connect(Endpoint::Ipv4Loopback(port), {});
  EXPECT_EQ(ErrnoOf(refused.status()), ECONNREFUSED) << refused.status();
}
TEST_F(NetworkTest, AnIpv6ListenerIsNotReachedOverIpv4) { Run(&OnlyIpv6); }

// From a port to itself: TCP's simultaneous open would connect the socket to itself.
Task<void> MeetItself(NetworkTest* t) {
  auto holder = t->network->Listen(Endpoint::Ipv4Loopback(0), {});
  EXPECT_TRUE(holder.ok()) << holder.status();
  Endpoint self = (*holder)->local_address();
  EXPECT_TRUE((*holder)->Close().ok());
  ConnectOptions options;
  options.local = self;
  auto connected = co_await t->network->Connect(self, options);
  EXPECT_EQ(ErrnoOf(connected.status()), ECONNREFUSED) << connected.status();
}
TEST_F(NetworkTest, AConnectionThatMeetsItselfIsRefused) { Run(&MeetItself); }

Task<void> LocalAddressTaken(NetworkTest* t) {
  auto listener = t->network->Listen(Endpoint::Ipv4Loopback(0), {});
  EXPECT_TRUE(listener.ok()) << listener.status();
  ConnectOptions options;
  options.local = (*listener)->local_address();
  auto connected = co_await t->network->Connect((*listener)->local_address(), options);
  EXPECT_EQ(ErrnoOf(connected.status()), EADDRINUSE) << connected.status();
  options.local = Endpoint::Ipv4({192, 0, 2, 1}, 0);
  connected = co_await t->network->Connect((*listener)->local_address(), options);
  EXPECT_EQ(ErrnoOf(connected.status()), EADDRNOTAVAIL) << connected.status();
}
TEST_F(NetworkTest, ALocalAddressThatCannotBeHadKeepsItsErrno) { Run(&LocalAddressTaken); }

int OptionOf(const Stream& stream, int level, int name) {
  int value = -1;
  socklen_t size = sizeof(value);
  int fd = static_cast<const EpollStream&>(stream).fd();
  EXPECT_EQ(getsockopt(fd, level, name, &value, &size), 0);
  return value;
}

Task<void> NoDelay(NetworkTest* t) {
  for (bool on : {true, false}) {
    StreamOptions stream{.no_delay = on};
    auto listener = t->network->Listen(Endpoint::Ipv4Loopback(0), ListenOptions{.stream = stream});
    EXPECT_TRUE(listener.ok()) << listener.status();
    ConnectOptions options{.stream = stream, .local = std::nullopt};
    auto [accepted, connected] = co_await All(
        (*listener)->Accept(), t->network->Connect((*listener)->local_address(), options));
    EXPECT_TRUE(accepted.ok() && connected.ok());
    if (!accepted.ok() || !connected.ok()) co_return;
    EXPECT_EQ(OptionOf(**accepted, IPPROTO_TCP, TCP_NODELAY), on ? 1 : 0);
    EXPECT_EQ(OptionOf(**connected, IPPROTO_TCP, TCP_NODELAY), on ? 1 : 0);
    EXPECT_TRUE((*accepted)->SetNoDelay(!on).ok());
    EXPECT_EQ(OptionOf(**accepted, IPPROTO_TCP, TCP_NODELAY), on ? 0 : 1);
  }
}
TEST_F(NetworkTest, NoDelayReachesBothEnds) { Run(&NoDelay); }

// A stop while the handshake is under way leaves neither a descriptor nor a registration behind.
Task<void> CancelConnects(NetworkTest* t) {
  auto listener =
      t->network->Listen(Endpoint::Ipv4Loopback(0), ListenOptions{.stream = {}, .backlog = 1});
  EXPECT_TRUE(listener.ok()) << listener.status();
  Endpoint where = (*listener)->local_address();
  Clock* clock = t->loop->runtime().clock;
  std::vector<std::unique_ptr<Stream>> queued;
  bool waited = false;
  for (int i = 0; i < 10; ++i) {
    auto connected = co_await Deadline(clock, clock->Now() + 20ms, t->network->Connect(where, {}));
    if (connected.ok()) queued.push_back(*std::move(connected));
    waited = waited || absl::IsDeadlineExceeded(connected.status());
  }
  EXPECT_TRUE(waited);
  Descriptor lowest(dup(STDERR_FILENO));
  auto again = co_await Deadline(clock, clock->Now() + 20ms, t->network->Connect(where, {}));
  EXPECT_TRUE(absl::IsDeadlineExceeded(again.status())) << again.status();
  Descriptor still_lowest(dup(STDERR_FILENO));
  EXPECT_EQ(still_lowest.get(), lowest.get() + 1);
}
TEST_F(NetworkTest, AStoppedConnectGivesItsDescriptorBack) { Run(&CancelConnects); }

// --- Datagrams that are never split ---

// What the kernel was told of the socket of ours that is bound to `port`; -1 if there is none.
int MtuDiscovery(uint16_t port, int level, int name) {
  for (int fd = 3; fd < 1000; ++fd) {
    sockaddr_in6 address{};  // the port is where IPv4 has it
    socklen_t size = sizeof(address);
    int type = 0;
    socklen_t type_size = sizeof(type);
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) != 0 || type != SOCK_DGRAM) continue;
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) continue;
    if (ntohs(address.sin6_port) != port) continue;
    int value = -1;
    socklen_t value_size = sizeof(value);
    return getsockopt(fd, level, name, &value, &value_size) == 0 ? value : -1;
  }
  return -1;
}

TEST_F(NetworkTest, DatagramsAreNotSplitIfThatIsAskedFor) {
  for (bool asked : {false, true}) {
    auto ipv4 = network->Bind(Endpoint::Ipv4Loopback(0), {.dont_fragment = asked});
    auto ipv6 = network->Bind(Endpoint::Ipv6Loopback(0), {.dont_fragment = asked});
    ASSERT_TRUE(ipv4.ok() && ipv6.ok()) << ipv4.status() << ipv6.status();
    int of_ipv4 = MtuDiscovery((*ipv4)->local_address().port(), IPPROTO_IP, IP_MTU_DISCOVER);
    int of_ipv6 = MtuDiscovery((*ipv6)->local_address().port(), IPPROTO_IPV6, IPV6_MTU_DISCOVER);
    EXPECT_EQ(of_ipv4 == IP_PMTUDISC_PROBE, asked) << of_ipv4;
    EXPECT_EQ(of_ipv6 == IPV6_PMTUDISC_PROBE, asked) << of_ipv6;
  }
}

}  // namespace
}  // namespace faultline::epoll
