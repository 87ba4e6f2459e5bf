// Goal: the blocks are those of the specification (draft-ietf-opsawg-pcapng).
// Method: the file as bytes, read field by field.
#include "sim/pcap/pcapng.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

namespace faultline::sim {
namespace {

struct Block {
  uint32_t type = 0;
  std::string body;
};

uint32_t Word(const std::string& bytes, size_t at) {
  uint32_t word = 0;
  if (at + 4 <= bytes.size()) std::memcpy(&word, bytes.data() + at, 4);
  return word;
}

// Takes the file apart; an empty list if the lengths are wrong.
std::vector<Block> Blocks(const std::string& file) {
  std::vector<Block> blocks;
  for (size_t at = 0; at < file.size();) {
    const uint32_t length = Word(file, at + 4);
    if (length < 12 || length % 4 != 0 || at + length > file.size()) return {};
    if (Word(file, at + length - 4) != length) return {};
    blocks.push_back({Word(file, at), file.substr(at + 8, length - 12)});
    at += length;
  }
  return blocks;
}

struct PcapngTest : ::testing::Test {
  std::string file;
  PcapngWriter writer{[this](std::span<const std::byte> bytes) {
    file.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }};
};

TEST_F(PcapngTest, AFileBeginsWithASectionAndAnInterface) {
  const std::vector<Block> blocks = Blocks(file);
  ASSERT_EQ(blocks.size(), 2u);
  EXPECT_EQ(blocks[0].type, 0x0A0D0D0Au);
  EXPECT_EQ(Word(blocks[0].body, 0), 0x1A2B3C4Du);
  EXPECT_EQ(Word(blocks[0].body, 4), 1u);  // 1.0
  EXPECT_EQ(blocks[1].type, 1u);
  EXPECT_EQ(Word(blocks[1].body, 0), 101u);  // raw IP
  EXPECT_NE(blocks[1].body.find(std::string("\x09\x00\x01\x00\x09\x00\x00\x00", 8)),
            std::string::npos);  // if_tsresol: 10^-9
}

TEST_F(PcapngTest, APacketHasItsTimeItsBytesAndItsComments) {
  const std::byte packet[] = {std::byte{0x45}, std::byte{1}, std::byte{2}, std::byte{3},
                              std::byte{4}};
  const std::string comments[] = {"lost", "a fault"};
  writer.WritePacket(WallTime(Duration(0x0102030405060708)), packet, comments);
  const std::vector<Block> blocks = Blocks(file);
  ASSERT_EQ(blocks.size(), 3u);
  const std::string& body = blocks[2].body;
  EXPECT_EQ(blocks[2].type, 6u);
  EXPECT_EQ(Word(body, 4), 0x01020304u);
  EXPECT_EQ(Word(body, 8), 0x05060708u);
  EXPECT_EQ(Word(body, 12), 5u);
  EXPECT_EQ(Word(body, 16), 5u);
  EXPECT_EQ(body.substr(20), std::string("\x45\x01\x02\x03\x04\x00\x00\x00"
                                         "\x01\x00\x04\x00lost"
                                         "\x01\x00\x07\x00"
                                         "a fault\x00"
                                         "\x00\x00\x00\x00",
                                         32));
}

TEST_F(PcapngTest, AnEndlessCommentIsCut) {
  const std::string comments[] = {std::string(100'000, 'x')};
  writer.WritePacket(WallTime(), {}, comments);
  const std::vector<Block> blocks = Blocks(file);
  ASSERT_EQ(blocks.size(), 3u);
  EXPECT_EQ(blocks[2].body.size(), 20u + 4 + 65'536 + 4);
}

TEST_F(PcapngTest, SecretsAreAKeyLog) {
  writer.WriteSecrets("LABEL 01 02\n");
  const std::vector<Block> blocks = Blocks(file);
  ASSERT_EQ(blocks.size(), 3u);
  EXPECT_EQ(blocks[2].type, 10u);
  EXPECT_EQ(blocks[2].body, std::string("KSLT\x0c\x00\x00\x00LABEL 01 02\n", 20));
}

TEST_F(PcapngTest, CommentsOfNoPacketStandAlone) {
  const std::string comments[] = {"last"};
  writer.WriteComments(WallTime(Duration(5)), comments);
  const std::vector<Block> blocks = Blocks(file);
  ASSERT_EQ(blocks.size(), 3u);
  EXPECT_EQ(blocks[2].type, 5u);
  EXPECT_NE(blocks[2].body.find("last"), std::string::npos);
}

}  // namespace
}  // namespace faultline::sim
