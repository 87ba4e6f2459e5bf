// Goal: endpoints and times come out of a command line as they were meant, and what was not meant
// is refused with a message that says what would be right. Method: setters, called with good and
// bad values.

#include "scenarios/flags/values.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace faultline::flags {
namespace {

using ::testing::HasSubstr;

std::string MessageOf(const absl::Status& status) { return std::string(status.message()); }

TEST(Values, AnAddressIsIpOrUnix) {
  Endpoint endpoint;
  EXPECT_TRUE(Address(&endpoint)("127.0.0.1:7100").ok());
  EXPECT_EQ(endpoint, Endpoint::Ipv4Loopback(7100));
  EXPECT_TRUE(Address(&endpoint)("unix:/tmp/ledger").ok());
  EXPECT_EQ(endpoint, Endpoint::Unix("/tmp/ledger"));
}

TEST(Values, ABadAddressLeavesTheTargetAlone) {
  Endpoint endpoint = Endpoint::Ipv4Loopback(1);
  EXPECT_THAT(MessageOf(Address(&endpoint)("localhost:7100")), HasSubstr("localhost:7100"));
  EXPECT_EQ(endpoint, Endpoint::Ipv4Loopback(1));
}

TEST(Values, AddressesKeepTheirOrder) {
  std::vector<Endpoint> endpoints;
  EXPECT_TRUE(Addresses(&endpoints)("127.0.0.1:3,[::1]:2,unix:a").ok());
  EXPECT_THAT(endpoints, ::testing::ElementsAre(Endpoint::Ipv4Loopback(3),
                                                Endpoint::Ipv6Loopback(2), Endpoint::Unix("a")));
}

TEST(Values, OneBadAddressSpoilsTheList) {
  std::vector<Endpoint> endpoints;
  EXPECT_THAT(MessageOf(Addresses(&endpoints)("127.0.0.1:3,,127.0.0.1:4")), HasSubstr("no port"));
  EXPECT_TRUE(endpoints.empty());
}

TEST(Values, TimesHaveUnits) {
  Duration time{};
  EXPECT_TRUE(TimeSpan(&time, 0s, 24h)("1m30s").ok());
  EXPECT_EQ(time, 90s);
  EXPECT_TRUE(TimeSpan(&time, 0s, 24h)("250ms").ok());
  EXPECT_EQ(time, 250ms);
  EXPECT_THAT(MessageOf(TimeSpan(&time, 0s, 24h)("5")), HasSubstr("write 250ms, 5s or 1m30s"));
  EXPECT_EQ(time, 250ms);
}

TEST(Values, TimesHaveBounds) {
  Duration time{};
  EXPECT_THAT(MessageOf(TimeSpan(&time, 1s, 1h)("999ms")), HasSubstr("the shortest is 1s"));
  EXPECT_THAT(MessageOf(TimeSpan(&time, 1s, 1h)("2h")), HasSubstr("the longest is 1h"));
  EXPECT_THAT(MessageOf(TimeSpan(&time, 1s, 1h)("-2s")), HasSubstr("too short"));
  EXPECT_THAT(MessageOf(TimeSpan(&time, 1s, 1h)("inf")), HasSubstr("too long"));
  EXPECT_EQ(time, 0s);
}

TEST(Values, WhatIsFormattedParsesBack) {
  for (Duration time : {Duration(1ns), Duration(250ms), Duration(90s), Duration(25h)}) {
    absl::StatusOr<Duration> parsed = ParseTimeSpan(FormatTimeSpan(time));
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(*parsed, time);
  }
}

}  // namespace
}  // namespace faultline::flags
