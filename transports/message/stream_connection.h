// StreamConnection: messages over whatever is a `Stream`: TCP, Unix sockets, TLS, standard input
// and output (runtime/epoll/descriptor_stream.h), a pair in memory (runtime/stream_pair.h).
//
//   StreamConnection connection(std::move(stream), pool, {});
//   auto [reader, writer] = std::move(connection).Split();
//
// The contract of the types is told in concepts.h. Frames are handed to the stream without a copy,
// at most 512 in one vectored write; one read takes as many as there are.
//
// When writing was finished and reading has come to a clean end the conversation is over, and the
// stream is closed there and then, whoever holds the halves. A connection that is destroyed before,
// both halves of it, is aborted, so that a crash never looks like a clean end. To close it at
// another moment, `Reunite` the halves.
#ifndef FAULTLINE_TRANSPORTS_MESSAGE_STREAM_CONNECTION_H_
#define FAULTLINE_TRANSPORTS_MESSAGE_STREAM_CONNECTION_H_

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/detached_stream.h"
#include "runtime/endpoint.h"
#include "runtime/frozen.h"
#include "runtime/stream.h"
#include "runtime/task.h"
#include "transports/message/concepts.h"
#include "transports/message/frame_reader.h"
#include "transports/message/frame_writer.h"
#include "transports/message/message.h"

namespace faultline::message {

struct StreamConnectionOptions {
  FrameReaderOptions reader{};
  // Planted bugs; null but in the replay program. Outlives the connection.
  const TransportBugs* bugs = nullptr;
};

namespace internal {

// The stream of two halves. Closes it when both directions have ended.
class SharedStream {
 public:
  explicit SharedStream(std::unique_ptr<Stream> stream) : stream_(std::move(stream)) {}

  Stream* stream() const { return stream_.get(); }

  ReadOp ReadVector(std::span<const iovec> buffers) { return stream_->ReadVector(buffers); }
  WriteOp WriteVector(std::span<const iovec> buffers) { return stream_->WriteVector(buffers); }
  absl::Status ShutdownWrite();
  void OnCleanEnd();
  void Abort() { stream_->Abort(); }
  absl::StatusOr<std::unique_ptr<DetachedStream>> Detach() { return stream_->Detach(); }

 private:
  absl::Status CloseIfOver();

  const std::unique_ptr<Stream> stream_;
  bool write_finished_ = false;
  bool read_ended_ = false;
};

}  // namespace internal

// The reading half. Destroying it does not end the other half.
class StreamReader {
 public:
  Task<absl::StatusOr<Message>> ReadMessage(size_t max_message_size) {
    return frames_.ReadMessage(max_message_size);
  }
  std::optional<absl::StatusOr<Message>> TryNext(size_t max_message_size) {
    return frames_.TryNext(max_message_size);
  }
  // See FrameReader.
  MessageView TryNextView(size_t max_message_size) { return frames_.TryNextView(max_message_size); }

  // RST, now: the other half ends too.
  void Abort() { shared_->Abort(); }

 private:
  friend class StreamConnection;
  StreamReader(std::shared_ptr<internal::SharedStream> shared, BufferPool* pool,
               const StreamConnectionOptions& options)
      : shared_(std::move(shared)), frames_(shared_.get(), pool, options.reader, options.bugs) {}

  std::shared_ptr<internal::SharedStream> shared_;  // the two halves live in different tasks
  FrameReader<internal::SharedStream> frames_;
};

// The writing half. Destroying it without `FinishWrites` leaves the peer without an end until the
// other half goes as well.
class StreamWriter {
 public:
  Task<absl::Status> SendBatch(FrozenBatch* batch) { return frames_.SendBatch(batch); }
  absl::Status FinishWrites() { return frames_.FinishWrites(); }

  // RST, now: the other half ends too.
  void Abort() { shared_->Abort(); }

 private:
  friend class StreamConnection;
  StreamWriter(std::shared_ptr<internal::SharedStream> shared,
               const StreamConnectionOptions& options)
      : shared_(std::move(shared)), frames_(shared_.get(), options.bugs) {}

  std::shared_ptr<internal::SharedStream> shared_;  // the two halves live in different tasks
  FrameWriter<internal::SharedStream> frames_;
};

class StreamConnection {
 public:
  using Reader = StreamReader;
  using Writer = StreamWriter;

  // `pool` outlives the connection.
  StreamConnection(std::unique_ptr<Stream> stream, BufferPool* pool,
                   const StreamConnectionOptions& options);

  // The halves, to be moved into tasks of their own.
  std::pair<Reader, Writer> Split() &&;
  // Two halves of one connection make it whole again; messages that were read ahead stay in it.
  static StreamConnection Reunite(Reader reader, Writer writer);

  Task<absl::StatusOr<Message>> ReadMessage(size_t max_message_size) {
    return reader_.ReadMessage(max_message_size);
  }
  Task<absl::Status> SendBatch(FrozenBatch* batch) { return writer_.SendBatch(batch); }

  // Lets go of the stream, for another shard, with the frames and parts of frames that were read
  // ahead; whoever adopts it makes a connection of it again. No read or send is pending. Errors:
  // FailedPrecondition, if one direction has ended already; those of `Stream::Detach`. Then the
  // connection is as it was.
  absl::StatusOr<std::unique_ptr<DetachedStream>> Detach();

  Endpoint local_address() const { return stream()->local_address(); }
  Endpoint peer_address() const { return stream()->peer_address(); }

  // No read or send is pending. What was sent is still delivered, unless input was left unread:
  // then the kernel sends RST, as close(2) does.
  absl::Status Close() { return stream()->Close(); }
  void Abort() { stream()->Abort(); }

 private:
  StreamConnection(std::shared_ptr<internal::SharedStream> shared, BufferPool* pool,
                   const StreamConnectionOptions& options);
  StreamConnection(Reader reader, Writer writer)
      : reader_(std::move(reader)), writer_(std::move(writer)) {}

  Stream* stream() const { return reader_.shared_->stream(); }

  Reader reader_;
  Writer writer_;
};

static_assert(Reader<StreamReader> && Writer<StreamWriter>);
static_assert(Connection<StreamConnection>);

}  // namespace faultline::message

#endif  // FAULTLINE_TRANSPORTS_MESSAGE_STREAM_CONNECTION_H_
