// Goal: bytes that are put back come out once, in order, whatever the sizes of the reads.
// Method: pieces before and behind, taken into buffers of several shapes.
#include "runtime/unread_bytes.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>

namespace faultline {
namespace {

std::span<const std::byte> Bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string TakeUpTo(UnreadBytes* unread, size_t first, size_t second) {
  std::string text(first + second, '-');
  const std::array<iovec, 2> buffers = {iovec{text.data(), first},
                                        iovec{text.data() + first, second}};
  text.resize(unread->Take(buffers));
  return text;
}

TEST(UnreadBytes, ComeOutInOrder) {
  UnreadBytes unread;
  EXPECT_TRUE(unread.empty());
  unread.Append(Bytes("cdef"));
  unread.Prepend(Bytes("ab"));
  unread.Append(Bytes("gh"));
  EXPECT_EQ(unread.size(), 8u);
  EXPECT_EQ(TakeUpTo(&unread, 1, 0), "a");
  EXPECT_EQ(TakeUpTo(&unread, 2, 2), "bcde");
  unread.Prepend(Bytes("yz"));
  EXPECT_EQ(TakeUpTo(&unread, 0, 3), "yzf");
  EXPECT_EQ(TakeUpTo(&unread, 10, 10), "gh");
  EXPECT_TRUE(unread.empty());
  EXPECT_EQ(TakeUpTo(&unread, 10, 10), "");
}

}  // namespace
}  // namespace faultline
