// Choices: every decision of a run, as a function of (seed, who, kind, how many-th).
//
// Not one stream of random numbers: each chooser (a flow, a host, the scheduler) counts its own
// draws of each kind, and the value is a keyed hash of these four. So an edit to one fault, one
// host or one connection leaves all other draws as they were. A run can record its draws on a tape;
// a run can be given a tape, whose entries then replace the drawn values: replayed in full it
// repeats the run without the seed, shortened or edited it is what a shrinker and a fuzzer work on.
//
//   Chooser chooser(&choices, ChooserId(host, peer));
//   if (chooser.Chance(Choice::kLoss, config.loss)) ...
#ifndef FAULTLINE_SIM_CHOICES_H_
#define FAULTLINE_SIM_CHOICES_H_

#include <array>
#include <compare>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/random.h"

namespace faultline::sim {

// What is being decided. Values are part of the tape's format: add at the end.
enum class Choice : uint8_t {
  kSchedule,     // which ready task runs
  kPriority,     // PCT: the rank of a task
  kChangePoint,  // PCT: when a rank drops
  kLatency,      // of a packet
  kLoss,
  kDuplicate,
  kReorder,
  kReorderDelay,
  kCorrupt,
  kCorruptPosition,
  kPartialWrite,
  kPartialWriteSize,
  kPartialRead,
  kPartialReadSize,
  kEphemeralPort,
  kAckLatency,
  kApplication,  // the random source of a process
  kEntropy,      // the entropy of a process
  kFaultPlan,    // which faults, where and when
  kClock,        // skew and drift
  kReset,        // an injected RST
  kYield,        // a completion that goes through the ready queue
  kMarkCe,       // congestion is told to a datagram
  kMailbox,      // how long a parcel is on its way between two shards, and news of it
  kCount,
};

std::string_view ChoiceName(Choice kind);

// Who decides: a stable name as a number, made of small parts (never of an address).
uint64_t ChooserId(std::initializer_list<uint64_t> parts);

struct TapeKey {
  uint64_t who = 0;
  Choice kind = Choice::kSchedule;
  uint64_t nth = 0;

  friend auto operator<=>(const TapeKey&, const TapeKey&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const TapeKey& key) {
    return H::combine(std::move(h), key.who, static_cast<uint8_t>(key.kind), key.nth);
  }
};

struct TapeEntry {
  TapeKey key;
  uint64_t value = 0;  // the raw 64 bits drawn

  friend bool operator==(const TapeEntry&, const TapeEntry&) = default;
};

// The draws of a run in the order in which they were made.
class Tape {
 public:
  void Append(const TapeEntry& entry) { entries_.push_back(entry); }
  const std::vector<TapeEntry>& entries() const { return entries_; }
  std::vector<TapeEntry>& entries() { return entries_; }

  // A portable binary form (little-endian, with a magic number, a count and a checksum).
  std::string Serialize() const;
  // Errors: InvalidArgument, naming what is wrong with the bytes.
  static absl::StatusOr<Tape> Parse(std::string_view bytes);

  friend bool operator==(const Tape&, const Tape&) = default;

 private:
  std::vector<TapeEntry> entries_;
};

class Choices {
 public:
  // As if `RecordOn` and `ReplayFrom` had been called, where not null.
  explicit Choices(uint64_t seed, Tape* record_on = nullptr, const Tape* replay_from = nullptr);
  Choices(const Choices&) = delete;
  Choices& operator=(const Choices&) = delete;

  // From now on each draw is appended to `tape`, which must outlive this. Null stops it.
  void RecordOn(Tape* tape) { record_ = tape; }
  // Draws that `tape` has are taken from it; others are drawn from the seed.
  void ReplayFrom(const Tape& tape);

  uint64_t Draw(uint64_t who, Choice kind, uint64_t nth) {
    uint64_t value = Generate(who, kind, nth);
    if (!slow_path()) return value;
    return DrawOnTape(who, kind, nth, value);
  }

  uint64_t seed() const { return seed_; }
  uint64_t draws() const { return draws_; }
  // Of these, those that the tape to replay from did not have.
  uint64_t draws_off_tape() const { return off_tape_; }

 private:
  bool slow_path() {
    ++draws_;
    return record_ != nullptr || replaying_;
  }
  uint64_t Generate(uint64_t who, Choice kind, uint64_t nth) const;
  uint64_t DrawOnTape(uint64_t who, Choice kind, uint64_t nth, uint64_t value);

  const uint64_t seed_;
  uint64_t draws_ = 0;
  uint64_t off_tape_ = 0;
  Tape* record_ = nullptr;
  bool replaying_ = false;
  absl::flat_hash_map<TapeKey, uint64_t> replay_;  // looked up, never iterated
};

// One who decides, and how many of each kind it has decided.
class Chooser {
 public:
  Chooser(Choices* choices, uint64_t who) : choices_(choices), who_(who) {}

  uint64_t Next(Choice kind) { return choices_->Draw(who_, kind, counts_[PlaceOf(kind)]++); }
  // Uniform in [0, bound); bound > 0.
  uint64_t Below(Choice kind, uint64_t bound) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(Next(kind)) * bound) >> 64);
  }
  // Draws only if the answer is open: a ratio of 0 or 1 leaves the count as it is.
  bool Chance(Choice kind, Ratio ratio) {
    if (ratio.numerator == 0) return false;
    if (ratio.numerator >= ratio.denominator) return true;
    return Below(kind, ratio.denominator) < ratio.numerator;
  }

  Choices* choices() const { return choices_; }
  uint64_t who() const { return who_; }

 private:
  // The counts of latencies, which packets draw most, come first: in the cache line of `who_`.
  static constexpr size_t PlaceOf(Choice kind) {
    switch (kind) {
      case Choice::kLatency:
        return 0;
      case Choice::kAckLatency:
        return 1;
      case Choice::kSchedule:
        return static_cast<size_t>(Choice::kLatency);
      case Choice::kPriority:
        return static_cast<size_t>(Choice::kAckLatency);
      case Choice::kMarkCe:  // of datagrams, the other of streams: nobody has both
        return static_cast<size_t>(Choice::kPartialWrite);
      case Choice::kMailbox:  // of mailboxes, the other of packets
        return 0;
      default:
        return static_cast<size_t>(kind);
    }
  }

  Choices* choices_;
  uint64_t who_;
  std::array<uint32_t, static_cast<size_t>(Choice::kMarkCe)> counts_{};
};

// A `Chooser` that decides one kind of thing only: its count is all that it needs.
template <Choice kKind>
class LoneChooser {
 public:
  LoneChooser(Choices* choices, uint64_t who) : choices_(choices), who_(who) {}

  uint64_t Next() { return choices_->Draw(who_, kKind, count_++); }

 private:
  Choices* choices_;
  uint64_t who_;
  uint32_t count_ = 0;
};

}  // namespace faultline::sim

#endif  // FAULTLINE_SIM_CHOICES_H_
