// Host and Process: a machine with addresses, limits and clocks; and what runs on it for a while.
//
// A host has one address in each plane (IPv4 and IPv6) and at most one process. Booting gives a new
// incarnation. A crash is a power failure: the process's frames are destroyed without a byte sent,
// its peers are not told; while the host is down packets to it vanish, and once it is up again they
// are answered with RST. A pause stops the process but not its kernel: connections are
// acknowledged, buffers fill.
#ifndef FAULTLINE_SIM_HOST_H_
#define FAULTLINE_SIM_HOST_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/event.h"
#include "runtime/runtime.h"
#include "runtime/scope.h"
#include "sim/clock.h"
#include "sim/config.h"
#include "sim/network.h"
#include "sim/ports.h"
#include "sim/random.h"
#include "sim/room.h"
#include "sim/world.h"

namespace faultline::sim {

class SimStream;

// Makes the main task of a process. Called once an incarnation; its captures must outlive the
// world's run.
using ProcessMain = std::function<Task<void>(const Runtime&)>;

// One incarnation.
class Process : public internal::Pooled {
 public:
  Process(Host* host, uint32_t incarnation);
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  void Start(const ProcessMain& main);

  Host* host() const { return host_; }
  uint32_t incarnation() const { return incarnation_; }
  Executor* executor() { return &executor_; }
  SimClock* clock() { return &clock_; }
  const Runtime& runtime() const { return runtime_; }
  // Tasks that the process's main task owns or is.
  size_t live_tasks() const { return root_.live(); }
  // Being destroyed by a crash: its sockets fall silent instead of saying goodbye.
  bool crashing() const { return crashing_; }
  // Whether the host's `SocketFaults` are to be asked at all.
  bool faulty_sockets() const { return faulty_sockets_; }

  // Descriptors: false at the limit. `again`: the same call, which has failed before.
  bool TakeDescriptor(bool again = false);
  void ReturnDescriptor() {
    --descriptors_;
    descriptor_free_.Set();
  }
  // Set when one has been returned since the last failure, or the limit has changed.
  Event* descriptor_free() { return &descriptor_free_; }
  uint32_t descriptors() const { return descriptors_; }

  // For hints to the caches: the stream that has been read last, until the next write. Null if that
  // has happened already.
  SimStream** answering() { return &answering_; }

  // Executors beside its own: of further shards. They stop and go with it, and leave before it
  // ends.
  void AddExecutor(Executor* executor) { others_.push_back(executor); }
  void RemoveExecutor(Executor* executor) { std::erase(others_, executor); }
  // Whether one of its tasks runs now.
  bool running() const;

  // A hint for the processor's caches: a task of it runs soon.
  void FetchHot() const { FetchLines(this, 2 * kCacheLine); }

 private:
  friend class Host;

  // Its tasks run from `to` from now on; those that are ready in `from` too.
  void MoveTasks(ReadyQueue* from, ReadyQueue* to);

  // The first cache line is what each turn of a task touches.
  Host* const host_;
  const uint32_t incarnation_;
  uint32_t descriptors_ = 3;  // standard input, output and error
  Executor executor_;
  bool crashing_ = false;
  bool faulty_sockets_ = false;
  SimStream* answering_ = nullptr;
  // The second one is for those tasks that decide something.
  ChoiceRandom random_;
  ChoiceEntropy entropy_;
  Event descriptor_free_;
  SimClock clock_;
  ReadyQueue parked_;  // of a paused process
  std::vector<Executor*> others_;
  BufferPool buffers_;
  SimNetwork network_;
  Runtime runtime_;
  Scope root_;  // last: frames die before what they use
};

class Host : public internal::Pooled {
 public:
  Host(World* world, uint32_t id, const HostConfig& config);
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  ~Host();

  uint32_t id() const { return id_; }
  const std::string& name() const { return config_.name; }
  World* world() const { return world_; }

  // 10.0.h.l in the replica plane and 10.1.h.l in the client plane, where h.l is the host's number
  // plus one.
  Endpoint Address(Plane plane, uint16_t port) const;
  // fd00::h:l (replica) and fd00:1::h:l (client).
  Endpoint Ipv6Address(Plane plane, uint16_t port) const;

  // Starts a process. The host must not have one. `main` is kept for `Restart`.
  void Boot(ProcessMain main);
  // Boots again with the same main.
  void Restart();
  // Power failure. Does nothing if nothing runs. Never from inside the process itself: use
  // `World::At`.
  void Crash();
  // The same without a trace: the end of the world.
  void PowerOff();
  // SIGSTOP and SIGCONT. Nested pauses count. What the pause delays is accounted to `family`.
  void Pause(Fault family = Fault::kPause);
  void Resume();

  bool up() const { return process_ != nullptr; }
  bool paused() const { return pauses_ > 0; }
  uint32_t incarnation() const { return incarnation_; }
  // When the last crash was; the beginning of the world if there was none.
  MonotonicTime last_crash() const { return last_crash_; }
  Process* process() { return process_.get(); }

  // Changes the clocks from now on. A jump of the monotonic clock is impossible; its rate may
  // change.
  void SetClock(const ClockConfig& clock);
  void SetSocketFaults(const SocketFaults& faults);
  // Sockets whose buffers nobody has set follow. What is tighter than what the host was made with
  // is a fault: only that bites, however full a healthy host gets.
  void SetLimits(const HostLimits& limits);
  const HostLimits& healthy_limits() const { return healthy_; }
  bool has_small_buffers() const {
    return config_.limits.send_buffer_bytes < healthy_.send_buffer_bytes ||
           config_.limits.receive_buffer_bytes < healthy_.receive_buffer_bytes;
  }
  const HostConfig& config() const { return config_; }

  // Unix connects wait for room in a backlog without end. Whatever may have made some tells all of
  // them, in the order in which they came.
  void AwaitRoom(RoomWaiter* waiter) { room_waiters_.PushBack(waiter); }
  void NoteRoom() {
    while (RoomWaiter* waiter = room_waiters_.PopFront()) waiter->OnRoom();
  }

  HostClock* clock() { return &clock_; }
  PortTable* ports() { return &ports_; }
  Chooser* chooser() { return &chooser_; }
  // How many connections this host has opened to `peer` in `plane`: names the next one for its
  // draws.
  uint64_t NextConnectionOrdinal(uint32_t peer, Plane plane);
  // How many datagram sockets it has had at `port`, likewise.
  uint64_t NextDatagramOrdinal(uint16_t port);
  // The address from which an unbound socket talks to `to`, which lies in `plane`.
  Endpoint SourceFor(const Endpoint& to, Plane plane, uint16_t port) const;

 private:
  World* const world_;
  const uint32_t id_;
  uint32_t incarnation_ = 0;
  std::unique_ptr<Process> process_;
  HostClock clock_;
  HostConfig config_;
  const HostLimits healthy_;
  Chooser chooser_;
  PortTable ports_;
  ProcessMain main_;
  uint32_t pauses_ = 0;
  Fault paused_by_ = Fault::kPause;
  MonotonicTime paused_at_;
  MonotonicTime last_crash_;
  List<RoomWaiter> room_waiters_;
  absl::flat_hash_map<uint64_t, uint64_t> ordinals_;  // looked up, never iterated
};

}  // namespace faultline::sim

#endif  // FAULTLINE_SIM_HOST_H_
