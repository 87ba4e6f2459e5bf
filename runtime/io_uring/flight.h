// Flight: an operation of a socket in the kernel, and the socket's method that hears of its end.
//
//   Flight<UringStream, &UringStream::OnRead> reading_{this, core};
//   reading_.Start([&](io_uring_sqe* sqe) { io_uring_prep_recv(sqe, ...); });
#ifndef FAULTLINE_RUNTIME_IO_URING_FLIGHT_H_
#define FAULTLINE_RUNTIME_IO_URING_FLIGHT_H_

#include <cstdint>
#include <utility>

#include "runtime/io_uring/core.h"

namespace faultline::uring {

template <typename Owner, void (Owner::*kEnded)(int32_t)>
class Flight final : private Completion {
 public:
  Flight(Owner* owner, Core* core) : owner_(owner), core_(core) {}
  Flight(const Flight&) = delete;
  Flight& operator=(const Flight&) = delete;
  ~Flight() { Take(); }

  bool active() const { return token_ != 0; }

  template <typename Prepare>
  void Start(Prepare prepare) {
    token_ = core_->ring->Start(this, prepare);
  }
  // The end is heard all the same.
  void RequestCancel() { core_->ring->RequestCancel(token_); }
  // Ends it now; nothing is heard any more. Returns its result, -ECANCELED if there was none.
  int32_t Take() {
    if (!active()) return -ECANCELED;
    return core_->ring->CancelAndTake(std::exchange(token_, 0));
  }

 private:
  void OnComplete(int32_t result, uint32_t) override {
    token_ = 0;
    (owner_->*kEnded)(result);
  }

  Owner* const owner_;
  Core* const core_;
  Ring::Token token_ = 0;
};

}  // namespace faultline::uring

#endif  // FAULTLINE_RUNTIME_IO_URING_FLIGHT_H_
