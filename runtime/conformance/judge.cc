#include "runtime/conformance/judge.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "runtime/check.h"
#include "runtime/conformance/laws.h"
#include "runtime/conformance/shrink.h"

namespace faultline::conformance {
namespace {

constexpr int kShrinkTries = 150;

std::string TableOf(const Program& program, const Observation& a, const Observation& b) {
  std::string table;
  ForEachStep(program, [&](const Place& place, const Step& step) {
    absl::StrAppendFormat(&table, "  %d.%d.%d %-48s %s | %s\n", place.phase, place.task, place.step,
                          ToSource(step), a.at(place).ToString(), b.at(place).ToString());
  });
  return table;
}

}  // namespace

void Tally::Add(const Program& program, const Observation& seen) {
  ++programs;
  ForEachStep(program, [&](const Place& place, const Step& step) {
    const Outcome& outcome = seen.at(place);
    ++steps[static_cast<size_t>(step.kind)];
    const Outcome bare{.result = outcome.result, .error = outcome.error};
    ++outcomes[absl::StrCat(std::string(NameOf(step.kind)), ": ", bare.ToString())];
  });
}

std::string Tally::ToString() const {
  std::string text = absl::StrCat(programs, " programs\n");
  for (size_t kind = 0; kind < kStepKinds; ++kind) {
    const std::string name(NameOf(static_cast<StepKind>(kind)));
    absl::StrAppendFormat(&text, "%10d %-14s", steps[kind], name);
    for (const auto& [outcome, count] : outcomes) {
      if (!outcome.starts_with(name + ": ")) continue;
      absl::StrAppend(&text, " ", outcome.substr(name.size() + 2), " ", count, ",");
    }
    if (text.back() == ',') text.pop_back();
    absl::StrAppend(&text, "\n");
  }
  return text;
}

std::optional<Mismatch> Judge::Try(const Program& program, int care, Tally* tally) {
  FAULTLINE_CHECK(!worlds_.empty()) << "a judge has a world to judge";
  std::optional<Observation> reference;
  for (World* world : worlds_) {
    const Observation seen = world->Run(program, care);
    const std::string name(world->name());
    if (!reference.has_value() && tally != nullptr) tally->Add(program, seen);
    if (std::optional<Finding> broken = BreaksALaw(program, seen)) {
      return Mismatch{*std::move(broken), name, TableOf(program, seen, seen)};
    }
    if (!reference.has_value()) {
      reference = seen;
    } else if (std::optional<Finding> differ = Differ(program, *reference, seen)) {
      return Mismatch{*std::move(differ),
                      absl::StrCat(std::string(worlds_[0]->name()), " | ", name),
                      TableOf(program, *reference, seen)};
    }
  }
  return std::nullopt;
}

bool Judge::Confirms(const Program& program, const Mismatch& mismatch) {
  int again = 0;
  for (int i = 0; i < 3; ++i) {
    const std::optional<Mismatch> found = Try(program, kCareful);
    if (found.has_value() && found->IsLike(mismatch)) ++again;
  }
  return again >= 2;
}

Program Judge::Shrunk(const Program& program, const Mismatch& mismatch) {
  return Shrink(
      program,
      [&](const Program& smaller) {
        const std::optional<Mismatch> found = Try(smaller, kCareful);
        return found.has_value() && found->IsLike(mismatch);
      },
      kShrinkTries);
}

}  // namespace faultline::conformance
