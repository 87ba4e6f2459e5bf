#include "scenarios/catalogue/transport.h"

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "runtime/check.h"
#include "runtime/combine.h"
#include "runtime/scope.h"
#include "runtime/stream_io.h"
#include "scenarios/catalogue/talk_checker.h"
#include "scenarios/catalogue/talk_wires.h"
#include "scenarios/catalogue/talker.h"
#include "scenarios/harness/stage.h"
#include "sim/host.h"
#include "transports/message/bugs.h"

namespace faultline::catalogue {
namespace {

constexpr uint16_t kPort = 9000;
constexpr uint32_t kClients = 2;
constexpr uint32_t kLanes = 2;  // of each client: talks at a time
constexpr Duration kFaultsBegin = 500ms;
constexpr Duration kWindowEnd = 6s;  // no fault lasts longer, no talk begins later
constexpr Duration kConnectPatience = 3s;
constexpr Duration kBound = 90s;  // from the end of the last fault to the end of the last talk

// One run of the scenario.
template <typename Wire>
class TransportRun {
 public:
  TransportRun(const harness::RunOptions& options, const harness::RunHooks& hooks)
      : checker_([this](absl::Status broken) { world()->Fail(std::move(broken)); }),
        stage_(options, hooks) {
    for (const std::string& bug : options.bugs) {
      FAULTLINE_CHECK(message::EnableBug(bug, &bugs_).ok()) << "no planted bug is called " << bug;
    }
    limits_.excused = options.faults != sim::FaultLevel::kNone;
    connection_.bugs = &bugs_;
    connection_.reader.receive_buffer_bytes = size_t{512} << Draw(8);
    connection_.reader.receive_buffer_max_bytes = connection_.reader.receive_buffer_bytes;
    connection_.reader.direct_bytes = size_t{1024} << Draw(5);
    server_ = world()->AddHost({.name = "server"});
    for (uint32_t i = 0; i < kClients; ++i) world()->AddHost({.name = "client"});
  }

  harness::RunReport Run() {
    server_->Boot([this](const Runtime& runtime) { return Serve(runtime); });
    for (uint32_t i = 1; i <= kClients; ++i) {
      world()->host(i)->Boot([this](const Runtime& runtime) { return TalkALot(runtime); });
    }
    stage_.DrawFaults(Faults());
    FailWhenLate();
    const sim::Verdict verdict = stage_.Run({.until = 1h});
    stage_.Count("messages received", checker_.messages());
    stage_.Count("clean ends", checker_.clean_ends());
    stage_.Count("torn ends", checker_.torn_ends());
    stage_.Count("messages refused for their size", checker_.refusals());
    return stage_.Report(verdict);
  }

 private:
  sim::World* world() { return stage_.world(); }
  uint64_t Draw(uint64_t bound) {
    return stage_.chooser()->Below(sim::Choice::kApplication, bound);
  }

  sim::FaultPlanConfig Faults() const {
    sim::FaultPlanConfig config{.begin = kFaultsBegin,
                                .end = kWindowEnd,
                                .replicas = {0},
                                .clients = {1, 2},
                                .replica_plane = false};
    // No replicas that restart, no datagrams.
    config.without = {sim::Fault::kCrash, sim::Fault::kDuplication, sim::Fault::kMtu};
    // Only clients take ephemeral ports.
    if (stage_.options().plane == harness::Aim::kReplica)
      config.without.push_back(sim::Fault::kPorts);
    return config;
  }

  void FailWhenLate() {
    const Duration begin = std::max(kWindowEnd, stage_.faults_end());
    world()->At(MonotonicTime(begin + kBound), [this] {
      world()->Fail(absl::DeadlineExceededError(
          "invariant ends: a talk has not ended 90 s after the last fault"));
    });
  }

  void OnTalkEnd() {
    if (--open_ == 0 && lanes_ == 0) world()->Stop();
  }

  // --- The server ---

  Task<void> Serve(Runtime runtime) {
    Scope talks(co_await ThisTask());
    auto listener = Wire::Listen({runtime, &talks, connection_}, Endpoint::Ipv4Any(kPort));
    FAULTLINE_CHECK(listener.ok()) << listener.status();
    while (true) {
      auto accepted = co_await listener->Accept();
      if (accepted.ok()) talks.Spawn(Answer(runtime, *std::move(accepted)));
    }
  }

  Task<void> Answer(Runtime runtime, typename Wire::Connection connection) {
    ++open_;
    Talker talker(runtime, &checker_, {connection.peer_address(), false}, limits_);
    constexpr Ending kEndings[] = {Ending::kFinish, Ending::kFinish, Ending::kFinish,
                                   Ending::kAbort,  Ending::kCancel, Ending::kTooLarge};
    const Ending ending = kEndings[runtime.random->Below(std::size(kEndings))];
    co_await talker.Talk(std::move(connection), ending);
    OnTalkEnd();
  }

  // --- The clients ---

  Task<void> TalkALot(Runtime runtime) {
    Scope lanes(co_await ThisTask());
    for (uint32_t i = 0; i < kLanes; ++i) lanes.Spawn(Lane({runtime, &lanes, connection_}));
    co_await lanes.Join();
  }

  Task<void> Lane(WireEnvironment environment) {
    const Runtime& runtime = environment.runtime;
    ++lanes_;
    ++open_;
    while (world()->now() < MonotonicTime(kWindowEnd)) {
      constexpr Ending kEndings[] = {Ending::kFinish, Ending::kFinish, Ending::kAbort,
                                     Ending::kCancel, Ending::kTorn,   Ending::kTooLarge};
      const Ending ending = kEndings[runtime.random->Below(std::size(kEndings))];
      co_await (ending == Ending::kTorn ? BreakOff(environment) : TalkOnce(environment, ending));
      (void)co_await runtime.clock->SleepFor(runtime.random->Between(Duration::zero(), 50ms));
    }
    --lanes_;
    OnTalkEnd();
  }

  Task<void> TalkOnce(WireEnvironment environment, Ending ending) {
    const Runtime runtime = environment.runtime;
    auto connection =
        co_await Deadline(runtime.clock, runtime.clock->Now() + kConnectPatience,
                          Wire::Connect(environment, server_->Address(sim::Plane::kClient, kPort)));
    if (!connection.ok()) co_return;
    Talker talker(runtime, &checker_, {connection->local_address(), true}, limits_);
    co_await talker.Talk(*std::move(connection), ending);
  }

  // A few whole messages and a part of another, on the bare stream, as somebody's broken program.
  Task<void> BreakOff(WireEnvironment environment) {
    const Runtime runtime = environment.runtime;
    auto bare = co_await Deadline(
        runtime.clock, runtime.clock->Now() + kConnectPatience,
        Wire::ConnectBare(environment, server_->Address(sim::Plane::kClient, kPort)));
    if (!bare.ok()) co_return;
    Stream* stream = bare->stream();
    const TalkId talk{stream->local_address(), true};
    const uint64_t salt = checker_.OnBegin(talk, Ending::kTorn);
    const uint64_t whole = runtime.random->Below(4);
    checker_.OnSending(salt, whole + 1);
    absl::Status sent = co_await Deadline(runtime.clock, runtime.clock->Now() + limits_.patience,
                                          SendTorn(runtime, stream, salt, whole));
    if (!sent.ok() || !stream->ShutdownWrite().ok()) co_return;
    (void)co_await Deadline(runtime.clock, runtime.clock->Now() + limits_.patience,
                            ReadToEnd(stream));
    (void)stream->Close();
  }

  Task<absl::Status> SendTorn(Runtime runtime, Stream* stream, uint64_t salt, uint64_t whole) {
    for (uint64_t i = 1; i <= whole + 1; ++i) {
      const size_t size = runtime.random->Below(2000);
      const message::Message message = MakeTalkMessage(runtime.buffers, salt, i, size);
      const size_t part = 1 + runtime.random->Below(message.size() - 1);
      const std::string header = Wire::FrameHeader(message.size());
      absl::Status sent = co_await WriteAll(stream, std::as_bytes(std::span(header)));
      if (!sent.ok()) co_return sent;
      sent = co_await WriteAll(stream,
                               message.frozen().bytes().first(i <= whole ? message.size() : part));
      if (!sent.ok()) co_return sent;
    }
    co_return absl::OkStatus();
  }

  Task<absl::Status> ReadToEnd(Stream* stream) {
    std::byte buffer[4096];
    while (true) {
      absl::StatusOr<size_t> read = co_await stream->Read(buffer);
      if (!read.ok()) co_return read.status();
      if (*read == 0) co_return absl::OkStatus();
    }
  }

  message::TransportBugs bugs_;
  TalkLimits limits_;
  message::StreamConnectionOptions connection_;
  TalkChecker checker_;
  uint32_t lanes_ = 0;  // that go on
  uint32_t open_ = 0;   // lanes, and talks of the server
  sim::Host* server_ = nullptr;
  harness::Stage stage_;  // last: the world dies before what its tasks use
};

class TransportScenario final : public harness::Scenario {
 public:
  TransportScenario() {
    info_.name = "transport";
    info_.summary = "messages over the bare transport; connections that end in every way";
    info_.story =
        "Two clients talk to a server over many short connections, both ways at once. Each "
        "direction "
        "ends as drawn: with a half-close, an abort, a batch that is given up while it is being "
        "sent, a stream that ends within a frame, or a message that is too large. Readers give up "
        "reading again and again and go on. Buffers differ from seed to seed. Checked: messages "
        "arrive whole, once and in order; a clean end is reported only after a half-close and "
        "everything before it; torn and oversized frames give their own errors, polite senders "
        "none; "
        "a failed writer stays dead and takes its reader along; every talk ends.";
    info_.default_faults = sim::FaultLevel::kSwarm;
    info_.default_scheduling = sim::Scheduling::kRandom;
    info_.transports = {"tcp", "ws"};
    for (const auto& bug : message::TransportBugCatalog()) {
      info_.bugs.push_back({std::string(bug.name), std::string(bug.what), std::string(bug.origin)});
      if (!bug.over_websocket) info_.bugs.back().transports = {"tcp"};
    }
  }

  const harness::ScenarioInfo& info() const override { return info_; }
  harness::RunReport Run(const harness::RunOptions& options,
                         const harness::RunHooks& hooks) const override {
    if (options.transport == "ws") return TransportRun<WebSocketWire>(options, hooks).Run();
    return TransportRun<TcpWire>(options, hooks).Run();
  }

 private:
  harness::ScenarioInfo info_;
};

}  // namespace

std::unique_ptr<harness::Scenario> MakeTransportScenario() {
  return std::make_unique<TransportScenario>();
}

}  // namespace faultline::catalogue
