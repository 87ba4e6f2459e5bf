#include "runtime/frozen.h"

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

// The count and the way home of one buffer; the buffer itself lies elsewhere, aligned.
struct BufferBlock {
  std::atomic<uint32_t> owners{1};
  std::byte* data = nullptr;
  size_t capacity = 0;
  BufferPool::Core* home = nullptr;
  BufferBlock* next = nullptr;
};

}  // namespace internal

using internal::BufferBlock;

// Shared by the pool and its buffers: `references_` counts them all. Buffers come back by a
// lock-free push on `returned_`; only the allocating thread takes from it, all at once, so there is
// no ABA.
class BufferPool::Core {
 public:
  explicit Core(size_t max_cached_bytes) : max_cached_bytes_(max_cached_bytes) {}

  BufferBlock* Take(size_t size) {
    size_t index = ClassOf(size);
    references_.fetch_add(1, std::memory_order_relaxed);
    if (index >= kClasses) {
      FAULTLINE_CHECK(size <= kMaxSize) << "no buffer has " << size << " bytes";
      return NewBlock((size + kBufferAlignment - 1) & ~(kBufferAlignment - 1));
    }
    BufferBlock*& head = free_[index];
    if (head == nullptr) head = returned_[index].exchange(nullptr, std::memory_order_acquire);
    if (head == nullptr) return NewBlock(kBufferAlignment << index);
    BufferBlock* block = head;
    head = block->next;
    cached_bytes_.fetch_sub(block->capacity, std::memory_order_relaxed);
    FAULTLINE_UNPOISON(block->data, block->capacity);
    block->owners.store(1, std::memory_order_relaxed);
    return block;
  }

  void GiveBack(BufferBlock* block) {
    size_t index = ClassOf(block->capacity);
    if (closed_.load(std::memory_order_acquire) || index >= kClasses ||
        !ReserveCache(block->capacity)) {
      DeleteBlock(block);
    } else {
      FAULTLINE_POISON(block->data, block->capacity);
      BufferBlock* head = returned_[index].load(std::memory_order_relaxed);
      do {
        block->next = head;
      } while (!returned_[index].compare_exchange_weak(head, block, std::memory_order_release,
                                                       std::memory_order_relaxed));
    }
    Unreference();
  }

  void Close() {
    closed_.store(true, std::memory_order_release);
    Unreference();
  }

  size_t cached_bytes() const { return cached_bytes_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kClasses = 9;  // 4 KiB << 8 is 1 MiB
  static constexpr size_t kMaxSize = SIZE_MAX / 2;

  ~Core() {
    for (size_t i = 0; i < kClasses; ++i) {
      DeleteAll(free_[i]);
      DeleteAll(returned_[i].load(std::memory_order_acquire));
    }
  }

  // Looks and counts in one step: threads that give back at once cannot pass the limit together.
  bool ReserveCache(size_t bytes) {
    size_t cached = cached_bytes_.load(std::memory_order_relaxed);
    do {
      if (bytes > max_cached_bytes_ || cached > max_cached_bytes_ - bytes) return false;
    } while (
        !cached_bytes_.compare_exchange_weak(cached, cached + bytes, std::memory_order_relaxed));
    return true;
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
    return block;
  }

  static void DeleteBlock(BufferBlock* block) {
    FAULTLINE_UNPOISON(block->data, block->capacity);
    ::operator delete(block->data, std::align_val_t(kBufferAlignment));
    delete block;
  }

  static void DeleteAll(BufferBlock* block) {
    while (block != nullptr) DeleteBlock(std::exchange(block, block->next));
  }

  void Unreference() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  const size_t max_cached_bytes_;
  std::atomic<size_t> references_{1};
  std::atomic<size_t> cached_bytes_{0};
  std::atomic<bool> closed_{false};
  BufferBlock* free_[kClasses] = {};
  std::atomic<BufferBlock*> returned_[kClasses] = {};
};

namespace internal {

void Retain(BufferBlock* block) { block->owners.fetch_add(1, std::memory_order_relaxed); }

void Release(BufferBlock* block) {
  // A sole owner needs no read-modify-write: nobody else can take a share any more.
  if (block->owners.load(std::memory_order_acquire) != 1 &&
      block->owners.fetch_sub(1, std::memory_order_acq_rel) != 1) {
    return;
  }
  block->home->GiveBack(block);
}

}  // namespace internal

Frozen Frozen::Slice(size_t offset, size_t size) const {
  FAULTLINE_CHECK(offset <= size_ && size <= size_ - offset) << "a slice lies within its buffer";
  Frozen part(*this);
  part.data_ += offset;
  part.size_ = size;
  return part;
}

BufferPool::BufferPool(size_t max_cached_bytes) : core_(new Core(max_cached_bytes)) {}

BufferPool::~BufferPool() { core_->Close(); }

Unfrozen BufferPool::Allocate(size_t size) {
  BufferBlock* block = core_->Take(size);
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

void FrozenBatch::Add(Frozen message) {
  FAULTLINE_CHECK(!full()) << "a batch holds " << kMaxBuffers << " messages";
  if (!message.empty()) {
    buffers_.push_back({const_cast<std::byte*>(message.data()), message.size()});
    bytes_ += message.size();
  }
  messages_.push_back(std::move(message));
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
}

}  // namespace faultline
