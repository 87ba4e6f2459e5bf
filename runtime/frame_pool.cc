#include "runtime/frame_pool.h"

namespace faultline::internal {

thread_local FramePool FramePool::local;

FramePool::~FramePool() {
  for (Class& list : classes_) {
    while (Block* block = list.head) {
      list.head = block->next;
      ::operator delete(block);
    }
    list.count = kMaxCachedPerClass;  // frames that die after the cache go straight to the heap
  }
}

}  // namespace faultline::internal
