// Lab: a simulated world whose sockets a test drives from the outside, line by line.
//
//   Lab lab;
//   Agent* client = lab.AddAgent();
//   Agent* server = lab.AddAgent();
//   Listener* listener = server->Listen(server->At(80));
//   Job<Stream*> accepting = server->Accept(listener);
//   Stream* stream = *lab.Await(client->Connect(server->At(80)));
//   lab.Advance(500us);
//   EXPECT_TRUE(accepting.done());
//
// Tests only. An agent is a host with a process that does what the test asks for: each request is a
// task of that process, begun at once, and a `Job` tells what became of it. Sockets belong to the
// process, so that a crash destroys them as it should. `Advance` and `Await` let virtual time pass;
// nothing else does.
#ifndef FAULTLINE_SIM_TESTING_LAB_H_
#define FAULTLINE_SIM_TESTING_LAB_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/network.h"
#include "runtime/runtime.h"
#include "runtime/scope.h"
#include "runtime/stop.h"
#include "sim/config.h"
#include "sim/host.h"
#include "sim/trace.h"
#include "sim/world.h"

namespace faultline::sim {

class Lab;

// A request of the test's that a process works on. A copy is the same job.
template <typename T>
class Job {
 public:
  bool done() const { return state_->result.has_value(); }
  // Of a job that is done.
  const absl::StatusOr<T>& result() const { return *state_->result; }
  absl::Status status() const { return result().status(); }
  void Cancel() { state_->stop.RequestStop(); }

 private:
  friend class Agent;
  struct State {
    std::optional<absl::StatusOr<T>> result;
    StopSource stop;
  };
  // A state is shared by the test and the process, either of which may go first.
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

struct Received {
  std::string bytes;
  DatagramInfo info;
};

class Agent {
 public:
  Agent(Lab* lab, Host* host);
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  Host* host() const { return host_; }
  const Runtime& runtime() const { return host_->process()->runtime(); }
  // Where it listens or is found.
  Endpoint At(uint16_t port, Plane plane = Plane::kClient) const {
    return host_->Address(plane, port);
  }

  void Crash() { host_->Crash(); }
  void Restart();

  // --- Requests; the process must be up ---
  template <typename T>
  Job<T> Start(Task<absl::StatusOr<T>> task);

  // Fails the test if it cannot.
  Listener* Listen(const Endpoint& local, const ListenOptions& options = {});
  absl::StatusOr<Listener*> TryListen(const Endpoint& local, const ListenOptions& options = {});
  DatagramSocket* Bind(const Endpoint& local, const BindOptions& options = {});
  absl::StatusOr<DatagramSocket*> TryBind(const Endpoint& local, const BindOptions& options = {});
  Job<Stream*> Accept(Listener* listener);
  Job<Stream*> Connect(const Endpoint& to, const ConnectOptions& options = {});
  // One read of up to `size` bytes.
  Job<std::string> Read(Stream* stream, size_t size = 65536);
  // Reads until it has `size` bytes, or to the end of the stream.
  Job<std::string> ReadAll(Stream* stream, size_t size = SIZE_MAX);
  // One write.
  Job<size_t> Write(Stream* stream, std::string bytes);
  Job<size_t> WriteAll(Stream* stream, std::string bytes);
  Job<size_t> Send(DatagramSocket* socket, const Endpoint& to, std::string bytes,
                   SendOptions options = {});
  Job<Received> Receive(DatagramSocket* socket, size_t size = 65536);
  Job<bool> Sleep(Duration duration);
  // Destroys the stream without closing it.
  void Drop(Stream* stream);

  // Ends every job and closes every socket in order. No more requests after it.
  void WindDown();

 private:
  friend class Lab;
  // What an incarnation owns.
  struct Life {
    explicit Life(Agent* owner, const TaskInfo& info);
    ~Life() { agent->life_ = nullptr; }

    Agent* const agent;
    std::vector<std::unique_ptr<Stream>> streams;
    std::vector<std::unique_ptr<Listener>> listeners;
    std::vector<std::unique_ptr<DatagramSocket>> sockets;
    Scope scope;  // last: tasks die before what they use
  };

  static Task<void> Main(Agent* agent);
  Life* life() const;
  Stream* Keep(std::unique_ptr<Stream> stream);
  template <typename T>
  static Task<void> Work(std::shared_ptr<typename Job<T>::State> state,
                         Task<absl::StatusOr<T>> task);
  static Task<absl::StatusOr<Stream*>> AcceptOne(Agent* agent, Listener* listener);
  static Task<absl::StatusOr<Stream*>> ConnectTo(Agent* agent, Endpoint to, ConnectOptions options);

  Lab* const lab_;
  Host* const host_;
  Life* life_ = nullptr;
  std::vector<std::weak_ptr<StopSource>> jobs_;
};

class Lab {
 public:
  explicit Lab(const WorldConfig& config = {});
  Lab(const Lab&) = delete;
  Lab& operator=(const Lab&) = delete;

  World* world() { return &world_; }
  // A host whose process has started.
  Agent* AddAgent(const HostConfig& config = {});
  Agent* agent(size_t index) { return agents_[index].get(); }

  // Since the beginning of the world.
  Duration now() const { return world_.now().time_since_epoch(); }
  void Advance(Duration duration) { AdvanceTo(now() + duration); }
  void AdvanceTo(Duration when);
  // Runs what is ready, without time passing.
  void Settle();

  // Runs until `job` is done, event by event. DeadlineExceeded if it is not within `limit`.
  template <typename T>
  absl::StatusOr<T> Await(const Job<T>& job, Duration limit = 1h) {
    const Duration end = now() + limit;
    while (!job.done() && StepUntil(end)) {
    }
    if (!job.done()) return absl::DeadlineExceededError("still waiting");
    return job.result();
  }

  // Two connected ends: of `client`, and of `server`, which listens at `port` for the moment.
  std::pair<Stream*, Stream*> Connect(Agent* client, Agent* server, uint16_t port = 80,
                                      Plane plane = Plane::kClient);

  // The families of faults that bit, by name, and how often.
  using Bites = std::map<std::string, uint64_t>;
  Bites bites() const;

  // What happened, optionally on one host.
  std::vector<TraceRecord> Records(TraceKind kind, uint32_t host = kNoHost) const;
  size_t Count(TraceKind kind, uint32_t host = kNoHost) const { return Records(kind, host).size(); }

  // Closes everything in order, waits, and fails the test if a connection or a descriptor is left.
  void ExpectNothingLeft();

 private:
  struct Recorder final : TraceSink {
    void OnRecord(const TraceRecord& record) override { records.push_back(record); }
    std::vector<TraceRecord> records;
  };

  bool StepUntil(Duration end);

  Recorder recorder_;
  std::vector<std::unique_ptr<Agent>> agents_;
  World world_;  // last: processes die before what they tell
};

// `size` bytes that differ from their neighbours, as text.
std::string Pattern(size_t size);

// --- Inside ---

template <typename T>
Task<void> Agent::Work(std::shared_ptr<typename Job<T>::State> state,
                       Task<absl::StatusOr<T>> task) {
  absl::StatusOr<T> result = co_await WithStop(&state->stop, std::move(task));
  state->result.emplace(std::move(result));
}

template <typename T>
Job<T> Agent::Start(Task<absl::StatusOr<T>> task) {
  Job<T> job;
  jobs_.push_back(std::shared_ptr<StopSource>(job.state_, &job.state_->stop));
  life()->scope.Spawn(Work<T>(job.state_, std::move(task)));
  lab_->Settle();
  return job;
}

}  // namespace faultline::sim

#endif  // FAULTLINE_SIM_TESTING_LAB_H_
