// Goal: what is printed of a program is C++ that makes the same program.
// Method: a file with a printed program that has every kind of step is compiled into this test and
// read by it: the compiled program is printed, and compared with the file.
#include "runtime/conformance/program.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "runtime/conformance/generate.h"
#include "runtime/conformance/observation.h"

namespace faultline::conformance {
namespace {

Program Compiled() {
  return
#include "runtime/conformance/printed_program.inc"
      ;
}

std::string Printed() {
  std::ifstream file("runtime/conformance/printed_program.inc");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::set<StepKind> KindsOf(const Program& program) {
  std::set<StepKind> kinds;
  ForEachStep(program, [&](const Place&, const Step& step) { kinds.insert(step.kind); });
  return kinds;
}

TEST(Program, IsPrintedAsWhatMakesIt) {
  EXPECT_EQ(KindsOf(Compiled()).size(), kStepKinds);
  EXPECT_EQ(Compiled().ToSource(), Printed());
}

TEST(Program, IsAValue) {
  Program program = Compiled();
  EXPECT_EQ(program, Compiled());
  program.phases().front().tasks.front().steps.front().amount = 15;
  EXPECT_NE(program, Compiled());
}

TEST(Generate, TheSameSeedGivesTheSameProgram) {
  for (uint64_t seed = 0; seed < 200; ++seed) EXPECT_EQ(Generate(seed), Generate(seed));
  EXPECT_NE(Generate(1), Generate(2));
}

TEST(Generate, MakesEveryKindOfStepAndEachFamily) {
  std::set<StepKind> kinds;
  std::set<Family> families;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    ForEachStep(Generate(seed), [&](const Place&, const Step& step) {
      kinds.insert(step.kind);
      families.insert(step.family);
    });
  }
  EXPECT_EQ(kinds.size(), kStepKinds);
  EXPECT_EQ(families.size(), 4u);  // with kNone, of steps that have none
}

}  // namespace
}  // namespace faultline::conformance
