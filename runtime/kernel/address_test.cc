// Goal: endpoints survive the way to the kernel's form and back.
// Method: every family, with the edges of each.
#include "runtime/kernel/address.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <string>

#include "runtime/errors.h"

namespace faultline::kernel {
namespace {

class AddressTest : public ::testing::TestWithParam<Endpoint> {};

INSTANTIATE_TEST_SUITE_P(
    Endpoints, AddressTest,
    ::testing::Values(Endpoint::Ipv4({192, 0, 2, 7}, 65535), Endpoint::Ipv4Any(0),
                      Endpoint::Ipv6Loopback(1), Endpoint::Ipv6Any(80),
                      Endpoint::Ipv6({0xfe, 0x80, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8}, 9, 3),
                      Endpoint::Unix("/run/ledger.sock"), Endpoint::Unix("x"),
                      Endpoint::Unix(std::string(Endpoint::kMaxUnixPath, 'p')),
                      Endpoint::Unix("@name"),
                      Endpoint::Unix("@" + std::string(Endpoint::kMaxUnixPath - 1, 'p')),
                      Endpoint::Unix(std::string("@with\0null", 10))));

TEST_P(AddressTest, SurvivesTheWayThereAndBack) {
  auto address = ToSocketAddress(GetParam());
  ASSERT_TRUE(address.ok()) << address.status();
  EXPECT_EQ(ToEndpoint(*address), GetParam());
}

TEST(AddressErrorsTest, NamesWhatIsWrong) {
  EXPECT_EQ(ErrnoOf(ToSocketAddress(Endpoint()).status()), EAFNOSUPPORT);
  auto too_long = ToSocketAddress(Endpoint::Unix(std::string(Endpoint::kMaxUnixPath + 1, 'p')));
  EXPECT_EQ(ErrnoOf(too_long.status()), ENAMETOOLONG);
}

TEST(AddressFormTest, IsWhatTheKernelWants) {
  auto v4 = ToSocketAddress(Endpoint::Ipv4({1, 2, 3, 4}, 0x1234));
  ASSERT_TRUE(v4.ok());
  const auto* ip = reinterpret_cast<const sockaddr_in*>(v4->get());
  EXPECT_EQ(ip->sin_family, AF_INET);
  EXPECT_EQ(ntohs(ip->sin_port), 0x1234);
  EXPECT_EQ(ntohl(ip->sin_addr.s_addr), 0x01020304u);
  EXPECT_EQ(v4->size, sizeof(sockaddr_in));
  auto abstract = ToSocketAddress(Endpoint::Unix("@name"));
  ASSERT_TRUE(abstract.ok());
  const auto* local = reinterpret_cast<const sockaddr_un*>(abstract->get());
  EXPECT_EQ(local->sun_path[0], '\0');
  EXPECT_EQ(abstract->size, offsetof(sockaddr_un, sun_path) + 5);  // no terminator: it is a name
}

TEST(AddressFormTest, AnUnnamedUnixSocketHasNoAddress) {
  SocketAddress unnamed;
  unnamed.storage.ss_family = AF_UNIX;
  unnamed.size = sizeof(sa_family_t);
  EXPECT_EQ(ToEndpoint(unnamed), Endpoint());
}

}  // namespace
}  // namespace faultline::kernel
