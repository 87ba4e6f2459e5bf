#include "scenarios/ledger/checkers/liveness_checker.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"

namespace faultline::ledger {
namespace {

std::string Milliseconds(Duration duration) {
  return absl::StrCat(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count(),
                      " ms");
}

}  // namespace

void LivenessChecker::SetHealth(Health health) {
  if (health == health_) return;
  Check();  // under the promise that held until now
  const MonotonicTime now = now_();
  if (health_ == Health::kNone) {
    quorum_since_ = now;
    quorum_settled_ = now + bounds_.settle;
  }
  if (health == Health::kAll) all_settled_ = now + bounds_.settle;
  health_ = health;
}

void LivenessChecker::Check() {
  const MonotonicTime now = now_();
  for (const auto& [id, issued] : open_) Judge(id, issued, now, "is open");
}

void LivenessChecker::OnIssued(const EntryId& id, const Digest&) { open_[id] = now_(); }

void LivenessChecker::OnCompleted(const EntryId& id, uint64_t) {
  auto found = open_.find(id);
  if (found == open_.end()) return;
  const MonotonicTime now = now_();
  slowest_ = std::max(slowest_, now - found->second);
  ++completed_;
  Judge(id, found->second, now, "completed");
  open_.erase(found);
}

void LivenessChecker::Judge(const EntryId& id, MonotonicTime issued, MonotonicTime now,
                            const char* state) {
  if (health_ == Health::kNone) return;
  const Duration promised = now - std::max(issued, quorum_since_);
  if (promised > bounds_.quorum_bound) {
    findings_->Add("completes", absl::StrCat(ToString(id), " ", state, " after ",
                                             Milliseconds(promised), " with a majority at work; ",
                                             Milliseconds(bounds_.quorum_bound), " are promised"));
    return;
  }
  const Duration settled = now - std::max(issued, quorum_settled_);
  if (settled > bounds_.calm_bound) {
    findings_->Add("calm", absl::StrCat(ToString(id), " ", state, " after ", Milliseconds(settled),
                                        " that no fault explains; ",
                                        Milliseconds(bounds_.calm_bound), " are promised"));
  }
}

void LivenessChecker::OnLost(const Party& self, const Party& peer, const ConnectionId& id,
                             const absl::Status& status) {
  if (status.ok() || health_ != Health::kAll || now_() < all_settled_) return;
  findings_->Add("calm", absl::StrCat(ToString(self), " lost connection ", ToString(id), " to ",
                                      ToString(peer), " without any fault: ", status.ToString()));
}

}  // namespace faultline::ledger
