#include "scenarios/flags/nearest.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

namespace faultline::flags {
namespace {

// One row of the table at a time: row[j] is the distance from what was read of `a` to b[0, j).
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row.back();
}

}  // namespace

std::string Nearest(std::string_view wanted, const std::vector<std::string>& candidates) {
  const auto nearest = std::min_element(candidates.begin(), candidates.end(),
                                        [wanted](const std::string& x, const std::string& y) {
                                          return Distance(wanted, x) < Distance(wanted, y);
                                        });
  return nearest == candidates.end() ? "" : *nearest;
}

}  // namespace faultline::flags
