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
#ifndef FAULTLINE_RUNTIME_FROZEN_H_
#define FAULTLINE_RUNTIME_FROZEN_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "runtime/check.h"

namespace faultline {

inline constexpr size_t kBufferAlignment = 4096;

namespace internal {

struct BufferBlock;
void Retain(BufferBlock* block);
void Release(BufferBlock* block);

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
  friend class Unfrozen;
  Frozen(internal::BufferBlock* block, const std::byte* data, size_t size)
      : block_(block), data_(data), size_(size) {}

  internal::BufferBlock* block_ = nullptr;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// A buffer with one owner, writable until it is frozen. Starts at a multiple of 4096.
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
  Unfrozen(internal::BufferBlock* block, std::byte* data, size_t size)
      : block_(block), data_(data), size_(size) {}

  internal::BufferBlock* block_ = nullptr;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// Recycles buffers by size: powers of two from 4 KiB to 1 MiB; larger ones are not kept. `Allocate`
// is for one thread; buffers come back from any.
class BufferPool {
 public:
  // Keeps at most `max_cached_bytes` of free buffers.
  explicit BufferPool(size_t max_cached_bytes = size_t{64} << 20);
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;
  ~BufferPool();

  // Uninitialised; `size` may be 0. Running out of memory ends the program, as everywhere in C++.
  Unfrozen Allocate(size_t size);
  // A frozen copy of `bytes`.
  Frozen Copy(std::span<const std::byte> bytes);

  // Bytes of free buffers that are kept now.
  size_t cached_bytes() const;

  class Core;

 private:
  Core* const core_;  // shared with the buffers in use; counts them
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
  void Add(Frozen message);

  // What is left to write, for `WriteVector`. Valid until the next call of a non-const method.
  std::span<const iovec> buffers() const { return std::span(buffers_).subspan(first_); }
  // The first `bytes` of it have been written.
  void Consume(size_t bytes);

  // Lets go of all messages.
  void Clear();

 private:
  std::vector<Frozen> messages_;
  std::vector<iovec> buffers_;
  size_t first_ = 0;
  size_t bytes_ = 0;
};

}  // namespace faultline

#endif  // FAULTLINE_RUNTIME_FROZEN_H_
