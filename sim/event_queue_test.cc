// Goal: actors fire in the order of (time, sequence), whatever was pushed, cancelled and pushed
// again. Method: random operations compared with a sorted model; the ends of lives.
#include "sim/event_queue.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "sim/choices.h"

namespace faultline::sim {
namespace {

class Note final : public Actor {
 public:
  explicit Note(int id) : id(id) {}
  void Fire() override {}
  const int id;
};

MonotonicTime At(int64_t nanos) { return MonotonicTime(Duration(nanos)); }

TEST(EventQueue, EqualTimesFireInTheOrderOfDecision) {
  EventQueue queue;
  Note a(1), b(2), c(3);
  queue.Schedule(&b, At(5));
  queue.Schedule(&a, At(5));
  queue.Schedule(&c, At(4));
  EXPECT_EQ(queue.Pop(), &c);
  EXPECT_EQ(queue.Pop(), &b);
  EXPECT_EQ(queue.Pop(), &a);
  EXPECT_TRUE(queue.empty());
}

TEST(EventQueue, ASequenceTakenEarlierComesFirst) {
  EventQueue queue;
  Note early(1), late(2);
  uint64_t sequence = queue.NextSequence();
  queue.Schedule(&late, At(5));
  queue.Schedule(&early, At(5), sequence);
  EXPECT_EQ(queue.Pop(), &early);
}

// Far more events than are kept sorted: those to come are known all the same, until the last.
TEST(EventQueue, TellsWhoFiresNext) {
  constexpr size_t kActors = 1000;
  constexpr size_t kAhead = 8;
  EventQueue queue;
  std::vector<std::unique_ptr<Note>> notes;
  for (size_t i = 0; i < kActors; ++i) {
    notes.push_back(std::make_unique<Note>(static_cast<int>(i)));
    queue.Schedule(notes.back().get(), At(static_cast<int64_t>(i * 7919 % kActors)));
  }
  const Actor* expected = nullptr;  // of the one that is `kAhead` before it
  std::vector<const Actor*> upcoming;
  for (size_t popped = 0; popped < kActors; ++popped) {
    upcoming.push_back(queue.Upcoming(kAhead));
    if (popped >= kAhead) expected = upcoming[popped - kAhead];
    Actor* next = queue.Pop();
    if (popped >= kAhead) EXPECT_EQ(next, expected) << "event " << popped;
  }
  EXPECT_EQ(upcoming[kActors - kAhead], nullptr) << "there was nobody to look ahead to";
}

// Against a model: a map ordered by (time, sequence).
TEST(EventQueue, AgreesWithAModel) {
  constexpr int kActors = 300;
  Choices choices(1);
  Chooser chooser(&choices, 1);
  EventQueue queue;
  std::vector<std::unique_ptr<Note>> notes;
  for (int i = 0; i < kActors; ++i) notes.push_back(std::make_unique<Note>(i));
  std::map<std::pair<int64_t, uint64_t>, int> model;
  std::map<int, std::pair<int64_t, uint64_t>> queued;
  for (int step = 0; step < 50'000; ++step) {
    int id = static_cast<int>(chooser.Below(Choice::kApplication, kActors));
    Note* note = notes[id].get();
    ASSERT_EQ(note->queued(), queued.contains(id));
    if (!note->queued()) {
      int64_t when = static_cast<int64_t>(chooser.Below(Choice::kApplication, 1000));
      uint64_t sequence = queue.NextSequence();
      queue.Schedule(note, At(when), sequence);
      queued[id] = {when, sequence};
      model[{when, sequence}] = id;
    } else if (chooser.Below(Choice::kApplication, 2) == 0) {
      queue.Cancel(note);
      model.erase(queued[id]);
      queued.erase(id);
    } else {
      auto first = model.begin();
      ASSERT_EQ(queue.next_time(), At(first->first.first));
      ASSERT_EQ(queue.Pop(), notes[first->second].get());
      queued.erase(first->second);
      model.erase(first);
    }
    ASSERT_EQ(queue.size(), model.size());
  }
}

TEST(EventQueue, ADestroyedActorLeaves) {
  EventQueue queue;
  Note stays(1);
  auto goes = std::make_unique<Note>(2);
  queue.Schedule(goes.get(), At(1));
  queue.Schedule(&stays, At(2));
  goes.reset();
  EXPECT_EQ(queue.size(), 1u);
  EXPECT_EQ(queue.Pop(), &stays);
}

struct Owned final : Actor {
  explicit Owned(bool* gone) : gone(gone) {}
  ~Owned() override { *gone = true; }
  void Fire() override {}
  void OnQueueDestroyed() override { delete this; }
  bool* const gone;
};

TEST(EventQueue, AnActorThatOwnsItselfDiesWithTheQueue) {
  bool gone = false;
  {
    EventQueue queue;
    queue.Schedule(new Owned(&gone), At(1));
  }
  EXPECT_TRUE(gone);
}

TEST(EventQueueDeathTest, AnActorIsQueuedOnce) {
  EventQueue queue;
  Note note(1);
  queue.Schedule(&note, At(1));
  EXPECT_DEATH(queue.Schedule(&note, At(2)), "queued once");
}

}  // namespace
}  // namespace faultline::sim
