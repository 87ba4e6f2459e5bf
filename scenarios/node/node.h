// RunNode: a replica with its listeners and its log, until its task is asked to stop.
#ifndef FAULTLINE_SCENARIOS_NODE_NODE_H_
#define FAULTLINE_SCENARIOS_NODE_NODE_H_

#include "absl/status/status.h"
#include "runtime/runtime.h"
#include "runtime/task.h"
#include "scenarios/node/node_flags.h"
#include "scenarios/node/node_log.h"
#include "transports/any/security.h"

namespace faultline::node {

// `runtime`'s parts and `log` outlive the task. OK if it was asked to end and has drained. Errors:
// those of `Network::Listen`, naming the address.
Task<absl::Status> RunNode(NodeFlags flags, any::Security* security, Runtime runtime, NodeLog* log);

}  // namespace faultline::node

#endif  // FAULTLINE_SCENARIOS_NODE_NODE_H_
