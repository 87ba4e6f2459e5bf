// The conformance program.
#include <string>
#include <vector>

#include "runtime/conformance/campaign.h"

int main(int argc, char** argv) {
  return faultline::conformance::Main(std::vector<std::string>(argv + 1, argv + argc));
}
