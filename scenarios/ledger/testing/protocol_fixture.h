// What the tests of the protocol share: a primary's or a backup's collaborators, and the frames
// that it sent, in order.
#ifndef FAULTLINE_SCENARIOS_LEDGER_TESTING_PROTOCOL_FIXTURE_H_
#define FAULTLINE_SCENARIOS_LEDGER_TESTING_PROTOCOL_FIXTURE_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "runtime/frozen.h"
#include "scenarios/ledger/bugs.h"
#include "scenarios/ledger/frames.h"
#include "scenarios/ledger/log.h"
#include "scenarios/ledger/observer.h"
#include "scenarios/ledger/outgoing.h"
#include "scenarios/ledger/primary.h"
#include "transports/message/message.h"
#include "transports/message/validate.h"

namespace faultline::ledger {

inline constexpr uint64_t kPrimaryLife = 100;  // incarnations
inline constexpr uint64_t kBackupLife = 200;
inline constexpr ClientId kAlice{0, 1};
inline constexpr ClientId kBob{0, 2};
inline constexpr size_t kMaxFrame = size_t{1} << 20;

inline std::span<const std::byte> Bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// What was sent to whom. A valid frame, always.
struct Sent {
  Party to;
  message::Message frame;
  message::Command command() const { return frame.command(); }
};

class RecordingOutgoing final : public Outgoing {
 public:
  bool ToReplica(ReplicaId replica, Frozen frame) override {
    if (full[replica]) return false;
    return Record(Party::Replica(replica), std::move(frame));
  }
  bool ToClient(const ClientId& client, Frozen frame) override {
    return Record(Party::Client(client), std::move(frame));
  }
  bool ToSlot(uint32_t slot, Frozen frame) override {
    return Record(Party::Client({99, slot}), std::move(frame));
  }

  // What was sent since the last call.
  std::vector<Sent> Take() { return std::exchange(sent, {}); }

  bool full[kMaxReplicas] = {};
  std::vector<Sent> sent;

 private:
  bool Record(const Party& to, Frozen frame) {
    absl::StatusOr<message::Message> parsed = message::Message::Parse(std::move(frame), kMaxFrame);
    EXPECT_TRUE(parsed.ok()) << parsed.status();
    if (parsed.ok()) sent.push_back({to, *parsed});
    return true;
  }
};

class ProtocolFixture : public testing::Test {
 protected:
  ProtocolParts Parts(Log* log, const FrameMaker* frames) {
    return {.log = log, .frames = frames, .outgoing = &out_, .observer = nullptr, .bugs = &bugs_};
  }
  message::Message Parse(Frozen frame) {
    absl::StatusOr<message::Message> parsed = message::Message::Parse(std::move(frame), kMaxFrame);
    EXPECT_TRUE(parsed.ok()) << parsed.status();
    return parsed.ok() ? *parsed : message::Message();
  }
  // A log with entries 1..count of Alice's.
  static void Fill(Log* log, uint64_t count) {
    while (log->last_op() < count) {
      ASSERT_TRUE(log->Append({kAlice, log->last_op() + 1}, Bytes("payload")).ok());
    }
  }

  BufferPool pool_;
  LedgerBugs bugs_;
  RecordingOutgoing out_;
  const message::Uint128 cluster_{1, 0};
};

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_TESTING_PROTOCOL_FIXTURE_H_
