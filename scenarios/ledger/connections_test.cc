// Goal: whoever connects, and whatever they say, the service serves those who keep to its protocol,
// tells the others why not, and stays within its limits.
// Method: replicas in simulation, and peers made by hand that do what the service's own never
// would.
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "scenarios/ledger/testing/bare_cluster.h"
#include "scenarios/ledger/testing/stranger.h"

namespace faultline::ledger {
namespace {

using message::Command;
using message::ReplyFields;
using message::ReplyStatus;

constexpr ClientId kStranger{0, 99};

MonotonicTime At(Duration since_start) { return MonotonicTime(since_start); }

// --- Entries ---

// What came of an append.
struct Appended {
  absl::Status sent{};
  ReplyStatus status = ReplyStatus::kStaleRequest;
  uint64_t op = 0;
  absl::Status ending{};  // of the connection, behind a refusal
};

Task<void> AppendOf(Stranger* stranger, uint64_t number, size_t size, Appended* result) {
  result->sent = co_await stranger->SendRequest({kStranger, number}, std::vector<std::byte>(size));
  absl::StatusOr<message::Message> reply = co_await stranger->Receive();
  if (!reply.ok() || reply->command() != Command::kReply) {
    result->ending = reply.status();
    co_return;
  }
  result->status = reply->Fields<ReplyFields>().status;
  result->op = reply->Fields<ReplyFields>().op;
  if (result->status != ReplyStatus::kOk) result->ending = co_await stranger->SayGoodbye();
}

// An entry of `first` bytes, and one of `second` bytes.
Task<void> AppendTwo(Runtime runtime, Endpoint server, size_t first, size_t second,
                     std::vector<Appended>* results) {
  (void)co_await runtime.clock->SleepFor(1s);
  Stranger stranger(runtime, Party::Client(kStranger));
  EXPECT_TRUE((co_await stranger.Greet(server, {.sequence = 1})).ok());
  results->resize(2);
  co_await AppendOf(&stranger, 1, first, &(*results)[0]);
  co_await AppendOf(&stranger, 2, second, &(*results)[1]);
}

// The largest frame that the primary accepts from a client is larger than the largest entry that a
// backup could ever be given: that one is refused, and a backup that restarts gets the others.
TEST(EntriesTest, TheLargestOneIsCaughtUpOnAndALargerOneIsRefused) {
  BareCluster cluster(3);
  const size_t limit = MaxPayload(*cluster.config());
  const size_t legal_frame = cluster.config()->clients.pipe.max_message_size - message::kHeaderSize;
  ASSERT_LT(limit, legal_frame);
  std::vector<Appended> results;
  cluster.Play("stranger", [&](const Runtime& runtime) {
    return AppendTwo(runtime, cluster.ClientAddress(0), limit, legal_frame, &results);
  });
  cluster.world()->At(At(10s), [&] { cluster.replica(2)->Crash(); });
  cluster.world()->At(At(11s), [&] { cluster.replica(2)->Restart(); });
  cluster.Run(30s);
  EXPECT_EQ(results[0].status, ReplyStatus::kOk);
  EXPECT_EQ(results[0].op, 1u);
  EXPECT_EQ(results[1].status, ReplyStatus::kRefused);
  EXPECT_TRUE(message::IsConnectionClosed(results[1].ending)) << results[1].ending;
  for (ReplicaId id = 0; id < 3; ++id) EXPECT_EQ(cluster.log(id).last_op(), 1u) << int{id};
  EXPECT_EQ(cluster.log(2).chain(), cluster.log(0).chain());
}

// --- A log that is full ---

Task<void> AppendUntilRefused(Runtime runtime, Endpoint server, std::vector<Appended>* results) {
  (void)co_await runtime.clock->SleepFor(1s);
  Stranger stranger(runtime, Party::Client(kStranger));
  EXPECT_TRUE((co_await stranger.Greet(server, {.sequence = 1})).ok());
  results->resize(5);
  for (uint64_t n = 1; n <= 4; ++n) co_await AppendOf(&stranger, n, 10, &(*results)[n - 1]);
  // What it holds it goes on serving.
  EXPECT_TRUE((co_await stranger.Greet(server, {.sequence = 2, .op = 4})).ok());
  co_await AppendOf(&stranger, 3, 10, &(*results)[4]);
}

TEST(EntriesTest, AFullLogRefusesAndLivesOn) {
  BareCluster cluster(3);
  cluster.log_limits()->max_entries = 3;
  std::vector<Appended> results;
  cluster.Play("stranger", [&](const Runtime& runtime) {
    return AppendUntilRefused(runtime, cluster.ClientAddress(0), &results);
  });
  cluster.Run(20s);
  for (size_t n = 1; n <= 3; ++n) {
    EXPECT_EQ(results[n - 1].status, ReplyStatus::kOk);
    EXPECT_EQ(results[n - 1].op, n);
  }
  EXPECT_EQ(results[3].status, ReplyStatus::kRefused);
  EXPECT_TRUE(message::IsConnectionClosed(results[3].ending)) << results[3].ending;
  EXPECT_EQ(results[4].status, ReplyStatus::kOk) << "a retry";
  EXPECT_EQ(results[4].op, 3u);
  for (ReplicaId id = 0; id < 3; ++id) EXPECT_EQ(cluster.log(id).last_op(), 3u) << int{id};
}

// --- The service's own client ---

// A primary that refuses whatever it is asked for.
Task<void> RefuseAll(Runtime runtime, Endpoint local, int* accepted) {
  FakeServer server(runtime, Party::Replica(0), 1);
  EXPECT_TRUE(server.Listen(local).ok());
  while (true) {
    absl::StatusOr<Guest> guest = co_await server.Accept();
    if (!guest.ok()) continue;
    ++*accepted;
    (void)co_await guest->Send(server.frames().Pong({.sequence = guest->ping.sequence}));
    absl::StatusOr<message::Message> request = co_await guest->reader.ReadMessage(size_t{1} << 20);
    if (!request.ok()) continue;
    const auto fields = request->Fields<message::RequestFields>();
    (void)co_await guest->Send(server.frames().Refusal(
        {ClientFromWire(fields.client), fields.request}, DigestFromWire(fields.request_checksum)));
    (void)co_await guest->ReadToTheEnd();
  }
}

Task<void> RunClientInto(Runtime runtime, ClientConfig config, WorkloadConfig workload,
                         StopSource* stop, std::optional<ClientReport>* result) {
  absl::StatusOr<ClientReport> report =
      co_await WithStop(stop, RunTcpClient(std::move(config), workload, runtime, {}));
  EXPECT_TRUE(report.ok()) << report.status();
  if (report.ok()) *result = *std::move(report);
}

TEST(ClientTest, ARefusedEntryHasFailed) {
  BareCluster cluster(1);
  int accepted = 0;
  StopSource stop;
  std::optional<ClientReport> report;
  cluster.PlayReplica(0, [&](const Runtime& runtime) {
    return RefuseAll(runtime, cluster.ClientAddress(0), &accepted);
  });
  cluster.Play("client", [&](const Runtime& runtime) {
    return RunClientInto(runtime, {.servers = {cluster.ClientAddress(0)}}, {.entries = 5}, &stop,
                         &report);
  });
  cluster.Run(30s);
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->acknowledged, 0u);
  EXPECT_EQ(report->status.code(), absl::StatusCode::kFailedPrecondition) << report->status;
  EXPECT_NE(report->status.message().find("refused entry 1 of"), std::string::npos);
  EXPECT_EQ(accepted, 1) << "it does not try again";
}

// --- Back-off ---

// Accepts and says nothing; notes when.
Task<void> AcceptInSilence(Runtime runtime, Endpoint local, std::vector<MonotonicTime>* at) {
  FakeServer server(runtime, Party::Replica(1));
  EXPECT_TRUE(server.Listen(local).ok());
  std::vector<tcp::Connection> held;
  while (true) {
    absl::StatusOr<tcp::Connection> connection = co_await server.AcceptUnheard();
    if (!connection.ok()) continue;
    at->push_back(runtime.clock->Now());
    held.push_back(*std::move(connection));
  }
}

// The handshake alone takes longer than the longest wait: each attempt lasts, and none succeeds.
constexpr Duration kGrace = 3s;

void ExpectWaitsToGrow(const std::vector<MonotonicTime>& attempts) {
  ASSERT_GE(attempts.size(), 10u);
  const BackoffLimits limits;
  EXPECT_LT(attempts[1] - attempts[0], kGrace + limits.min * 2);
  for (size_t i = 8; i < attempts.size(); ++i) {
    EXPECT_GE(attempts[i] - attempts[i - 1], kGrace + limits.max / 2) << "attempt " << i;
  }
}

TEST(BackoffTest, AReplicaWaitsLongerForASilentHost) {
  BareCluster cluster(3);
  cluster.config()->replicas.handshake_grace = kGrace;
  std::vector<MonotonicTime> attempts;
  cluster.PlayReplica(1, [&](const Runtime& runtime) {
    return AcceptInSilence(runtime, cluster.ReplicaAddress(1), &attempts);
  });
  cluster.Run(60s);
  ExpectWaitsToGrow(attempts);
}

TEST(BackoffTest, AClientWaitsLongerForASilentHost) {
  BareCluster cluster(1);
  StopSource stop;
  std::optional<ClientReport> report;
  std::vector<MonotonicTime> attempts;
  cluster.PlayReplica(0, [&](const Runtime& runtime) {
    return AcceptInSilence(runtime, cluster.ClientAddress(0), &attempts);
  });
  cluster.Play("client", [&](const Runtime& runtime) {
    ClientConfig config{.servers = {cluster.ClientAddress(0)}};
    config.dial.handshake_grace = kGrace;
    return RunClientInto(runtime, config, {.entries = 1}, &stop, &report);
  });
  cluster.Run(60s);
  ExpectWaitsToGrow(attempts);
}

// --- Sessions ---

// Short lives of clients, one after the other; how many were turned away.
Task<void> LiveShortly(Runtime runtime, Endpoint server, uint64_t count, bool append, bool politely,
                       int* rejected) {
  (void)co_await runtime.clock->SleepFor(1s);
  for (uint64_t i = 1; i <= count; ++i) {
    const ClientId id{7, i};
    Stranger stranger(runtime, Party::Client(id));
    if (!(co_await stranger.Greet(server, {.sequence = 1})).ok()) {
      ++*rejected;
      continue;
    }
    if (append) {
      (void)co_await stranger.SendRequest({id, 1}, {});
      EXPECT_TRUE((co_await stranger.Receive()).ok());
    }
    if (politely) (void)co_await stranger.SayGoodbye();
    stranger.Abort();
  }
}

int TurnedAway(bool append, bool politely) {
  BareCluster cluster(1);
  SetMaxClients(4, cluster.config());  // 16 sessions
  int rejected = 0;
  cluster.Play("clients", [&](const Runtime& runtime) {
    return LiveShortly(runtime, cluster.ClientAddress(0), 40, append, politely, &rejected);
  });
  cluster.Run(1min);
  return rejected;
}

TEST(SessionsTest, ClientsThatSayGoodbyeLeaveRoomForOthers) {
  EXPECT_EQ(TurnedAway(true, true), 0);
  EXPECT_EQ(TurnedAway(false, true), 0);
}

TEST(SessionsTest, ClientsThatAppendNothingTakeNoRoom) { EXPECT_EQ(TurnedAway(false, false), 0); }

// They may return and ask again.
TEST(SessionsTest, ClientsThatAreCutOffKeepTheirSessions) {
  EXPECT_EQ(TurnedAway(true, false), 40 - 16);
}

// --- Limits ---

// Connects and says nothing until the other side ends it.
Task<void> ConnectInSilence(Runtime runtime, Endpoint server) {
  tcp::Connector connector(runtime.network, runtime.buffers, {});
  absl::StatusOr<tcp::Connection> connection = co_await connector.Connect(server);
  if (connection.ok()) (void)co_await connection->ReadMessage(message::kHeaderSize);
}

Task<void> ConnectManyInSilence(Runtime runtime, Endpoint server, int count) {
  (void)co_await runtime.clock->SleepFor(1s);
  Scope scope(co_await ThisTask());
  for (int i = 0; i < count; ++i) scope.Spawn(ConnectInSilence(runtime, server));
  co_await scope.Join();
}

// Notes what came of a handshake at `when`.
Task<void> GreetAt(Runtime runtime, MonotonicTime when, Endpoint server, uint64_t id, Duration stay,
                   std::vector<absl::Status>* results) {
  (void)co_await runtime.clock->SleepUntil(when);
  Stranger stranger(runtime, Party::Client({8, id}));
  results->push_back(co_await stranger.Greet(server, {.sequence = 1}));
  (void)co_await runtime.clock->SleepFor(stay);
}

TEST(LimitsTest, SoManyHandshakesAreUnderWayAndNoMore) {
  BareCluster cluster(1);
  cluster.config()->clients.max_handshakes = 4;
  cluster.config()->clients.handshake_grace = 5s;
  std::vector<absl::Status> results;
  const Endpoint server = cluster.ClientAddress(0);
  cluster.Play("silent",
               [=](const Runtime& runtime) { return ConnectManyInSilence(runtime, server, 10); });
  for (Duration when : {2s, 7s}) {
    cluster.Play("client", [=, &results](const Runtime& runtime) {
      return GreetAt(runtime, At(when), server, 1, 0s, &results);
    });
  }
  cluster.world()->At(At(9s), [&] { cluster.Stop(0); });
  cluster.Run(20s);
  ASSERT_EQ(results.size(), 2u);
  EXPECT_FALSE(results[0].ok()) << "the silent ones hold every place";
  EXPECT_TRUE(results[1].ok()) << "they have had their time: " << results[1];
  ASSERT_TRUE(cluster.report(0).has_value());
  EXPECT_EQ(cluster.report(0)->counters.refused, 7u);
  EXPECT_EQ(cluster.report(0)->counters.admitted, 1u);
}

TEST(LimitsTest, SoManyConnectionsAreServedAndNoMore) {
  BareCluster cluster(1);
  SetMaxClients(3, cluster.config());
  std::vector<absl::Status> results;
  for (uint64_t id = 1; id <= 5; ++id) {
    cluster.Play("client", [&, id](const Runtime& runtime) {
      // The last one comes when the others have gone.
      const MonotonicTime when = At(id < 5 ? 1s * static_cast<int64_t>(id) : 30s);
      return GreetAt(runtime, when, cluster.ClientAddress(0), id, 10s, &results);
    });
  }
  cluster.Run(1min);
  ASSERT_EQ(results.size(), 5u);
  for (size_t i : {0, 1, 2, 4}) EXPECT_TRUE(results[i].ok()) << i << ": " << results[i];
  EXPECT_FALSE(results[3].ok());
}

// Asks for the log again and again, and reads nothing of it.
Task<void> AskAndDoNotRead(Runtime runtime, Endpoint server, uint64_t id, int requests) {
  (void)co_await runtime.clock->SleepFor(10s);
  Stranger reader(runtime, Party::Reader({9, id}));
  if (!(co_await reader.Greet(server, {.sequence = 1})).ok()) co_return;
  for (int i = 0; i < requests; ++i) {
    if (!(co_await reader.Send(reader.frames().CatchUpRequest(1, {}, 1))).ok()) co_return;
  }
  (void)co_await runtime.clock->SleepFor(1h);
}

TEST(LimitsTest, WhatWaitsInAPlaneIsBoundedAndTheLongestQueuePays) {
  BareCluster cluster(1);
  cluster.config()->clients.max_queued_bytes = size_t{4} << 20;
  StopSource stop;
  std::optional<ClientReport> report;
  for (uint64_t id = 1; id <= 8; ++id) {
    cluster.Play("reader", [&, id](const Runtime& runtime) {
      return AskAndDoNotRead(runtime, cluster.ClientAddress(0), id, 40);
    });
  }
  WorkloadConfig workload{.entries = WorkloadConfig::kEndless};
  workload.payload_min = 4096;
  workload.payload_max = 4096;
  cluster.Play("client", [&, workload](const Runtime& runtime) {
    return RunClientInto(runtime, {.servers = {cluster.ClientAddress(0)}}, workload, &stop,
                         &report);
  });
  cluster.world()->At(At(15s), [&] { stop.RequestStop(); });
  cluster.world()->At(At(25s), [&] { cluster.Stop(0); });
  cluster.Run(40s);
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->acknowledged, report->issued);
  EXPECT_EQ(report->connections, 1u) << "it reads its replies: nothing was taken from it";
  ASSERT_TRUE(cluster.report(0).has_value());
  EXPECT_GT(cluster.report(0)->counters.shed, 0u);
  EXPECT_LT(cluster.report(0)->counters.shed, 8u) << "no more than had to";
}

// --- One id, several connections ---

Task<void> ComeTwice(Runtime runtime, Endpoint server, std::vector<absl::Status>* results) {
  (void)co_await runtime.clock->SleepFor(1s);
  Stranger first(runtime, Party::Client(kStranger)), second(runtime, Party::Client(kStranger)),
      third(runtime, Party::Client(kStranger)), other(runtime, Party::Client(kStranger));
  results->push_back(co_await first.Greet(server, {.sequence = 1}));
  results->push_back(co_await second.Greet(server, {.sequence = 2}));
  results->push_back((co_await first.Receive()).status());
  results->push_back(co_await third.Greet(server, {.sequence = 1}));
  (void)co_await second.SendRequest({kStranger, 1}, {});
  results->push_back((co_await second.Receive()).status());
  // Somebody else drew the same id, and has sent nothing yet.
  results->push_back(co_await other.Greet(server, {.sequence = 3, .op = 0}));
  (void)co_await second.SendRequest({kStranger, 2}, {});
  results->push_back((co_await second.Receive()).status());
}

TEST(IdsTest, TheNewerConnectionOfAClientServes) {
  BareCluster cluster(1);
  std::vector<absl::Status> results;
  cluster.Play("client", [&](const Runtime& runtime) {
    return ComeTwice(runtime, cluster.ClientAddress(0), &results);
  });
  cluster.Run(1min);
  ASSERT_EQ(results.size(), 7u);
  EXPECT_TRUE(results[0].ok()) << results[0];
  EXPECT_TRUE(results[1].ok()) << results[1];
  EXPECT_TRUE(!results[2].ok() && !message::IsConnectionClosed(results[2]))
      << "the older one is cut off: " << results[2];
  EXPECT_EQ(results[3].code(), absl::StatusCode::kAlreadyExists) << "it was given up";
  EXPECT_TRUE(results[4].ok()) << results[4];
  EXPECT_EQ(results[5].code(), absl::StatusCode::kAlreadyExists) << "another life";
  EXPECT_TRUE(results[6].ok()) << "the first one is left alone: " << results[6];
}

// Nobody can take a replica's place in the plane of the replicas by dialling its superiors.
Task<void> ComeAsReplica(Runtime runtime, Endpoint server, std::vector<absl::Status>* results) {
  (void)co_await runtime.clock->SleepFor(1s);
  for (ReplicaId id : {1, 2}) {
    Stranger stranger(runtime, Party::Replica(id), 77);
    results->push_back(co_await stranger.Greet(server, {.sequence = 1}));
  }
}

TEST(IdsTest, TheLowerReplicaDials) {
  BareCluster cluster(3);
  std::vector<absl::Status> results;
  cluster.Play("stranger", [&](const Runtime& runtime) {
    return ComeAsReplica(runtime, cluster.ReplicaAddress(1), &results);
  });
  cluster.Run(10s);
  ASSERT_EQ(results.size(), 2u);
  for (const absl::Status& result : results) {
    EXPECT_EQ(result.code(), absl::StatusCode::kUnavailable) << result;
  }
  EXPECT_TRUE(cluster.losses().empty()) << "nobody's connection was touched";
}

// --- The deaf ---

std::vector<BareCluster::Notice> Of(const std::vector<BareCluster::Notice>& notices,
                                    const Party& peer) {
  std::vector<BareCluster::Notice> found;
  for (const BareCluster::Notice& notice : notices) {
    if (notice.peer == peer) found.push_back(notice);
  }
  return found;
}

// A backup that shakes hands and never says anything again.
Task<void> BeADeafBackup(Runtime runtime, Endpoint local, int* accepted) {
  FakeServer server(runtime, Party::Replica(1), 7);
  EXPECT_TRUE(server.Listen(local).ok());
  std::vector<Guest> held;
  while (true) {
    absl::StatusOr<Guest> guest = co_await server.Accept();
    if (!guest.ok()) continue;
    ++*accepted;
    (void)co_await guest->Send(server.frames().Pong({.sequence = guest->ping.sequence}));
    held.push_back(*std::move(guest));
  }
}

TEST(DeafTest, ABackupThatNeverAnswersIsGivenUpAndTriedAgain) {
  BareCluster cluster(3);
  int accepted = 0;
  StopSource stop;
  std::optional<ClientReport> report;
  cluster.PlayReplica(1, [&](const Runtime& runtime) {
    return BeADeafBackup(runtime, cluster.ReplicaAddress(1), &accepted);
  });
  cluster.Play("client", [&](const Runtime& runtime) {
    return RunClientInto(runtime, {.servers = {cluster.ClientAddress(0)}}, {.entries = 1000}, &stop,
                         &report);
  });
  cluster.Run(30s);
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->acknowledged, 1000u) << "the other one is enough";
  EXPECT_GE(accepted, 5);
  const std::vector<BareCluster::Notice> losses = Of(cluster.losses(), Party::Replica(1));
  ASSERT_GE(losses.size(), 5u);
  for (const BareCluster::Notice& loss : losses) {
    EXPECT_EQ(loss.status.code(), absl::StatusCode::kDeadlineExceeded) << loss.status;
  }
  const std::vector<BareCluster::Notice> met = Of(cluster.connected(), Party::Replica(1));
  const Duration silence = cluster.config()->replicas.silence;
  const Duration borne = losses[0].at - met[0].at;
  EXPECT_GE(borne, silence);
  EXPECT_LE(borne, silence + 2 * cluster.config()->heartbeat);
}

TEST(DeafTest, AClientThatSaysNothingIsGivenUp) {
  BareCluster cluster(1);
  cluster.config()->clients.silence = 20s;
  std::vector<absl::Status> results;
  cluster.Play("client", [&](const Runtime& runtime) {
    return GreetAt(runtime, At(1s), cluster.ClientAddress(0), 1, 1h, &results);
  });
  cluster.Run(30s);
  ASSERT_EQ(cluster.losses().size(), 1u);
  EXPECT_EQ(cluster.losses()[0].status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_GE(cluster.losses()[0].at, At(21s));
  EXPECT_LE(cluster.losses()[0].at, At(22s));
}

// --- Drain ---

// Everybody is asked to end at once, under load: whatever the primary has taken is committed,
// because the backups stay as long as it needs them, and answered.
TEST(DrainTest, AClusterThatEndsAnswersWhatItHasTaken) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    BareCluster cluster(3, seed);
    StopSource stop;
    std::optional<ClientReport> report;
    WorkloadConfig workload{.entries = WorkloadConfig::kEndless, .pipeline = 16};
    workload.think_max = Duration::zero();
    cluster.Play("client", [&, workload](const Runtime& runtime) {
      return RunClientInto(runtime, {.servers = {cluster.ClientAddress(0)}, .drain_grace = 1s},
                           workload, &stop, &report);
    });
    // Backups first.
    for (ReplicaId id : {1, 2, 0}) {
      cluster.world()->At(At(3s), [&cluster, id] { cluster.Stop(id); });
    }
    cluster.world()->At(At(15s), [&] { stop.RequestStop(); });
    cluster.Run(20s);
    for (ReplicaId id = 0; id < 3; ++id) ASSERT_TRUE(cluster.report(id).has_value()) << int{id};
    const ReplicaReport& primary = *cluster.report(0);
    EXPECT_GT(primary.last_op, 100u);
    EXPECT_EQ(primary.committed, primary.last_op) << "seed " << seed;
    EXPECT_EQ(primary.counters.ended_forced, 0u);
    ASSERT_TRUE(report.has_value());
    EXPECT_EQ(report->acknowledged, primary.committed) << "seed " << seed;
    for (ReplicaId id = 0; id < 3; ++id) {
      EXPECT_LT(cluster.ended_at(id), At(4s)) << "nobody waits longer than it is needed";
    }
  }
}

// A backup that ends alone waits for the primary no longer than it was told to.
TEST(DrainTest, ABackupThatEndsAloneIsBounded) {
  BareCluster cluster(3);
  cluster.config()->drain_grace = 5s;
  cluster.world()->At(At(3s), [&] { cluster.Stop(1); });
  cluster.Run(20s);
  ASSERT_TRUE(cluster.report(1).has_value());
  EXPECT_GE(cluster.ended_at(1), At(8s));
  EXPECT_LE(cluster.ended_at(1), At(9s));
  EXPECT_EQ(cluster.report(1)->counters.ended_forced, 0u);
}

TEST(DrainTest, ABackupWithoutAPrimaryEndsAtOnce) {
  BareCluster cluster(3);
  cluster.world()->At(At(1s), [&] { cluster.replica(0)->Crash(); });
  cluster.world()->At(At(10s), [&] { cluster.Stop(1); });
  cluster.Run(20s);
  ASSERT_TRUE(cluster.report(1).has_value());
  EXPECT_LE(cluster.ended_at(1), At(10500ms));
}

// A client that neither reads nor ends cannot hold up the end.
TEST(DrainTest, ADeafClientIsEndedByForce) {
  BareCluster cluster(1);
  std::vector<absl::Status> results;
  cluster.Play("client", [&](const Runtime& runtime) {
    return GreetAt(runtime, At(1s), cluster.ClientAddress(0), 1, 1h, &results);
  });
  cluster.world()->At(At(3s), [&] { cluster.Stop(0); });
  cluster.Run(20s);
  ASSERT_TRUE(cluster.report(0).has_value());
  EXPECT_EQ(cluster.report(0)->counters.ended_forced, 1u);
  const Duration grace = cluster.config()->clients.pipe.close_grace;
  EXPECT_GE(cluster.ended_at(0), At(3s) + grace);
  EXPECT_LE(cluster.ended_at(0), At(3s) + grace + 100ms);
}

}  // namespace
}  // namespace faultline::ledger
