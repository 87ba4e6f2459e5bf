// Messages over TCP: and over Unix sockets, and over whatever else is a `Stream`.
//
//   tcp::Connector connector(runtime.network, runtime.buffers, {});
//   absl::StatusOr<tcp::Connection> connected =
//       co_await Deadline(clock, clock->Now() + 2s, connector.Connect(peer));
//   auto [reader, writer] = std::move(*connected).Split();
//   scope.Spawn(ReadLoop(std::move(reader)));
//   scope.Spawn(WriteLoop(std::move(writer)));
//
// The contract of the five types is told in transports/message/concepts.h. Frames are handed to the
// kernel without a copy, at most 512 in one sendmsg(2); one recvmsg(2) takes as many as there are.
//
// When writing was finished and reading has come to a clean end the conversation is over, and the
// stream is closed there and then, whoever holds the halves. A connection that is destroyed before,
// both halves of it, is aborted, so that a crash never looks like a clean end. To close it at
// another moment, `Reunite` the halves.
#ifndef FAULTLINE_TRANSPORTS_TCP_TCP_H_
#define FAULTLINE_TRANSPORTS_TCP_TCP_H_

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/endpoint.h"
#include "runtime/frozen.h"
#include "runtime/network.h"
#include "runtime/stream.h"
#include "runtime/task.h"
#include "transports/message/concepts.h"
#include "transports/message/frame_reader.h"
#include "transports/message/frame_writer.h"
#include "transports/message/message.h"

namespace faultline::tcp {

struct ConnectionOptions {
  message::FrameReaderOptions reader{};
  // Planted bugs; null but in the replay program. Outlives the connection.
  const message::TransportBugs* bugs = nullptr;
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

 private:
  absl::Status CloseIfOver();

  const std::unique_ptr<Stream> stream_;
  bool write_finished_ = false;
  bool read_ended_ = false;
};

}  // namespace internal

// The reading half. Destroying it does not end the other half.
class Reader {
 public:
  Task<absl::StatusOr<message::Message>> ReadMessage(size_t max_message_size) {
    return frames_.ReadMessage(max_message_size);
  }
  std::optional<absl::StatusOr<message::Message>> TryNext(size_t max_message_size) {
    return frames_.TryNext(max_message_size);
  }
  // See FrameReader.
  message::MessageView TryNextView(size_t max_message_size) {
    return frames_.TryNextView(max_message_size);
  }

  // RST, now: the other half ends too.
  void Abort() { shared_->Abort(); }

 private:
  friend class Connection;
  Reader(std::shared_ptr<internal::SharedStream> shared, BufferPool* pool,
         const ConnectionOptions& options)
      : shared_(std::move(shared)), frames_(shared_.get(), pool, options.reader, options.bugs) {}

  std::shared_ptr<internal::SharedStream> shared_;  // the two halves live in different tasks
  message::FrameReader<internal::SharedStream> frames_;
};

// The writing half. Destroying it without `FinishWrites` leaves the peer without an end until the
// other half goes as well.
class Writer {
 public:
  Task<absl::Status> SendBatch(FrozenBatch* batch) { return frames_.SendBatch(batch); }
  absl::Status FinishWrites() { return frames_.FinishWrites(); }

  // RST, now: the other half ends too.
  void Abort() { shared_->Abort(); }

 private:
  friend class Connection;
  Writer(std::shared_ptr<internal::SharedStream> shared, const ConnectionOptions& options)
      : shared_(std::move(shared)), frames_(shared_.get(), options.bugs) {}

  std::shared_ptr<internal::SharedStream> shared_;  // the two halves live in different tasks
  message::FrameWriter<internal::SharedStream> frames_;
};

class Connection {
 public:
  using Reader = tcp::Reader;
  using Writer = tcp::Writer;

  // `pool` outlives the connection.
  Connection(std::unique_ptr<Stream> stream, BufferPool* pool, const ConnectionOptions& options);

  // The halves, to be moved into tasks of their own.
  std::pair<Reader, Writer> Split() &&;
  // Two halves of one connection make it whole again; messages that were read ahead stay in it.
  static Connection Reunite(Reader reader, Writer writer);

  Task<absl::StatusOr<message::Message>> ReadMessage(size_t max_message_size) {
    return reader_.ReadMessage(max_message_size);
  }
  Task<absl::Status> SendBatch(FrozenBatch* batch) { return writer_.SendBatch(batch); }

  Endpoint local_address() const { return stream()->local_address(); }
  Endpoint peer_address() const { return stream()->peer_address(); }

  // No read or send is pending. What was sent is still delivered, unless input was left unread:
  // then the kernel sends RST, as close(2) does.
  absl::Status Close() { return stream()->Close(); }
  void Abort() { stream()->Abort(); }

 private:
  Connection(std::shared_ptr<internal::SharedStream> shared, BufferPool* pool,
             const ConnectionOptions& options);
  Connection(Reader reader, Writer writer)
      : reader_(std::move(reader)), writer_(std::move(writer)) {}

  Stream* stream() const { return reader_.shared_->stream(); }

  Reader reader_;
  Writer writer_;
};

struct ListenerOptions {
  faultline::ListenOptions socket{};
  ConnectionOptions connection{};
};

class Listener {
 public:
  using Connection = tcp::Connection;

  // `pool` outlives the listener and its connections. Errors: those of `Network::Listen`.
  static absl::StatusOr<Listener> Listen(Network* network, BufferPool* pool, const Endpoint& local,
                                         const ListenerOptions& options);

  // One at a time. Errors: Cancelled; FailedPrecondition after `Close`. Lack of descriptors is
  // waited out below.
  Task<absl::StatusOr<Connection>> Accept();

  Endpoint local_address() const { return listener_->local_address(); }
  // No accept is pending. Connections that were accepted go on.
  absl::Status Close() { return listener_->Close(); }

 private:
  Listener(std::unique_ptr<faultline::Listener> listener, BufferPool* pool,
           const ConnectionOptions& options)
      : listener_(std::move(listener)), pool_(pool), options_(options) {}

  std::unique_ptr<faultline::Listener> listener_;
  BufferPool* pool_;
  ConnectionOptions options_{};
};

struct ConnectorOptions {
  ConnectOptions socket{};
  ConnectionOptions connection{};
};

class Connector {
 public:
  using Connection = tcp::Connection;

  // Neither is owned; `network` outlives the connector, `pool` its connections too.
  Connector(Network* network, BufferPool* pool, const ConnectorOptions& options)
      : network_(network), pool_(pool), options_(options) {}

  // Give it a deadline: the system's own is minutes. Errors: those of `Network::Connect`.
  Task<absl::StatusOr<Connection>> Connect(Endpoint peer);

 private:
  Network* network_;
  BufferPool* pool_;
  ConnectorOptions options_;
};

static_assert(message::Reader<Reader> && message::Writer<Writer>);
static_assert(message::Connection<Connection>);
static_assert(message::Listener<Listener> && message::Connector<Connector>);

}  // namespace faultline::tcp

#endif  // FAULTLINE_TRANSPORTS_TCP_TCP_H_
