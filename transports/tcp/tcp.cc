#include "transports/tcp/tcp.h"

#include "runtime/check.h"

namespace faultline::tcp {
namespace internal {

absl::Status SharedStream::ShutdownWrite() {
  absl::Status status = stream_->ShutdownWrite();
  write_finished_ = true;
  status.Update(CloseIfOver());
  return status;
}

void SharedStream::OnCleanEnd() {
  read_ended_ = true;
  (void)CloseIfOver();
}

absl::Status SharedStream::CloseIfOver() {
  return write_finished_ && read_ended_ ? stream_->Close() : absl::OkStatus();
}

}  // namespace internal

Connection::Connection(std::unique_ptr<Stream> stream, BufferPool* pool,
                       const ConnectionOptions& options)
    : Connection(std::make_shared<internal::SharedStream>(std::move(stream)), pool, options) {}

Connection::Connection(std::shared_ptr<internal::SharedStream> shared, BufferPool* pool,
                       const ConnectionOptions& options)
    : reader_(shared, pool, options), writer_(shared, options) {}

std::pair<Reader, Writer> Connection::Split() && {
  return {std::move(reader_), std::move(writer_)};
}

Connection Connection::Reunite(Reader reader, Writer writer) {
  FAULTLINE_CHECK(reader.shared_ == writer.shared_) << "the halves of two connections";
  return Connection(std::move(reader), std::move(writer));
}

absl::StatusOr<Listener> Listener::Listen(Network* network, BufferPool* pool, const Endpoint& local,
                                          const ListenerOptions& options) {
  absl::StatusOr<std::unique_ptr<faultline::Listener>> listener =
      network->Listen(local, options.socket);
  if (!listener.ok()) return listener.status();
  return Listener(*std::move(listener), pool, options.connection);
}

Task<absl::StatusOr<Connection>> Listener::Accept() {
  absl::StatusOr<std::unique_ptr<Stream>> stream = co_await listener_->Accept();
  if (!stream.ok()) co_return stream.status();
  co_return Connection(*std::move(stream), pool_, options_);
}

Task<absl::StatusOr<Connection>> Connector::Connect(Endpoint peer) {
  absl::StatusOr<std::unique_ptr<Stream>> stream =
      co_await network_->Connect(std::move(peer), options_.socket);
  if (!stream.ok()) co_return stream.status();
  co_return Connection(*std::move(stream), pool_, options_.connection);
}

}  // namespace faultline::tcp
