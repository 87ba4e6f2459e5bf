// Goal: out of descriptors a listener pauses instead of spinning, and goes on by itself, whoever
// gives a descriptor back; connections that died in the backlog harm nobody.
// Method: the soft limit of descriptors is lowered to what is open, with a connection waiting. The
// kernel's own count of calls tells a pause from a spin.
#include "runtime/epoll/listener.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <vector>

#include "runtime/combine.h"
#include "runtime/epoll/syscall_trap.h"
#include "runtime/epoll/testing.h"
#include "runtime/errors.h"

namespace faultline::epoll {
namespace {

// Nothing can be opened while this lives, unless something is closed first.
class NoMoreDescriptors {
 public:
  NoMoreDescriptors() {
    EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &before_), 0);
    Descriptor lowest_free(dup(STDERR_FILENO));
    Set(static_cast<rlim_t>(lowest_free.get()));
  }
  ~NoMoreDescriptors() { Lift(); }
  void Lift() { Set(before_.rlim_cur); }

 private:
  void Set(rlim_t soft) {
    rlimit limit = before_;
    limit.rlim_cur = soft;
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  }
  rlimit before_{};
};

struct Setting {
  explicit Setting(Loop* loop) : clock(loop->runtime().clock), network(loop->runtime().network) {}

  Clock* const clock;
  Network* const network;
  std::unique_ptr<Listener> listener;
  std::vector<std::unique_ptr<Stream>> clients;  // in the backlog
  std::vector<std::unique_ptr<Stream>> accepted;
};

// `count` connections wait in the backlog.
Task<bool> ListenAndConnect(Setting* setting, int count) {
  auto listener = setting->network->Listen(Endpoint::Ipv4Loopback(0), {});
  EXPECT_TRUE(listener.ok()) << listener.status();
  if (!listener.ok()) co_return false;
  setting->listener = *std::move(listener);
  for (int i = 0; i < count; ++i) {
    auto client = co_await setting->network->Connect(setting->listener->local_address(), {});
    EXPECT_TRUE(client.ok()) << client.status();
    if (!client.ok()) co_return false;
    setting->clients.push_back(*std::move(client));
  }
  co_return true;
}

Task<void> AcceptMany(Setting* setting, size_t count) {
  while (setting->accepted.size() < count) {
    auto stream = co_await setting->listener->Accept();
    EXPECT_TRUE(stream.ok()) << stream.status();
    if (!stream.ok()) co_return;
    setting->accepted.push_back(*std::move(stream));
  }
}

Task<void> SleepUntilAccepted(Setting* setting, size_t count) {
  for (int i = 0; i < 10'000 && setting->accepted.size() < count; ++i) {
    (void)co_await setting->clock->SleepFor(1ms);
  }
  EXPECT_EQ(setting->accepted.size(), count);
}

// --- Out of descriptors ---

Task<void> CountPause(Setting* setting, SyscallTrap* trap, bool* supported) {
  if (!co_await ListenAndConnect(setting, 1)) co_return;
  Scope scope(co_await ThisTask());
  NoMoreDescriptors none;
  scope.Spawn(AcceptMany(setting, 1));
  *supported = trap->Start();
  (void)co_await setting->clock->SleepFor(200ms);
  trap->Stop();
  EXPECT_TRUE(setting->accepted.empty());
  none.Lift();
  co_await scope.Join();
  EXPECT_EQ(setting->accepted.size(), 1u);
  setting->accepted.clear();
}

TEST(ListenerTest, WithoutDescriptorsItPausesInsteadOfSpinningAndThenGoesOn) {
  auto loop = MakeLoop();
  Setting setting(loop.get());
  SyscallTrap trap;
  bool supported = false;
  loop->Run(CountPause(&setting, &trap, &supported));
  if (!supported) GTEST_SKIP() << "this kernel has no syscall user dispatch";
  // 1, 2, 4, ... 64, 100 ms: about nine tries in 200 ms, and a wait for each, and for the sleep.
  EXPECT_GE(trap.of(SYS_accept4), 2u) << trap.ToString();
  EXPECT_LE(trap.of(SYS_accept4), 12u) << trap.ToString();
  EXPECT_LE(trap.of(SYS_epoll_pwait2), 20u) << trap.ToString();
}

Task<void> FreeOneHere(Setting* setting) {
  if (!co_await ListenAndConnect(setting, 3)) co_return;
  Scope scope(co_await ThisTask());
  NoMoreDescriptors none;
  scope.Spawn(AcceptMany(setting, 1));
  (void)co_await setting->clock->SleepFor(150ms);  // the pause is long by now
  EXPECT_TRUE(setting->accepted.empty());
  EXPECT_TRUE(setting->clients.back()->Close().ok());
  // No sleep: it is the closing that wakes the accept, not the end of the pause.
  for (int i = 0; i < 2000 && setting->accepted.empty(); ++i) co_await Yield();
  EXPECT_EQ(setting->accepted.size(), 1u);
  none.Lift();
  co_await scope.Join();
}

TEST(ListenerTest, ADescriptorThatTheLoopClosesIsUsedAtOnce) {
  auto loop = MakeLoop();
  Setting setting(loop.get());
  loop->Run(FreeOneHere(&setting));
}

Task<void> FreeOneElsewhere(Setting* setting) {
  Descriptor elsewhere(dup(STDERR_FILENO));
  if (!co_await ListenAndConnect(setting, 3)) co_return;
  Scope scope(co_await ThisTask());
  NoMoreDescriptors none;
  scope.Spawn(AcceptMany(setting, 3));
  (void)co_await setting->clock->SleepFor(5ms);
  EXPECT_TRUE(setting->accepted.empty());
  elsewhere.Close();
  co_await SleepUntilAccepted(setting, 1);
  // And the rest of the backlog, of which no edge will tell.
  none.Lift();
  co_await scope.Join();
  EXPECT_EQ(setting->accepted.size(), 3u);
}

TEST(ListenerTest, ADescriptorThatOthersCloseIsFoundAndTheWholeBacklogIsAccepted) {
  auto loop = MakeLoop();
  Setting setting(loop.get());
  loop->Run(FreeOneElsewhere(&setting));
}

Task<absl::Status> AcceptOnce(Listener* listener) {
  co_return (co_await listener->Accept()).status();
}

Task<void> StopAndDestroyWhilePausing(Setting* setting, Executor* executor) {
  if (!co_await ListenAndConnect(setting, 1)) co_return;
  NoMoreDescriptors none;
  absl::Status stopped = co_await Deadline(setting->clock, setting->clock->Now() + 5ms,
                                           AcceptOnce(setting->listener.get()));
  EXPECT_TRUE(absl::IsDeadlineExceeded(stopped)) << stopped;
  struct Doom : Timer {
    explicit Doom(Executor* executor)
        : Timer([](Timer* timer) { static_cast<Doom*>(timer)->scope.reset(); }),
          scope(std::make_unique<Scope>(executor)) {}
    std::unique_ptr<Scope> scope;
  } doom(executor);
  doom.scope->Spawn(AcceptMany(setting, 1));
  doom.Arm(setting->clock, setting->clock->Now() + 5ms);
  (void)co_await setting->clock->SleepFor(10ms);
  EXPECT_EQ(doom.scope, nullptr);
  none.Lift();
  auto accepted = co_await setting->listener->Accept();
  EXPECT_TRUE(accepted.ok()) << accepted.status();
}

TEST(ListenerTest, AnAcceptThatPausesCanBeStoppedAndDestroyed) {
  auto loop = MakeLoop();
  Setting setting(loop.get());
  loop->Run(StopAndDestroyWhilePausing(&setting, loop->runtime().executor));
}

Task<void> ConnectWithoutDescriptors(Setting* setting) {
  if (!co_await ListenAndConnect(setting, 0)) co_return;
  NoMoreDescriptors none;
  auto connected = co_await setting->network->Connect(setting->listener->local_address(), {});
  EXPECT_EQ(ErrnoOf(connected.status()), EMFILE) << connected.status();
  auto listener = setting->network->Listen(Endpoint::Ipv4Loopback(0), {});
  EXPECT_EQ(ErrnoOf(listener.status()), EMFILE) << listener.status();
  auto socket = setting->network->Bind(Endpoint::Ipv4Loopback(0), {});
  EXPECT_EQ(ErrnoOf(socket.status()), EMFILE) << socket.status();
  EXPECT_EQ(ErrnoOf(Loop::Create({}).status()), EMFILE);
}

TEST(ListenerTest, EverythingElseReportsEmfile) {
  auto loop = MakeLoop();
  Setting setting(loop.get());
  loop->Run(ConnectWithoutDescriptors(&setting));
}

// --- Dead connections ---

Task<void> AbortInBacklog(Setting* setting) {
  if (!co_await ListenAndConnect(setting, 10)) co_return;
  for (int i = 0; i < 9; ++i) setting->clients[i]->Abort();
  // Linux hands out some connections that were reset and skips others; the living one comes.
  Endpoint living = setting->clients[9]->local_address();
  for (int i = 0; i < 10; ++i) {
    auto accepted = co_await setting->listener->Accept();
    EXPECT_TRUE(accepted.ok()) << accepted.status();
    if (accepted.ok() && (*accepted)->peer_address() == living) co_return;
  }
  ADD_FAILURE() << "the living connection was not accepted";
}

TEST(ListenerTest, ConnectionsThatDiedInTheBacklogDoNoHarm) {
  auto loop = MakeLoop();
  Setting setting(loop.get());
  loop->Run(AbortInBacklog(&setting));
}

}  // namespace
}  // namespace faultline::epoll
