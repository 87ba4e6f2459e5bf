#include "scenarios/node/node_flags.h"

#include <cstdint>
#include <limits>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "scenarios/flags/flag_parser.h"
#include "scenarios/flags/values.h"

namespace faultline::node {
namespace {

using flags::FlagParser;

constexpr uint64_t kMaxClients = 1'000'000;

// Between a deadline and the last task's end.
constexpr Duration kSlack = 1s;

constexpr std::string_view kUsage =
    R"(One replica of the ledger, as a process. Its log lives in memory: a node that starts again starts
empty and catches up. Replica 0 is the primary, which clients talk to.

  node --replica=0 --peers=127.0.0.1:7100,127.0.0.1:7101,127.0.0.1:7102 --listen=127.0.0.1:7200

)";

constexpr std::string_view kEnding = R"(
What happens is told on standard error, a line each. SIGTERM or SIGINT ends a node in good order: it
takes nothing new, commits and answers what it has taken, and says goodbye to everybody. That takes at
most the drain time and another 5 seconds. A second signal ends it at once.

Exit codes: 0 asked to end, and ended; 1 it could not start; 2 the command line is wrong.
)";

// The command line while it is being read.
struct CommandLine {
  CommandLine();
  absl::StatusOr<NodeFlags> Parse(std::span<const std::string> arguments);
  absl::Status Check() const;

  NodeFlags flags;
  uint64_t replica = 0;
  uint64_t cluster = 1;
  uint64_t max_clients = flags.config.clients.max_connections;
  FlagParser parser;
};

CommandLine::CommandLine() {
  parser.Add({.name = "replica",
              .value = "N",
              .help = "which replica this is, from 0",
              .set = flags::WholeNumber(&replica, 0, ledger::kMaxReplicas - 1)});
  parser.Add({.name = "peers",
              .value = "HOST:PORT,...",
              .help =
                  "where each replica listens for the others, in order, this one included; an odd "
                  "number of addresses. Numeric: 127.0.0.1:7100, [::1]:7100, unix:PATH",
              .set = flags::Addresses(&flags.config.peers)});
  parser.Add({.name = "listen",
              .value = "HOST:PORT",
              .help =
                  "where this replica listens for clients; port 0 takes a free one, which the log "
                  "names; unix:PATH listens on a Unix socket",
              .set = flags::Address(&flags.listen)});
  parser.Add({.name = "cluster",
              .value = "N",
              .help = "which cluster this is; who belongs to another one is refused; 1 by default",
              .set = flags::WholeNumber(&cluster, 0, std::numeric_limits<uint64_t>::max())});
  parser.Add(
      {.name = "max-clients",
       .value = "N",
       .help = absl::StrCat("connections from clients at a time; ", max_clients, " by default"),
       .set = flags::WholeNumber(&max_clients, 1, kMaxClients)});
  parser.Add({.name = "drain",
              .value = "TIME",
              .help = absl::StrCat("how long to wait, at the end, for what is not committed yet; ",
                                   flags::FormatTimeSpan(flags.config.drain_grace), " by default"),
              .set = flags::TimeSpan(&flags.config.drain_grace, 0s, 1h)});
  parser.Add({.name = "help", .help = "says this", .set = flags::Switch(&flags.help)});
}

absl::StatusOr<NodeFlags> CommandLine::Parse(std::span<const std::string> arguments) {
  absl::Status status = parser.Parse(arguments);
  if (!status.ok()) return status;
  if (flags.help) return flags;
  flags.config.replica = static_cast<ledger::ReplicaId>(replica);
  flags.config.cluster = {cluster, 0};
  flags.config.clients.max_connections = max_clients;
  if (status = Check(); !status.ok()) return status;
  return flags;
}

absl::Status CommandLine::Check() const {
  for (const char* needed : {"replica", "peers", "listen"}) {
    if (parser.given(needed)) continue;
    return absl::InvalidArgumentError(absl::StrCat("--", needed, " is needed; try --help"));
  }
  if (absl::Status valid = ledger::Validate(flags.config); !valid.ok()) return valid;
  if (flags.config.peers[replica].is_ip() && flags.config.peers[replica].port() == 0 &&
      flags.config.replica_count() > 1) {
    return absl::InvalidArgumentError("--peers: the others cannot find a replica at port 0");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<NodeFlags> ParseNodeFlags(std::span<const std::string> arguments) {
  return CommandLine().Parse(arguments);
}

std::string NodeHelp() {
  return absl::StrCat(absl::string_view(kUsage.data(), kUsage.size()), CommandLine().parser.Help(),
                      absl::string_view(kEnding.data(), kEnding.size()));
}

Duration DrainBound(const ledger::ReplicaConfig& config) {
  return config.drain_grace + config.clients.pipe.close_grace + config.replicas.pipe.close_grace +
         kSlack;
}

}  // namespace faultline::node
