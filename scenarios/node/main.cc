// node: one replica of the ledger on real sockets. `node --help` says more.

#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/backend/backend.h"
#include "scenarios/node/node.h"
#include "scenarios/node/node_flags.h"
#include "scenarios/node/node_log.h"
#include "scenarios/security/certificate_files.h"

namespace faultline::node {
namespace {

constexpr int kCouldNotStart = 1;
constexpr int kBadCommandLine = 2;

int Complain(const absl::Status& status, int exit_code) {
  std::cerr << "node: " << status.message() << "\n";
  return exit_code;
}

Task<void> RunInto(absl::Status* result, NodeFlags flags, any::Security* security, Runtime runtime,
                   NodeLog* log) {
  *result = co_await RunNode(std::move(flags), security, runtime, log);
}

int Serve(const NodeFlags& flags) {
  absl::StatusOr<backend::ChosenLoop> chosen = backend::MakeLoop(flags.backend);
  if (!chosen.ok()) return Complain(chosen.status(), kCouldNotStart);
  absl::Status armed = chosen->loop->StopOnSignals();
  if (!armed.ok()) return Complain(armed, kCouldNotStart);
  const Runtime runtime = chosen->loop->runtime();
  absl::StatusOr<std::unique_ptr<any::Security>> security =
      scenarios::OpenServerSecurity(runtime, flags.certificate, flags.listen);
  if (!security.ok()) {
    const bool given = absl::IsInvalidArgument(security.status());
    return Complain(security.status(), given ? kBadCommandLine : kCouldNotStart);
  }
  NodeLog log(&std::cerr, runtime.clock, absl::StrCat("replica ", int{flags.config.replica}));
  if (!chosen->why_not.ok()) {
    log.Line(absl::StrCat("on epoll, not on io_uring: ", chosen->why_not.message()));
  }
  absl::Status result;
  chosen->loop->Run(RunInto(&result, flags, security->get(), runtime, &log));
  return result.ok() ? 0 : Complain(result, kCouldNotStart);
}

int Main(const std::vector<std::string>& arguments) {
  absl::StatusOr<NodeFlags> flags = ParseNodeFlags(arguments);
  if (!flags.ok()) return Complain(flags.status(), kBadCommandLine);
  if (flags->help) {
    std::cout << NodeHelp();
    return 0;
  }
  return Serve(*flags);
}

}  // namespace
}  // namespace faultline::node

int main(int argc, char** argv) {
  return faultline::node::Main(std::vector<std::string>(argv + 1, argv + argc));
}
