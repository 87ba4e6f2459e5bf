// Goal: the program's command line means what its help says; what is wrong with it is named.
// Method: command lines, as vectors of strings.
#include "runtime/conformance/flags.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "runtime/conformance/campaign.h"

namespace faultline::conformance {
namespace {

absl::StatusOr<ConformanceFlags> Parse(const std::vector<std::string>& arguments) {
  return ParseConformanceFlags(arguments);
}

TEST(Flags, HaveDefaults) {
  const auto flags = Parse({});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_EQ(flags->programs, 1000u);
  EXPECT_TRUE(flags->simulation && flags->epoll && flags->io_uring);
}

TEST(Flags, SayWhichProgramsAndWorlds) {
  const auto flags = Parse({"--programs=7", "--seed=70", "--worlds=sim,epoll"});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_EQ(flags->programs, 7u);
  EXPECT_EQ(flags->seed, 70u);
  EXPECT_TRUE(flags->simulation && flags->epoll);
  EXPECT_FALSE(flags->io_uring);
}

TEST(Flags, NameWhatIsWrong) {
  const std::string unknown(Parse({"--worlds=sim,kqueue"}).status().message());
  EXPECT_NE(unknown.find("--worlds: 'kqueue' is none of sim, epoll, io_uring"), std::string::npos)
      << unknown;
  EXPECT_FALSE(Parse({"--programs=0"}).ok());
  EXPECT_FALSE(Parse({"--program=1"}).ok());
}

TEST(Main, ExitsWithTwoForABadCommandLine) {
  EXPECT_EQ(Main({"--seed=x"}), kExitUsage);
  EXPECT_EQ(Main({"--help"}), kExitAgree);
  EXPECT_EQ(Main({"--programs=3", "--worlds=sim"}), kExitAgree);
}

}  // namespace
}  // namespace faultline::conformance
