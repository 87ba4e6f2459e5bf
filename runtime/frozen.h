// Frozen: immutable, reference-counted, 4096-aligned message buffers; the pool that they come from;
// the batch that a vectored write takes them from without a copy.
//
//   Unfrozen draft = pool->Allocate(256 + body.size());     // one owner, writable
//   ... fill draft.bytes() ...
//   Frozen message = std::move(draft).Freeze();             // any number of owners, immutable
//   FrozenBatch batch;
//   batch.Add(message);
//   ... co_await stream->WriteVector(batch.buffers());  batch.Consume(written);
//
// A buffer goes back to its pool when its last owner lets go, from whichever thread; the pool may
// be destroyed before its buffers. Direct I/O and io_uring's registered buffers want the alignment.
//
// What is received into one large buffer can be given out in parts, without a copy: `Slab`.
//
// What it costs: a buffer that its pool's own thread takes and lets go of costs no atomic
// read-modify-write; a copy that is made and dropped costs two, or none while the process has one
// thread; a part of a slab costs one, or none.
#ifndef FAULTLINE_RUNTIME_FROZEN_H_
#define FAULTLINE_RUNTIME_FROZEN_H_

#include <sys/single_threaded.h>
#include <sys/uio.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "runtime/check.h"

namespace faultline {

inline constexpr size_t kBufferAlignment = 4096;

class BufferPool;

namespace internal {

class BufferPoolCore;

// Atomic, but without a bus lock while nobody else can see it (glibc's manual, Single-Threaded).
// Returns the value before.
inline uint32_t Add(std::atomic<uint32_t>* count, uint32_t change, std::memory_order order) {
  if (!__libc_single_threaded) return count->fetch_add(change, order);
  uint32_t before = count->load(std::memory_order_relaxed);
  count->store(before + change, std::memory_order_relaxed);
  return before;
}

// The count and the way home of one buffer; the buffer itself lies elsewhere, aligned.
struct BufferBlock {
  std::atomic<uint32_t> owners{1};
  std::byte* data = nullptr;
  size_t capacity = 0;
  BufferPoolCore* home = nullptr;
  BufferBlock* next = nullptr;
};

void GiveBack(BufferBlock* block);

inline void Retain(BufferBlock* block) { Add(&block->owners, 1, std::memory_order_relaxed); }

// Lets go of `shares` of them.
inline void Release(BufferBlock* block, uint32_t shares = 1) {
  // A sole owner needs no read-modify-write: nobody else can take a share any more.
  if (block->owners.load(std::memory_order_acquire) != shares &&
      Add(&block->owners, 0 - shares, std::memory_order_acq_rel) != shares) {
    return;
  }
  GiveBack(block);
}

}  // namespace internal

// An immutable view of a shared buffer. Copying shares; an empty one holds nothing. Copies may live
// on several threads.
class Frozen {
 public:
  Frozen() = default;
  Frozen(const Frozen& other) : Frozen(other.block_, other.data_, other.size_) {
    if (block_ != nullptr) internal::Retain(block_);
  }
  Frozen(Frozen&& other) noexcept
      : block_(std::exchange(other.block_, nullptr)),
        data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  Frozen& operator=(Frozen other) noexcept {
    std::swap(block_, other.block_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Frozen() {
    if (block_ != nullptr) internal::Release(block_);
  }

  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }

  // Shares `size` bytes from `offset`. The part keeps the whole buffer alive.
  Frozen Slice(size_t offset, size_t size) const;

 private:
  friend class FrozenBatch;
  friend class Unfrozen;
  friend class Slab;
  Frozen(internal::BufferBlock* block, const std::byte* data, size_t size)
      : block_(block), data_(data), size_(size) {}

  internal::BufferBlock* block_ = nullptr;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// A buffer with one owner, writable until it is frozen. From a pool it starts at a multiple of
// 4096.
class Unfrozen {
 public:
  Unfrozen() = default;
  Unfrozen(Unfrozen&& other) noexcept
      : block_(std::exchange(other.block_, nullptr)),
        data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  Unfrozen& operator=(Unfrozen&& other) noexcept {
    std::swap(block_, other.block_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Unfrozen() {
    if (block_ != nullptr) internal::Release(block_);
  }

  std::byte* data() { return data_; }
  size_t size() const { return size_; }
  std::span<std::byte> bytes() { return {data_, size_}; }

  // Makes it shorter; the rest of the buffer is not used.
  void Truncate(size_t size) {
    FAULTLINE_CHECK(size <= size_) << "a buffer does not grow";
    size_ = size;
  }

  Frozen Freeze() && {
    return Frozen(std::exchange(block_, nullptr), std::exchange(data_, nullptr),
                  std::exchange(size_, 0));
  }

 private:
  friend class BufferPool;
  friend class Slab;
  Unfrozen(internal::BufferBlock* block, std::byte* data, size_t size)
      : block_(block), data_(data), size_(size) {}

  internal::BufferBlock* block_ = nullptr;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// A buffer that fills up from its front, while what it holds already is given out in parts that
// share it: what a reader receives into.
//
//   Slab slab(pool->Allocate(64 << 10));
//   size_t got = read(fd, slab.data(), slab.size());
//   Frozen first = slab.Share(0, 256);                    // got >= 256
//   ... more is read behind `got`, while `first` lives on, on whichever thread ...
//
// Bytes of a part that lives are never written again: the owner writes behind all the parts that it
// has given out, and starts over only when `unshared`. A part keeps the whole buffer alive. Shares
// are taken from the count in bulk, so that giving out a part costs a plain subtraction.
class Slab {
 public:
  Slab() = default;
  explicit Slab(Unfrozen buffer)
      : block_(std::exchange(buffer.block_, nullptr)),
        data_(std::exchange(buffer.data_, nullptr)),
        size_(std::exchange(buffer.size_, 0)) {}
  Slab(Slab&& other) noexcept
      : block_(std::exchange(other.block_, nullptr)),
        data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        credit_(std::exchange(other.credit_, 0)) {}
  Slab& operator=(Slab&& other) noexcept {
    std::swap(block_, other.block_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(credit_, other.credit_);
    return *this;
  }
  ~Slab() {
    if (block_ != nullptr) internal::Release(block_, credit_ + 1);
  }

  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  // 0: holds nothing.
  size_t size() const { return size_; }

  // `size` bytes from `offset`, which have been filled.
  [[gnu::always_inline]] Frozen Share(size_t offset, size_t size) {
    TakeShare(offset, size);
    return Frozen(block_, data_ + offset, size);
  }

  // The same, to be filled by whoever gets it, and by nobody else.
  Unfrozen Lend(size_t offset, size_t size) {
    TakeShare(offset, size);
    return Unfrozen(block_, data_ + offset, size);
  }

  // No part is left, so that all of it may be written again. Whoever has let go of the last part
  // has read it before.
  bool unshared() const { return block_->owners.load(std::memory_order_acquire) == credit_ + 1; }

 private:
  static constexpr uint32_t kCredit = 1 << 16;

  [[gnu::always_inline]] void TakeShare(size_t offset, size_t size) {
    FAULTLINE_CHECK(offset <= size_ && size <= size_ - offset) << "a part lies within its slab";
    if (credit_ == 0) {
      internal::Add(&block_->owners, kCredit, std::memory_order_relaxed);
      credit_ = kCredit;
    }
    --credit_;
  }

  internal::BufferBlock* block_ = nullptr;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
  uint32_t credit_ = 0;  // shares that the count has already and nobody else holds
};

// Recycles buffers by size: powers of two from 4 KiB to 1 MiB; larger ones are not kept. It belongs
// to the thread that allocates first, which alone may allocate; buffers come back from any thread.
class BufferPool {
 public:
  // Keeps at most `max_cached_bytes` of free buffers.
  explicit BufferPool(size_t max_cached_bytes = size_t{64} << 20);
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;
  // By its thread; or by another, once that has ended or has let go of all buffers of this pool.
  ~BufferPool();

  // Uninitialised; `size` may be 0. Running out of memory ends the program, as everywhere in C++.
  Unfrozen Allocate(size_t size);
  // A frozen copy of `bytes`.
  Frozen Copy(std::span<const std::byte> bytes);

  // Bytes of free buffers that are kept now.
  size_t cached_bytes() const;

 private:
  internal::BufferPoolCore* const core_;  // shared with the buffers in use
};

// Up to 512 frozen buffers in order, and how far they have been written. Reused: it allocates once.
class FrozenBatch {
 public:
  static constexpr size_t kMaxBuffers = 512;  // half of IOV_MAX

  FrozenBatch();

  bool full() const { return messages_.size() == kMaxBuffers; }
  // Nothing left to write.
  bool empty() const { return first_ == buffers_.size(); }
  // Messages added since the last `Clear`, written or not.
  size_t size() const { return messages_.size(); }
  std::span<const Frozen> messages() const { return messages_; }
  // Bytes not written yet.
  size_t bytes() const { return bytes_; }

  // Not when full. An empty message takes no room on the wire.
  void Add(const Frozen& message) { Enqueue(messages_.emplace_back(message)); }
  void Add(Frozen&& message) { Enqueue(messages_.emplace_back(std::move(message))); }

  // What is left to write, for `WriteVector`: a buffer a message, or fewer where messages lie
  // behind each other in one. Valid until the next call of a non-const method.
  std::span<const iovec> buffers() const { return std::span(buffers_).subspan(first_); }
  // The first `bytes` of it have been written.
  void Consume(size_t bytes);

  // Lets go of all messages.
  void Clear();

 private:
  void Enqueue(const Frozen& message) {
    FAULTLINE_CHECK(messages_.size() <= kMaxBuffers)
        << "a batch holds " << kMaxBuffers << " messages";
    if (message.empty()) return;
    bytes_ += message.size();
    if (ContinuesLast(message)) {
      buffers_.back().iov_len += message.size();
      return;
    }
    last_block_ = message.block_;
    iovec& buffer = buffers_.emplace_back();  // filled in place: cheaper than copied
    buffer.iov_base = const_cast<std::byte*>(message.data());
    buffer.iov_len = message.size();
  }

  // Parts of one buffer that lie behind each other go as one: the kernel takes a piece at a time.
  // Never parts of two buffers, whose addresses are chance.
  bool ContinuesLast(const Frozen& message) const {
    if (message.block_ != last_block_ || empty()) return false;
    const iovec& last = buffers_.back();
    return static_cast<const std::byte*>(last.iov_base) + last.iov_len == message.data();
  }

  std::vector<Frozen> messages_;
  const internal::BufferBlock* last_block_ = nullptr;  // of the last of `buffers_`
  std::vector<iovec> buffers_;
  size_t first_ = 0;
  size_t bytes_ = 0;
};

}  // namespace faultline

#endif  // FAULTLINE_RUNTIME_FROZEN_H_
