// The command line of the node program.
#ifndef FAULTLINE_SCENARIOS_NODE_NODE_FLAGS_H_
#define FAULTLINE_SCENARIOS_NODE_NODE_FLAGS_H_

#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/backend/name.h"
#include "runtime/time.h"
#include "scenarios/ledger/config.h"
#include "scenarios/ledger/log.h"
#include "scenarios/security/certificate_files.h"
#include "transports/any/url.h"

namespace faultline::node {

struct NodeFlags {
  bool help = false;                         // asked for; the rest is not set then
  ledger::ReplicaConfig config;              // valid
  std::vector<any::Url> listen;              // for clients; at least one
  scenarios::ServerCertificate certificate;  // for those of them with TLS
  ledger::LogLimits log;
  backend::Backend backend = backend::Backend::kEpoll;
};

// `arguments` are those after the program's name. Errors: InvalidArgument; the message is for the
// user and says what would be right.
absl::StatusOr<NodeFlags> ParseNodeFlags(std::span<const std::string> arguments);

std::string NodeHelp();

// The longest that a node with `config` takes to end after it was asked to.
Duration DrainBound(const ledger::ReplicaConfig& config);

}  // namespace faultline::node

#endif  // FAULTLINE_SCENARIOS_NODE_NODE_FLAGS_H_
