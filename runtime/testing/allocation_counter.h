// AllocationCounter: how many times the program asked the heap for memory, and how often it gave
// back.
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
// Calls of operator delete with memory.
size_t TotalDeallocations();
// Calls of operator new by this thread.
size_t ThreadAllocations();
// The largest size, in bytes, that any thread has asked for since the last call.
size_t TakeLargestAllocation();

class AllocationCounter {
 public:
  // Since this object was made.
  size_t allocations() const { return TotalAllocations() - allocated_; }
  size_t deallocations() const { return TotalDeallocations() - freed_; }

 private:
  const size_t allocated_ = TotalAllocations();
  const size_t freed_ = TotalDeallocations();
};

}  // namespace faultline::testing

#endif  // FAULTLINE_RUNTIME_TESTING_ALLOCATION_COUNTER_H_
