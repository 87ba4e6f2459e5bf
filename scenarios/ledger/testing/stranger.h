// Stranger: a hand-made peer of the service that says exactly what a test wants, and may break the
// protocol.
//
//   Stranger stranger(runtime, Party::Client({0, 9}));
//   absl::Status hello = co_await stranger.Greet(server, {.sequence = 1});
//   absl::Status sent = co_await stranger.Send(stranger.frames().Request(id, digest, payload));
//   absl::StatusOr<message::Message> reply = co_await stranger.Receive();
#ifndef FAULTLINE_SCENARIOS_LEDGER_TESTING_STRANGER_H_
#define FAULTLINE_SCENARIOS_LEDGER_TESTING_STRANGER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/combine.h"
#include "runtime/runtime.h"
#include "runtime/task.h"
#include "scenarios/ledger/dial.h"
#include "scenarios/ledger/frames.h"
#include "transports/tcp/tcp.h"

namespace faultline::ledger {

class Stranger {
 public:
  // `runtime`'s parts outlive it.
  Stranger(const Runtime& runtime, const Party& self, uint64_t incarnation = 0)
      : runtime_(runtime),
        frames_(runtime.buffers, {1, 0}, self, incarnation),
        connector_(runtime.network, runtime.buffers, {}) {}

  const FrameMaker& frames() const { return frames_; }
  bool connected() const { return connection_.has_value(); }

  // Connects and shakes hands; the connection before is aborted. Errors: those of `Dial`.
  Task<absl::Status> Greet(Endpoint server, Greeting greeting) {
    connection_.reset();
    auto dialed =
        co_await Dial(&connector_, server, frames_.Ping(greeting), runtime_.clock, DialTimes{});
    if (!dialed.ok()) co_return dialed.status();
    connection_.emplace(*std::move(dialed));
    co_return absl::OkStatus();
  }

  Task<absl::Status> Send(Frozen frame) {
    FrozenBatch batch;
    batch.Add(std::move(frame));
    co_return co_await connection_->writer.SendBatch(&batch);
  }
  // An append.
  Task<absl::Status> SendRequest(EntryId id, std::vector<std::byte> payload) {
    const Digest digest = DigestOfRequest(id, DigestOfBytes(payload));
    co_return co_await Send(frames_.Request(id, digest, payload));
  }

  // The next frame that is no greeting. Errors besides: DeadlineExceeded.
  Task<absl::StatusOr<message::Message>> Receive(Duration patience = 10s) {
    const MonotonicTime deadline = runtime_.clock->Now() + patience;
    while (true) {
      absl::StatusOr<message::Message> next = co_await Deadline(
          runtime_.clock, deadline, connection_->reader.ReadMessage(size_t{64} << 20));
      if (next.ok() && (next->command() == message::Command::kPing ||
                        next->command() == message::Command::kPong)) {
        continue;
      }
      co_return next;
    }
  }

  // Ends the connection in good order, and waits until the peer has done the same.
  Task<absl::Status> SayGoodbye() {
    absl::Status status = connection_->writer.FinishWrites();
    while (status.ok()) status = (co_await Receive()).status();
    connection_.reset();
    co_return status;
  }
  void Abort() { connection_.reset(); }

 private:
  const Runtime runtime_;
  const FrameMaker frames_;
  tcp::Connector connector_;
  std::optional<Dialed<tcp::Connection>> connection_;
};

// The other side: accepts at one address, says what a test wants.
//
//   FakeServer server(runtime, Party::Replica(1), 7);
//   EXPECT_TRUE(server.Listen(address).ok());
//   absl::StatusOr<Guest> guest = co_await server.Accept();      // has said its ping
//   ... co_await guest->Send(server.frames().Pong({.sequence = guest->ping.sequence})) ...
struct Guest {
  tcp::Reader reader;
  tcp::Writer writer;
  Greeting ping{};

  Task<absl::Status> Send(Frozen frame) {
    FrozenBatch batch;
    batch.Add(std::move(frame));
    co_return co_await writer.SendBatch(&batch);
  }
  // Reads until the guest ends the connection; returns how.
  Task<absl::Status> ReadToTheEnd() {
    absl::Status status;
    while (status.ok()) status = (co_await reader.ReadMessage(size_t{64} << 20)).status();
    co_return status;
  }
};

class FakeServer {
 public:
  // `runtime`'s parts outlive it.
  FakeServer(const Runtime& runtime, const Party& self, uint64_t incarnation = 0)
      : runtime_(runtime), frames_(runtime.buffers, {1, 0}, self, incarnation) {}

  const FrameMaker& frames() const { return frames_; }

  absl::Status Listen(const Endpoint& local) {
    absl::StatusOr<tcp::Listener> listener =
        tcp::Listener::Listen(runtime_.network, runtime_.buffers, local, {});
    if (listener.ok()) listener_.emplace(*std::move(listener));
    return listener.status();
  }
  Task<absl::StatusOr<tcp::Connection>> AcceptUnheard() { co_return co_await listener_->Accept(); }
  Task<absl::StatusOr<Guest>> Accept() {
    absl::StatusOr<tcp::Connection> connection = co_await listener_->Accept();
    if (!connection.ok()) co_return connection.status();
    auto halves = std::move(*connection).Split();
    Guest guest{std::move(halves.first), std::move(halves.second)};
    absl::StatusOr<message::Message> ping = co_await guest.reader.ReadMessage(message::kHeaderSize);
    if (!ping.ok()) co_return ping.status();
    guest.ping = ReadGreeting(*ping);
    co_return std::move(guest);
  }

 private:
  const Runtime runtime_;
  const FrameMaker frames_;
  std::optional<tcp::Listener> listener_;
};

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_TESTING_STRANGER_H_
