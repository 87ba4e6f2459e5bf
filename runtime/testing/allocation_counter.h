// AllocationCounter: how many times the program asked the heap for memory.
//
//   AllocationCounter counter;
//   ... the steady state ...
//   EXPECT_EQ(counter.allocations(), 0u);
//
// Tests and benchmarks only. Linking it replaces the global operator new and delete, for all
// threads. Under AddressSanitizer the frame pool is off (frame_pool.h), so that what a count means
// for tasks differs.
#ifndef FAULTLINE_RUNTIME_TESTING_ALLOCATION_COUNTER_H_
#define FAULTLINE_RUNTIME_TESTING_ALLOCATION_COUNTER_H_

#include <cstddef>

namespace faultline::testing {

// Calls of operator new, in any form, by any thread, since the program began.
size_t TotalAllocations();

class AllocationCounter {
 public:
  AllocationCounter() : before_(TotalAllocations()) {}
  // Since this object was made.
  size_t allocations() const { return TotalAllocations() - before_; }

 private:
  const size_t before_;
};

}  // namespace faultline::testing

#endif  // FAULTLINE_RUNTIME_TESTING_ALLOCATION_COUNTER_H_
