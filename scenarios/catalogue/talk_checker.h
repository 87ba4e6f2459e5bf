// TalkChecker: what a transport owes to those who talk over it.
//
// A talk is one direction of one connection: numbered messages whose content follows from the talk
// and the number, and an end. The sender says what it is about to do before it does it; whatever
// the receiver then sees is judged by that.
//
// Invariants, by name:
//   in-order    messages arrive in order, each once, and only ones that were sent
//   content     and as they were sent
//   clean-end   a clean end is reported only if the sender finished and everything has arrived
//   no-noise    a polite sender never looks like a broken one: no frame error without a cause
//   torn        a stream that ends within a frame is reported as torn, if its end arrives
//   maximum     a message above the receiver's maximum is refused, never delivered
//   dead-writer a writer that has failed refuses further batches, and the reader beside it ends,
//   not
//               cleanly
//   ends        without any fault every talk comes to its end in time
#ifndef FAULTLINE_SCENARIOS_CATALOGUE_TALK_CHECKER_H_
#define FAULTLINE_SCENARIOS_CATALOGUE_TALK_CHECKER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "runtime/endpoint.h"
#include "runtime/frozen.h"
#include "transports/message/message.h"

namespace faultline::catalogue {

// How a sender means to end.
enum class Ending : uint8_t {
  kFinish,    // half-close after the last message
  kAbort,     // let go of the connection in the middle
  kCancel,    // give up a batch that is being sent
  kTorn,      // half-close within a frame; only on a raw stream
  kTooLarge,  // a message above the receiver's maximum
};

// One direction of one connection.
struct TalkId {
  Endpoint dialer;  // its own address
  bool from_dialer = true;

  friend auto operator<=>(const TalkId&, const TalkId&) = default;
};

// The message of a talk with that number. `salt` tells one use of the same address from the next.
message::Message MakeTalkMessage(BufferPool* pool, uint64_t salt, uint64_t number, size_t size);

class TalkChecker {
 public:
  // Told about each broken invariant.
  using Report = std::function<void(absl::Status)>;
  explicit TalkChecker(Report report) : report_(std::move(report)) {}

  // --- The sender ---

  // Before anything is sent. Gives the salt for its messages: the name of this talk from then on,
  // while addresses are used again.
  uint64_t OnBegin(const TalkId& talk, Ending ending);
  // `count` more messages are about to be sent.
  void OnSending(uint64_t salt, uint64_t count) { talks_[salt].sent += count; }
  // No more will come: the half-close is about to be made.
  void OnFinishing(uint64_t salt) { talks_[salt].finished = true; }
  // A batch has failed; `again` is what the writer says to another one.
  void OnSendFailed(uint64_t salt, const absl::Status& again);

  // --- The receiver ---

  // What the receiver knows of a talk.
  struct Heard {
    TalkId talk{};
    uint64_t salt = 0;  // of the first message; 0: none has come
    uint64_t messages = 0;
  };
  void OnMessage(Heard* heard, const message::Message& message);
  // `beside_failed_writer`: the writer of the same connection at this end had failed before.
  void OnEnd(const Heard& heard, const absl::Status& status, bool beside_failed_writer);

  // --- Either ---

  // A connection did not come to its end in time. `excused`: faults have struck.
  void OnGaveUp(const TalkId& talk, bool excused);

  uint64_t messages() const { return messages_; }
  uint64_t clean_ends() const { return clean_ends_; }
  uint64_t torn_ends() const { return torn_ends_; }
  uint64_t refusals() const { return refusals_; }

 private:
  struct Talk {
    TalkId id{};
    Ending ending = Ending::kFinish;
    uint64_t sent = 0;
    bool finished = false;
  };

  // Nothing to complain about if the invariant has no name.
  struct Complaint {
    std::string invariant{};
    std::string what{};
  };

  void Broken(const Complaint& complaint, const TalkId& talk);
  Complaint JudgeMessage(Heard* heard, const message::Message& message);
  Complaint JudgeCleanEnd(const Talk& talk, const Heard& heard);
  Complaint JudgeFrameError(const Talk& talk, const absl::Status& status);

  const Report report_;
  uint64_t last_salt_ = 0;
  std::map<uint64_t, Talk> talks_;  // by salt
  uint64_t messages_ = 0;
  uint64_t clean_ends_ = 0;
  uint64_t torn_ends_ = 0;
  uint64_t refusals_ = 0;
};

}  // namespace faultline::catalogue

#endif  // FAULTLINE_SCENARIOS_CATALOGUE_TALK_CHECKER_H_
