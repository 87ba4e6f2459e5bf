// Core: what the sockets of one loop share. One thread; made by the loop, outlives its sockets.
#ifndef FAULTLINE_RUNTIME_IO_URING_CORE_H_
#define FAULTLINE_RUNTIME_IO_URING_CORE_H_

#include <memory>
#include <utility>

#include "runtime/epoll/clock.h"
#include "runtime/epoll/core.h"
#include "runtime/io_uring/ring.h"
#include "runtime/list.h"

namespace faultline::uring {

using epoll::Descriptor;
using epoll::DescriptorWaiter;

struct Core {
  explicit Core(std::unique_ptr<Ring> ring) : ring(std::move(ring)) {}

  // Closes it, and lets the first of those who wait for a descriptor try again.
  void Close(Descriptor* descriptor) {
    if (!*descriptor) return;
    descriptor->Close();
    if (DescriptorWaiter* waiter = starved.PopFront()) waiter->OnDescriptorFreed();
  }

  epoll::EpollClock clock;
  const std::unique_ptr<Ring> ring;
  List<DescriptorWaiter> starved;
};

}  // namespace faultline::uring

#endif  // FAULTLINE_RUNTIME_IO_URING_CORE_H_
