// Goal: what RFC 6455 asks of frames, row by row, of a server and of a client: sizes, pings,
// reserved bits and opcodes, fragments, UTF-8, closing. Method: a table of raw byte exchanges, each
// in pieces of many sizes over epoll and between simulated hosts. It has the breadth of the cases 1
// to 7 of the Autobahn suite, whose numbers head its parts. Two things differ from an echo server's
// table. Text is no kind of message here and closes with 1003 as soon as its header is there; so
// UTF-8 is asked of the reasons of close frames, and text is sent well formed, ill formed and in
// part, always with the same answer. And a message is one of transports/message, at least 256 bytes
// long: frames of fewer bytes are fragments of one.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "runtime/frozen.h"
#include "transports/websocket/testing/exchanges.h"
#include "transports/websocket/testing/frames.h"

namespace faultline::websocket::testing {
namespace {

constexpr uint64_t kSeedsOfARow = 4;
constexpr absl::StatusCode kWrong = absl::StatusCode::kInvalidArgument;
constexpr absl::StatusCode kTorn = absl::StatusCode::kDataLoss;
constexpr absl::StatusCode kGivenUp = absl::StatusCode::kAborted;

// The rows for a peer that masks, or one that does not.
class Table {
 public:
  explicit Table(bool masked)
      : m_(masked), close_(CloseFrame(1000, "", m_)), one_(Message(1)), two_(Message(2)) {
    AddSizes();
    AddPings();
    AddReservedBits();
    AddOpcodes();
    AddFragments();
    AddText();
    AddReasons();
    AddCloses();
    AddCodes();
    AddLimits();
  }

  std::vector<Exchange> Take() && { return std::move(rows_); }

 private:
  std::string Frame(int opcode, std::string_view payload, bool final = true, int reserved = 0) {
    return FrameOf(payload, {.opcode = opcode, .final = final, .masked = m_, .reserved = reserved});
  }
  std::string Message(uint64_t tag, size_t body = 100) {
    return MessageFrame(&pool_, tag, body, {.masked = m_});
  }
  std::string Ping(std::string_view payload) { return Frame(9, payload); }

  void Right(std::string name, std::string wire, std::vector<uint64_t> tags,
             std::vector<std::string> pongs = {}) {
    rows_.push_back({.name = std::move(name),
                     .wire = std::move(wire),
                     .tags = std::move(tags),
                     .pongs = std::move(pongs)});
  }
  // What came before it is kept, what comes after it is not looked at.
  void Refused(std::string name, std::string wire, std::vector<uint64_t> tags = {},
               int close_code = 1002, absl::StatusCode end = kWrong,
               std::vector<std::string> pongs = {}) {
    rows_.push_back({.name = std::move(name),
                     .wire = std::move(wire),
                     .tags = std::move(tags),
                     .close_code = close_code,
                     .end = end,
                     .pongs = std::move(pongs)});
  }
  void Closes(std::string name, std::string wire, int code, absl::StatusCode end,
              std::string reason = "") {
    rows_.push_back({.name = std::move(name),
                     .wire = std::move(wire),
                     .close_code = code,
                     .end = end,
                     .reason = std::move(reason)});
  }

  void AddSizes();
  void AddPings();
  void AddReservedBits();
  void AddOpcodes();
  void AddFragments();
  void AddText();
  void AddReasons();
  void AddCloses();
  void AddCodes();
  void AddLimits();

  BufferPool pool_;
  const bool m_;
  const std::string close_;
  const std::string one_;
  const std::string two_;
  std::vector<Exchange> rows_;
};

// --- 1: framing ---

void Table::AddSizes() {
  for (size_t size : {256, 257, 65534, 65535, 65536, 65537, 131072}) {
    Right(absl::StrCat("1.2 a frame of ", size), Message(1, size - 256) + two_ + close_, {1, 2});
  }
  const std::string large = MessageBytes(&pool_, 1, 140'000);
  for (size_t size : {0, 1, 125, 126, 127, 128, 255, 256, 65535, 65536, 65537}) {
    Right(absl::StrCat("1.2 a first fragment of ", size), Split(large, {size}, m_) + close_, {1});
    Right(absl::StrCat("1.2 a last fragment of ", size),
          Split(large, {large.size() - size}, m_) + two_ + close_, {1, 2});
    Right(absl::StrCat("1.2 fragments of ", size, " between others"),
          Split(large, {300, 300 + size, 300 + 2 * size}, m_) + close_, {1});
  }
  for (size_t size : {0, 1, 125, 126, 127, 128, 255}) {  // framed rightly, and no message
    Refused(absl::StrCat("1.2 a message of ", size), one_ + Frame(2, std::string(size, '*')), {1},
            1007, kTorn);
  }
}

// --- 2: pings and pongs ---

void Table::AddPings() {
  const std::string binary("\x00\xff\xfe\xfd\xfc\xfb\x00\xff", 8);
  const std::string full(125, '\xfe');
  Right("2.1 an empty ping", Ping("") + close_, {}, {""});
  Right("2.2 a ping with text", Ping("Hello, world!") + close_, {}, {"Hello, world!"});
  Right("2.3 a ping with bytes", Ping(binary) + close_, {}, {binary});
  Right("2.4 a ping of 125 bytes", Ping(full) + close_, {}, {full});
  Refused("2.5 a ping of 126 bytes", one_ + Ping(std::string(126, '\xfe')), {1});
  Refused("2.5 a pong of 126 bytes", one_ + Frame(10, std::string(126, '\xfe')), {1});
  Right("2.7 a pong for nothing", Frame(10, "") + one_ + close_, {1});
  Right("2.8 a pong for nothing, with a payload", Frame(10, "unsolicited") + one_ + close_, {1});
  Right("2.9 a pong, then a ping", Frame(10, "pong") + Ping("ping") + close_, {}, {"ping"});
  std::string pings;
  std::vector<std::string> pongs;
  for (int i = 0; i < 10; ++i) {
    pongs.push_back(absl::StrCat("payload-", i));
    pings += Ping(pongs.back());
  }
  Right("2.10 ten pings", pings + close_, {}, pongs);
  Right("2.10 ten pings between messages", one_ + pings + two_ + close_, {1, 2}, pongs);
}

// --- 3: reserved bits ---

void Table::AddReservedBits() {
  const std::string body = MessageBytes(&pool_, 2, 100);
  for (int bits = 1; bits <= 7; ++bits) {
    const std::string number = absl::StrCat("3.", bits, " reserved bits ");
    const int first = bits << 4;
    Refused(number + "on a message", one_ + Ping("p") + Frame(2, body, true, first), {1}, 1002,
            kWrong, {"p"});
    Refused(number + "on a fragment", Frame(2, body.substr(0, 9), false, first));
    Refused(number + "on a last fragment",
            one_ + Frame(2, body.substr(0, 9), false) + Frame(0, body.substr(9), true, first), {1});
    Refused(number + "on a ping", one_ + Frame(9, "p", true, first), {1});
    Refused(number + "on a pong", one_ + Frame(10, "p", true, first), {1});
    Refused(number + "on a close frame", one_ + Frame(8, "", true, first), {1});
  }
}

// --- 4: opcodes ---

void Table::AddOpcodes() {
  for (int opcode : {3, 4, 5, 6, 7, 11, 12, 13, 14, 15}) {
    const std::string number = absl::StrCat("4 opcode ", opcode);
    Refused(number, Frame(opcode, ""));
    Refused(number + " with a payload", Frame(opcode, "reserved opcode payload"));
    Refused(number + " after a message", one_ + Frame(opcode, "") + two_, {1});
    Refused(number + " after a message and a ping", one_ + Ping("x") + Frame(opcode, "abc") + two_,
            {1}, 1002, kWrong, {"x"});
    Refused(number + " between fragments",
            Frame(2, "begin", false) + Frame(opcode, "") + Frame(0, "end"));
  }
}

// --- 5: fragments ---

void Table::AddFragments() {
  const std::string body = MessageBytes(&pool_, 2, 700);
  const std::string begin = Frame(2, body.substr(0, 400), false);
  const std::string end = Frame(0, body.substr(400));
  Refused("5.1 a ping in fragments", one_ + Frame(9, "fragment1", false) + Frame(0, "2"), {1});
  Refused("5.2 a pong in fragments", one_ + Frame(10, "fragment1", false) + Frame(0, "2"), {1});
  Refused("5.2 a close frame in fragments", one_ + Frame(8, "\x03", false) + Frame(0, "\xe8"), {1});
  Right("5.3 two fragments", begin + end + close_, {2});
  Right("5.6 a ping between fragments", begin + Ping("ping") + end + close_, {2}, {"ping"});
  Right("5.6 a pong between fragments", begin + Frame(10, "pong") + end + close_, {2});
  Right("5.6 empty fragments",
        Frame(2, "", false) + Frame(0, "", false) + Frame(0, body, false) + Frame(0, "") + close_,
        {2});
  for (bool final : {true, false}) {
    const std::string which = final ? "a last fragment of nothing" : "a fragment of nothing";
    Refused("5.9 " + which, Frame(0, body, final) + one_);
    Refused("5.9 " + which + ", after a message", one_ + Frame(0, "non-continuation", final), {1});
    Refused("5.15 " + which + ", after a message in two",
            begin + end + Frame(0, "fragment3", final) + Frame(2, "fragment4", final), {2});
    Refused("5.16 " + which + ", again and again",
            Frame(0, "1", final) + Frame(2, "2", false) + Frame(0, "3"));
  }
  Refused("5.18 a message within fragments", begin + Frame(2, body.substr(400)));
  Refused("5.18 fragments within fragments", begin + Frame(2, body.substr(400), false));
  const std::vector<size_t> at = {100, 200, 300, 400};
  Right("5.19 a message in five, pings between", Split(body, at, m_, Ping("pongme")) + close_, {2},
        std::vector<std::string>(4, "pongme"));
  std::vector<size_t> each(body.size() - 1);
  for (size_t i = 0; i < each.size(); ++i) each[i] = i + 1;
  Right("5.19 a message in fragments of one byte", Split(body, each, m_) + one_ + close_, {2, 1});
}

// --- 1.1, 6: text, whatever it holds ---

void Table::AddText() {
  for (size_t size : {0, 125, 126, 127, 128, 65535, 65536}) {
    Refused(absl::StrCat("1.1 text of ", size), one_ + Frame(1, std::string(size, '*')), {1}, 1003);
  }
  // Nothing but the header: the answer does not wait for the rest.
  Refused("6.4 a header of text", one_ + Frame(1, std::string(5, '*')).substr(0, m_ ? 6 : 2), {1},
          1003);
  Refused("6.1 empty text in fragments", Frame(1, "", false) + Frame(0, "", false) + Frame(0, ""),
          {}, 1003);
  Refused("6.2 text in UTF-8", Frame(1, "Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4-UTF-8!!"), {},
          1003);
  Refused("6.2 a character in two fragments", Frame(1, "\xce", false) + Frame(0, "\xba"), {}, 1003);
  Refused("6.3 text that is not UTF-8",
          Frame(1,
                "\xce\xba\xed\xa0\x80"
                "edited"),
          {}, 1003);
  Refused("6.4 a fragment that is not UTF-8", Frame(1, "\xf4\x90", false), {}, 1003);
  Refused("6.6 half a character", Frame(1, "\xce"), {}, 1003);
  Refused("5.18 text within fragments", Frame(2, "begin", false) + Frame(1, "text"), {}, 1003);
}

// --- 6: UTF-8, of reasons ---

// Sequences from Markus Kuhn's tests of decoders, by kind.
const std::vector<std::string>& ValidUtf8() {
  static const auto* const texts = new std::vector<std::string>{
      "Hello World",        "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5",
      std::string("\0", 1), "\x7f",
      "\xc2\x80",           "\xdf\xbf",
      "\xe0\xa0\x80",       "\xef\xbf\xbf",
      "\xf0\x90\x80\x80",   "\xf4\x8f\xbf\xbf",
      "\xed\x9f\xbf",       "\xee\x80\x80",
      "\xef\xbf\xbd",       "\xef\xbf\xbe",
      "\xf0\x9f\xbf\xbe",   "\xf0\xaf\xbf\xbf",
      "\xf3\xbf\xbf\xbe",   "\xf0\x9f\x98\x80 and more",
  };
  return *texts;
}

std::vector<std::string> InvalidUtf8() {
  std::vector<std::string> texts = {
      "\xf4\x90\x80\x80",  // above U+10FFFF
      "\xf7\xbf\xbf\xbf",
      "\xf8\x88\x80\x80\x80",  // five and six bytes
      "\xfb\xbf\xbf\xbf\xbf",
      "\xfc\x84\x80\x80\x80\x80",
      "\xfd\xbf\xbf\xbf\xbf\xbf",
      "\x80",  // continuations of nothing
      "\xbf",
      "\x80\xbf\x80\xbf",
      "\xc3\x28",  // starts without their continuation
      "\xe1\xbd\x28",
      "\xf1\x80\x80\x28",
      "\xc3",  // cut off
      "\xe1\xbd",
      "\xf0\x90\x80",
      "ok \xdf",
      "ok \xef\xbf",
      "ok \xf7\xbf\xbf",
      "\xc3\xe1\xbd",
      "\xfe",  // never used
      "\xff",
      "\xfe\xfe\xff\xff",
      "\xc0\xaf",  // longer than need be
      "\xe0\x80\xaf",
      "\xf0\x80\x80\xaf",
      "\xf8\x80\x80\x80\xaf",
      "\xc1\xbf",
      "\xe0\x9f\xbf",
      "\xf0\x8f\xbf\xbf",
      "\xc0\x80",
      "\xe0\x80\x80",
      "\xf0\x80\x80\x80",
      "\xed\xa0\x80",  // surrogates, alone and in pairs
      "\xed\xad\xbf",
      "\xed\xae\x80",
      "\xed\xaf\xbf",
      "\xed\xb0\x80",
      "\xed\xbe\x80",
      "\xed\xbf\xbf",
      "\xed\xa0\x80\xed\xb0\x80",
      "\xed\xaf\xbf\xed\xbf\xbf",
      "\xce\xba\xe1\xbd\xb9\xed\xa0\x80 edited",
  };
  for (int start = 0xc0; start <= 0xfd; ++start) {
    texts.push_back(std::string{static_cast<char>(start), ' '});
  }
  return texts;
}

void Table::AddReasons() {
  for (const std::string& text : ValidUtf8()) {
    Closes(absl::StrCat("6 a reason in UTF-8, ", rows_.size()), CloseFrame(1000, text, m_), 1000,
           absl::StatusCode::kOutOfRange, text);
  }
  for (const std::string& text : InvalidUtf8()) {
    Refused(absl::StrCat("6 a reason that is not UTF-8, ", rows_.size()),
            one_ + CloseFrame(1000, text, m_), {1}, 1007);
  }
}

// --- 7: closing ---

void Table::AddCloses() {
  const std::string large = Message(3, 262'144 - 256);
  Right("7.1.1 a message, then the close frame", one_ + close_, {1});
  Right("7.1.2 two close frames", close_ + close_, {});
  Right("7.1.3 a ping after the close frame", close_ + Ping("late"), {});
  Right("7.1.4 a message after the close frame", close_ + one_, {});
  Right("7.1.4 nonsense after the close frame", one_ + close_ + Frame(5, "", true, 0x70), {1});
  rows_.push_back({.name = "7.1.5 the close frame within fragments",
                   .wire = one_ + Frame(2, "begin", false) + close_ + Frame(0, "x"),
                   .tags = {1},
                   .end = kTorn,
                   .torn = true});
  Right("7.1.6 256 KiB, the close frame, a ping", large + close_ + Ping("late"), {3});
  Right("7.1 a ping, then the close frame", Ping("last") + close_, {}, {"last"});
  Closes("7.3.1 no payload", Frame(8, ""), 1005, absl::StatusCode::kOutOfRange);
  Refused("7.3.2 half a code", one_ + Frame(8, "\x03"), {1});
  Closes("7.3.3 a code", CloseFrame(1000, "", m_), 1000, absl::StatusCode::kOutOfRange);
  Closes("7.3.4 a reason", CloseFrame(1000, "Hello World!", m_), 1000,
         absl::StatusCode::kOutOfRange, "Hello World!");
  const std::string longest(123, '*');
  Closes("7.3.5 the longest reason", CloseFrame(1000, longest, m_), 1000,
         absl::StatusCode::kOutOfRange, longest);
  Refused("7.3.6 a reason that is too long", one_ + CloseFrame(1000, std::string(124, '*'), m_),
          {1});
  Refused("7.3.6 a close frame of 70000 bytes", one_ + Frame(8, std::string(70'000, '*')), {1});
}

void Table::AddCodes() {
  for (int code : {1000, 1001}) {
    Closes(absl::StrCat("7.7 code ", code), CloseFrame(code, "bye", m_), code,
           absl::StatusCode::kOutOfRange, "bye");
  }
  for (int code :
       {1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999}) {
    Closes(absl::StrCat("7.7 code ", code), CloseFrame(code, "why", m_), code, kGivenUp, "why");
  }
  for (int code : {0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 32768, 65535}) {
    Refused(absl::StrCat("7.9 code ", code), one_ + CloseFrame(code, "", m_), {1});
    Refused(absl::StrCat("7.9 code ", code, " with a reason"), CloseFrame(code, "why", m_));
  }
}

// --- Lengths and masks (RFC 6455, sections 5.1 and 5.2) ---

void Table::AddLimits() {
  const char mask = static_cast<char>(m_ ? 0x80 : 0);
  const std::string key(m_ ? 4 : 0, '\0');
  auto header = [&](int first, int code, const std::string& length) {
    return std::string{static_cast<char>(first), static_cast<char>(mask | code)} + length + key;
  };
  Refused("5.1 the other mask", one_ + MessageFrame(&pool_, 2, 100, {.masked = !m_}), {1});
  Refused("5.1 the other mask on a fragment",
          FrameOf("x", {.final = false, .masked = !m_}) + Frame(0, "y"));
  Refused("5.1 the other mask on a ping", one_ + FrameOf("x", {.opcode = 9, .masked = !m_}), {1});
  Refused("5.1 the other mask on a close frame", one_ + CloseFrame(1000, "", !m_), {1});
  Refused("5.2 125 in 16 bits", one_ + header(0x82, 126, std::string("\0\x7d", 2)), {1});
  Refused("5.2 0 in 16 bits", header(0x02, 126, std::string(2, '\0')));
  Refused("5.2 65535 in 64 bits", one_ + header(0x82, 127, std::string("\0\0\0\0\0\0\xff\xff", 8)),
          {1});
  Refused("5.2 a ping in 16 bits", header(0x89, 126, std::string("\0\x7e", 2)));
  Refused("5.2 a ping in 64 bits", header(0x89, 127, std::string("\0\0\0\0\0\1\0\0", 8)));
  for (char first : {'\x80', '\xff'}) {
    Refused(absl::StrCat("5.2 a length with its first bit set, ", int{first}),
            one_ + header(0x82, 127, first + std::string(7, '\xff')), {1});
    Refused(absl::StrCat("5.2 a ping's length with its first bit set, ", int{first}),
            one_ + header(0x89, 127, first + std::string(7, '\xff')), {1});
  }
  Refused("10.4 the largest length", one_ + header(0x82, 127, '\x7f' + std::string(7, '\xff')), {1},
          1009, absl::StatusCode::kResourceExhausted);
  Refused("10.4 one byte above the maximum",
          one_ + header(0x82, 127, std::string("\0\0\0\0\0\x10\0\1", 8)), {1}, 1009,
          absl::StatusCode::kResourceExhausted);
  Refused("10.4 fragments above the maximum",
          Frame(2, MessageBytes(&pool_, 1, kMax - 256).substr(0, 300), false) +
              header(0x80, 127, std::string("\0\0\0\0\0\x0f\xfe\xd5", 8)),
          {}, 1009, absl::StatusCode::kResourceExhausted);
}

// --- The table ---

const std::vector<Exchange>& Rows(bool masked) {
  static const auto* const rows =
      new std::array<std::vector<Exchange>, 2>{Table(false).Take(), Table(true).Take()};
  return (*rows)[masked ? 1 : 0];
}

std::string NameOf(const ::testing::TestParamInfo<size_t>& info) {
  std::string name = absl::StrCat(info.param, "_", Rows(true)[info.param].name);
  std::replace_if(
      name.begin(), name.end(),
      [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
}

class Rfc6455 : public ::testing::TestWithParam<size_t> {};

TEST_P(Rfc6455, AServerDoesAsItSays) { RunExchange(Rows(true)[GetParam()], true, kSeedsOfARow); }
TEST_P(Rfc6455, AClientDoesAsItSays) { RunExchange(Rows(false)[GetParam()], false, kSeedsOfARow); }

INSTANTIATE_TEST_SUITE_P(Rows, Rfc6455, ::testing::Range(size_t{0}, Rows(true).size()), NameOf);

}  // namespace
}  // namespace faultline::websocket::testing
