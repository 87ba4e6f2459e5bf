// Inbox: the receive buffer of the peers in `//bench:tcp`: one big piece of memory. Bytes are moved
// to its front when the next read would not have enough room behind them, and only then.
#ifndef FAULTLINE_BENCH_TCP_INBOX_H_
#define FAULTLINE_BENCH_TCP_INBOX_H_

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "bench/tcp_frames.h"

namespace faultline::bench {

class Inbox {
 public:
  static constexpr size_t kBytes = size_t{256} << 10;

  std::byte* room() { return buffer_.get() + end_; }
  size_t room_bytes() const { return kBytes - end_; }
  void Filled(size_t bytes) { end_ += bytes; }

  size_t bytes() const { return end_ - begin_; }
  const std::byte* data() const { return buffer_.get() + begin_; }
  void DropAll() { begin_ = end_ = 0; }

  // Calls `take(frame, size)` for each whole frame and makes room for the rest of the next.
  template <typename Take>
  void TakeAll(Take take) {
    size_t missing = 0;
    begin_ = TakeFrames(buffer_.get(), begin_, end_, &missing, take);
    if (begin_ == SIZE_MAX) {
      std::fputs("a wrong frame\n", stderr);
      std::abort();
    }
    if (begin_ == end_) DropAll();
    if (room_bytes() < missing || room_bytes() < kBytes / 2) MoveToFront();
  }

 private:
  void MoveToFront() {
    std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }

  std::unique_ptr<std::byte[]> buffer_ = std::make_unique<std::byte[]>(kBytes);
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace faultline::bench

#endif  // FAULTLINE_BENCH_TCP_INBOX_H_
