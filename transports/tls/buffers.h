// The two queues of ciphertext between the engine and the stream below: bounded, from the pool, and
// empty of memory while the connection is idle.
#ifndef FAULTLINE_TRANSPORTS_TLS_BUFFERS_H_
#define FAULTLINE_TRANSPORTS_TLS_BUFFERS_H_

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <utility>

#include "runtime/frozen.h"

namespace faultline::tls::internal {

inline constexpr size_t kBufferMin = size_t{4} << 10;   // bytes: what an idle connection reads into
inline constexpr size_t kBufferMax = size_t{64} << 10;  // what one read or write moves at most

// What has been received and not been decrypted yet. A read is started only when it is empty.
class Input {
 public:
  explicit Input(BufferPool* pool) : pool_(pool) {}

  bool empty() const { return begin_ == end_; }
  // Where the next read goes. Only when empty.
  std::span<std::byte> Room() {
    if (buffer_.size() != next_size_) buffer_ = pool_->Allocate(next_size_);
    begin_ = end_ = 0;
    return buffer_.bytes();
  }
  // A read brought `bytes`. One that filled its buffer had more to bring.
  void Fill(size_t bytes) {
    end_ = bytes;
    if (bytes == next_size_) next_size_ = std::min(next_size_ * 2, kBufferMax);
    if (bytes < next_size_ / 8) next_size_ = std::max(next_size_ / 2, kBufferMin);
  }
  // Takes up to `to.size()` bytes; 0 if there is nothing.
  size_t Take(std::span<std::byte> to) {
    size_t size = std::min(to.size(), end_ - begin_);
    if (size > 0) std::memcpy(to.data(), buffer_.data() + begin_, size);
    begin_ += size;
    return size;
  }

 private:
  BufferPool* const pool_;
  Unfrozen buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t next_size_ = kBufferMin;
};

// What has been encrypted and not been written yet. One part of it is on its way, and stays where
// it is; the other collects what comes meanwhile.
class Output {
 public:
  explicit Output(BufferPool* pool) : pool_(pool) {}

  bool empty() const { return collecting_.size == 0 && flying_.size == written_; }
  // Whether plaintext may be encrypted. What the engine says by itself is always taken: a
  // handshake, an alert.
  bool has_room() const { return collecting_.size < kBufferMax; }

  void Append(std::span<const std::byte> bytes) {
    if (collecting_.size + bytes.size() > collecting_.buffer.size()) Grow(bytes.size());
    std::memcpy(collecting_.buffer.data() + collecting_.size, bytes.data(), bytes.size());
    collecting_.size += bytes.size();
  }

  // What is to be written next; not when empty. Stays valid until the next call of this.
  std::span<const std::byte> Next() {
    if (flying_.size == written_) {
      std::swap(collecting_, flying_);
      collecting_.size = written_ = 0;
    }
    return std::span<const std::byte>(flying_.buffer.bytes().first(flying_.size)).subspan(written_);
  }
  // The first `bytes` of it have been written.
  void Consume(size_t bytes) {
    written_ += bytes;
    if (!empty()) return;
    collecting_ = {};
    flying_ = {};
    written_ = 0;
  }

 private:
  struct Part {
    Unfrozen buffer;
    size_t size = 0;
  };

  void Grow(size_t more) {
    size_t wanted = std::max({collecting_.size + more, collecting_.buffer.size() * 2, kBufferMin});
    Unfrozen larger = pool_->Allocate(wanted);
    if (collecting_.size > 0) {
      std::memcpy(larger.data(), collecting_.buffer.data(), collecting_.size);
    }
    collecting_.buffer = std::move(larger);
  }

  BufferPool* const pool_;
  Part collecting_;
  Part flying_;
  size_t written_ = 0;  // of `flying_`
};

}  // namespace faultline::tls::internal

#endif  // FAULTLINE_TRANSPORTS_TLS_BUFFERS_H_
