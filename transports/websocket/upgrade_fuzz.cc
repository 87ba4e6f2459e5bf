// The upgrade under arbitrary bytes: for libFuzzer, and for the bounded test beside it.
//
//   ./bazelw run --config=asan --copt=-fsanitize=fuzzer-no-link \
//       //transports/websocket:upgrade_fuzzer -- -max_total_time=60
//
// An input is a byte whose lowest bit says that this end is a client, then the peer's head; its end
// is put behind it if it has none. Whatever it is: one answer, a connection only if what RFC 6455
// (sections 4.1 and 4.2.1) asks for is there, and then one that takes frames.
#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "runtime/check.h"
#include "runtime/testing/manual_clock.h"
#include "transports/websocket/engine.h"
#include "transports/websocket/testing/end.h"
#include "transports/websocket/testing/frames.h"

namespace faultline::websocket::testing {
namespace {

constexpr std::string_view kHeadEnd = "\r\n\r\n";
// Of the key that is all zeros.
constexpr std::string_view kAccept = "icx+yqv66kxgm0fcwalwlflwtai=";

std::span<const std::byte> Bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string Lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

void CheckAccepted(const std::string& head, bool client) {
  const std::string lower = Lower(head);
  auto has = [&lower](std::string_view what) { return lower.find(what) != std::string::npos; };
  FAULTLINE_CHECK(lower.starts_with(client ? "http/1.1 101" : "get ")) << head;
  FAULTLINE_CHECK(has("upgrade:") && has("websocket") && has("connection:")) << head;
  if (client) {
    FAULTLINE_CHECK(has("sec-websocket-accept:") && has(kAccept)) << head;
  } else {
    FAULTLINE_CHECK(has("sec-websocket-key:") && has("host:") && has("13")) << head;
  }
  for (size_t i = 0; i < head.size(); ++i) {
    FAULTLINE_CHECK(head[i] != '\n' || (i > 0 && head[i - 1] == '\r')) << "a bare line feed";
  }
}

// The engine is between frames: the first bytes that it is given are a frame's.
void CheckFrames(Session* session) {
  std::string close = CloseFrame(1000, "", !session->client());
  FAULTLINE_CHECK(
      session->ParseClose(std::as_writable_bytes(std::span(close)), CloseReason::kNormal).ok());
  FAULTLINE_CHECK(session->peer_closed());
}

void CheckAnswer(const std::string& output, bool accepted) {
  FAULTLINE_CHECK(output.starts_with("HTTP/1.1 ") && output.ends_with(kHeadEnd)) << output;
  FAULTLINE_CHECK(output.find(kHeadEnd) == output.size() - kHeadEnd.size()) << output;
  FAULTLINE_CHECK(output.starts_with("HTTP/1.1 101") == accepted) << output;
}

}  // namespace
}  // namespace faultline::websocket::testing

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace faultline::websocket;           // NOLINT: the name of this function is
  using namespace faultline::websocket::testing;  // NOLINT: libFuzzer's
  if (size == 0) return 0;
  const bool client = (data[0] & 1) != 0;
  std::string head(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t end = head.find(kHeadEnd);
  head = head.substr(0, end) + std::string(kHeadEnd);
  faultline::testing::ManualClock clock;
  ZeroEntropy entropy;
  Engine engine(&clock, &entropy, {.max_sessions = 1});
  UpgradePolicy policy;
  Session session(&engine);
  if (client) {
    FAULTLINE_CHECK(session.BeginClient({}).ok());
    session.output()->clear();
  } else {
    session.BeginServer(&policy);
  }
  const bool accepted = session.Upgrade(Bytes(head)).ok();
  if (accepted) CheckAccepted(head, client);
  if (!client) CheckAnswer(*session.output(), accepted);
  if (accepted) CheckFrames(&session);
  return 0;
}
