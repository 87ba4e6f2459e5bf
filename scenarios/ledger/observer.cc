#include "scenarios/ledger/observer.h"

#include "absl/strings/str_cat.h"

namespace faultline::ledger {

std::string ToString(const Party& party) {
  if (party.kind == Party::Kind::kClient) return ToString(party.client);
  return absl::StrCat("replica ", int{party.replica});
}

}  // namespace faultline::ledger
