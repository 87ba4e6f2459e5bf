// Goal: a command line means what it says or is refused, with a message that names the flag, what
// is wrong with it and what would be right. Method: a parser with one flag of each kind, given good
// and bad command lines.

#include "scenarios/flags/flag_parser.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace faultline::flags {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

class FlagParserTest : public ::testing::Test {
 protected:
  FlagParserTest() {
    parser_.Add({.name = "name", .value = "NAME", .help = "what it is", .set = Text(&name_)});
    parser_.Add(
        {.name = "count", .value = "N", .help = "how many", .set = WholeNumber(&count_, 2, 9)});
    parser_.Add({.name = "fast", .help = "hurries", .set = Switch(&fast_)});
    parser_.Add(
        {.name = "level",
         .value = "low|high",
         .help = "how much",
         .set = OneOf({"low", "high"}, [this](std::string_view value) { level_ = value; })});
    parser_.Add({.name = "tag",
                 .value = "TAG",
                 .help = "may be repeated",
                 .set =
                     [this](std::string_view value) {
                       tags_.emplace_back(value);
                       return absl::OkStatus();
                     },
                 .repeatable = true});
  }

  // Empty if the arguments are good.
  std::string Parse(std::vector<std::string> arguments) {
    absl::Status status = parser_.Parse(arguments);
    EXPECT_TRUE(status.ok() || absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  }

  FlagParser parser_;
  std::string name_;
  uint64_t count_ = 0;
  bool fast_ = false;
  std::string level_;
  std::vector<std::string> tags_;
};

TEST_F(FlagParserTest, TakesValuesWithAndWithoutEquals) {
  EXPECT_EQ(Parse({"--name=a b", "--count", "7", "--fast", "--level=high"}), "");
  EXPECT_EQ(name_, "a b");
  EXPECT_EQ(count_, 7u);
  EXPECT_TRUE(fast_);
  EXPECT_EQ(level_, "high");
  EXPECT_TRUE(parser_.given("name"));
  EXPECT_FALSE(parser_.given("tag"));
}

TEST_F(FlagParserTest, OneDashIsAsGoodAsTwo) {
  EXPECT_EQ(Parse({"-count=4"}), "");
  EXPECT_EQ(count_, 4u);
  EXPECT_THAT(Parse({"---count=4"}), HasSubstr("'---count=4' is not a flag"));
}

TEST_F(FlagParserTest, OnlyRepeatableFlagsComeTwice) {
  EXPECT_EQ(Parse({"--tag=a", "--tag", "b"}), "");
  EXPECT_THAT(tags_, ElementsAre("a", "b"));
  EXPECT_THAT(Parse({"--fast", "--fast"}), HasSubstr("--fast is given twice"));
}

TEST_F(FlagParserTest, AnUnknownFlagNamesTheNearest) {
  EXPECT_THAT(Parse({"--cuont=3"}), MatchesRegex(".*--cuont.*did you mean --count.*"));
}

TEST_F(FlagParserTest, WhatIsNoFlagIsRefused) {
  EXPECT_THAT(Parse({"count=3"}), HasSubstr("'count=3' is not a flag"));
  EXPECT_THAT(Parse({"--"}), HasSubstr("'--' is not a flag"));
}

TEST_F(FlagParserTest, ValuesAreWhereTheyBelong) {
  EXPECT_THAT(Parse({"--fast=yes"}), HasSubstr("--fast takes no value"));
  EXPECT_THAT(Parse({"--count"}), HasSubstr("--count needs a value: --count=N"));
  EXPECT_THAT(Parse({"--name="}), HasSubstr("--name: the value is empty"));
}

TEST_F(FlagParserTest, NumbersAreWholeAndInRange) {
  EXPECT_THAT(Parse({"--count=1"}), HasSubstr("too small; the smallest is 2"));
}

TEST_F(FlagParserTest, NumbersDoNotWrap) {
  uint64_t value = 5;
  EXPECT_THAT(
      std::string(ParseWholeNumber("18446744073709551616", 0, UINT64_MAX, &value).message()),
      HasSubstr("too large"));
  EXPECT_THAT(std::string(ParseWholeNumber("-1", 0, 9, &value).message()),
              HasSubstr("not a whole number"));
  EXPECT_THAT(std::string(ParseWholeNumber("", 0, 9, &value).message()),
              HasSubstr("not a whole number"));
  EXPECT_EQ(value, 5u);
}

TEST_F(FlagParserTest, AChoiceNamesWhatThereIs) {
  EXPECT_THAT(Parse({"--level=hihg"}), HasSubstr("none of low, high; did you mean high?"));
}

TEST_F(FlagParserTest, HelpNamesEachFlagInOrder) {
  EXPECT_THAT(parser_.Help(), HasSubstr("  --name=NAME\n      what it is\n  --count=N\n"));
}

}  // namespace
}  // namespace faultline::flags
