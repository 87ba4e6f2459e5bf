// Endpoints as the kernel writes them: sockaddr_in, sockaddr_in6, sockaddr_un.
#ifndef FAULTLINE_RUNTIME_KERNEL_ADDRESS_H_
#define FAULTLINE_RUNTIME_KERNEL_ADDRESS_H_

#include <sys/socket.h>

#include "absl/status/statusor.h"
#include "runtime/endpoint.h"

namespace faultline::kernel {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);

  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sa_family_t family() const { return storage.ss_family; }
};

// Errors: EAFNOSUPPORT (an endpoint without a family), ENAMETOOLONG (a Unix path).
absl::StatusOr<SocketAddress> ToSocketAddress(const Endpoint& endpoint);

// What the kernel has filled in, `size` included. Family kNone for an unnamed Unix socket.
Endpoint ToEndpoint(const SocketAddress& address);

// getsockname(2). An open socket always has an address; family kNone if the kernel gives none.
Endpoint LocalAddress(int fd);

}  // namespace faultline::kernel

#endif  // FAULTLINE_RUNTIME_KERNEL_ADDRESS_H_
