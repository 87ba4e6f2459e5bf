// Endpoints as ngtcp2 wants them, and its paths.
#ifndef FAULTLINE_TRANSPORTS_QUIC_ADDRESS_H_
#define FAULTLINE_TRANSPORTS_QUIC_ADDRESS_H_

#include <ngtcp2/ngtcp2.h>

#include "runtime/endpoint.h"

namespace faultline::quic {

// A socket address. Not movable: `get` points into it.
class SocketAddress {
 public:
  // `endpoint` is IPv4 or IPv6.
  explicit SocketAddress(const Endpoint& endpoint);
  SocketAddress(const SocketAddress&) = delete;
  SocketAddress& operator=(const SocketAddress&) = delete;

  ngtcp2_addr get() { return {&storage_.sa, size_}; }
  ngtcp2_sockaddr* address() { return &storage_.sa; }
  ngtcp2_socklen size() const { return size_; }

 private:
  ngtcp2_sockaddr_union storage_{};
  ngtcp2_socklen size_ = 0;
};

// Of an address that ngtcp2 was given or that it chose among those.
Endpoint ToEndpoint(const ngtcp2_addr& address);

// From `local` to `remote`. Not movable.
class Path {
 public:
  Path(const Endpoint& local, const Endpoint& remote)
      : local_(local), remote_(remote), path_{local_.get(), remote_.get(), nullptr} {}

  const ngtcp2_path* get() const { return &path_; }

 private:
  SocketAddress local_;
  SocketAddress remote_;
  ngtcp2_path path_;
};

}  // namespace faultline::quic

#endif  // FAULTLINE_TRANSPORTS_QUIC_ADDRESS_H_
