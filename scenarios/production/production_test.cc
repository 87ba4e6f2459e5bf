// Goal: the programs do in production what their help and the README say: three nodes serve a load
// through the violent death of a backup and its return, nothing that was acknowledged is missing or
// moved on any of them, and everybody ends in good order; and what they cannot do they say, with
// the exit code for it. Method: processes on loopback. Steps follow what the processes say, never a
// clock; the load's own verification reads all three logs from outside.

#include <signal.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/backend/backend.h"
#include "runtime/epoll/loop.h"
#include "scenarios/production/child.h"
#include "scenarios/production/reserved_port.h"
#include "transports/tls/certificate.h"

namespace faultline::production {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kNode[] = "scenarios/node/node";
constexpr char kLoad[] = "scenarios/load/load";

using Command = std::vector<std::string>;

// The number behind `before` in `text`; -1 if there is none.
long NumberBehind(const std::string& text, const std::string& before) {
  const size_t at = text.find(before);
  if (at == std::string::npos) return -1;
  return std::strtol(text.c_str() + at + before.size(), nullptr, 10);
}

// What stands in quotes behind `before`.
std::string QuotedBehind(const std::string& text, const std::string& before) {
  const size_t at = text.find(before + "\"");
  if (at == std::string::npos) return "";
  const size_t begin = at + before.size() + 1;
  return text.substr(begin, text.find('"', begin) - begin);
}

// Waits until `load` has had at least `more` entries answered since its last line that was read.
bool WaitForProgress(Child* load, long more) {
  static constexpr char kTotal[] = "total ";
  const long goal = std::max(0L, NumberBehind(load->line(), kTotal)) + more;
  return load->WaitForLine(
      [goal](const std::string& line) { return NumberBehind(line, kTotal) >= goal; });
}

class Cluster {
 public:
  // Clients come by that transport; everybody runs on that backend.
  explicit Cluster(size_t size, const std::string& transport = "tcp",
                   const std::string& backend = "epoll")
      : backend_("--backend=" + backend), replica_ports_(size), client_ports_(size), nodes_(size) {
    if (transport == "tcp") return;
    scheme_ = transport + "://";
    path_ = transport == "ws" || transport == "wss" ? "/ledger" : "";
    secure_ = transport != "ws";
    if (secure_) MakeCertificate();
  }

  Child* Start(size_t replica, const Command& more = {}) {
    Command command = {kNode, "--replica=" + std::to_string(replica),
                       "--peers=" + Addresses(replica_ports_),
                       "--listen=" + scheme_ + client_ports_[replica].address() + path_, backend_};
    if (secure_) {
      command.insert(command.end(), {"--tls-certificate=" + File("certificate.pem"),
                                     "--tls-key=" + File("key.pem")});
    }
    command.insert(command.end(), more.begin(), more.end());
    nodes_[replica] = std::make_unique<Child>("node " + std::to_string(replica), command);
    return nodes_[replica].get();
  }

  // All of them, and waits until they are there for clients and for each other.
  void StartAll(const Command& more = {}) {
    for (size_t i = 0; i < nodes_.size(); ++i) Start(i, more);
    for (const auto& node : nodes_) {
      EXPECT_TRUE(node->WaitForLine("listening for clients on ")) << node->log();
    }
    for (size_t i = 1; i < nodes_.size(); ++i) {
      EXPECT_TRUE(nodes_[i]->WaitForLine("replica 0 connected")) << nodes_[i]->log();
    }
  }

  Child* node(size_t replica) { return nodes_[replica].get(); }
  std::string connect() const { return "--connect=" + Addresses(client_ports_, scheme_, path_); }

  // What a load is told besides.
  Command load_flags() const {
    if (!secure_) return {backend_};
    return {backend_, "--tls-trust=" + File("certificate.pem")};
  }

  void SignalAll(int signal) {
    for (const auto& node : nodes_) node->Signal(signal);
  }

  // Everybody has ended as if asked to.
  void ExpectAllDrained() {
    for (const auto& node : nodes_) {
      EXPECT_EQ(node->WaitForExit(), 0) << node->name() << ":\n" << node->log();
      EXPECT_THAT(node->log(), HasSubstr("stopping: ")) << node->name();
      EXPECT_THAT(node->log(), HasSubstr("drained: ")) << node->name();
    }
  }

 private:
  static std::string Addresses(const std::vector<ReservedPort>& ports,
                               const std::string& scheme = "", const std::string& path = "") {
    std::string addresses;
    for (const ReservedPort& port : ports) {
      addresses += (addresses.empty() ? "" : ",") + scheme + port.address() + path;
    }
    return addresses;
  }

  static std::string File(const std::string& name) { return ::testing::TempDir() + "/" + name; }

  // One for all of them.
  static void MakeCertificate() {
    auto loop = epoll::Loop::Create({});
    ASSERT_TRUE(loop.ok()) << loop.status();
    const Runtime runtime = (*loop)->runtime();
    auto identity = tls::SelfSigned({runtime.entropy, runtime.clock}, {.names = {"127.0.0.1"}});
    ASSERT_TRUE(identity.ok()) << identity.status();
    std::ofstream(File("certificate.pem")) << identity->certificate_chain_pem;
    std::ofstream(File("key.pem")) << identity->private_key_pem;
  }

  const std::string backend_;
  bool secure_ = false;
  std::string scheme_;
  std::string path_;
  std::vector<ReservedPort> replica_ports_;
  std::vector<ReservedPort> client_ports_;
  std::vector<std::unique_ptr<Child>> nodes_;
};

// --- The command line ---

int ExitOf(const char* name, Command command, std::string* log) {
  Child child(name, command);
  const int code = child.WaitForExit().value_or(-1);
  *log = child.log();
  return code;
}

TEST(Production, WhatIsNoCertificateIsFoundAtTheStart) {
  const std::string empty = ::testing::TempDir() + "/empty.pem";
  std::ofstream(empty) << "";
  for (const char* url : {"tls://127.0.0.1:0", "quic://127.0.0.1:0"}) {
    std::string log;
    EXPECT_EQ(ExitOf("node",
                     {kNode, "--replica=0", "--peers=127.0.0.1:0", std::string("--listen=") + url,
                      "--tls-certificate=" + empty, "--tls-key=" + empty},
                     &log),
              2);
    EXPECT_THAT(log, HasSubstr("--tls-certificate: " + empty + " is empty")) << url;
    EXPECT_EQ(
        ExitOf("load", {kLoad, std::string("--connect=") + url, "--tls-trust=" + empty}, &log), 2);
    EXPECT_THAT(log, HasSubstr("--tls-trust: " + empty + " is empty")) << url;
  }
}

// --- The main job ---

using TransportAndBackend = std::tuple<const char*, const char*>;

class ByTransport : public ::testing::TestWithParam<TransportAndBackend> {};
INSTANTIATE_TEST_SUITE_P(Production, ByTransport,
                         ::testing::Combine(::testing::Values("tcp", "tls", "ws", "wss", "quic"),
                                            ::testing::Values("epoll", "io_uring")),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param)) + "_" +
                                  std::get<1>(info.param);
                         });

TEST_P(ByTransport, ABackupIsKilledAndRestartedUnderLoad) {
  const auto [transport, backend] = GetParam();
  if (backend == std::string("io_uring") && !backend::MakeLoop(backend::Backend::kIoUring).ok()) {
    GTEST_SKIP() << "the kernel refuses io_uring here";
  }
  Cluster cluster(3, transport, backend);
  cluster.StartAll();
  Command command = {kLoad,           cluster.connect(), "--clients=8", "--pipeline=1",
                     "--duration=0s", "--timeout=30s",   "--verify",    "--json"};
  const Command more = cluster.load_flags();
  command.insert(command.end(), more.begin(), more.end());
  Child load("load", command);
  ASSERT_TRUE(WaitForProgress(&load, 1000)) << load.log();

  cluster.node(1)->Signal(SIGKILL);
  ASSERT_EQ(cluster.node(1)->WaitForExit(), -SIGKILL);
  ASSERT_TRUE(cluster.node(0)->WaitForLine("replica 1 lost")) << cluster.node(0)->log();
  ASSERT_TRUE(WaitForProgress(&load, 2000)) << "two of three are a majority:\n" << load.log();

  cluster.Start(1);
  ASSERT_TRUE(cluster.node(1)->WaitForLine("replica 0 connected")) << cluster.node(1)->log();
  ASSERT_TRUE(WaitForProgress(&load, 2000)) << load.log();

  load.Signal(SIGTERM);
  ASSERT_EQ(load.WaitForExit(), 0) << load.output() << load.log();
  const std::string& summary = load.output();
  EXPECT_THAT(summary, StartsWith(R"({"passed":true,)"));
  EXPECT_EQ(NumberBehind(summary, R"("finding_count":)"), 0) << summary;
  EXPECT_EQ(NumberBehind(summary, R"("unanswered":)"), 0) << summary;
  EXPECT_EQ(NumberBehind(summary, R"("replicas":)"), 3) << summary;
  const long acknowledged = NumberBehind(summary, R"("acknowledged":)");
  EXPECT_GE(acknowledged, 5000) << summary;
  const std::string verification = summary.substr(summary.find(R"("verification":)"));
  EXPECT_EQ(NumberBehind(verification, R"("acknowledged":)"), acknowledged) << summary;
  EXPECT_EQ(NumberBehind(verification, R"("entries":)"), acknowledged) << "only this load writes";
  EXPECT_EQ(NumberBehind(summary, R"("connections":)"), 8) << "the primary was well all the time";

  cluster.SignalAll(SIGTERM);
  cluster.ExpectAllDrained();
  const std::string held = std::to_string(acknowledged) + " entries, ";
  const std::string log = "log " + QuotedBehind(verification, R"("log":)") + ";";
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_THAT(cluster.node(i)->log(), HasSubstr("drained: " + held));
    EXPECT_THAT(cluster.node(i)->log(), HasSubstr(log));
  }
}

// The ledger lives in memory: one replica alone that is killed loses everything. The load has to
// see that. (It is the proof that the test above can fail.)
TEST(Production, LossIsSeenFromOutside) {
  Cluster cluster(1);
  cluster.StartAll();
  Child load("load", {kLoad, cluster.connect(), "--clients=2", "--pipeline=1", "--duration=0s",
                      "--timeout=1s", "--verify", "--json"});
  ASSERT_TRUE(WaitForProgress(&load, 100)) << load.log();
  cluster.node(0)->Signal(SIGKILL);
  ASSERT_EQ(cluster.node(0)->WaitForExit(), -SIGKILL);
  cluster.Start(0);
  ASSERT_TRUE(cluster.node(0)->WaitForLine("listening for clients")) << cluster.node(0)->log();
  // Its clients find that they are not known any more, and end by themselves.
  ASSERT_EQ(load.WaitForExit(), 1) << load.output() << load.log();
  EXPECT_THAT(load.output(), StartsWith(R"({"passed":false,)"));
  EXPECT_THAT(load.output(), HasSubstr("invariant stands: "));
  EXPECT_THAT(load.output(), HasSubstr("invariant served: "));
}

// --- Signals ---

// Nothing that the primary has taken stays without a majority or without an answer, although all
// nodes are asked to end at once, the backups first.
TEST(Production, NodesDrainUnderLoad) {
  Cluster cluster(3);
  cluster.StartAll({"--drain=1m"});
  Child load("load",
             {kLoad, cluster.connect(), "--clients=8", "--duration=0s", "--timeout=1s", "--json"});
  ASSERT_TRUE(WaitForProgress(&load, 1000)) << load.log();
  for (size_t replica : {1, 2, 0}) cluster.node(replica)->Signal(SIGTERM);
  cluster.ExpectAllDrained();
  load.Signal(SIGINT);
  EXPECT_EQ(load.WaitForExit(), 1) << "it has asked for more than was taken";
  EXPECT_EQ(NumberBehind(load.output(), R"("finding_count":)"), 0) << load.output();
  EXPECT_GT(NumberBehind(load.output(), R"("unanswered":)"), 0) << load.output();
  const std::string taken =
      std::to_string(NumberBehind(load.output(), R"("acknowledged":)")) + " entries, ";
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_THAT(cluster.node(i)->log(), HasSubstr("drained: " + taken)) << load.output();
  }
  EXPECT_THAT(cluster.node(0)->log(),
              HasSubstr(taken + taken.substr(0, taken.find(' ')) + " of them committed"));
}

// --- What an operator is told ---

TEST(Production, APrimaryThatIsRestartedAloneSaysSo) {
  Cluster cluster(3);
  cluster.StartAll();
  Child load("load", {kLoad, cluster.connect(), "--clients=1", "--duration=200ms"});
  ASSERT_EQ(load.WaitForExit(), 0) << load.output() << load.log();
  cluster.node(0)->Signal(SIGKILL);
  ASSERT_EQ(cluster.node(0)->WaitForExit(), -SIGKILL);
  cluster.Start(0);
  EXPECT_TRUE(cluster.node(0)->WaitForLine("this primary has lost its log; replica "))
      << cluster.node(0)->log();
}

TEST(Production, AFullLogIsSaidOnBothSides) {
  Cluster cluster(1);
  Child* node = cluster.Start(0, {"--max-log-entries=10"});
  ASSERT_TRUE(node->WaitForLine("listening for clients")) << node->log();
  Child load("load", {kLoad, cluster.connect(), "--clients=1", "--pipeline=1", "--duration=1m"});
  EXPECT_EQ(load.WaitForExit(), 1) << load.log();
  EXPECT_THAT(load.output(), HasSubstr("the ledger refused entry 11 of "));
  EXPECT_THAT(load.output(), HasSubstr("10 of 11 entries acknowledged"));
  EXPECT_TRUE(node->WaitForLine("the log is full")) << node->log();
  node->Signal(SIGTERM);
  EXPECT_EQ(node->WaitForExit(), 0) << "it lives on:\n" << node->log();
}

TEST(Production, AReplicaThatCannotBeReachedIsNamedWithTheReason) {
  Cluster cluster(3);
  Child* node = cluster.Start(0);
  EXPECT_TRUE(node->WaitForLine([](const std::string& line) {
    return line.find("cannot reach 127.0.0.1:") != std::string::npos &&
           line.find("ECONNREFUSED") != std::string::npos;
  })) << node->log();
}

TEST(Production, IdleNodesDrain) {
  for (int signal : {SIGTERM, SIGINT}) {
    Cluster cluster(3);
    cluster.StartAll();
    cluster.SignalAll(signal);
    cluster.ExpectAllDrained();
  }
}

TEST(Production, ANodeAloneDrains) {
  Cluster cluster(3);
  Child* node = cluster.Start(0);
  ASSERT_TRUE(node->WaitForLine("listening for clients")) << node->log();
  node->Signal(SIGTERM);
  EXPECT_EQ(node->WaitForExit(), 0) << node->log();
}

// A primary without a majority that has taken entries: it cannot commit them.
class Stranded {
 public:
  explicit Stranded(const std::string& drain)
      : cluster_(3),
        node_(cluster_.Start(0, {"--drain=" + drain})),
        load_("load", {kLoad, cluster_.connect(), "--clients=1", "--duration=0s"}) {
    // Its first line: the client is connected, and nothing was answered.
    EXPECT_TRUE(load_.WaitForLine([](const std::string& line) {
      return NumberBehind(line, "total ") == 0 && line.find("connected)") == std::string::npos;
    })) << load_.log();
  }
  Child* node() { return node_; }

 private:
  Cluster cluster_;
  Child* const node_;
  Child load_;
};

TEST(Production, WhatCannotBeCommittedDoesNotHoldUpTheEnd) {
  Stranded stranded("100ms");
  stranded.node()->Signal(SIGTERM);
  EXPECT_EQ(stranded.node()->WaitForExit(), 0) << stranded.node()->log();
  EXPECT_THAT(stranded.node()->log(), HasSubstr(" entries, 0 of them committed"));
}

TEST(Production, ASecondSignalEndsANodeAtOnce) {
  Stranded stranded("1h");
  stranded.node()->Signal(SIGTERM);
  ASSERT_TRUE(stranded.node()->WaitForLine("stopping: ")) << stranded.node()->log();
  stranded.node()->Signal(SIGTERM);
  EXPECT_EQ(stranded.node()->WaitForExit(), -SIGTERM) << stranded.node()->log();
}

// --- Addresses ---

std::string TemporaryPath(const std::string& name) {
  // Short: a Unix path has 107 bytes.
  static const std::string directory = [] {
    std::string path = "/tmp/faultline-XXXXXX";
    return std::string(mkdtemp(path.data()));
  }();
  return directory + "/" + name;
}

TEST(Production, PortZeroIsAFreeOneAndIsSaid) {
  Child node("node", {kNode, "--replica=0", "--peers=127.0.0.1:0", "--listen=127.0.0.1:0"});
  ASSERT_TRUE(node.WaitForLine("listening for clients on ")) << node.log();
  const std::string address = node.line().substr(node.line().rfind(' ') + 1);
  EXPECT_THAT(address, StartsWith("127.0.0.1:"));
  EXPECT_GT(NumberBehind(address, "127.0.0.1:"), 0);
  Child load("load", {kLoad, "--connect=" + address, "--duration=200ms", "--verify"});
  EXPECT_EQ(load.WaitForExit(), 0) << load.output() << load.log();
  EXPECT_THAT(load.output(), StartsWith("passed: "));
}

TEST(Production, UnixSocketsServeToo) {
  const std::string replicas = "unix:" + TemporaryPath("replicas");
  const std::string clients = "unix:" + TemporaryPath("clients");
  Child node("node", {kNode, "--replica=0", "--peers=" + replicas, "--listen=" + clients});
  ASSERT_TRUE(node.WaitForLine("listening for clients on " + clients)) << node.log();
  Child load("load", {kLoad, "--connect=" + clients, "--duration=200ms", "--verify"});
  EXPECT_EQ(load.WaitForExit(), 0) << load.output() << load.log();
}

TEST(Production, AnAddressInUseIsNamed) {
  ReservedPort taken;
  taken.Occupy();
  ReservedPort free;
  for (const auto& [peers, listen, whose] :
       {std::array{taken.address(), free.address(), std::string("replicas")},
        std::array{free.address(), taken.address(), std::string("clients")}}) {
    Child node("node", {kNode, "--replica=0", "--peers=" + peers, "--listen=" + listen});
    EXPECT_EQ(node.WaitForExit(), 1);
    EXPECT_THAT(node.log(),
                HasSubstr("node: cannot listen for " + whose + " on " + taken.address() + ": "));
    EXPECT_THAT(node.log(), HasSubstr("EADDRINUSE"));
  }
}

TEST(Production, APathThatCannotBeIsNamed) {
  const std::string nowhere = "unix:" + TemporaryPath("no/such/folder");
  Child node("node", {kNode, "--replica=0", "--peers=127.0.0.1:0", "--listen=" + nowhere});
  EXPECT_EQ(node.WaitForExit(), 1);
  EXPECT_THAT(node.log(), HasSubstr("node: cannot listen for clients on " + nowhere + ": "));
}

TEST(Production, NobodyThereIsAFailure) {
  ReservedPort nobody;
  Child load("load", {kLoad, "--connect=" + nobody.address(), "--duration=50ms", "--timeout=50ms"});
  EXPECT_EQ(load.WaitForExit(), 1);
  EXPECT_THAT(load.output(), StartsWith("FAILED: 0 of "));
  EXPECT_THAT(load.log(), HasSubstr("cannot reach " + nobody.address() + ": "));
  EXPECT_THAT(load.log(), HasSubstr("ECONNREFUSED"));
}

// --- Command lines ---

TEST(Production, BadCommandLinesAreRefused) {
  const std::vector<std::pair<Command, std::string>> cases = {
      {{kNode}, "node: --replica is needed; try --help"},
      {{kNode, "--replica=zero"}, "node: --replica: 'zero' is not a whole number"},
      {{kNode, "--repica=0"}, "did you mean --replica?"},
      {{kNode, "--replica=0", "--peers=unix:a,unix:b", "--listen=unix:c"}, "an odd number"},
      {{kNode, "serve"}, "'serve' is not a flag"},
      {{kLoad}, "load: --connect is needed; try --help"},
      {{kLoad, "--connect=localhost"}, "load: --connect: "},
      {{kLoad, "--connect=unix:a", "--rate=-1"}, "load: --rate: '-1' is not a whole number"},
      {{kLoad, "--connect=unix:a", "--duration=long"}, "load: --duration: 'long' is not a time"},
  };
  for (const auto& [command, message] : cases) {
    Child program(command.front(), command);
    EXPECT_EQ(program.WaitForExit(), 2) << message;
    EXPECT_THAT(program.log(), HasSubstr(message));
    EXPECT_EQ(program.output(), "");
  }
}

TEST(Production, HelpIsGiven) {
  for (const char* path : {kNode, kLoad}) {
    Child program(path, {path, "--help"});
    EXPECT_EQ(program.WaitForExit(), 0);
    EXPECT_THAT(program.output(), HasSubstr("Exit codes: "));
    EXPECT_EQ(program.log(), "");
  }
}

}  // namespace
}  // namespace faultline::production
