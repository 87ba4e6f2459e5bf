// Bars: benchmarks that say whether they are good enough.
//
// What: a `main` around Google Benchmark. Without flags of its own it is Google Benchmark's. With
// `--bars` it goes through all benchmarks again and again, each for a moment: those that are
// compared with each other run one right after the other, so that a slow second of the machine
// falls on all of them. It takes medians of the passes, and of the quotients in each pass, compares
// them with the bars that the program names, prints two tables, and exits with 3 if a bar was
// missed or could not be measured. `--passes=N` changes the number of passes, as does
// FAULTLINE_BENCH_PASSES in the environment. With `--once` each benchmark runs one short iteration:
// a test that the program still works, which judges no timing.
//
//   Bars MyBars(const Measurements& seen) {
//     return {AtLeast("one-way", seen.ItemsPerSecond("OneWay/256"), 4e6, "messages/s")};
//   }
//   int main(int argc, char** argv) {
//     return faultline::bench::Run(argc, argv, {.judge = &MyBars, .passes = 11, .seconds = 0.1});
//   }
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

// What the passes gave for each benchmark.
class Measurements {
 public:
  void Add(const std::string& benchmark, const std::string& what, double value) {
    values_[{benchmark, what}].push_back(value);
  }

  // Medians over the passes; nothing if the benchmark did not run. `benchmark` is the name as
  // it is printed, without "/real_time" and the like. Times are of the processor where one thread
  // does all the work, and of the wall where the benchmark asked for that.
  std::optional<double> Nanoseconds(const std::string& benchmark) const {
    return Counter(benchmark, kNanoseconds);
  }
  std::optional<double> ItemsPerSecond(const std::string& benchmark) const {
    return Counter(benchmark, "items_per_second");
  }
  std::optional<double> Counter(const std::string& benchmark, const std::string& counter) const;

  // The median, over the passes, of `a` by `b` in the same pass: noise that both had is gone.
  // Nothing if they did not run equally often.
  std::optional<double> Quotient(const std::string& what, const std::string& a,
                                 const std::string& b) const;
  std::optional<double> TimeQuotient(const std::string& a, const std::string& b) const {
    return Quotient(kNanoseconds, a, b);
  }
  // Those of which `Quotient` and `TimeQuotient` are the median, a pass each; none where they are
  // nothing.
  std::vector<double> Quotients(const std::string& what, const std::string& a,
                                const std::string& b) const;
  std::vector<double> TimeQuotients(const std::string& a, const std::string& b) const {
    return Quotients(kNanoseconds, a, b);
  }

  // Half of the distance between the quartiles, as a share of the median: how far to trust it.
  std::optional<double> Spread(const std::string& benchmark) const;

  static constexpr char kNanoseconds[] = "ns";

  // The table for people: a line a benchmark.
  std::string Format() const;

 private:
  std::map<std::pair<std::string, std::string>, std::vector<double>> values_;
};

// One requirement. A value that was not measured misses it.
struct Bar {
  enum class Kind { kAtLeast, kAtMost, kNotMore };

  std::string name;
  std::optional<double> value;
  Kind kind;
  double bound;
  std::string unit;
  std::vector<double> quotients = {};  // of kNotMore, a pass each

  bool passed() const;
};
using Bars = std::vector<Bar>;

Bar AtLeast(std::string name, std::optional<double> value, double bound, std::string unit);
Bar AtMost(std::string name, std::optional<double> value, double bound, std::string unit);
// At most 1, by the median. In how many passes it was more is printed beside it: where the two are
// equal that is about half of them, and the median falls to either side.
Bar NotMore(std::string name, std::vector<double> quotients, std::string unit);

// `a / b`, where both are there.
std::optional<double> Quotient(std::optional<double> a, std::optional<double> b);

// The table for people: a line a bar, what was seen, what was asked for, PASS or FAIL.
std::string FormatBars(const Bars& bars);

struct Program {
  Bars (*judge)(const Measurements&);
  int passes;      // with `--bars`
  double seconds;  // that each benchmark runs for in a pass, at least
};

// The exit code of `main`: 0; 1, a benchmark failed; 2, a bad flag; 3, a bar was missed.
int Run(int argc, char** argv, const Program& program);

}  // namespace faultline::bench

#endif  // FAULTLINE_BENCH_BARS_H_
