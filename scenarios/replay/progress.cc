#include "scenarios/replay/progress.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "scenarios/replay/text.h"

namespace faultline::replay {
namespace {

constexpr size_t kBarWidth = 20;
constexpr Duration kBetweenBars = 100ms;
constexpr Duration kBetweenLines = 5s;

double InSeconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

std::string ProgressLine(const CampaignTotals& totals, uint64_t total, Duration elapsed) {
  const uint64_t done = totals.seeds();
  const size_t filled = total == 0 ? kBarWidth : static_cast<size_t>(kBarWidth * done / total);
  const double rate = static_cast<double>(done) / std::max(InSeconds(elapsed), 1e-9);
  std::string line =
      absl::StrCat("[", std::string(filled, '#'), std::string(kBarWidth - filled, '.'), "] ",
                   Grouped(done), " of ", Grouped(total), " seeds");
  absl::StrAppendFormat(&line, ", %.1f a second, %.2f h simulated, %d failed", rate,
                        InSeconds(totals.simulated()) / 3600, totals.failures().size());
  if (done > 0) {
    absl::StrAppendFormat(&line, ", %.0f s left", static_cast<double>(total - done) / rate);
  }
  return line;
}

void Progress::Update(const CampaignTotals& totals, Duration elapsed) {
  if (elapsed - drawn_at_ < (terminal_ ? kBetweenBars : kBetweenLines)) return;
  drawn_at_ = elapsed;
  Clear();
  const std::string line = ProgressLine(totals, total_, elapsed);
  std::fprintf(out_, terminal_ ? "%s" : "%s\n", line.c_str());
  std::fflush(out_);
  drawn_ = terminal_;
}

void Progress::Say(const std::string& line) {
  Clear();
  std::fprintf(out_, "%s\n", line.c_str());
  std::fflush(out_);
}

void Progress::Finish() {
  Clear();
  std::fflush(out_);
}

// ECMA-48: to the beginning of the line, erase it.
void Progress::Clear() {
  if (drawn_) std::fputs("\r\033[2K", out_);
  drawn_ = false;
}

}  // namespace faultline::replay
