// LatencyHistogram: how long things took, in HdrHistogram's buckets: three significant digits from
// one microsecond to an hour, in bounded memory.
//
//   LatencyHistogram latencies;
//   latencies.Record(812us);
//   ... latencies.At(Percentile::k99) ...
#ifndef FAULTLINE_SCENARIOS_LOAD_LATENCY_H_
#define FAULTLINE_SCENARIOS_LOAD_LATENCY_H_

#include <cstdint>
#include <string>

#include "runtime/time.h"

struct hdr_histogram;

namespace faultline::load {

enum class Percentile : uint8_t { k50, k90, k99, k999 };

class LatencyHistogram {
 public:
  LatencyHistogram();
  ~LatencyHistogram();
  LatencyHistogram(const LatencyHistogram&) = delete;
  LatencyHistogram& operator=(const LatencyHistogram&) = delete;

  // Rounded up to whole microseconds; what is longer than an hour counts as an hour.
  void Record(Duration latency);
  // Adds everything that `other` holds.
  void Add(const LatencyHistogram& other);
  void Reset();

  uint64_t count() const;
  // Below or at which that share of the recorded values lies; zero if nothing was recorded.
  Duration At(Percentile percentile) const;
  Duration max() const;

 private:
  hdr_histogram* const histogram_;
};

// With three digits: "812us", "1.23ms", "45.6ms", "7.89s".
std::string FormatLatency(Duration latency);

}  // namespace faultline::load

#endif  // FAULTLINE_SCENARIOS_LOAD_LATENCY_H_
