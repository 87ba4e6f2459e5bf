// load: clients of the ledger on real sockets. `load --help` says more.

#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/backend/backend.h"
#include "scenarios/load/load.h"
#include "scenarios/load/load_flags.h"
#include "scenarios/load/report.h"

namespace faultline::load {
namespace {

constexpr int kFailed = 1;
constexpr int kBadCommandLine = 2;

Task<void> RunInto(Summary* summary, LoadFlags flags, Runtime runtime) {
  *summary = co_await RunLoad(std::move(flags), runtime, &std::cerr);
}

absl::StatusOr<Summary> Load(const LoadFlags& flags) {
  absl::StatusOr<backend::ChosenLoop> chosen = backend::MakeLoop(flags.backend);
  if (!chosen.ok()) return chosen.status();
  if (absl::Status armed = chosen->loop->StopOnSignals(); !armed.ok()) return armed;
  if (!chosen->why_not.ok()) {
    std::cerr << "load: on epoll, not on io_uring: " << chosen->why_not.message() << "\n";
  }
  Summary summary;
  chosen->loop->Run(RunInto(&summary, flags, chosen->loop->runtime()));
  return summary;
}

int Main(const std::vector<std::string>& arguments) {
  absl::StatusOr<LoadFlags> flags = ParseLoadFlags(arguments);
  if (!flags.ok()) {
    std::cerr << "load: " << flags.status().message() << "\n";
    return kBadCommandLine;
  }
  if (flags->help) {
    std::cout << LoadHelp();
    return 0;
  }
  absl::StatusOr<Summary> summary = Load(*flags);
  if (!summary.ok()) {
    std::cerr << "load: " << summary.status().message() << "\n";
    return kFailed;
  }
  std::cout << (flags->json ? SummaryJson(*flags, *summary) + "\n" : SummaryText(*summary));
  return summary->passed() ? 0 : kFailed;
}

}  // namespace
}  // namespace faultline::load

int main(int argc, char** argv) {
  return faultline::load::Main(std::vector<std::string>(argv + 1, argv + argc));
}
