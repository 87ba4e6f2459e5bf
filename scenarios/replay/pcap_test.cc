// Goal: what --pcap writes is read and decrypted by tshark as it is: the ledger's frames stand in
// it in plaintext, over TLS, WebSocket over TLS and QUIC; faults are comments of packets; the run
// is the same with and without. Method: the program that is shipped, and tshark(1) on its file. A
// frame counts if its seal holds. Skipped, and says so, where tshark is not installed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "scenarios/replay/testing/subprocess.h"
#include "transports/message/header.h"
#include "transports/message/validate.h"

namespace faultline::replay {
namespace {

using message::Command;
using ::testing::HasSubstr;

constexpr char kProgram[] = "scenarios/replay/replay";
constexpr char kTshark[] = "/usr/bin/tshark";
constexpr char kClientPort[] = "8000";
constexpr size_t kFrameMax = 1 << 20;

Outcome Replay(const std::string& line) {
  return RunProgram(kProgram, absl::StrSplit(line, ' ', absl::SkipEmpty()));
}

std::string HashIn(const std::string& output) { return WordAfter(output, "\n  hash "); }

// What tshark prints of the packets that `filter` likes: a line each, the fields behind tabs.
std::vector<std::string> Tshark(const std::string& file, const std::string& filter,
                                const std::vector<std::string>& fields) {
  std::vector<std::string> arguments = {"-n", "-r", file, "-Y", filter, "-T", "fields",
                                        // The replicas' port means something else to tshark.
                                        "-d", "tcp.port==7000,data", "-o",
                                        "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE",
                                        "-o", "ip.check_checksum:TRUE"};
  for (const std::string& field : fields) {
    arguments.push_back("-e");
    arguments.push_back(field);
  }
  const Outcome outcome = RunProgram(kTshark, arguments);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  return absl::StrSplit(outcome.out, '\n', absl::SkipEmpty());
}

// The commands of the whole frames at the beginning of `bytes`.
std::vector<Command> FramesIn(const std::string& bytes) {
  std::vector<Command> commands;
  auto rest = std::as_bytes(std::span(bytes.data(), bytes.size()));
  while (rest.size() >= message::kHeaderSize) {
    const message::HeaderBytes header = rest.first<message::kHeaderSize>();
    const size_t size = message::SizeOf(header);
    if (size > rest.size()) break;
    if (!message::ValidateFrame(rest.first(size), kFrameMax).ok()) break;
    message::Header read;
    std::memcpy(&read, header.data(), sizeof(read));
    commands.push_back(read.command);
    rest = rest.subspan(size);
  }
  return commands;
}

struct Secured {
  std::string transport;
  std::string filter;  // packets with application data,
  std::string field;   // and where that is
};

// A run of the ledger with partitions, a crash and more, captured.
struct Captured {
  std::string file;
  std::string hash;  // of the run
};

std::string LineOf(const std::string& transport) {
  return "--scenario=ledger --seed=7 --faults=swarm --transport=" + transport;
}

// Once for all tests of this process.
const Captured& CaptureOf(const std::string& transport) {
  static std::map<std::string, Captured> all;
  Captured& captured = all[transport];
  if (!captured.file.empty()) return captured;
  captured.file = absl::StrCat(testing::TempDir(), "/ledger-", transport, ".pcapng");
  const Outcome outcome = Replay(LineOf(transport) + " --pcap=" + captured.file);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
  captured.hash = HashIn(outcome.out);
  return captured;
}

class Pcap : public testing::TestWithParam<Secured> {
 public:
  const Captured& captured = CaptureOf(GetParam().transport);
};

class PcapByTshark : public Pcap {
 public:
  void SetUp() override {
    if (access(kTshark, X_OK) != 0) {
      GTEST_SKIP() << "NOT TESTED: " << kTshark << " is not installed; apt-get install tshark";
    }
  }
};

const auto kSecured = testing::Values(Secured{"tls", "tls && data", "data.data"},
                                      Secured{"wss", "tls && websocket && data", "data.data"},
                                      Secured{"quic", "quic.stream_data", "quic.stream_data"});
std::string NameOf(const testing::TestParamInfo<Secured>& info) { return info.param.transport; }
INSTANTIATE_TEST_SUITE_P(Ledger, Pcap, kSecured, &NameOf);
INSTANTIATE_TEST_SUITE_P(Ledger, PcapByTshark, kSecured, &NameOf);

TEST_P(Pcap, ARunIsTheSameWithAndWithout) {
  const Outcome without = Replay(LineOf(GetParam().transport));
  EXPECT_FALSE(captured.hash.empty());
  EXPECT_EQ(captured.hash, HashIn(without.out));
}

TEST_P(PcapByTshark, TheFramesAreFoundInPlaintext) {
  std::map<Command, size_t> to_server;
  std::map<Command, size_t> from_server;
  const std::string transport = GetParam().transport == "quic" ? "udp" : "tcp";
  for (const std::string& line :
       Tshark(captured.file, GetParam().filter,
              {transport + ".srcport", transport + ".checksum.status", GetParam().field})) {
    const std::vector<std::string> columns = absl::StrSplit(line, '\t');
    ASSERT_EQ(columns.size(), 3u) << line;
    EXPECT_EQ(columns[1], "1") << "checksum: " << line;
    auto* found = columns[0] == kClientPort ? &from_server : &to_server;
    for (absl::string_view part : absl::StrSplit(columns[2], ',')) {
      for (Command command : FramesIn(absl::HexStringToBytes(part))) ++(*found)[command];
    }
  }
  EXPECT_GT(to_server[Command::kRequest], 2000u);
  EXPECT_GT(from_server[Command::kReply], 2000u);
  EXPECT_EQ(to_server[Command::kReply], 0u);
  EXPECT_EQ(from_server[Command::kRequest], 0u);
}

TEST_P(PcapByTshark, FaultsAreCommentsOfPackets) {
  const std::vector<std::string> comments =
      Tshark(captured.file, "frame.comment", {"frame.comment"});
  for (const char* wanted : {"fault: partition begins", "fault: partition ends", "host 1: crash",
                             "host 1: boot", "lost: partition", "lost: the host is down"}) {
    EXPECT_THAT(comments, testing::Contains(HasSubstr(wanted)));
  }
}

TEST_P(PcapByTshark, PacketsAreWhole) {
  const std::string wrong =
      "_ws.malformed || tcp.checksum.status == 0 || udp.checksum.status == 0 || "
      "ip.checksum.status == 0 || tcp.analysis.lost_segment || tcp.analysis.ack_lost_segment || "
      "tls.alert_message.desc > 0 || quic.decryption_failed";
  size_t undecrypted = 0;
  for (const std::string& line :
       Tshark(captured.file, wrong, {"frame.number", "_ws.col.Info", "_ws.expert.message"})) {
    // Of a packet that comes very late tshark guesses the number wrong: it takes it for a newer
    // one.
    const bool late = absl::StrContains(line, "Decryption failed");
    undecrypted += late ? 1 : 0;
    EXPECT_TRUE(late) << line;
  }
  EXPECT_LT(undecrypted, 30u);
}

}  // namespace
}  // namespace faultline::replay
