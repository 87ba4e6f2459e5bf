// Ring buffers that grow: of records, and of bytes. Nothing is allocated once they have grown.
//
// Both are made for thousands of owners, each of which has little in them at a time: what lies in a
// ring should be in the same cache lines as its owner, or in lines that were used a moment ago.
#ifndef FAULTLINE_SIM_RING_H_
#define FAULTLINE_SIM_RING_H_

#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <type_traits>

#include "runtime/check.h"
#include "runtime/frame_pool.h"

namespace faultline::sim {

// A first-in first-out queue of small trivially copyable records. Up to `kInline` of them, a power
// of two, lie in the ring itself; it comes back to that when it has been empty.
template <typename T, uint32_t kInline = 1>
class Ring {
 public:
  Ring() = default;
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  ~Ring() { Shrink(); }

  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  T& front() { return items()[head_]; }
  const T& front() const { return items()[head_]; }
  T& back() { return items()[(head_ + size_ - 1) & (capacity_ - 1)]; }

  void push_back(const T& item) {
    if (size_ == capacity_) Grow();
    new (&items()[(head_ + size_++) & (capacity_ - 1)]) T(item);
  }
  void pop_front() {
    head_ = (head_ + 1) & (capacity_ - 1);
    if (--size_ == 0) Emptied();
  }
  void pop_back() {
    if (--size_ == 0) Emptied();
  }
  void clear() {
    size_ = 0;
    Emptied();
  }

 private:
  static constexpr size_t kReleased = 4096;  // bytes: at most so much goes back when it is empty

  void Emptied() {
    head_ = 0;
    if (capacity_ > kInline && capacity_ * sizeof(T) <= kReleased) Shrink();
  }
  void Shrink() {
    if (capacity_ > kInline) internal::FramePool::Free(storage_.elsewhere, capacity_ * sizeof(T));
    capacity_ = kInline;
  }
  void Grow() {
    const uint32_t capacity = capacity_ * 2;
    T* grown = static_cast<T*>(internal::FramePool::Allocate(capacity * sizeof(T)));
    for (uint32_t i = 0; i < size_; ++i) new (&grown[i]) T(items()[(head_ + i) & (capacity_ - 1)]);
    Shrink();
    storage_.elsewhere = grown;
    capacity_ = capacity;
    head_ = 0;
  }

  T* items() {
    return capacity_ == kInline ? reinterpret_cast<T*>(storage_.here) : storage_.elsewhere;
  }
  const T* items() const { return const_cast<Ring*>(this)->items(); }

  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

  uint32_t capacity_ = kInline;
  uint32_t head_ = 0;
  uint32_t size_ = 0;
  union {
    alignas(T) std::byte here[kInline * sizeof(T)];
    T* elsewhere;  // with more than `kInline`
  } storage_;
};

// Bytes, first in, first out; less than 2 GiB. Small storage goes back to the pool as soon as it is
// empty: the next message, of whichever connection, is written where the last one was read, which
// is still in the cache.
class ByteRing {
 public:
  ByteRing() = default;
  ByteRing(const ByteRing&) = delete;
  ByteRing& operator=(const ByteRing&) = delete;
  ~ByteRing() { Release(); }

  size_t size() const { return size_; }

  void Append(const std::byte* data, size_t size) {
    if (size > capacity_ - size_) Grow(size_ + size);
    size_t tail = (head_ + size_) & (capacity_ - 1);
    size_t first = std::min(size, capacity_ - tail);
    std::memcpy(bytes_ + tail, data, first);
    std::memcpy(bytes_, data + first, size - first);
    size_ += static_cast<uint32_t>(size);
  }
  // Removes the first `size` bytes, which are there, into `out`.
  void Take(std::byte* out, size_t size) {
    Copy(out, size);
    Discard(size);
  }
  // Copies `size` bytes from the `offset`th on, which are there, into `out`.
  void Peek(size_t offset, std::byte* out, size_t size) const {
    const size_t begin = (head_ + offset) & (capacity_ - 1);
    const size_t first = std::min<size_t>(size, capacity_ - begin);
    std::memcpy(out, bytes_ + begin, first);
    std::memcpy(out + first, bytes_, size - first);
  }
  // Removes the first `size` bytes, which are there.
  void Discard(size_t size) {
    if (size == 0) return;
    head_ = static_cast<uint32_t>((head_ + size) & (capacity_ - 1));
    size_ -= static_cast<uint32_t>(size);
    ReleaseIfEmpty();
  }
  // Forgets what follows the first `size` bytes.
  void Truncate(size_t size) {
    size_ = static_cast<uint32_t>(std::min<size_t>(size_, size));
    ReleaseIfEmpty();
  }

  // Where the first bytes are, for hints to the caches; null if there is no storage.
  const std::byte* first() const { return bytes_ + head_; }

 private:
  static constexpr size_t kSmallest = 256;
  static constexpr size_t kReleased = 4096;  // at most so much goes back when it is empty

  void Copy(std::byte* out, size_t size) const {
    size_t first = std::min<size_t>(size, capacity_ - head_);
    std::memcpy(out, bytes_ + head_, first);
    std::memcpy(out + first, bytes_, size - first);
  }

  void ReleaseIfEmpty() {
    if (size_ > 0) return;
    head_ = 0;
    if (capacity_ <= kReleased) Release();
  }
  void Release() {
    if (bytes_ != nullptr) internal::FramePool::Free(bytes_, capacity_);
    bytes_ = nullptr;
    capacity_ = 0;
  }

  void Grow(size_t needed) {
    FAULTLINE_CHECK(needed <= size_t{1} << 31) << "a buffer of more than 2 GiB";
    size_t capacity = std::max<size_t>(capacity_, kSmallest);
    while (capacity < needed) capacity *= 2;
    auto* bytes = static_cast<std::byte*>(internal::FramePool::Allocate(capacity));
    if (size_ > 0) Copy(bytes, size_);
    Release();
    bytes_ = bytes;
    capacity_ = static_cast<uint32_t>(capacity);
    head_ = 0;
  }

  std::byte* bytes_ = nullptr;
  uint32_t capacity_ = 0;  // a power of two, or 0
  uint32_t head_ = 0;
  uint32_t size_ = 0;
};

}  // namespace faultline::sim

#endif  // FAULTLINE_SIM_RING_H_
