// node: one replica of the ledger on real sockets. `node --help` says more.

#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/backend/backend.h"
#include "scenarios/node/node.h"
#include "scenarios/node/node_flags.h"
#include "scenarios/node/node_log.h"

namespace faultline::node {
namespace {

constexpr int kCouldNotStart = 1;
constexpr int kBadCommandLine = 2;

Task<void> RunInto(absl::Status* result, NodeFlags flags, Runtime runtime, NodeLog* log) {
  *result = co_await RunNode(std::move(flags), runtime, log);
}

absl::Status Serve(const NodeFlags& flags) {
  absl::StatusOr<backend::ChosenLoop> chosen = backend::MakeLoop(flags.backend);
  if (!chosen.ok()) return chosen.status();
  if (absl::Status armed = chosen->loop->StopOnSignals(); !armed.ok()) return armed;
  const Runtime runtime = chosen->loop->runtime();
  NodeLog log(&std::cerr, runtime.clock, absl::StrCat("replica ", int{flags.config.replica}));
  if (!chosen->why_not.ok()) {
    log.Line(absl::StrCat("on epoll, not on io_uring: ", chosen->why_not.message()));
  }
  absl::Status result;
  chosen->loop->Run(RunInto(&result, flags, runtime, &log));
  return result;
}

int Main(const std::vector<std::string>& arguments) {
  absl::StatusOr<NodeFlags> flags = ParseNodeFlags(arguments);
  if (!flags.ok()) {
    std::cerr << "node: " << flags.status().message() << "\n";
    return kBadCommandLine;
  }
  if (flags->help) {
    std::cout << NodeHelp();
    return 0;
  }
  absl::Status served = Serve(*flags);
  if (served.ok()) return 0;
  std::cerr << "node: " << served.message() << "\n";
  return kCouldNotStart;
}

}  // namespace
}  // namespace faultline::node

int main(int argc, char** argv) {
  return faultline::node::Main(std::vector<std::string>(argv + 1, argv + argc));
}
