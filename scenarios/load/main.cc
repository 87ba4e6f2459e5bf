// load: clients of the ledger on real sockets. `load --help` says more.

#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/backend/backend.h"
#include "scenarios/load/load.h"
#include "scenarios/load/load_flags.h"
#include "scenarios/load/report.h"
#include "scenarios/security/certificate_files.h"

namespace faultline::load {
namespace {

constexpr int kFailed = 1;
constexpr int kBadCommandLine = 2;

int Complain(const absl::Status& status, int exit_code) {
  std::cerr << "load: " << status.message() << "\n";
  return exit_code;
}

Task<void> RunInto(Summary* summary, LoadFlags flags, any::Security* security, Runtime runtime) {
  *summary = co_await RunLoad(std::move(flags), security, runtime, &std::cerr);
}

int Load(const LoadFlags& flags) {
  absl::StatusOr<backend::ChosenLoop> chosen = backend::MakeLoop(flags.backend);
  if (!chosen.ok()) return Complain(chosen.status(), kFailed);
  absl::Status armed = chosen->loop->StopOnSignals();
  if (!armed.ok()) return Complain(armed, kFailed);
  const Runtime runtime = chosen->loop->runtime();
  absl::StatusOr<std::unique_ptr<any::Security>> security =
      scenarios::OpenClientSecurity(runtime, flags.trust);
  if (!security.ok()) return Complain(security.status(), kBadCommandLine);
  if (!chosen->why_not.ok()) {
    std::cerr << "load: on epoll, not on io_uring: " << chosen->why_not.message() << "\n";
  }
  Summary summary;
  chosen->loop->Run(RunInto(&summary, flags, security->get(), runtime));
  std::cout << (flags.json ? SummaryJson(flags, summary) + "\n" : SummaryText(summary));
  return summary.passed() ? 0 : kFailed;
}

int Main(const std::vector<std::string>& arguments) {
  absl::StatusOr<LoadFlags> flags = ParseLoadFlags(arguments);
  if (!flags.ok()) return Complain(flags.status(), kBadCommandLine);
  if (flags->help) {
    std::cout << LoadHelp();
    return 0;
  }
  return Load(*flags);
}

}  // namespace
}  // namespace faultline::load

int main(int argc, char** argv) {
  return faultline::load::Main(std::vector<std::string>(argv + 1, argv + argc));
}
