#include "transports/websocket/websocket.h"

#include "runtime/channel.h"
#include "runtime/combine.h"
#include "runtime/event.h"
#include "runtime/stop.h"

namespace faultline::websocket {
namespace {

std::shared_ptr<internal::Core> MakeCore(const Environment& environment,
                                         std::shared_ptr<Engine> engine,
                                         std::unique_ptr<Stream> stream, bool client,
                                         const ConnectionOptions& options) {
  return std::make_shared<internal::Core>(std::move(stream), std::move(engine), environment.pool,
                                          environment.scope, client, options);
}

Task<absl::StatusOr<std::unique_ptr<Stream>>> WrapStream(StreamLayer* layer,
                                                         std::unique_ptr<Stream> stream) {
  if (layer == nullptr) co_return std::move(stream);
  co_return co_await layer->Wrap(std::move(stream));
}

Task<absl::StatusOr<Connection>> ServeOver(Environment environment, std::shared_ptr<Engine> engine,
                                           std::unique_ptr<Stream> socket,
                                           const ListenerOptions* options) {
  auto stream = co_await WrapStream(options->layer, std::move(socket));
  if (!stream.ok()) co_return stream.status();
  co_return co_await Connection::Serve(environment, std::move(engine), *std::move(stream),
                                       &options->policy, options->connection);
}

Task<absl::StatusOr<Connection>> AskOver(Environment environment, std::shared_ptr<Engine> engine,
                                         std::unique_ptr<Stream> socket, ConnectorOptions options) {
  auto stream = co_await WrapStream(options.layer, std::move(socket));
  if (!stream.ok()) co_return stream.status();
  co_return co_await Connection::Ask(environment, std::move(engine), *std::move(stream),
                                     options.request, options.connection);
}

}  // namespace

Task<absl::StatusOr<Connection>> Connection::Serve(Environment environment,
                                                   std::shared_ptr<Engine> engine,
                                                   std::unique_ptr<Stream> stream,
                                                   const UpgradePolicy* policy,
                                                   ConnectionOptions options) {
  auto core = MakeCore(environment, std::move(engine), std::move(stream), false, options);
  absl::Status upgraded = co_await core->UpgradeServer(policy);
  if (!upgraded.ok()) co_return upgraded;
  co_return Connection(core);
}

Task<absl::StatusOr<Connection>> Connection::Ask(Environment environment,
                                                 std::shared_ptr<Engine> engine,
                                                 std::unique_ptr<Stream> stream,
                                                 UpgradeRequest request,
                                                 ConnectionOptions options) {
  auto core = MakeCore(environment, std::move(engine), std::move(stream), true, options);
  absl::Status upgraded = co_await core->UpgradeClient(std::move(request));
  if (!upgraded.ok()) co_return upgraded;
  co_return Connection(core);
}

// --- Listener ---

struct Listener::State {
  State(Environment environment, std::unique_ptr<faultline::Listener> socket,
        const ListenerOptions& options)
      : environment(environment),
        socket(std::move(socket)),
        options(options),
        engine(std::make_shared<Engine>(environment.clock, environment.entropy, options.engine)),
        accepted(options.max_handshakes),
        local(this->socket->local_address()),
        stop(environment.scope->stop_token()) {}

  static Task<void> AcceptAll(std::shared_ptr<State> state);
  static Task<void> Upgrade(std::shared_ptr<State> state, std::unique_ptr<Stream> stream);
  Task<absl::Status> WaitForRoom();
  void OnFailed(const Endpoint& peer, const absl::Status& why);
  void Close();

  const Environment environment;
  const std::unique_ptr<faultline::Listener> socket;
  const ListenerOptions options;
  const std::shared_ptr<Engine> engine;
  Channel<Connection> accepted;
  const Endpoint local;
  StopSource stop;
  Event slot_free;
  size_t handshakes = 0;
  uint64_t failed = 0;
  absl::Status end = absl::FailedPreconditionError("the listener is closed");
};

Task<void> Listener::State::AcceptAll(std::shared_ptr<State> state) {
  for (;;) {
    if (!(co_await state->WaitForRoom()).ok()) break;
    auto stream = co_await state->socket->Accept();
    if (!stream.ok()) {
      if (!absl::IsCancelled(stream.status())) state->end = stream.status();
      break;
    }
    ++state->handshakes;
    state->environment.scope->Spawn(WithStop(&state->stop, Upgrade(state, *std::move(stream))));
  }
  (void)state->socket->Close();
  state->accepted.Close();
}

Task<absl::Status> Listener::State::WaitForRoom() {
  while (handshakes == options.max_handshakes) {
    slot_free.Reset();
    absl::Status free = co_await slot_free.Wait();
    if (!free.ok()) co_return free;
  }
  co_return absl::OkStatus();
}

Task<void> Listener::State::Upgrade(std::shared_ptr<State> state, std::unique_ptr<Stream> stream) {
  Clock* clock = state->environment.clock;
  const Endpoint peer = stream->peer_address();
  const MonotonicTime by = clock->Now() + state->options.connection.handshake_grace;
  absl::StatusOr<Connection> connection = co_await Deadline(
      clock, by, ServeOver(state->environment, state->engine, std::move(stream), &state->options));
  if (connection.ok()) {
    (void)co_await state->accepted.Send(*std::move(connection));
  } else {
    state->OnFailed(peer, internal::NameHandshakeGrace(connection.status(), clock, by,
                                                       state->options.connection));
  }
  --state->handshakes;
  state->slot_free.Set();
}

void Listener::State::OnFailed(const Endpoint& peer, const absl::Status& why) {
  ++failed;
  if (options.observer != nullptr) options.observer->OnUpgradeFailed(peer, why);
}

void Listener::State::Close() {
  if (environment.scope->executor()->current() == nullptr) return;  // a crash: all die with it
  stop.RequestStop();
  accepted.Close();
}

absl::StatusOr<Listener> Listener::Listen(Environment environment, Network* network,
                                          const Endpoint& local, const ListenerOptions& options) {
  auto socket = network->Listen(local, options.socket);
  if (!socket.ok()) return socket.status();
  return Listener(environment, *std::move(socket), options);
}

Listener::Listener(Environment environment, std::unique_ptr<faultline::Listener> socket,
                   const ListenerOptions& options)
    : state_(std::make_shared<State>(environment, std::move(socket), options)) {
  environment.scope->Spawn(WithStop(&state_->stop, State::AcceptAll(state_)));
}

Listener& Listener::operator=(Listener&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}

Listener::~Listener() {
  if (state_ != nullptr) state_->Close();
}

Task<absl::StatusOr<Connection>> Listener::Accept() {
  absl::StatusOr<Connection> connection = co_await state_->accepted.Receive();
  if (absl::IsOutOfRange(connection.status())) co_return state_->end;
  co_return connection;
}

Endpoint Listener::local_address() const { return state_->local; }

absl::Status Listener::Close() {
  state_->Close();
  return absl::OkStatus();
}

uint64_t Listener::failed_upgrades() const { return state_->failed; }

// --- Connector ---

Connector::Connector(Environment environment, Network* network, const ConnectorOptions& options)
    : environment_(environment),
      network_(network),
      options_(options),
      engine_(std::make_shared<Engine>(environment.clock, environment.entropy, options.engine)) {}

Task<absl::StatusOr<Connection>> Connector::Connect(Endpoint peer) {
  auto stream = co_await network_->Connect(std::move(peer), options_.socket);
  if (!stream.ok()) co_return stream.status();
  Clock* clock = environment_.clock;
  const MonotonicTime by = clock->Now() + options_.connection.handshake_grace;
  auto connected =
      co_await Deadline(clock, by, AskOver(environment_, engine_, *std::move(stream), options_));
  if (connected.ok()) co_return connected;
  co_return internal::NameHandshakeGrace(connected.status(), clock, by, options_.connection);
}

}  // namespace faultline::websocket
