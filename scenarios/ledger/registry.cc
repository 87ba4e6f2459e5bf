#include "scenarios/ledger/registry.h"

#include <algorithm>
#include <utility>

namespace faultline::ledger {

Pipe* Registry::Add(Pipe* pipe) {
  pipe->serial = ++last_serial_;
  live_[pipe->serial] = pipe;
  pipe->slot = TakeSlot(pipe);
  Pipe* older = std::exchange(by_peer_[pipe->peer()], pipe);
  if (observer_ != nullptr) observer_->OnConnected(pipe->self(), pipe->peer(), pipe->id());
  if (older != nullptr) older->Fail(absl::AbortedError("a newer connection took its place"));
  return older;
}

bool Registry::Release(Pipe* pipe) {
  live_.erase(pipe->serial);
  slots_[pipe->slot] = nullptr;
  auto entry = by_peer_.find(pipe->peer());
  const bool any = entry != by_peer_.end();
  const bool removes = any && (entry->second->id() == pipe->id() ||
                               Planted(bugs_, &LedgerBugs::stale_close_evicts_newer));
  if (observer_ != nullptr) {
    if (removes) {
      observer_->OnUnregistered(pipe->self(), pipe->peer(), entry->second->id(), pipe->id());
    }
    observer_->OnLost(pipe->self(), pipe->peer(), pipe->id(), pipe->status());
    if (pipe->failed() && Planted(bugs_, &LedgerBugs::loss_noticed_twice)) {
      observer_->OnLost(pipe->self(), pipe->peer(), pipe->id(), pipe->status());
    }
  }
  if (removes) by_peer_.erase(entry);
  return removes;
}

Pipe* Registry::Find(const Party& peer) const {
  auto entry = by_peer_.find(peer);
  return entry == by_peer_.end() ? nullptr : entry->second;
}

// The lowest free one.
uint32_t Registry::TakeSlot(Pipe* pipe) {
  auto free = std::find(slots_.begin(), slots_.end(), nullptr);
  if (free == slots_.end()) free = slots_.insert(slots_.end(), nullptr);
  *free = pipe;
  return static_cast<uint32_t>(free - slots_.begin());
}

}  // namespace faultline::ledger
