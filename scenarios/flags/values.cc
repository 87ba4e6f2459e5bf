#include "scenarios/flags/values.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace faultline::flags {
namespace {

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

FlagSetter Address(Endpoint* target) {
  return [target](std::string_view value) {
    absl::StatusOr<Endpoint> parsed = Endpoint::Parse(value);
    if (parsed.ok()) *target = *std::move(parsed);
    return parsed.status();
  };
}

FlagSetter Addresses(std::vector<Endpoint>* target) {
  return [target](std::string_view value) {
    std::vector<Endpoint> endpoints;
    for (absl::string_view part : absl::StrSplit(View(value), ',')) {
      absl::StatusOr<Endpoint> parsed = Endpoint::Parse({part.data(), part.size()});
      if (!parsed.ok()) return parsed.status();
      endpoints.push_back(*std::move(parsed));
    }
    *target = std::move(endpoints);
    return absl::OkStatus();
  };
}

FlagSetter Names(std::vector<std::string>* target) {
  return [target](std::string_view value) {
    std::vector<std::string> names =
        absl::StrSplit(absl::string_view(value.data(), value.size()), ',');
    for (const std::string& name : names) {
      if (name.empty()) return absl::InvalidArgumentError("a name is missing");
    }
    *target = std::move(names);
    return absl::OkStatus();
  };
}

FlagSetter TimeSpan(Duration* target, Duration min, Duration max) {
  return [=](std::string_view value) {
    absl::StatusOr<Duration> parsed = ParseTimeSpan(value);
    if (!parsed.ok()) return parsed.status();
    if (*parsed < min) {
      return absl::InvalidArgumentError(
          absl::StrCat(View(value), " is too short; the shortest is ", FormatTimeSpan(min)));
    }
    if (*parsed > max) {
      return absl::InvalidArgumentError(
          absl::StrCat(View(value), " is too long; the longest is ", FormatTimeSpan(max)));
    }
    *target = *parsed;
    return absl::OkStatus();
  };
}

absl::StatusOr<Duration> ParseTimeSpan(std::string_view text) {
  absl::Duration parsed;
  if (!absl::ParseDuration(View(text), &parsed)) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", View(text), "' is not a time; write 250ms, 5s or 1m30s"));
  }
  return Duration(absl::ToInt64Nanoseconds(parsed));
}

std::string FormatTimeSpan(Duration duration) {
  return absl::FormatDuration(absl::Nanoseconds(duration.count()));
}

}  // namespace faultline::flags
