#include "runtime/endpoint.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace faultline {
namespace {

absl::Status BadEndpoint(std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("bad endpoint \"", absl::string_view(text.data(), text.size()),
                   "\": ", absl::string_view(why.data(), why.size())));
}

template <typename Number>
std::optional<Number> ParseNumber(std::string_view text) {
  Number value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

absl::StatusOr<Endpoint> ParseUnix(std::string_view text, std::string_view path) {
  if (path.empty()) return BadEndpoint(text, "the path is empty");
  if (path.size() > Endpoint::kMaxUnixPath) return BadEndpoint(text, "the path is over 107 bytes");
  return Endpoint::Unix(std::string(path));
}

absl::StatusOr<Endpoint> ParseIpv6(std::string_view text, std::string_view host, uint16_t port) {
  uint32_t scope_id = 0;
  if (size_t percent = host.find('%'); percent != std::string_view::npos) {
    std::optional<uint32_t> scope = ParseNumber<uint32_t>(host.substr(percent + 1));
    if (!scope.has_value()) return BadEndpoint(text, "the scope after '%' is not a number");
    scope_id = *scope;
    host = host.substr(0, percent);
  }
  Endpoint::Ipv6Address address;
  if (inet_pton(AF_INET6, std::string(host).c_str(), address.data()) != 1) {
    return BadEndpoint(text, "not a numeric IPv6 address");
  }
  return Endpoint::Ipv6(address, port, scope_id);
}

absl::StatusOr<Endpoint> ParseIpv4(std::string_view text, std::string_view host, uint16_t port) {
  Endpoint::Ipv4Address address;
  if (inet_pton(AF_INET, std::string(host).c_str(), address.data()) != 1) {
    return BadEndpoint(text, "not a numeric IPv4 address (IPv6 is written [address]:port)");
  }
  return Endpoint::Ipv4(address, port);
}

}  // namespace

Endpoint Endpoint::Ipv4(Ipv4Address address, uint16_t port) {
  Endpoint endpoint;
  endpoint.family_ = Family::kIpv4;
  endpoint.port_ = port;
  std::copy(address.begin(), address.end(), endpoint.address_.begin());
  return endpoint;
}

Endpoint Endpoint::Ipv6(Ipv6Address address, uint16_t port, uint32_t scope_id) {
  Endpoint endpoint;
  endpoint.family_ = Family::kIpv6;
  endpoint.port_ = port;
  endpoint.scope_id_ = scope_id;
  endpoint.address_ = address;
  return endpoint;
}

Endpoint Endpoint::Unix(std::string path) {
  Endpoint endpoint;
  endpoint.family_ = Family::kUnix;
  endpoint.path_ = std::move(path);
  return endpoint;
}

Endpoint Endpoint::Ipv6Loopback(uint16_t port) {
  Ipv6Address address{};
  address[15] = 1;
  return Ipv6(address, port);
}

absl::StatusOr<Endpoint> Endpoint::Parse(std::string_view text) {
  if (text.find('\0') != std::string_view::npos)
    return BadEndpoint(text, "it contains a zero byte");
  constexpr std::string_view kUnixPrefix = "unix:";
  if (text.starts_with(kUnixPrefix)) return ParseUnix(text, text.substr(kUnixPrefix.size()));
  size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return BadEndpoint(text, "no port (address:port)");
  std::optional<uint16_t> port = ParseNumber<uint16_t>(text.substr(colon + 1));
  if (!port.has_value()) return BadEndpoint(text, "the port is not a number from 0 to 65535");
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    return ParseIpv6(text, host.substr(1, host.size() - 2), *port);
  }
  return ParseIpv4(text, host, *port);
}

bool Endpoint::is_any() const {
  return is_ip() && std::all_of(address_.begin(), address_.end(), [](uint8_t b) { return b == 0; });
}

Endpoint Endpoint::WithPort(uint16_t port) const {
  Endpoint copy = *this;
  copy.port_ = port;
  return copy;
}

std::string Endpoint::ToString() const {
  char text[INET6_ADDRSTRLEN] = "";
  switch (family_) {
    case Family::kNone:
      return "(none)";
    case Family::kUnix:
      return absl::StrCat("unix:", path_);
    case Family::kIpv4:
      inet_ntop(AF_INET, address_.data(), text, sizeof(text));
      return absl::StrCat(text, ":", port_);
    case Family::kIpv6:
      inet_ntop(AF_INET6, address_.data(), text, sizeof(text));
      return scope_id_ == 0 ? absl::StrCat("[", text, "]:", port_)
                            : absl::StrCat("[", text, "%", scope_id_, "]:", port_);
  }
  return "";
}

}  // namespace faultline
