#include "sim/path.h"

#include <algorithm>

#include "runtime/check.h"

namespace faultline::sim {

void Path::Block(Passage how, bool symmetric) {
  FAULTLINE_CHECK(how != Passage::kOpen) << "an open block blocks nothing";
  Passage before = passage();
  ++(how == Passage::kDrop ? drops_ : holds_);
  if (how == Passage::kDrop && !symmetric) ++one_way_drops_;
  Notify(before);
}

void Path::Unblock(Passage how, bool symmetric) {
  uint32_t& count = how == Passage::kDrop ? drops_ : holds_;
  FAULTLINE_CHECK(count > 0) << "no such block";
  Passage before = passage();
  --count;
  if (how == Passage::kDrop && !symmetric) --one_way_drops_;
  Notify(before);
}

void Path::TellPlain() {
  for (PathUser* user = users_.front(); user != nullptr; user = users_.Next(user)) {
    user->OnPlain(plain());
  }
}

// Users may leave the lists while they are told, and join `users_`: each of those that are there
// now is told once.
void Path::Notify(Passage before) {
  if (passage() == before) return;
  TellPlain();
  List<PathUser> untold;
  while (PathUser* user = users_.PopFront()) untold.PushBack(user);
  while (PathUser* user = untold.PopFront()) {
    users_.PushBack(user);
    user->OnPassageChange(this, before);
  }
}

std::optional<MonotonicTime> Path::DepartShaped(MonotonicTime now, size_t bytes, Chooser* chooser,
                                                Choice kind) {
  MonotonicTime sent = now;
  if (link_->bytes_per_second != 0) {
    MonotonicTime start = std::max(now, busy_until_);
    unsigned __int128 waiting = static_cast<unsigned __int128>((start - now).count()) *
                                link_->bytes_per_second / 1'000'000'000;
    if (start > now && waiting + bytes > link_->queue_bytes) {
      effects_->Bite(Fault::kBandwidth);
      return std::nullopt;
    }
    if (start > now) effects_->Bite(Fault::kBandwidth);
    sent = start + Duration(static_cast<int64_t>(static_cast<unsigned __int128>(bytes) *
                                                 1'000'000'000 / link_->bytes_per_second));
    busy_until_ = sent;
  }
  if (clogged()) effects_->Bite(Fault::kClog);
  return sent + link_->latency.Sample(chooser, kind) + clog_;
}

}  // namespace faultline::sim
