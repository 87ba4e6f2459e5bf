#include "bench/idle_memory.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>
#include <thread>

#include "bench/tcp_server_process.h"
#include "runtime/check.h"

namespace faultline::bench {
namespace {

constexpr size_t kOtherFiles = 64;
constexpr std::chrono::milliseconds kSettle(50);  // until the last handshake is done at both ends

void AllowFiles(size_t count) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) Die("getrlimit");
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) Die("setrlimit");
  FAULTLINE_CHECK(limit.rlim_cur >= count) << "at most " << limit.rlim_cur << " open files";
}

double ResidentBytes(pid_t process) {
  std::ifstream statm("/proc/" + std::to_string(process) + "/statm");
  double size = 0;
  double resident = 0;
  FAULTLINE_CHECK(static_cast<bool>(statm >> size >> resident)) << "no such process";
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

IdleMemory Resident(pid_t server) {
  std::this_thread::sleep_for(kSettle);
  return {ResidentBytes(server), ResidentBytes(getpid())};
}

IdleMemory MeasureHere(const Contestant& contestant, size_t connections) {
  AllowFiles(connections + kOtherFiles);
  const Load load{.shape = Shape::kIdle,
                  .content = Content::kBytes,
                  .message_bytes = 0,
                  .cores = Cores::kTwo,
                  .connections = connections + 1};
  ServerProcess server(contestant, load);
  IdleMemory before;
  IdleMemory after;
  size_t open = 0;
  const uint64_t made = contestant.drive(load, server.port(), [&] {
    ++open;
    if (open == 1) before = Resident(server.pid());
    if (open == load.connections) after = Resident(server.pid());
    return open < load.connections;
  });
  FAULTLINE_CHECK(made == load.connections && server.Join().messages == made) << made << " made";
  const auto count = static_cast<double>(connections);
  return {(after.server - before.server) / count, (after.client - before.client) / count};
}

}  // namespace

IdleMemory MeasureIdle(const Contestant& contestant, size_t connections) {
  int report[2];
  if (pipe(report) != 0) Die("pipe");
  std::fflush(nullptr);  // or both would write what is buffered
  const pid_t child = fork();
  if (child < 0) Die("fork");
  IdleMemory memory;
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    memory = MeasureHere(contestant, connections);
    if (write(report[1], &memory, sizeof(memory)) != sizeof(memory)) Die("write to a pipe");
    _exit(0);
  }
  close(report[1]);
  if (read(report[0], &memory, sizeof(memory)) != sizeof(memory)) Die("the client has died");
  close(report[0]);
  int status = 0;
  FAULTLINE_CHECK(waitpid(child, &status, 0) == child && status == 0) << "it ended with " << status;
  return memory;
}

}  // namespace faultline::bench
