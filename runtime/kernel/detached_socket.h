// DetachedSocket: a connected socket of no loop, on its way from one to another, of either backend.
#ifndef FAULTLINE_RUNTIME_KERNEL_DETACHED_SOCKET_H_
#define FAULTLINE_RUNTIME_KERNEL_DETACHED_SOCKET_H_

#include <memory>
#include <span>
#include <utility>

#include "absl/status/statusor.h"
#include "runtime/detached_stream.h"
#include "runtime/endpoint.h"
#include "runtime/kernel/descriptor.h"
#include "runtime/unread_bytes.h"

namespace faultline::kernel {

// Everything that a stream is made of.
struct ConnectedSocket {
  Descriptor socket;
  bool blocking = false;
  Endpoint local;
  Endpoint peer;
  int lost = 0;  // what the kernel said of a connection that is no more, and says only once
  UnreadBytes unread;
};

class DetachedSocket final : public DetachedStream {
 public:
  explicit DetachedSocket(ConnectedSocket connected) : connected_(std::move(connected)) {}
  DetachedSocket(const DetachedSocket&) = delete;
  DetachedSocket& operator=(const DetachedSocket&) = delete;
  ~DetachedSocket() override;

  void Unread(std::span<const std::byte> bytes) override { connected_.unread.Prepend(bytes); }
  Endpoint local_address() const override { return connected_.local; }
  Endpoint peer_address() const override { return connected_.peer; }

  ConnectedSocket Take() { return std::move(connected_); }

 private:
  ConnectedSocket connected_;
};

// What `Network::Adopt` starts with: the socket of `detached`, in blocking mode or not. Errors:
// InvalidArgument, if it is no socket of the kernel's (then it is aborted); those of fcntl(2).
absl::StatusOr<ConnectedSocket> AdoptSocket(std::unique_ptr<DetachedStream> detached,
                                            bool blocking);

}  // namespace faultline::kernel

#endif  // FAULTLINE_RUNTIME_KERNEL_DETACHED_SOCKET_H_
