// Goal: no head, of a request or of an answer, makes a connection that it should not make, leaves
// one that is out of step, or ends the program. Method: right heads, changed at many places and
// with the words that such heads are made of put in, by a generator with fixed seeds: the same
// inputs on each run. upgrade_fuzz.cc holds the checks.

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "transports/websocket/testing/end.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace faultline::websocket::testing {
namespace {

constexpr uint64_t kInputs = 6'000;
constexpr std::string_view kAnswer =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n\r\n";
constexpr std::array<std::string_view, 28> kWords = {
    "\r\n",
    "\n",
    "\n\n",
    "\r",
    " ",
    "\t",
    ":",
    ",",
    "/",
    "%2e%2e/",
    "?",
    "#",
    "GET ",
    "POST ",
    "CONNECT ",
    "HTTP/1.0",
    "HTTP/1.1 200 OK",
    "HTTP/1.1 401 Unauthorized",
    "Location: ws://127.0.0.1/\r\n",
    "Upgrade: h2c\r\n",
    "Connection: keep-alive\r\n",
    "Content-Length: 5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Sec-WebSocket-Protocol: a, b\r\n",
    "Sec-WebSocket-Extensions: permessage-deflate\r\n",
    "Sec-WebSocket-Key: AAAA\r\n",
    "Set-Cookie: a=b\r\n",
    "Host: x\r\n"};

// SplitMix64.
class Draws {
 public:
  explicit Draws(uint64_t seed) : state_(seed) {}
  size_t Below(size_t bound) {
    uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (z ^ (z >> 31)) % bound;
  }

 private:
  uint64_t state_;
};

void Try(bool client, std::string_view head) {
  std::string input(1, static_cast<char>(client));
  input.append(head);
  EXPECT_EQ(LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size()),
            0);
}

TEST(WebSocketUpgradeFuzz, ChangedHeadsDoNoHarm) {
  for (uint64_t seed = 1; seed <= kInputs; ++seed) {
    SCOPED_TRACE(seed);
    Draws draws(seed);
    const bool client = draws.Below(2) == 1;
    std::string head = client ? std::string(kAnswer) : UpgradeRequestText();
    for (size_t i = draws.Below(4); i > 0; --i) {
      head.insert(draws.Below(head.size()), kWords[draws.Below(kWords.size())]);
    }
    for (size_t i = draws.Below(3); i > 0; --i) {
      head[draws.Below(head.size())] = static_cast<char>(draws.Below(256));
    }
    if (draws.Below(8) == 0) head.insert(draws.Below(head.size()), 5000, 'x');
    Try(client, head);
  }
}

TEST(WebSocketUpgradeFuzz, EveryLineMayBeMissingOrTwice) {
  for (bool client : {false, true}) {
    const std::string head = client ? std::string(kAnswer) : UpgradeRequestText();
    for (size_t at = 0; at + 2 < head.size(); at = head.find("\r\n", at) + 2) {
      const size_t end = head.find("\r\n", at) + 2;
      const std::string line = head.substr(at, end - at);
      Try(client, head.substr(0, at) + head.substr(end));
      Try(client, head.substr(0, end) + line + head.substr(end));
    }
  }
}

}  // namespace
}  // namespace faultline::websocket::testing
