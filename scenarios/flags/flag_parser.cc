#include "scenarios/flags/flag_parser.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "scenarios/flags/nearest.h"

namespace faultline::flags {
namespace {

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

bool AllDigits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Breaks `text` into lines of at most `width`, each behind `indent` blanks.
std::string Wrapped(std::string_view text, size_t indent, size_t width) {
  std::string out;
  std::string line;
  auto flush = [&] {
    absl::StrAppend(&out, std::string(indent, ' '), line, "\n");
    line.clear();
  };
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    if (!line.empty() && line.size() + 1 + word.size() > width) flush();
    absl::StrAppend(&line, line.empty() ? "" : " ", View(word));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (!line.empty()) flush();
  return out;
}

}  // namespace

absl::Status FlagParser::Parse(std::span<const std::string> arguments) {
  while (!arguments.empty()) {
    if (absl::Status parsed = ParseFirst(&arguments); !parsed.ok()) return parsed;
  }
  return absl::OkStatus();
}

// Takes one flag off the front, with its value.
absl::Status FlagParser::ParseFirst(std::span<const std::string>* arguments) {
  std::string_view name = arguments->front();
  *arguments = arguments->subspan(1);
  const size_t dashes = std::min(name.find_first_not_of('-'), name.size());
  if (dashes < 1 || dashes > 2 || dashes == name.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", View(name), "' is not a flag: flags look like --name=value"));
  }
  name.remove_prefix(dashes);
  const size_t equals = name.find('=');
  std::optional<std::string_view> value;
  if (equals != std::string_view::npos) value = name.substr(equals + 1);
  name = name.substr(0, equals);
  const Flag* flag = Find(name);
  if (flag == nullptr) return UnknownFlag(name);
  if (!flag->value.empty() && !value.has_value() && !arguments->empty()) {
    value = arguments->front();
    *arguments = arguments->subspan(1);
  }
  return Set(*flag, value);
}

const Flag* FlagParser::Find(std::string_view name) const {
  const auto found = std::find_if(flags_.begin(), flags_.end(),
                                  [name](const Flag& flag) { return flag.name == name; });
  return found == flags_.end() ? nullptr : &*found;
}

absl::Status FlagParser::UnknownFlag(std::string_view name) const {
  std::vector<std::string> names;
  for (const Flag& flag : flags_) names.push_back(flag.name);
  return absl::InvalidArgumentError(absl::StrCat("there is no flag --", View(name),
                                                 "; did you mean --", Nearest(name, names), "?"));
}

absl::Status FlagParser::Set(const Flag& flag, std::optional<std::string_view> value) {
  if (flag.value.empty() && value.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat("--", flag.name, " takes no value"));
  }
  if (!flag.value.empty() && !value.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--", flag.name, " needs a value: --", flag.name, "=", flag.value));
  }
  if (!given_.insert(flag.name).second && !flag.repeatable) {
    return absl::InvalidArgumentError(absl::StrCat("--", flag.name, " is given twice"));
  }
  absl::Status set = flag.set(value.value_or(""));
  if (set.ok()) return set;
  return absl::InvalidArgumentError(absl::StrCat("--", flag.name, ": ", set.message()));
}

std::string FlagParser::Help() const {
  std::string help;
  for (const Flag& flag : flags_) {
    absl::StrAppend(&help, "  --", flag.name, flag.value.empty() ? "" : "=", flag.value, "\n",
                    Wrapped(flag.help, 6, 92));
  }
  return help;
}

FlagSetter Text(std::string* target) {
  return [target](std::string_view value) {
    if (value.empty()) return absl::InvalidArgumentError("the value is empty");
    *target = std::string(value);
    return absl::OkStatus();
  };
}

FlagSetter Switch(bool* target) {
  return [target](std::string_view) {
    *target = true;
    return absl::OkStatus();
  };
}

FlagSetter WholeNumber(uint64_t* target, uint64_t min, uint64_t max) {
  return [=](std::string_view value) { return ParseWholeNumber(value, min, max, target); };
}

FlagSetter OneOf(std::vector<std::string> names, std::function<void(std::string_view)> take) {
  return [names = std::move(names), take = std::move(take)](std::string_view value) {
    if (std::find(names.begin(), names.end(), value) == names.end()) return NoneOf(value, names);
    take(value);
    return absl::OkStatus();
  };
}

absl::Status ParseWholeNumber(std::string_view text, uint64_t min, uint64_t max, uint64_t* value) {
  uint64_t parsed = 0;
  if (!AllDigits(text)) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", View(text), "' is not a whole number, such as ", min));
  }
  if (!absl::SimpleAtoi(View(text), &parsed) || parsed > max) {
    return absl::InvalidArgumentError(
        absl::StrCat(View(text), " is too large; the largest is ", max));
  }
  if (parsed < min) {
    return absl::InvalidArgumentError(
        absl::StrCat(View(text), " is too small; the smallest is ", min));
  }
  *value = parsed;
  return absl::OkStatus();
}

absl::Status NoneOf(std::string_view value, const std::vector<std::string>& names) {
  return absl::InvalidArgumentError(absl::StrCat("'", View(value), "' is none of ",
                                                 absl::StrJoin(names, ", "), "; did you mean ",
                                                 Nearest(value, names), "?"));
}

}  // namespace faultline::flags
