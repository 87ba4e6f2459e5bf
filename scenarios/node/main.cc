// node: one replica of the ledger on real sockets. `node --help` says more.

#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/epoll/loop.h"
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
  absl::StatusOr<std::unique_ptr<epoll::Loop>> loop = epoll::Loop::Create({});
  if (!loop.ok()) return loop.status();
  if (absl::Status armed = (*loop)->StopOnSignals(); !armed.ok()) return armed;
  const Runtime runtime = (*loop)->runtime();
  NodeLog log(&std::cerr, runtime.clock, absl::StrCat("replica ", int{flags.config.replica}));
  absl::Status result;
  (*loop)->Run(RunInto(&result, flags, runtime, &log));
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
