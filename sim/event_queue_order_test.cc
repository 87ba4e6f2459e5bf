// Goal: events fire in the order of (time, sequence), whatever is scheduled and cancelled in
// between, near or far, one by one or thousands at one instant; the queue forgets actors that die,
// and frees those that it dies with. Method: long random programs of schedule, cancel and pop, over
// several shapes of time, against an ordered set that does the same; and each special case (bursts
// of one instant, places taken earlier, a lone event far away) by hand.

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sim/event_queue.h"

namespace faultline::sim {
namespace {

class Probe final : public Actor {
 public:
  void Fire() override {}
  void OnQueueDestroyed() override { ++orphaned; }

  MonotonicTime when;
  uint64_t sequence = 0;
  int orphaned = 0;
};

// xorshift64*: the test's own, so that its programs never change.
class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15 + 1) {}
  uint64_t Below(uint64_t bound) {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return (state_ * 0x2545f4914f6cdd1d >> 11) % bound;
  }

 private:
  uint64_t state_;
};

MonotonicTime At(uint64_t ns) { return MonotonicTime(Duration(static_cast<int64_t>(ns))); }

// A queue and a set that are told the same.
class Twins {
 public:
  explicit Twins(size_t actors) : probes_(actors) {}

  Probe* probe(size_t index) { return &probes_[index]; }
  MonotonicTime now() const { return now_; }
  bool empty() const { return expected_.empty(); }

  void Schedule(Probe* probe, MonotonicTime when) { Schedule(probe, when, queue_.NextSequence()); }
  void Schedule(Probe* probe, MonotonicTime when, uint64_t sequence) {
    probe->when = when;
    probe->sequence = sequence;
    queue_.Schedule(probe, when, sequence);
    expected_.emplace(std::pair(when, sequence), probe);
  }
  uint64_t NextSequence() { return queue_.NextSequence(); }

  void Cancel(Probe* probe) {
    expected_.erase({probe->when, probe->sequence});
    queue_.Cancel(probe);
    EXPECT_FALSE(probe->queued());
  }

  void Pop() {
    auto [place, probe] = *expected_.begin();
    auto [when, sequence] = place;
    expected_.erase(expected_.begin());
    ASSERT_EQ(queue_.next_time(), when);
    ASSERT_EQ(queue_.Pop(), probe) << "sequence " << sequence;
    ASSERT_FALSE(probe->queued());
    now_ = when;
  }
  void PopAll() {
    while (!expected_.empty() && !::testing::Test::HasFatalFailure()) Pop();
  }
  void CheckSize() const {
    ASSERT_EQ(queue_.size(), expected_.size());
    ASSERT_EQ(queue_.empty(), expected_.empty());
  }

 private:
  std::vector<Probe> probes_;
  EventQueue queue_;
  std::map<std::pair<MonotonicTime, uint64_t>, Probe*> expected_;
  MonotonicTime now_;
};

struct Shape {
  std::string name;
  size_t actors;
  // How long after now the next event is.
  std::function<uint64_t(Dice*)> delay;
};

class EventQueueOrderShapes : public ::testing::TestWithParam<Shape> {};

TEST_P(EventQueueOrderShapes, FireInTheOrderOfTimeAndSequence) {
  const Shape& shape = GetParam();
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(seed);
    Dice dice(seed);
    Twins twins(shape.actors);
    for (int step = 0; step < 60'000; ++step) {
      Probe* probe = twins.probe(dice.Below(shape.actors));
      if (!probe->queued()) {
        twins.Schedule(probe, twins.now() + Duration(static_cast<int64_t>(shape.delay(&dice))));
      } else if (dice.Below(8) == 0) {
        twins.Cancel(probe);
      } else {
        twins.Pop();
      }
      twins.CheckSize();
      if (HasFatalFailure()) return;
    }
    twins.PopAll();
    twins.CheckSize();
  }
}

INSTANTIATE_TEST_SUITE_P(
    Times, EventQueueOrderShapes,
    ::testing::Values(Shape{"few", 5, [](Dice* dice) { return dice->Below(1000); }},
                      Shape{"uniform", 3000, [](Dice* dice) { return dice->Below(1'000'000); }},
                      Shape{"few_instants", 3000,
                            [](Dice* dice) { return dice->Below(4) * 500'000; }},
                      Shape{"now_or_an_hour", 1000,
                            [](Dice* dice) { return dice->Below(2) * 3'600'000'000'000; }},
                      Shape{"every_magnitude", 1000,
                            [](Dice* dice) { return dice->Below(uint64_t{1} << dice->Below(50)); }},
                      Shape{"mostly_far", 2000,
                            [](Dice* dice) {
                              return dice->Below(10) == 0 ? dice->Below(100)
                                                          : 1'000'000'000 + dice->Below(1000);
                            }}),
    [](const auto& info) { return info.param.name; });

TEST(EventQueueOrder, FiresThousandsOfOneInstantInTheOrderOfTheirSequence) {
  Twins twins(5000);
  for (size_t i = 0; i < 5000; ++i) twins.Schedule(twins.probe(i), At(500'000));
  twins.PopAll();
}

// As a flow of segments does: the place of each was taken when it was sent.
TEST(EventQueueOrder, HonoursAPlaceThatWasTakenEarlier) {
  Twins twins(300);
  std::vector<uint64_t> places(300);
  for (uint64_t& place : places) place = twins.NextSequence();
  for (size_t i = 0; i < 100; ++i) twins.Schedule(twins.probe(i), At(77), places[i * 3]);
  for (size_t i = 100; i < 300; ++i) {
    twins.Pop();
    twins.Schedule(twins.probe(i), At(77), places[i / 100 + (i % 100) * 3]);
  }
  twins.PopAll();
}

// While only a far event is pending, any time before it is still to come.
TEST(EventQueueOrder, TakesEventsBeforeALoneFarOneAndThenBeforeThose) {
  Twins twins(400);
  twins.Schedule(twins.probe(0), At(3'600'000'000'000));
  for (size_t i = 1; i < 400; ++i) twins.Schedule(twins.probe(i), At(1'000'000 - i * 2000));
  twins.PopAll();
}

TEST(EventQueueOrder, CancelsWhicheverIsAskedForOutOfOneInstant) {
  Twins twins(500);
  for (size_t i = 0; i < 500; ++i) twins.Schedule(twins.probe(i), At(10));
  for (size_t i = 0; i < 100; ++i) twins.Pop();
  for (size_t i = 100; i < 500; i += 3) twins.Cancel(twins.probe(i));
  twins.CheckSize();
  twins.PopAll();
}

TEST(EventQueueOrder, CancellingWhatIsNotQueuedDoesNothing) {
  EventQueue queue;
  Probe probe;
  queue.Cancel(&probe);
  queue.Schedule(&probe, At(1));
  queue.Cancel(&probe);
  queue.Cancel(&probe);
  EXPECT_TRUE(queue.empty());
}

TEST(EventQueueOrder, AnActorThatDiesLeavesTheQueue) {
  EventQueue queue;
  Probe stays;
  queue.Schedule(&stays, At(5));
  {
    std::vector<std::unique_ptr<Probe>> die;
    for (uint64_t i = 0; i < 200; ++i) {
      die.push_back(std::make_unique<Probe>());
      queue.Schedule(die.back().get(), At(i % 10 == 0 ? 5 : i * 1000));
    }
    EXPECT_EQ(queue.size(), 201u);
  }
  EXPECT_EQ(queue.size(), 1u);
  EXPECT_EQ(queue.Pop(), &stays);
}

TEST(EventQueueOrder, TellsThoseThatItDiesWith) {
  std::vector<Probe> probes(300);
  {
    EventQueue queue;
    for (size_t i = 0; i < 300; ++i) queue.Schedule(&probes[i], At(i < 100 ? 7 : i * 12'345));
    for (int i = 0; i < 40; ++i) queue.Pop();
  }
  int orphaned = 0;
  for (const Probe& probe : probes) {
    EXPECT_FALSE(probe.queued());
    EXPECT_LE(probe.orphaned, 1);
    orphaned += probe.orphaned;
  }
  EXPECT_EQ(orphaned, 260);
}

}  // namespace
}  // namespace faultline::sim
