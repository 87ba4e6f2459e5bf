#include "transports/websocket/head.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"

namespace faultline::websocket {
namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr size_t kShown = 200;

bool IsPlain(char c) {
  const auto byte = static_cast<uint8_t>(c);
  return byte == '\t' || (byte >= ' ' && byte != 0x7f);
}

// RFC 7230, section 3.2.6: tchar.
bool IsTokenCharacter(char c) {
  return absl::ascii_isalnum(static_cast<uint8_t>(c)) ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool IsHeaderLine(std::string_view line) {
  const size_t colon = line.find(':');
  return colon != std::string_view::npos && colon > 0 &&
         std::ranges::all_of(line.substr(0, colon), IsTokenCharacter);
}

}  // namespace

bool IsWellFormedHead(std::string_view head) {
  for (bool first = true;; first = false) {
    const size_t end = head.find(kLineEnd);
    if (end == std::string_view::npos) return false;
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(end + kLineEnd.size());
    if (line.empty()) return !first && head.empty();
    if (!std::ranges::all_of(line, IsPlain)) return false;
    if (!first && !IsHeaderLine(line)) return false;
  }
}

std::string FirstLineOf(std::string_view head) {
  const std::string_view line = head.substr(0, std::min(head.find('\r'), kShown));
  return absl::CHexEscape(absl::string_view(line.data(), line.size()));
}

}  // namespace faultline::websocket
