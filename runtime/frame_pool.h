// Memory for coroutine frames, and for other objects that come and go like them: recycled by size,
// so that awaiting a task costs no allocation once warm.
//
// Blocks are aligned to 64 bytes, so that an object begins with a cache line of its own. Those of
// up to 4 KiB are cut from regions of huge pages: ten thousand tasks need a few dozen entries of
// the processor's translation buffer instead of ten thousand. Larger ones go to the heap. A thread
// has a cache of free blocks; what it does not keep (more than `kMaxCachedPerClass` of a class;
// everything, when it ends) goes to a reserve that all threads share. Regions stay with the
// program: its memory is that of its busiest moment.
//
// Under AddressSanitizer everything goes to the heap, so that a use after free is seen.
#ifndef FAULTLINE_RUNTIME_FRAME_POOL_H_
#define FAULTLINE_RUNTIME_FRAME_POOL_H_

#include <cstddef>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#define FAULTLINE_FRAME_POOL 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FAULTLINE_FRAME_POOL 0
#endif
#endif
#ifndef FAULTLINE_FRAME_POOL
#define FAULTLINE_FRAME_POOL 1
#endif

namespace faultline::internal {

class FramePool {
 public:
  static constexpr size_t kGranularity = 64;
  static constexpr size_t kMaxCachedPerClass = 16384;

  static void* Allocate(size_t size) {
#if FAULTLINE_FRAME_POOL
    size_t index = ClassOf(size);
    if (index < kClasses) {
      Class& list = local.classes_[index];
      if (list.head == nullptr) Refill(&list, index);
      Block* block = list.head;
      list.head = block->next;
      --list.count;
      return block;
    }
#endif
    return ::operator new(size, std::align_val_t(kGranularity));
  }

  static void Free(void* memory, size_t size) {
#if FAULTLINE_FRAME_POOL
    size_t index = ClassOf(size);
    if (index < kClasses) {
      Class& list = local.classes_[index];
      list.head = new (memory) Block{list.head, nullptr, 0};
      if (++list.count > local.limit_) local.Shorten(&list, index);
      return;
    }
#else
    (void)size;
#endif
    ::operator delete(memory, std::align_val_t(kGranularity));
  }

 private:
  friend struct FrameReserve;

  static constexpr size_t kClasses = 64;
  static constexpr size_t kChain = 1024;

  // A free one. The first of a chain in the reserve knows the next chain, and how long its own is.
  struct Block {
    Block* next;
    Block* next_chain;
    size_t length;
  };
  struct Class {
    Block* head = nullptr;
    size_t count = 0;
  };

  static size_t ClassOf(size_t size) { return (size - 1) / kGranularity; }
  // What ends the cache when the thread ends.
  struct Ender;

  // Before the first block comes: the thread's end is to empty the cache. Not by a destructor of
  // its own, which would have each use ask whether it is there yet.
  void Begin();
  // A list has grown too long.
  void Shorten(Class* list, size_t index);
  // A chain from the reserve, or a block from a region, into an empty list. One block once the
  // thread has ended its cache.
  static void Refill(Class* list, size_t index);
  // The first `most` blocks, to the reserve. Not all at once: a cache that is full, or empty, is in
  // the middle again after that.
  static void GiveAway(Class* list, size_t index, size_t most);

  static constinit thread_local FramePool local;

  size_t limit_ = 0;  // of a list; 0 before the first block, and once the thread ends
  bool ended_ = false;
  Class classes_[kClasses];
};

// Base of what lives in the pool.
struct Pooled {
  static void* operator new(size_t size) { return FramePool::Allocate(size); }
  static void operator delete(void* memory, size_t size) { FramePool::Free(memory, size); }
};

}  // namespace faultline::internal

#endif  // FAULTLINE_RUNTIME_FRAME_POOL_H_
