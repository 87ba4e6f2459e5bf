// DescriptorWaiter: whoever could not have a descriptor (EMFILE) and wants to hear when its loop
// closes one.
#ifndef FAULTLINE_RUNTIME_KERNEL_DESCRIPTOR_WAITER_H_
#define FAULTLINE_RUNTIME_KERNEL_DESCRIPTOR_WAITER_H_

#include "runtime/list.h"

namespace faultline::kernel {

class DescriptorWaiter : public ListNode {
 public:
  virtual void OnDescriptorFreed() = 0;

 protected:
  ~DescriptorWaiter() = default;
};

}  // namespace faultline::kernel

#endif  // FAULTLINE_RUNTIME_KERNEL_DESCRIPTOR_WAITER_H_
