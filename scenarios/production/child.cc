#include "scenarios/production/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "runtime/check.h"

namespace faultline::production {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr auto kDeadline = std::chrono::seconds(60);

int MillisecondsUntil(SteadyClock::time_point when) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(when - SteadyClock::now());
  return left.count() < 0 ? 0 : static_cast<int>(left.count());
}

// Only what may be called between fork(2) and execv(2).
[[noreturn]] void Become(char* const* arguments, int output, int error, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  dup2(output, STDOUT_FILENO);
  dup2(error, STDERR_FILENO);
  execv(arguments[0], arguments);
  _exit(127);
}

}  // namespace

Child::Child(std::string name, const std::vector<std::string>& command) : name_(std::move(name)) {
  std::vector<char*> arguments;
  for (const std::string& argument : command) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  int output[2];
  int error[2];
  FAULTLINE_CHECK(pipe2(output, O_CLOEXEC) == 0 && pipe2(error, O_CLOEXEC) == 0) << errno;
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) Become(arguments.data(), output[1], error[1], parent);
  FAULTLINE_CHECK(pid_ > 0) << "fork: " << errno;
  close(output[1]);
  close(error[1]);
  output_.fd = output[0];
  error_.fd = error[0];
  fcntl(output_.fd, F_SETFL, O_NONBLOCK);
  fcntl(error_.fd, F_SETFL, O_NONBLOCK);
  pidfd_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  FAULTLINE_CHECK(pidfd_ >= 0) << "pidfd_open: " << errno;
}

Child::~Child() {
  if (!exit_.has_value()) {
    Signal(SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  for (int fd : {output_.fd, error_.fd, pidfd_}) {
    if (fd >= 0) close(fd);
  }
}

bool Child::WaitForLine(const std::string& text) {
  return WaitForLine(
      [&text](const std::string& line) { return line.find(text) != std::string::npos; });
}

bool Child::WaitForLine(const std::function<bool(const std::string&)>& wanted) {
  const auto deadline = SteadyClock::now() + kDeadline;
  while (!TakeLine(wanted)) {
    if (SteadyClock::now() >= deadline || !ReadSome(false)) return false;
  }
  return true;
}

bool Child::TakeLine(const std::function<bool(const std::string&)>& wanted) {
  size_t end = error_.text.find('\n', seen_);
  for (; end != std::string::npos; end = error_.text.find('\n', seen_)) {
    line_ = error_.text.substr(seen_, end - seen_);
    seen_ = end + 1;
    if (wanted(line_)) return true;
  }
  return false;
}

bool Child::ReadSome(bool until_exit) {
  pollfd polled[] = {{.fd = output_.fd, .events = POLLIN, .revents = 0},
                     {.fd = error_.fd, .events = POLLIN, .revents = 0},
                     {.fd = until_exit ? pidfd_ : -1, .events = POLLIN, .revents = 0}};
  if (!until_exit && error_.fd < 0) return false;
  const auto deadline = SteadyClock::now() + kDeadline;
  const int ready = poll(polled, 3, MillisecondsUntil(deadline));
  FAULTLINE_CHECK(ready >= 0 || errno == EINTR) << "poll: " << errno;
  Drain(&output_);
  Drain(&error_);
  return ready != 0;
}

void Child::Drain(Pipe* pipe) {
  char buffer[4096];
  while (pipe->fd >= 0) {
    const ssize_t bytes = read(pipe->fd, buffer, sizeof(buffer));
    if (bytes < 0) return;
    pipe->text.append(buffer, static_cast<size_t>(bytes));
    if (bytes > 0) continue;
    close(pipe->fd);
    pipe->fd = -1;
  }
}

void Child::Signal(int signal) {
  FAULTLINE_CHECK(!exit_.has_value()) << name_ << " has ended";
  kill(pid_, signal);
}

std::optional<int> Child::WaitForExit() {
  const auto deadline = SteadyClock::now() + kDeadline;
  while (!exit_.has_value() && SteadyClock::now() < deadline) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      exit_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    } else if (!ReadSome(true)) {
      break;
    }
  }
  Drain(&output_);
  Drain(&error_);
  return exit_;
}

}  // namespace faultline::production
