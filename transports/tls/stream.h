// TlsStream: a `Stream` of plaintext over any other stream.
//
//   auto server = co_await ServerHandshake(std::move(accepted), context, pool);
//   auto client = co_await ClientHandshake(std::move(connected), context, pool, "node-1");
//   ... (*client)->Write(...), (*client)->Read(...) as on any stream ...
//   absl::Status closed = co_await (*client)->CloseOrderly();
//
// What is different from TCP:
//   Read           0 bytes mean that the peer has said close_notify. A stream that ends without it
//                  was cut by somebody: DataLoss "truncated", each time.
//   Write          completes when the bytes are encrypted and queued. At most 64 KiB and a record
//                  gather while as much is on its way; then writes wait. What goes wrong below is
//                  told by a later operation.
//   ShutdownWrite  queues close_notify behind what was written. The stream below stays open.
//   Close          ends in order in the background: what is queued leaves, close_notify after it,
//                  and the peer may answer, all within `close_grace`; the context bounds how many
//                  do so at a time, and can be waited for (`context->closing()->Drain()`).
//   CloseOrderly   the same, and waits for it.
//
// Options of sockets are those of the stream below. Not detachable: its keys stay on its shard.
#ifndef FAULTLINE_TRANSPORTS_TLS_STREAM_H_
#define FAULTLINE_TRANSPORTS_TLS_STREAM_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/frozen.h"
#include "runtime/stream.h"
#include "runtime/task.h"
#include "transports/tls/context.h"

namespace faultline::tls {

namespace internal {
class Core;
}  // namespace internal

class TlsStream final : public Stream {
 public:
  explicit TlsStream(std::unique_ptr<internal::Core> core);
  ~TlsStream() override;

  // What was agreed on by ALPN; empty if nothing.
  std::string alpn() const;
  // The peer's certificate in PEM; empty if it showed none.
  std::string peer_certificate_pem() const;
  // Keying material that only the two ends of this connection have (RFC 8446, section 7.5): binds
  // what is said inside to this very connection.
  std::string ExportKey(std::string_view label, std::string_view context, size_t bytes) const;

  // No operation is pending. OK if the peer has answered; later input is dropped. The stream is
  // closed in any case. Errors: DeadlineExceeded, naming close_grace; DataLoss if the peer ended
  // without an answer; those of the stream below; Cancelled. If something
  // is still queued then, it is lost, and the connection is reset.
  Task<absl::Status> CloseOrderly();

  absl::Status ShutdownWrite() override;
  // Errors: ResourceExhausted, naming max_closing: then it was reset.
  absl::Status Close() override;
  void Abort() override;
  Endpoint local_address() const override { return local_; }
  Endpoint peer_address() const override { return peer_; }
  absl::Status SetNoDelay(bool on) override;
  absl::Status SetSendBufferSize(size_t bytes) override;
  absl::Status SetReceiveBufferSize(size_t bytes) override;
  absl::StatusOr<size_t> SendBufferSize() const override;
  absl::StatusOr<size_t> ReceiveBufferSize() const override;

 private:
  bool StartRead(ReadOp* op) override;
  bool StartWrite(WriteOp* op) override;
  void CancelRead(ReadOp* op) override;
  void CancelWrite(WriteOp* op) override;
  void AbandonRead(ReadOp* op) override;
  void AbandonWrite(WriteOp* op) override;

  std::unique_ptr<internal::Core> core_;  // null once closed
  const Endpoint local_;
  const Endpoint peer_;
};

// Both own `below` from the call on. `context` and `pool` outlive the stream. The handshake is
// bounded by `handshake_grace`. Errors:
//   Unauthenticated     a certificate was not accepted, by us or by the peer: says what failed
//   DeadlineExceeded    handshake_grace
//   InvalidArgument     the peer does not speak TLS 1.3, or offers early data; a server_name that
//                       is none
//   FailedPrecondition  no ALPN protocol in common
//   Aborted             the peer refused for another reason, which is named
//   DataLoss            the peer ended the stream
//   and those of the stream below; Cancelled.
// After an error the peer is told by an alert, in the background, within `close_grace`; after
// DeadlineExceeded, and beyond `max_farewells`, it is reset.
Task<absl::StatusOr<std::unique_ptr<TlsStream>>> ServerHandshake(std::unique_ptr<Stream> below,
                                                                 ServerContext* context,
                                                                 BufferPool* pool);
// `server_name`: whom the client wants to talk to, as the certificate says it: a DNS name, which is
// sent as SNI as well, or an IP address.
Task<absl::StatusOr<std::unique_ptr<TlsStream>>> ClientHandshake(std::unique_ptr<Stream> below,
                                                                 ClientContext* context,
                                                                 BufferPool* pool,
                                                                 std::string server_name);

}  // namespace faultline::tls

#endif  // FAULTLINE_TRANSPORTS_TLS_STREAM_H_
