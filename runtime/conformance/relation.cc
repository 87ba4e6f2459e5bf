#include "runtime/conformance/relation.h"

#include <algorithm>
#include <cerrno>
#include <initializer_list>
#include <string>

#include "absl/strings/str_cat.h"

namespace faultline::conformance {
namespace {

bool Is(const Outcome& outcome, std::initializer_list<Result> results) {
  return std::find(results.begin(), results.end(), outcome.result) != results.end();
}
bool Failed(const Outcome& outcome, std::initializer_list<int> errors) {
  return outcome.result == Result::kError &&
         std::find(errors.begin(), errors.end(), outcome.error) != errors.end();
}
bool Both(const Pair& pair, bool (*holds)(const Step&, const Outcome&)) {
  return holds(pair.step, pair.a) && holds(pair.step, pair.b);
}
bool SameResult(const Pair& pair) {
  return pair.a.result == pair.b.result && pair.a.error == pair.b.error;
}
bool Moves(const Step& step) {
  return step.kind == StepKind::kRead || step.kind == StepKind::kWrite;
}
bool ByItsLimit(const Step& step, const Outcome& outcome) {
  return (step.limit == Limit::kStop && outcome.result == Result::kCancelled) ||
         (step.limit == Limit::kDeadline && outcome.result == Result::kDeadline);
}

// What a step can make of a reset that comes when it will.
bool FitsAReset(const Step& step, const Outcome& outcome) {
  if (ByItsLimit(step, outcome) || outcome.result == Result::kOk) return true;
  switch (step.kind) {
    case StepKind::kRead:
      return outcome.result == Result::kEnd || Failed(outcome, {ECONNRESET});
    case StepKind::kWrite:
      return Failed(outcome, {ECONNRESET, EPIPE});
    case StepKind::kHalfClose:
      return Failed(outcome, {ENOTCONN});
    default:
      return false;
  }
}

// --- The lines ---

bool Chunks(const Pair& pair) {
  return pair.step.once && SameResult(pair) && Is(pair.a, {Result::kOk});
}

bool Buffered(const Pair& pair) {
  return pair.step.kind == StepKind::kWrite && SameResult(pair) && ByItsLimit(pair.step, pair.a);
}

bool Positions(const Pair& pair) {
  return pair.open.other_position && Moves(pair.step) && SameResult(pair);
}

bool OtherAmounts(const Pair& pair) {
  return pair.open.other_amount && Moves(pair.step) &&
         Both(pair, [](const Step& step, const Outcome& outcome) {
           return ByItsLimit(step, outcome) || Is(outcome, {Result::kOk, Result::kEnd});
         });
}

bool LimitRaces(const Pair& pair) {
  return pair.open.limit_races &&
         (ByItsLimit(pair.step, pair.a) || ByItsLimit(pair.step, pair.b)) &&
         Both(pair, [](const Step& step, const Outcome& outcome) {
           return ByItsLimit(step, outcome) || Is(outcome, {Result::kOk, Result::kEnd}) ||
                  outcome.result == Result::kError;
         });
}

bool ResetRaces(const Pair& pair) {
  return (pair.open.reset_races || pair.open.reset_raced) && Both(pair, &FitsAReset);
}

// Whether both ends' FINs have been acknowledged.
bool FinRaces(const Pair& pair) {
  return pair.open.fin_races && Both(pair, [](const Step&, const Outcome& outcome) {
           return outcome.result == Result::kOk || Failed(outcome, {ENOTCONN});
         });
}

bool Rivals(const Pair& pair) {
  return pair.open.rivals && Both(pair, [](const Step&, const Outcome& outcome) {
           return !Is(outcome, {Result::kHung, Result::kStuck, Result::kCorrupt});
         });
}

bool OtherPast(const Pair& pair) {
  return pair.open.other_past && Both(pair, [](const Step&, const Outcome& outcome) {
           return !Is(outcome, {Result::kHung, Result::kStuck});
         });
}

// What is compared.
bool Same(const Outcome& a, const Outcome& b) {
  return a.result == b.result && a.error == b.error && a.position == b.position &&
         a.from == b.from && a.truncated == b.truncated;
}

std::string Described(const Pair& pair) {
  return absl::StrCat(ToSource(pair.step), ": ", pair.a.ToString(), " | ", pair.b.ToString());
}

// The outcomes without their numbers.
std::string KindOf(const Pair& pair) {
  auto bare = [](const Outcome& outcome) {
    return Outcome{.result = outcome.result, .error = outcome.error}.ToString();
  };
  return absl::StrCat(std::string(NameOf(pair.step.kind)), ": ", bare(pair.a), " | ", bare(pair.b));
}

constexpr Line kLines[] = {
    {"chunks", &Chunks},          {"buffered", &Buffered},
    {"positions", &Positions},    {"other-amounts", &OtherAmounts},
    {"limit-races", &LimitRaces}, {"reset-races", &ResetRaces},
    {"fin-races", &FinRaces},     {"rivals", &Rivals},
    {"other-past", &OtherPast},
};

}  // namespace

std::span<const Line> Lines() { return kLines; }

std::optional<Finding> Differ(const Program& program, const Observation& a, const Observation& b) {
  const History history(&program, &a, &b);
  std::optional<Finding> found;
  ForEachStep(program, [&](const Place& place, const Step& step) {
    if (found.has_value() || Same(a.at(place), b.at(place))) return;
    const Pair pair{step, history.at(place), a.at(place), b.at(place)};
    for (const Line& line : kLines) {
      if (line.allows(pair)) return;
    }
    found = Finding{place, Described(pair), KindOf(pair)};
  });
  return found;
}

}  // namespace faultline::conformance
