// Goal: whatever pieces a stream arrives in, the same messages come out; wrong frames, torn frames
// and faults each come out as themselves, and stay; one read takes what is there.
// Method: an adversarial stream in memory: every cut position, one byte at a time, the end and a
// fault behind every byte, receive buffers of every awkward size, one system call counted.

#include "transports/message/frame_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/errors.h"
#include "transports/message/frame_error.h"
#include "transports/testing/memory_stream.h"
#include "transports/testing/samples.h"
#include "transports/testing/task_runner.h"

namespace faultline::message {
namespace {

using testing::MakeMemoryStreams;
using testing::MemoryPipeOptions;
using testing::MemoryStream;
using testing::Sample;
using testing::TagOf;
using testing::TaskRunner;

constexpr size_t kMax = size_t{1} << 20;
using Result = absl::StatusOr<Message>;

// A reader and the stream that feeds it.
struct Fixture {
  explicit Fixture(MemoryPipeOptions forth = {}, FrameReaderOptions options = {},
                   const TransportBugs* bugs = nullptr)
      : streams(MakeMemoryStreams(std::move(forth))),
        peer(*streams.first),
        stream(*streams.second),
        reader(&stream, &pool, options, bugs) {}

  void Feed(std::span<const std::byte> bytes) { peer.Inject(bytes); }
  void End() { EXPECT_TRUE(peer.ShutdownWrite().ok()); }
  Result Read(size_t max = kMax) { return loop.Await(reader.ReadMessage(max)); }

  // The tags of what comes until the first error, which ends up in `error`.
  std::vector<uint64_t> ReadAll(size_t max = kMax) {
    std::vector<uint64_t> tags;
    for (;;) {
      Result message = Read(max);
      if (!message.ok()) {
        error = message.status();
        return tags;
      }
      tags.push_back(TagOf(*message));
    }
  }

  BufferPool pool;
  TaskRunner loop;
  std::pair<std::unique_ptr<MemoryStream>, std::unique_ptr<MemoryStream>> streams;
  MemoryStream& peer;
  MemoryStream& stream;
  FrameReader<Stream> reader;
  absl::Status error;
};

// Messages of the given body sizes, tagged 1, 2, 3, ...
std::vector<std::byte> WireOf(const std::vector<size_t>& bodies) {
  BufferPool pool;
  std::vector<Message> messages;
  for (size_t body : bodies) messages.push_back(Sample(&pool, messages.size() + 1, body));
  return testing::Wire(messages);
}

std::vector<uint64_t> OneTo(uint64_t last) {
  std::vector<uint64_t> tags;
  for (uint64_t tag = 1; tag <= last; ++tag) tags.push_back(tag);
  return tags;
}

TEST(FrameReader, EveryCutOfTwoFramesGivesBoth) {
  std::vector<std::byte> wire = WireOf({44, 300});
  for (size_t cut = 0; cut <= wire.size(); ++cut) {
    Fixture f({.read_sizes = {std::max<size_t>(cut, 1), testing::kNever}});
    f.Feed(wire);
    f.End();
    EXPECT_EQ(f.ReadAll(), OneTo(2)) << "cut at " << cut;
    EXPECT_TRUE(IsConnectionClosed(f.error)) << f.error;
  }
}

TEST(FrameReader, EveryPairOfCutsGivesTheSame) {
  std::vector<std::byte> wire = WireOf({0, 3});
  for (size_t first = 1; first < wire.size(); first += 13) {
    for (size_t second = 1; first + second < wire.size(); second += 7) {
      Fixture f({.read_sizes = {first, second, testing::kNever}},
                {.receive_buffer_bytes = 512, .receive_buffer_max_bytes = 512});
      f.Feed(wire);
      f.End();
      ASSERT_EQ(f.ReadAll(), OneTo(2)) << first << ", " << second;
      ASSERT_TRUE(IsConnectionClosed(f.error)) << f.error;
    }
  }
}

TEST(FrameReader, PiecesOfEverySizeGiveTheSameWithEveryBuffer) {
  std::vector<std::byte> wire =
      WireOf({0, 1, 255, 256, 257, 4000, 0, 70000, 9, 20000, 20000, 0, 5});
  for (size_t buffer : {512, 513, 1000, 4096, 65536}) {
    for (size_t piece : {1, 7, 255, 256, 257, 1000, 4096, 65537}) {
      for (size_t direct : {256, 16384, 1 << 20}) {
        Fixture f({.read_sizes = {piece}}, {.receive_buffer_bytes = buffer,
                                            .receive_buffer_max_bytes = buffer,
                                            .direct_bytes = direct});
        f.Feed(wire);
        f.End();
        ASSERT_EQ(f.ReadAll(), OneTo(13)) << buffer << ", " << piece << ", " << direct;
        ASSERT_TRUE(IsConnectionClosed(f.error)) << f.error;
      }
    }
  }
}

// The stream gives a piece, the reader waits, the next piece comes.
TEST(FrameReader, WaitsForEachByte) {
  std::vector<std::byte> wire = WireOf({2, 300});
  Fixture f;
  std::vector<uint64_t> tags;
  auto read = f.loop.Start(f.reader.ReadMessage(kMax));
  for (std::byte byte : wire) {
    f.loop.Run();
    ASSERT_FALSE(read.done());
    f.Feed({&byte, 1});
    f.loop.Run();
    if (!read.done()) continue;
    ASSERT_TRUE(read.result().ok());
    tags.push_back(TagOf(*read.result()));
    read = f.loop.Start(f.reader.ReadMessage(kMax));
  }
  EXPECT_EQ(tags, OneTo(2));
  f.loop.Crash();
}

TEST(FrameReader, TheEndBehindEveryByteIsTornOrClean) {
  std::vector<std::byte> wire = WireOf({30, 500});
  for (size_t end = 0; end <= wire.size(); ++end) {
    Fixture f({.read_sizes = {97}, .end_after = end});
    f.Feed(wire);
    size_t whole = end < 286 ? 0 : end < wire.size() ? 1 : 2;
    EXPECT_EQ(f.ReadAll(), OneTo(whole)) << end;
    size_t begin = whole == 0 ? 0 : whole == 1 ? 286 : wire.size();
    size_t rest = end - begin;
    if (rest == 0) {
      EXPECT_TRUE(IsConnectionClosed(f.error)) << end << ": " << f.error;
      EXPECT_TRUE(f.reader.closed_cleanly());
      continue;
    }
    EXPECT_TRUE(absl::IsDataLoss(f.error)) << end << ": " << f.error;
    EXPECT_FALSE(f.reader.closed_cleanly());
    if (rest < 256) {
      EXPECT_EQ(FrameErrorOf(f.error), FrameError::kTornHeader) << end;
      EXPECT_EQ(f.error.message(), "torn header: " + std::to_string(rest) + " of 256 bytes");
    } else {
      EXPECT_EQ(FrameErrorOf(f.error), FrameError::kTornBody) << end;
      EXPECT_EQ(f.error.message(), "torn body: " + std::to_string(rest - 256) + " of " +
                                       std::to_string(whole == 0 ? 30 : 500) + " bytes");
    }
  }
}

// Behind a reset a stream reports its end: that end is none of ours.
TEST(FrameReader, AFaultBehindEveryByteIsReportedAndStays) {
  std::vector<std::byte> wire = WireOf({30, 500});
  for (size_t fault = 0; fault <= wire.size(); fault += 11) {
    Fixture f({.read_fault_after = fault});
    f.Feed(wire);
    EXPECT_EQ(f.ReadAll(), OneTo(fault < 286 ? 0 : fault < wire.size() ? 1 : 2)) << fault;
    EXPECT_EQ(ErrnoOf(f.error), ECONNRESET) << f.error;
    EXPECT_EQ(ErrnoOf(f.Read().status()), ECONNRESET) << "a reset never turns into a clean end";
    EXPECT_EQ(ErrnoOf(f.reader.TryNext(kMax)->status()), ECONNRESET);
    EXPECT_FALSE(f.reader.closed_cleanly());
  }
}

TEST(FrameReader, TheCleanEndStays) {
  Fixture f;
  f.End();
  EXPECT_TRUE(IsConnectionClosed(f.Read().status()));
  size_t reads = f.stream.reads();
  EXPECT_TRUE(IsConnectionClosed(f.Read().status()));
  EXPECT_EQ(f.stream.reads(), reads) << "nothing is left to be asked";
}

TEST(FrameReader, OneReadTakesEverythingThatIsThere) {
  Fixture f;
  f.Feed(WireOf(std::vector<size_t>(200, 44)));
  EXPECT_EQ(TagOf(*f.Read()), 1u);
  for (uint64_t tag = 2; tag <= 200; ++tag) {
    auto next = f.reader.TryNext(kMax);
    ASSERT_TRUE(next.has_value());
    ASSERT_TRUE(next->ok()) << next->status();
    EXPECT_EQ(TagOf(**next), tag);
  }
  EXPECT_FALSE(f.reader.TryNext(kMax).has_value());
  EXPECT_EQ(f.stream.reads(), 1u);
}

// The rest of a frame and what follows it: one read.
TEST(FrameReader, WhatFollowsAPartialFrameComesWithItsRest) {
  std::vector<std::byte> wire = WireOf({3000, 10, 20, 30});
  Fixture f({.read_sizes = {1000, testing::kNever}});
  f.Feed(wire);
  f.End();
  EXPECT_EQ(f.ReadAll(), OneTo(4));
  EXPECT_EQ(f.stream.reads(), 3u) << "head, everything else, end";
}

TEST(FrameReader, LargeFramesAreReadOneCallAFrame) {
  constexpr size_t kFrames = 16;
  std::vector<std::byte> wire = WireOf(std::vector<size_t>(kFrames, 65536 - 256));
  Fixture f;
  f.Feed(wire);
  f.End();
  EXPECT_EQ(f.ReadAll(), OneTo(kFrames));
  EXPECT_LE(f.stream.reads(), kFrames + 2);
}

TEST(FrameReader, SmallFramesBehindALargeOneFillTheBufferAgain) {
  std::vector<size_t> bodies(400, 0);
  bodies[0] = 65536;
  std::vector<std::byte> wire = WireOf(bodies);
  Fixture f;
  f.Feed(wire);
  f.End();
  EXPECT_EQ(f.ReadAll(), OneTo(400));
  EXPECT_LE(f.stream.reads(), 6u) << "large, its rest, a few small, 64 KiB at a time, end";
}

TEST(FrameReader, MessagesOutliveTheReader) {
  std::vector<Message> kept;
  BufferPool pool;
  {
    Fixture f({.read_sizes = {600}});
    f.Feed(WireOf({300, 300, 300}));
    f.End();
    for (int i = 0; i < 3; ++i) kept.push_back(*f.Read());
  }
  for (uint64_t i = 0; i < 3; ++i) EXPECT_EQ(TagOf(kept[i]), i + 1);
}

TEST(FrameReader, BuffersOfTheirOwnStartAtMultiplesOf4096) {
  Fixture f({.read_sizes = {500}}, {.own_buffers = true});
  f.Feed(WireOf({300, 0, 5000}));
  for (int i = 0; i < 3; ++i) {
    Result message = f.Read();
    ASSERT_TRUE(message.ok());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(message->frozen().data()) % kBufferAlignment, 0u);
  }
}

// Two reads a frame: what is larger than a read, and the rest of it.
TEST(FrameReader, FramesThatCameInPiecesStartAtMultiplesOf4096) {
  Fixture f({.read_sizes = {300, 100000}});
  f.Feed(WireOf({5000, 20000}));
  Result message = f.Read();
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(reinterpret_cast<uintptr_t>(message->frozen().data()) % kBufferAlignment, 0u);
}

TEST(FrameReader, WholeFramesAreGivenOutWhereTheyWereReceived) {
  Fixture f;
  f.Feed(WireOf({0, 744, 0}));
  Message first = *f.Read();
  Message second = **f.reader.TryNext(kMax);
  Message third = **f.reader.TryNext(kMax);
  EXPECT_EQ(second.frozen().data(), first.frozen().data() + 256);
  EXPECT_EQ(third.frozen().data(), second.frozen().data() + 1000);
}

// A header is read where it lies: frames that came at odd places are copied; so is no frame that a
// read begins with, however odd what came before it.
TEST(FrameReader, EveryMessageIsAligned) {
  for (size_t piece : {1, 100, 300, 1000, 100000}) {
    Fixture f({.read_sizes = {piece}});
    f.Feed(WireOf({1, 2, 3, 4, 5, 6, 7, 8, 9, 300, 0, 11}));
    f.End();
    std::vector<Message> kept;
    for (Result message = f.Read(); message.ok(); message = f.Read()) {
      EXPECT_EQ(reinterpret_cast<uintptr_t>(message->frozen().data()) % alignof(Header), 0u);
      kept.push_back(*std::move(message));
    }
    ASSERT_EQ(kept.size(), 12u);
    for (size_t i = 0; i < kept.size(); ++i) EXPECT_EQ(TagOf(kept[i]), i + 1) << piece;
  }
}

// Messages are kept, all of them or some, while the reader reads on: none is written over.
TEST(FrameReader, KeptMessagesStayAsTheyWere) {
  std::vector<size_t> bodies;
  for (size_t i = 0; i < 300; ++i) bodies.push_back(i % 7 == 0 ? 3000 : i * 37 % 200);
  std::vector<std::byte> wire = WireOf(bodies);
  for (size_t piece : {90, 700, 5000, 100000}) {
    for (size_t buffer : {512, 1024, 4096, 65536}) {
      for (size_t every : {1, 3, 50}) {
        Fixture f({.read_sizes = {piece, 1 + piece / 3}},
                  {.receive_buffer_bytes = buffer, .receive_buffer_max_bytes = buffer});
        f.Feed(wire);
        f.End();
        std::vector<std::pair<uint64_t, Message>> kept;
        uint64_t tag = 0;
        for (Result message = f.Read(); message.ok(); message = f.Read()) {
          ASSERT_EQ(TagOf(*message), ++tag) << piece << ", " << buffer;
          if (tag % every == 0) kept.emplace_back(tag, *message);
          if (kept.size() > 20) kept.erase(kept.begin() + static_cast<ptrdiff_t>(tag % 20));
        }
        ASSERT_EQ(tag, 300u);
        for (const auto& [expected, message] : kept) ASSERT_EQ(TagOf(message), expected);
      }
    }
  }
}

// A read that fills the buffer says that there is more: the next one takes twice as much.
TEST(FrameReader, TheBufferGrowsWhileReadsFillIt) {
  Fixture f({}, {.receive_buffer_bytes = 4096, .receive_buffer_max_bytes = 16384});
  f.Feed(WireOf(std::vector<size_t>(16 + 32 + 64 + 64 + 1, 0)));
  f.End();
  EXPECT_EQ(f.ReadAll(), OneTo(177));
  EXPECT_EQ(f.stream.reads(), 6u) << "4, 8, 16 and 16 KiB, the last frame, the end";
}

// Large frames too come several in a read, once the buffer has grown.
TEST(FrameReader, LargeFramesShareABufferThatHasGrown) {
  Fixture f;
  f.Feed(WireOf(std::vector<size_t>(64, 65536 - 256)));
  f.End();
  EXPECT_EQ(f.ReadAll(), OneTo(64));
  EXPECT_LE(f.stream.reads(), 64 / 4 + 6u);
}

// One message is kept: the reader goes on behind it, and later in another buffer.
TEST(FrameReader, AKeptMessageCostsTheReaderNoRead) {
  Fixture f({}, {.receive_buffer_max_bytes = 65536});
  std::vector<std::byte> wire = WireOf(std::vector<size_t>(1024, 0));  // four buffers full
  f.Feed(wire);
  f.End();
  Message kept = *f.Read();
  EXPECT_EQ(f.ReadAll().size(), 1023u);
  EXPECT_EQ(TagOf(kept), 1u);
  EXPECT_EQ(f.stream.reads(), 5u) << "each takes a whole buffer; the end";
}

TEST(FrameReader, ACustomMaximumIsTheLimit) {
  for (size_t piece : {100, 100000}) {
    Fixture f({.read_sizes = {piece}});
    f.Feed(WireOf({744, 745}));
    EXPECT_EQ(f.ReadAll(1000), OneTo(1)) << "1000 bytes may come, 1001 may not";
    EXPECT_EQ(FrameErrorOf(f.error), FrameError::kSizeAboveMaximum);
    EXPECT_EQ(f.error.message(), "frame size 1001 is above the maximum of 1000 bytes");
    EXPECT_EQ(f.Read(1 << 20).status(), f.error) << "an error of a frame is final";
  }
}

// The maximum may shrink between the two reads that a frame takes.
TEST(FrameReader, TheMaximumOfTheCallCounts) {
  Fixture f;
  std::vector<std::byte> wire = WireOf({744});
  f.Feed(std::span(wire).first(400));
  auto read = f.loop.Start(f.reader.ReadMessage(1000));
  f.loop.Run();
  read.RequestStop();
  f.loop.Run();
  ASSERT_TRUE(absl::IsCancelled(read.result().status()));
  EXPECT_EQ(FrameErrorOf(f.Read(999).status()), FrameError::kSizeAboveMaximum);
}

TEST(FrameReader, WrongFramesEndTheStreamBehindTheGoodOnes) {
  struct {
    size_t offset;
    FrameError error;
  } const damages[] = {
      {286 + 48, FrameError::kSizeBelowHeader}, {286 + 51, FrameError::kSizeAboveMaximum},
      {286 + 60, FrameError::kUnknownCommand},  {286 + 200, FrameError::kCorruptedHeader},
      {286 + 256, FrameError::kCorruptedBody},  {286 + 755, FrameError::kCorruptedBody}};
  for (const auto& damage : damages) {
    for (size_t piece : {1, 300, 100000}) {
      std::vector<std::byte> wire = WireOf({30, 500, 20});
      if (damage.error == FrameError::kSizeBelowHeader) wire[286 + 49] = std::byte{0};
      wire[damage.offset] ^= std::byte{0x40};
      Fixture f({.read_sizes = {piece}});
      f.Feed(wire);
      f.End();
      EXPECT_EQ(f.ReadAll(), OneTo(1)) << damage.offset;
      EXPECT_EQ(FrameErrorOf(f.error), damage.error) << f.error;
      EXPECT_EQ(f.Read().status(), f.error) << "nobody knows where the next frame begins";
    }
  }
}

TEST(FrameReader, TryNextGivesNothingBeforeThereIsAWholeFrame) {
  Fixture f;
  EXPECT_FALSE(f.reader.TryNext(kMax).has_value());
  EXPECT_EQ(f.stream.reads(), 0u);
}

// Views give the same messages as copies do, in their order, and take no buffers.
TEST(FrameReader, ViewsAreTheMessagesWhereTheyLie) {
  std::vector<size_t> bodies = {30, 0, 7, 5000, 3, 70000, 1, 2};
  std::vector<std::byte> wire = WireOf(bodies);
  Fixture f({.read_sizes = {6000}});
  f.Feed(wire);
  f.End();
  size_t at = 0;
  for (bool open = true; open;) {
    for (MessageView view; !(view = f.reader.TryNextView(kMax)).empty();) {
      ASSERT_LE(at + view.size(), wire.size());
      EXPECT_EQ(std::memcmp(view.bytes().data(), wire.data() + at, view.size()), 0);
      EXPECT_EQ(view.header().size, view.size());
      EXPECT_EQ(view.command(), Command::kRequest);
      EXPECT_EQ(view.Fields<RequestFields>().client.low, 5u);
      EXPECT_EQ(view.body().size(), view.size() - kHeaderSize);
      at += view.size();
    }
    Result message = f.Read();
    open = message.ok();
    if (open) at += message->size();
  }
  EXPECT_EQ(at, wire.size());
  EXPECT_TRUE(f.reader.closed_cleanly());
}

// A view is followed by a wrong frame: its error comes with the next read.
TEST(FrameReader, AViewDoesNotHideAnError) {
  std::vector<std::byte> wire = WireOf({30, 30});
  wire[286 + 60] = std::byte{99};
  Fixture f;
  f.Feed(wire);
  EXPECT_EQ(TagOf(*f.Read()), 1u);
  EXPECT_TRUE(f.reader.TryNextView(kMax).empty());
  EXPECT_EQ(FrameErrorOf(f.Read().status()), FrameError::kUnknownCommand);
}

TEST(FrameReader, MovesBetweenReadsWithWhatItHolds) {
  Fixture f({.read_sizes = {700}});
  f.Feed(WireOf({30, 100, 900}));
  EXPECT_EQ(TagOf(*f.Read()), 1u);
  FrameReader<Stream> moved = std::move(f.reader);
  EXPECT_EQ(TagOf(*f.loop.Await(moved.ReadMessage(kMax))), 2u);
  EXPECT_EQ(TagOf(*f.loop.Await(moved.ReadMessage(kMax))), 3u);
}

TEST(FrameReaderDeathTest, TwoReadsAtOnceAreOurBug) {
  Fixture f;
  auto first = f.loop.Start(f.reader.ReadMessage(kMax));
  f.loop.Run();
  EXPECT_DEATH((void)f.loop.Await(f.reader.ReadMessage(kMax)), "one message at a time");
  EXPECT_DEATH((void)f.reader.TryNext(kMax), "a read is pending");
  f.loop.Crash();
}

}  // namespace
}  // namespace faultline::message
