// UDP between simulated hosts: loss, duplication, reordering, corruption, MTU, a bounded receive
// buffer, and routers that tell of congestion, or forget to. Segments of one send travel apart.
#ifndef FAULTLINE_SIM_DATAGRAM_H_
#define FAULTLINE_SIM_DATAGRAM_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/datagram.h"
#include "runtime/network.h"
#include "sim/choices.h"
#include "sim/event_queue.h"
#include "sim/ring.h"

namespace faultline::sim {

class Host;
class Path;
class Process;
enum class Plane : uint8_t;

// Why a datagram did not arrive: the detail of a `kDatagramDrop` record.
enum class DatagramDrop : uint8_t {
  kLost = 1,
  kPartition,
  kTooLong,
  kQueueFull,  // of a limited link
  kHostDown,
  kNoSocket,
  kBufferFull,  // the receiver's
};

class SimDatagramSocket final : public DatagramSocket {
 public:
  // Takes over one descriptor of `process`. `local` is free.
  SimDatagramSocket(Process* process, const Endpoint& local, const BindOptions& options);
  ~SimDatagramSocket() override;

  absl::Status Close() override;
  Endpoint local_address() const override { return local_; }

 private:
  class InFlight;

  bool StartSend(SendOp* op) override;
  bool StartReceive(ReceiveOp* op) override;
  void CancelSend(SendOp*) override {}  // sends never wait
  void CancelReceive(ReceiveOp* op) override;
  void AbandonSend(SendOp*) override {}
  void AbandonReceive(ReceiveOp*) override { receiving_ = nullptr; }

  // One datagram of a send.
  struct Outgoing {
    const Endpoint& target;
    std::span<const std::byte> bytes;
    Ecn ecn;
  };

  absl::Status CheckSend(const SendOp& op) const;
  void SendOnPath(const Outgoing& datagram, Host* to, Path* path);
  // What is left of `ecn` at the end of the path.
  Ecn CarriedEcn(Ecn ecn, const Path& path);
  // `number`: its place among the datagrams of the path; 0 for the copy of a duplicated one.
  void Launch(const Outgoing& datagram, Host* to, Path* path, MonotonicTime arrival,
              uint64_t number);
  void ShowLost(const Outgoing& datagram, Path* path, DatagramDrop why) const;
  Endpoint SourceFor(Plane plane, const Endpoint& to) const;
  // Takes over `datagram`, which has arrived.
  void OnDatagram(InFlight* datagram);
  size_t ReceiveBuffer() const;
  void NoteFull(size_t charge) const;
  void DieSilently();
  // Hands `datagram` over, and forgets it.
  static void Complete(ReceiveOp* op, InFlight* datagram);
  // The first of what was received, which is not empty.
  InFlight* TakeReceived();
  // For those who take several: what came after `op`'s first datagram and belongs to it.
  void AddFollowers(ReceiveOp* op, size_t size, Ecn ecn, const Endpoint& from);

  Process* const process_;
  const Endpoint local_;
  const size_t own_receive_buffer_;  // 0: the host's
  const bool receive_several_;
  Chooser chooser_;
  bool closed_ = false;
  ReceiveOp* receiving_ = nullptr;
  size_t buffered_ = 0;
  Ring<InFlight*> received_;
};

}  // namespace faultline::sim

#endif  // FAULTLINE_SIM_DATAGRAM_H_
