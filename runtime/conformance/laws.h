// Laws: what no world may show, whatever the others do. docs/conformance.md has each, with its
// reason, under the name that is here.
#ifndef FAULTLINE_RUNTIME_CONFORMANCE_LAWS_H_
#define FAULTLINE_RUNTIME_CONFORMANCE_LAWS_H_

#include <optional>
#include <span>
#include <string_view>

#include "runtime/conformance/observation.h"
#include "runtime/conformance/program.h"
#include "runtime/conformance/relation.h"

namespace faultline::conformance {

struct Law {
  std::string_view name;
  // The first step that breaks it.
  std::optional<Place> (*broken)(const Program& program, const Observation& seen);
};
std::span<const Law> Laws();

// The first law that one world breaks, and where.
std::optional<Finding> BreaksALaw(const Program& program, const Observation& seen);

}  // namespace faultline::conformance

#endif  // FAULTLINE_RUNTIME_CONFORMANCE_LAWS_H_
