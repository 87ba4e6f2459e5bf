#include "scenarios/load/load_flags.h"

#include <algorithm>
#include <limits>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "scenarios/flags/flag_parser.h"
#include "scenarios/flags/urls.h"
#include "scenarios/flags/values.h"
#include "scenarios/ledger/config.h"

namespace faultline::load {
namespace {

using flags::FlagParser;
using flags::FormatTimeSpan;
using flags::Switch;
using flags::TimeSpan;
using flags::WholeNumber;

constexpr uint64_t kMaxClients = 10'000;
constexpr uint64_t kMaxRate = 100'000'000;

constexpr std::string_view kUsage =
    R"(Clients of the ledger, as a process: they append entries, measure how long that takes, and check
what they are told.

  load --connect=127.0.0.1:7200 --clients=8 --rate=2000 --duration=5s
  load --connect=127.0.0.1:7200,127.0.0.1:7201,127.0.0.1:7202 --verify

)";

constexpr std::string_view kEnding = R"(
Latency counts from when an entry was due to when it was answered, before the end or behind it, so
that a service which stalls cannot hide it. An entry that was due, at the rate that was asked for, and
had to wait beyond the end because all of the pipeline was taken is never issued: it is counted, and
more than 1 of them in 100 that were due is a failure. SIGINT or SIGTERM ends the run early, in good
order; a second one ends it at once.

Checked, unless --unchecked: each entry is acknowledged exactly once; replies match their requests; a
connection delivers its replies in order; the entries of a client stand in the ledger in its order.
Verified, with --verify: each replica holds the same log, with each acknowledged entry in it exactly
once, unchanged, where its acknowledgement said.

Exit codes: 0 every entry was acknowledged in time, at the rate that was asked for, and nothing that
was checked is wrong; 1 otherwise; 2 the command line is wrong.
)";

// The command line while it is being read.
struct CommandLine {
  CommandLine();
  absl::Status TakeUrls();
  absl::StatusOr<LoadFlags> Parse(std::span<const std::string> arguments);

  void AddLoadFlags();
  void AddOtherFlags();

  LoadFlags flags;
  std::vector<any::Url> urls;
  bool unchecked = false;
  FlagParser parser;
};

CommandLine::CommandLine() {
  AddLoadFlags();
  AddOtherFlags();
}

void CommandLine::AddLoadFlags() {
  const ledger::ClientConfig limits;
  parser.Add(
      {.name = "connect",
       .value = "URL,...",
       .help = "where replicas listen for clients: the primary, and for --verify all of them, on "
               "one transport. Numeric: tcp://127.0.0.1:7200 (or without tcp://), "
               "ws://[::1]:7201/ledger, unix:///run/ledger.sock",
       .set = flags::Urls(&urls)});
  parser.Add({.name = "clients",
              .value = "N",
              .help = absl::StrCat("how many clients; ", flags.clients, " by default"),
              .set = WholeNumber(&flags.clients, 1, kMaxClients)});
  parser.Add({.name = "rate",
              .value = "PER_SECOND",
              .help = "entries a second, of all clients together; 0, the default: as many as are "
                      "answered",
              .set = WholeNumber(&flags.rate, 0, kMaxRate)});
  parser.Add({.name = "duration",
              .value = "TIME",
              .help = absl::StrCat("how long, such as 30s; 0s: until a signal; ",
                                   FormatTimeSpan(flags.duration), " by default"),
              .set = TimeSpan(&flags.duration, 0s, 24h * 365)});
  parser.Add(
      {.name = "payload",
       .value = "BYTES",
       .help = absl::StrCat("bytes of each entry; ", flags.payload, " by default"),
       .set = WholeNumber(&flags.payload, 0, ledger::MaxPayload(limits.pipe.max_message_size))});
  parser.Add({.name = "pipeline",
              .value = "N",
              .help = absl::StrCat("entries of one client under way at a time; ", flags.pipeline,
                                   " by default"),
              .set = WholeNumber(&flags.pipeline, 1, limits.window)});
  parser.Add({.name = "timeout",
              .value = "TIME",
              .help = absl::StrCat("an entry that takes longer has failed; ",
                                   FormatTimeSpan(flags.timeout), " by default"),
              .set = TimeSpan(&flags.timeout, 1ms, 1h)});
}

void CommandLine::AddOtherFlags() {
  parser.Add({.name = "tls-trust",
              .value = "FILE",
              .help = "PEM: whom to trust, by tls, wss and quic",
              .set = flags::Text(&flags.trust.roots_file)});
  parser.Add({.name = "tls-trust-everybody",
              .help = "takes any certificate: for development, anybody can be in the middle",
              .set = Switch(&flags.trust.everybody)});
  parser.Add({.name = "cluster",
              .value = "N",
              .help = "which cluster the replicas belong to; 1 by default",
              .set = WholeNumber(&flags.cluster, 0, std::numeric_limits<uint64_t>::max())});
  parser.Add({.name = "verify",
              .help = "at the end, reads the log of each replica and compares; keeps the logs in "
                      "memory meanwhile",
              .set = Switch(&flags.verify)});
  parser.Add({.name = "verify-timeout",
              .value = "TIME",
              .help = absl::StrCat("with --verify: how long a replica that is behind may make no "
                                   "progress; ",
                                   FormatTimeSpan(flags.verify_timeout), " by default"),
              .set = TimeSpan(&flags.verify_timeout, 1s, 24h)});
  parser.Add({.name = "unchecked",
              .help = "checks nothing and so remembers nothing, for long runs",
              .set = Switch(&unchecked)});
  parser.Add({.name = "json",
              .help = "writes the summary as one line of JSON",
              .set = Switch(&flags.json)});
  parser.Add({.name = "quiet",
              .help = "without the line each second on standard error",
              .set = Switch(&flags.quiet)});
  parser.Add({.name = "backend",
              .value = "NAME",
              .help = "epoll, the default; io_uring; or auto: io_uring where the kernel lets it, "
                      "else epoll",
              .set = flags::OneOf({"auto", "epoll", "io_uring"}, [this](std::string_view name) {
                flags.backend = *backend::ParseBackend(name);
              })});
  parser.Add({.name = "help", .help = "says this", .set = Switch(&flags.help)});
}

// TCP reaches Unix sockets as well.
bool SameTransport(const any::Url& a, const any::Url& b) {
  auto is_tcp = [](const any::Url& url) {
    return url.scheme == any::Scheme::kTcp || url.scheme == any::Scheme::kUnix;
  };
  return a.path == b.path && (a.scheme == b.scheme || (is_tcp(a) && is_tcp(b)));
}

absl::Status CommandLine::TakeUrls() {
  for (const any::Url& url : urls) {
    if (!SameTransport(url, urls.front())) {
      return absl::InvalidArgumentError(absl::StrCat("--connect: all on one transport, but ",
                                                     urls.front().ToString(), " and ",
                                                     url.ToString()));
    }
    flags.connect.push_back(url.address);
  }
  if (!urls.empty()) flags.by = urls.front();
  return absl::OkStatus();
}

absl::StatusOr<LoadFlags> CommandLine::Parse(std::span<const std::string> arguments) {
  if (absl::Status status = parser.Parse(arguments); !status.ok()) return status;
  if (flags.help) return flags;
  flags.check = !unchecked;
  if (absl::Status status = TakeUrls(); !status.ok()) return status;
  if (flags.connect.empty()) {
    return absl::InvalidArgumentError("--connect is needed; try --help");
  }
  if (flags.connect.size() > ledger::kMaxReplicas) {
    return absl::InvalidArgumentError(
        absl::StrCat("--connect: a cluster has at most ", int{ledger::kMaxReplicas}, " replicas"));
  }
  if (absl::Status valid = scenarios::Validate(flags.trust, flags.by); !valid.ok()) return valid;
  if (parser.given("verify-timeout") && !flags.verify) {
    return absl::InvalidArgumentError("--verify-timeout is for --verify");
  }
  if (flags.verify && unchecked) {
    return absl::InvalidArgumentError("--verify needs what --unchecked does not remember");
  }
  return flags;
}

}  // namespace

absl::StatusOr<LoadFlags> ParseLoadFlags(std::span<const std::string> arguments) {
  return CommandLine().Parse(arguments);
}

std::string LoadHelp() {
  return absl::StrCat(absl::string_view(kUsage.data(), kUsage.size()), CommandLine().parser.Help(),
                      absl::string_view(kEnding.data(), kEnding.size()));
}

ledger::ClientConfig ClientConfigOf(const LoadFlags& flags) {
  ledger::ClientConfig config;
  config.cluster = {flags.cluster, 0};
  config.servers = flags.connect;
  config.drain_grace = flags.timeout;
  return config;
}

ledger::WorkloadConfig WorkloadOf(const LoadFlags& flags) {
  ledger::WorkloadConfig workload;
  workload.clients = static_cast<uint32_t>(flags.clients);
  workload.entries = ledger::WorkloadConfig::kEndless;
  workload.pipeline = static_cast<uint32_t>(flags.pipeline);
  workload.payload_min = flags.payload;
  workload.payload_max = flags.payload;
  workload.think_max = Duration::zero();
  if (flags.rate > 0) {
    const Duration period = 1s * static_cast<int64_t>(flags.clients);
    workload.period = std::max(Duration(1), period / static_cast<int64_t>(flags.rate));
  }
  return workload;
}

}  // namespace faultline::load
