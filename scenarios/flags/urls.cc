#include "scenarios/flags/urls.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "runtime/endpoint.h"

namespace faultline::flags {

FlagSetter Urls(std::vector<any::Url>* target) {
  return [target](std::string_view value) {
    std::vector<any::Url> urls;
    for (absl::string_view part :
         absl::StrSplit(absl::string_view(value.data(), value.size()), ',')) {
      absl::StatusOr<any::Url> parsed = ParseUrlOrAddress({part.data(), part.size()});
      if (!parsed.ok()) return parsed.status();
      urls.push_back(*std::move(parsed));
    }
    *target = std::move(urls);
    return absl::OkStatus();
  };
}

absl::StatusOr<any::Url> ParseUrlOrAddress(std::string_view text) {
  if (text.find("://") != std::string_view::npos) return any::ParseUrl(text);
  absl::StatusOr<Endpoint> address = Endpoint::Parse(text);
  if (!address.ok()) return address.status();
  const any::Scheme scheme = address->is_ip() ? any::Scheme::kTcp : any::Scheme::kUnix;
  return any::Url{.scheme = scheme, .address = *std::move(address), .path = ""};
}

}  // namespace faultline::flags
