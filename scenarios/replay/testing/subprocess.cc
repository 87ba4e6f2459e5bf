#include "scenarios/replay/testing/subprocess.h"

#include <fcntl.h>
#include <sys/personality.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>

#include "runtime/check.h"

namespace faultline::replay {
namespace {

// The child: becomes `path`.
[[noreturn]] void Execute(const std::string& path, const std::vector<std::string>& arguments,
                          int out, int err, const SubprocessOptions& options) {
  if (!options.randomise_addresses && personality(ADDR_NO_RANDOMIZE) < 0) _exit(kNotAllowed);
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  std::vector<char*> words = {const_cast<char*>(path.c_str())};
  for (const std::string& word : arguments) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  execv(path.c_str(), words.data());
  _exit(127);
}

int ExitCode(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string Contents(std::FILE* file) {
  std::rewind(file);
  std::string text;
  std::array<char, 4096> buffer;
  while (size_t read = std::fread(buffer.data(), 1, buffer.size(), file)) {
    text.append(buffer.data(), read);
  }
  std::fclose(file);
  return text;
}

}  // namespace

Outcome RunProgram(const std::string& path, const std::vector<std::string>& arguments,
                   const SubprocessOptions& options) {
  std::FILE* out = std::tmpfile();
  std::FILE* err = std::tmpfile();
  FAULTLINE_CHECK(out != nullptr && err != nullptr) << "no temporary files";
  const pid_t child = fork();
  if (child == 0) Execute(path, arguments, fileno(out), fileno(err), options);
  Outcome outcome;
  outcome.exit_code = ExitCode(child);
  outcome.out = Contents(out);
  outcome.err = Contents(err);
  return outcome;
}

int RunAndSignal(const std::string& path, const std::vector<std::string>& arguments,
                 int milliseconds, int signal) {
  const pid_t child = fork();
  if (child == 0) {
    const int null = open("/dev/null", O_WRONLY);
    Execute(path, arguments, null, null, {});
  }
  usleep(static_cast<useconds_t>(milliseconds) * 1000);
  kill(child, signal);
  return ExitCode(child);
}

std::string WordAfter(const std::string& text, const std::string& label) {
  const size_t at = text.find(label);
  if (at == std::string::npos) return "";
  const size_t begin = text.find_first_not_of(" \t", at + label.size());
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_first_of(" \t\n", begin) - begin);
}

}  // namespace faultline::replay
