// SimListener: a listening socket of a simulated process, with its SYN queue and its accept queue.
#ifndef FAULTLINE_SIM_LISTENER_H_
#define FAULTLINE_SIM_LISTENER_H_

#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

#include "runtime/event.h"
#include "runtime/network.h"
#include "sim/config.h"

namespace faultline::sim {

class Process;
class TcpConnection;

class SimListener final : public Listener {
 public:
  // Takes over one descriptor of `process` and the port at `local`.
  SimListener(Process* process, const Endpoint& local, const ListenOptions& options);
  ~SimListener() override;

  Task<absl::StatusOr<std::unique_ptr<Stream>>> Accept() override;
  absl::Status Close() override;
  Endpoint local_address() const override { return local_; }

  const StreamOptions& stream_options() const { return options_.stream; }

  // --- For the handshake ---
  // As Linux has it, the SYN queue and the accept queue are bounded by the backlog, each for
  // itself: a SYN is dropped when either is full, the last ACK of a handshake when the accept queue
  // is.
  bool HasRoomForSyn(const HostLimits& limits) const;
  bool HasRoomForAck(const HostLimits& limits) const;
  // A SYN has come, for which there is room.
  void Admit(TcpConnection* connection) { half_open_.push_back(connection); }
  // The handshake is complete.
  void Enqueue(TcpConnection* connection);
  // It will not be.
  void Forget(TcpConnection* connection);

 private:
  void DieSilently();
  std::unique_ptr<Stream> TakeFirst();

  Process* const process_;
  const Endpoint local_;
  const ListenOptions options_;
  bool closed_ = false;
  struct AcceptGuard;
  AcceptGuard* accepting_ = nullptr;
  std::vector<TcpConnection*> half_open_;
  std::deque<TcpConnection*> queue_;
  Event readable_;
};

}  // namespace faultline::sim

#endif  // FAULTLINE_SIM_LISTENER_H_
