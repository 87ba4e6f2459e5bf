// Runs a program and keeps what it says. For tests.
#ifndef FAULTLINE_SCENARIOS_REPLAY_TESTING_SUBPROCESS_H_
#define FAULTLINE_SCENARIOS_REPLAY_TESTING_SUBPROCESS_H_

#include <string>
#include <vector>

namespace faultline::replay {

struct Outcome {
  int exit_code = -1;  // -1: ended by a signal
  std::string out;     // standard output
  std::string err;     // standard error
};

// The exit code of a program that the system did not let run as `SubprocessOptions` say.
inline constexpr int kNotAllowed = 126;

struct SubprocessOptions {
  bool randomise_addresses = true;  // false: personality(2) with ADDR_NO_RANDOMIZE
};

// Until it ends.
Outcome RunProgram(const std::string& path, const std::vector<std::string>& arguments,
                   const SubprocessOptions& options = {});

// Starts it with standard output and error thrown away, waits for so long, sends `signal`, and
// waits until it ends. Gives its exit code, as above.
int RunAndSignal(const std::string& path, const std::vector<std::string>& arguments,
                 int milliseconds, int signal);

// What follows `label` in `text`, up to white space; empty if it does not occur.
std::string WordAfter(const std::string& text, const std::string& label);

}  // namespace faultline::replay

#endif  // FAULTLINE_SCENARIOS_REPLAY_TESTING_SUBPROCESS_H_
