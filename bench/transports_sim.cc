#include "bench/transports_sim.h"

#include <chrono>

#include "bench/credentials.h"
#include "sim/host.h"
#include "sim/world.h"

namespace faultline::bench {
namespace {

constexpr uint16_t kPort = 7000;

// The certificates are of now, so that is when the world begins.
sim::WorldConfig Today() {
  sim::WorldConfig config;
  config.wall_start = WallTime(std::chrono::system_clock::now().time_since_epoch());
  return config;
}

}  // namespace

SimulatedLoad::SimulatedLoad(const OurTransport& transport, const Load& load)
    : load_(load),
      keep_going_([this] {
        world_.meter()->Finish();
        return true;
      }),
      world_(Today()) {
  sim::Host* server = world_.world()->AddHost({.name = "server"});
  sim::Host* client = world_.world()->AddHost({.name = "client"});
  server->Boot([this, transport](const Runtime& runtime) {
    return transport.serve(runtime, Endpoint::Ipv4Any(kPort), &load_, &announce_, &served_);
  });
  client->Boot(
      [this, transport, to = server->Address(sim::Plane::kClient, kPort)](const Runtime& runtime) {
        return transport.drive(runtime, to, &load_, &keep_going_, &driven_);
      });
  Run(kWarmUpSteps);
}

}  // namespace faultline::bench
