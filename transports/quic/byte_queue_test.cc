// Goal: bytes come out as they went in, and lie still until they are dropped.
// Method: a queue beside a plain vector, with sizes around those of its blocks.

#include "transports/quic/byte_queue.h"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <vector>

namespace faultline::quic {
namespace {

using Bytes = std::vector<std::byte>;

Bytes Pattern(size_t size, size_t from) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>((from + i) * 31 >> 3);
  return bytes;
}

Bytes Joined(std::span<const iovec> pieces) {
  Bytes bytes;
  for (const iovec& piece : pieces) {
    const auto* data = static_cast<const std::byte*>(piece.iov_base);
    bytes.insert(bytes.end(), data, data + piece.iov_len);
  }
  return bytes;
}

TEST(ByteQueue, GivesBackWhatItWasGiven) {
  ByteQueue queue;
  size_t in = 0;
  size_t out = 0;
  for (size_t size : {1u, 4095u, 4096u, 4097u, 40000u, 7u, 3u}) {
    queue.Append(Pattern(size, in));
    in += size;
    EXPECT_EQ(queue.size(), in - out);
    Bytes first(size / 3);
    Bytes second(size / 5 + 1);
    std::array<iovec, 2> buffers = {iovec{first.data(), first.size()},
                                    iovec{second.data(), second.size()}};
    ASSERT_EQ(queue.TakeInto(buffers), first.size() + second.size());
    EXPECT_EQ(Joined(buffers), Pattern(first.size() + second.size(), out));
    out += first.size() + second.size();
  }
  Bytes rest(queue.size() + 1);
  std::array<iovec, 1> all = {iovec{rest.data(), rest.size()}};
  EXPECT_EQ(queue.TakeInto(all), in - out);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.TakeInto(all), 0u);
}

TEST(ByteQueue, BytesLieStillUntilTheyAreDropped) {
  ByteQueue queue;
  queue.Append(Pattern(5'000, 0));
  std::array<iovec, 4> room;
  Bytes before = Joined(queue.Peek(2'500, room));
  std::array<iovec, 4> kept = room;
  queue.Append(Pattern(100'000, 5'000));
  queue.Drop(2'500);
  EXPECT_EQ(before, Pattern(2'500, 2'500));
  EXPECT_EQ(Joined(std::span(kept).first(2)), before);
}

TEST(ByteQueue, PeeksAtNoMoreThanThereIsRoomFor) {
  ByteQueue queue;
  queue.Append(Pattern(60'000, 0));
  std::array<iovec, 2> room;
  EXPECT_EQ(Joined(queue.Peek(0, room)), Pattern(8'192, 0));
  EXPECT_EQ(Joined(queue.Peek(59'999, room)), Pattern(1, 59'999));
  EXPECT_TRUE(queue.Peek(60'000, room).empty());
}

}  // namespace
}  // namespace faultline::quic
