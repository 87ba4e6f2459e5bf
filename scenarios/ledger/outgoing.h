// Outgoing: how the protocol sends. It never waits: a frame is queued or dropped.
#ifndef FAULTLINE_SCENARIOS_LEDGER_OUTGOING_H_
#define FAULTLINE_SCENARIOS_LEDGER_OUTGOING_H_

#include <cstdint>

#include "runtime/frozen.h"
#include "scenarios/ledger/types.h"

namespace faultline::ledger {

class Outgoing {
 public:
  virtual ~Outgoing() = default;

  // False: not connected, or the queue is full; the frame is dropped.
  virtual bool ToReplica(ReplicaId replica, Frozen frame) = 0;
  // The same. A client whose queue is full is cut off: it does not read its replies, which were
  // bounded by its window.
  virtual bool ToClient(const ClientId& client, Frozen frame) = 0;
  // Whoever has this connection slot now. For a planted bug only.
  virtual bool ToSlot(uint32_t slot, Frozen frame) = 0;
};

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_OUTGOING_H_
