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
// The end of a connection whose halves have moved into tasks: when both halves are gone the stream
// is closed in an orderly way if writing was finished and reading had come to a clean end, and
// aborted otherwise, so that a crash never looks like a clean end. To close it at another moment,
// `Reunite` the halves.
#ifndef FAULTLINE_TRANSPORTS_TCP_TCP_H_
#define FAULTLINE_TRANSPORTS_TCP_TCP_H_

#include <cstddef>
#include <memory>
#include <optional>
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
struct Shared;
}  // namespace internal

// The reading half. Destroying it does not end the other half.
class Reader {
 public:
  Reader(Reader&&) noexcept = default;
  Reader& operator=(Reader&& other) noexcept;
  ~Reader();

  Task<absl::StatusOr<message::Message>> ReadMessage(size_t max_message_size) {
    return frames_.ReadMessage(max_message_size);
  }
  std::optional<absl::StatusOr<message::Message>> TryNext(size_t max_message_size) {
    return frames_.TryNext(max_message_size);
  }

  // RST, now: the other half ends too.
  void Abort();

 private:
  friend class Connection;
  Reader(std::shared_ptr<internal::Shared> shared, BufferPool* pool,
         const ConnectionOptions& options);

  void Leave();

  std::shared_ptr<internal::Shared> shared_;  // the two halves live in different tasks
  message::FrameReader<Stream> frames_;
};

// The writing half. Destroying it without `FinishWrites` leaves the peer without an end until the
// other half goes as well.
class Writer {
 public:
  Writer(Writer&&) noexcept = default;
  Writer& operator=(Writer&& other) noexcept;
  ~Writer();

  Task<absl::Status> SendBatch(FrozenBatch* batch) { return frames_.SendBatch(batch); }
  absl::Status FinishWrites() { return frames_.FinishWrites(); }

  // RST, now: the other half ends too.
  void Abort();

 private:
  friend class Connection;
  Writer(std::shared_ptr<internal::Shared> shared, const ConnectionOptions& options);

  void Leave();

  std::shared_ptr<internal::Shared> shared_;  // the two halves live in different tasks
  message::FrameWriter<Stream> frames_;
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

  Endpoint local_address() const;
  Endpoint peer_address() const;

  // No read or send is pending. What was sent is still delivered, unless input was left unread:
  // then the kernel sends RST, as close(2) does.
  absl::Status Close();
  void Abort();

 private:
  Connection(std::shared_ptr<internal::Shared> shared, BufferPool* pool,
             const ConnectionOptions& options);
  Connection(Reader reader, Writer writer)
      : reader_(std::move(reader)), writer_(std::move(writer)) {}

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
