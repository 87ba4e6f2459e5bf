// The replay program over the project's scenarios.
#include <string>
#include <vector>

#include "scenarios/catalogue/catalogue.h"
#include "scenarios/harness/registry.h"
#include "scenarios/replay/replay.h"

int main(int argc, char** argv) {
  faultline::harness::Registry registry;
  faultline::catalogue::AddAllScenarios(&registry);
  return faultline::replay::Main(std::vector<std::string>(argv + 1, argv + argc), registry);
}
