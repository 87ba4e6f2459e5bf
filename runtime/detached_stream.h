// DetachedStream: a connection between two shards: one has let go of it (`Stream::Detach`), another
// takes it (`Network::Adopt`).
//
//   absl::StatusOr<std::unique_ptr<DetachedStream>> detached = stream->Detach();
//   if (!detached.ok()) ...
//   (*detached)->Unread(rest);           // what was read and belongs to whoever reads next
//   co_await shard->Send(1, Parcel::Of(*std::move(detached)));
//   ... absl::StatusOr<std::unique_ptr<Stream>> stream = network->Adopt(std::move(detached));
//
// Nothing is lost on the way: what the peer sends meanwhile waits in the kernel, half-closes and
// errors are remembered. Nobody waits for anything of it, so it may change threads. One that is
// destroyed is aborted, as a stream is.
#ifndef FAULTLINE_RUNTIME_DETACHED_STREAM_H_
#define FAULTLINE_RUNTIME_DETACHED_STREAM_H_

#include <cstddef>
#include <span>

#include "runtime/endpoint.h"

namespace faultline {

class DetachedStream {
 public:
  virtual ~DetachedStream() = default;

  // These bytes are read before everything that was not read yet, those of earlier calls included.
  // Copied.
  virtual void Unread(std::span<const std::byte> bytes) = 0;

  virtual Endpoint local_address() const = 0;
  virtual Endpoint peer_address() const = 0;
};

}  // namespace faultline

#endif  // FAULTLINE_RUNTIME_DETACHED_STREAM_H_
