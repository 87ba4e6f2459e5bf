// Registry: the connections of one plane, by peer. At most one connection a peer is registered; a
// newer one takes the place of the older, which is asked to end but may take its time about it.
//
// Invariants
//  1. Each pipe between `Add` and `Release` is in `live`, registered or not.
//  2. Only the pipe that is registered for its peer can remove that registration: the end of an
//     older connection leaves the newer one alone. Connection ids are the tokens.
#ifndef FAULTLINE_SCENARIOS_LEDGER_REGISTRY_H_
#define FAULTLINE_SCENARIOS_LEDGER_REGISTRY_H_

#include <cstdint>
#include <map>
#include <vector>

#include "scenarios/ledger/bugs.h"
#include "scenarios/ledger/observer.h"
#include "scenarios/ledger/pipe.h"

namespace faultline::ledger {

class Registry {
 public:
  // `observer` and `bugs` may be null.
  explicit Registry(ConnectionObserver* observer, const LedgerBugs* bugs = nullptr)
      : observer_(observer), bugs_(bugs) {}
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // Registers `pipe`, which stays valid until it is released. Returns the one whose place it takes,
  // which has been asked to end; null if there was none.
  Pipe* Add(Pipe* pipe);
  // `pipe` has ended: reports its loss. Whether it was the registered one.
  bool Release(Pipe* pipe);

  // The registered one; null if there is none.
  Pipe* Find(const Party& peer) const;
  Pipe* FindSlot(uint32_t slot) const { return slot < slots_.size() ? slots_[slot] : nullptr; }

  // Registered or not, in the order in which they came.
  const std::map<uint64_t, Pipe*>& live() const { return live_; }

 private:
  uint32_t TakeSlot(Pipe* pipe);

  ConnectionObserver* const observer_;
  const LedgerBugs* const bugs_;
  std::map<Party, Pipe*> by_peer_;
  std::map<uint64_t, Pipe*> live_;
  std::vector<Pipe*> slots_;  // null: free
  uint64_t last_serial_ = 0;
};

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_REGISTRY_H_
