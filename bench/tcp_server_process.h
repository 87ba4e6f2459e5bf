// ServerProcess: the serving end of a contestant, in a process of its own.
//
// Client and server are bound to the processors that the load asks for, since the scheduler would
// put them sometimes here and sometimes there.
//
// It ends by itself when its client has half-closed, when this process is gone, and at the latest
// after `kLifetimeSeconds`.
#ifndef FAULTLINE_BENCH_TCP_SERVER_PROCESS_H_
#define FAULTLINE_BENCH_TCP_SERVER_PROCESS_H_

#include <sys/types.h>

#include <cstdint>

#include "bench/tcp_workload.h"

namespace faultline::bench {

class ServerProcess {
 public:
  static constexpr unsigned kLifetimeSeconds = 300;

  // How many processors this process may use, at least 1.
  static int ProcessorCount();

  // fork(2): this process has one thread.
  ServerProcess(const Contestant& contestant, const Load& load);
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;
  ~ServerProcess();

  uint16_t port() const { return port_; }
  pid_t pid() const { return child_; }

  struct Outcome {
    uint64_t messages = 0;
    double cpu_ns = 0;  // of the processor, user and system, for its whole life
  };
  // Waits for its end; once. Not ended well is our bug.
  Outcome Join();

 private:
  const pid_t parent_;
  int reports_[2];
  pid_t child_ = 0;
  uint16_t port_ = 0;
};

}  // namespace faultline::bench

#endif  // FAULTLINE_BENCH_TCP_SERVER_PROCESS_H_
