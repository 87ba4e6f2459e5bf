#include "runtime/conformance/laws.h"

#include <algorithm>
#include <cerrno>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "runtime/conformance/history.h"

namespace faultline::conformance {
namespace {

// The first step for which `broken(place, step, outcome)` holds.
template <typename Broken>
std::optional<Place> FirstStep(const Program& program, const Observation& seen, Broken broken) {
  std::optional<Place> first;
  ForEachStep(program, [&](const Place& place, const Step& step) {
    if (!first.has_value() && broken(place, step, seen.at(place))) first = place;
  });
  return first;
}

// Whether `a` is over before `b` begins.
bool Before(const Place& a, const Place& b) {
  return a.phase < b.phase || (a.phase == b.phase && a.task == b.task && a.step < b.step);
}

bool IsReset(const Outcome& outcome) {
  return outcome.result == Result::kError && outcome.error == ECONNRESET;
}
bool IsBroken(const Outcome& outcome) {
  return IsReset(outcome) || (outcome.result == Result::kError && outcome.error == EPIPE);
}

// The first step that `begins` something on an end and is followed by one that it `forbids`.
template <typename Begins, typename Forbids>
std::optional<Place> FirstAfter(const Program& program, const Observation& seen, StepKind kind,
                                Begins begins, Forbids forbids) {
  std::map<uint64_t, Place> begun;
  return FirstStep(program, seen,
                   [&](const Place& place, const Step& step, const Outcome& outcome) {
                     if (step.kind != kind) return false;
                     auto since = begun.find(KeyOf(step.end()));
                     if (since != begun.end())
                       return Before(since->second, place) && forbids(outcome);
                     if (begins(outcome)) begun.emplace(KeyOf(step.end()), place);
                     return false;
                   });
}

std::optional<Place> WrongBytes(const Program& program, const Observation& seen) {
  const History history(&program, &seen, &seen);
  return FirstStep(program, seen, [&](const Place& place, const Step&, const Outcome& outcome) {
    return outcome.result == Result::kCorrupt && !history.at(place).other_past;
  });
}

std::optional<Place> WrongDatagram(const Program& program, const Observation& seen) {
  return FirstStep(program, seen, [](const Place&, const Step&, const Outcome& outcome) {
    return outcome.result == Result::kWrongSource;
  });
}

std::optional<Place> LostBytes(const Program& program, const Observation& seen) {
  const History history(&program, &seen, &seen);
  std::map<uint64_t, uint64_t> written;
  ForEachStep(program, [&](const Place& place, const Step& step) {
    if (step.kind != StepKind::kWrite) return;
    uint64_t& most = written[KeyOf(step.end())];
    most = std::max(most, seen.at(place).position);
  });
  return FirstStep(program, seen,
                   [&](const Place& place, const Step& step, const Outcome& outcome) {
                     if (step.kind != StepKind::kRead || history.at(place).other_past) return false;
                     const uint64_t there = written[KeyOf(PeerOf(step.end()))];
                     return outcome.result == Result::kEnd ? outcome.position != there
                                                           : outcome.position > there;
                   });
}

// The family of what `listener` listens on.
Family FamilyOf(const Program& program, int listener) {
  Family family = Family::kNone;
  int original = listener;
  ForEachStep(program, [&](const Place&, const Step& step) {
    if (step.kind != StepKind::kListen) return;
    if (step.id == listener && step.other != Step::kNobody) original = step.other;
  });
  if (original != listener) return FamilyOf(program, original);
  ForEachStep(program, [&](const Place&, const Step& step) {
    if (step.kind == StepKind::kListen && step.id == listener) family = step.family;
  });
  return family;
}

bool IsUnix(const Program& program, int connection) {
  bool is_unix = false;
  ForEachStep(program, [&](const Place&, const Step& step) {
    if (step.kind != StepKind::kConnect || step.id != connection) return;
    is_unix |= FamilyOf(program, step.other) == Family::kUnix;
  });
  return is_unix;
}

// A Unix socket tells of a reset in spite of the end.
std::optional<Place> EndIsNotTheEnd(const Program& program, const Observation& seen) {
  std::map<uint64_t, Place> ended;
  return FirstStep(program, seen,
                   [&](const Place& place, const Step& step, const Outcome& outcome) {
                     if (step.kind != StepKind::kRead) return false;
                     auto since = ended.find(KeyOf(step.end()));
                     if (since != ended.end() && Before(since->second, place)) {
                       return outcome.moved > 0 || (IsBroken(outcome) && !IsUnix(program, step.id));
                     }
                     if (outcome.result == Result::kEnd) ended.emplace(KeyOf(step.end()), place);
                     return false;
                   });
}

std::optional<Place> ResetIsForgotten(const Program& program, const Observation& seen) {
  return FirstAfter(program, seen, StepKind::kRead, &IsReset, [](const Outcome& outcome) {
    return outcome.result == Result::kOk || outcome.result == Result::kEnd || outcome.moved > 0;
  });
}

std::optional<Place> BrokenPipeHeals(const Program& program, const Observation& seen) {
  return FirstAfter(program, seen, StepKind::kWrite, &IsBroken,
                    [](const Outcome& outcome) { return outcome.moved > 0; });
}

std::optional<Place> NeverEnds(const Program& program, const Observation& seen) {
  return FirstStep(program, seen, [](const Place&, const Step&, const Outcome& outcome) {
    return outcome.result == Result::kStuck;
  });
}

constexpr Law kLaws[] = {
    {"wrong-bytes", &WrongBytes},
    {"wrong-datagram", &WrongDatagram},
    {"lost-bytes", &LostBytes},
    {"end-is-not-the-end", &EndIsNotTheEnd},
    {"reset-is-forgotten", &ResetIsForgotten},
    {"broken-pipe-heals", &BrokenPipeHeals},
    {"never-ends", &NeverEnds},
};

}  // namespace

std::span<const Law> Laws() { return kLaws; }

std::optional<Finding> BreaksALaw(const Program& program, const Observation& seen) {
  for (const Law& law : kLaws) {
    const std::optional<Place> place = law.broken(program, seen);
    if (!place.has_value()) continue;
    const Step& step = program.phases()[place->phase].tasks[place->task].steps[place->step];
    const std::string name(law.name);
    return Finding{
        *place, absl::StrCat(ToSource(step), ": ", seen.at(*place).ToString(), ": ", name), name};
  }
  return std::nullopt;
}

}  // namespace faultline::conformance
