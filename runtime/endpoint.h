// Endpoint: where a socket is or goes. IPv4 and IPv6 with a port, or a Unix path.
//
//   Endpoint::Parse("127.0.0.1:7000")   Endpoint::Parse("[::1]:0")
//   Endpoint::Parse("unix:/run/ledger.sock")
//
// A value: copied, compared, ordered. A Unix path that starts with '@' is in Linux's abstract
// namespace (unix(7)). What `ToString` makes of an address or a path parses back to the same
// endpoint.
#ifndef FAULTLINE_RUNTIME_ENDPOINT_H_
#define FAULTLINE_RUNTIME_ENDPOINT_H_

#include <array>
#include <compare>
#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace faultline {

class Endpoint {
 public:
  enum class Family : uint8_t { kNone, kIpv4, kIpv6, kUnix };
  using Ipv4Address = std::array<uint8_t, 4>;   // network order
  using Ipv6Address = std::array<uint8_t, 16>;  // network order

  static constexpr size_t kMaxUnixPath = 107;  // sun_path without its terminator, unix(7)

  // Family kNone: a peer without an address (an unnamed Unix socket).
  Endpoint() = default;
  static Endpoint Ipv4(Ipv4Address address, uint16_t port);
  static Endpoint Ipv6(Ipv6Address address, uint16_t port, uint32_t scope_id = 0);
  static Endpoint Unix(std::string path);
  static Endpoint Ipv4Any(uint16_t port) { return Ipv4({0, 0, 0, 0}, port); }
  static Endpoint Ipv4Loopback(uint16_t port) { return Ipv4({127, 0, 0, 1}, port); }
  static Endpoint Ipv6Any(uint16_t port) { return Ipv6({}, port); }
  static Endpoint Ipv6Loopback(uint16_t port);

  // Numeric addresses only: names are not resolved. Errors: InvalidArgument, naming what is wrong.
  static absl::StatusOr<Endpoint> Parse(std::string_view text);

  Family family() const { return family_; }
  bool is_ip() const { return family_ == Family::kIpv4 || family_ == Family::kIpv6; }
  uint16_t port() const { return port_; }
  // The first 4 bytes for IPv4, all 16 for IPv6.
  const std::array<uint8_t, 16>& address() const { return address_; }
  uint32_t scope_id() const { return scope_id_; }
  const std::string& path() const { return path_; }
  // Whether the address is 0.0.0.0 or ::.
  bool is_any() const;

  Endpoint WithPort(uint16_t port) const;

  std::string ToString() const;

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Endpoint& endpoint) {
    return out << endpoint.ToString();
  }

 private:
  Family family_ = Family::kNone;
  uint16_t port_ = 0;
  uint32_t scope_id_ = 0;
  std::array<uint8_t, 16> address_{};
  std::string path_;
};

}  // namespace faultline

#endif  // FAULTLINE_RUNTIME_ENDPOINT_H_
