// Goal: a difference between two worlds is found and shrunk; a program's observation is what its
// world did, also where that hangs.
// Method: the simulation is compared with itself, with a difference planted in what one side
// observes; programs whose outcomes are known run in it.
#include "runtime/conformance/judge.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "runtime/conformance/generate.h"
#include "runtime/conformance/shrink.h"
#include "runtime/conformance/world.h"

namespace faultline::conformance {
namespace {

std::unique_ptr<World> Simulated() { return MakeSimulatedWorld(Simulation::kFifo, 1); }

// Another world, but for what `plant` makes of the outcomes of its steps.
class PlantedWorld final : public World {
 public:
  using Plant = std::function<void(const Step&, Outcome*)>;
  explicit PlantedWorld(Plant plant) : plant_(std::move(plant)) {}

  std::string_view name() const override { return "planted"; }
  Observation Run(const Program& program, int care) override {
    Observation seen = world_->Run(program, care);
    ForEachStep(program,
                [&](const Place& place, const Step& step) { plant_(step, &seen.at(place)); });
    return seen;
  }

 private:
  const std::unique_ptr<World> world_ = Simulated();
  const Plant plant_;
};

struct Found {
  uint64_t seed = 0;
  std::string what;
  Program shrunk;
};

// The first of `programs` programs that shows what was planted, shrunk.
Found Hunt(uint64_t programs, PlantedWorld::Plant plant) {
  const std::unique_ptr<World> reference = Simulated();
  PlantedWorld planted(std::move(plant));
  Judge judge({reference.get(), &planted});
  for (uint64_t seed = 1; seed <= programs; ++seed) {
    const Program program = Generate(seed);
    const std::optional<Mismatch> mismatch = judge.Try(program, Judge::kQuick);
    if (!mismatch.has_value()) continue;
    EXPECT_TRUE(judge.Confirms(program, *mismatch));
    const Program shrunk = judge.Shrunk(program, *mismatch);
    const std::optional<Mismatch> again = judge.Try(shrunk, Judge::kCareful);
    EXPECT_TRUE(again.has_value() && again->IsLike(*mismatch));
    return {seed, mismatch->finding.what, shrunk};
  }
  ADD_FAILURE() << "not found in " << programs << " programs";
  return {};
}

bool IsError(const Outcome& outcome, int error) {
  return outcome.result == Result::kError && outcome.error == error;
}

TEST(Canary, EpipeForEconnresetIsFound) {
  const Found found = Hunt(200, [](const Step& step, Outcome* outcome) {
    if (step.kind == StepKind::kWrite && IsError(*outcome, ECONNRESET)) outcome->error = EPIPE;
  });
  EXPECT_LE(found.shrunk.size(), 6u) << found.what << "\n" << found.shrunk.ToSource();
}

TEST(Canary, ALostByteIsFound) {
  const Found found = Hunt(100, [](const Step& step, Outcome* outcome) {
    const bool end = step.kind == StepKind::kRead && outcome->result == Result::kEnd;
    if (end && outcome->position > 1000) --outcome->position;
  });
  EXPECT_LE(found.shrunk.size(), 7u) << found.what << "\n" << found.shrunk.ToSource();
}

TEST(Canary, ARefusalThatIsSilentIsFound) {
  const Found found = Hunt(200, [](const Step& step, Outcome* outcome) {
    if (step.kind == StepKind::kConnect && IsError(*outcome, ECONNREFUSED)) {
      *outcome = {.result = Result::kDeadline};
    }
  });
  EXPECT_LE(found.shrunk.size(), 3u) << found.what << "\n" << found.shrunk.ToSource();
}

TEST(Judge, FindsNothingBetweenTheSameWorlds) {
  const std::unique_ptr<World> a = Simulated();
  const std::unique_ptr<World> b = Simulated();
  Judge judge({a.get(), b.get()});
  Tally tally;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    EXPECT_FALSE(judge.Try(Generate(seed), Judge::kQuick, &tally).has_value()) << seed;
  }
  EXPECT_EQ(tally.programs, 100u);
}

// Generation that never fails to connect, or never meets an error, tests little.
TEST(Judge, GeneratedProgramsMeetErrors) {
  const std::unique_ptr<World> world = Simulated();
  Judge judge({world.get()});
  Tally tally;
  for (uint64_t seed = 1; seed <= 400; ++seed) (void)judge.Try(Generate(seed), 1, &tally);
  for (const char* outcome :
       {"Listen: EADDRINUSE", "Connect: ECONNREFUSED", "Connect: ENOENT", "Connect: deadline",
        "Accept: cancelled", "Read: end", "Read: ECONNRESET", "Read: cancelled", "Read: closed",
        "Write: EPIPE", "Write: ECONNRESET", "Write: cancelled", "HalfClose: ENOTCONN",
        "Bind: EADDRINUSE", "Send: EMSGSIZE", "Receive: ok", "Receive: deadline"}) {
    EXPECT_GT(tally.outcomes[outcome], 0u) << outcome << "\n" << tally.ToString();
  }
}

// --- Shrinking ---

TEST(Shrink, LeavesOnlyWhatIsNeeded) {
  const Program program = Generate(1);
  auto has_a_listener = [](const Program& candidate) {
    bool found = false;
    ForEachStep(candidate,
                [&](const Place&, const Step& step) { found |= step.kind == StepKind::kListen; });
    return found;
  };
  const Program shrunk = Shrink(program, has_a_listener, 1000);
  EXPECT_EQ(shrunk, Program().Phase().Task(0).Listen(0, Family::kIpv4, 16)) << shrunk.ToSource();
}

TEST(Shrink, EndsAfterItsTries) {
  int tries = 0;
  const Program program = Generate(1);
  EXPECT_EQ(Shrink(program, [&](const Program&) { return ++tries, false; }, 5), program);
  EXPECT_EQ(tries, 5);
}

// --- Runs ---

TEST(Run, ObservesWhatHappens) {
  const Program program = Program()
                              .Phase()
                              .Task(0)
                              .Listen(0, Family::kIpv4, 16)
                              .Connect(0, 0)
                              .Accept(0, 0)
                              .Phase()
                              .Task(0)
                              .Write(Client(0), 100'000, {1, 5000})
                              .HalfClose(Client(0))
                              .Task(1)
                              .ReadToEnd(Server(0), {10, 3000})
                              .Phase()
                              .Task(0)
                              .Abort(Server(0))
                              .Phase()
                              .Task(0)
                              .Read(Client(0), 1, {1})
                              .Close(Client(0))
                              .Read(Client(0), 1, {1})
                              .Read(Client(1), 1, {1});
  const Observation seen = Simulated()->Run(program, 1);
  EXPECT_EQ(seen.at({1, 0, 0}).ToString(), "ok 100000 bytes @100000");
  EXPECT_EQ(seen.at({1, 1, 0}).ToString(), "end 100000 bytes @100000");
  EXPECT_EQ(seen.at({3, 0, 0}).ToString(), "ECONNRESET");
  EXPECT_EQ(seen.at({3, 0, 2}).ToString(), "closed");
  EXPECT_EQ(seen.at({3, 0, 3}).ToString(), "no socket");
}

TEST(Run, AHangIsAnObservation) {
  const Program program = Program()
                              .Phase()
                              .Task(0)
                              .Listen(0, Family::kIpv4, 16)
                              .Connect(0, 0)
                              .Accept(0, 0)
                              .Phase()
                              .Task(0)
                              .Read(Client(0), 1, {1})
                              .Close(Client(0))
                              .Task(1)
                              .Write(Client(0), 1, {1})
                              .Phase()
                              .Task(0)
                              .Read(Server(0), 1, {1});
  const Observation seen = Simulated()->Run(program, 1);
  EXPECT_EQ(seen.at({1, 0, 0}).result, Result::kHung);
  EXPECT_EQ(seen.at({1, 0, 1}).result, Result::kNotReached);
  EXPECT_EQ(seen.at({1, 1, 0}).result, Result::kOk);
  EXPECT_EQ(seen.at({2, 0, 0}).result, Result::kOk);
}

TEST(Run, BytesOfAnotherStreamAreSeen) {
  const Program program = Program()
                              .Phase()
                              .Task(0)
                              .Listen(0, Family::kIpv4, 16)
                              .Connect(0, 0)
                              .Connect(1, 0)
                              .Accept(1, 0)
                              .Write(Client(0), 100, {100})
                              .Phase()
                              .Task(0)
                              .Read(Server(1), 100, {100});
  EXPECT_EQ(Simulated()->Run(program, 1).at({1, 0, 0}).result, Result::kCorrupt);
}

}  // namespace
}  // namespace faultline::conformance
