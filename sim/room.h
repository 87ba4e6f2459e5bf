// RoomWaiter: a connect to a Unix path whose backlog is full. Unlike one over TCP, which the client
// repeats, it waits without end: see `Host::AwaitRoom`.
#ifndef FAULTLINE_SIM_ROOM_H_
#define FAULTLINE_SIM_ROOM_H_

#include "runtime/list.h"

namespace faultline::sim {

class RoomWaiter : public ListNode {
 public:
  // There may be room. Decides nothing at once: who has made it is not done yet.
  virtual void OnRoom() = 0;

 protected:
  ~RoomWaiter() = default;
};

}  // namespace faultline::sim

#endif  // FAULTLINE_SIM_ROOM_H_
