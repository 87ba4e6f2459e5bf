// Relation: which differences between two worlds are legal, and what no world may show.
// docs/conformance.md states each line and each law with its reason, under the names that are here.
//
// What is compared of a step: how it ended, with which errno, where its stream stands then, whom a
// datagram came from, which of its sender's datagrams it is, and whether it was cut.
#ifndef FAULTLINE_RUNTIME_CONFORMANCE_RELATION_H_
#define FAULTLINE_RUNTIME_CONFORMANCE_RELATION_H_

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "runtime/conformance/history.h"
#include "runtime/conformance/observation.h"
#include "runtime/conformance/program.h"

namespace faultline::conformance {

// What a line looks at: two outcomes of one step, and what the program leaves open there.
struct Pair {
  const Step& step;
  const Openness& open;
  const Outcome& a;
  const Outcome& b;
};

// Allows a difference. Outcomes that are equal need no line.
struct Line {
  std::string_view name;
  bool (*allows)(const Pair& pair);
};
std::span<const Line> Lines();

struct Finding {
  Place place;
  std::string what;  // for people, one line
  std::string kind;  // the same for findings that are likely the same
};

// The first step at which two worlds differ and no line allows it.
std::optional<Finding> Differ(const Program& program, const Observation& a, const Observation& b);

}  // namespace faultline::conformance

#endif  // FAULTLINE_RUNTIME_CONFORMANCE_RELATION_H_
