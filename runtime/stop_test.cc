// Goal: a stop request reaches every subscriber once, in order, down the chain of sources,
// whichever of sources and subscribers dies first; tasks inherit it, and can be given another or
// none. Method: callbacks that note their names; sources and callbacks destroyed in each order;
// tasks that wait for an event which never comes.
#include "runtime/stop.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "runtime/event.h"
#include "runtime/scope.h"
#include "runtime/task.h"
#include "runtime/testing/test_loop.h"

namespace faultline {
namespace {

using testing::TestLoop;
using Log = std::vector<std::string>;

struct Note : StopCallback {
  Note(Log* log, std::string name)
      : StopCallback([](StopCallback* self) {
          auto* note = static_cast<Note*>(self);
          note->log->push_back(note->name);
        }),
        log(log),
        name(std::move(name)) {}
  Log* log;
  std::string name;
};

TEST(StopTest, CallsEachSubscriberOnceInOrder) {
  StopSource source;
  Log log;
  Note a(&log, "a"), b(&log, "b"), c(&log, "c");
  for (Note* note : {&a, &b, &c}) source.token().Subscribe(note);
  b.Unlink();
  EXPECT_FALSE(source.token().stop_requested());
  source.RequestStop();
  source.RequestStop();
  EXPECT_TRUE(source.token().stop_requested());
  EXPECT_TRUE(source.stop_requested());
  EXPECT_EQ(log, (Log{"a", "c"}));
}

TEST(StopTest, ADefaultTokenNeverStops) {
  Log log;
  Note a(&log, "a");
  StopToken token;
  token.Subscribe(&a);
  EXPECT_FALSE(token.stop_requested());
  EXPECT_FALSE(a.linked());
}

TEST(StopTest, ASubscriberThatDiesIsNotCalled) {
  StopSource source;
  Log log;
  {
    Note a(&log, "a");
    source.token().Subscribe(&a);
  }
  source.RequestStop();
  EXPECT_TRUE(log.empty());
}

TEST(StopTest, ASourceThatDiesLetsGo) {
  Log log;
  Note a(&log, "a");
  {
    StopSource source;
    source.token().Subscribe(&a);
    EXPECT_TRUE(a.linked());
  }
  EXPECT_FALSE(a.linked());
}

TEST(StopTest, ACallbackMayEndAnother) {
  struct Ender : StopCallback {
    explicit Ender(Note* victim)
        : StopCallback([](StopCallback* self) { static_cast<Ender*>(self)->victim->Unlink(); }),
          victim(victim) {}
    Note* victim;
  };
  StopSource source;
  Log log;
  Note a(&log, "a"), b(&log, "b");
  Ender ender(&a);
  source.token().Subscribe(&ender);
  source.token().Subscribe(&a);
  source.token().Subscribe(&b);
  source.RequestStop();
  EXPECT_EQ(log, (Log{"b"}));
}

TEST(StopTest, GoesDownTheChainAndNotUp) {
  StopSource top;
  StopSource middle(top.token());
  StopSource bottom(middle.token());
  middle.RequestStop();
  EXPECT_FALSE(top.stop_requested());
  EXPECT_TRUE(bottom.stop_requested());
  top.RequestStop();
  EXPECT_TRUE(middle.stop_requested());
}

TEST(StopTest, AChildOfAStoppedSourceIsStopped) {
  StopSource top;
  top.RequestStop();
  StopSource bottom(top.token());
  EXPECT_TRUE(bottom.stop_requested());
}

TEST(StopTest, SourcesDieInEitherOrder) {
  std::optional<StopSource> top;
  top.emplace();
  {
    StopSource bottom(top->token());
  }
  top->RequestStop();  // nobody there any more

  top.emplace();
  StopSource orphan(top->token());
  top.reset();
  orphan.RequestStop();
  EXPECT_TRUE(orphan.stop_requested());
}

Task<void> WaitInto(Event* event, absl::Status* result) { *result = co_await event->Wait(); }

TEST(StopTest, TasksInheritIt) {
  TestLoop loop;
  Event never;
  absl::Status result;
  Scope root(loop.executor());
  root.Spawn([](Event* never, absl::Status* result) -> Task<void> {
    co_await WaitInto(never, result);
    EXPECT_TRUE((co_await CurrentStop()).stop_requested());
  }(&never, &result));
  loop.RunReady();
  EXPECT_EQ(root.live(), 1u);
  root.RequestStop();
  loop.Run();
  EXPECT_TRUE(absl::IsCancelled(result)) << result;
  EXPECT_EQ(root.live(), 0u);
}

TEST(StopTest, WithStopListensToItsSourceAlone) {
  TestLoop loop;
  Event never;
  absl::Status result;
  StopSource own;
  Scope root(loop.executor());
  root.Spawn([](StopSource* own, Event* never, absl::Status* result) -> Task<void> {
    co_await WithStop(own, WaitInto(never, result));
  }(&own, &never, &result));
  loop.RunReady();
  root.RequestStop();
  loop.Run();
  EXPECT_EQ(root.live(), 1u);  // not its source
  own.RequestStop();
  loop.Run();
  EXPECT_EQ(root.live(), 0u);
  EXPECT_TRUE(absl::IsCancelled(result)) << result;
}

TEST(StopTest, AShieldedTaskHearsNothing) {
  TestLoop loop;
  Event ready;
  absl::Status inner = absl::UnknownError("not run");
  absl::Status outer;
  Scope root(loop.executor());
  root.RequestStop();
  root.Spawn([](Event* ready, absl::Status* inner, absl::Status* outer) -> Task<void> {
    co_await Shielded(WaitInto(ready, inner));
    *outer = co_await ready->Wait();
    if (outer->ok()) *outer = co_await Event().Wait();
  }(&ready, &inner, &outer));
  loop.Run();
  EXPECT_EQ(root.live(), 1u);
  ready.Set();
  loop.Run();
  EXPECT_TRUE(inner.ok()) << inner;
  EXPECT_TRUE(absl::IsCancelled(outer)) << outer;  // the shield does not outlast the task
}

}  // namespace
}  // namespace faultline
