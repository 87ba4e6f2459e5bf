// Goal: no bytes of a peer's lead to anything but messages that are valid, or an error: nothing is
// read or written out of bounds, nothing hangs, and a promise of size takes no memory.
// Method: the same traffic cut behind every byte, in pieces of one byte, with bytes changed at many
// places under many seeds, against a session in memory; sanitizers watch when they are built in.

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/check.h"
#include "runtime/frozen.h"
#include "runtime/testing/allocation_counter.h"
#include "runtime/testing/manual_clock.h"
#include "transports/message/frame_error.h"
#include "transports/websocket/engine.h"
#include "transports/websocket/message_input.h"
#include "transports/websocket/testing/end.h"
#include "transports/websocket/testing/worlds.h"

namespace faultline::websocket::testing {
namespace {

using faultline::testing::ManualClock;
using Found = MessageInput::Found;

TEST(WebSocketHostile, PiecesOfEverySizeMakeTheSameMessages) {
  for (bool client : {false, true}) {
    const std::string traffic = Traffic(!client);
    for (size_t step : {1, 2, 3, 7, 64, 255, 1000, 100'000}) {
      SCOPED_TRACE(std::to_string(step) + (client ? " client" : " server"));
      End end(client);
      EXPECT_EQ(end.Take(traffic, step), Found::kPeerClosed);
      EXPECT_EQ(end.tags(), OneTo(4));
    }
  }
}

TEST(WebSocketHostile, ACutBehindEveryByteIsNoMessage) {
  const std::string traffic = Traffic(true);
  for (size_t cut = 0; cut < traffic.size(); ++cut) {
    End end(false);
    ASSERT_EQ(end.Take(std::string_view(traffic).substr(0, cut), SIZE_MAX), Found::kNeedBytes)
        << cut;
    ASSERT_TRUE(absl::IsDataLoss(end.input().EndOfStream())) << cut;
    ASSERT_EQ(end.tags(), OneTo(end.tags().size())) << cut;
  }
}

// splitmix64: for bytes to change; not for anything that is measured.
uint64_t Next(uint64_t* state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

TEST(WebSocketHostile, ChangedBytesMakeNoWrongMessage) {
  size_t failed = 0;
  for (uint64_t seed = 1; seed <= 4000; ++seed) {
    uint64_t state = seed;
    const bool client = seed % 2 == 0;
    std::string traffic = Traffic(!client);
    const size_t changes = 1 + Next(&state) % 4;
    for (size_t i = 0; i < changes; ++i) {
      traffic[Next(&state) % traffic.size()] = static_cast<char>(Next(&state));
    }
    End end(client);
    Found found = end.Take(traffic, 1 + Next(&state) % 2000);
    failed += found == Found::kFailed;
    // A tag is 0 if the body is not the one that belongs to it.
    for (uint64_t tag : end.tags()) ASSERT_NE(tag, 0u) << seed;
  }
  EXPECT_GT(failed, 3000u);
}

TEST(WebSocketHostile, NoiseIsRefused) {
  for (uint64_t seed = 1; seed <= 2000; ++seed) {
    uint64_t state = seed;
    std::string noise;
    while (noise.size() < 600) noise.push_back(static_cast<char>(Next(&state)));
    End end(seed % 2 == 0);
    (void)end.Take(noise, 100);
    ASSERT_TRUE(end.tags().empty()) << seed;
  }
}

// Requests with changed bytes: refused or, where it does not matter, taken.
TEST(WebSocketHostile, ChangedRequestsDoNoHarm) {
  ManualClock clock;
  ZeroEntropy entropy;
  Engine engine(&clock, &entropy, {.max_sessions = 1});
  UpgradePolicy policy;
  size_t refused = 0;
  for (uint64_t seed = 1; seed <= 3000; ++seed) {
    uint64_t state = seed;
    std::string request = UpgradeRequestText();
    for (size_t i = 0; i <= seed % 3; ++i) {
      request[Next(&state) % (request.size() - 4)] = static_cast<char>(Next(&state));
    }
    if (request.find("\r\n\r\n") != request.size() - 4) continue;
    Session session(&engine);
    session.BeginServer(&policy);
    refused += !session.Upgrade(std::as_bytes(std::span(request.data(), request.size()))).ok();
    ASSERT_EQ(session.output()->rfind("HTTP/1.", 0), 0u) << seed;  // answered, either way
  }
  EXPECT_GT(refused, 1000u);
}

TEST(WebSocketHostile, OwnBuffersStartAtAPage) {
  for (bool client : {false, true}) {
    EndOptions options;
    options.input.own_buffers = true;
    for (size_t step : {1, 700, 100'000}) {
      End end(client, options);
      EXPECT_EQ(end.Take(Traffic(!client), step), Found::kPeerClosed);
      EXPECT_EQ(end.tags(), OneTo(4));
      for (const std::byte* place : end.places()) {
        EXPECT_EQ(reinterpret_cast<uintptr_t>(place) % 4096, 0u);
      }
    }
  }
}

// A header that promises much, and nothing behind it.
TEST(WebSocketHostile, APromiseOfSizeTakesNoMemory) {
  End end(false);
  std::string header = FrameOf(std::string(kMax, 'x'), {});
  (void)faultline::testing::TakeLargestAllocation();
  EXPECT_EQ(end.Take(std::string_view(header).substr(0, 14), SIZE_MAX), Found::kNeedBytes);
  EXPECT_EQ(end.Take(std::string_view(header).substr(14, 200), SIZE_MAX), Found::kNeedBytes);
  // The message's own header is wrong, which is known before there is a buffer for it.
  EXPECT_EQ(end.Take(std::string_view(header).substr(214, 2000), SIZE_MAX), Found::kFailed);
  EXPECT_NE(message::FrameErrorOf(end.input().failure()), message::FrameError::kNone);
  EXPECT_LE(faultline::testing::TakeLargestAllocation(), 16384u);
}

// A length of 2^64-1 fits into no maximum, and into no arithmetic.
TEST(WebSocketHostile, ALengthWithItsFirstBitIsRefusedWhateverTheMaximum) {
  for (char first : {'\x80', '\xff'}) {
    End end(false, {.max_message_size = SIZE_MAX});
    const std::string header = std::string("\x82\xff") + first + std::string(7, '\xff') + "mask";
    EXPECT_EQ(end.Take(header + "payload", SIZE_MAX), Found::kFailed);
    EXPECT_EQ(end.input().close_code(), CloseReason::kProtocolError);
  }
}

// What nobody wants any more takes no memory, whatever it says of itself; its end is still seen.
TEST(WebSocketHostile, MessagesThatAreDroppedAreNotPutTogether) {
  BufferPool pool;
  const std::string large = MessageFrame(&pool, 1, kMax * 4, {});
  const std::string rest = FrameOf("no message", {}) + FrameOf("a part", {.final = false}) +
                           FrameOf("ping", {.opcode = 9}) + FrameOf("", {.opcode = 0});
  for (size_t begun : {size_t{0}, size_t{10}, size_t{1000}, large.size() / 2}) {
    End end(false, {.max_message_size = kMax * 8});
    const std::string_view wire = large;
    EXPECT_EQ(end.Take(wire.substr(0, begun), 999), Found::kNeedBytes);
    (void)faultline::testing::TakeLargestAllocation();
    end.DropMessages();
    EXPECT_EQ(end.Take(wire.substr(begun), 999), Found::kNeedBytes);
    EXPECT_EQ(end.Take(wire, 999), Found::kNeedBytes);
    EXPECT_EQ(end.Take(rest, 999), Found::kNeedBytes);
    EXPECT_LE(faultline::testing::TakeLargestAllocation(), 16384u);
    EXPECT_TRUE(end.tags().empty());
    EXPECT_EQ(end.Take(CloseFrame(1000, "", true), 3), Found::kPeerClosed);
  }
}

// Pings from a peer that takes no pong.
TEST(WebSocketHostile, PongsThatNobodyTakesAreFew) {
  End end(false);
  std::string wire;
  for (int i = 0; i < 10'000; ++i) wire += FrameOf(std::string(125, 'p'), {.opcode = 9});
  EXPECT_EQ(end.Take(wire, 999), Found::kNeedBytes);
  EXPECT_LE(end.session()->output()->size(), Session::kMaxOutput + 127);
  end.session()->output()->clear();
  end.session()->AnswerPing();
  EXPECT_EQ(end.session()->output()->size(), 127u);  // one that had to wait
  EXPECT_EQ(end.Take(FrameOf("again", {.opcode = 9}), 999), Found::kNeedBytes);
  EXPECT_EQ(end.session()->output()->size(), 127u + 7u);
}

// Fragments of nothing, without end: each is taken, and nothing grows.
TEST(WebSocketHostile, EmptyFragmentsAddUpToNothing) {
  End end(false);
  std::string wire = FrameOf("", {.final = false});
  for (int i = 0; i < 10'000; ++i) wire += FrameOf("", {.opcode = 0, .final = false});
  EXPECT_EQ(end.Take(wire, 999), Found::kNeedBytes);
  EXPECT_TRUE(end.tags().empty());
}

}  // namespace
}  // namespace faultline::websocket::testing
