// Memory for coroutine frames: recycled by size, so that awaiting a task costs no allocation once
// warm.
//
// A cache a thread, of free blocks in classes of 64 bytes up to 4 KiB; larger frames go to the
// heap. Under AddressSanitizer every frame goes to the heap, so that a use after free is seen. The
// cache is bounded (`kMaxCachedPerClass` blocks a class) and given back when the thread ends.
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
  ~FramePool();

  static void* Allocate(size_t size) {
#if FAULTLINE_FRAME_POOL
    size_t index = ClassOf(size);
    if (index < kClasses) {
      Class& list = local.classes_[index];
      if (Block* block = list.head) {
        list.head = block->next;
        --list.count;
        return block;
      }
      return ::operator new((index + 1) * kGranularity);
    }
#endif
    return ::operator new(size);
  }

  static void Free(void* memory, size_t size) {
#if FAULTLINE_FRAME_POOL
    size_t index = ClassOf(size);
    if (index < kClasses && local.classes_[index].count < kMaxCachedPerClass) {
      Class& list = local.classes_[index];
      list.head = new (memory) Block{list.head};
      ++list.count;
      return;
    }
#else
    (void)size;
#endif
    ::operator delete(memory);
  }

 private:
  static constexpr size_t kGranularity = 64;
  static constexpr size_t kClasses = 64;
  static constexpr size_t kMaxCachedPerClass = 16384;

  struct Block {
    Block* next;
  };
  struct Class {
    Block* head = nullptr;
    size_t count = 0;
  };

  static size_t ClassOf(size_t size) { return (size - 1) / kGranularity; }

  static thread_local FramePool local;

  Class classes_[kClasses];
};

}  // namespace faultline::internal

#endif  // FAULTLINE_RUNTIME_FRAME_POOL_H_
