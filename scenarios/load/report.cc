#include "scenarios/load/report.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "scenarios/flags/values.h"
#include "scenarios/load/json.h"

namespace faultline::load {
namespace {

std::string LatencyText(const LatencySummary& latency) {
  return absl::StrCat("p50 ", FormatLatency(latency.p50), "  p90 ", FormatLatency(latency.p90),
                      "  p99 ", FormatLatency(latency.p99), "  p99.9 ", FormatLatency(latency.p999),
                      "  max ", FormatLatency(latency.max));
}

uint64_t InMicroseconds(Duration duration) {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::duration<int64_t, std::micro>>(duration).count());
}

JsonObject LatencyJson(const LatencySummary& latency) {
  JsonObject json;
  json.Add("p50", InMicroseconds(latency.p50));
  json.Add("p90", InMicroseconds(latency.p90));
  json.Add("p99", InMicroseconds(latency.p99));
  json.Add("p99.9", InMicroseconds(latency.p999));
  json.Add("max", InMicroseconds(latency.max));
  return json;
}

JsonObject VerificationJson(const Verification& verification) {
  JsonObject json;
  json.Add("replicas", verification.replicas);
  json.Add("entries", verification.entries);
  json.Add("acknowledged", verification.acknowledged);
  json.Add("log", ToString(verification.log));
  return json;
}

}  // namespace

LatencySummary Summarize(const LatencyHistogram& histogram) {
  return {.p50 = histogram.At(Percentile::k50),
          .p90 = histogram.At(Percentile::k90),
          .p99 = histogram.At(Percentile::k99),
          .p999 = histogram.At(Percentile::k999),
          .max = histogram.max()};
}

uint64_t PerSecond(uint64_t count, Duration time) {
  const auto product = static_cast<unsigned __int128>(count) * 1'000'000'000;
  return static_cast<uint64_t>(product / static_cast<uint64_t>(time.count()));
}

std::string ProgressLine(const Progress& progress) {
  const auto seconds = std::chrono::round<std::chrono::seconds>(progress.elapsed);
  std::string line = absl::StrFormat("%5ds %9d/s  %s  total %d", seconds.count(),
                                     PerSecond(progress.answered, progress.window),
                                     LatencyText(progress.latency), progress.total);
  if (progress.connected < progress.clients) {
    absl::StrAppend(&line, "  (", progress.connected, " of ", progress.clients, " connected)");
  }
  return line;
}

uint64_t Summary::reached() const { return PerSecond(issued, std::max(issuing, Duration(1))); }

bool Summary::passed() const {
  return acknowledged > 0 && unanswered() == 0 && overdue == 0 && !fell_short() &&
         finding_count == 0;
}

std::string SummaryText(const Summary& summary) {
  std::string text = absl::StrCat(
      summary.passed() ? "passed: " : "FAILED: ", summary.acknowledged, " of ", summary.issued,
      " entries acknowledged in ", FormatLatency(summary.elapsed), ", ",
      PerSecond(summary.acknowledged, std::max(summary.elapsed, Duration(1))), " a second\n");
  absl::StrAppend(&text, "latency  ", LatencyText(summary.latency), "\n");
  if (summary.rate > 0) {
    absl::StrAppend(&text, "rate  ", summary.rate, " a second asked for, ", summary.reached(),
                    " reached\n");
  }
  if (summary.not_issued > 0) {
    absl::StrAppend(&text, "not issued  ", summary.not_issued, " of ", summary.due(),
                    " entries that were due before the end\n");
  }
  if (summary.unanswered() > 0) {
    absl::StrAppend(&text, "unanswered  ", summary.unanswered(), " entries\n");
  }
  if (summary.overdue > 0) {
    absl::StrAppend(&text, "overdue  ", summary.overdue, " entries were acknowledged too late\n");
  }
  if (summary.verification.has_value()) {
    const Verification& verification = *summary.verification;
    absl::StrAppend(&text, "verified  ", verification.acknowledged, " acknowledged entries among ",
                    verification.entries, " on ", verification.replicas, " replicas, log ",
                    ToString(verification.log), "\n");
  }
  for (const std::string& finding : summary.findings) {
    absl::StrAppend(&text, "found  ", finding, "\n");
  }
  if (summary.finding_count > summary.findings.size()) {
    absl::StrAppend(&text, "and ", summary.finding_count - summary.findings.size(), " more\n");
  }
  return text;
}

std::string SummaryJson(const LoadFlags& flags, const Summary& summary) {
  JsonObject json;
  json.Add("passed", summary.passed());
  json.Add("clients", flags.clients);
  json.Add("pipeline", flags.pipeline);
  json.Add("payload_bytes", flags.payload);
  json.Add("rate_per_second", flags.rate);
  json.Add("reached_per_second", summary.reached());
  json.Add("elapsed_us", InMicroseconds(summary.elapsed));
  json.Add("issued", summary.issued);
  json.Add("not_issued", summary.not_issued);
  json.Add("acknowledged", summary.acknowledged);
  json.Add("unanswered", summary.unanswered());
  json.Add("overdue", summary.overdue);
  json.Add("connections", summary.connections);
  json.Add("acknowledged_per_second",
           PerSecond(summary.acknowledged, std::max(summary.elapsed, Duration(1))));
  json.Add("latency_us", LatencyJson(summary.latency));
  if (summary.verification.has_value()) {
    json.Add("verification", VerificationJson(*summary.verification));
  }
  json.Add("finding_count", summary.finding_count);
  json.Add("findings", summary.findings);
  return json.ToString();
}

}  // namespace faultline::load
