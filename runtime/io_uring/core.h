// Core: what the sockets of one loop share. One thread; made by the loop, outlives its sockets.
#ifndef FAULTLINE_RUNTIME_IO_URING_CORE_H_
#define FAULTLINE_RUNTIME_IO_URING_CORE_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "runtime/io_uring/ring.h"
#include "runtime/kernel/clock.h"
#include "runtime/kernel/descriptor.h"
#include "runtime/kernel/descriptor_waiter.h"
#include "runtime/list.h"

namespace faultline::uring {

using kernel::Descriptor;

struct Core {
  explicit Core(std::unique_ptr<Ring> ring) : ring(std::move(ring)) {}

  // Closes it, and lets the first of those who wait for a descriptor try again.
  void Close(Descriptor* descriptor) {
    if (!*descriptor) return;
    descriptor->Close();
    if (kernel::DescriptorWaiter* waiter = starved.PopFront()) waiter->OnDescriptorFreed();
  }

  kernel::KernelClock clock;
  uint32_t transfers = 0;  // never many: each takes its turn in the kernel
  const std::unique_ptr<Ring> ring;
  List<kernel::DescriptorWaiter> starved;
};

}  // namespace faultline::uring

#endif  // FAULTLINE_RUNTIME_IO_URING_CORE_H_
