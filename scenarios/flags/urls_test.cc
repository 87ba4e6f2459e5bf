// Goal: an address on a command line means what it looks like.
// Method: URLs and bare addresses, alone and in lists; one bad one among good ones.

#include "scenarios/flags/urls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace faultline::flags {
namespace {

using any::Scheme;
using any::Url;
using ::testing::HasSubstr;

TEST(Urls, ABareAddressIsTcpOrAUnixSocket) {
  std::vector<Url> urls;
  ASSERT_TRUE(Urls(&urls)("127.0.0.1:7200,unix:/run/ledger.sock,ws://[::1]:1/bus").ok());
  ASSERT_EQ(urls.size(), 3u);
  EXPECT_EQ(urls[0].scheme, Scheme::kTcp);
  EXPECT_EQ(urls[0].address, Endpoint::Ipv4Loopback(7200));
  EXPECT_EQ(urls[1].scheme, Scheme::kUnix);
  EXPECT_EQ(urls[2].ToString(), "ws://[::1]:1/bus");
}

TEST(Urls, OneBadOneSpoilsTheList) {
  std::vector<Url> urls = {Url()};
  const absl::Status status = Urls(&urls)("127.0.0.1:7200,http://127.0.0.1:80");
  EXPECT_THAT(std::string(status.message()), HasSubstr("http"));
  EXPECT_FALSE(Urls(&urls)("").ok());
  EXPECT_EQ(urls.size(), 1u) << "the target is left alone";
}

}  // namespace
}  // namespace faultline::flags
