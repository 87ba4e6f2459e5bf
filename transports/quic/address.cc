#include "transports/quic/address.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "runtime/check.h"

namespace faultline::quic {
namespace {

// To network order, and back.
uint16_t SwapPort(uint16_t port) {
  if constexpr (std::endian::native == std::endian::big) return port;
  return static_cast<uint16_t>((port << 8) | (port >> 8));
}

}  // namespace

SocketAddress::SocketAddress(const Endpoint& endpoint) {
  FAULTLINE_CHECK(endpoint.is_ip()) << "QUIC runs over UDP, not over " << endpoint;
  if (endpoint.family() == Endpoint::Family::kIpv4) {
    storage_.in.sin_family = NGTCP2_AF_INET;
    storage_.in.sin_port = SwapPort(endpoint.port());
    std::memcpy(&storage_.in.sin_addr, endpoint.address().data(), 4);
    size_ = sizeof(storage_.in);
  } else {
    storage_.in6.sin6_family = NGTCP2_AF_INET6;
    storage_.in6.sin6_port = SwapPort(endpoint.port());
    storage_.in6.sin6_scope_id = endpoint.scope_id();
    std::memcpy(&storage_.in6.sin6_addr, endpoint.address().data(), 16);
    size_ = sizeof(storage_.in6);
  }
}

Endpoint ToEndpoint(const ngtcp2_addr& address) {
  if (address.addr->sa_family == NGTCP2_AF_INET) {
    ngtcp2_sockaddr_in in{};
    std::memcpy(&in, address.addr, sizeof(in));
    Endpoint::Ipv4Address bytes;
    std::memcpy(bytes.data(), &in.sin_addr, bytes.size());
    return Endpoint::Ipv4(bytes, SwapPort(in.sin_port));
  }
  ngtcp2_sockaddr_in6 in6{};
  std::memcpy(&in6, address.addr, sizeof(in6));
  Endpoint::Ipv6Address bytes;
  std::memcpy(bytes.data(), &in6.sin6_addr, bytes.size());
  return Endpoint::Ipv6(bytes, SwapPort(in6.sin6_port), in6.sin6_scope_id);
}

}  // namespace faultline::quic
