// Bars: benchmarks that say whether they are good enough.
//
// What: a `main` around Google Benchmark. Without flags of its own it is Google Benchmark's. With
// `--bars` it runs every benchmark in repetitions that are interleaved at random, so that a slow
// minute of the machine falls on all of them, takes medians, compares them with the bars that the
// program names, prints one table, and exits with 1 if a bar was missed or could not be measured.
// With `--once` each benchmark runs one short iteration: a test that the program still works, which
// judges no timing.
//
//   Bars MyBars(const Measurements& seen) {
//     return {AtLeast("one-way", seen.ItemsPerSecond("OneWay/256"), 4e6, "messages/s")};
//   }
//   int main(int argc, char** argv) { return faultline::bench::Run(argc, argv, &MyBars); }
#ifndef FAULTLINE_BENCH_BARS_H_
#define FAULTLINE_BENCH_BARS_H_

#include <benchmark/benchmark.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace faultline::bench {

// The median; nothing of nothing. Of an even number of values: the mean of the middle two.
std::optional<double> Median(std::vector<double> values);

// What the repetitions of each benchmark gave.
class Measurements {
 public:
  void Add(const std::string& benchmark, const std::string& what, double value) {
    values_[{benchmark, what}].push_back(value);
  }

  // Medians over the repetitions; nothing if the benchmark did not run. `benchmark` is the name as
  // it is printed, without "/real_time" and the like. Times are of the processor where one thread
  // does all the work, and of the wall where the benchmark asked for that.
  std::optional<double> Nanoseconds(const std::string& benchmark) const {
    return Counter(benchmark, kNanoseconds);
  }
  std::optional<double> ItemsPerSecond(const std::string& benchmark) const {
    return Counter(benchmark, "items_per_second");
  }
  std::optional<double> Counter(const std::string& benchmark, const std::string& counter) const;

  // Half of the distance between the quartiles, as a share of the median: how far to trust it.
  std::optional<double> Spread(const std::string& benchmark) const;

  static constexpr char kNanoseconds[] = "ns";

 private:
  std::map<std::pair<std::string, std::string>, std::vector<double>> values_;
};

// One requirement. A value that was not measured misses it.
struct Bar {
  enum class Kind { kAtLeast, kAtMost };

  std::string name;
  std::optional<double> value;
  Kind kind;
  double bound;
  std::string unit;

  bool passed() const;
};
using Bars = std::vector<Bar>;

Bar AtLeast(std::string name, std::optional<double> value, double bound, std::string unit);
Bar AtMost(std::string name, std::optional<double> value, double bound, std::string unit);

// `a / b`, where both are there.
std::optional<double> Quotient(std::optional<double> a, std::optional<double> b);

// The table for people: a line a bar, what was seen, what was asked for, PASS or FAIL.
std::string FormatBars(const Bars& bars);

// The exit code of `main`: 0, or 1 for a missed bar or a benchmark that failed, or 2 for a bad
// flag.
int Run(int argc, char** argv, Bars (*judge)(const Measurements&));

}  // namespace faultline::bench

#endif  // FAULTLINE_BENCH_BARS_H_
