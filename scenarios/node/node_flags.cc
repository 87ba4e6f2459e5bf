#include "scenarios/node/node_flags.h"

#include <cstdint>
#include <limits>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "scenarios/flags/flag_parser.h"
#include "scenarios/flags/urls.h"
#include "scenarios/flags/values.h"

namespace faultline::node {
namespace {

using flags::FlagParser;

constexpr uint64_t kMaxClients = 1'000'000;
constexpr uint64_t kMaxLogBytes = uint64_t{1} << 50;
constexpr uint64_t kMaxLogEntries = uint64_t{1} << 40;

// Between a deadline and the last task's end.
constexpr Duration kSlack = 1s;

constexpr std::string_view kUsage =
    R"(One replica of the ledger, as a process. Replica 0 is the primary, which clients talk to. The log
lives in memory: a node that starts again starts empty. A backup (1, 2, ...) then catches up from the
others. Replica 0 must not be restarted alone: nobody gives a primary its log back, and beside backups
that hold entries an empty one commits nothing. Then stop all replicas and start them together, empty.

  node --replica=0 --peers=127.0.0.1:7100,127.0.0.1:7101,127.0.0.1:7102 --listen=127.0.0.1:7200

)";

constexpr std::string_view kEnding = R"(
What happens is told on standard error, a line each. SIGTERM or SIGINT ends a node in good order: it
takes nothing new, commits and answers what it has taken, and says goodbye to everybody. A backup goes
on serving the primary, which may need it for that, until the primary has gone. All of that takes at
most the drain time and another 5 seconds. A second signal ends it at once.

A full log refuses further entries, and says so to the clients; whatever it holds it goes on serving.

Exit codes: 0 asked to end, and ended; 1 it could not start; 2 the command line is wrong.
)";

// The command line while it is being read.
struct CommandLine {
  CommandLine();
  absl::StatusOr<NodeFlags> Parse(std::span<const std::string> arguments);
  absl::Status Check() const;

  void AddAddresses();
  void AddCertificates();
  void AddLimits();

  NodeFlags flags;
  uint64_t replica = 0;
  uint64_t cluster = 1;
  uint64_t max_clients = flags.config.clients.max_connections;
  FlagParser parser;
};

CommandLine::CommandLine() {
  AddAddresses();
  AddCertificates();
  AddLimits();
  parser.Add({.name = "backend",
              .value = "NAME",
              .help = "epoll, the default; io_uring; or auto: io_uring where the kernel lets it, "
                      "else epoll",
              .set = flags::OneOf({"auto", "epoll", "io_uring"}, [this](std::string_view name) {
                flags.backend = *backend::ParseBackend(name);
              })});
  parser.Add({.name = "help", .help = "says this", .set = flags::Switch(&flags.help)});
}

void CommandLine::AddAddresses() {
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
              .value = "URL,...",
              .help = "where this replica listens for clients, on several transports if you like: "
                      "tcp://127.0.0.1:7200 (or without tcp://), tls://127.0.0.1:7201, "
                      "ws://127.0.0.1:7202/ledger, wss://127.0.0.1:7203/ledger, "
                      "quic://127.0.0.1:7204, unix:///run/ledger.sock; port 0 takes a free one, "
                      "which the log names",
              .set = flags::Urls(&flags.listen)});
  parser.Add({.name = "cluster",
              .value = "N",
              .help = "which cluster this is; who belongs to another one is refused; 1 by default",
              .set = flags::WholeNumber(&cluster, 0, std::numeric_limits<uint64_t>::max())});
}

void CommandLine::AddCertificates() {
  scenarios::ServerCertificate* certificate = &flags.certificate;
  parser.Add({.name = "tls-certificate",
              .value = "FILE",
              .help = "PEM, for clients by tls, wss and quic: its own certificate first",
              .set = flags::Text(&certificate->chain_file)});
  parser.Add({.name = "tls-key",
              .value = "FILE",
              .help = "PEM, the key of --tls-certificate",
              .set = flags::Text(&certificate->key_file)});
  parser.Add({.name = "tls-self-signed",
              .help = "makes a certificate for the addresses of --listen: for development",
              .set = flags::Switch(&certificate->self_signed)});
  parser.Add({.name = "tls-names",
              .value = "NAME,...",
              .help = "what that certificate names beside them: host names, and addresses by which "
                      "clients reach a wildcard such as 0.0.0.0; localhost, 127.0.0.1 and ::1 by "
                      "default",
              .set = flags::Names(&certificate->names)});
  parser.Add({.name = "tls-write-certificate",
              .value = "FILE",
              .help = "where that goes, for the clients' --tls-trust",
              .set = flags::Text(&certificate->written_to)});
}

void CommandLine::AddLimits() {
  parser.Add(
      {.name = "max-clients",
       .value = "N",
       .help = absl::StrCat("connections from clients at a time; ", max_clients, " by default"),
       .set = flags::WholeNumber(&max_clients, 1, kMaxClients)});
  parser.Add({.name = "max-log-bytes",
              .value = "BYTES",
              .help = absl::StrCat("payload of all entries together; the memory for it is up to a "
                                   "third more; ",
                                   flags.log.max_payload_bytes, " by default"),
              .set = flags::WholeNumber(&flags.log.max_payload_bytes, 1, kMaxLogBytes)});
  parser.Add({.name = "max-log-entries",
              .value = "N",
              .help = absl::StrCat("entries, of 72 bytes besides their payload; ",
                                   flags.log.max_entries, " by default"),
              .set = flags::WholeNumber(&flags.log.max_entries, 1, kMaxLogEntries)});
  parser.Add({.name = "drain",
              .value = "TIME",
              .help = absl::StrCat("how long to wait, at the end, for what is not committed yet; ",
                                   flags::FormatTimeSpan(flags.config.drain_grace), " by default"),
              .set = flags::TimeSpan(&flags.config.drain_grace, 0s, 1h)});
}

absl::StatusOr<NodeFlags> CommandLine::Parse(std::span<const std::string> arguments) {
  absl::Status status = parser.Parse(arguments);
  if (!status.ok()) return status;
  if (flags.help) return flags;
  flags.config.replica = static_cast<ledger::ReplicaId>(replica);
  flags.config.cluster = {cluster, 0};
  ledger::SetMaxClients(max_clients, &flags.config);
  if (status = Check(); !status.ok()) return status;
  return flags;
}

absl::Status CommandLine::Check() const {
  for (const char* needed : {"replica", "peers", "listen"}) {
    if (parser.given(needed)) continue;
    return absl::InvalidArgumentError(absl::StrCat("--", needed, " is needed; try --help"));
  }
  if (absl::Status valid = ledger::Validate(flags.config); !valid.ok()) return valid;
  if (absl::Status valid = scenarios::Validate(flags.certificate, flags.listen); !valid.ok())
    return valid;
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
