// World: where whole programs run, one after the other: a real backend, or the simulation.
#ifndef FAULTLINE_RUNTIME_CONFORMANCE_WORLD_H_
#define FAULTLINE_RUNTIME_CONFORMANCE_WORLD_H_

#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "runtime/conformance/observation.h"
#include "runtime/conformance/program.h"

namespace faultline::conformance {

class World {
 public:
  virtual ~World() = default;

  // "epoll"; names what differs where there are several of a kind.
  virtual std::string_view name() const = 0;

  // `care`, in a world of real time: how many times longer than usual sleeps, limits and the ends
  // of phases are: 1, or more for a second look. Ends by itself.
  virtual Observation Run(const Program& program, int care) = 0;
};

// The kernel's sockets on loopback. Errors: those of the loop's `Create`; of io_uring, why it
// cannot be had here.
absl::StatusOr<std::unique_ptr<World>> MakeEpollWorld();
absl::StatusOr<std::unique_ptr<World>> MakeIoUringWorld();

// The simulation's sockets, a new simulation for each program.
enum class Simulation : uint8_t {
  kFifo,    // all actors on one host, tasks first in, first out
  kRandom,  // all actors on one host, tasks in random order
  kHosts,   // each actor on a host of its own, if the program has no Unix sockets; random order
};
std::unique_ptr<World> MakeSimulatedWorld(Simulation kind, uint64_t seed);

}  // namespace faultline::conformance

#endif  // FAULTLINE_RUNTIME_CONFORMANCE_WORLD_H_
