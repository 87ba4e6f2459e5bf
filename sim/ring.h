// Ring buffers that grow: of records, and of bytes. Storage is kept; nothing is allocated once they
// have grown.
#ifndef FAULTLINE_SIM_RING_H_
#define FAULTLINE_SIM_RING_H_

#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

namespace faultline::sim {

// A first-in first-out queue of small trivially copyable records.
template <typename T>
class Ring {
 public:
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  T& front() { return items_[head_]; }
  T& back() { return items_[(head_ + size_ - 1) & (capacity_ - 1)]; }

  void push_back(const T& item) {
    if (size_ == capacity_) Grow();
    items_[(head_ + size_++) & (capacity_ - 1)] = item;
  }
  void pop_front() {
    head_ = (head_ + 1) & (capacity_ - 1);
    --size_;
  }
  void pop_back() { --size_; }
  void clear() { head_ = size_ = 0; }

 private:
  void Grow() {
    size_t capacity = capacity_ == 0 ? 4 : capacity_ * 2;
    auto items = std::make_unique<T[]>(capacity);
    for (size_t i = 0; i < size_; ++i) items[i] = items_[(head_ + i) & (capacity_ - 1)];
    items_ = std::move(items);
    capacity_ = capacity;
    head_ = 0;
  }

  std::unique_ptr<T[]> items_;
  size_t capacity_ = 0;
  size_t head_ = 0;
  size_t size_ = 0;
};

// Bytes, first in, first out.
class ByteRing {
 public:
  size_t size() const { return size_; }

  void Append(const std::byte* data, size_t size) {
    if (size > capacity_ - size_) Grow(size_ + size);
    size_t tail = (head_ + size_) & (capacity_ - 1);
    size_t first = std::min(size, capacity_ - tail);
    std::memcpy(bytes_.get() + tail, data, first);
    std::memcpy(bytes_.get(), data + first, size - first);
    size_ += size;
  }
  // Removes the first `size` bytes, which are there, into `out`.
  void Take(std::byte* out, size_t size) {
    size_t first = std::min(size, capacity_ - head_);
    std::memcpy(out, bytes_.get() + head_, first);
    std::memcpy(out + first, bytes_.get(), size - first);
    head_ = (head_ + size) & (capacity_ - 1);
    size_ -= size;
    if (size_ == 0) head_ = 0;
  }
  // Removes the first `size` bytes, which are there.
  void Discard(size_t size) {
    if (size == 0) return;
    head_ = (head_ + size) & (capacity_ - 1);
    size_ -= size;
  }
  // Forgets what follows the first `size` bytes.
  void Truncate(size_t size) { size_ = std::min(size_, size); }
  void Clear() {
    bytes_.reset();
    capacity_ = head_ = size_ = 0;
  }

 private:
  static constexpr size_t kInitialCapacity = 1024;

  void Grow(size_t needed) {
    size_t capacity = std::max(capacity_, kInitialCapacity);
    while (capacity < needed) capacity *= 2;
    std::unique_ptr<std::byte[]> bytes(new std::byte[capacity]);
    size_t size = size_;
    if (size > 0) Take(bytes.get(), size);
    bytes_ = std::move(bytes);
    capacity_ = capacity;
    head_ = 0;
    size_ = size;
  }

  std::unique_ptr<std::byte[]> bytes_;
  size_t capacity_ = 0;
  size_t head_ = 0;
  size_t size_ = 0;
};

}  // namespace faultline::sim

#endif  // FAULTLINE_SIM_RING_H_
