#include "sim/shards.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "runtime/check.h"
#include "runtime/frozen.h"
#include "runtime/scope.h"
#include "runtime/stop.h"
#include "sim/choices.h"
#include "sim/event_queue.h"
#include "sim/host.h"
#include "sim/random.h"
#include "sim/world.h"

namespace faultline::sim {
namespace {

enum : uint64_t { kMailTag = 0x3a11, kRandomTag = 0x3a12, kEntropyTag = 0x3a13, kNewsTag = 0x3a14 };

// Task numbers of a shard begin behind these: a trace tells whose a task is.
constexpr uint64_t TasksBefore(uint32_t shard) { return uint64_t{shard} << 40; }

class Shards;

// What one shard sends to another.
//
// Invariants
//  1. `letters_` are in the order of the sends, and of their arrivals; the first `arrived_` of them
//     can be received.
//  2. This is queued for the first one that has not arrived, if there is one.
class Mailbox final : public Actor {
 public:
  Mailbox(Shards* shards, uint32_t from, uint32_t to);

  ShardLink::Push TryPush(Parcel* parcel, bool await_room);
  bool TryPop(Parcel* into);
  void Close();
  // Everything arrives now: nobody is left to send.
  void Flush() { arrived_ = letters_.size(); }

  void Fire() override;

 private:
  struct Letter {
    MonotonicTime arrival;
    Parcel parcel;
  };
  // The sender hears that there is room, or an end.
  struct RoomNews final : Actor {
    void Fire() override;
    Mailbox* mailbox = nullptr;
  };

  uint64_t name() const { return uint64_t{from_} << 16 | to_; }
  MonotonicTime Later();
  void TellSender();

  Shards* const shards_;
  const uint32_t from_;
  const uint32_t to_;
  Chooser chooser_;
  std::deque<Letter> letters_;
  size_t arrived_ = 0;
  uint64_t sent_ = 0;
  uint64_t delivered_ = 0;
  MonotonicTime last_arrival_{};
  bool room_wanted_ = false;
  bool closed_ = false;
  RoomNews news_;
};

class Link final : public ShardLink {
 public:
  Link(Shards* shards, uint32_t index) : shards_(shards), index_(index) {}
  Push TryPush(uint32_t to, Parcel* parcel, bool await_room) override;
  bool TryPop(uint32_t from, Parcel* into) override;
  void Close() override;
  void RequestStop() override;

 private:
  Shards* const shards_;
  const uint32_t index_;
};

// One shard.
struct Member {
  Member(Shards* shards, Process* process, uint32_t index, uint32_t count, StopToken parent);
  Runtime MakeRuntime(Process* process, uint32_t index);

  // A stop that somebody has asked for arrives.
  struct StopNews final : Actor {
    void Fire() override { stop->RequestStop(); }
    StopSource* stop = nullptr;
  };

  std::optional<Executor> executor;  // none of shard 0: that is the process's
  ChoiceRandom random;
  ChoiceEntropy entropy;
  BufferPool buffers;
  Chooser chooser;
  StopSource stop;
  StopNews news;
  Link link;
  Shard shard;
  absl::Status status;
};

class Shards {
 public:
  Shards(Process* process, const ShardsOptions& options, StopToken parent);
  Shards(const Shards&) = delete;
  Shards& operator=(const Shards&) = delete;
  ~Shards();

  World* world() const { return process_->host()->world(); }
  Process* process() const { return process_; }
  const ShardsOptions& options() const { return options_; }
  Mailbox* mailbox(uint32_t from, uint32_t to) {
    return mailboxes_[from * options_.count + to].get();
  }
  Shard* shard(uint32_t index) { return &members_[index]->shard; }
  void Record(TraceKind kind, uint64_t a, uint64_t b) const {
    world()->Record(kind, process_->host()->id(), a, b);
  }

  void RequestStop();
  Task<ShardsReport> Run(const ShardMain* main);

 private:
  Task<void> Live(Member* member, const ShardMain* main);

  Process* const process_;
  const ShardsOptions options_;
  bool stop_requested_ = false;
  std::vector<std::unique_ptr<Mailbox>> mailboxes_;
  std::vector<std::unique_ptr<Member>> members_;
  std::deque<Scope> scopes_;  // of the members; last: frames die before what they use
};

// --- Mailbox ---

Mailbox::Mailbox(Shards* shards, uint32_t from, uint32_t to)
    : shards_(shards),
      from_(from),
      to_(to),
      chooser_(shards->world()->choices(),
               ChooserId({kMailTag, shards->process()->host()->id(),
                          shards->process()->incarnation(), from, to})) {
  news_.mailbox = this;
}

MonotonicTime Mailbox::Later() {
  return shards_->world()->now() + shards_->options().passage.Sample(&chooser_, Choice::kMailbox);
}

ShardLink::Push Mailbox::TryPush(Parcel* parcel, bool await_room) {
  if (closed_) return ShardLink::Push::kEnded;
  if (letters_.size() >= shards_->options().mailbox_capacity) {
    room_wanted_ = room_wanted_ || await_room;
    return ShardLink::Push::kFull;
  }
  shards_->Record(TraceKind::kMailSend, name(), ++sent_);
  last_arrival_ = std::max(last_arrival_, Later());
  letters_.push_back({last_arrival_, std::move(*parcel)});
  if (!queued()) shards_->world()->events()->Schedule(this, last_arrival_);
  return ShardLink::Push::kTaken;
}

void Mailbox::Fire() {
  World* world = shards_->world();
  while (arrived_ < letters_.size() && letters_[arrived_].arrival <= world->now()) {
    ++arrived_;
    shards_->Record(TraceKind::kMailDeliver, name(), ++delivered_);
  }
  if (arrived_ < letters_.size()) world->events()->Schedule(this, letters_[arrived_].arrival);
  shards_->shard(to_)->Look();
}

bool Mailbox::TryPop(Parcel* into) {
  if (arrived_ == 0) return false;
  *into = std::move(letters_.front().parcel);
  letters_.pop_front();
  --arrived_;
  if (room_wanted_) TellSender();
  return true;
}

void Mailbox::Close() {
  closed_ = true;
  if (room_wanted_) TellSender();
}

void Mailbox::TellSender() {
  room_wanted_ = false;
  if (!news_.queued()) shards_->world()->events()->Schedule(&news_, Later());
}

void Mailbox::RoomNews::Fire() { mailbox->shards_->shard(mailbox->from_)->Look(); }

// --- Link ---

ShardLink::Push Link::TryPush(uint32_t to, Parcel* parcel, bool await_room) {
  return shards_->mailbox(index_, to)->TryPush(parcel, await_room);
}

bool Link::TryPop(uint32_t from, Parcel* into) {
  return shards_->mailbox(from, index_)->TryPop(into);
}

void Link::Close() {
  for (uint32_t from = 0; from < shards_->options().count; ++from) {
    shards_->mailbox(from, index_)->Close();
  }
}

void Link::RequestStop() { shards_->RequestStop(); }

// --- Members ---

uint64_t IdOf(uint64_t tag, const Process& process, uint32_t shard) {
  return ChooserId({tag, process.host()->id(), process.incarnation(), shard});
}

Runtime Member::MakeRuntime(Process* process, uint32_t index) {
  Runtime runtime = process->runtime();
  if (index == 0) return runtime;
  const Host* host = process->host();
  runtime.executor = &executor.emplace(host->world()->ready(), host->id(), TasksBefore(index));
  runtime.random = &random;
  runtime.entropy = &entropy;
  runtime.buffers = &buffers;
  return runtime;
}

Member::Member(Shards* shards, Process* process, uint32_t index, uint32_t count, StopToken parent)
    : random(process->host()->world()->choices(), IdOf(kRandomTag, *process, index)),
      entropy(process->host()->world()->choices(), IdOf(kEntropyTag, *process, index)),
      chooser(process->host()->world()->choices(), IdOf(kNewsTag, *process, index)),
      stop(parent),
      link(shards, index),
      shard(index, count, MakeRuntime(process, index), &link) {
  news.stop = &stop;
}

// --- All of them ---

Shards::Shards(Process* process, const ShardsOptions& options, StopToken parent)
    : process_(process), options_(options) {
  FAULTLINE_CHECK(options.count >= 1 && options.mailbox_capacity >= 1)
      << "there is a shard, and room for a parcel";
  for (uint32_t from = 0; from < options.count; ++from) {
    for (uint32_t to = 0; to < options.count; ++to) {
      mailboxes_.push_back(std::make_unique<Mailbox>(this, from, to));
    }
  }
  for (uint32_t i = 0; i < options.count; ++i) {
    members_.push_back(std::make_unique<Member>(this, process, i, options.count, parent));
    std::optional<Executor>& own = members_.back()->executor;
    if (own.has_value()) process->AddExecutor(&*own);
    scopes_.emplace_back(members_.back()->shard.runtime().executor);
  }
}

Shards::~Shards() {
  scopes_.clear();
  for (const auto& member : members_) {
    if (member->executor.has_value()) process_->RemoveExecutor(&*member->executor);
  }
}

void Shards::RequestStop() {
  if (std::exchange(stop_requested_, true)) return;
  for (const auto& member : members_) {
    const Duration after = options_.passage.Sample(&member->chooser, Choice::kMailbox);
    world()->events()->Schedule(&member->news, world()->now() + after);
  }
}

Task<void> Shards::Live(Member* member, const ShardMain* main) {
  member->status = co_await WithStop(&member->stop, (*main)(&member->shard));
  member->shard.End();
  if (!member->status.ok()) RequestStop();
}

Task<ShardsReport> Shards::Run(const ShardMain* main) {
  for (uint32_t i = 0; i < options_.count; ++i) scopes_[i].Spawn(Live(members_[i].get(), main));
  for (Scope& scope : scopes_) co_await scope.Join();
  ShardsReport report;
  for (const auto& mailbox : mailboxes_) mailbox->Flush();
  for (const auto& member : members_) {
    member->shard.Look();
    report.shards.push_back({member->status, member->shard.undelivered()});
  }
  co_return report;
}

}  // namespace

Task<ShardsReport> RunShards(Process* process, ShardsOptions options, ShardMain main) {
  const TaskInfo self = co_await ThisTask();
  FAULTLINE_CHECK(self.executor == process->executor()) << "in a task of the process's own";
  Shards shards(process, options, self.stop);
  co_return co_await shards.Run(&main);
}

}  // namespace faultline::sim
