#include "sim/testing/lab.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "runtime/check.h"
#include "runtime/event.h"

namespace faultline::sim {
namespace {

std::span<std::byte> Writable(std::string* text) {
  return std::as_writable_bytes(std::span(*text));
}

Task<absl::StatusOr<std::string>> ReadOnce(Stream* stream, size_t size) {
  std::string buffer(size, '\0');
  absl::StatusOr<size_t> got = co_await stream->Read(Writable(&buffer));
  if (!got.ok()) co_return got.status();
  buffer.resize(*got);
  co_return buffer;
}

Task<absl::StatusOr<std::string>> ReadUpTo(Stream* stream, size_t size) {
  std::string all;
  std::string buffer(65536, '\0');
  while (all.size() < size) {
    size_t wanted = std::min(size - all.size(), buffer.size());
    absl::StatusOr<size_t> got = co_await stream->Read(Writable(&buffer).first(wanted));
    if (!got.ok()) co_return got.status();
    if (*got == 0) break;
    all.append(buffer, 0, *got);
  }
  co_return all;
}

Task<absl::StatusOr<size_t>> WriteOnce(Stream* stream, std::string bytes) {
  co_return co_await stream->Write(std::as_bytes(std::span(bytes)));
}

Task<absl::StatusOr<size_t>> WriteEverything(Stream* stream, std::string bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    absl::StatusOr<size_t> took =
        co_await stream->Write(std::as_bytes(std::span(bytes)).subspan(done));
    if (!took.ok()) co_return took;
    done += *took;
  }
  co_return done;
}

Task<absl::StatusOr<size_t>> SendOnce(DatagramSocket* socket, Endpoint to, std::string bytes,
                                      SendOptions options) {
  co_return co_await socket->SendTo(&to, std::as_bytes(std::span(bytes)), options);
}

Task<absl::StatusOr<Received>> ReceiveOnce(DatagramSocket* socket, size_t size) {
  Received received;
  received.bytes.resize(size);
  absl::StatusOr<size_t> got =
      co_await socket->ReceiveFrom(Writable(&received.bytes), &received.info);
  if (!got.ok()) co_return got.status();
  received.bytes.resize(*got);
  co_return received;
}

Task<absl::StatusOr<bool>> SleepOnce(Clock* clock, Duration duration) {
  absl::Status slept = co_await clock->SleepFor(duration);
  if (!slept.ok()) co_return slept;
  co_return true;
}

}  // namespace

std::string Pattern(size_t size) {
  std::string text(size, '\0');
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 7 + i / 251);
  return text;
}

// --- Agent ---

Agent::Life::Life(Agent* owner, const TaskInfo& info) : agent(owner), scope(info) {
  owner->life_ = this;
}

Agent::Agent(Lab* lab, Host* host) : lab_(lab), host_(host) {
  host->Boot([this](const Runtime&) { return Main(this); });
  lab->Settle();
}

Task<void> Agent::Main(Agent* agent) {
  Life life(agent, co_await ThisTask());
  Event never;
  (void)co_await never.Wait();
  co_await life.scope.Join();
}

void Agent::Restart() {
  host_->Restart();
  lab_->Settle();
}

Agent::Life* Agent::life() const {
  FAULTLINE_CHECK(life_ != nullptr) << "the process of this agent is not running";
  return life_;
}

Stream* Agent::Keep(std::unique_ptr<Stream> stream) {
  life()->streams.push_back(std::move(stream));
  return life()->streams.back().get();
}

absl::StatusOr<Listener*> Agent::TryListen(const Endpoint& local, const ListenOptions& options) {
  absl::StatusOr<std::unique_ptr<Listener>> listener = runtime().network->Listen(local, options);
  if (!listener.ok()) return listener.status();
  life()->listeners.push_back(*std::move(listener));
  return life()->listeners.back().get();
}

Listener* Agent::Listen(const Endpoint& local, const ListenOptions& options) {
  absl::StatusOr<Listener*> listener = TryListen(local, options);
  FAULTLINE_CHECK(listener.ok()) << listener.status().ToString();
  return *listener;
}

absl::StatusOr<DatagramSocket*> Agent::TryBind(const Endpoint& local, const BindOptions& options) {
  absl::StatusOr<std::unique_ptr<DatagramSocket>> socket = runtime().network->Bind(local, options);
  if (!socket.ok()) return socket.status();
  life()->sockets.push_back(*std::move(socket));
  return life()->sockets.back().get();
}

DatagramSocket* Agent::Bind(const Endpoint& local, const BindOptions& options) {
  absl::StatusOr<DatagramSocket*> socket = TryBind(local, options);
  FAULTLINE_CHECK(socket.ok()) << socket.status().ToString();
  return *socket;
}

Task<absl::StatusOr<Stream*>> Agent::AcceptOne(Agent* agent, Listener* listener) {
  absl::StatusOr<std::unique_ptr<Stream>> stream = co_await listener->Accept();
  if (!stream.ok()) co_return stream.status();
  co_return agent->Keep(*std::move(stream));
}

Task<absl::StatusOr<Stream*>> Agent::ConnectTo(Agent* agent, Endpoint to, ConnectOptions options) {
  absl::StatusOr<std::unique_ptr<Stream>> stream =
      co_await agent->runtime().network->Connect(to, options);
  if (!stream.ok()) co_return stream.status();
  co_return agent->Keep(*std::move(stream));
}

Job<Stream*> Agent::Accept(Listener* listener) { return Start(AcceptOne(this, listener)); }

Job<Stream*> Agent::Connect(const Endpoint& to, const ConnectOptions& options) {
  return Start(ConnectTo(this, to, options));
}

Job<std::string> Agent::Read(Stream* stream, size_t size) { return Start(ReadOnce(stream, size)); }

Job<std::string> Agent::ReadAll(Stream* stream, size_t size) {
  return Start(ReadUpTo(stream, size));
}

Job<size_t> Agent::Write(Stream* stream, std::string bytes) {
  return Start(WriteOnce(stream, std::move(bytes)));
}

Job<size_t> Agent::WriteAll(Stream* stream, std::string bytes) {
  return Start(WriteEverything(stream, std::move(bytes)));
}

Job<size_t> Agent::Send(DatagramSocket* socket, const Endpoint& to, std::string bytes,
                        SendOptions options) {
  return Start(SendOnce(socket, to, std::move(bytes), options));
}

Job<Received> Agent::Receive(DatagramSocket* socket, size_t size) {
  return Start(ReceiveOnce(socket, size));
}

Job<bool> Agent::Sleep(Duration duration) { return Start(SleepOnce(runtime().clock, duration)); }

void Agent::Drop(Stream* stream) {
  std::erase_if(life()->streams, [stream](const auto& kept) { return kept.get() == stream; });
}

void Agent::WindDown() {
  if (life_ == nullptr) return;
  for (const auto& job : jobs_) {
    if (std::shared_ptr<StopSource> stop = job.lock()) stop->RequestStop();
  }
  lab_->Settle();
  for (auto& stream : life_->streams) (void)stream->Close();
  for (auto& listener : life_->listeners) (void)listener->Close();
  for (auto& socket : life_->sockets) (void)socket->Close();
}

// --- Lab ---

Lab::Lab(const WorldConfig& config) : world_(config) { world_.trace()->SetSink(&recorder_); }

Agent* Lab::AddAgent(const HostConfig& config) {
  agents_.push_back(std::make_unique<Agent>(this, world_.AddHost(config)));
  return agents_.back().get();
}

void Lab::Settle() { (void)world_.Run({.until = now(), .max_events = 0}); }

void Lab::AdvanceTo(Duration when) {
  world_.At(MonotonicTime(when), [] {});  // time goes on although nothing may happen
  (void)world_.Run({.until = when});
}

bool Lab::StepUntil(Duration end) {
  Verdict verdict = world_.Run({.until = end, .max_events = 1});
  return verdict.kind == VerdictKind::kBound && now() < end;
}

std::pair<Stream*, Stream*> Lab::Connect(Agent* client, Agent* server, uint16_t port, Plane plane) {
  Listener* listener = server->Listen(server->At(port, plane));
  Job<Stream*> accepting = server->Accept(listener);
  absl::StatusOr<Stream*> connected = Await(client->Connect(server->At(port, plane)));
  absl::StatusOr<Stream*> accepted = Await(accepting);
  FAULTLINE_CHECK(connected.ok() && accepted.ok()) << "the two hosts do not connect";
  (void)listener->Close();
  return {*connected, *accepted};
}

Lab::Bites Lab::bites() const {
  Bites bites;
  for (size_t i = 0; i < kFaultCount; ++i) {
    Fault fault = static_cast<Fault>(i);
    uint64_t count = world_.effects().bites(fault);
    if (count > 0) bites[std::string(FaultName(fault))] = count;
  }
  return bites;
}

std::vector<TraceRecord> Lab::Records(TraceKind kind, uint32_t host) const {
  std::vector<TraceRecord> found;
  for (const TraceRecord& record : recorder_.records) {
    if (record.kind == kind && (host == kNoHost || record.host == host)) found.push_back(record);
  }
  return found;
}

void Lab::ExpectNothingLeft() {
  for (auto& agent : agents_) agent->WindDown();
  Advance(1h);
  EXPECT_EQ(world_.connection_count(), 0u);
  for (auto& agent : agents_) {
    if (agent->host()->up()) EXPECT_EQ(agent->host()->process()->descriptors(), 3u);
  }
}

}  // namespace faultline::sim
