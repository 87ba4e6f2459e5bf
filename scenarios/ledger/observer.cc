#include "scenarios/ledger/observer.h"

#include "absl/strings/str_cat.h"

namespace faultline::ledger {

std::string ToString(const Party& party) {
  switch (party.kind) {
    case Party::Kind::kReplica:
      return absl::StrCat("replica ", int{party.replica});
    case Party::Kind::kClient:
      return ToString(party.client);
    case Party::Kind::kReader:
      return absl::StrCat("reader, as ", ToString(party.client));
  }
  return "nobody";
}

}  // namespace faultline::ledger
