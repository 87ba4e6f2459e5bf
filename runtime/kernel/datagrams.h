// What travels beside a datagram through sendmsg(2) and recvmsg(2): its congestion mark, and how
// several of them are cut from one piece of memory (cmsg(3), udp(7)).
#ifndef FAULTLINE_RUNTIME_KERNEL_DATAGRAMS_H_
#define FAULTLINE_RUNTIME_KERNEL_DATAGRAMS_H_

#include <sys/socket.h>

#include <array>
#include <cstddef>

#include "runtime/datagram.h"
#include "runtime/kernel/address.h"

namespace faultline::kernel {

// The memory of a message's control data: it stays where it is until the call has ended.
class DatagramControl {
 public:
  // `segment_bytes` 0: one datagram.
  void PrepareSend(const SocketAddress& to, Ecn ecn, size_t segment_bytes, msghdr* message);
  void PrepareReceive(msghdr* message);

 private:
  template <typename T>
  void Add(int level, int type, T value, msghdr* message);

  alignas(cmsghdr) std::array<std::byte, 128> bytes_{};
};

// Mark and segments of `bytes` that were received with `message`.
void ReadControl(msghdr* message, size_t bytes, DatagramInfo* info);

// Whether a send of several datagrams failed because the kernel (before Linux 4.18), or a device
// without checksums of its own, does not cut.
bool RefusesToCut(int error);

}  // namespace faultline::kernel

#endif  // FAULTLINE_RUNTIME_KERNEL_DATAGRAMS_H_
