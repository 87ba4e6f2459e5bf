#include "transports/any/url.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace faultline::any {
namespace {

constexpr char kSeparator[] = "://";

absl::Status Wrong(std::string_view text, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat("the address \"", std::string(text), "\": ", why));
}

bool HasPath(Scheme scheme) {
  return scheme == Scheme::kWebSocket || scheme == Scheme::kSecureWebSocket;
}

absl::StatusOr<Url> ParseUnix(std::string_view text, std::string_view path) {
  absl::StatusOr<Endpoint> address = Endpoint::Parse(absl::StrCat("unix:", std::string(path)));
  if (path.empty() || !address.ok()) {
    return Wrong(text,
                 path.empty() ? "a path is missing" : std::string(address.status().message()));
  }
  return Url{.scheme = Scheme::kUnix, .address = *std::move(address), .path = ""};
}

}  // namespace

bool UsesTls(Scheme scheme) {
  return scheme == Scheme::kTls || scheme == Scheme::kSecureWebSocket || scheme == Scheme::kQuic;
}

const char* NameOf(Scheme scheme) {
  switch (scheme) {
    case Scheme::kTcp:
      return "tcp";
    case Scheme::kTls:
      return "tls";
    case Scheme::kWebSocket:
      return "ws";
    case Scheme::kSecureWebSocket:
      return "wss";
    case Scheme::kQuic:
      return "quic";
    case Scheme::kUnix:
      return "unix";
  }
}

absl::StatusOr<Scheme> ParseScheme(std::string_view name) {
  for (Scheme scheme : kSchemes) {
    if (name == NameOf(scheme)) return scheme;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", std::string(name), "\" is no transport; there are ",
                   absl::StrJoin(kSchemes, ", ", [](std::string* out, Scheme scheme) {
                     absl::StrAppend(out, NameOf(scheme));
                   })));
}

std::string Url::ToString() const {
  std::string where = address.ToString();
  if (scheme == Scheme::kUnix) where = address.path();
  return absl::StrCat(NameOf(scheme), kSeparator, where, path);
}

absl::StatusOr<Url> ParseUrl(std::string_view text) {
  const size_t separator = text.find(kSeparator);
  if (separator == std::string_view::npos) {
    return Wrong(text, "a transport is missing, as in tcp://127.0.0.1:7000");
  }
  absl::StatusOr<Scheme> scheme = ParseScheme(text.substr(0, separator));
  if (!scheme.ok()) return Wrong(text, std::string(scheme.status().message()));
  std::string_view rest = text.substr(separator + std::string_view(kSeparator).size());
  if (*scheme == Scheme::kUnix) return ParseUnix(text, rest);
  const size_t slash = rest.find('/');
  std::string path(slash == std::string_view::npos ? "" : rest.substr(slash));
  if (!path.empty() && !HasPath(*scheme)) {
    return Wrong(text, absl::StrCat(NameOf(*scheme), " knows no path"));
  }
  absl::StatusOr<Endpoint> address = Endpoint::Parse(rest.substr(0, slash));
  if (!address.ok()) return Wrong(text, std::string(address.status().message()));
  if (!address->is_ip()) return Wrong(text, "an IP address and a port are wanted");
  if (HasPath(*scheme) && path.empty()) path = "/";
  return Url{.scheme = *scheme, .address = *std::move(address), .path = std::move(path)};
}

}  // namespace faultline::any
