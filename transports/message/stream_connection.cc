#include "transports/message/stream_connection.h"

#include "runtime/check.h"

namespace faultline::message {
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

StreamConnection::StreamConnection(std::unique_ptr<Stream> stream, BufferPool* pool,
                                   const StreamConnectionOptions& options)
    : StreamConnection(std::make_shared<internal::SharedStream>(std::move(stream)), pool, options) {
}

StreamConnection::StreamConnection(std::shared_ptr<internal::SharedStream> shared, BufferPool* pool,
                                   const StreamConnectionOptions& options)
    : reader_(shared, pool, options), writer_(shared, options) {}

std::pair<StreamReader, StreamWriter> StreamConnection::Split() && {
  return {std::move(reader_), std::move(writer_)};
}

StreamConnection StreamConnection::Reunite(Reader reader, Writer writer) {
  FAULTLINE_CHECK(reader.shared_ == writer.shared_) << "the halves of two connections";
  return StreamConnection(std::move(reader), std::move(writer));
}

absl::StatusOr<std::unique_ptr<DetachedStream>> StreamConnection::Detach() {
  if (reader_.frames_.ended() || writer_.frames_.finished() || writer_.frames_.failed()) {
    return absl::FailedPreconditionError("detach: the connection has ended in one direction");
  }
  absl::StatusOr<std::unique_ptr<DetachedStream>> detached = reader_.shared_->Detach();
  if (detached.ok()) (*detached)->Unread(reader_.frames_.TakeUnread());
  return detached;
}

}  // namespace faultline::message
