// What a fault plan leaves of a cluster: the promises that hold at each moment of it.
//
//   for (const HealthChange& change : HealthDuring(plan, shape)) {
//     world->At(change.at, [=] { checkers->liveness()->SetHealth(change.health); });
//   }
//
// It errs towards promising less: a fault counts against everything that it may touch, and a
// replica counts for a majority again only `recovery` after its last fault.
#ifndef FAULTLINE_SCENARIOS_CATALOGUE_HEALTH_H_
#define FAULTLINE_SCENARIOS_CATALOGUE_HEALTH_H_

#include <cstdint>
#include <vector>

#include "runtime/time.h"
#include "scenarios/ledger/checkers/liveness_checker.h"
#include "sim/fault_plan.h"

namespace faultline::catalogue {

// Hosts 0 to replicas - 1 are the replicas, 0 the primary; all further ones are clients.
struct ClusterShape {
  uint32_t replicas = 3;
  Duration recovery = 10s;
};

struct HealthChange {
  MonotonicTime at;
  ledger::Health health = ledger::Health::kAll;

  friend bool operator==(const HealthChange&, const HealthChange&) = default;
};

// In order of time; each differs from the one before it. Before the first one all is well.
std::vector<HealthChange> HealthDuring(const sim::FaultPlan& plan, const ClusterShape& shape);

}  // namespace faultline::catalogue

#endif  // FAULTLINE_SCENARIOS_CATALOGUE_HEALTH_H_
