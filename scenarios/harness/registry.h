// Registry: the scenarios that a program knows, as an explicit list that its `main` makes.
#ifndef FAULTLINE_SCENARIOS_HARNESS_REGISTRY_H_
#define FAULTLINE_SCENARIOS_HARNESS_REGISTRY_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "scenarios/harness/scenario.h"

namespace faultline::harness {

class Registry {
 public:
  // Its name must be new.
  void Add(std::unique_ptr<Scenario> scenario);

  const std::vector<std::unique_ptr<Scenario>>& scenarios() const { return scenarios_; }
  // Null if there is none of this name.
  const Scenario* Find(std::string_view name) const;
  std::vector<std::string> Names() const;

 private:
  std::vector<std::unique_ptr<Scenario>> scenarios_;
};

}  // namespace faultline::harness

#endif  // FAULTLINE_SCENARIOS_HARNESS_REGISTRY_H_
