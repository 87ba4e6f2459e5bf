// Core: what the sockets of one loop share. One thread; made by the loop, outlives its sockets.
#ifndef FAULTLINE_RUNTIME_EPOLL_CORE_H_
#define FAULTLINE_RUNTIME_EPOLL_CORE_H_

#include <cstdint>
#include <utility>

#include "runtime/epoll/clock.h"
#include "runtime/epoll/poller.h"
#include "runtime/list.h"

namespace faultline::epoll {

// Whoever could not have a descriptor (EMFILE) and wants to hear when this loop closes one.
class DescriptorWaiter : public ListNode {
 public:
  virtual void OnDescriptorFreed() = 0;

 protected:
  ~DescriptorWaiter() = default;
};

struct Core {
  explicit Core(Descriptor epoll) : poller(std::move(epoll)) {}

  // A descriptor was closed: the first of those who wait for one may try again.
  void DescriptorFreed() {
    if (DescriptorWaiter* waiter = starved.PopFront()) waiter->OnDescriptorFreed();
  }

  EpollClock clock;
  Poller poller;
  // Transfers tried since the last wait. The loop ends a turn at a bound, so that streams which are
  // always ready do not keep it from looking at the others.
  uint32_t transfers = 0;
  List<DescriptorWaiter> starved;
};

}  // namespace faultline::epoll

#endif  // FAULTLINE_RUNTIME_EPOLL_CORE_H_
