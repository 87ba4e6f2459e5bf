#include "bench/bars.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace faultline::bench {
namespace {

// Keeps every repetition; shows single runs as they are and repeated ones by their median.
class Collector final : public benchmark::ConsoleReporter {
 public:
  explicit Collector(Measurements* seen) : ConsoleReporter(OO_Tabular), seen_(seen) {}

  void ReportRuns(const std::vector<Run>& runs) override {
    std::vector<Run> shown;
    for (const Run& run : runs) {
      failed_ |= run.error_occurred;
      if (run.run_type == Run::RT_Iteration && !run.error_occurred) Keep(run);
      if (run.error_occurred || run.repetitions <= 1 || run.aggregate_name == "median") {
        shown.push_back(run);
      }
    }
    if (!shown.empty()) ConsoleReporter::ReportRuns(shown);
  }

  bool failed() const { return failed_; }

 private:
  void Keep(const Run& run) {
    benchmark::BenchmarkName name = run.run_name;
    const bool wall = name.time_type == "real_time";
    name.time_type.clear();
    name.min_time.clear();
    name.repetitions.clear();
    name.threads.clear();
    const std::string key = name.str();
    const double scale = 1e9 / benchmark::GetTimeUnitMultiplier(run.time_unit);
    seen_->Add(key, Measurements::kNanoseconds,
               scale * (wall ? run.GetAdjustedRealTime() : run.GetAdjustedCPUTime()));
    for (const auto& [counter, value] : run.counters) seen_->Add(key, counter, value.value);
  }

  Measurements* const seen_;
  bool failed_ = false;
};

// Takes `flag` out of the arguments; whether it was there.
bool TakeFlag(std::vector<char*>* arguments, const char* flag) {
  auto found = std::find_if(arguments->begin() + 1, arguments->end(), [flag](const char* argument) {
    return std::strcmp(argument, flag) == 0;
  });
  if (found == arguments->end()) return false;
  arguments->erase(found);
  return true;
}

// Google Benchmark's flags for each mode; what the user says behind them wins.
std::vector<std::string> FlagsOf(bool bars, bool once) {
  if (once) return {"--benchmark_min_time=0"};
  if (bars) {
    return {"--benchmark_repetitions=11", "--benchmark_min_time=0.1",
            "--benchmark_enable_random_interleaving=true"};
  }
  return {};
}

std::string Number(double value) {
  if (value >= 1e5) return absl::StrFormat("%.3g M", value / 1e6);
  return absl::StrFormat("%.3g", value);
}

}  // namespace

std::optional<double> Median(std::vector<double> values) {
  if (values.empty()) return std::nullopt;
  std::sort(values.begin(), values.end());
  size_t middle = values.size() / 2;
  if (values.size() % 2 == 1) return values[middle];
  return (values[middle - 1] + values[middle]) / 2;
}

std::optional<double> Measurements::Counter(const std::string& benchmark,
                                            const std::string& counter) const {
  auto found = values_.find({benchmark, counter});
  if (found == values_.end()) return std::nullopt;
  return Median(found->second);
}

std::optional<double> Measurements::Spread(const std::string& benchmark) const {
  auto found = values_.find({benchmark, kNanoseconds});
  if (found == values_.end()) return std::nullopt;
  std::vector<double> values = found->second;
  std::sort(values.begin(), values.end());
  double distance = values[values.size() * 3 / 4] - values[values.size() / 4];
  return distance / 2 / *Median(values);
}

bool Bar::passed() const {
  if (!value.has_value()) return false;
  return kind == Kind::kAtLeast ? *value >= bound : *value <= bound;
}

Bar AtLeast(std::string name, std::optional<double> value, double bound, std::string unit) {
  return {std::move(name), value, Bar::Kind::kAtLeast, bound, std::move(unit)};
}

Bar AtMost(std::string name, std::optional<double> value, double bound, std::string unit) {
  return {std::move(name), value, Bar::Kind::kAtMost, bound, std::move(unit)};
}

std::optional<double> Quotient(std::optional<double> a, std::optional<double> b) {
  if (!a.has_value() || !b.has_value()) return std::nullopt;
  return *a / *b;
}

std::string FormatBars(const Bars& bars) {
  std::string table =
      absl::StrFormat("%-52s %14s  %-26s %s\n", "bar", "median", "required", "verdict");
  for (const Bar& bar : bars) {
    absl::StrAppendFormat(&table, "%-52s %14s  %-26s %s\n", bar.name,
                          bar.value.has_value() ? Number(*bar.value) : "not measured",
                          absl::StrCat(bar.kind == Bar::Kind::kAtLeast ? ">= " : "<= ",
                                       Number(bar.bound), " ", bar.unit),
                          bar.passed() ? "PASS" : "FAIL");
  }
  return table;
}

int Run(int argc, char** argv, Bars (*judge)(const Measurements&)) {
  std::vector<char*> arguments(argv, argv + argc);
  const bool bars = TakeFlag(&arguments, "--bars");
  const bool once = TakeFlag(&arguments, "--once");
  std::vector<std::string> flags = FlagsOf(bars, once);
  for (size_t i = 0; i < flags.size(); ++i)
    arguments.insert(arguments.begin() + 1 + i, flags[i].data());
  int count = static_cast<int>(arguments.size());
  arguments.push_back(nullptr);
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;

  Measurements seen;
  Collector collector(&seen);
  benchmark::RunSpecifiedBenchmarks(&collector);
  benchmark::Shutdown();
  if (!bars) return collector.failed() ? 1 : 0;
  Bars judged = judge(seen);
  std::cout << '\n' << FormatBars(judged);
  bool passed =
      std::all_of(judged.begin(), judged.end(), [](const Bar& bar) { return bar.passed(); });
  return passed && !collector.failed() ? 0 : 1;
}

}  // namespace faultline::bench
