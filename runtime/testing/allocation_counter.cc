#include "runtime/testing/allocation_counter.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

std::atomic<size_t> total_allocations{0};
std::atomic<size_t> total_deallocations{0};
std::atomic<size_t> largest_allocation{0};
thread_local size_t thread_allocations = 0;

void* Count(void* memory, size_t size) {
  if (memory == nullptr) std::abort();
  ++thread_allocations;
  total_allocations.fetch_add(1, std::memory_order_relaxed);
  size_t largest = largest_allocation.load(std::memory_order_relaxed);
  while (largest < size && !largest_allocation.compare_exchange_weak(largest, size)) {
  }
  return memory;
}

void Free(void* memory) {
  if (memory == nullptr) return;
  total_deallocations.fetch_add(1, std::memory_order_relaxed);
  std::free(memory);
}

}  // namespace

// The array and nothrow forms of the standard library call these.
void* operator new(size_t size) { return Count(std::malloc(std::max<size_t>(size, 1)), size); }
void* operator new(size_t size, std::align_val_t alignment) {
  size_t multiple = static_cast<size_t>(alignment);
  return Count(std::aligned_alloc(multiple, (size + multiple - 1) / multiple * multiple), size);
}
void operator delete(void* memory) noexcept { Free(memory); }
void operator delete(void* memory, size_t) noexcept { Free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { Free(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { Free(memory); }

namespace faultline::testing {

size_t TotalAllocations() { return total_allocations.load(std::memory_order_relaxed); }
size_t TotalDeallocations() { return total_deallocations.load(std::memory_order_relaxed); }
size_t ThreadAllocations() { return thread_allocations; }
size_t TakeLargestAllocation() { return largest_allocation.exchange(0); }

}  // namespace faultline::testing
