#include "bench/bars.h"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <string_view>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace faultline::bench {
namespace {

// Keeps every run; shows it if it is to, or if it has failed.
class Collector final : public benchmark::ConsoleReporter {
 public:
  Collector(Measurements* seen, bool shows)
      : ConsoleReporter(OO_Tabular), seen_(seen), shows_(shows) {}

  bool ReportContext(const Context& context) override {
    return std::exchange(introduced_, true) || ConsoleReporter::ReportContext(context);
  }

  void ReportRuns(const std::vector<Run>& runs) override {
    bool failed = false;
    for (const Run& run : runs) {
      failed |= run.error_occurred;
      if (run.run_type == Run::RT_Iteration && !run.error_occurred) Keep(run);
    }
    failed_ |= failed;
    if (shows_ || failed) ConsoleReporter::ReportRuns(runs);
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
  const bool shows_;
  bool introduced_ = false;
  bool failed_ = false;
};

constexpr int kMissed = 3;

// Takes `flag` out of the arguments; whether it was there.
bool TakeSwitch(std::vector<char*>* arguments, std::string_view flag) {
  auto found = std::find(arguments->begin() + 1, arguments->end(), flag);
  if (found == arguments->end()) return false;
  arguments->erase(found);
  return true;
}

// Takes the first argument that begins with `flag` out; what follows there.
std::optional<std::string> TakeFlag(std::vector<char*>* arguments, std::string_view flag) {
  auto found = std::find_if(arguments->begin() + 1, arguments->end(), [flag](const char* argument) {
    return std::string_view(argument).starts_with(flag);
  });
  if (found == arguments->end()) return std::nullopt;
  std::string rest = *found + flag.size();
  arguments->erase(found);
  return rest;
}

struct Mode {
  bool bars = false;
  bool once = false;
  int passes = 1;
};

// Nothing if a flag is wrong, which has been said then.
std::optional<Mode> TakeMode(std::vector<char*>* arguments, const Program& program) {
  Mode mode = {.bars = TakeSwitch(arguments, "--bars"), .once = TakeSwitch(arguments, "--once")};
  if (mode.bars) mode.passes = program.passes;
  std::optional<std::string> passes = TakeFlag(arguments, "--passes=");
  const char* everywhere = std::getenv("FAULTLINE_BENCH_PASSES");
  if (!passes.has_value() && mode.bars && everywhere != nullptr) passes = everywhere;
  if (!passes.has_value()) return mode;
  if (mode.bars && absl::SimpleAtoi(*passes, &mode.passes) && mode.passes > 0) return mode;
  std::cerr << "--passes=" << *passes << ": a number from 1, together with --bars\n";
  return std::nullopt;
}

// How long each benchmark runs; what the user says behind it wins.
std::vector<std::string> FlagsOf(const Mode& mode, const Program& program) {
  if (mode.once) return {"--benchmark_min_time=0"};
  if (mode.bars) return {absl::StrCat("--benchmark_min_time=", program.seconds)};
  return {};
}

void RunPasses(const Mode& mode, Collector* collector) {
  for (int pass = 1; pass <= mode.passes; ++pass) {
    if (mode.bars) std::cerr << "pass " << pass << " of " << mode.passes << std::endl;
    benchmark::RunSpecifiedBenchmarks(collector);
  }
  benchmark::Shutdown();
}

size_t CountAbove(const std::vector<double>& values, double bound) {
  return static_cast<size_t>(
      std::count_if(values.begin(), values.end(), [bound](double value) { return value > bound; }));
}

std::string Number(double value) {
  if (value >= 1e5) return absl::StrFormat("%.3g M", value / 1e6);
  return absl::StrFormat("%.3g", value);
}

std::string Required(const Bar& bar) {
  const char* relation = bar.kind == Bar::Kind::kAtLeast ? ">= " : "<= ";
  std::string required = absl::StrCat(relation, Number(bar.bound), " ", bar.unit);
  if (bar.kind != Bar::Kind::kNotMore) return required;
  return absl::StrCat(required, " (", CountAbove(bar.quotients, bar.bound), " of ",
                      bar.quotients.size(), " above)");
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

std::vector<double> Measurements::Quotients(const std::string& what, const std::string& a,
                                            const std::string& b) const {
  auto of_a = values_.find({a, what});
  auto of_b = values_.find({b, what});
  if (of_a == values_.end() || of_b == values_.end()) return {};
  if (of_a->second.size() != of_b->second.size()) return {};
  std::vector<double> quotients;
  for (size_t pass = 0; pass < of_a->second.size(); ++pass) {
    quotients.push_back(of_a->second[pass] / of_b->second[pass]);
  }
  return quotients;
}

std::optional<double> Measurements::Quotient(const std::string& what, const std::string& a,
                                             const std::string& b) const {
  return Median(Quotients(what, a, b));
}

std::string Measurements::Format() const {
  std::string table =
      absl::StrFormat("%-40s %12s %8s %14s\n", "benchmark (median)", "ns", "+-", "items/s");
  for (const auto& [key, values] : values_) {
    const auto& [benchmark, what] = key;
    if (what != kNanoseconds) continue;
    std::optional<double> rate = ItemsPerSecond(benchmark);
    absl::StrAppendFormat(&table, "%-40s %12.1f %7.1f%% %14s\n", benchmark, *Median(values),
                          *Spread(benchmark) * 100, rate.has_value() ? Number(*rate) : "");
  }
  return table;
}

bool Bar::passed() const {
  if (!value.has_value()) return false;
  switch (kind) {
    case Kind::kAtLeast:
      return *value >= bound;
    case Kind::kAtMost:
      return *value <= bound;
    case Kind::kNotMore:
      return *value <= bound;
  }
}

Bar AtLeast(std::string name, std::optional<double> value, double bound, std::string unit) {
  return {std::move(name), value, Bar::Kind::kAtLeast, bound, std::move(unit)};
}

Bar NotMore(std::string name, std::vector<double> quotients, std::string unit) {
  std::optional<double> median = Median(quotients);
  return {std::move(name), median, Bar::Kind::kNotMore, 1, std::move(unit), std::move(quotients)};
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
      absl::StrFormat("%-52s %14s  %-34s %s\n", "bar", "median", "required", "verdict");
  for (const Bar& bar : bars) {
    absl::StrAppendFormat(&table, "%-52s %14s  %-34s %s\n", bar.name,
                          bar.value.has_value() ? Number(*bar.value) : "not measured",
                          Required(bar), bar.passed() ? "PASS" : "FAIL");
  }
  return table;
}

int Run(int argc, char** argv, const Program& program) {
  std::vector<char*> arguments(argv, argv + argc);
  const std::optional<Mode> mode = TakeMode(&arguments, program);
  if (!mode.has_value()) return 2;
  std::vector<std::string> flags = FlagsOf(*mode, program);
  for (size_t i = 0; i < flags.size(); ++i)
    arguments.insert(arguments.begin() + 1 + i, flags[i].data());
  int count = static_cast<int>(arguments.size());
  arguments.push_back(nullptr);
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;

  Measurements seen;
  Collector collector(&seen, !mode->bars);
  RunPasses(*mode, &collector);
  if (!mode->bars) return collector.failed() ? 1 : 0;
  Bars judged = program.judge(seen);
  std::cout << '\n' << seen.Format() << '\n' << FormatBars(judged);
  bool passed =
      std::all_of(judged.begin(), judged.end(), [](const Bar& bar) { return bar.passed(); });
  if (collector.failed()) return 1;
  return passed ? 0 : kMissed;
}

}  // namespace faultline::bench
