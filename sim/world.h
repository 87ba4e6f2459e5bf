// World: a simulated world, from a seed to a verdict.
//
//   World world({.seed = 7});
//   Host* server = world.AddHost({.name = "server"});
//   Host* client = world.AddHost({.name = "client"});
//   server->Boot([](const Runtime& runtime) { return Serve(runtime); });
//   client->Boot([server](const Runtime& runtime) { return Call(runtime,
//   server->Address(Plane::kClient, 80)); }); Verdict verdict = world.Run({.until = 1h});
//
// One thread; time jumps from event to event, ordered by (time, sequence); at each instant the
// ready tasks run until none is left, in the order of the scheduling policy. Idle hosts and idle
// hours cost nothing.
//
// The world ends in a verdict:
//   passed     somebody called `Stop`, or every process's main task has ended
//   invariant  somebody called `Fail`
//   deadlock   tasks wait and nothing is left that could happen
//   livelock   tasks run without end and time stands still
//   bound      the time or the number of events is used up
#ifndef FAULTLINE_SIM_WORLD_H_
#define FAULTLINE_SIM_WORLD_H_

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "runtime/endpoint.h"
#include "runtime/executor.h"
#include "runtime/time.h"
#include "sim/choices.h"
#include "sim/config.h"
#include "sim/effects.h"
#include "sim/event_queue.h"
#include "sim/fault_layers.h"
#include "sim/path.h"
#include "sim/policy.h"
#include "sim/trace.h"

namespace faultline::sim {

class Host;
class TcpConnection;
class WireObserver;

enum class VerdictKind : uint8_t { kPassed, kInvariant, kDeadlock, kLivelock, kBound };

std::string_view VerdictName(VerdictKind kind);

struct Verdict {
  VerdictKind kind = VerdictKind::kPassed;
  MonotonicTime time;   // when it was reached
  absl::Status status;  // OK if passed; otherwise what is wrong
  uint64_t events = 0;  // fired by this call of `Run`

  bool passed() const { return kind == VerdictKind::kPassed; }
  std::string ToString() const;
};

struct RunLimits {
  Duration until = 1h;                  // of virtual time, from the beginning of the world
  uint64_t max_events = 1'000'000'000;  // of this call
};

// One direction of a partition: between which hosts, in which planes, how.
struct Cut {
  std::vector<uint32_t> from;
  std::vector<uint32_t> to;
  bool planes[kPlanes] = {true, true, false};
  Passage how = Passage::kDrop;  // kDrop or kHold
  bool symmetric = false;        // the other direction too
};

class World {
 public:
  explicit World(const WorldConfig& config);
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World();

  // Hosts are numbered from 0. Owned by the world. At most 65,536.
  Host* AddHost(const HostConfig& config);
  Host* host(uint32_t id) { return hosts_[id].get(); }
  size_t host_count() const { return hosts_.size(); }

  // Runs until a verdict. May be called again with later limits after `kBound`, and after `kPassed`
  // by `Stop`.
  Verdict Run(const RunLimits& limits);

  // Ends the run with "passed", or with a broken invariant, before anything else happens. The first
  // one counts.
  void Stop() { stopping_ = true; }
  void Fail(absl::Status invariant);

  // Calls `action` from the loop, outside of any task.
  void At(MonotonicTime when, std::function<void()> action);
  void After(Duration delay, std::function<void()> action) { At(now_ + delay, std::move(action)); }

  MonotonicTime now() const { return now_; }
  WallTime wall_now() const { return config_.wall_start + now_.time_since_epoch(); }

  // --- The network between the hosts ---

  // Links as they are from now on, for one plane: for all pairs, or for one direction of one pair.
  void SetLink(Plane plane, const LinkConfig& link);
  void SetLink(uint32_t from, uint32_t to, Plane plane, const LinkConfig& link);
  // Changes parts of one direction of one pair's link.
  void EditLink(uint32_t from, uint32_t to, Plane plane,
                const std::function<void(LinkConfig*)>& edit);
  const LinkConfig& link(Plane plane) const { return config_.links[static_cast<size_t>(plane)]; }

  // Cuts the paths that `cut` names, now; returns a number for `Heal`. What is in flight obeys.
  uint32_t Partition(const Cut& cut);
  void Heal(uint32_t partition);
  // Makes one direction slower by `extra`; zero ends it.
  void Clog(uint32_t from, uint32_t to, Plane plane, Duration extra);
  // Resets every connection between the two hosts in `plane`, as a middlebox does: both ends get
  // ECONNRESET.
  void ResetConnections(uint32_t a, uint32_t b, Plane plane);
  // The limits of `host` have changed: sockets whose buffers nobody has set follow them.
  void FollowLimits(const Host* host);

  // --- For the parts of the simulation ---

  const WorldConfig& config() const { return config_; }
  EventQueue* events() { return &events_; }
  Choices* choices() { return &choices_; }
  FaultEffects* effects() { return &effects_; }
  const FaultEffects& effects() const { return effects_; }
  FaultLayers* fault_layers() { return &fault_layers_; }
  Trace* trace() { return &trace_; }
  ReadyQueue* ready() { return &ready_; }
  // A good moment for the next hint to the caches, if one is due: a task has done a piece of work
  // since the last one.
  void FetchOn() {
    if (next_hint_ == kNoHint) return;
    FetchAhead(next_hint_, next_hint_);
    ++next_hint_;
  }
  // Not owned; null for none.
  void SetWire(WireObserver* wire) { wire_ = wire; }
  WireObserver* wire() const { return wire_; }

  void Record(TraceKind kind, uint32_t host, uint64_t a = 0, uint64_t b = 0, uint8_t detail = 0) {
    trace_.Add({now_.time_since_epoch().count(), host, kind, detail, 0, a, b});
  }

  Path* PathBetween(uint32_t from, uint32_t to, Plane plane);
  // The host that has `address`, and its plane; null if none has. Loopback addresses are `self`'s.
  struct Located {
    Host* host = nullptr;
    Plane plane = Plane::kLoopback;
  };
  Located Locate(const Endpoint& address, Host* self);

  // Connections are owned by the world until both ends and the wire have let go of them.
  TcpConnection* Adopt(std::unique_ptr<TcpConnection> connection);
  void Bury(TcpConnection* connection);
  uint64_t NextConnectionId() { return ++last_connection_; }
  size_t connection_count() const { return connections_.size(); }

 private:
  class Callback;

  static constexpr int kNoHint = Actor::kFetchDepth + 1;

  void FetchAhead(int first_depth, int last_depth);
  void RunReady();
  bool CountTurn();
  Verdict Conclude(VerdictKind kind, absl::Status status, uint64_t events) const;
  std::optional<Verdict> Ended(uint64_t events);
  absl::Status DescribeDeadlock() const;
  void ConfigureFaultsOf(const LinkConfig& link);
  static Fault FamilyOf(const Cut& cut);
  bool Cuts(const Cut& cut, const Path& path) const;
  void ForEachPath(const Cut& cut, const std::function<void(Path*)>& visit);
  void ClearGraveyard();

  WorldConfig config_;
  Choices choices_;
  FaultEffects effects_;
  FaultLayers fault_layers_;
  Trace trace_;
  EventQueue events_;
  std::unique_ptr<SchedulingPolicy> policy_;
  ReadyQueue ready_;
  // Whom the last hint of each depth was for: compared, never looked at.
  std::array<const Actor*, Actor::kFetchDepth + 1> hinted_{};
  int next_hint_ = kNoHint;  // the depth of the first hint of this event that has not been given
  MonotonicTime now_;
  WireObserver* wire_ = nullptr;
  bool stopping_ = false;
  absl::Status invariant_;
  uint64_t turns_this_instant_ = 0;

  // Looked up by key; iterated only through `path_order_`.
  absl::flat_hash_map<uint64_t, Path*> paths_;
  std::vector<std::unique_ptr<Path>> path_order_;
  std::vector<std::optional<Cut>> cuts_;

  std::vector<std::unique_ptr<TcpConnection>> connections_;
  std::vector<std::unique_ptr<TcpConnection>> graveyard_;
  uint64_t last_connection_ = 0;
  std::vector<std::unique_ptr<Host>> hosts_;  // last: processes die before what they use
};

}  // namespace faultline::sim

#endif  // FAULTLINE_SIM_WORLD_H_
