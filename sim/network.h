// SimNetwork: the network as one simulated process sees it.
#ifndef FAULTLINE_SIM_NETWORK_H_
#define FAULTLINE_SIM_NETWORK_H_

#include "runtime/network.h"
#include "sim/ports.h"
#include "sim/world.h"

namespace faultline::sim {

class Process;

class SimNetwork final : public Network {
 public:
  explicit SimNetwork(Process* process) : process_(process) {}

  Task<absl::StatusOr<std::unique_ptr<Stream>>> Connect(Endpoint peer,
                                                        ConnectOptions options) override;
  absl::StatusOr<std::unique_ptr<Listener>> Listen(const Endpoint& local,
                                                   const ListenOptions& options) override;
  absl::StatusOr<std::unique_ptr<DatagramSocket>> Bind(const Endpoint& local,
                                                       const BindOptions& options) override;
  absl::StatusOr<std::unique_ptr<Stream>> Adopt(std::unique_ptr<DetachedStream> detached) override;

 private:
  absl::StatusOr<Endpoint> TakeLocalPort(const Endpoint& peer, const ConnectOptions& options,
                                         Plane plane);
  template <typename Socket>
  absl::StatusOr<Endpoint> TakeLocal(const BoundSockets<Socket>& sockets, const Endpoint& local,
                                     bool v6_only, const char* what);
  absl::Status CheckLocal(const Endpoint& local, const char* what) const;

  Process* const process_;
};

}  // namespace faultline::sim

#endif  // FAULTLINE_SIM_NETWORK_H_
