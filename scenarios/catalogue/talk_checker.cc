#include "scenarios/catalogue/talk_checker.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "transports/message/fields.h"
#include "transports/message/frame_error.h"

namespace faultline::catalogue {
namespace {

using message::FrameError;
using message::RequestFields;

std::string Name(const TalkId& talk) {
  return absl::StrCat(talk.from_dialer ? "from " : "to ", talk.dialer.ToString());
}

// Bytes that follow from `salt` and `number`, and differ from place to place.
void FillBody(uint64_t salt, uint64_t number, std::span<std::byte> body) {
  uint64_t word = salt * 0x9e3779b97f4a7c15 + number;
  for (std::byte& byte : body) {
    word = word * 0xd1342543de82ef95 + 0x2545f4914f6cdd1d;  // an LCG
    byte = static_cast<std::byte>(word >> 56);
  }
}

bool IsAsSent(uint64_t salt, const message::Message& got) {
  const auto fields = got.Fields<RequestFields>();
  std::vector<std::byte> expected(got.body().size());
  FillBody(salt, fields.request, expected);
  return fields.session == salt && fields.timestamp == expected.size() &&
         std::equal(expected.begin(), expected.end(), got.body().begin());
}

}  // namespace

message::Message MakeTalkMessage(BufferPool* pool, uint64_t salt, uint64_t number, size_t size) {
  message::MessageBuilder builder(pool, size);
  builder.header().SetFields(RequestFields{.timestamp = size, .request = number, .session = salt});
  FillBody(salt, number, builder.body());
  return std::move(builder).Seal();
}

uint64_t TalkChecker::OnBegin(const TalkId& talk, Ending ending) {
  const uint64_t salt = ++last_salt_;
  talks_[salt] = {.id = talk, .ending = ending};
  return salt;
}

void TalkChecker::OnSendFailed(uint64_t salt, const absl::Status& again) {
  if (absl::IsFailedPrecondition(again)) return;
  Broken({"dead-writer", absl::StrCat("after a failed batch another gave ", again.ToString())},
         talks_[salt].id);
}

void TalkChecker::OnMessage(Heard* heard, const message::Message& message) {
  ++messages_;
  ++heard->messages;
  const Complaint complaint = JudgeMessage(heard, message);
  if (!complaint.invariant.empty()) Broken(complaint, heard->talk);
}

TalkChecker::Complaint TalkChecker::JudgeMessage(Heard* heard, const message::Message& message) {
  if (message.command() != message::Command::kRequest) {
    return {"content", "a message of a command that was never sent"};
  }
  const auto fields = message.Fields<RequestFields>();
  if (heard->salt == 0) heard->salt = fields.session;
  const auto talk = talks_.find(heard->salt);
  if (talk == talks_.end() || talk->second.id != heard->talk || fields.session != heard->salt) {
    return {"content", "a message of another talk"};
  }
  const uint64_t sent = talk->second.sent;
  if (fields.request != heard->messages || fields.request > sent) {
    return {"in-order", absl::StrCat("message ", fields.request, " arrived in place ",
                                     heard->messages, "; ", sent, " were sent")};
  }
  const bool too_large = talk->second.ending == Ending::kTooLarge && talk->second.finished;
  if (too_large && fields.request == sent) {
    return {"maximum", absl::StrCat("a message of ", message.size(), " bytes was delivered")};
  }
  if (IsAsSent(heard->salt, message)) return {};
  return {"content", absl::StrCat("message ", fields.request, " is not as it was sent")};
}

// Before its first message nobody can tell which of the talks between the same addresses it was: it
// is enough that the end fits one of them.
void TalkChecker::OnEnd(const Heard& heard, const absl::Status& status, bool beside_failed_writer) {
  const bool clean = message::IsConnectionClosed(status);
  // Anything else is a fault of the stream, which may strike at any time.
  if (!clean && message::FrameErrorOf(status) == FrameError::kNone) return;
  if (clean) ++clean_ends_;
  if (clean && beside_failed_writer) {
    return Broken({"dead-writer", "a clean end although the writer beside it has failed"},
                  heard.talk);
  }
  Complaint complaint = {"clean-end", "an end of what never began"};
  for (const auto& [salt, talk] : talks_) {
    if (heard.salt != 0 ? heard.salt != salt : talk.id != heard.talk) continue;
    complaint = clean ? JudgeCleanEnd(talk, heard) : JudgeFrameError(talk, status);
    if (complaint.invariant.empty()) break;
  }
  if (!complaint.invariant.empty()) Broken(complaint, heard.talk);
}

TalkChecker::Complaint TalkChecker::JudgeCleanEnd(const Talk& talk, const Heard& heard) {
  if (talk.ending == Ending::kTorn) return {"torn", "a torn frame is a clean end"};
  if (talk.finished && heard.messages == talk.sent) return {};
  return {"clean-end",
          absl::StrCat("a clean end after ", heard.messages, " of ", talk.sent, " messages",
                       talk.finished ? "" : ", and the sender has not finished")};
}

TalkChecker::Complaint TalkChecker::JudgeFrameError(const Talk& talk, const absl::Status& status) {
  const FrameError error = message::FrameErrorOf(status);
  if (talk.ending == Ending::kTorn &&
      (error == FrameError::kTornHeader || error == FrameError::kTornBody)) {
    ++torn_ends_;
    return {};
  }
  if (talk.ending == Ending::kTooLarge && error == FrameError::kSizeAboveMaximum) {
    ++refusals_;
    return {};
  }
  return {"no-noise", status.ToString()};
}

void TalkChecker::OnGaveUp(const TalkId& talk, bool excused) {
  if (!excused) Broken({"ends", "not in time, although nothing disturbed it"}, talk);
}

void TalkChecker::Broken(const Complaint& complaint, const TalkId& talk) {
  report_(absl::InternalError(
      absl::StrCat("invariant ", complaint.invariant, ": ", Name(talk), ": ", complaint.what)));
}

}  // namespace faultline::catalogue
