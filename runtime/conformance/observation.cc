#include "runtime/conformance/observation.h"

#include <cstring>

#include "absl/strings/str_cat.h"

namespace faultline::conformance {

std::string_view NameOf(Result result) {
  constexpr std::string_view kNames[kResults] = {
      "not reached", "no socket", "busy", "ok",    "end",     "error",       "closed",
      "cancelled",   "deadline",  "hung", "stuck", "corrupt", "wrong source"};
  return kNames[static_cast<size_t>(result)];
}

std::string Outcome::ToString() const {
  std::string text(NameOf(result));
  if (result == Result::kError) {
    const char* name = strerrorname_np(error);
    text = name == nullptr ? absl::StrCat("errno ", error) : name;
  }
  if (moved > 0) absl::StrAppend(&text, " ", moved, " bytes");
  if (position > 0) absl::StrAppend(&text, " @", position);
  if (from >= 0) absl::StrAppend(&text, " from ", from);
  if (truncated) absl::StrAppend(&text, " truncated");
  return text;
}

Observation::Observation(const Program& program) {
  for (const PhaseScript& phase : program.phases()) {
    auto& tasks = outcomes_.emplace_back();
    for (const TaskScript& task : phase.tasks) tasks.emplace_back(task.steps.size());
  }
}

}  // namespace faultline::conformance
