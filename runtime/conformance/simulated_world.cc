#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/check.h"
#include "runtime/conformance/site.h"
#include "runtime/conformance/world.h"
#include "runtime/event.h"
#include "sim/host.h"
#include "sim/world.h"

namespace faultline::conformance {
namespace {

bool HasUnix(const Program& program) {
  bool found = false;
  ForEachStep(program,
              [&found](const Place&, const Step& step) { found |= step.family == Family::kUnix; });
  return found;
}

// What Linux gives a socket on loopback: net.core.rmem_default and wmem_default.
sim::HostConfig HostOf(int number) {
  sim::HostConfig config;
  config.name = absl::StrCat("actor", number);
  config.limits.send_buffer_bytes = config.limits.receive_buffer_bytes = 212'992;
  return config;
}

sim::WorldConfig ConfigOf(Simulation kind, uint64_t seed) {
  sim::WorldConfig config;
  config.seed = seed;
  // As wide as loopback: what differs then are the latency and the segments.
  config.links[static_cast<size_t>(sim::Plane::kClient)].mtu =
      config.links[static_cast<size_t>(sim::Plane::kLoopback)].mtu;
  config.scheduling = kind == Simulation::kFifo ? sim::Scheduling::kFifo : sim::Scheduling::kRandom;
  return config;
}

// One program's simulation.
class Stage final : public Site {
 public:
  Stage(Simulation kind, uint64_t seed, int hosts) : world_(ConfigOf(kind, seed)), hosts_(hosts) {
    for (int i = 0; i < hosts; ++i) world_.AddHost(HostOf(i));
  }

  void Play(const Program& program, Observation* seen) {
    host(0)->Boot([&](const Runtime&) { return First(this, RunProgram(&program, this, seen)); });
    for (int i = 1; i < hosts_; ++i) {
      host(i)->Boot([this](const Runtime&) { return Wait(this); });
    }
    sim::Verdict verdict = world_.Run({.until = 10h});
    FAULTLINE_CHECK(verdict.passed()) << "a program ends by itself: " << verdict.ToString();
  }

 private:
  Runtime runtime(int actor) override { return host(actor)->process()->runtime(); }
  Endpoint Address(int actor, Family family) override {
    if (family == Family::kUnix) return Endpoint::Unix(absl::StrCat("/run/", ++last_path_));
    if (hosts_ == 1) {
      return family == Family::kIpv4 ? Endpoint::Ipv4Loopback(0) : Endpoint::Ipv6Loopback(0);
    }
    return family == Family::kIpv4 ? host(actor)->Address(sim::Plane::kClient, 0)
                                   : host(actor)->Ipv6Address(sim::Plane::kClient, 0);
  }
  Duration settle() const override { return 20ms; }
  Duration patience() const override { return 60s; }
  int care() const override { return 1; }

  sim::Host* host(int actor) { return world_.host(static_cast<uint32_t>(actor % hosts_)); }
  static Task<void> First(Stage* stage, Task<void> program) {
    co_await std::move(program);
    stage->world_.Stop();
  }
  static Task<void> Wait(Stage* stage) { (void)co_await stage->never_.Wait(); }

  Event never_;
  sim::World world_;
  const int hosts_;
  int last_path_ = 0;
};

class SimulatedWorld final : public World {
 public:
  SimulatedWorld(Simulation kind, uint64_t seed) : kind_(kind), seed_(seed) {}

  std::string_view name() const override {
    switch (kind_) {
      case Simulation::kFifo:
        return "sim:fifo";
      case Simulation::kRandom:
        return "sim:random";
      case Simulation::kHosts:
        return "sim:hosts";
    }
  }
  Observation Run(const Program& program, int) override {
    Observation seen(program);
    const int hosts = kind_ == Simulation::kHosts && !HasUnix(program) ? Program::kActors : 1;
    Stage(kind_, seed_, hosts).Play(program, &seen);
    return seen;
  }

 private:
  const Simulation kind_;
  const uint64_t seed_;
};

}  // namespace

std::unique_ptr<World> MakeSimulatedWorld(Simulation kind, uint64_t seed) {
  return std::make_unique<SimulatedWorld>(kind, seed);
}

}  // namespace faultline::conformance
