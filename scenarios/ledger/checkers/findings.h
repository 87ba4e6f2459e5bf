// Findings: the broken invariants that checkers have found.
//
//   Findings findings([&](const absl::Status& first) { world.Fail(first); });
//   findings.Add("majority", "entry 3 of client 7 ...");
//   EXPECT_TRUE(findings.status().ok()) << findings.status();
//
// A finding is an Internal error: "invariant majority: entry 3 of client 7 ...". The first one is
// told to whoever wants to know at once; the first few are kept.
#ifndef FAULTLINE_SCENARIOS_LEDGER_CHECKERS_FINDINGS_H_
#define FAULTLINE_SCENARIOS_LEDGER_CHECKERS_FINDINGS_H_

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace faultline::ledger {

class Findings {
 public:
  using OnFirst = std::function<void(const absl::Status&)>;
  explicit Findings(OnFirst on_first = nullptr) : on_first_(std::move(on_first)) {}
  Findings(const Findings&) = delete;
  Findings& operator=(const Findings&) = delete;

  void Add(std::string_view invariant, const std::string& what) {
    ++count_;
    if (kept_.size() == kMaxKept) return;
    kept_.push_back(absl::InternalError(absl::StrCat(
        "invariant ", absl::string_view(invariant.data(), invariant.size()), ": ", what)));
    if (count_ == 1 && on_first_) on_first_(kept_.front());
  }

  // The first one; OK if there is none.
  absl::Status status() const { return kept_.empty() ? absl::OkStatus() : kept_.front(); }
  // The first ones, in order.
  const std::vector<absl::Status>& all() const { return kept_; }
  size_t count() const { return count_; }

 private:
  static constexpr size_t kMaxKept = 16;

  const OnFirst on_first_;
  std::vector<absl::Status> kept_;
  size_t count_ = 0;
};

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_CHECKERS_FINDINGS_H_
