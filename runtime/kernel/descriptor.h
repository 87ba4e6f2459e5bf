// Descriptor: a file descriptor with one owner, closed when the owner goes.
#ifndef FAULTLINE_RUNTIME_KERNEL_DESCRIPTOR_H_
#define FAULTLINE_RUNTIME_KERNEL_DESCRIPTOR_H_

#include <unistd.h>

#include <utility>

namespace faultline::kernel {

class Descriptor {
 public:
  static constexpr int kNone = -1;

  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, kNone)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() { Close(); }

  explicit operator bool() const { return fd_ != kNone; }
  int get() const { return fd_; }

  // close(2). The descriptor is gone whatever the call returns: on Linux it must not be repeated,
  // not even after EINTR.
  void Close() {
    if (fd_ != kNone) close(std::exchange(fd_, kNone));
  }

 private:
  int fd_ = kNone;
};

}  // namespace faultline::kernel

#endif  // FAULTLINE_RUNTIME_KERNEL_DESCRIPTOR_H_
