#include "runtime/shard.h"

#include "absl/strings/str_cat.h"

namespace faultline {

Shard::Shard(uint32_t index, uint32_t count, const Runtime& runtime, ShardLink* link)
    : index_(index), runtime_(runtime), link_(link), senders_(count) {
  FAULTLINE_CHECK(index < count) << "shard " << index << " of " << count;
}

absl::Status Shard::Ended(uint32_t shard) {
  return absl::FailedPreconditionError(absl::StrCat("shard ", shard, " has ended"));
}

bool Shard::TrySend(uint32_t to, Parcel& parcel) {
  FAULTLINE_CHECK(to < count()) << "there is no shard " << to;
  FAULTLINE_CHECK(!parcel.empty()) << "an empty parcel";
  return senders_[to].empty() && link_->TryPush(to, &parcel, false) == ShardLink::Push::kTaken;
}

std::optional<Delivery> Shard::TryReceive() {
  Delivery delivery;
  if (!receivers_.empty() || !Pop(&delivery)) return std::nullopt;
  return delivery;
}

bool Shard::Pop(Delivery* into) {
  for (uint32_t i = 0; i < count(); ++i) {
    const uint32_t from = next_from_;
    next_from_ = from + 1 == count() ? 0 : from + 1;
    if (!link_->TryPop(from, &into->parcel)) continue;
    into->from = from;
    return true;
  }
  return false;
}

void Shard::Look() {
  if (ended_) return Discard();
  ServeReceivers();
  for (uint32_t to = 0; waiting_senders_ > 0 && to < count(); ++to) ServeSenders(to);
}

void Shard::ServeReceivers() {
  while (ReceiveOp* receiver = receivers_.front()) {
    if (!Pop(&receiver->delivery_)) return;
    receiver->Finish();
  }
}

void Shard::ServeSenders(uint32_t to) {
  while (SendOp* sender = senders_[to].front()) {
    if (!sender->Try()) return;
    sender->Finish();
  }
}

void Shard::End() {
  FAULTLINE_CHECK(waiting_senders_ == 0 && receivers_.empty())
      << "the main of shard " << index_ << " has ended before its tasks";
  ended_ = true;
  link_->Close();
  Discard();
}

void Shard::Discard() {
  for (Delivery delivery; Pop(&delivery); delivery.parcel.Clear()) ++undelivered_;
}

absl::Status ShardsReport::status() const {
  const absl::Status* worst = nullptr;
  size_t first = 0;
  size_t failed = 0;
  for (size_t i = 0; i < shards.size(); ++i) {
    const absl::Status& status = shards[i].status;
    if (status.ok()) continue;
    ++failed;
    if (worst != nullptr && (!absl::IsCancelled(*worst) || absl::IsCancelled(status))) continue;
    worst = &status;
    first = i;
  }
  if (worst == nullptr) return absl::OkStatus();
  const std::string others = failed > 1 ? absl::StrCat(" (and ", failed - 1, " more)") : "";
  absl::Status named(worst->code(), absl::StrCat("shard ", first, ": ", worst->message(), others));
  worst->ForEachPayload([&named](absl::string_view type, const absl::Cord& payload) {
    named.SetPayload(type, payload);
  });
  return named;
}

uint64_t ShardsReport::undelivered() const {
  uint64_t all = 0;
  for (const One& shard : shards) all += shard.undelivered;
  return all;
}

}  // namespace faultline
