#include "bench/tcp_server_process.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <vector>

#include "bench/tcp_congestion.h"
#include "runtime/check.h"

namespace faultline::bench {
namespace {

template <typename T>
void Tell(int fd, T value) {
  if (write(fd, &value, sizeof(value)) != sizeof(value)) Die("write to a pipe");
}

template <typename T>
T Hear(int fd) {
  T value;
  if (read(fd, &value, sizeof(value)) != sizeof(value)) Die("the server has died");
  return value;
}

// The processors that this process may use; as they were before anything was bound.
const std::vector<int>& Processors() {
  static const std::vector<int> processors = [] {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) Die("sched_getaffinity");
    std::vector<int> found;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &allowed)) found.push_back(cpu);
    }
    return found;
  }();
  return processors;
}

void BindToProcessor(int cpu) {
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(cpu, &only);
  if (sched_setaffinity(0, sizeof(only), &only) != 0) Die("sched_setaffinity");
}

[[noreturn]] void RunServer(const Contestant& contestant, const Load& load, int reports) {
  alarm(ServerProcess::kLifetimeSeconds);
  if (load.cores == Cores::kTwo) BindToProcessor(Processors()[1]);
  uint64_t messages = contestant.serve(load, [&contestant, reports](uint16_t port) {
    if (contestant.over_tcp) UseReno();
    Tell<uint16_t>(reports, port);
  });
  Tell<uint64_t>(reports, messages);
  _exit(0);
}

double Nanoseconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_usec) * 1e3;
}

}  // namespace

int ServerProcess::ProcessorCount() { return static_cast<int>(Processors().size()); }

ServerProcess::ServerProcess(const Contestant& contestant, const Load& load) : parent_(getpid()) {
  BindToProcessor(Processors()[0]);
  if (pipe(reports_) != 0) Die("pipe");
  std::fflush(nullptr);  // or both would write what is buffered
  child_ = fork();
  if (child_ < 0) Die("fork");
  if (child_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent_) _exit(1);
    close(reports_[0]);
    RunServer(contestant, load, reports_[1]);
  }
  close(reports_[1]);
  port_ = Hear<uint16_t>(reports_[0]);
}

ServerProcess::~ServerProcess() {
  close(reports_[0]);
  FAULTLINE_CHECK(child_ == 0) << "a server is joined";
}

ServerProcess::Outcome ServerProcess::Join() {
  Outcome outcome{.messages = Hear<uint64_t>(reports_[0])};
  int status = 0;
  rusage used{};
  pid_t ended = wait4(child_, &status, 0, &used);
  FAULTLINE_CHECK(ended == child_ && status == 0) << "the server ended with " << status;
  child_ = 0;
  outcome.cpu_ns = Nanoseconds(used.ru_utime) + Nanoseconds(used.ru_stime);
  return outcome;
}

}  // namespace faultline::bench
