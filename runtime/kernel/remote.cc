#include "runtime/kernel/remote.h"

#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "runtime/check.h"
#include "runtime/errors.h"

namespace faultline::kernel {

Remote::Remote(Descriptor event, size_t capacity) : capacity_(capacity), event_(std::move(event)) {
  FAULTLINE_CHECK(capacity > 0) << "a queue holds at least one function";
  posted_.reserve(capacity);
  running_.reserve(capacity);
}

bool Remote::Post(Function function) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (closed_ || posted_.size() == capacity_) return false;
  posted_.push_back(std::move(function));
  if (posted_.size() > 1) return true;  // whoever was first has woken the loop
  Wake();
  return true;
}

// EAGAIN: nobody has read the counter for 2^64 wakes. It is not at 0, so the loop does not sleep.
void Remote::Wake() {
  uint64_t one = 1;
  ssize_t written = write(event_.get(), &one, sizeof(one));
  FAULTLINE_CHECK(written == sizeof(one) || errno == EAGAIN)
      << ErrnoStatus(errno, "write to the eventfd");
}

bool Remote::RunPosted() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    std::swap(posted_, running_);
  }
  bool any = !running_.empty();
  for (Function& function : running_) std::exchange(function, nullptr)();
  running_.clear();
  return any;
}

void Remote::Close() {
  std::lock_guard<std::mutex> lock(mutex_);
  closed_ = true;
}

}  // namespace faultline::kernel
