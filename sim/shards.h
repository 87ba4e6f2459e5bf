// Shards of a simulated process: what `shards::Shards` is to a program (runtime/shards), with the
// same `Shard` for the code that runs on them.
//
//   host->Boot([host](const Runtime&) {
//     return RunShardsToEnd(host->process(), {.count = 3}, [](Shard* shard) { return Serve(shard);
//     });
//   });
//
// Shards run one at a time: which task of which shard is next is the choice of the world's
// scheduling policy, as between processes. A parcel is on its way for a time that is drawn, from
// none at all (then whoever is ready runs first) to longer than many turns. Each mailbox delivers
// in the order of its sends; two mailboxes overtake each other, as those of threads do. News of
// room, of an end and of a stop take such times as well.
//
// The shards share their process's addresses, descriptors and clock; each has its own executor,
// randomness, entropy and buffers. With one shard, everything is as in a process without. A crash
// takes all of them, and what was under way between them.
#ifndef FAULTLINE_SIM_SHARDS_H_
#define FAULTLINE_SIM_SHARDS_H_

#include <cstddef>
#include <cstdint>

#include "runtime/shard.h"
#include "runtime/task.h"
#include "sim/distribution.h"

namespace faultline::sim {

class Process;

struct ShardsOptions {
  uint32_t count = 1;
  size_t mailbox_capacity = 256;
  // Half of the time at once, which is after whoever is ready now.
  Latency passage = Latency::Bimodal(0us, 0us, {1, 2}, 0us, 30us);
};

// Runs `main` on each shard of `process`, until all have ended. In a task of the process's own
// executor, which is shard 0's. A stop of that task reaches every main.
Task<ShardsReport> RunShards(Process* process, ShardsOptions options, ShardMain main);

}  // namespace faultline::sim

#endif  // FAULTLINE_SIM_SHARDS_H_
