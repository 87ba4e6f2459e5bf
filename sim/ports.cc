#include "sim/ports.h"

namespace faultline::sim {

bool PortTable::TakePort(const Endpoint& local, const Endpoint& remote, MonotonicTime now) {
  auto [entry, inserted] = connections_.try_emplace({local, remote}, kInfiniteFuture);
  if (inserted) return true;
  if (entry->second > now) return false;
  entry->second = kInfiniteFuture;
  return true;
}

std::optional<Endpoint> PortTable::TakeEphemeral(const Endpoint& local, const Endpoint& remote,
                                                 const HostLimits& limits, MonotonicTime now,
                                                 Chooser* chooser) {
  uint32_t count = PortCount(limits);
  if (count == 0) return std::nullopt;
  uint64_t start = chooser->Below(Choice::kEphemeralPort, count);
  for (uint32_t i = 0; i < count; ++i) {
    Endpoint candidate = local.WithPort(PortAt(limits, start + i));
    if (TakePort(candidate, remote, now)) return candidate;
  }
  return std::nullopt;
}

void PortTable::Release(const Endpoint& local, const Endpoint& remote, MonotonicTime until,
                        MonotonicTime now) {
  auto found = connections_.find({local, remote});
  if (found == connections_.end()) return;
  if (until <= now) {
    connections_.erase(found);
  } else {
    found->second = until;
  }
}

bool PortTable::Lingers(const Endpoint& local, MonotonicTime now) const {
  for (const auto& [address, until] : lingering_) {
    if (until <= now || address.port() != local.port()) continue;
    if (local == address || local.is_any()) return true;
  }
  return false;
}

void PortTable::Clear() {
  listeners_.Clear();
  datagrams_.Clear();
  connections_.clear();
  lingering_.clear();
}

}  // namespace faultline::sim
