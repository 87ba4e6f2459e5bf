// Connection ids as keys, and as the server makes them (RFC 9000, section 5.1).
#ifndef FAULTLINE_TRANSPORTS_QUIC_CONNECTION_ID_H_
#define FAULTLINE_TRANSPORTS_QUIC_CONNECTION_ID_H_

#include <ngtcp2/ngtcp2.h>

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "runtime/entropy.h"

namespace faultline::quic {

// Of every id that we make: a short header does not say how long its id is.
inline constexpr size_t kConnectionIdSize = 8;

// A value, ordered by its bytes: the order never depends on an address or a hash.
class ConnectionId {
 public:
  // `size` is at most 20.
  ConnectionId(const uint8_t* data, size_t size) : size_(static_cast<uint8_t>(size)) {
    std::memcpy(bytes_.data(), data, size);
  }
  explicit ConnectionId(const ngtcp2_cid& id) : ConnectionId(id.data, id.datalen) {}

  friend auto operator<=>(const ConnectionId&, const ConnectionId&) = default;

 private:
  std::array<uint8_t, NGTCP2_MAX_CIDLEN> bytes_{};
  uint8_t size_;
};

// Unpredictable, so that nobody can guess which of two connections a packet belongs to.
inline ngtcp2_cid NewConnectionId(Entropy* entropy, size_t size = kConnectionIdSize) {
  std::array<uint8_t, NGTCP2_MAX_CIDLEN> bytes{};
  entropy->Fill(std::as_writable_bytes(std::span(bytes)).first(size));
  ngtcp2_cid id{};
  ngtcp2_cid_init(&id, bytes.data(), size);
  return id;
}

}  // namespace faultline::quic

#endif  // FAULTLINE_TRANSPORTS_QUIC_CONNECTION_ID_H_
