// What a connection that says nothing costs in memory.
#ifndef FAULTLINE_BENCH_IDLE_MEMORY_H_
#define FAULTLINE_BENCH_IDLE_MEMORY_H_

#include <cstddef>

#include "bench/tcp_workload.h"

namespace faultline::bench {

// Bytes a connection, of the resident memory of each end; the kernel's are not in it.
struct IdleMemory {
  double server = 0;
  double client = 0;
};

// Both ends are processes of their own, which do nothing else. What the first connection brings
// with it (contexts, tables, pools) is not counted, the next `connections` are. The limit of open
// files is raised to what the system allows; it is our bug if that is too little.
IdleMemory MeasureIdle(const Contestant& contestant, size_t connections);

}  // namespace faultline::bench

#endif  // FAULTLINE_BENCH_IDLE_MEMORY_H_
