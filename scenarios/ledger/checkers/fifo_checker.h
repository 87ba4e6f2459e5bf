// FifoChecker: a connection delivers what was queued for it: in order, each frame once, none left
// out. What was queued last may be lost with a connection that breaks; one that ends in good order
// has delivered everything.
//
// Invariant fifo. Frames are known by their checksums; two equal frames in a row are told apart by
// their number alone.
#ifndef FAULTLINE_SCENARIOS_LEDGER_CHECKERS_FIFO_CHECKER_H_
#define FAULTLINE_SCENARIOS_LEDGER_CHECKERS_FIFO_CHECKER_H_

#include <cstdint>
#include <deque>
#include <map>
#include <utility>

#include "scenarios/ledger/checkers/findings.h"
#include "scenarios/ledger/observer.h"
#include "scenarios/ledger/types.h"

namespace faultline::ledger {

class FifoChecker final : public ConnectionObserver {
 public:
  explicit FifoChecker(Findings* findings) : findings_(findings) {}

  void OnConnected(const Party& self, const Party& peer, const ConnectionId& id) override;
  void OnLost(const Party& self, const Party& peer, const ConnectionId& id,
              const absl::Status& status) override;
  void OnFrameQueued(const Party& self, const ConnectionId& id, const Digest& frame) override;
  void OnFrameReceived(const Party& self, const ConnectionId& id, const Digest& frame) override;

  uint64_t received() const { return received_; }

 private:
  struct Direction {
    std::deque<Digest> in_flight;
    uint64_t delivered = 0;
    bool receiver_gone = false;
  };
  using Key = std::pair<ConnectionId, Party>;

  Findings* const findings_;
  std::map<Key, Direction> by_sender_;
  std::map<Key, Party> peers_;  // of whoever has this connection
  uint64_t received_ = 0;
};

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_CHECKERS_FIFO_CHECKER_H_
