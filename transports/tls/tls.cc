#include "transports/tls/tls.h"

#include <deque>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/check.h"
#include "runtime/combine.h"
#include "runtime/event.h"
#include "runtime/owned_task.h"

namespace faultline::tls {
namespace internal {

// What a listener does on its own.
//
// Invariant: handshakes in flight and connections that wait to be accepted are `max_handshakes` at
// most, together.
class Acceptor {
 public:
  Acceptor(std::unique_ptr<faultline::Listener> listener, BufferPool* pool, ServerContext* context,
           const ListenerOptions& options)
      : listener_(std::move(listener)),
        clock_(context->environment().clock),
        pool_(pool),
        context_(context),
        options_(options) {
    FAULTLINE_CHECK(options.max_handshakes > 0) << "nobody could ever be greeted";
  }

  Task<absl::StatusOr<Connection>> Accept() {
    if (executor_ == nullptr) {
      executor_ = (co_await ThisTask()).executor;
      accepting_ = OwnedTask(executor_, AcceptAll());
    }
    while (ready_.empty()) {
      if (!end_.ok()) co_return end_;
      changed_.Reset();
      absl::Status waited = co_await changed_.Wait();
      if (!waited.ok()) co_return waited;
    }
    Connection next = std::move(ready_.front());
    ready_.pop_front();
    room_.Set();
    co_return next;
  }

  absl::Status Close() {
    end_ = absl::FailedPreconditionError("accept: the listener is closed");
    accepting_ = OwnedTask();
    handshakes_.clear();
    in_flight_ = 0;
    ready_.clear();
    return listener_->Close();
  }

  Endpoint local_address() const { return listener_->local_address(); }
  size_t in_flight() const { return in_flight_; }

 private:
  Task<void> AcceptAll() {
    while (end_.ok()) {
      absl::StatusOr<std::unique_ptr<Stream>> stream = co_await listener_->Accept();
      if (stream.ok()) {
        co_await WaitForRoom();
        Greet(*std::move(stream));
      } else {
        end_ = stream.status();
      }
    }
    changed_.Set();
  }

  // The oldest handshake makes room once it has had its fair time.
  Task<void> WaitForRoom() {
    while (in_flight_ + ready_.size() >= options_.max_handshakes) {
      ForgetDone();
      room_.Reset();
      if (handshakes_.empty()) {
        (void)co_await room_.Wait();
        continue;
      }
      const MonotonicTime fair = handshakes_.front().since + options_.crowded_grace;
      if (clock_->Now() < fair) {
        (void)co_await Deadline(clock_, fair, AwaitRoom());
      } else {
        GiveUpOldest();
      }
    }
  }

  Task<absl::Status> AwaitRoom() { co_return co_await room_.Wait(); }

  void GiveUpOldest() {
    const Handshake oldest = std::move(handshakes_.front());
    handshakes_.erase(handshakes_.begin());
    --in_flight_;
    if (options_.observer == nullptr) return;
    options_.observer->OnHandshakeFailed(
        oldest.peer, absl::ResourceExhaustedError(absl::StrCat(
                         "TLS handshake: max_handshakes: ", options_.max_handshakes,
                         " are in flight and others wait; given up after crowded_grace, ",
                         FormatSeconds(options_.crowded_grace))));
  }

  void ForgetDone() {
    std::erase_if(handshakes_, [](const Handshake& handshake) { return handshake.task.done(); });
  }

  void Greet(std::unique_ptr<Stream> stream) {
    ForgetDone();
    ++in_flight_;
    Endpoint peer = stream->peer_address();
    handshakes_.push_back(
        {clock_->Now(), std::move(peer), OwnedTask(executor_, ShakeHands(std::move(stream)))});
  }

  Task<void> ShakeHands(std::unique_ptr<Stream> stream) {
    Endpoint peer = stream->peer_address();
    auto done = co_await ServerHandshake(std::move(stream), context_, pool_);
    --in_flight_;
    if (done.ok()) {
      ready_.emplace_back(*std::move(done), pool_, options_.connection);
    } else if (options_.observer != nullptr) {
      options_.observer->OnHandshakeFailed(peer, done.status());
    }
    room_.Set();
    changed_.Set();
  }

  struct Handshake {
    MonotonicTime since;
    Endpoint peer;
    OwnedTask task;
  };

  const std::unique_ptr<faultline::Listener> listener_;
  Clock* const clock_;
  BufferPool* const pool_;
  ServerContext* const context_;
  const ListenerOptions options_;
  Executor* executor_ = nullptr;
  size_t in_flight_ = 0;
  std::deque<Connection> ready_;
  absl::Status end_;
  Event changed_;
  Event room_;
  std::vector<Handshake> handshakes_;  // the oldest first; those that have ended leave later
  OwnedTask accepting_;                // last: it uses all of the above
};

}  // namespace internal

Listener::Listener(std::unique_ptr<internal::Acceptor> acceptor) : acceptor_(std::move(acceptor)) {}
Listener::Listener(Listener&&) noexcept = default;
Listener& Listener::operator=(Listener&&) noexcept = default;
Listener::~Listener() = default;

absl::StatusOr<Listener> Listener::Listen(Network* network, BufferPool* pool,
                                          ServerContext* context, const Endpoint& local,
                                          const ListenerOptions& options) {
  absl::StatusOr<std::unique_ptr<faultline::Listener>> listener =
      network->Listen(local, options.socket);
  if (!listener.ok()) return listener.status();
  return Listener(
      std::make_unique<internal::Acceptor>(*std::move(listener), pool, context, options));
}

Task<absl::StatusOr<Connection>> Listener::Accept() { return acceptor_->Accept(); }
Endpoint Listener::local_address() const { return acceptor_->local_address(); }
size_t Listener::handshakes() const { return acceptor_->in_flight(); }
absl::Status Listener::Close() { return acceptor_->Close(); }

Task<absl::StatusOr<Connection>> Connector::Connect(Endpoint peer) {
  absl::StatusOr<std::unique_ptr<Stream>> stream =
      co_await network_->Connect(std::move(peer), options_.socket);
  if (!stream.ok()) co_return stream.status();
  auto done = co_await ClientHandshake(*std::move(stream), context_, pool_, options_.server_name);
  if (!done.ok()) co_return done.status();
  co_return Connection(*std::move(done), pool_, options_.connection);
}

}  // namespace faultline::tls
