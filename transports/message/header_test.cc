// Goal: the header lies on the wire as the protocol says, byte by byte, whatever the compiler does.
// Method: fill fields through the structs and look at the bytes at the protocol's own offsets, and
// the other way round; compare the seals with published values of the hash.

#include "transports/message/header.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <set>
#include <string>
#include <string_view>

#include "runtime/frozen.h"
#include "transports/message/fields.h"
#include "transports/message/message.h"
#include "transports/message/validate.h"

namespace faultline::message {
namespace {

using Raw = std::array<uint8_t, kHeaderSize>;

// The little-endian number of `width` bytes at `offset`.
uint64_t At(const Raw& raw, size_t offset, size_t width) {
  uint64_t value = 0;
  for (size_t i = 0; i < width; ++i) value |= uint64_t{raw[offset + i]} << (8 * i);
  return value;
}

template <typename T>
Raw RawOf(const T& fields) {
  Header header;
  header.SetFields(fields);
  return std::bit_cast<Raw>(header);
}

TEST(Header, FrameFieldsLieAtTheirOffsets) {
  Header header;
  header.checksum = {.low = 0x11, .high = 0x12};
  header.checksum_body = {.low = 0x21, .high = 0x22};
  header.cluster = {.low = 0x31, .high = 0x32};
  header.size = 0x01020304;
  header.view = 0x11121314;
  header.release = 0x21222324;
  header.command = Command::kCommit;
  header.replica = 0xA5;
  Raw raw = std::bit_cast<Raw>(header);
  EXPECT_EQ(At(raw, 0, 8), 0x11u);
  EXPECT_EQ(At(raw, 8, 8), 0x12u);
  EXPECT_EQ(At(raw, 16, 8), 0x21u);
  EXPECT_EQ(At(raw, 24, 8), 0x22u);
  EXPECT_EQ(At(raw, 32, 8), 0x31u);
  EXPECT_EQ(At(raw, 40, 8), 0x32u);
  EXPECT_EQ(raw[48], 0x04u) << "little-endian";
  EXPECT_EQ(At(raw, 48, 4), 0x01020304u);
  EXPECT_EQ(At(raw, 52, 4), 0x11121314u);
  EXPECT_EQ(At(raw, 56, 4), 0x21222324u);
  EXPECT_EQ(raw[60], 7u);
  EXPECT_EQ(raw[61], 0xA5u);
  EXPECT_EQ(At(raw, 62, 8), 0u);
}

TEST(Header, RequestFieldsLieAtTheirOffsets) {
  Raw raw = RawOf(RequestFields{.client = {.low = 1, .high = 2},
                                .request_checksum = {.low = 3, .high = 4},
                                .timestamp = 5,
                                .request = 6,
                                .operation = Operation::kRead,
                                .session = 8,
                                .user_id = 9});
  EXPECT_EQ(raw[60], static_cast<uint8_t>(Command::kRequest));
  EXPECT_EQ(At(raw, 128, 8), 1u);
  EXPECT_EQ(At(raw, 136, 8), 2u);
  EXPECT_EQ(At(raw, 144, 8), 3u);
  EXPECT_EQ(At(raw, 160, 8), 5u);
  EXPECT_EQ(At(raw, 168, 8), 6u);
  EXPECT_EQ(At(raw, 176, 8), 2u);
  EXPECT_EQ(At(raw, 184, 8), 8u);
  EXPECT_EQ(At(raw, 192, 4), 9u);
}

TEST(Header, ReplyFieldsLieAtTheirOffsets) {
  Raw raw = RawOf(ReplyFields{.request_checksum = {.low = 1, .high = 2},
                              .context = {.low = 3, .high = 4},
                              .client = {.low = 5, .high = 6},
                              .op = 7,
                              .commit = 8,
                              .timestamp = 9,
                              .request = 10,
                              .operation = Operation::kRead,
                              .status = ReplyStatus::kStaleRequest});
  EXPECT_EQ(At(raw, 128, 8), 1u);
  EXPECT_EQ(At(raw, 144, 8), 3u);
  EXPECT_EQ(At(raw, 160, 8), 5u);
  EXPECT_EQ(At(raw, 176, 8), 7u);
  EXPECT_EQ(At(raw, 184, 8), 8u);
  EXPECT_EQ(At(raw, 192, 8), 9u);
  EXPECT_EQ(At(raw, 200, 8), 10u);
  EXPECT_EQ(At(raw, 208, 8), 2u);
  EXPECT_EQ(At(raw, 216, 4), 1u);
}

TEST(Header, FieldsComeBackAsTheyWereSet) {
  Header header;
  header.SetFields(PrepareFields{.op = 41, .commit = 40, .incarnation = 3});
  EXPECT_EQ(header.command, Command::kPrepare);
  PrepareFields fields = header.Fields<PrepareFields>();
  EXPECT_EQ(fields.op, 41u);
  EXPECT_EQ(fields.commit, 40u);
  EXPECT_EQ(fields.incarnation, 3u);
}

TEST(HeaderDeathTest, FieldsOfAnotherCommandAreRefused) {
  Header header;
  header.SetFields(CommitFields{});
  EXPECT_DEATH((void)header.Fields<PrepareFields>(), "a Commit read as a Prepare");
}

TEST(Header, EachCommandHasItsOwnName) {
  std::set<std::string_view> names;
  for (int byte = 0; byte < 256; ++byte) {
    std::string_view name = CommandName(static_cast<Command>(byte));
    if (name != "unknown") names.insert(name);
  }
  EXPECT_EQ(names.size(), 10u);
}

TEST(Uint128, IsOrderedAsANumber) {
  EXPECT_LT((Uint128{.low = 9, .high = 1}), (Uint128{.low = 0, .high = 2}));
  EXPECT_LT((Uint128{.low = 1, .high = 1}), (Uint128{.low = 2, .high = 1}));
}

// Values that the hash's authors publish.
TEST(Checksum, IsXxh3With64Bits) {
  EXPECT_EQ(ChecksumOf({}), (Uint128{.low = 0x2D06800538D394C2, .high = 0}));
  std::string_view abc = "abc";
  EXPECT_EQ(ChecksumOf(std::as_bytes(std::span(abc))),
            (Uint128{.low = 0x78AF5F94892F3950, .high = 0}));
}

TEST(Checksum, TheSealCoversEverythingBehindItself) {
  std::array<std::byte, kHeaderSize> raw{};
  Uint128 seal = SealOf(raw);
  for (size_t i = 0; i < kHeaderSize; ++i) {
    raw[i] = std::byte{1};
    EXPECT_EQ(SealOf(raw) == seal, i < 16) << "byte " << i;
    raw[i] = std::byte{0};
  }
}

// A frame as it is on the wire today: if this changes, nobody of yesterday understands us.
TEST(Checksum, AFrameIsSealedTheSameForEver) {
  BufferPool pool;
  Header header;
  header.cluster = {.low = 1, .high = 2};
  header.SetFields(RequestFields{.client = {.low = 3, .high = 4}, .request = 5});
  std::string_view text = "entry";
  Message message = MakeMessage(&pool, header, std::as_bytes(std::span(text)));
  EXPECT_EQ(message.header().size, 261u);
  EXPECT_EQ(message.header().checksum_body, (Uint128{.low = 0x8A4AD489D8C2A56E, .high = 0}));
  EXPECT_EQ(message.header().checksum, (Uint128{.low = 0x0A4F893F827FFB7A, .high = 0}));
}

}  // namespace
}  // namespace faultline::message
