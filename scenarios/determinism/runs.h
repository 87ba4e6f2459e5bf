// Runs of the replay program, and what they say of themselves: the material of the tests of
// determinism.
#ifndef FAULTLINE_SCENARIOS_DETERMINISM_RUNS_H_
#define FAULTLINE_SCENARIOS_DETERMINISM_RUNS_H_

#include <gtest/gtest.h>

#include <iosfwd>
#include <span>
#include <string>

#include "scenarios/replay/testing/subprocess.h"

namespace faultline::determinism {

// The programs, as runfiles. Odd ones run scenarios that depend on something beside their seed.
inline constexpr char kReplay[] = "scenarios/replay/replay";
inline constexpr char kOddProgram[] = "scenarios/replay/odd_program";

struct Row {
  const char* name;   // of a test
  const char* flags;  // of the replay program, between single spaces
};

void PrintTo(const Row& row, std::ostream* out);
inline std::string NameOfRow(const testing::TestParamInfo<Row>& info) { return info.param.name; }

// Runs that together see every scenario, level of faults, plane, policy and a planted bug.
std::span<const Row> Rows();

// What a run left behind.
struct Told {
  int exit_code = -1;
  std::string hash;  // of its trace; empty if the program printed none
  // All that the program said of the run, the hash of each host among it, but for what is not the
  // run's: how long it took, and by which command this very build repeats it.
  std::string report;

  friend bool operator==(const Told&, const Told&) = default;
};

void PrintTo(const Told& told, std::ostream* out);

// One run in a process of its own.
Told RunProcess(const std::string& program, const std::string& flags,
                const replay::SubprocessOptions& options = {});

// Whether it came to a verdict: passed or failed.
bool HasVerdict(const Told& told);

}  // namespace faultline::determinism

#endif  // FAULTLINE_SCENARIOS_DETERMINISM_RUNS_H_
