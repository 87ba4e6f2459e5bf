// OurTransport: both ends of one of our transports as tasks, for whichever world runs them: epoll
// over loopback for the contestants, two simulated hosts for `Sim/...`.
#ifndef FAULTLINE_BENCH_OUR_TRANSPORT_H_
#define FAULTLINE_BENCH_OUR_TRANSPORT_H_

#include <cstdint>
#include <memory>

#include "bench/faultline_ends.h"
#include "bench/tcp_workload.h"
#include "runtime/endpoint.h"
#include "runtime/epoll/loop.h"
#include "runtime/runtime.h"
#include "runtime/task.h"

namespace faultline::bench {

// `*count` is what `Contestant`'s functions return. Pointers outlive the tasks.
struct OurTransport {
  Task<void> (*serve)(Runtime runtime, Endpoint listen, const Load* load, const Announce* announce,
                      uint64_t* count);
  Task<void> (*drive)(Runtime runtime, Endpoint server, const Load* load,
                      const KeepGoing* keep_going, uint64_t* count);
};

// On epoll, over loopback.
template <OurTransport kTransport>
struct OnLoopback {
  static uint64_t Serve(const Load& load, const Announce& announce) {
    uint64_t count = 0;
    std::unique_ptr<epoll::Loop> loop = Must(epoll::Loop::Create({}));
    loop->Run(
        kTransport.serve(loop->runtime(), Endpoint::Ipv4Loopback(0), &load, &announce, &count));
    return count;
  }

  static uint64_t Drive(const Load& load, uint16_t port, const KeepGoing& keep_going) {
    uint64_t count = 0;
    std::unique_ptr<epoll::Loop> loop = Must(epoll::Loop::Create({}));
    loop->Run(kTransport.drive(loop->runtime(), Endpoint::Ipv4Loopback(port), &load, &keep_going,
                               &count));
    return count;
  }
};

template <OurTransport kTransport>
constexpr Contestant MakeContestant(const char* name, bool over_tcp = true) {
  return {name, &OnLoopback<kTransport>::Serve, &OnLoopback<kTransport>::Drive, over_tcp};
}

}  // namespace faultline::bench

#endif  // FAULTLINE_BENCH_OUR_TRANSPORT_H_
