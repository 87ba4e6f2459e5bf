// LedgerCheckers: every checker of the ledger, as one set of observers.
//
//   Findings findings([&](const absl::Status& first) { world.Fail(first); });
//   LedgerCheckers checkers({.replica_count = 3}, [&] { return world.now(); }, &findings);
//   ... run replicas and clients with checkers.observers() ...
//   checkers.CheckSettled();      // long after the last fault
//
// Checkers are told in one order, so that the first finding of a run is always the same.
#ifndef FAULTLINE_SCENARIOS_LEDGER_CHECKERS_CHECKERS_H_
#define FAULTLINE_SCENARIOS_LEDGER_CHECKERS_CHECKERS_H_

#include <cstdint>
#include <memory>

#include "scenarios/ledger/checkers/connection_checker.h"
#include "scenarios/ledger/checkers/fifo_checker.h"
#include "scenarios/ledger/checkers/findings.h"
#include "scenarios/ledger/checkers/liveness_checker.h"
#include "scenarios/ledger/checkers/log_checker.h"
#include "scenarios/ledger/checkers/reply_checker.h"
#include "scenarios/ledger/observer.h"

namespace faultline::ledger {

struct CheckerConfig {
  uint8_t replica_count = 3;
  LivenessBounds liveness;
};

class LedgerCheckers {
 public:
  // `findings` must outlive the checkers, and they whatever they observe.
  LedgerCheckers(const CheckerConfig& config, LivenessChecker::Now now, Findings* findings);
  ~LedgerCheckers();

  // For `RunReplica` and `RunClient`.
  Observers observers();

  LogChecker* log() { return &log_; }
  LivenessChecker* liveness() { return &liveness_; }
  const FifoChecker& fifo() const { return fifo_; }
  const ReplyChecker& replies() const { return replies_; }
  const ConnectionChecker& connections() const { return connections_; }

  // Any time: everything that was acknowledged stands, logs agree, no request is overdue.
  void CheckNow();
  // Long after the last fault, with nothing in flight: besides, every replica holds everything,
  // every pair has one connection, and no request is open.
  void CheckSettled();

 private:
  class FanOut;

  const uint8_t replica_count_;
  Findings* const findings_;
  LogChecker log_;
  ReplyChecker replies_;
  FifoChecker fifo_;
  ConnectionChecker connections_;
  LivenessChecker liveness_;
  const std::unique_ptr<FanOut> fan_out_;
};

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_CHECKERS_CHECKERS_H_
