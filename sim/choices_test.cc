// Goal: a draw is a function of (seed, who, kind, how many-th) and of nothing else; tapes record
// and replace draws. Method: draws made in different orders and company are compared; tapes go
// through bytes, whole and damaged.
#include "sim/choices.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace faultline::sim {
namespace {

TEST(Choices, OtherDrawsDoNotShiftADraw) {
  Choices alone(7);
  Chooser flow(&alone, ChooserId({1, 2}));
  uint64_t first = flow.Next(Choice::kLatency);
  uint64_t second = flow.Next(Choice::kLatency);

  Choices crowded(7);
  Chooser other(&crowded, ChooserId({3, 4}));
  Chooser same(&crowded, ChooserId({1, 2}));
  (void)other.Next(Choice::kLatency);
  EXPECT_EQ(same.Next(Choice::kLatency), first);
  (void)same.Next(Choice::kLoss);
  (void)other.Next(Choice::kLoss);
  EXPECT_EQ(same.Next(Choice::kLatency), second);
}

TEST(Choices, EachPartOfTheKeyMatters) {
  Choices seven(7);
  Choices eight(8);
  std::set<uint64_t> values = {
      seven.Draw(1, Choice::kLoss, 0), eight.Draw(1, Choice::kLoss, 0),
      seven.Draw(2, Choice::kLoss, 0), seven.Draw(1, Choice::kLatency, 0),
      seven.Draw(1, Choice::kLoss, 1),
  };
  EXPECT_EQ(values.size(), 5u);
  EXPECT_NE(ChooserId({1, 2}), ChooserId({2, 1}));
}

TEST(Choices, ValuesArePinned) {
  // A tape, a seed in a bug report and a golden hash rely on these: they never change.
  Choices choices(42);
  EXPECT_EQ(choices.Draw(1, Choice::kLatency, 0), choices.Draw(1, Choice::kLatency, 0));
  EXPECT_EQ(ChooserId({}), 0u);
  EXPECT_EQ(choices.Draw(ChooserId({1}), Choice::kLoss, 3), 15135303280221078435u);
}

TEST(Chooser, CertainOutcomesDrawNothing) {
  Choices choices(1);
  Chooser chooser(&choices, 5);
  EXPECT_FALSE(chooser.Chance(Choice::kLoss, {0, 10}));
  EXPECT_TRUE(chooser.Chance(Choice::kLoss, {10, 10}));
  EXPECT_EQ(choices.draws(), 0u);
  (void)chooser.Chance(Choice::kLoss, {1, 10});
  EXPECT_EQ(choices.draws(), 1u);
}

TEST(Chooser, ChanceAndBelowFollowTheirRatio) {
  Choices choices(3);
  Chooser chooser(&choices, 9);
  int hits = 0;
  std::vector<int> counts(4);
  for (int i = 0; i < 40'000; ++i) {
    hits += chooser.Chance(Choice::kLoss, {1, 4}) ? 1 : 0;
    ++counts[chooser.Below(Choice::kSchedule, 4)];
  }
  EXPECT_NEAR(hits, 10'000, 400);
  for (int count : counts) EXPECT_NEAR(count, 10'000, 400);
}

TEST(LoneChooser, DrawsWhatAChooserDraws) {
  Choices choices(3);
  Chooser chooser(&choices, 7);
  LoneChooser<Choice::kApplication> lone(&choices, 7);
  (void)chooser.Next(Choice::kLatency);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(lone.Next(), chooser.Next(Choice::kApplication)) << i;
}

TEST(Tape, ReplaysARunWithoutItsSeed) {
  Tape tape;
  Choices recorded(7);
  recorded.RecordOn(&tape);
  Chooser chooser(&recorded, 11);
  std::vector<uint64_t> drawn;
  for (int i = 0; i < 5; ++i) drawn.push_back(chooser.Next(Choice::kReorder));

  Choices replayed(12345);
  replayed.ReplayFrom(tape);
  Chooser again(&replayed, 11);
  for (uint64_t value : drawn) EXPECT_EQ(again.Next(Choice::kReorder), value);
  EXPECT_EQ(replayed.draws_off_tape(), 0u);
  (void)again.Next(Choice::kReorder);
  EXPECT_EQ(replayed.draws_off_tape(), 1u);
}

TEST(Tape, AnEditedEntryChangesThatDrawAlone) {
  Tape tape;
  Choices recorded(7);
  recorded.RecordOn(&tape);
  Chooser chooser(&recorded, 11);
  uint64_t first = chooser.Next(Choice::kLoss);
  (void)chooser.Next(Choice::kLoss);
  uint64_t third = chooser.Next(Choice::kLoss);

  tape.entries()[1].value = 99;
  Choices edited(7);
  edited.ReplayFrom(tape);
  Chooser again(&edited, 11);
  EXPECT_EQ(again.Next(Choice::kLoss), first);
  EXPECT_EQ(again.Next(Choice::kLoss), 99u);
  EXPECT_EQ(again.Next(Choice::kLoss), third);
}

TEST(Tape, GoesThroughBytes) {
  Tape tape;
  tape.Append({{1, Choice::kYield, 2}, 0xfedcba9876543210});
  tape.Append({{~uint64_t{0}, Choice::kSchedule, 0}, 0});
  absl::StatusOr<Tape> parsed = Tape::Parse(tape.Serialize());
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(*parsed, tape);
}

TEST(Tape, DamageIsNamed) {
  Tape tape;
  tape.Append({{1, Choice::kYield, 2}, 3});
  const std::string good = tape.Serialize();
  auto error = [](std::string bytes) {
    absl::StatusOr<Tape> parsed = Tape::Parse(bytes);
    return parsed.ok() ? std::string("parsed") : std::string(parsed.status().message());
  };
  EXPECT_NE(error("short").find("shorter than its header"), std::string::npos);
  std::string other = good;
  other[0] ^= 1;
  EXPECT_NE(error(other).find("magic"), std::string::npos);
  EXPECT_NE(error(good.substr(0, good.size() - 1)).find("1 entries announced"), std::string::npos);
  std::string flipped = good;
  flipped.back() ^= 1;
  EXPECT_NE(error(flipped).find("checksum"), std::string::npos);
  Tape strange;
  strange.Append({{1, static_cast<Choice>(200), 2}, 3});
  EXPECT_NE(error(strange.Serialize()).find("unknown kind of choice 200"), std::string::npos);
}

TEST(Tape, NoDamagedByteIsAccepted) {
  Tape tape;
  for (uint64_t i = 0; i < 4; ++i) tape.Append({{i, Choice::kLoss, i}, i * 77});
  const std::string good = tape.Serialize();
  for (size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x20);
    EXPECT_FALSE(Tape::Parse(bad).ok()) << "byte " << at;
  }
}

}  // namespace
}  // namespace faultline::sim
