#include "sim/host.h"

#include <algorithm>
#include <utility>

#include "runtime/check.h"

namespace faultline::sim {
namespace {

enum : uint64_t { kHostTag = 1, kRandomTag = 2, kEntropyTag = 3 };

Task<void> RunMain(Process* process, Task<void> main) {
  co_await std::move(main);
  World* world = process->host()->world();
  world->Record(TraceKind::kExit, process->host()->id(), process->incarnation());
}

}  // namespace

Process::Process(Host* host, uint32_t incarnation)
    : host_(host),
      incarnation_(incarnation),
      executor_(host->paused() ? &parked_ : host->world()->ready(), host->id()),
      random_(host->world()->choices(), ChooserId({kRandomTag, host->id(), incarnation})),
      entropy_(host->world()->choices(), ChooserId({kEntropyTag, host->id(), incarnation})),
      clock_(host->world(), host->clock(), host->id(), &executor_),
      network_(this),
      runtime_{&executor_, &clock_, &network_, &entropy_, &random_, &buffers_},
      root_(&executor_) {
  faulty_sockets_ = host->config().sockets.any();
  if (host->paused()) clock_.Pause();
}

Process::~Process() { crashing_ = true; }

bool Process::running() const {
  auto runs = [](const Executor* executor) { return executor->current() != nullptr; };
  return runs(&executor_) || std::any_of(others_.begin(), others_.end(), runs);
}

void Process::MoveTasks(ReadyQueue* from, ReadyQueue* to) {
  executor_.SetQueue(to);
  from->MoveTo(to, &executor_);
  for (Executor* other : others_) {
    other->SetQueue(to);
    from->MoveTo(to, other);
  }
}

void Process::Start(const ProcessMain& main) { root_.Spawn(RunMain(this, main(runtime_))); }

bool Process::TakeDescriptor(bool again) {
  if (descriptors_ >= host_->config().limits.descriptors) {
    const bool healthy = descriptors_ < host_->healthy_limits().descriptors;
    if (healthy && !again) host_->world()->effects()->Bite(Fault::kDescriptors);
    descriptor_free_.Reset();
    return false;
  }
  ++descriptors_;
  return true;
}

Host::Host(World* world, uint32_t id, const HostConfig& config)
    : world_(world),
      id_(id),
      clock_(world, config.clock),
      config_(config),
      healthy_(config.limits),
      chooser_(world->choices(), ChooserId({kHostTag, id})) {
  SetSocketFaults(config.sockets);
}

Host::~Host() { process_.reset(); }  // before what it uses

Endpoint Host::Address(Plane plane, uint16_t port) const {
  if (plane == Plane::kLoopback) return Endpoint::Ipv4Loopback(port);
  uint32_t number = id_ + 1;
  return Endpoint::Ipv4({10, static_cast<uint8_t>(plane), static_cast<uint8_t>(number >> 8),
                         static_cast<uint8_t>(number)},
                        port);
}

Endpoint Host::Ipv6Address(Plane plane, uint16_t port) const {
  if (plane == Plane::kLoopback) return Endpoint::Ipv6Loopback(port);
  uint32_t number = id_ + 1;
  Endpoint::Ipv6Address address{};
  address[0] = 0xfd;
  address[3] = static_cast<uint8_t>(plane);
  address[14] = static_cast<uint8_t>(number >> 8);
  address[15] = static_cast<uint8_t>(number);
  return Endpoint::Ipv6(address, port);
}

void Host::Boot(ProcessMain main) {
  FAULTLINE_CHECK(process_ == nullptr) << "host " << name() << " runs already";
  main_ = std::move(main);
  process_ = std::make_unique<Process>(this, ++incarnation_);
  world_->Record(TraceKind::kBoot, id_, incarnation_);
  process_->Start(main_);
}

void Host::Restart() {
  FAULTLINE_CHECK(main_ != nullptr) << "host " << name() << " never ran";
  Boot(std::move(main_));
}

void Host::Crash() {
  if (process_ == nullptr) return;
  FAULTLINE_CHECK(!process_->running())
      << "a process does not crash itself from inside a task: use World::After";
  world_->Record(TraceKind::kCrash, id_, incarnation_);
  world_->effects()->Configure(Fault::kCrash);
  world_->effects()->Bite(Fault::kCrash);
  PowerOff();
}

void Host::PowerOff() {
  if (process_ == nullptr) return;
  last_crash_ = world_->now();
  process_->crashing_ = true;
  process_.reset();
  ports_.Clear();
}

void Host::Pause(Fault family) {
  world_->effects()->Configure(family);
  if (pauses_++ > 0) return;
  paused_by_ = family;
  paused_at_ = world_->now();
  world_->Record(TraceKind::kPause, id_);
  if (process_ == nullptr) return;
  process_->MoveTasks(world_->ready(), &process_->parked_);
  process_->clock_.Pause();
}

void Host::Resume() {
  FAULTLINE_CHECK(pauses_ > 0) << "host " << name() << " is not paused";
  if (--pauses_ > 0) return;
  world_->Record(TraceKind::kResume, id_);
  if (process_ == nullptr) return;
  bool delayed = !process_->parked_.empty() || process_->clock_.late();
  if (delayed && world_->now() > paused_at_) world_->effects()->Bite(paused_by_);
  process_->MoveTasks(&process_->parked_, world_->ready());
  process_->clock_.Resume();
}

void Host::SetSocketFaults(const SocketFaults& faults) {
  FaultEffects* effects = world_->effects();
  if (faults.partial_write.numerator > 0) effects->Configure(Fault::kPartialWrite);
  if (faults.partial_read.numerator > 0) effects->Configure(Fault::kPartialRead);
  config_.sockets = faults;
  if (process_ != nullptr) process_->faulty_sockets_ = faults.any();
}

void Host::SetLimits(const HostLimits& limits) {
  FaultEffects* effects = world_->effects();
  config_.limits = limits;
  if (limits.descriptors < healthy_.descriptors) effects->Configure(Fault::kDescriptors);
  if (limits.last_ephemeral_port < healthy_.last_ephemeral_port) {
    effects->Configure(Fault::kPorts);
  }
  if (limits.max_backlog < healthy_.max_backlog) effects->Configure(Fault::kBacklog);
  if (has_small_buffers()) effects->Configure(Fault::kSmallBuffers);
  world_->FollowLimits(this);
  if (process_ != nullptr) process_->descriptor_free()->Set();
  NoteRoom();
}

void Host::SetClock(const ClockConfig& clock) {
  world_->Record(TraceKind::kClockChange, id_, static_cast<uint64_t>(clock.wall_offset.count()),
                 static_cast<uint64_t>(clock.drift_ppb));
  clock_.Change(clock);
  if (process_ != nullptr) process_->clock_.Reschedule();
}

uint64_t Host::NextConnectionOrdinal(uint32_t peer, Plane plane) {
  return ordinals_[uint64_t{peer} << 8 | static_cast<uint64_t>(plane)]++;
}

uint64_t Host::NextDatagramOrdinal(uint16_t port) { return ordinals_[uint64_t{1} << 63 | port]++; }

// As Linux: an own address is talked to from itself, everything else from the address in its plane.
Endpoint Host::SourceFor(const Endpoint& to, Plane plane, uint16_t port) const {
  bool v4 = to.family() == Endpoint::Family::kIpv4;
  bool own = plane == Plane::kLoopback && !to.is_any() && (!v4 || to.address()[0] != 127);
  if (own) return to.WithPort(port);
  return v4 ? Address(plane, port) : Ipv6Address(plane, port);
}

}  // namespace faultline::sim
