// Simulated worlds under load, that a benchmark drives in batches.
//
// What: a `Workload` is a world whose tasks do steps (messages, round trips, datagrams, timers)
// until a batch is complete; what came before the first batch (hosts, connections) is not measured.
//
//   std::unique_ptr<Workload> load = PingPong({.pairs = 1});
//   while (state.KeepRunningBatch(kBatch)) load->Run(kBatch);
//
// Each workload checks what it moved: a world that does less than it was asked is no faster.
#ifndef FAULTLINE_BENCH_SIM_WORKLOADS_H_
#define FAULTLINE_BENCH_SIM_WORKLOADS_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "runtime/event.h"
#include "sim/host.h"
#include "sim/world.h"

namespace faultline::bench {

inline constexpr size_t kMessageBytes = 256;

// Steps that are done, by all tasks of one world together. The traffic never pauses: the world is
// stopped when a batch is complete, wherever the tasks are, and goes on from there with the next.
// So a step costs the same work with ten tasks as with ten thousand.
class Meter {
 public:
  explicit Meter(sim::World* world) : world_(world) {}

  // For tasks: set when the first batch begins.
  Event* start() { return &start_; }
  void Allow(uint64_t steps) {
    goal_ += steps;
    start_.Set();
  }
  // A step is done; the last one of the batch stops the world.
  void Finish() {
    if (++done_ == goal_) world_->Stop();
  }

  uint64_t done() const { return done_; }

 private:
  sim::World* const world_;
  Event start_;
  uint64_t goal_ = 0;
  uint64_t done_ = 0;
};

class Workload {
 public:
  explicit Workload(const sim::WorldConfig& config) : meter_(&world_), world_(config) {}
  Workload(const Workload&) = delete;
  Workload& operator=(const Workload&) = delete;

  sim::World* world() { return &world_; }
  Meter* meter() { return &meter_; }

  // Lets the tasks do `steps` more; returns when they have been done, and dies if they cannot be.
  void Run(uint64_t steps);

  // Events fired by all calls of `Run`.
  uint64_t events() const { return events_; }

 private:
  Meter meter_;
  uint64_t events_ = 0;
  sim::World world_;  // last: its tasks use the meter
};

struct LoadOptions {
  sim::WorldConfig world{};
  uint32_t idle_hosts =
      0;  // hosts beside the busy ones, each waiting for a connection and for a timer
};

// A step is one message of 256 bytes from one host to another over one connection; a write a
// message, a read a message.
std::unique_ptr<Workload> OneWay(const LoadOptions& options);
// A step is a message of 256 bytes there and back, in `pairs` pairs of hosts at the same time.
std::unique_ptr<Workload> PingPong(const LoadOptions& options, uint32_t pairs);
// A step is a round trip of one of `clients` hosts with the one server, a connection each.
std::unique_ptr<Workload> ManyToOne(const LoadOptions& options, uint32_t clients);
// A step is a round trip of one of `hosts` hosts with another: each serves, each has connections to
// two others that were drawn by lot, and asks one of them at a time, by lot again. What happens
// next is happening anywhere.
std::unique_ptr<Workload> Mesh(const LoadOptions& options, uint32_t hosts);
// A step is one datagram of 256 bytes from one host to another, received; every 64th is
// acknowledged, so that none falls off the receive buffer.
std::unique_ptr<Workload> Datagrams(const LoadOptions& options);
// A step is one timer of one of `hosts` hosts: tasks that sleep for a time of their own.
std::unique_ptr<Workload> Timers(const LoadOptions& options, uint32_t hosts);

}  // namespace faultline::bench

#endif  // FAULTLINE_BENCH_SIM_WORKLOADS_H_
