#include "scenarios/harness/registry.h"

#include <utility>

#include "runtime/check.h"

namespace faultline::harness {

void Registry::Add(std::unique_ptr<Scenario> scenario) {
  FAULTLINE_CHECK(Find(scenario->info().name) == nullptr)
      << "two scenarios are called " << scenario->info().name;
  scenarios_.push_back(std::move(scenario));
}

const Scenario* Registry::Find(std::string_view name) const {
  for (const auto& scenario : scenarios_) {
    if (scenario->info().name == name) return scenario.get();
  }
  return nullptr;
}

std::vector<std::string> Registry::Names() const {
  std::vector<std::string> names;
  for (const auto& scenario : scenarios_) names.push_back(scenario->info().name);
  return names;
}

}  // namespace faultline::harness
