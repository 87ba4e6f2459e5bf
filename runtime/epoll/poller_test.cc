// Goal: an event reaches the pollable that it was meant for, or nobody.
// Method: descriptors are closed and opened again, by handlers inside a batch and while a duplicate
// keeps the kernel's registration alive; the numbers and slots that they reuse are the same.
#include "runtime/epoll/poller.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <ctime>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace faultline::epoll {
namespace {

constexpr timespec kNow{0, 0};

Descriptor NewEvent() { return Descriptor(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)); }

void Trigger(int fd) {
  uint64_t one = 1;
  ASSERT_EQ(write(fd, &one, sizeof(one)), 8);
}

// Counts its events and may do something about them.
class Watcher final : public Pollable {
 public:
  explicit Watcher(Poller* poller) : poller_(poller), event_(NewEvent()) {}
  ~Watcher() { Close(); }

  void Register() {
    auto token = poller_->Add(event_.get(), EPOLLIN, this);
    ASSERT_TRUE(token.ok()) << token.status();
    token_ = *token;
  }
  void Close() {
    if (token_ != 0) poller_->Remove(std::exchange(token_, 0));
    event_.Close();
  }
  int fd() const { return event_.get(); }
  Poller::Token token() const { return token_; }

  int events = 0;
  std::function<void()> then;

 private:
  void OnEvents(uint32_t) override {
    ++events;
    if (then) then();
  }

  Poller* const poller_;
  Descriptor event_;
  Poller::Token token_ = 0;
};

class PollerTest : public ::testing::Test {
 protected:
  Poller poller_{Descriptor(epoll_create1(EPOLL_CLOEXEC))};
};

TEST_F(PollerTest, ReportsWhatIsReadyAtRegistrationAndEachEdgeOnce) {
  Watcher watcher(&poller_);
  Trigger(watcher.fd());
  watcher.Register();
  EXPECT_EQ(poller_.Wait(&kNow), 1);
  EXPECT_EQ(poller_.Wait(&kNow), 0);  // still readable, but no edge
  Trigger(watcher.fd());
  EXPECT_EQ(poller_.Wait(&kNow), 1);
  EXPECT_EQ(watcher.events, 2);
}

TEST_F(PollerTest, AnEventForADescriptorThatWasClosedInItsBatchIsDropped) {
  Watcher first(&poller_);
  Watcher second(&poller_);
  first.Register();
  second.Register();
  first.then = [&second] { second.Close(); };
  second.then = [&first] { first.Close(); };
  Trigger(first.fd());
  Trigger(second.fd());
  EXPECT_EQ(poller_.Wait(&kNow), 2);
  EXPECT_EQ(first.events + second.events, 1);  // whoever was told first has closed the other
}

// The new one has the number and the slot of the old: an event that named either would hit it.
TEST_F(PollerTest, AnEventForAClosedDescriptorDoesNotHitItsSuccessorInTheBatch) {
  Watcher first(&poller_);
  auto victim = std::make_unique<Watcher>(&poller_);
  first.Register();
  victim->Register();
  int number = victim->fd();
  uint32_t slot = static_cast<uint32_t>(victim->token());
  std::unique_ptr<Watcher> successor;
  first.then = [&] {
    victim.reset();
    successor = std::make_unique<Watcher>(&poller_);
    successor->Register();
  };
  Trigger(first.fd());
  Trigger(number);
  EXPECT_EQ(poller_.Wait(&kNow), 2);
  ASSERT_NE(successor, nullptr);
  EXPECT_EQ(successor->fd(), number);
  EXPECT_EQ(static_cast<uint32_t>(successor->token()), slot);
  EXPECT_EQ(successor->events, 0);
  Trigger(successor->fd());
  EXPECT_EQ(poller_.Wait(&kNow), 1);
  EXPECT_EQ(successor->events, 1);
}

// As after fork(2): close(2) ends the registration only with the last duplicate.
TEST_F(PollerTest, ADuplicateThatOutlivesItsDescriptorWakesNobody) {
  auto watcher = std::make_unique<Watcher>(&poller_);
  watcher->Register();
  Descriptor duplicate(dup(watcher->fd()));
  watcher.reset();
  Watcher successor(&poller_);
  successor.Register();
  Trigger(duplicate.get());
  EXPECT_EQ(poller_.Wait(&kNow), 1);  // the kernel tells, nobody hears
  EXPECT_EQ(successor.events, 0);
}

TEST_F(PollerTest, AWatcherMayRegisterOthersFromItsHandler) {
  Watcher first(&poller_);
  Watcher second(&poller_);
  first.Register();
  first.then = [&second] {
    if (second.token() == 0) second.Register();
  };
  Trigger(second.fd());
  Trigger(first.fd());
  EXPECT_EQ(poller_.Wait(&kNow), 1);
  EXPECT_EQ(poller_.Wait(&kNow), 1);
  EXPECT_EQ(second.events, 1);
}

TEST_F(PollerTest, AChangeReportsWhatIsReadyAgain) {
  Watcher watcher(&poller_);
  watcher.Register();
  EXPECT_EQ(poller_.Wait(&kNow), 0);
  ASSERT_TRUE(poller_.Change(watcher.fd(), EPOLLIN | EPOLLOUT, watcher.token()).ok());
  EXPECT_EQ(poller_.Wait(&kNow), 1);
}

TEST_F(PollerTest, HandsOutManyMoreEventsThanOneBatchHolds) {
  constexpr int kWatchers = 1000;
  std::vector<std::unique_ptr<Watcher>> watchers;
  for (int i = 0; i < kWatchers; ++i) {
    watchers.push_back(std::make_unique<Watcher>(&poller_));
    watchers.back()->Register();
    Trigger(watchers.back()->fd());
  }
  while (poller_.Wait(&kNow) > 0) {
  }
  for (const auto& watcher : watchers) EXPECT_EQ(watcher->events, 1);
}

TEST_F(PollerTest, ABadDescriptorIsAnErrorWithItsErrno) {
  Watcher watcher(&poller_);
  auto token = poller_.Add(-1, EPOLLIN, &watcher);
  EXPECT_FALSE(token.ok());
}

TEST(PollerDeathTest, SocketsMustNotOutliveTheirLoop) {
  EXPECT_DEATH(
      {
        auto poller = std::make_unique<Poller>(Descriptor(epoll_create1(EPOLL_CLOEXEC)));
        auto* watcher = new Watcher(poller.get());
        watcher->Register();
        poller.reset();
      },
      "outlived");
}

}  // namespace
}  // namespace faultline::epoll
