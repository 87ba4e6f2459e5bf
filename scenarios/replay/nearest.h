// Nearest: what somebody who mistyped most likely meant.
#ifndef FAULTLINE_SCENARIOS_REPLAY_NEAREST_H_
#define FAULTLINE_SCENARIOS_REPLAY_NEAREST_H_

#include <string>
#include <string_view>
#include <vector>

namespace faultline::replay {

// The candidate with the fewest insertions, deletions and substitutions from `wanted`
// (Levenshtein); the first of several. Empty if there are no candidates.
std::string Nearest(std::string_view wanted, const std::vector<std::string>& candidates);

}  // namespace faultline::replay

#endif  // FAULTLINE_SCENARIOS_REPLAY_NEAREST_H_
