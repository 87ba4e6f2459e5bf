#include "scenarios/catalogue/echo.h"

#include <array>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/combine.h"
#include "runtime/runtime.h"
#include "runtime/scope.h"
#include "runtime/stream_io.h"
#include "scenarios/harness/stage.h"
#include "sim/host.h"

namespace faultline::catalogue {
namespace {

constexpr uint16_t kPort = 7;
constexpr uint64_t kRounds = 200;
constexpr Duration kPatience = 2s;    // of a client with one attempt
constexpr Duration kWindowEnd = 20s;  // no fault lasts longer
constexpr Duration kBound = 30s;      // from the end of the last fault to the last answer

using Word = std::array<std::byte, 8>;

Word Encode(uint64_t value) {
  Word word;
  std::memcpy(word.data(), &value, sizeof(value));
  return word;
}

// --- The server ---

// Planted bugs. Each shows itself after some right answers on a connection.
struct EchoBugs {
  bool answers_wrongly = false;
  bool falls_silent = false;
};
constexpr uint64_t kRightAnswers = 3;

harness::BugInfo AnswersWrongly() {
  return {"echo-answers-wrongly",
          "from its fourth answer on a connection on, the echo server flips a bit",
          "any server that answers from a buffer that has been reused"};
}

harness::BugInfo FallsSilent() {
  return {"echo-falls-silent",
          "after three answers on a connection the echo server reads on and answers no more",
          "any server that loses the wake-up of its writer"};
}

Task<void> EchoAll(std::unique_ptr<Stream> stream, const EchoBugs* bugs) {
  Word word;
  for (uint64_t asked = 1; (co_await ReadExactly(stream.get(), word)).ok(); ++asked) {
    const bool late = asked > kRightAnswers;
    if (late && bugs->falls_silent) continue;
    if (late && bugs->answers_wrongly) word[0] ^= std::byte{1};
    if (!(co_await WriteAll(stream.get(), word)).ok()) co_return;
  }
  (void)stream->Close();
}

Task<void> Serve(Runtime runtime, const EchoBugs* bugs) {
  auto listener = runtime.network->Listen(Endpoint::Ipv4Any(kPort), {});
  while (!listener.ok()) {  // no descriptor left
    if (!(co_await runtime.clock->SleepFor(100ms)).ok()) co_return;
    listener = runtime.network->Listen(Endpoint::Ipv4Any(kPort), {});
  }
  Scope connections(co_await ThisTask());
  while (true) {
    auto stream = co_await (*listener)->Accept();
    if (!stream.ok()) break;
    connections.Spawn(EchoAll(*std::move(stream), bugs));
  }
  co_await connections.Join();
}

// --- The client ---

// What the client has seen; the checker of this scenario.
struct Answers {
  sim::World* world = nullptr;
  uint64_t right = 0;

  void Check(uint64_t sent, const Word& answer) {
    if (answer == Encode(sent)) {
      ++right;
    } else {
      world->Fail(absl::InternalError(
          absl::StrCat("invariant answers: an answer differs from its question ", sent)));
    }
  }
};

Task<absl::Status> Exchange(Stream* stream, Word question, Word* answer) {
  absl::Status sent = co_await WriteAll(stream, question);
  if (!sent.ok()) co_return sent;
  co_return co_await ReadExactly(stream, *answer);
}

// Asks on one connection from `*next` on until it breaks or everything has been asked.
Task<void> AskOn(Runtime runtime, std::unique_ptr<Stream> stream, uint64_t* next,
                 Answers* answers) {
  while (*next <= kRounds) {
    Word answer;
    absl::Status asked = co_await Deadline(runtime.clock, runtime.clock->Now() + kPatience,
                                           Exchange(stream.get(), Encode(*next), &answer));
    if (!asked.ok()) co_return;  // a destroyed stream is aborted
    answers->Check((*next)++, answer);
    (void)co_await runtime.clock->SleepFor(runtime.random->Between(10ms, 150ms));
  }
  (void)stream->Close();
}

Task<void> AskAll(Runtime runtime, Endpoint server, Answers* answers) {
  for (uint64_t next = 1; next <= kRounds;) {
    auto stream = co_await Deadline(runtime.clock, runtime.clock->Now() + kPatience,
                                    runtime.network->Connect(server, {}));
    if (stream.ok()) co_await AskOn(runtime, *std::move(stream), &next, answers);
    (void)co_await runtime.clock->SleepFor(100ms);
  }
  answers->world->Stop();
}

class EchoScenario final : public harness::Scenario {
 public:
  EchoScenario() {
    info_.name = "echo";
    info_.summary = "a client asks an echo server 200 times and compares each answer";
    info_.story =
        "One server, one client, the client's plane between them. The client sends 200 numbers, "
        "one "
        "after the other, and connects again whenever its connection breaks or 2 s pass without an "
        "answer. Checked: each answer is what was asked; all 200 have come within 30 s of virtual "
        "time after the last fault.";
    info_.default_faults = sim::FaultLevel::kLight;
    info_.default_scheduling = sim::Scheduling::kRandom;
    info_.bugs = {AnswersWrongly(), FallsSilent()};
  }

  const harness::ScenarioInfo& info() const override { return info_; }

  harness::RunReport Run(const harness::RunOptions& options,
                         const harness::RunHooks& hooks) const override {
    Answers answers;
    EchoBugs bugs;
    for (const std::string& bug : options.bugs) {
      (bug == FallsSilent().name ? bugs.falls_silent : bugs.answers_wrongly) = true;
    }
    harness::Stage stage(options, hooks);
    answers.world = stage.world();
    sim::Host* server = stage.world()->AddHost({.name = "server"});
    sim::Host* client = stage.world()->AddHost({.name = "client"});
    const Endpoint address = server->Address(sim::Plane::kClient, kPort);
    server->Boot([&](const Runtime& runtime) { return Serve(runtime, &bugs); });
    client->Boot([&](const Runtime& runtime) { return AskAll(runtime, address, &answers); });
    stage.DrawFaults({.end = kWindowEnd,
                      .replicas = {0},
                      .clients = {1},
                      .crashable = {0},
                      .replica_plane = false,
                      .without = {sim::Fault::kPorts, sim::Fault::kSmallBuffers,
                                  sim::Fault::kDuplication, sim::Fault::kMtu}});
    FailWhenLate(&stage);
    sim::Verdict verdict = stage.Run({.until = 1h});
    stage.Count("right answers", answers.right);
    return stage.Report(verdict);
  }

 private:
  static void FailWhenLate(harness::Stage* stage) {
    sim::World* world = stage->world();
    world->At(MonotonicTime(std::max(kWindowEnd, stage->faults_end()) + kBound), [world] {
      world->Fail(absl::DeadlineExceededError(
          "invariant completes: answers are missing 30 s after the last fault has ended"));
    });
  }

  harness::ScenarioInfo info_;
};

}  // namespace

std::unique_ptr<harness::Scenario> MakeEchoScenario() { return std::make_unique<EchoScenario>(); }

}  // namespace faultline::catalogue
