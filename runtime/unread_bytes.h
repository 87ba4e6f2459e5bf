// UnreadBytes: what was taken out of a stream and is to be read again, before the rest.
#ifndef FAULTLINE_RUNTIME_UNREAD_BYTES_H_
#define FAULTLINE_RUNTIME_UNREAD_BYTES_H_

#include <sys/uio.h>

#include <cstddef>
#include <span>
#include <vector>

namespace faultline {

class UnreadBytes {
 public:
  bool empty() const { return begin_ == bytes_.size(); }
  size_t size() const { return bytes_.size() - begin_; }

  // Behind those that are here.
  void Append(std::span<const std::byte> bytes);
  // Before them.
  void Prepend(std::span<const std::byte> bytes);
  // Moves as many as fit into `buffers`; returns how many.
  size_t Take(std::span<const iovec> buffers);

 private:
  std::vector<std::byte> bytes_;
  size_t begin_ = 0;
};

}  // namespace faultline

#endif  // FAULTLINE_RUNTIME_UNREAD_BYTES_H_
