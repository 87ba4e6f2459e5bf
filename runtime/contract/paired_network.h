// PairedNetwork: a network for streams that come in pairs, so that the contract of connected
// streams can be tested of them: a connect makes a pair and hands its far end to the listener.
//
//   PairedNetwork network([] { return MakeStreamPair(); });
//
// One listener at a time, wherever it listens; no datagrams.
#ifndef FAULTLINE_RUNTIME_CONTRACT_PAIRED_NETWORK_H_
#define FAULTLINE_RUNTIME_CONTRACT_PAIRED_NETWORK_H_

#include <cerrno>
#include <functional>
#include <memory>
#include <utility>

#include "runtime/channel.h"
#include "runtime/check.h"
#include "runtime/errors.h"
#include "runtime/network.h"
#include "runtime/stream_pair.h"

namespace faultline::contract {

class PairedListener final : public Listener {
 public:
  explicit PairedListener(Endpoint local) : local_(std::move(local)) {}

  Task<absl::StatusOr<std::unique_ptr<Stream>>> Accept() override {
    co_return co_await backlog_.Receive();
  }
  absl::Status Close() override {
    backlog_.Close();
    return absl::OkStatus();
  }
  Endpoint local_address() const override { return local_; }

  void Take(std::unique_ptr<Stream> stream) {
    FAULTLINE_CHECK(backlog_.TrySend(stream)) << "the backlog is full, or nobody listens";
  }

 private:
  const Endpoint local_;
  Channel<std::unique_ptr<Stream>> backlog_{16};
};

class PairedNetwork final : public Network {
 public:
  explicit PairedNetwork(std::function<StreamPair()> make) : make_(std::move(make)) {}

  Task<absl::StatusOr<std::unique_ptr<Stream>>> Connect(Endpoint, ConnectOptions) override {
    auto [near, far] = make_();
    listener_->Take(std::move(far));
    co_return std::move(near);
  }
  absl::StatusOr<std::unique_ptr<Listener>> Listen(const Endpoint& local,
                                                   const ListenOptions&) override {
    auto listener = std::make_unique<PairedListener>(local);
    listener_ = listener.get();
    return listener;
  }
  absl::StatusOr<std::unique_ptr<DatagramSocket>> Bind(const Endpoint&,
                                                       const BindOptions&) override {
    return ErrnoStatus(EAFNOSUPPORT, "bind");
  }

 private:
  const std::function<StreamPair()> make_;
  PairedListener* listener_ = nullptr;
};

}  // namespace faultline::contract

#endif  // FAULTLINE_RUNTIME_CONTRACT_PAIRED_NETWORK_H_
