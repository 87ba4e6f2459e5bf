// Child: a program that a test started, which does not outlive it.
//
//   Child node("node 0", {"scenarios/node/node", "--replica=0", ...});
//   ASSERT_TRUE(node.WaitForLine("listening for clients"));
//   node.Signal(SIGTERM);
//   EXPECT_EQ(node.WaitForExit(), 0) << node.log();
//
// Waits have a generous deadline, after which they fail: they are there to end a test that hangs,
// not to measure anything. A child is killed with its parent.
#ifndef FAULTLINE_SCENARIOS_PRODUCTION_CHILD_H_
#define FAULTLINE_SCENARIOS_PRODUCTION_CHILD_H_

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace faultline::production {

class Child {
 public:
  // `name` is for messages. The program is `command[0]`, a path.
  Child(std::string name, const std::vector<std::string>& command);
  // Kills it if it still runs.
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  const std::string& name() const { return name_; }

  // Reads what it says on standard error, from where the last call stopped, up to the first line
  // that `wanted` likes or contains `text`. False if it ends or the deadline passes before.
  bool WaitForLine(const std::function<bool(const std::string&)>& wanted);
  bool WaitForLine(const std::string& text);
  // The line that was waited for last.
  const std::string& line() const { return line_; }

  void Signal(int signal);
  // Its exit code, or minus the number of the signal that ended it. Nothing if the deadline passes.
  std::optional<int> WaitForExit();

  // Everything that was read so far from standard error and standard output; after `WaitForExit`,
  // everything.
  const std::string& log() const { return error_.text; }
  const std::string& output() const { return output_.text; }

 private:
  struct Pipe {
    int fd = -1;  // -1: at its end
    std::string text;
  };

  bool TakeLine(const std::function<bool(const std::string&)>& wanted);
  // False if nothing more will come, or not in time.
  bool ReadSome(bool until_exit);
  static void Drain(Pipe* pipe);

  const std::string name_;
  pid_t pid_ = -1;
  int pidfd_ = -1;
  Pipe output_;
  Pipe error_;
  size_t seen_ = 0;  // of the log, by `WaitForLine`
  std::string line_;
  std::optional<int> exit_;
};

}  // namespace faultline::production

#endif  // FAULTLINE_SCENARIOS_PRODUCTION_CHILD_H_
