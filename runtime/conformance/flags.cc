#include "runtime/conformance/flags.h"

#include <limits>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "scenarios/flags/flag_parser.h"

namespace faultline::conformance {
namespace {

using flags::FlagParser;
using flags::NoneOf;
using flags::Switch;
using flags::WholeNumber;

constexpr uint64_t kMaxPrograms = 1'000'000'000;
constexpr uint64_t kMaxSeed = std::numeric_limits<uint64_t>::max() - kMaxPrograms;
constexpr uint64_t kMaxSeconds = 1'000'000;

constexpr std::string_view kUsage =
    R"(Runs generated programs of socket operations in several worlds and compares what they observe, under
the relation of docs/conformance.md. A mismatch is shrunk and printed as source.

  conformance --programs=10000 --seed=1             seeds 1..10000 in all worlds
  conformance --programs=1 --seed=77 --show         one program, and what each world made of it
  conformance --programs=1000 --worlds=sim,epoll    without io_uring

Exit codes: 0 the worlds agree; 1 they do not; 2 the command line is wrong, or a world cannot be had.

)";

absl::Status ParseWorlds(std::string_view text, ConformanceFlags* flags) {
  flags->simulation = flags->epoll = flags->io_uring = false;
  while (true) {
    const size_t comma = text.find(',');
    const std::string_view name = text.substr(0, comma);
    if (name == "sim") {
      flags->simulation = true;
    } else if (name == "epoll") {
      flags->epoll = true;
    } else if (name == "io_uring") {
      flags->io_uring = true;
    } else {
      return NoneOf(name, {"sim", "epoll", "io_uring"});
    }
    if (comma == std::string_view::npos) return absl::OkStatus();
    text.remove_prefix(comma + 1);
  }
}

void AddFlags(FlagParser* parser, ConformanceFlags* flags) {
  parser->Add({.name = "programs",
               .value = "N",
               .help = "how many programs; 1000 by default",
               .set = WholeNumber(&flags->programs, 1, kMaxPrograms)});
  parser->Add({.name = "seed",
               .value = "S",
               .help = "the seed of the first program; the others have the next ones; 1 by default",
               .set = WholeNumber(&flags->seed, 0, kMaxSeed)});
  parser->Add({.name = "worlds",
               .value = "sim,epoll,io_uring",
               .help = "which worlds, separated by commas; all by default. The first of epoll, "
                       "io_uring and sim is what the others are compared with",
               .set = [flags](std::string_view text) { return ParseWorlds(text, flags); }});
  parser->Add({.name = "seconds",
               .value = "N",
               .help = "begins no further program after these",
               .set = WholeNumber(&flags->seconds, 1, kMaxSeconds)});
  parser->Add({.name = "max-mismatches",
               .value = "N",
               .help = "ends after so many mismatches; 10 by default",
               .set = WholeNumber(&flags->max_mismatches, 1, kMaxPrograms)});
  parser->Add({.name = "show",
               .help = "prints each program, and what each world observed",
               .set = Switch(&flags->show)});
  parser->Add({.name = "help", .help = "this text", .set = Switch(&flags->help)});
}

}  // namespace

absl::StatusOr<ConformanceFlags> ParseConformanceFlags(std::span<const std::string> arguments) {
  ConformanceFlags flags;
  FlagParser parser;
  AddFlags(&parser, &flags);
  if (absl::Status parsed = parser.Parse(arguments); !parsed.ok()) return parsed;
  return flags;
}

std::string HelpText() {
  ConformanceFlags flags;
  FlagParser parser;
  AddFlags(&parser, &flags);
  return absl::StrCat(std::string(kUsage), parser.Help());
}

}  // namespace faultline::conformance
