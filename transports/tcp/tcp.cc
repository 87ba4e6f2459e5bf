#include "transports/tcp/tcp.h"

#include "runtime/check.h"

namespace faultline::tcp {
namespace internal {

// The stream of two halves, and what each left behind.
struct Shared {
  explicit Shared(std::unique_ptr<Stream> s) : stream(std::move(s)) {}
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  // A stream that is destroyed without `Close` is aborted.
  ~Shared() {
    if (write_finished && read_ended) (void)stream->Close();
  }

  const std::unique_ptr<Stream> stream;
  bool write_finished = false;
  bool read_ended = false;
};

}  // namespace internal

Reader::Reader(std::shared_ptr<internal::Shared> shared, BufferPool* pool,
               const ConnectionOptions& options)
    : shared_(std::move(shared)),
      frames_(shared_->stream.get(), pool, options.reader, options.bugs) {}

Reader& Reader::operator=(Reader&& other) noexcept {
  Leave();
  shared_ = std::move(other.shared_);
  frames_ = std::move(other.frames_);
  return *this;
}

Reader::~Reader() { Leave(); }

void Reader::Leave() {
  if (shared_ != nullptr && frames_.closed_cleanly()) shared_->read_ended = true;
  shared_ = nullptr;
}

void Reader::Abort() { shared_->stream->Abort(); }

Writer::Writer(std::shared_ptr<internal::Shared> shared, const ConnectionOptions& options)
    : shared_(std::move(shared)), frames_(shared_->stream.get(), options.bugs) {}

Writer& Writer::operator=(Writer&& other) noexcept {
  Leave();
  shared_ = std::move(other.shared_);
  frames_ = std::move(other.frames_);
  return *this;
}

Writer::~Writer() { Leave(); }

void Writer::Leave() {
  if (shared_ != nullptr && frames_.finished()) shared_->write_finished = true;
  shared_ = nullptr;
}

void Writer::Abort() { shared_->stream->Abort(); }

Connection::Connection(std::unique_ptr<Stream> stream, BufferPool* pool,
                       const ConnectionOptions& options)
    : Connection(std::make_shared<internal::Shared>(std::move(stream)), pool, options) {}

Connection::Connection(std::shared_ptr<internal::Shared> shared, BufferPool* pool,
                       const ConnectionOptions& options)
    : reader_(shared, pool, options), writer_(shared, options) {}

std::pair<Reader, Writer> Connection::Split() && {
  return {std::move(reader_), std::move(writer_)};
}

Connection Connection::Reunite(Reader reader, Writer writer) {
  FAULTLINE_CHECK(reader.shared_ == writer.shared_) << "the halves of two connections";
  return Connection(std::move(reader), std::move(writer));
}

Endpoint Connection::local_address() const { return reader_.shared_->stream->local_address(); }

Endpoint Connection::peer_address() const { return reader_.shared_->stream->peer_address(); }

absl::Status Connection::Close() { return reader_.shared_->stream->Close(); }

void Connection::Abort() { reader_.shared_->stream->Abort(); }

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
