// World: what the contract of the seam needs of a world in order to be tested there.
//
// The headers of runtime/ promise something in every world. This folder states each promise as a
// test, once; every backend and the simulation run the same suite:
//
//   class MyWorld final : public contract::World { ... };
//   std::unique_ptr<contract::World> MakeMyWorld() { return std::make_unique<MyWorld>(); }
//   FAULTLINE_INSTANTIATE_CONTRACT(Mine, &MakeMyWorld);       // contract.h
//
// Nothing in the suite depends on real time passing, on threads, or on the order in which ready
// tasks run. A test is one task; it uses the objects of both hosts, which share a thread.
#ifndef FAULTLINE_RUNTIME_CONTRACT_WORLD_H_
#define FAULTLINE_RUNTIME_CONTRACT_WORLD_H_

#include <memory>

#include "runtime/endpoint.h"
#include "runtime/runtime.h"
#include "runtime/task.h"

namespace faultline::contract {

class World {
 public:
  static constexpr int kHosts = 2;

  virtual ~World() = default;

  // Of host 0 or 1. Both may be the same machine. The parts outlive every task of `Run`. The
  // network between them loses, duplicates, reorders and corrupts nothing.
  virtual Runtime runtime(int host) = 0;

  // Where `host` can listen or bind and the other host reaches it: an address with port 0, or a
  // Unix path that was not used before (then `host` is the only one that reaches it).
  virtual Endpoint Address(int host, Endpoint::Family family) = 0;

  // Runs `test` on the executor of host 0 until it has ended. Adds a test failure if it never does:
  // a simulation knows, a real world gives up after a minute or so. Called once.
  virtual void Run(Task<void> test) = 0;
};

using WorldFactory = std::unique_ptr<World> (*)();

}  // namespace faultline::contract

#endif  // FAULTLINE_RUNTIME_CONTRACT_WORLD_H_
