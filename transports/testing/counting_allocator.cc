#include "transports/testing/counting_allocator.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

namespace faultline::testing {
namespace {

std::atomic<size_t> blocks{0};
std::atomic<size_t> largest{0};

void* Count(void* block, size_t size) {
  if (block == nullptr) std::abort();
  blocks.fetch_add(1, std::memory_order_relaxed);
  largest.store(std::max(largest.load(std::memory_order_relaxed), size), std::memory_order_relaxed);
  return block;
}

void* Allocate(size_t size) { return Count(std::malloc(std::max<size_t>(size, 1)), size); }

void* Allocate(size_t size, std::align_val_t alignment) {
  size_t align = static_cast<size_t>(alignment);
  size_t rounded = (std::max<size_t>(size, 1) + align - 1) / align * align;
  return Count(std::aligned_alloc(align, rounded), size);
}

}  // namespace

size_t AllocatedBlocks() { return blocks.load(std::memory_order_relaxed); }

size_t TakeLargestBlock() { return largest.exchange(0, std::memory_order_relaxed); }

}  // namespace faultline::testing

void* operator new(size_t size) { return faultline::testing::Allocate(size); }
void* operator new[](size_t size) { return faultline::testing::Allocate(size); }
void* operator new(size_t size, std::align_val_t alignment) {
  return faultline::testing::Allocate(size, alignment);
}
void* operator new[](size_t size, std::align_val_t alignment) {
  return faultline::testing::Allocate(size, alignment);
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete[](void* block) noexcept { std::free(block); }
void operator delete(void* block, size_t) noexcept { std::free(block); }
void operator delete[](void* block, size_t) noexcept { std::free(block); }
void operator delete(void* block, std::align_val_t) noexcept { std::free(block); }
void operator delete[](void* block, std::align_val_t) noexcept { std::free(block); }
void operator delete(void* block, size_t, std::align_val_t) noexcept { std::free(block); }
void operator delete[](void* block, size_t, std::align_val_t) noexcept { std::free(block); }
