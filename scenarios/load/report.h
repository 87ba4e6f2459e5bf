// What the load program says: a line each second, and a summary at the end, as text or JSON.
#ifndef FAULTLINE_SCENARIOS_LOAD_REPORT_H_
#define FAULTLINE_SCENARIOS_LOAD_REPORT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/time.h"
#include "scenarios/load/latency.h"
#include "scenarios/load/load_flags.h"
#include "scenarios/load/verify.h"

namespace faultline::load {

struct LatencySummary {
  Duration p50{};
  Duration p90{};
  Duration p99{};
  Duration p999{};
  Duration max{};
};
LatencySummary Summarize(const LatencyHistogram& histogram);

// One window of a run.
struct Progress {
  Duration elapsed{};     // since the run began
  Duration window{};      // how long this one was; more than zero
  uint64_t answered = 0;  // in this window
  uint64_t total = 0;     // answered since the run began
  LatencySummary latency{};
  uint64_t connected = 0;  // clients, now
  uint64_t clients = 0;    // that should be
};
// "   3s     2000/s  p50 812us  p90 1.20ms  p99 3.10ms  p99.9 5.00ms  max 7.20ms  total 6000".
// Clients that are not connected are mentioned.
std::string ProgressLine(const Progress& progress);

// A run falls short if more than one entry in so many was due and not issued.
inline constexpr uint64_t kShortfall = 100;

// A whole run.
struct Summary {
  Duration elapsed{};  // from the first client to the end of the last
  Duration issuing{};  // from the first client to the end of the duration
  uint64_t rate = 0;   // entries a second that were asked for; 0: as many as are answered
  uint64_t issued = 0;
  uint64_t not_issued = 0;  // were due, at that rate, and had to wait beyond the end
  uint64_t acknowledged = 0;
  uint64_t overdue = 0;      // acknowledged, after their deadline
  uint64_t connections = 0;  // that clients made
  LatencySummary latency{};
  std::optional<Verification> verification{};
  std::vector<std::string> findings{};  // the first few
  uint64_t finding_count = 0;

  uint64_t unanswered() const { return issued - acknowledged; }
  uint64_t due() const { return issued + not_issued; }
  // Entries issued a second, while they were.
  uint64_t reached() const;
  // The rate was not kept: more than 1 in `kShortfall` of what was due was not issued.
  bool fell_short() const { return not_issued > due() / kShortfall; }
  // Something was acknowledged, everything in time, at the rate that was asked for, and nothing
  // that was checked is wrong.
  bool passed() const;
};
std::string SummaryText(const Summary& summary);
std::string SummaryJson(const LoadFlags& flags, const Summary& summary);

// `count` in `time`, a second, rounded down; `time` is more than zero.
uint64_t PerSecond(uint64_t count, Duration time);

}  // namespace faultline::load

#endif  // FAULTLINE_SCENARIOS_LOAD_REPORT_H_
