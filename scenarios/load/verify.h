// VerifyReplicas: whether every replica holds what clients were told that the ledger holds.
//
//   Verification verification = co_await VerifyReplicas(config, runtime, &checker, &findings);
//
// Reads the whole log of each replica through the plane of the clients, and gives it to the
// ledger's own checker of logs (log_checker.h), with its invariants:
//   same-log       each replica's log is the primary's
//   appended-once  no entry stands twice;  client-order, those of a client stand in its order
//   stands         each acknowledged entry stands where its reply said
//   converged      each replica holds everything that the primary held when the reading began
// and besides
//   readable       each of the given replicas, and the primary among them, can be read
//   unchanged      an acknowledged entry is in the log as it was sent
//
// A backup that is still catching up is waited for as long as it makes progress. The logs are kept
// in memory until the end.
#ifndef FAULTLINE_SCENARIOS_LOAD_VERIFY_H_
#define FAULTLINE_SCENARIOS_LOAD_VERIFY_H_

#include <cstdint>
#include <vector>

#include "runtime/endpoint.h"
#include "runtime/runtime.h"
#include "runtime/task.h"
#include "scenarios/ledger/checkers/findings.h"
#include "scenarios/ledger/types.h"
#include "scenarios/load/outside_checker.h"
#include "transports/any/open.h"
#include "transports/any/url.h"
#include "transports/message/header.h"

namespace faultline::load {

struct VerifyConfig {
  std::vector<Endpoint> replicas{};  // in any order
  any::Url by{};                     // the transport and the path
  any::Options transport{};
  message::Uint128 cluster{1, 0};
  Duration patience = 30s;  // how long a replica may make no progress
  Duration pause = 20ms;    // before a replica that had nothing new is asked again
};

// What was read.
struct Verification {
  uint64_t replicas = 0;      // up to the end of the primary's log
  uint64_t entries = 0;       // of the primary
  uint64_t acknowledged = 0;  // of these clients
  ledger::Digest log{};       // the primary's
};

// What is wrong goes to `findings`. All outlive the task.
Task<Verification> VerifyReplicas(VerifyConfig config, Runtime runtime,
                                  const OutsideChecker* acknowledged, ledger::Findings* findings);

}  // namespace faultline::load

#endif  // FAULTLINE_SCENARIOS_LOAD_VERIFY_H_
