// Counts heap allocations: linking this library replaces the program's operator new.
#ifndef FAULTLINE_RUNTIME_CONTRACT_ALLOCATIONS_H_
#define FAULTLINE_RUNTIME_CONTRACT_ALLOCATIONS_H_

#include <cstdint>

namespace faultline::contract {

// Calls of operator new, in all its forms, by this thread so far.
uint64_t AllocationCount();

}  // namespace faultline::contract

#endif  // FAULTLINE_RUNTIME_CONTRACT_ALLOCATIONS_H_
