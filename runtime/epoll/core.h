// Core: what the sockets of one loop share. One thread; made by the loop, outlives its sockets.
#ifndef FAULTLINE_RUNTIME_EPOLL_CORE_H_
#define FAULTLINE_RUNTIME_EPOLL_CORE_H_

#include <cstdint>
#include <utility>

#include "runtime/epoll/poller.h"
#include "runtime/kernel/clock.h"
#include "runtime/kernel/descriptor_waiter.h"
#include "runtime/list.h"

namespace faultline::epoll {

struct Core {
  explicit Core(Descriptor epoll) : poller(std::move(epoll)) {}

  // A descriptor was closed: the first of those who wait for one may try again.
  void DescriptorFreed() {
    if (kernel::DescriptorWaiter* waiter = starved.PopFront()) waiter->OnDescriptorFreed();
  }

  kernel::KernelClock clock;
  Poller poller;
  // Transfers tried since the last wait. The loop ends a turn at a bound, so that streams which are
  // always ready do not keep it from looking at the others.
  uint32_t transfers = 0;
  List<kernel::DescriptorWaiter> starved;
};

}  // namespace faultline::epoll

#endif  // FAULTLINE_RUNTIME_EPOLL_CORE_H_
