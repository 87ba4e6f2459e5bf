#include "sim/listener.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "runtime/check.h"
#include "sim/host.h"
#include "sim/stream.h"
#include "sim/tcp.h"

namespace faultline::sim {
namespace {

size_t BacklogOf(const ListenOptions& options, const HostLimits& limits) {
  int backlog = std::min(std::max(options.backlog, 0), limits.max_backlog);
  return static_cast<size_t>(backlog + 1);  // as Linux does
}

}  // namespace

// One accept at a time, however its frame ends; in a crash that may be after the listener's end.
struct SimListener::AcceptGuard {
  explicit AcceptGuard(SimListener* owner) : listener(owner) { owner->accepting_ = this; }
  AcceptGuard(const AcceptGuard&) = delete;
  AcceptGuard& operator=(const AcceptGuard&) = delete;
  ~AcceptGuard() {
    if (listener != nullptr) listener->accepting_ = nullptr;
  }
  SimListener* listener;
};

SimListener::SimListener(Process* process, const Endpoint& local, const ListenOptions& options)
    : process_(process), local_(local), options_(options) {
  process->host()->ports()->listeners()->Add(local, options.v6_only, this);
  if (local.family() == Endpoint::Family::kUnix) process->host()->ports()->AddUnixPath(local);
}

SimListener::~SimListener() {
  (void)Close();
  if (accepting_ != nullptr) accepting_->listener = nullptr;  // in a crash
}

// In a crash destructors run: no byte may leave, and the host's table of ports goes as a whole.
void SimListener::DieSilently() {
  for (TcpConnection* connection : std::exchange(half_open_, {})) connection->LeaveBacklog();
  for (TcpConnection* connection : std::exchange(queue_, {})) connection->LeaveBacklog();
}

absl::Status SimListener::Close() {
  if (std::exchange(closed_, true)) return absl::OkStatus();
  if (process_->crashing()) return DieSilently(), absl::OkStatus();
  FAULTLINE_CHECK(accepting_ == nullptr) << "close with an accept pending: stop and await it first";
  process_->host()->ports()->listeners()->Remove(local_);
  process_->host()->ports()->RemoveUnixPath(local_);
  process_->ReturnDescriptor();
  for (TcpConnection* connection : std::exchange(half_open_, {})) connection->ForgetHandshake();
  for (TcpConnection* connection : std::exchange(queue_, {})) connection->RefuseFromBacklog();
  process_->host()->NoteRoom();
  return absl::OkStatus();
}

bool SimListener::HasRoomForSyn(const HostLimits& limits) const {
  return half_open_.size() < BacklogOf(options_, limits) && HasRoomForAck(limits);
}

bool SimListener::HasRoomForAck(const HostLimits& limits) const {
  return queue_.size() < BacklogOf(options_, limits);
}

void SimListener::Enqueue(TcpConnection* connection) {
  std::erase(half_open_, connection);
  queue_.push_back(connection);
  readable_.Set();
}

void SimListener::Forget(TcpConnection* connection) {
  std::erase(half_open_, connection);
  process_->host()->NoteRoom();
}

std::unique_ptr<Stream> SimListener::TakeFirst() {
  TcpConnection* connection = queue_.front();
  queue_.pop_front();
  if (queue_.empty()) readable_.Reset();
  auto stream = std::make_unique<SimStream>(process_, connection, 1);
  connection->LeaveBacklog();
  process_->host()->NoteRoom();
  process_->host()->world()->Record(TraceKind::kAccepted, process_->host()->id(), connection->id());
  ApplyOptions(stream.get(), options_.stream);
  return stream;
}

Task<absl::StatusOr<std::unique_ptr<Stream>>> SimListener::Accept() {
  co_await TurnTaken();
  if (closed_) co_return absl::FailedPreconditionError("the listener is closed");
  FAULTLINE_CHECK(accepting_ == nullptr) << "one accept at a time";
  AcceptGuard guard(this);
  bool starved = false;
  while (true) {
    if ((co_await CurrentStop()).stop_requested()) co_return absl::CancelledError("stop requested");
    absl::Status ready = co_await readable_.Wait();
    if (!ready.ok()) co_return ready;
    if (process_->TakeDescriptor(starved)) co_return TakeFirst();
    starved = true;
    absl::Status freed = co_await process_->descriptor_free()->Wait();
    if (!freed.ok()) co_return freed;
  }
}

}  // namespace faultline::sim
