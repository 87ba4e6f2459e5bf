// Goal: endpoints are values; their text form is read strictly and parses back to the same
// endpoint. Method: tables of good and bad texts; the message says what is wrong with a bad one.
#include "runtime/endpoint.h"

#include <gtest/gtest.h>

#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace faultline {
namespace {

TEST(EndpointTest, ParsesIpv4) {
  absl::StatusOr<Endpoint> endpoint = Endpoint::Parse("10.1.2.3:7000");
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  EXPECT_EQ(endpoint->family(), Endpoint::Family::kIpv4);
  EXPECT_EQ(*endpoint, Endpoint::Ipv4({10, 1, 2, 3}, 7000));
  EXPECT_EQ(endpoint->port(), 7000);
  EXPECT_EQ(endpoint->address()[0], 10);
  EXPECT_EQ(endpoint->address()[3], 3);
  EXPECT_TRUE(endpoint->is_ip());
}

TEST(EndpointTest, ParsesIpv6WithAndWithoutScope) {
  absl::StatusOr<Endpoint> loopback = Endpoint::Parse("[::1]:0");
  ASSERT_TRUE(loopback.ok()) << loopback.status();
  EXPECT_EQ(*loopback, Endpoint::Ipv6Loopback(0));
  absl::StatusOr<Endpoint> scoped = Endpoint::Parse("[fe80::2%3]:80");
  ASSERT_TRUE(scoped.ok()) << scoped.status();
  EXPECT_EQ(scoped->scope_id(), 3u);
  EXPECT_EQ(scoped->address()[0], 0xfe);
  EXPECT_EQ(scoped->address()[15], 2);
}

TEST(EndpointTest, ParsesUnixPaths) {
  absl::StatusOr<Endpoint> path = Endpoint::Parse("unix:/run/ledger.sock");
  ASSERT_TRUE(path.ok()) << path.status();
  EXPECT_EQ(path->family(), Endpoint::Family::kUnix);
  EXPECT_EQ(path->path(), "/run/ledger.sock");
  EXPECT_FALSE(path->is_ip());
  EXPECT_EQ(Endpoint::Parse("unix:@abstract:1")->path(), "@abstract:1");
  EXPECT_TRUE(Endpoint::Parse("unix:" + std::string(107, 'p')).ok());
}

TEST(EndpointTest, TextParsesBack) {
  const std::vector<Endpoint> endpoints = {
      Endpoint::Ipv4Any(0),
      Endpoint::Ipv4Loopback(65535),
      Endpoint::Ipv4({255, 0, 17, 1}, 1),
      Endpoint::Ipv6Any(9),
      Endpoint::Ipv6Loopback(9),
      Endpoint::Ipv6({0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10}, 443, 7),
      Endpoint::Ipv6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1}, 5),  // mapped IPv4
      Endpoint::Unix("/tmp/a b:c"),
      Endpoint::Unix("@name"),
  };
  for (const Endpoint& endpoint : endpoints) {
    absl::StatusOr<Endpoint> parsed = Endpoint::Parse(endpoint.ToString());
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(*parsed, endpoint);
    std::ostringstream out;
    out << endpoint;
    EXPECT_EQ(out.str(), endpoint.ToString());
  }
}

TEST(EndpointTest, TextIsCanonical) {
  EXPECT_EQ(Endpoint::Parse("[0:0:0:0:0:0:0:1]:08")->ToString(), "[::1]:8");
  EXPECT_EQ(Endpoint::Parse("[FE80::1%2]:8")->ToString(), "[fe80::1%2]:8");
  EXPECT_EQ(Endpoint::Ipv4Loopback(7).ToString(), "127.0.0.1:7");
  EXPECT_EQ(Endpoint().ToString(), "(none)");
}

TEST(EndpointTest, RefusesAndSaysWhy) {
  using namespace std::string_view_literals;
  const std::vector<std::pair<std::string_view, std::string_view>> table = {
      {"", "no port"},
      {"127.0.0.1", "no port"},
      {"127.0.0.1:", "the port is not a number"},
      {"127.0.0.1:65536", "the port is not a number"},
      {"127.0.0.1:-1", "the port is not a number"},
      {"127.0.0.1:+1", "the port is not a number"},
      {"127.0.0.1:80x", "the port is not a number"},
      {"127.0.0.1: 80", "the port is not a number"},
      {":80", "not a numeric IPv4"},
      {"localhost:80", "not a numeric IPv4"},
      {"256.0.0.1:80", "not a numeric IPv4"},
      {"127.0.1:80", "not a numeric IPv4"},
      {"::1:80", "not a numeric IPv4"},
      {"[]:80", "not a numeric IPv6"},
      {"[::1:80", "not a numeric IPv4"},
      {"[127.0.0.1]:80", "not a numeric IPv6"},
      {"[fe80::1%eth0]:80", "scope after '%' is not a number"},
      {"[fe80::1%]:80", "scope after '%' is not a number"},
      {"[fe80::1%4294967296]:80", "scope after '%' is not a number"},
      {"unix:", "the path is empty"},
      {"127.0.0.1\0evil:80"sv, "zero byte"},
      {"unix:/run/a\0b"sv, "zero byte"},
  };
  for (const auto& [text, why] : table) {
    absl::StatusOr<Endpoint> endpoint = Endpoint::Parse(text);
    ASSERT_FALSE(endpoint.ok()) << text << " became " << *endpoint;
    EXPECT_EQ(endpoint.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(std::string(endpoint.status().message()).find(why), std::string::npos)
        << endpoint.status();
  }
  EXPECT_FALSE(Endpoint::Parse("unix:" + std::string(108, 'p')).ok());
}

TEST(EndpointTest, AnyIsAnyAddressNotAnyPort) {
  EXPECT_TRUE(Endpoint::Ipv4Any(80).is_any());
  EXPECT_TRUE(Endpoint::Ipv6Any(80).is_any());
  EXPECT_FALSE(Endpoint::Ipv4Loopback(0).is_any());
  EXPECT_FALSE(Endpoint::Ipv6Loopback(0).is_any());
  EXPECT_FALSE(Endpoint::Unix("@a").is_any());
  EXPECT_FALSE(Endpoint().is_any());
}

TEST(EndpointTest, WithPortChangesThePortAlone) {
  Endpoint before = Endpoint::Ipv6({0xfe, 0x80}, 1, 4);
  Endpoint after = before.WithPort(2);
  EXPECT_EQ(after.port(), 2);
  EXPECT_NE(after, before);
  EXPECT_EQ(after.WithPort(1), before);
}

TEST(EndpointTest, DiffersInEachPart) {
  const std::set<Endpoint> all = {
      Endpoint(),
      Endpoint::Ipv4Any(1),
      Endpoint::Ipv4Any(2),
      Endpoint::Ipv4Loopback(1),
      Endpoint::Ipv6Any(1),
      Endpoint::Ipv6({}, 1, 9),
      Endpoint::Ipv6Loopback(1),
      Endpoint::Unix("a"),
      Endpoint::Unix("b"),
  };
  EXPECT_EQ(all.size(), 9u);
  EXPECT_TRUE(all.contains(Endpoint::Ipv6({}, 1, 9)));
}

}  // namespace
}  // namespace faultline
