#include "runtime/kernel/address.h"

#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

#include "runtime/errors.h"

namespace faultline::kernel {
namespace {

constexpr socklen_t kPathOffset = offsetof(sockaddr_un, sun_path);

SocketAddress FromIpv4(const Endpoint& endpoint) {
  SocketAddress address;
  auto* ip = reinterpret_cast<sockaddr_in*>(&address.storage);
  ip->sin_family = AF_INET;
  ip->sin_port = htons(endpoint.port());
  std::memcpy(&ip->sin_addr, endpoint.address().data(), sizeof(ip->sin_addr));
  address.size = sizeof(*ip);
  return address;
}

SocketAddress FromIpv6(const Endpoint& endpoint) {
  SocketAddress address;
  auto* ip = reinterpret_cast<sockaddr_in6*>(&address.storage);
  ip->sin6_family = AF_INET6;
  ip->sin6_port = htons(endpoint.port());
  ip->sin6_scope_id = endpoint.scope_id();
  std::memcpy(&ip->sin6_addr, endpoint.address().data(), sizeof(ip->sin6_addr));
  address.size = sizeof(*ip);
  return address;
}

// unix(7): a name in the abstract namespace starts with a null byte (here '@') and is as long as
// the size says; a path ends with a null byte.
absl::StatusOr<SocketAddress> FromUnix(const Endpoint& endpoint) {
  const std::string& path = endpoint.path();
  if (path.size() > Endpoint::kMaxUnixPath) return ErrnoStatus(ENAMETOOLONG, endpoint.ToString());
  SocketAddress address;
  auto* local = reinterpret_cast<sockaddr_un*>(&address.storage);
  local->sun_family = AF_UNIX;
  std::memcpy(local->sun_path, path.data(), path.size());
  bool abstract = path.starts_with('@');
  if (abstract) local->sun_path[0] = '\0';
  address.size = kPathOffset + static_cast<socklen_t>(path.size()) + (abstract ? 0 : 1);
  return address;
}

Endpoint ToUnix(const SocketAddress& address) {
  if (address.size <= kPathOffset) return Endpoint();
  const auto* local = reinterpret_cast<const sockaddr_un*>(&address.storage);
  size_t size = address.size - kPathOffset;
  if (local->sun_path[0] != '\0') {
    return Endpoint::Unix(std::string(local->sun_path, strnlen(local->sun_path, size)));
  }
  std::string name(local->sun_path, size);
  name[0] = '@';
  return Endpoint::Unix(std::move(name));
}

}  // namespace

absl::StatusOr<SocketAddress> ToSocketAddress(const Endpoint& endpoint) {
  switch (endpoint.family()) {
    case Endpoint::Family::kIpv4:
      return FromIpv4(endpoint);
    case Endpoint::Family::kIpv6:
      return FromIpv6(endpoint);
    case Endpoint::Family::kUnix:
      return FromUnix(endpoint);
    case Endpoint::Family::kNone:
      break;
  }
  return ErrnoStatus(EAFNOSUPPORT, "an endpoint without an address");
}

Endpoint ToEndpoint(const SocketAddress& address) {
  if (address.family() == AF_INET) {
    const auto* ip = reinterpret_cast<const sockaddr_in*>(&address.storage);
    Endpoint::Ipv4Address bytes;
    std::memcpy(bytes.data(), &ip->sin_addr, bytes.size());
    return Endpoint::Ipv4(bytes, ntohs(ip->sin_port));
  }
  if (address.family() == AF_INET6) {
    const auto* ip = reinterpret_cast<const sockaddr_in6*>(&address.storage);
    Endpoint::Ipv6Address bytes;
    std::memcpy(bytes.data(), &ip->sin6_addr, bytes.size());
    return Endpoint::Ipv6(bytes, ntohs(ip->sin6_port), ip->sin6_scope_id);
  }
  return address.family() == AF_UNIX ? ToUnix(address) : Endpoint();
}

Endpoint LocalAddress(int fd) {
  SocketAddress address;
  return getsockname(fd, address.get(), &address.size) == 0 ? ToEndpoint(address) : Endpoint();
}

}  // namespace faultline::kernel
