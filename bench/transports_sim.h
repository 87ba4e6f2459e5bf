// Our transports between two simulated hosts, with their real engines and real cryptography, as
// benchmarks drive them.
#ifndef FAULTLINE_BENCH_TRANSPORTS_SIM_H_
#define FAULTLINE_BENCH_TRANSPORTS_SIM_H_

#include <cstdint>

#include "bench/our_transport.h"
#include "bench/sim_workloads.h"
#include "bench/tcp_workload.h"

namespace faultline::bench {

// A load that never ends. The world is stopped after so many steps, wherever its tasks are, and
// goes on from there: a step is what a client asks `keep_going` after.
class SimulatedLoad {
 public:
  // Connected, and warm.
  SimulatedLoad(const OurTransport& transport, const Load& load);

  void Run(uint64_t steps) { world_.Run(steps); }
  uint64_t events() const { return world_.events(); }

 private:
  static constexpr uint64_t kWarmUpSteps = 3;

  const Load load_;
  const Announce announce_ = [](uint16_t) {};
  const KeepGoing keep_going_;
  uint64_t served_ = 0;
  uint64_t driven_ = 0;
  Workload world_;  // last: its tasks use the others
};

}  // namespace faultline::bench

#endif  // FAULTLINE_BENCH_TRANSPORTS_SIM_H_
