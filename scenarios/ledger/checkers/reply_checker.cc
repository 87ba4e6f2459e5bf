#include "scenarios/ledger/checkers/reply_checker.h"

#include "absl/strings/str_cat.h"

namespace faultline::ledger {

void ReplyChecker::OnIssued(const EntryId& id, const Digest& request) {
  if (!issued_.try_emplace(id, Issued{request, 0}).second) {
    findings_->Add("reply-matches", absl::StrCat(ToString(id), " was issued twice"));
  }
}

void ReplyChecker::OnReply(const ClientId& client, const ReplyFacts& reply) {
  ++replies_;
  const std::string what =
      absl::StrCat("the reply to ", ToString(reply.id), " (op ", reply.op, ")");
  if (reply.id.client != client) {
    findings_->Add("reply-matches", absl::StrCat(what, " arrived at ", ToString(client)));
    return;
  }
  auto issued = issued_.find(reply.id);
  if (issued == issued_.end()) {
    findings_->Add("reply-matches", absl::StrCat(what, " answers nothing that was asked"));
  } else if (issued->second.request != reply.request) {
    findings_->Add("reply-matches",
                   absl::StrCat(what, " answers another request: ", ToString(reply.request),
                                ", not ", ToString(issued->second.request)));
  } else if (issued->second.op != 0 && issued->second.op != reply.op) {
    findings_->Add("reply-matches", absl::StrCat(what, " named op ", issued->second.op, " before"));
  } else {
    issued->second.op = reply.op;
  }
}

}  // namespace faultline::ledger
