// The replay program over scenarios that go wrong. For its tests.
#include <string>
#include <vector>

#include "scenarios/harness/registry.h"
#include "scenarios/replay/replay.h"
#include "scenarios/replay/testing/odd_scenarios.h"

int main(int argc, char** argv) {
  faultline::harness::Registry registry;
  faultline::replay::AddOddScenarios(&registry);
  return faultline::replay::Main(std::vector<std::string>(argv + 1, argv + argc), registry);
}
