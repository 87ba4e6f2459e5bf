// Transfer operations: one read, write, send or receive in flight, as an awaitable object.
//
// The contract, in every world:
//  1. An operation and the buffers that it names belong to the backend from `co_await` until it
//     completes. Only then may the buffers be read, changed or freed.
//  2. On a stream it transfers at least one byte, or fails, or (reads) finds the end of the stream:
//     0 bytes. Fewer bytes than asked for is success. A datagram is transferred whole; it may be
//     empty.
//  3. A stop request asks the backend to cancel. If bytes were already transferred the operation
//     reports them and succeeds; otherwise it fails with Cancelled and nothing was transferred.
//  4. If the awaiting frame is destroyed while an operation is pending, the backend lets go of it
//     and of its buffers before the destructor returns. If the socket is destroyed first (frames
//     die in any order in a crash), its destructor fails what is pending, so that nothing points at
//     it.
//  5. Nothing is allocated: the object lies in the awaiting frame.
#ifndef FAULTLINE_RUNTIME_TRANSFER_H_
#define FAULTLINE_RUNTIME_TRANSFER_H_

#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/fetch.h"
#include "runtime/wait.h"

namespace faultline {

// The backend's view of an operation in flight.
class Transfer : protected Wait {
 public:
  // The buffers, in order. There is at least one. On streams they hold at least one byte together.
  std::span<const iovec> buffers() const { return buffers_; }
  // Their total length in bytes.
  size_t capacity() const {
    size_t total = 0;
    for (const iovec& buffer : buffers_) total += buffer.iov_len;
    return total;
  }

  using Wait::FetchAwaiter;
  using Wait::pending;
  using Wait::task;

  // A hint for the processor's caches, where this is already: it completes soon. Only a lone buffer
  // is known without a further look; one of a message often lies in the frame that waits for it,
  // with what that frame needs next around it.
  void Fetch() const {
    Wait::Fetch();
    if (buffers_.data() != &single_) return;
    FetchLines(single_.iov_base, std::min(single_.iov_len, kMessage), kAround);
  }

  // Ends the operation. Call once: from Start* (then return true) or later, when it is pending.
  void Succeed(size_t bytes) {
    bytes_ = bytes;
    if (pending()) Complete();
  }
  void Fail(absl::Status status) {
    status_ = std::move(status);
    if (pending()) Complete();
  }

  // For the backend, while the operation is pending: what it keeps about it.
  void* backend_data = nullptr;

 protected:
  explicit Transfer(std::span<const iovec> buffers) : buffers_(buffers) {}
  Transfer(void* data, size_t size) : single_{data, size}, buffers_(&single_, 1) {}
  ~Transfer() = default;

  // `start` returns true if the operation has completed. False from here: go on at once.
  template <typename Promise, typename Start>
  bool Begin(std::coroutine_handle<Promise> self, Start start) {
    StopToken stop = self.promise().stop;
    Bind(self);
    if (stop.stop_requested()) {
      status_ = absl::CancelledError("stop requested");
      return CompleteAtOnce();
    }
    if (start()) return CompleteAtOnce();
    Suspend(stop);
    return true;
  }

  bool HoldsBytes() const {
    for (const iovec& buffer : buffers_) {
      if (buffer.iov_len > 0) return true;
    }
    return false;
  }

  absl::StatusOr<size_t> TakeResult() {
    if (status_.ok()) return bytes_;
    return std::move(status_);
  }

 private:
  static constexpr size_t kMessage = 320;  // bytes: more would push out what others fetched
  static constexpr size_t kAround = 64;

  iovec single_{};
  std::span<const iovec> buffers_;
  size_t bytes_ = 0;
  absl::Status status_;
};

}  // namespace faultline

#endif  // FAULTLINE_RUNTIME_TRANSFER_H_
