#include "sim/fault_install.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "runtime/check.h"
#include "sim/host.h"

namespace faultline::sim {
namespace {

constexpr uint32_t kMillion = 1'000'000;

Ratio PerMillion(uint64_t amount) {
  return {static_cast<uint32_t>(std::min<uint64_t>(amount, kMillion)), kMillion};
}

MonotonicTime TimeOf(Duration at) { return MonotonicTime(at); }

std::vector<uint32_t> AllBut(World* world, uint32_t host) {
  std::vector<uint32_t> others;
  for (uint32_t id = 0; id < world->host_count(); ++id) {
    if (id != host) others.push_back(id);
  }
  return others;
}

// --- Partitions ---

Cut CutOf(World* world, const PlannedFault& fault) {
  Cut cut;
  cut.from = fault.a == kEveryHost ? AllBut(world, fault.b) : std::vector<uint32_t>{fault.a};
  cut.to = fault.b == kEveryHost ? AllBut(world, fault.a) : std::vector<uint32_t>{fault.b};
  for (bool& plane : cut.planes) plane = false;
  cut.planes[static_cast<size_t>(fault.plane)] = true;
  cut.how = fault.family == Fault::kHold ? Passage::kHold : Passage::kDrop;
  cut.symmetric = fault.family != Fault::kOneWayPartition;
  return cut;
}

void InstallPartition(World* world, const PlannedFault& fault) {
  world->At(TimeOf(fault.at), [world, fault] {
    uint32_t id = world->Partition(CutOf(world, fault));
    world->After(fault.lasts, [world, id] { world->Heal(id); });
  });
}

// --- Links ---

// Applies `edit` to each direction of the links that the fault is aimed at.
void EditAimedLinks(World* world, const PlannedFault& fault,
                    const std::function<void(LinkConfig*)>& edit) {
  std::vector<uint32_t> others =
      fault.b == kEveryHost ? AllBut(world, fault.a) : std::vector<uint32_t>{fault.b};
  for (uint32_t other : others) {
    world->EditLink(fault.a, other, fault.plane, edit);
    world->EditLink(other, fault.a, fault.plane, edit);
  }
}

void SetLinkFault(const PlannedFault& fault, const LinkConfig& healthy, bool on, LinkConfig* link) {
  Ratio ratio = PerMillion(fault.amount);
  switch (fault.family) {
    case Fault::kLoss:
      link->loss = on ? ratio : healthy.loss;
      return;
    case Fault::kDuplication:
      link->duplicate = on ? ratio : healthy.duplicate;
      return;
    case Fault::kReordering:
      link->reorder = on ? ratio : healthy.reorder;
      return;
    case Fault::kCorruption:
      link->corrupt = on ? ratio : healthy.corrupt;
      return;
    case Fault::kBandwidth:
      link->bytes_per_second = on ? fault.amount : healthy.bytes_per_second;
      return;
    case Fault::kMtu:
      link->mtu = on ? fault.amount : healthy.mtu;
      return;
    default:
      FAULTLINE_CHECK(false) << "not a fault of a link: " << FaultName(fault.family);
  }
}

void InstallLinkFault(World* world, const PlannedFault& fault) {
  world->At(TimeOf(fault.at), [world, fault] {
    LinkConfig healthy = world->link(fault.plane);
    EditAimedLinks(world, fault,
                   [&](LinkConfig* link) { SetLinkFault(fault, healthy, true, link); });
    world->After(fault.lasts, [world, fault, healthy] {
      EditAimedLinks(world, fault,
                     [&](LinkConfig* link) { SetLinkFault(fault, healthy, false, link); });
    });
  });
}

void SetClogs(World* world, const PlannedFault& fault, Duration extra) {
  std::vector<uint32_t> others =
      fault.b == kEveryHost ? AllBut(world, fault.a) : std::vector<uint32_t>{fault.b};
  for (uint32_t other : others) {
    world->Clog(fault.a, other, fault.plane, extra);
    world->Clog(other, fault.a, fault.plane, extra);
  }
}

void InstallClog(World* world, const PlannedFault& fault) {
  world->At(TimeOf(fault.at), [world, fault] {
    SetClogs(world, fault, Duration(static_cast<int64_t>(fault.amount)));
    world->After(fault.lasts, [world, fault] { SetClogs(world, fault, Duration::zero()); });
  });
}

void InstallReset(World* world, const PlannedFault& fault) {
  world->At(TimeOf(fault.at), [world, fault] {
    std::vector<uint32_t> others =
        fault.b == kEveryHost ? AllBut(world, fault.a) : std::vector<uint32_t>{fault.b};
    for (uint32_t other : others) world->ResetConnections(fault.a, other, fault.plane);
  });
}

// --- Hosts ---

void InstallCrash(World* world, const PlannedFault& fault) {
  world->At(TimeOf(fault.at), [world, fault] {
    Host* host = world->host(fault.a);
    if (!host->up()) return;  // down already: whoever took it down brings it back
    host->Crash();
    world->After(fault.lasts, [host] { host->Restart(); });
  });
}

void InstallPause(World* world, const PlannedFault& fault) {
  world->At(TimeOf(fault.at), [world, fault] {
    Host* host = world->host(fault.a);
    host->Pause();
    world->After(fault.lasts, [host] { host->Resume(); });
  });
}

// A slow process runs in short bursts: it stands still for `amount` nanoseconds, then runs one
// instant, and so on.
void Stutter(World* world, Host* host, Duration still, MonotonicTime until) {
  host->Pause(Fault::kSlow);
  world->After(still, [world, host, still, until] {
    host->Resume();
    if (world->now() + still >= until) return;
    world->After(still / 8, [world, host, still, until] { Stutter(world, host, still, until); });
  });
}

void InstallSlow(World* world, const PlannedFault& fault) {
  world->At(TimeOf(fault.at), [world, fault] {
    Duration still(static_cast<int64_t>(std::max<uint64_t>(fault.amount, 1'000)));
    Stutter(world, world->host(fault.a), std::min(still, fault.lasts),
            TimeOf(fault.at + fault.lasts));
  });
}

void InstallClockSkew(World* world, const PlannedFault& fault) {
  world->At(TimeOf(fault.at), [world, fault] {
    Host* host = world->host(fault.a);
    ClockConfig healthy = host->config().clock;
    ClockConfig skewed = healthy;
    // Even amounts run fast, odd ones slow; the wall clock jumps by a thousand times as many
    // nanoseconds.
    int64_t amount = static_cast<int64_t>(fault.amount);
    skewed.drift_ppb += amount % 2 == 0 ? amount : -amount / 2;
    skewed.wall_offset += Duration(amount * 1000);
    host->SetClock(skewed);
    world->effects()->Bite(Fault::kClockSkew);
    world->After(fault.lasts, [host, healthy] { host->SetClock(healthy); });
  });
}

void SetSocketFault(const PlannedFault& fault, bool on, SocketFaults* sockets) {
  Ratio ratio = on ? PerMillion(fault.amount) : Ratio{};
  (fault.family == Fault::kPartialWrite ? sockets->partial_write : sockets->partial_read) = ratio;
}

void InstallSocketFault(World* world, const PlannedFault& fault) {
  auto set = [world, fault](bool on) {
    Host* host = world->host(fault.a);
    SocketFaults sockets = host->config().sockets;
    SetSocketFault(fault, on, &sockets);
    host->SetSocketFaults(sockets);
  };
  world->At(TimeOf(fault.at), [world, fault, set] {
    set(true);
    world->After(fault.lasts, [set] { set(false); });
  });
}

void TightenLimit(const PlannedFault& fault, Host* host, HostLimits* limits) {
  uint32_t amount = static_cast<uint32_t>(fault.amount);
  switch (fault.family) {
    case Fault::kDescriptors:
      // Fewer than are open now: some must close before another opens.
      limits->descriptors =
          std::max(host->up() ? host->process()->descriptors() : 0, 4 + amount) - amount;
      return;
    case Fault::kPorts:
      limits->last_ephemeral_port =
          static_cast<uint16_t>(limits->first_ephemeral_port + amount - 1);
      return;
    case Fault::kBacklog:
      limits->max_backlog = static_cast<int>(amount) - 1;
      return;
    case Fault::kSmallBuffers:
      limits->send_buffer_bytes = limits->receive_buffer_bytes = std::max(amount, 1u);
      return;
    default:
      FAULTLINE_CHECK(false) << "not a limit: " << FaultName(fault.family);
  }
}

void RelaxLimit(const PlannedFault& fault, const HostLimits& healthy, HostLimits* limits) {
  if (fault.family == Fault::kDescriptors) limits->descriptors = healthy.descriptors;
  if (fault.family == Fault::kPorts) limits->last_ephemeral_port = healthy.last_ephemeral_port;
  if (fault.family == Fault::kBacklog) limits->max_backlog = healthy.max_backlog;
  if (fault.family == Fault::kSmallBuffers) {
    limits->send_buffer_bytes = healthy.send_buffer_bytes;
    limits->receive_buffer_bytes = healthy.receive_buffer_bytes;
  }
}

void InstallLimit(World* world, const PlannedFault& fault) {
  HostLimits healthy = world->host(fault.a)->config().limits;
  world->At(TimeOf(fault.at), [world, fault, healthy] {
    Host* host = world->host(fault.a);
    HostLimits limits = host->config().limits;
    TightenLimit(fault, host, &limits);
    host->SetLimits(limits);
    world->After(fault.lasts, [host, fault, healthy] {
      HostLimits relaxed = host->config().limits;
      RelaxLimit(fault, healthy, &relaxed);
      host->SetLimits(relaxed);
    });
  });
}

}  // namespace

void InstallFault(World* world, const PlannedFault& fault) {
  world->effects()->Configure(fault.family);
  switch (fault.family) {
    case Fault::kPartition:
    case Fault::kOneWayPartition:
    case Fault::kHold:
      return InstallPartition(world, fault);
    case Fault::kClog:
      return InstallClog(world, fault);
    case Fault::kLoss:
    case Fault::kDuplication:
    case Fault::kReordering:
    case Fault::kCorruption:
    case Fault::kBandwidth:
    case Fault::kMtu:
      return InstallLinkFault(world, fault);
    case Fault::kReset:
      return InstallReset(world, fault);
    case Fault::kCrash:
      return InstallCrash(world, fault);
    case Fault::kPause:
      return InstallPause(world, fault);
    case Fault::kSlow:
      return InstallSlow(world, fault);
    case Fault::kClockSkew:
      return InstallClockSkew(world, fault);
    case Fault::kPartialWrite:
    case Fault::kPartialRead:
      return InstallSocketFault(world, fault);
    case Fault::kDescriptors:
    case Fault::kPorts:
    case Fault::kBacklog:
    case Fault::kSmallBuffers:
      return InstallLimit(world, fault);
    case Fault::kCount:
      FAULTLINE_CHECK(false) << "not a family";
  }
}

}  // namespace faultline::sim
