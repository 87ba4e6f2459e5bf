#include "sim/fault_install.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "runtime/check.h"
#include "sim/fault_layers.h"
#include "sim/host.h"

namespace faultline::sim {
namespace {

constexpr uint32_t kMillion = 1'000'000;

Ratio PerMillion(uint64_t amount) {
  return {static_cast<uint32_t>(std::min<uint64_t>(amount, kMillion)), kMillion};
}

// What ends a fault.
using End = std::function<void()>;

// Does `begin` when the fault strikes, and what that gives when it ends. The trace tells of both.
void Strike(World* world, const PlannedFault& fault, std::function<End()> begin) {
  auto record = [world, fault](uint8_t what) {
    world->Record(TraceKind::kFault, fault.a, static_cast<uint64_t>(fault.family), fault.amount,
                  what);
  };
  world->At(MonotonicTime(fault.at), [world, fault, record, begin = std::move(begin)] {
    record(kFaultBegins);
    End end = begin();
    if (end == nullptr) return;
    world->After(fault.lasts, [record, end = std::move(end)] {
      record(kFaultEnds);
      end();
    });
  });
}

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

End BeginPartition(World* world, const PlannedFault& fault) {
  const uint32_t id = world->Partition(CutOf(world, fault));
  return [world, id] { world->Heal(id); };
}

// --- Links ---

// Two hosts of which one can talk to the other in the fault's plane.
struct Pair {
  uint32_t from;
  uint32_t to;
};

// Each direction of each link that the fault is aimed at, once.
std::vector<Pair> AimedPairs(World* world, const PlannedFault& fault) {
  std::vector<Pair> pairs;
  for (uint32_t a = 0; a < world->host_count(); ++a) {
    if (fault.a != kEveryHost && a != fault.a) continue;
    for (uint32_t b = 0; b < world->host_count(); ++b) {
      if (a == b || (fault.b != kEveryHost && b != fault.b)) continue;
      pairs.push_back({a, b});
      if (fault.a != kEveryHost || fault.b != kEveryHost) pairs.push_back({b, a});
    }
  }
  return pairs;
}

void CopyLinkSetting(Fault family, const LinkConfig& from, LinkConfig* to) {
  switch (family) {
    case Fault::kLoss:
      to->loss = from.loss;
      return;
    case Fault::kDuplication:
      to->duplicate = from.duplicate;
      return;
    case Fault::kReordering:
      to->reorder = from.reorder;
      return;
    case Fault::kCorruption:
      to->corrupt = from.corrupt;
      return;
    case Fault::kBandwidth:
      to->bytes_per_second = from.bytes_per_second;
      return;
    case Fault::kMtu:
      to->mtu = from.mtu;
      return;
    default:
      FAULTLINE_CHECK(false) << "not a fault of a link: " << FaultName(family);
  }
}

LinkConfig FaultyLink(const PlannedFault& fault) {
  LinkConfig link;
  link.loss = link.duplicate = link.reorder = link.corrupt = PerMillion(fault.amount);
  link.bytes_per_second = link.mtu = fault.amount;
  return link;
}

End BeginLinkFault(World* world, const PlannedFault& fault) {
  const uint64_t id = world->fault_layers()->NextFault();
  const std::vector<Pair> pairs = AimedPairs(world, fault);
  auto layer = [world, fault](Pair pair) {
    return world->fault_layers()->OfLink(fault.family, pair.from, pair.to, fault.plane);
  };
  for (Pair pair : pairs) {
    world->EditLink(pair.from, pair.to, fault.plane, [&](LinkConfig* link) {
      CopyLinkSetting(fault.family, layer(pair)->Begin(id, *link, FaultyLink(fault)), link);
    });
  }
  return [world, fault, id, pairs, layer] {
    for (Pair pair : pairs) {
      world->EditLink(pair.from, pair.to, fault.plane, [&](LinkConfig* link) {
        CopyLinkSetting(fault.family, layer(pair)->End(id), link);
      });
    }
  };
}

End BeginClog(World* world, const PlannedFault& fault) {
  const uint64_t id = world->fault_layers()->NextFault();
  const std::vector<Pair> pairs = AimedPairs(world, fault);
  const Duration extra(static_cast<int64_t>(fault.amount));
  auto layer = [world, fault](Pair pair) {
    return world->fault_layers()->OfClog(pair.from, pair.to, fault.plane);
  };
  for (Pair pair : pairs) {
    world->Clog(pair.from, pair.to, fault.plane, layer(pair)->Begin(id, Duration::zero(), extra));
  }
  return [world, fault, id, pairs, layer] {
    for (Pair pair : pairs) world->Clog(pair.from, pair.to, fault.plane, layer(pair)->End(id));
  };
}

// At an instant: nothing ends it.
End BeginReset(World* world, const PlannedFault& fault) {
  for (Pair pair : AimedPairs(world, fault)) {
    if (pair.from < pair.to) world->ResetConnections(pair.from, pair.to, fault.plane);
  }
  return nullptr;
}

// --- Hosts ---

// A host that is down already, or again, is somebody else's to bring back.
End BeginCrash(World*, Host* host, const PlannedFault&) {
  if (!host->up()) return nullptr;
  const uint32_t incarnation = host->incarnation();
  host->Crash();
  return [host, incarnation] {
    if (!host->up() && host->incarnation() == incarnation) host->Restart();
  };
}

End BeginPause(World*, Host* host, const PlannedFault&) {
  host->Pause();
  return [host] { host->Resume(); };
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

End BeginSlow(World* world, Host* host, const PlannedFault& fault) {
  const Duration still(static_cast<int64_t>(std::max<uint64_t>(fault.amount, 1'000)));
  Stutter(world, host, std::min(still, fault.lasts), world->now() + fault.lasts);
  return [] {};
}

// Even amounts run fast, odd ones slow; the wall clock jumps by a thousand times as many
// nanoseconds.
ClockConfig SkewedClock(const PlannedFault& fault, ClockConfig clock) {
  int64_t amount = static_cast<int64_t>(fault.amount);
  clock.drift_ppb += amount % 2 == 0 ? amount : -amount / 2;
  clock.wall_offset += Duration(amount * 1000);
  return clock;
}

End BeginClockSkew(World* world, Host* host, const PlannedFault& fault) {
  FaultLayers* layers = world->fault_layers();
  const uint64_t id = layers->NextFault();
  const ClockConfig clock = host->clock()->config();
  host->SetClock(layers->OfClock(host->id())->Begin(id, clock, SkewedClock(fault, clock)));
  return [host, layers, id] { host->SetClock(layers->OfClock(host->id())->End(id)); };
}

void CopySocketSetting(Fault family, const SocketFaults& from, SocketFaults* to) {
  if (family == Fault::kPartialWrite) to->partial_write = from.partial_write;
  if (family == Fault::kPartialRead) to->partial_read = from.partial_read;
}

void SetSocketSetting(Host* host, Fault family, const SocketFaults& from) {
  SocketFaults sockets = host->config().sockets;
  CopySocketSetting(family, from, &sockets);
  host->SetSocketFaults(sockets);
}

End BeginSocketFault(World* world, Host* host, const PlannedFault& fault) {
  FaultLayers* layers = world->fault_layers();
  const uint64_t id = layers->NextFault();
  SocketFaults faulty;
  faulty.partial_write = faulty.partial_read = PerMillion(fault.amount);
  auto layer = [layers, fault, host] { return layers->OfSockets(fault.family, host->id()); };
  SetSocketSetting(host, fault.family, layer()->Begin(id, host->config().sockets, faulty));
  return [host, fault, id, layer] { SetSocketSetting(host, fault.family, layer()->End(id)); };
}

HostLimits TightLimits(const PlannedFault& fault, Host* host) {
  HostLimits limits = host->config().limits;
  uint32_t amount = static_cast<uint32_t>(fault.amount);
  // Fewer than are open now: some must close before another opens.
  limits.descriptors =
      std::max(host->up() ? host->process()->descriptors() : 0, 4 + amount) - amount;
  limits.last_ephemeral_port = static_cast<uint16_t>(limits.first_ephemeral_port + amount - 1);
  limits.max_backlog = static_cast<int>(amount) - 1;
  limits.send_buffer_bytes = limits.receive_buffer_bytes = std::max(amount, 1u);
  return limits;
}

void CopyLimit(Fault family, const HostLimits& from, HostLimits* to) {
  switch (family) {
    case Fault::kDescriptors:
      to->descriptors = from.descriptors;
      return;
    case Fault::kPorts:
      to->last_ephemeral_port = from.last_ephemeral_port;
      return;
    case Fault::kBacklog:
      to->max_backlog = from.max_backlog;
      return;
    case Fault::kSmallBuffers:
      to->send_buffer_bytes = from.send_buffer_bytes;
      to->receive_buffer_bytes = from.receive_buffer_bytes;
      return;
    default:
      FAULTLINE_CHECK(false) << "not a limit: " << FaultName(family);
  }
}

void SetLimit(Host* host, Fault family, const HostLimits& from) {
  HostLimits limits = host->config().limits;
  CopyLimit(family, from, &limits);
  host->SetLimits(limits);
}

End BeginLimit(World* world, Host* host, const PlannedFault& fault) {
  FaultLayers* layers = world->fault_layers();
  const uint64_t id = layers->NextFault();
  auto layer = [layers, fault, host] { return layers->OfLimits(fault.family, host->id()); };
  SetLimit(host, fault.family, layer()->Begin(id, host->config().limits, TightLimits(fault, host)));
  return [host, fault, id, layer] { SetLimit(host, fault.family, layer()->End(id)); };
}

// --- Which is which ---

using BeginOnHost = End (*)(World*, Host*, const PlannedFault&);

// Null for a family that strikes links.
BeginOnHost HostFault(Fault family) {
  switch (family) {
    case Fault::kCrash:
      return BeginCrash;
    case Fault::kPause:
      return BeginPause;
    case Fault::kSlow:
      return BeginSlow;
    case Fault::kClockSkew:
      return BeginClockSkew;
    case Fault::kPartialWrite:
    case Fault::kPartialRead:
      return BeginSocketFault;
    case Fault::kDescriptors:
    case Fault::kPorts:
    case Fault::kBacklog:
    case Fault::kSmallBuffers:
      return BeginLimit;
    default:
      return nullptr;
  }
}

using BeginOnLinks = End (*)(World*, const PlannedFault&);

BeginOnLinks LinkFault(Fault family) {
  switch (family) {
    case Fault::kPartition:
    case Fault::kOneWayPartition:
    case Fault::kHold:
      return BeginPartition;
    case Fault::kClog:
      return BeginClog;
    case Fault::kReset:
      return BeginReset;
    default:
      return BeginLinkFault;
  }
}

}  // namespace

void InstallFault(World* world, const PlannedFault& fault) {
  FAULTLINE_CHECK(fault.family != Fault::kCount) << "not a family";
  FAULTLINE_CHECK(fault.a == kEveryHost || fault.a < world->host_count()) << "no host " << fault.a;
  FAULTLINE_CHECK(fault.b == kEveryHost || fault.b < world->host_count()) << "no host " << fault.b;
  world->effects()->Configure(fault.family);
  const BeginOnHost on_host = HostFault(fault.family);
  if (on_host == nullptr) {
    return Strike(world, fault,
                  [world, fault, begin = LinkFault(fault.family)] { return begin(world, fault); });
  }
  for (uint32_t id = 0; id < world->host_count(); ++id) {
    if (fault.a != kEveryHost && fault.a != id) continue;
    PlannedFault one = fault;
    one.a = id;
    Strike(world, one, [world, one, on_host] { return on_host(world, world->host(one.a), one); });
  }
}

}  // namespace faultline::sim
