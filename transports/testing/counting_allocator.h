// Counts what the program takes from the heap, to show where nothing is taken.
//
//   size_t before = AllocatedBlocks();
//   ... steady state ...
//   EXPECT_EQ(AllocatedBlocks(), before);
//
// Linking it replaces the global operator new and delete: for tests that need it alone.
#ifndef FAULTLINE_TRANSPORTS_TESTING_COUNTING_ALLOCATOR_H_
#define FAULTLINE_TRANSPORTS_TESTING_COUNTING_ALLOCATOR_H_

#include <cstddef>

namespace faultline::testing {

// Calls of any operator new so far.
size_t AllocatedBlocks();
// The largest size that was asked for since the last call, in bytes.
size_t TakeLargestBlock();

}  // namespace faultline::testing

#endif  // FAULTLINE_TRANSPORTS_TESTING_COUNTING_ALLOCATOR_H_
