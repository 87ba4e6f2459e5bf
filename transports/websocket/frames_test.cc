// Goal: what RFC 6455 says of frames holds on both sides: messages, fragments, control frames,
// masks, close codes; what is wrong is refused with the right code, and whatever was right before
// is kept. Method: tables of raw bytes against a server and against a client, in pieces of many
// sizes, in both worlds; frames that this transport writes against those that libwebsockets writes,
// byte by byte.
//
// What stands in the RFC row by row is in rfc6455_test.cc; here is what it does not know: messages
// of ours within frames, and frames that are written.

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "runtime/entropy.h"
#include "runtime/frozen.h"
#include "runtime/testing/manual_clock.h"
#include "transports/message/frame_error.h"
#include "transports/testing/samples.h"
#include "transports/websocket/engine.h"
#include "transports/websocket/frame_output.h"
#include "transports/websocket/testing/exchanges.h"
#include "transports/websocket/testing/worlds.h"

namespace faultline::websocket::testing {
namespace {

using faultline::testing::ManualClock;
using faultline::testing::Sample;
using message::FrameError;
using message::FrameErrorOf;
using message::IsConnectionClosed;

// --- Raw exchanges ---

// `m`: whether the peer masks, as it should.
std::vector<Exchange> GoodExchanges(BufferPool* pool, bool m) {
  const std::string close = CloseFrame(1000, "", m);
  const std::string one = MessageFrame(pool, 1, 100, {.masked = m});
  const std::string large = MessageBytes(pool, 2, 150'000);
  const std::string ping = FrameOf("are you there", {.opcode = 9, .masked = m});
  return {
      {"no message", close},
      {"one message", one + close, {1}},
      {"a body of 0 bytes", MessageFrame(pool, 1, 0, {.masked = m}) + close, {1}},
      {"a length of 16 bits", MessageFrame(pool, 1, 65535 - 256, {.masked = m}) + close, {1}},
      {"a length of 64 bits", MessageFrame(pool, 1, 65536 - 256, {.masked = m}) + close, {1}},
      {"a large message between small ones",
       one + FrameOf(large, {.masked = m}) + MessageFrame(pool, 3, 7, {.masked = m}) + close,
       {1, 2, 3}},
      {"two fragments", Split(large, {90'000}, m) + close, {2}},
      {"fragments of every kind",
       Split(large, {0, 1, 100, 255, 256, 257, 100'000, 100'000}, m) + close,
       {2}},
      {"a ping between fragments",
       Split(large, {300, 80'000}, m, ping) + close,
       {2},
       1000,
       absl::StatusCode::kOutOfRange,
       {"are you there", "are you there"}},
      {"an empty ping",
       FrameOf("", {.opcode = 9, .masked = m}) + one + close,
       {1},
       1000,
       absl::StatusCode::kOutOfRange,
       {""}},
      {"a ping of 125 bytes",
       FrameOf(std::string(125, 'p'), {.opcode = 9, .masked = m}) + close,
       {},
       1000,
       absl::StatusCode::kOutOfRange,
       {std::string(125, 'p')}},
      {"every ping is answered",
       ping + ping + one + ping + close,
       {1},
       1000,
       absl::StatusCode::kOutOfRange,
       {"are you there", "are you there", "are you there"}},
      {"a pong that nobody asked for",
       FrameOf("x", {.opcode = 10, .masked = m}) + one + close,
       {1}},
      {"a close frame without a code", FrameOf("", {.opcode = 8, .masked = m}), {}, 1005},
      {"a peer that goes away",
       one + CloseFrame(1001, "bye", m),
       {1},
       1001,
       absl::StatusCode::kOutOfRange,
       {},
       "bye"},
      {"a peer that gives up",
       one + CloseFrame(1009, "too big", m),
       {1},
       1009,
       absl::StatusCode::kAborted,
       {},
       "too big"},
      {"a code of an application", CloseFrame(4000, "", m), {}, 4000, absl::StatusCode::kAborted},
      {"frames after the close frame", one + close + one, {1}},
  };
}

std::vector<Exchange> BadExchanges(BufferPool* pool, bool m) {
  using absl::StatusCode;
  const std::string one = MessageFrame(pool, 1, 100, {.masked = m});
  const std::string body = MessageBytes(pool, 2, 1000);
  std::string long_form = one;  // 356 bytes in a length of 64 bits
  long_form.replace(
      1, 3, std::string{static_cast<char>(m ? 0xff : 0x7f)} + std::string("\0\0\0\0\0\0\1\144", 8));
  std::string short_as_16 = FrameOf("abc", {.masked = m});
  short_as_16.replace(1, 1,
                      std::string{static_cast<char>(m ? 0xfe : 0x7e)} + std::string("\0\3", 2));
  std::string huge = FrameOf("", {.masked = m}).substr(0, 1) +
                     std::string{static_cast<char>(m ? 0xff : 0x7f)} + "\x7f" +
                     std::string(7, '\xff') + std::string(m ? 4 : 0, '\0');
  std::string top_bit = huge;
  top_bit[2] = '\xff';
  std::string corrupted = body;
  corrupted[600] ^= 1;
  std::string wrong_seal = body;
  wrong_seal[3] ^= 1;
  const StatusCode wrong = StatusCode::kInvalidArgument;
  std::vector<Exchange> exchanges = {
      {"text", one + FrameOf("hello", {.opcode = 1, .masked = m}), {1}, 1003, wrong},
      {"text in fragments",
       FrameOf("h", {.opcode = 1, .final = false, .masked = m}),
       {},
       1003,
       wrong},
      {"the other mask", one + MessageFrame(pool, 2, 100, {.masked = !m}), {1}, 1002, wrong},
      {"the other mask on a ping",
       one + FrameOf("x", {.opcode = 9, .masked = !m}),
       {1},
       1002,
       wrong},
      {"a length of 64 bits for fewer", long_form, {}, 1002, wrong},
      {"a length of 16 bits for fewer", short_as_16, {}, 1002, wrong},
      {"a length above any", one + huge, {1}, 1009, StatusCode::kResourceExhausted},
      {"a length with its top bit", top_bit, {}, 1002, wrong},
      {"a continuation of nothing", FrameOf(body, {.opcode = 0, .masked = m}), {}, 1002, wrong},
      {"a message within fragments",
       FrameOf(body.substr(0, 9), {.final = false, .masked = m}) + one,
       {},
       1002,
       wrong},
      {"fragments within fragments",
       FrameOf(body.substr(0, 9), {.final = false, .masked = m}) +
           FrameOf(body, {.final = false, .masked = m}),
       {},
       1002,
       wrong},
      {"a ping in fragments",
       FrameOf("x", {.opcode = 9, .final = false, .masked = m}),
       {},
       1002,
       wrong},
      {"a close in fragments",
       FrameOf("", {.opcode = 8, .final = false, .masked = m}),
       {},
       1002,
       wrong},
      {"a ping of 126 bytes",
       FrameOf(std::string(126, 'p'), {.opcode = 9, .masked = m}),
       {},
       1002,
       wrong},
      {"a close of 70000 bytes",
       FrameOf(std::string(70000, 'p'), {.opcode = 8, .masked = m}),
       {},
       1002,
       wrong},
      {"half a close code", FrameOf("\x03", {.opcode = 8, .masked = m}), {}, 1002, wrong},
      {"a reason that is not UTF-8", CloseFrame(1000, "\xc3\x28", m), {}, 1007, wrong},
      {"a reason that ends within a character",
       CloseFrame(1000, "ok \xe2\x82", m),
       {},
       1007,
       wrong},
      {"an empty message", FrameOf("", {.masked = m}), {}, 1007, StatusCode::kDataLoss},
      {"half a header",
       FrameOf(body.substr(0, 200), {.masked = m}),
       {},
       1007,
       StatusCode::kDataLoss},
      {"less than the header says", FrameOf(body.substr(0, 900), {.masked = m}), {}, 1007, wrong},
      {"more than the header says", FrameOf(body + "x", {.masked = m}), {}, 1007, wrong},
      {"less, in fragments", Split(body.substr(0, 900), {100, 300}, m), {}, 1007, wrong},
      {"more, in fragments", Split(body + "x", {100, 300}, m), {}, 1007, wrong},
      {"a corrupted body",
       one + FrameOf(corrupted, {.masked = m}),
       {1},
       1007,
       StatusCode::kDataLoss},
      {"a corrupted body, in fragments",
       Split(corrupted, {700}, m),
       {},
       1007,
       StatusCode::kDataLoss},
      {"a wrong seal", FrameOf(wrong_seal, {.masked = m}), {}, 1007, StatusCode::kDataLoss},
      {"a wrong seal, in fragments",
       Split(wrong_seal, {5, 80}, m),
       {},
       1007,
       StatusCode::kDataLoss},
  };
  for (int opcode : {3, 4, 5, 6, 7, 11, 12, 13, 14, 15}) {
    exchanges.push_back({"opcode " + std::to_string(opcode),
                         one + FrameOf("", {.opcode = opcode, .masked = m}),
                         {1},
                         1002,
                         wrong});
  }
  for (int bits : {0x10, 0x20, 0x40, 0x70}) {
    exchanges.push_back({"reserved bits " + std::to_string(bits),
                         one + MessageFrame(pool, 2, 9, {.masked = m, .reserved = bits}),
                         {1},
                         1002,
                         wrong});
  }
  return exchanges;
}

void RunExchanges(const std::vector<Exchange>& exchanges, bool server) {
  for (const Exchange& exchange : exchanges) RunExchange(exchange, server, kSeeds);
}

TEST(WebSocketFrames, AServerTakesWhatIsRight) {
  BufferPool pool;
  RunExchanges(GoodExchanges(&pool, true), true);
}

TEST(WebSocketFrames, AServerRefusesWhatIsWrong) {
  BufferPool pool;
  RunExchanges(BadExchanges(&pool, true), true);
}

TEST(WebSocketFrames, AClientTakesWhatIsRight) {
  BufferPool pool;
  RunExchanges(GoodExchanges(&pool, false), false);
}

TEST(WebSocketFrames, AClientRefusesWhatIsWrong) {
  BufferPool pool;
  RunExchanges(BadExchanges(&pool, false), false);
}

// --- The maximum size ---

void ExpectTooBig(const std::string& wire, size_t max, const std::vector<uint64_t>& tags) {
  Context context;
  context.wire = wire;
  context.max_message_size = max;
  InBothWorlds(
      ReadingServer, RawClient,
      [&](const Context& done) {
        EXPECT_EQ(done.received, tags);
        EXPECT_EQ(FrameErrorOf(done.server_end), FrameError::kSizeAboveMaximum) << done.server_end;
        EXPECT_EQ(CloseCodeIn(done.raw), 1009);
      },
      context);
}

TEST(WebSocketFrames, TheMaximumIsThatOfEveryTransport) {
  BufferPool pool;
  const std::string fits = MessageFrame(&pool, 1, 744, {});
  ExpectTooBig(fits + MessageFrame(&pool, 2, 745, {}), 1000, {1});
  const std::string large = MessageBytes(&pool, 2, 745);
  ExpectTooBig(fits + Split(large, {500}, true), 1000, {1});
  ExpectTooBig(fits + Split(large, {999, 1000}, true), 1000, {1});
}

// --- Frames that are written ---

// Bytes that count up, so that two who draw as much get the same.
class CountingEntropy final : public Entropy {
 public:
  void Fill(std::span<std::byte> bytes) override {
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(next_++);
  }

 private:
  uint8_t next_ = 1;
};

// Two sessions after their upgrade, without a stream between them.
struct Pair {
  Pair() {
    server.BeginServer(&policy);
    FAULTLINE_CHECK(client.BeginClient({}).ok());
    FAULTLINE_CHECK(server.Upgrade(Take(&client)).ok());
    FAULTLINE_CHECK(client.Upgrade(Take(&server)).ok());
  }
  std::span<const std::byte> Take(Session* session) {
    moved = std::exchange(*session->output(), std::string());
    return std::as_bytes(std::span(moved));
  }

  ManualClock clock;
  CountingEntropy entropy;
  Engine engine{&clock, &entropy, {}};
  UpgradePolicy policy;
  Session server{&engine};
  Session client{&engine};
  std::string moved;
};

std::string Written(FrameOutput* output, const FrozenBatch& batch, size_t step) {
  std::string wire;
  output->Begin(&batch, {});
  while (!output->done()) {
    size_t left = step;
    size_t taken = 0;
    for (const iovec& buffer : output->buffers()) {
      const size_t size = std::min(left, buffer.iov_len);
      wire.append(static_cast<const char*>(buffer.iov_base), size);
      left -= size;
      taken += size;
    }
    output->OnWritten(taken);
  }
  output->End();
  return wire;
}

constexpr std::array<size_t, 12> kSizes = {0,   1,    125,   126,   127,    256,
                                           300, 4096, 65535, 65536, 131071, 300'000};

TEST(WebSocketFrames, AServersFramesAreThoseOfTheLibrary) {
  Pair pair;
  BufferPool pool;
  FrozenBatch batch;
  for (size_t size : kSizes) {
    std::vector<std::byte> payload(size, static_cast<std::byte>(size));
    batch.Add(pool.Copy(payload));
    pair.server.SendMessageByLibrary(payload);
  }
  for (size_t step : {size_t{7}, size_t{1000}, SIZE_MAX}) {
    FrameOutput output(&pool, nullptr);
    EXPECT_EQ(Written(&output, batch, step), *pair.server.output()) << "in steps of " << step;
  }
}

TEST(WebSocketFrames, AClientsFramesAreThoseOfTheLibrary) {
  for (size_t step : {size_t{7}, size_t{1000}, SIZE_MAX}) {
    SCOPED_TRACE("in steps of " + std::to_string(step));
    Pair pair;
    BufferPool pool;
    FrozenBatch batch;
    for (size_t size : kSizes) {
      std::vector<std::byte> payload(size, static_cast<std::byte>(size));
      batch.Add(pool.Copy(payload));
      pair.client.SendMessageByLibrary(payload);
    }
    CountingEntropy entropy;
    std::array<std::byte, 16> key{};  // which the upgrade has drawn
    entropy.Fill(key);
    FrameOutput output(&pool, &entropy);
    EXPECT_EQ(Written(&output, batch, step), *pair.client.output());
  }
}

TEST(WebSocketFrames, AServersPayloadIsNotCopied) {
  BufferPool pool;
  FrozenBatch batch;
  for (int i = 0; i < 512; ++i) batch.Add(pool.Copy(std::array<std::byte, 300>{}));
  FrameOutput output(&pool, nullptr);
  output.Begin(&batch, {});
  ASSERT_EQ(output.buffers().size(), 1024u);  // one write, headers and messages in turn
  for (size_t i = 0; i < batch.size(); ++i) {
    EXPECT_EQ(output.buffers()[2 * i + 1].iov_base, batch.messages()[i].data());
  }
}

TEST(WebSocketFrames, AClientsBatchIsOneBuffer) {
  BufferPool pool;
  CountingEntropy entropy;
  FrozenBatch batch;
  for (int i = 0; i < 100; ++i) batch.Add(pool.Copy(std::array<std::byte, 256>{}));
  FrameOutput output(&pool, &entropy);
  output.Begin(&batch, {});
  ASSERT_EQ(output.buffers().size(), 1u);
  EXPECT_EQ(output.buffers()[0].iov_len, 100u * (256 + 8));
}

TEST(WebSocketFrames, EachFrameHasAMaskOfItsOwn) {
  BufferPool pool;
  CountingEntropy entropy;
  FrozenBatch batch;
  for (int i = 0; i < 2; ++i) batch.Add(pool.Copy(std::array<std::byte, 8>{}));
  FrameOutput output(&pool, &entropy);
  std::string wire = Written(&output, batch, SIZE_MAX);
  // Zeros show the mask: 2 bytes of header, the mask, and the mask twice more.
  EXPECT_EQ(wire.substr(0, 14), std::string("\x82\x88\1\2\3\4\1\2\3\4\1\2\3\4", 14));
  EXPECT_EQ(wire.substr(14), std::string("\x82\x88\5\6\7\x8\5\6\7\x8\5\6\7\x8", 14));
}

}  // namespace
}  // namespace faultline::websocket::testing
