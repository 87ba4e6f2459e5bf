// Goal: a message that exists is valid, whoever made it, and shares its buffer instead of copying.
// Method: build, seal, parse; damage; look at where the bytes lie.

#include "transports/message/message.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "runtime/buffer_packer.h"
#include "runtime/frozen.h"
#include "transports/message/frame_error.h"
#include "transports/testing/samples.h"

namespace faultline::message {
namespace {

using testing::Sample;
using testing::TagOf;

constexpr size_t kMax = 1 << 20;

TEST(Message, WhatWasSealedIsAccepted) {
  BufferPool pool;
  for (size_t body : {0, 1, 255, 256, 3840, 3841, 100000}) {
    Message message = Sample(&pool, 9, body);
    EXPECT_EQ(message.size(), kHeaderSize + body);
    EXPECT_EQ(message.header().size, kHeaderSize + body);
    EXPECT_EQ(message.body().size(), body);
    absl::StatusOr<Message> parsed = Message::Parse(message.frozen(), kMax);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(TagOf(*parsed), 9u);
  }
}

TEST(Message, MayBePacked) {
  BufferPool pool;
  BufferPacker packer(&pool);
  std::vector<Message> messages;
  for (size_t body : {44, 0, 1000, 5000}) {
    MessageBuilder builder(&packer, body);
    builder.header().SetFields(RequestFields{.request = body});
    std::memset(builder.body().data(), 7, body);
    messages.push_back(std::move(builder).Seal());
  }
  EXPECT_EQ(messages[1].frozen().data(), messages[0].frozen().data() + 320);
  for (const Message& message : messages) {
    absl::StatusOr<Message> parsed = Message::Parse(message.frozen(), kMax);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(parsed->Fields<RequestFields>().request, parsed->body().size());
  }
}

TEST(Message, ParsingSharesTheBuffer) {
  BufferPool pool;
  Message message = Sample(&pool, 9, 100);
  Message copy = message;
  absl::StatusOr<Message> parsed = Message::Parse(message.frozen(), kMax);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->frozen().data(), message.frozen().data());
  EXPECT_EQ(copy.frozen().data(), message.frozen().data());
}

TEST(Message, ParsingRefusesWhatIsDamaged) {
  BufferPool pool;
  Message message = Sample(&pool, 9, 100);
  for (size_t offset : {3, 49, 130, 256, 355}) {
    Unfrozen damaged = pool.Allocate(message.size());
    std::memcpy(damaged.data(), message.frozen().data(), message.size());
    damaged.data()[offset] ^= std::byte{1};
    EXPECT_FALSE(Message::Parse(std::move(damaged).Freeze(), kMax).ok()) << offset;
  }
  EXPECT_EQ(FrameErrorOf(Message::Parse(message.frozen(), 300).status()),
            FrameError::kSizeAboveMaximum);
  EXPECT_EQ(FrameErrorOf(Message::Parse(message.frozen().Slice(0, 300), kMax).status()),
            FrameError::kLengthMismatch);
}

TEST(MessageBuilder, ATruncatedBodyIsSealedAsItIs) {
  BufferPool pool;
  MessageBuilder builder(&pool, 1000);
  builder.header().SetFields(CatchUpDataFields{.count = 1});
  std::memset(builder.body().data(), 3, 10);
  builder.TruncateBody(10);
  Message message = std::move(builder).Seal();
  EXPECT_EQ(message.size(), 266u);
  EXPECT_TRUE(Message::Parse(message.frozen(), kMax).ok());
}

TEST(MessageBuilder, TheHeaderStartsZeroed) {
  BufferPool pool;
  {
    Message dirt = Sample(&pool, 77, 3000);
  }
  MessageBuilder builder(&pool);
  builder.header().command = Command::kCommit;
  Message message = std::move(builder).Seal();
  EXPECT_EQ(message.Fields<CommitFields>().commit, 0u);
  EXPECT_EQ(message.header().view, 0u);
}

TEST(MessageDeathTest, BugsOfOursAreLoud) {
  BufferPool pool;
  EXPECT_DEATH((void)MessageBuilder(&pool).Seal(), "a message has a command");
  EXPECT_DEATH((void)Message().header(), "an empty message has no header");
  EXPECT_DEATH((void)MessageBuilder(&pool, size_t{5} << 30), "a body of");
  Frozen odd = Sample(&pool, 1, 300).frozen().Slice(1, 300);
  EXPECT_DEATH((void)Message::Parse(odd, kMax), "headers are read where they lie");
}

}  // namespace
}  // namespace faultline::message
