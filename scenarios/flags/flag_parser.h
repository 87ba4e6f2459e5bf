// FlagParser: command lines of long flags, "--name=value" or "--name value", into variables.
// One dash is as good as two.
//
//   FlagParser parser;
//   parser.Add({.name = "seed", .value = "N", .help = "...", .set = WholeNumber(&seed)});
//   parser.Add({.name = "list", .help = "...", .set = Switch(&list)});
//   absl::Status parsed = parser.Parse(arguments);    // without the program's name
//
// Each error is InvalidArgument; it names the flag, what is wrong with it, and the nearest thing
// that would be right. Programs turn it into exit code 2.
#ifndef FAULTLINE_SCENARIOS_FLAGS_FLAG_PARSER_H_
#define FAULTLINE_SCENARIOS_FLAGS_FLAG_PARSER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace faultline::flags {

// Takes the value of a flag. The error says only what is wrong: the parser adds which flag it is.
using FlagSetter = std::function<absl::Status(std::string_view value)>;

struct Flag {
  std::string name;     // without the dashes
  std::string value{};  // what help calls the value; empty: the flag is a switch and takes none
  std::string help;
  FlagSetter set;
  bool repeatable = false;
};

class FlagParser {
 public:
  void Add(Flag flag) { flags_.push_back(std::move(flag)); }

  absl::Status Parse(std::span<const std::string> arguments);

  // Whether the command line had it.
  bool given(const std::string& name) const { return given_.contains(name); }

  // One paragraph a flag, in the order in which they were added.
  std::string Help() const;

 private:
  const Flag* Find(std::string_view name) const;
  absl::Status UnknownFlag(std::string_view name) const;
  absl::Status ParseFirst(std::span<const std::string>* arguments);
  absl::Status Set(const Flag& flag, std::optional<std::string_view> value);

  std::vector<Flag> flags_;
  std::set<std::string> given_;
};

// The target outlives the parser.
FlagSetter Text(std::string* target);
FlagSetter Switch(bool* target);
FlagSetter WholeNumber(uint64_t* target, uint64_t min, uint64_t max);
FlagSetter OneOf(std::vector<std::string> names, std::function<void(std::string_view)> take);

// A whole number in [min, max]. Errors: InvalidArgument, naming the nearest one that would do.
absl::Status ParseWholeNumber(std::string_view text, uint64_t min, uint64_t max, uint64_t* value);

// "'hevy' is none of none, light, heavy; did you mean heavy?"
absl::Status NoneOf(std::string_view value, const std::vector<std::string>& names);

}  // namespace faultline::flags

#endif  // FAULTLINE_SCENARIOS_FLAGS_FLAG_PARSER_H_
