#include "runtime/frame_pool.h"

#include <sys/mman.h>

#include <cstdint>
#include <mutex>
#include <type_traits>
#include <utility>

#include "runtime/check.h"

namespace faultline::internal {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kRegion = size_t{64} << 20;  // of addresses; a page of it is taken when it is used

// The next region: where it begins. Without huge pages, or where they are switched off, it works
// with small ones.
std::byte* MapRegion() {
  void* memory = mmap(nullptr, kRegion + kHugePage, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  FAULTLINE_CHECK(memory != MAP_FAILED) << "out of memory";
  uintptr_t first = (reinterpret_cast<uintptr_t>(memory) + kHugePage - 1) & ~(kHugePage - 1);
  (void)madvise(reinterpret_cast<void*>(first), kRegion, MADV_HUGEPAGE);
  return reinterpret_cast<std::byte*>(first);
}

}  // namespace

// What no thread has in its cache. Outlives every thread: nothing of it is ever destroyed.
struct FrameReserve {
  FramePool::Block* Cut(size_t bytes) {
    if (static_cast<size_t>(end - next) < bytes) {
      next = MapRegion();
      end = next + kRegion;
    }
    return new (std::exchange(next, next + bytes)) FramePool::Block{nullptr, nullptr, 1};
  }

  std::mutex mutex;
  FramePool::Block* chains[FramePool::kClasses] = {};
  std::byte* next = nullptr;  // of the region that is being cut up
  std::byte* end = nullptr;
};

static constinit FrameReserve reserve;

constinit thread_local FramePool FramePool::local;

// Frames that die after the cache are passed on at once.
struct FramePool::Ender {
  ~Ender() {
    local.limit_ = 0;
    local.ended_ = true;
    for (size_t index = 0; index < kClasses; ++index) {
      Class* list = &local.classes_[index];
      if (list->head != nullptr) GiveAway(list, index, SIZE_MAX);
    }
  }
};

void FramePool::Begin() {
  static_assert(std::is_trivially_destructible_v<FramePool>);
  if (limit_ > 0 || ended_) return;
  thread_local Ender ender;
  limit_ = kMaxCachedPerClass;
}

void FramePool::Shorten(Class* list, size_t index) {
  Begin();
  if (list->count > limit_) GiveAway(list, index, kChain);
}

void FramePool::Refill(Class* list, size_t index) {
  local.Begin();
  std::lock_guard lock(reserve.mutex);
  Block*& chain = reserve.chains[index];
  if (chain == nullptr) {
    *list = {reserve.Cut((index + 1) * kGranularity), 1};
  } else {
    Block* first = std::exchange(chain, chain->next_chain);
    *list = {first, first->length};
    if (local.limit_ > 0 || first->length == 1) return;
    chain = new (first->next) Block{first->next->next, chain, first->length - 1};
    *list = {first, 1};
    first->next = nullptr;
  }
}

void FramePool::GiveAway(Class* list, size_t index, size_t most) {
  Block* first = list->head;
  Block* last = first;
  size_t length = 1;
  for (; length < most && last->next != nullptr; ++length) last = last->next;
  *list = {std::exchange(last->next, nullptr), list->count - length};
  first->length = length;
  std::lock_guard lock(reserve.mutex);
  first->next_chain = std::exchange(reserve.chains[index], first);
}

}  // namespace faultline::internal
