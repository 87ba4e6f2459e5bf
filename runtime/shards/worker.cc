#include "runtime/shards/worker.h"

#include <utility>

#include "runtime/shards/affinity.h"

namespace faultline::shards {
namespace {

Task<absl::Status> WaitFor(Event* event) { co_return co_await event->Wait(); }

}  // namespace

absl::Status Worker::Open(backend::Backend backend, const uint32_t* core) {
  if (core != nullptr) opened_ = PinTo(*core);
  if (!opened_.ok()) return opened_;
  absl::StatusOr<backend::ChosenLoop> chosen = backend::MakeLoop(backend);
  opened_ = chosen.status();
  if (!chosen.ok()) return opened_;
  loop_ = std::move(chosen->loop);
  backend_ = chosen->backend;
  why_not_ = std::move(chosen->why_not);
  loop_->SetOutsideWork(this);
  office_->SetRemote(index_, loop_->remote());
  signalled_.token().Subscribe(&on_signal_);
  return opened_;
}

void Worker::Run(const ShardMain& main) {
  shard_.emplace(index_, count_, loop_->runtime(), &link_);
  loop_->Run(Live(&main));
  undelivered_ = shard_->undelivered();
  shard_.reset();
}

void Worker::Shut() { loop_.reset(); }

Task<void> Worker::Live(const ShardMain* main) {
  status_ = co_await (*main)(&*shard_);
  shard_->End();
  if (!status_.ok()) office_->RequestStop();
  office_->NoteEnd();
  (void)co_await Shielded(WaitFor(&all_ended_));
  // What others had pushed before they saw that the mailboxes were closed: they have ended now.
  shard_->Look();
}

void Worker::Look() {
  office_->WakeUp(index_);
  if (shard_.has_value()) LookAround();
}

void Worker::BeforeSleep() {
  if (!shard_.has_value()) return;
  if (shard_->waiting()) office_->GoToSleep(index_);
  LookAround();
}

void Worker::LookAround() {
  if (office_->stop_requested()) loop_->stop()->RequestStop();
  if (office_->all_ended()) all_ended_.Set();
  shard_->Look();
}

}  // namespace faultline::shards
