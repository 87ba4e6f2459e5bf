#include "scenarios/load/latency.h"

#include <algorithm>
#include <chrono>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "hdr/hdr_histogram.h"
#include "runtime/check.h"

namespace faultline::load {
namespace {

using Microseconds = std::chrono::duration<int64_t, std::micro>;

constexpr int64_t kShortest = 1;
constexpr int64_t kLongest = Microseconds(1h).count();
constexpr int kSignificantDigits = 3;

hdr_histogram* NewHistogram() {
  hdr_histogram* histogram = nullptr;
  const int error = hdr_init(kShortest, kLongest, kSignificantDigits, &histogram);
  FAULTLINE_CHECK(error == 0) << "hdr_init: " << error;
  return histogram;
}

// As HdrHistogram wants it.
double PercentOf(Percentile percentile) {
  switch (percentile) {
    case Percentile::k50:
      return 50;
    case Percentile::k90:
      return 90;
    case Percentile::k99:
      return 99;
    case Percentile::k999:
      return 99.9;
  }
  return 0;
}

}  // namespace

LatencyHistogram::LatencyHistogram() : histogram_(NewHistogram()) {}

LatencyHistogram::~LatencyHistogram() { hdr_close(histogram_); }

void LatencyHistogram::Record(Duration latency) {
  const int64_t value = std::chrono::ceil<Microseconds>(latency).count();
  hdr_record_value(histogram_, std::clamp(value, kShortest, kLongest));
}

void LatencyHistogram::Add(const LatencyHistogram& other) { hdr_add(histogram_, other.histogram_); }

void LatencyHistogram::Reset() { hdr_reset(histogram_); }

uint64_t LatencyHistogram::count() const { return static_cast<uint64_t>(histogram_->total_count); }

Duration LatencyHistogram::At(Percentile percentile) const {
  if (count() == 0) return Duration::zero();
  return Microseconds(hdr_value_at_percentile(histogram_, PercentOf(percentile)));
}

Duration LatencyHistogram::max() const {
  return count() == 0 ? Duration::zero() : Duration(Microseconds(hdr_max(histogram_)));
}

std::string FormatLatency(Duration latency) {
  const int64_t microseconds = std::chrono::duration_cast<Microseconds>(latency).count();
  if (microseconds < 1000) return absl::StrCat(microseconds, "us");
  const bool seconds = microseconds >= 1'000'000;
  const int64_t unit = seconds ? 1'000'000 : 1000;
  const int64_t whole = microseconds / unit;
  const int digits = whole >= 100 ? 0 : whole >= 10 ? 1 : 2;
  int64_t scale = 1;
  for (int i = 0; i < digits; ++i) scale *= 10;
  const int64_t fraction = microseconds % unit * scale / unit;
  std::string text = absl::StrCat(whole);
  if (digits > 0) absl::StrAppendFormat(&text, ".%0*d", digits, fraction);
  return absl::StrCat(text, seconds ? "s" : "ms");
}

}  // namespace faultline::load
