#include "runtime/frozen.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <new>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#define FAULTLINE_POISON(data, size) __asan_poison_memory_region(data, size)
#define FAULTLINE_UNPOISON(data, size) __asan_unpoison_memory_region(data, size)
#endif
#endif
#ifndef FAULTLINE_POISON
#define FAULTLINE_POISON(data, size) (void)(data), (void)(size)
#define FAULTLINE_UNPOISON(data, size) (void)(data), (void)(size)
#endif

namespace faultline {
namespace internal {
namespace {

// Of the calling thread; never 0, never given twice.
uint64_t ThisThread() {
  static std::atomic<uint64_t> last{0};
  static constinit thread_local uint64_t id = 0;
  if (id == 0) id = last.fetch_add(1, std::memory_order_relaxed) + 1;
  return id;
}

}  // namespace

// Shared by the pool and its buffers.
//
// Who touches what
//   free_, spare_   the pool's thread (`owner_`), and whoever closes the pool
//   returned_       all threads: others push what they let go of; the pool's thread takes from it,
//                   all at once, so that there is no ABA. Closing puts `kClosed` there for good.
//   blocks_         counts the buffers that exist, in use or free, and the pool: whoever deletes
//                   the last deletes this
//
// Invariants
//  1. reserved_ <= max_cached_bytes_: each free buffer has reserved its size there, and the pool's
//     thread a little more (spare_), for the next that it lets go of.
//  2. Once closed, owner_ is nobody, nothing is pushed, and each buffer that comes back is deleted.
class BufferPoolCore {
 public:
  explicit BufferPoolCore(size_t max_cached_bytes)
      : max_cached_bytes_(max_cached_bytes),
        max_spare_(std::min(max_cached_bytes / 8, kMaxSpare)) {}

  BufferBlock* Take(size_t size) {
    CheckThread();
    size_t index = ClassOf(size);
    if (index >= kClasses) {
      FAULTLINE_CHECK(size <= kMaxSize) << "no buffer has " << size << " bytes";
      return NewBlock((size + kBufferAlignment - 1) & ~(kBufferAlignment - 1));
    }
    BufferBlock*& head = free_[index];
    if (head == nullptr) head = TakeReturned(index);
    if (head == nullptr) return NewBlock(kBufferAlignment << index);
    BufferBlock* block = head;
    head = block->next;
    AddSpare(block->capacity);
    FAULTLINE_UNPOISON(block->data, block->capacity);
    block->owners.store(1, std::memory_order_relaxed);
    return block;
  }

  void GiveBack(BufferBlock* block) {
    size_t index = ClassOf(block->capacity);
    if (owner_.load(std::memory_order_relaxed) == ThisThread()) {
      if (index >= kClasses || !ReserveOwn(block->capacity)) return DeleteBlock(block);
      FAULTLINE_POISON(block->data, block->capacity);
      block->next = free_[index];
      free_[index] = block;
    } else {
      if (index >= kClasses || !Reserve(block->capacity)) return DeleteBlock(block);
      Return(block, &returned_[index]);
    }
  }

  void Close() {
    owner_.store(kNobody, std::memory_order_relaxed);
    for (size_t i = 0; i < kClasses; ++i) {
      DeleteAll(std::exchange(free_[i], nullptr));
      DeleteAll(returned_[i].exchange(Closed(), std::memory_order_acq_rel));
    }
    Unreference();
  }

  // The pool's own thread sees it exactly, as long as no other gives back meanwhile.
  size_t cached_bytes() const {
    size_t spare = spare_.load(std::memory_order_relaxed);
    size_t reserved = reserved_.load(std::memory_order_relaxed);
    return reserved - std::min(spare, reserved);
  }

 private:
  static constexpr size_t kClasses = 9;  // 4 KiB << 8 is 1 MiB
  static constexpr size_t kMaxSize = SIZE_MAX / 2;
  static constexpr size_t kMaxSpare = size_t{1} << 20;
  static constexpr uint64_t kNobody = 0;

  ~BufferPoolCore() = default;

  // The end of a list that takes nothing any more.
  static BufferBlock* Closed() {
    static BufferBlock closed;
    return &closed;
  }

  void CheckThread() {
    uint64_t self = ThisThread();
    if (__builtin_expect(owner_.load(std::memory_order_relaxed) == self, true)) return;
    uint64_t nobody = kNobody;
    FAULTLINE_CHECK(owner_.compare_exchange_strong(nobody, self, std::memory_order_relaxed))
        << "one thread allocates from a pool";
  }

  BufferBlock* TakeReturned(size_t index) {
    if (returned_[index].load(std::memory_order_relaxed) == nullptr) return nullptr;
    return returned_[index].exchange(nullptr, std::memory_order_acquire);
  }

  // The last to look at `block` here: the pool's thread may take it at once. Poisoned first.
  void Return(BufferBlock* block, std::atomic<BufferBlock*>* returned) {
    FAULTLINE_POISON(block->data, block->capacity);
    BufferBlock* head = returned->load(std::memory_order_relaxed);
    do {
      if (head == Closed()) return DeleteBlock(block);
      block->next = head;
    } while (!returned->compare_exchange_weak(head, block, std::memory_order_release,
                                              std::memory_order_relaxed));
  }

  // Looks and counts in one step: threads that give back at once cannot pass the limit together.
  bool Reserve(size_t bytes) {
    size_t reserved = reserved_.load(std::memory_order_relaxed);
    do {
      if (bytes > max_cached_bytes_ || reserved > max_cached_bytes_ - bytes) return false;
    } while (
        !reserved_.compare_exchange_weak(reserved, reserved + bytes, std::memory_order_relaxed));
    return true;
  }

  bool ReserveOwn(size_t bytes) {
    size_t spare = spare_.load(std::memory_order_relaxed);
    if (spare < bytes) return Reserve(bytes);
    spare_.store(spare - bytes, std::memory_order_relaxed);
    return true;
  }

  // What a buffer had reserved is kept for the next one, up to a bound.
  void AddSpare(size_t bytes) {
    size_t spare = spare_.load(std::memory_order_relaxed) + bytes;
    if (spare > max_spare_) {
      reserved_.fetch_sub(spare, std::memory_order_relaxed);
      spare = 0;
    }
    spare_.store(spare, std::memory_order_relaxed);
  }

  static size_t ClassOf(size_t size) {
    if (size <= kBufferAlignment) return 0;
    return static_cast<size_t>(std::bit_width((size - 1) / kBufferAlignment));
  }

  BufferBlock* NewBlock(size_t capacity) {
    auto* block = new BufferBlock;
    block->data =
        static_cast<std::byte*>(::operator new(capacity, std::align_val_t(kBufferAlignment)));
    block->capacity = capacity;
    block->home = this;
    blocks_.fetch_add(1, std::memory_order_relaxed);
    return block;
  }

  // May delete this.
  void DeleteBlock(BufferBlock* block) {
    FAULTLINE_UNPOISON(block->data, block->capacity);
    ::operator delete(block->data, std::align_val_t(kBufferAlignment));
    delete block;
    Unreference();
  }

  void DeleteAll(BufferBlock* block) {
    while (block != nullptr) DeleteBlock(std::exchange(block, block->next));
  }

  void Unreference() {
    if (blocks_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  const size_t max_cached_bytes_;
  const size_t max_spare_;
  std::atomic<uint64_t> owner_{kNobody};
  BufferBlock* free_[kClasses] = {};
  std::atomic<size_t> spare_{0};
  std::atomic<size_t> reserved_{0};
  std::atomic<size_t> blocks_{1};
  std::atomic<BufferBlock*> returned_[kClasses] = {};
};

void GiveBack(BufferBlock* block) { block->home->GiveBack(block); }

}  // namespace internal

Frozen Frozen::Slice(size_t offset, size_t size) const {
  FAULTLINE_CHECK(offset <= size_ && size <= size_ - offset) << "a slice lies within its buffer";
  Frozen part(*this);
  part.data_ += offset;
  part.size_ = size;
  return part;
}

BufferPool::BufferPool(size_t max_cached_bytes)
    : core_(new internal::BufferPoolCore(max_cached_bytes)) {}

BufferPool::~BufferPool() { core_->Close(); }

Unfrozen BufferPool::Allocate(size_t size) {
  internal::BufferBlock* block = core_->Take(size);
  return Unfrozen(block, block->data, size);
}

Frozen BufferPool::Copy(std::span<const std::byte> bytes) {
  Unfrozen copy = Allocate(bytes.size());
  if (!bytes.empty()) std::memcpy(copy.data(), bytes.data(), bytes.size());
  return std::move(copy).Freeze();
}

size_t BufferPool::cached_bytes() const { return core_->cached_bytes(); }

FrozenBatch::FrozenBatch() {
  messages_.reserve(kMaxBuffers);
  buffers_.reserve(kMaxBuffers);
}

void FrozenBatch::Consume(size_t bytes) {
  FAULTLINE_CHECK(bytes <= bytes_) << "more was written than there was";
  bytes_ -= bytes;
  while (bytes > 0) {
    iovec& buffer = buffers_[first_];
    if (bytes < buffer.iov_len) {
      buffer.iov_base = static_cast<std::byte*>(buffer.iov_base) + bytes;
      buffer.iov_len -= bytes;
      return;
    }
    bytes -= buffer.iov_len;
    ++first_;
  }
}

void FrozenBatch::Clear() {
  messages_.clear();
  buffers_.clear();
  first_ = 0;
  bytes_ = 0;
  last_block_ = nullptr;
}

}  // namespace faultline
