#include "sim/world.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/check.h"
#include "runtime/engine/environment.h"
#include "sim/host.h"
#include "sim/tcp.h"

namespace faultline::sim {
namespace {

constexpr uint32_t kTurnsBetweenEvents = 256;
constexpr size_t kManyEvents = 64;    // with fewer pending, all of their actors are in the caches
constexpr size_t kFetchInterval = 2;  // events between two hints for the same actor

constexpr std::string_view kVerdictNames[] = {"passed", "invariant broken", "deadlock", "livelock",
                                              "bound exceeded"};

std::unique_ptr<SchedulingPolicy> MakePolicy(const WorldConfig& config, Choices* choices) {
  switch (config.scheduling) {
    case Scheduling::kFifo:
      return nullptr;
    case Scheduling::kRandom:
      return std::make_unique<RandomPolicy>(choices);
    case Scheduling::kPct:
      return std::make_unique<PctPolicy>(choices, config.pct_depth, config.pct_steps);
  }
  return nullptr;
}

uint64_t PathKey(uint32_t from, uint32_t to, Plane plane) {
  return uint64_t{from} << 32 | uint64_t{to} << 8 | static_cast<uint64_t>(plane);
}

bool Contains(const std::vector<uint32_t>& hosts, uint32_t host) {
  return std::find(hosts.begin(), hosts.end(), host) != hosts.end();
}

}  // namespace

std::string_view VerdictName(VerdictKind kind) { return kVerdictNames[static_cast<size_t>(kind)]; }

std::string Verdict::ToString() const {
  std::string_view name = VerdictName(kind);
  std::string text =
      absl::StrCat(absl::string_view(name.data(), name.size()), " at ", FormatSeconds(time));
  if (!status.ok()) absl::StrAppend(&text, ": ", status.message());
  return text;
}

// An action of the scenario's. Owns itself.
class World::Callback final : public Actor {
 public:
  explicit Callback(std::function<void()> action) : action_(std::move(action)) {}
  void Fire() override {
    std::function<void()> action = std::move(action_);
    delete this;
    action();
  }
  void OnQueueDestroyed() override { delete this; }

 private:
  std::function<void()> action_;
};

World::World(const WorldConfig& config)
    : config_(config),
      choices_(config.seed, config.record_on, config.replay_from),
      policy_(MakePolicy(config, &choices_)),
      ready_(policy_.get()) {
  for (const LinkConfig& link : config_.links) ConfigureFaultsOf(link);
}

// Processes first, all of them: what they leave behind still looks at both hosts.
World::~World() {
  for (const auto& host : hosts_) host->PowerOff();
  hosts_.clear();
}

Host* World::AddHost(const HostConfig& config) {
  FAULTLINE_CHECK(hosts_.size() < 65'535) << "addresses for 65,535 hosts";
  uint32_t id = static_cast<uint32_t>(hosts_.size());
  trace_.AddHost();
  hosts_.push_back(std::make_unique<Host>(this, id, config));
  return hosts_.back().get();
}

void World::Fail(absl::Status invariant) {
  FAULTLINE_CHECK(!invariant.ok()) << "a broken invariant has a description";
  if (invariant_.ok()) invariant_ = std::move(invariant);
}

void World::At(MonotonicTime when, std::function<void()> action) {
  events_.Schedule(new Callback(std::move(action)), std::max(when, now_));
}

bool World::CountTurn() { return ++turns_this_instant_ <= config_.max_turns_an_instant; }

// Until nobody is ready. Tasks that go on without end (each makes itself or another ready again)
// let what is due at this instant happen between their turns, as a loop's turn does.
void World::RunReady() {
  for (uint32_t turns = 0; !stopping_ && invariant_.ok(); ++turns) {
    if (turns >= kTurnsBetweenEvents && !events_.empty() && events_.next_time() <= now_) return;
    Resumable* next = ready_.Pop();
    if (next == nullptr || !CountTurn()) return;
    TaskContext* task = next->task();
    Executor* executor = task->executor;
    Record(TraceKind::kRun, executor->label(), task->id);
    executor->Resume(next);
  }
}

Verdict World::Conclude(VerdictKind kind, absl::Status status, uint64_t events) const {
  return {kind, now_, std::move(status), events};
}

// The verdict that holds between two events, if there is one.
std::optional<Verdict> World::Ended(uint64_t events) {
  if (!invariant_.ok()) return Conclude(VerdictKind::kInvariant, invariant_, events);
  if (stopping_) {
    stopping_ = false;
    return Conclude(VerdictKind::kPassed, absl::OkStatus(), events);
  }
  if (turns_this_instant_ > config_.max_turns_an_instant) {
    return Conclude(VerdictKind::kLivelock,
                    absl::ResourceExhaustedError(
                        absl::StrCat(config_.max_turns_an_instant, " turns without time passing")),
                    events);
  }
  if (!events_.empty()) return std::nullopt;
  absl::Status waiting = DescribeDeadlock();
  return Conclude(waiting.ok() ? VerdictKind::kPassed : VerdictKind::kDeadlock, waiting, events);
}

absl::Status World::DescribeDeadlock() const {
  std::string waiting;
  for (const auto& host : hosts_) {
    if (host->up() && host->process()->live_tasks() > 0) {
      absl::StrAppend(&waiting, waiting.empty() ? "" : ", ", "host ", host->id(),
                      host->name().empty() ? "" : " ", host->name());
    }
  }
  if (waiting.empty()) return absl::OkStatus();
  return absl::DeadlineExceededError(
      absl::StrCat("tasks wait and nothing is left to happen, on: ", waiting));
}

// The events to come are known, and most of them do not depend on each other: while one is handled,
// the memory of those after it is on its way. An actor's own first, then what that points to: each
// hint follows pointers that have arrived, so that it waits for nothing. A processor has room for
// about sixteen lines under way; all at once they would wait for each other, and what nobody could
// foresee for all of them. So they are spread: before an event, before the tasks that it wakes, and
// where these have written and read (`FetchOn`). Nobody is asked for twice in a row: who is next
// behind a few busy ones may be idle for hours. Hints change nothing.
void World::FetchAhead(int first_depth, int last_depth) {
  if (events_.size() < kManyEvents) return;
  for (int depth = first_depth; depth <= last_depth; ++depth) {
    const size_t ahead = static_cast<size_t>(Actor::kFetchDepth - depth + 1) * kFetchInterval;
    const Actor* actor = events_.Upcoming(ahead);
    if (actor == nullptr || actor == hinted_[static_cast<size_t>(depth)]) continue;
    hinted_[static_cast<size_t>(depth)] = actor;
    if (depth == 0) {
      FetchLines(actor, kCacheLine);
    } else {
      actor->Fetch(depth);
    }
  }
}

Verdict World::Run(const RunLimits& limits) {
  const engine::KernelRefused kernel_refused;
  const MonotonicTime end = MonotonicTime(limits.until);
  uint64_t fired = 0;
  while (true) {
    FetchAhead(2, 3);
    next_hint_ = events_.size() < kManyEvents ? kNoHint : 4;
    RunReady();
    if (!graveyard_.empty()) ClearGraveyard();
    if (std::optional<Verdict> verdict = Ended(fired)) return *std::move(verdict);
    MonotonicTime next = events_.next_time();
    if (next > end || fired == limits.max_events) {
      if (next > end) now_ = std::max(now_, end);
      return Conclude(VerdictKind::kBound,
                      absl::DeadlineExceededError(next > end ? "the time is used up"
                                                             : "the number of events is used up"),
                      fired);
    }
    if (next > now_) {
      now_ = next;
      turns_this_instant_ = 0;
    }
    ++fired;
    CountTurn();
    FetchAhead(next_hint_, Actor::kFetchDepth);
    next_hint_ = kNoHint;
    FetchAhead(0, 1);
    events_.Pop()->Fire();
  }
}

Path* World::PathBetween(uint32_t from, uint32_t to, Plane plane) {
  Path*& path = paths_[PathKey(from, to, plane)];
  if (path != nullptr) return path;
  path_order_.push_back(std::make_unique<Path>(from, to, plane, &link(plane), &effects_));
  path = path_order_.back().get();
  for (const std::optional<Cut>& cut : cuts_) {
    if (cut.has_value() && Cuts(*cut, *path)) path->Block(cut->how, cut->symmetric);
  }
  return path;
}

// What a link does to packets beyond delaying them, whoever asked for it.
void World::ConfigureFaultsOf(const LinkConfig& link) {
  if (link.loss.numerator > 0) effects_.Configure(Fault::kLoss);
  if (link.duplicate.numerator > 0) effects_.Configure(Fault::kDuplication);
  if (link.reorder.numerator > 0) effects_.Configure(Fault::kReordering);
  if (link.corrupt.numerator > 0) effects_.Configure(Fault::kCorruption);
  if (link.bytes_per_second > 0) effects_.Configure(Fault::kBandwidth);
}

void World::SetLink(Plane plane, const LinkConfig& link) {
  ConfigureFaultsOf(link);
  LinkConfig& shared = config_.links[static_cast<size_t>(plane)];
  shared = link;
  for (const auto& path : path_order_) {
    if (path->plane() == plane) path->ShareLink(&shared);
  }
}

void World::SetLink(uint32_t from, uint32_t to, Plane plane, const LinkConfig& link) {
  ConfigureFaultsOf(link);
  PathBetween(from, to, plane)->SetLink(link);
}

void World::EditLink(uint32_t from, uint32_t to, Plane plane,
                     const std::function<void(LinkConfig*)>& edit) {
  Path* path = PathBetween(from, to, plane);
  LinkConfig link = path->link();
  edit(&link);
  ConfigureFaultsOf(link);
  path->SetLink(link);
}

bool World::Cuts(const Cut& cut, const Path& path) const {
  if (!cut.planes[static_cast<size_t>(path.plane())]) return false;
  if (Contains(cut.from, path.from()) && Contains(cut.to, path.to())) return true;
  return cut.symmetric && Contains(cut.to, path.from()) && Contains(cut.from, path.to());
}

void World::ForEachPath(const Cut& cut, const std::function<void(Path*)>& visit) {
  // By index: whoever is told may make new paths.
  for (size_t i = 0, count = path_order_.size(); i < count; ++i) {
    if (Cuts(cut, *path_order_[i])) visit(path_order_[i].get());
  }
}

Fault World::FamilyOf(const Cut& cut) {
  if (cut.how == Passage::kHold) return Fault::kHold;
  return cut.symmetric ? Fault::kPartition : Fault::kOneWayPartition;
}

uint32_t World::Partition(const Cut& cut) {
  const Fault family = FamilyOf(cut);
  effects_.Configure(family);
  uint32_t id = static_cast<uint32_t>(cuts_.size());
  Record(TraceKind::kFault, kNoHost, static_cast<uint64_t>(family), id, kFaultBegins);
  cuts_.push_back(cut);
  ForEachPath(cut, [&cut](Path* path) { path->Block(cut.how, cut.symmetric); });
  return id;
}

void World::Heal(uint32_t partition) {
  FAULTLINE_CHECK(partition < cuts_.size() && cuts_[partition].has_value()) << "no such partition";
  Cut cut = *std::exchange(cuts_[partition], std::nullopt);
  Record(TraceKind::kFault, kNoHost, static_cast<uint64_t>(FamilyOf(cut)), partition, kFaultEnds);
  ForEachPath(cut, [&cut](Path* path) { path->Unblock(cut.how, cut.symmetric); });
}

void World::Clog(uint32_t from, uint32_t to, Plane plane, Duration extra) {
  effects_.Configure(Fault::kClog);
  Record(TraceKind::kFault, from, static_cast<uint64_t>(Fault::kClog),
         static_cast<uint64_t>(extra.count()),
         extra == Duration::zero() ? kFaultEnds : kFaultBegins);
  PathBetween(from, to, plane)->SetClog(extra);
}

void World::ResetConnections(uint32_t a, uint32_t b, Plane plane) {
  effects_.Configure(Fault::kReset);
  // From the end: a connection that is buried is replaced by the last one, which was visited
  // already.
  for (size_t i = connections_.size(); i > 0; --i) connections_[i - 1]->ResetIfBetween(a, b, plane);
}

void World::FollowLimits(const Host* host) {
  for (const auto& connection : connections_) {
    for (int side = 0; side < 2; ++side) {
      if (connection->end(side).host == host) connection->FollowLimits(side, host->config().limits);
    }
  }
}

World::Located World::Locate(const Endpoint& address, Host* self) {
  const auto& bytes = address.address();
  if (address.family() == Endpoint::Family::kUnix) return {self, Plane::kLoopback};
  uint32_t number = 0;
  uint8_t plane = 0;
  if (address.family() == Endpoint::Family::kIpv4) {
    if (bytes[0] == 127 || address.is_any()) return {self, Plane::kLoopback};
    if (bytes[0] != 10) return {};
    plane = bytes[1];
    number = uint32_t{bytes[2]} << 8 | bytes[3];
  } else {
    if (address == Endpoint::Ipv6Loopback(address.port()) || address.is_any())
      return {self, Plane::kLoopback};
    if (bytes[0] != 0xfd) return {};
    plane = bytes[3];
    number = uint32_t{bytes[14]} << 8 | bytes[15];
  }
  if (number == 0 || number > hosts_.size() || plane > static_cast<uint8_t>(Plane::kClient))
    return {};
  Host* host = hosts_[number - 1].get();
  bool v6 = address.family() == Endpoint::Family::kIpv6;
  if (v6 && address != host->Ipv6Address(static_cast<Plane>(plane), address.port())) return {};
  return {host, host == self ? Plane::kLoopback : static_cast<Plane>(plane)};
}

TcpConnection* World::Adopt(std::unique_ptr<TcpConnection> connection) {
  connection->set_index(connections_.size());
  connections_.push_back(std::move(connection));
  return connections_.back().get();
}

void World::Bury(TcpConnection* connection) {
  size_t index = connection->index();
  graveyard_.push_back(std::move(connections_[index]));
  if (index + 1 != connections_.size()) {
    connections_[index] = std::move(connections_.back());
    connections_[index]->set_index(index);
  }
  connections_.pop_back();
}

void World::ClearGraveyard() { graveyard_.clear(); }

}  // namespace faultline::sim
