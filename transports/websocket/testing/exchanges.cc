#include "transports/websocket/testing/exchanges.h"

#include <gtest/gtest.h>

#include <string_view>

#include "transports/websocket/testing/frames.h"

namespace faultline::websocket::testing {
namespace {

// The close frame is the last one, and there is one.
void CheckFrames(const Exchange& exchange, const std::string& raw, bool server) {
  EXPECT_EQ(CloseCodeIn(raw), exchange.close_code);
  std::vector<std::string> pongs;
  size_t closes = 0;
  for (const ParsedFrame& frame : ParseFrames(raw)) {
    EXPECT_EQ(frame.masked, !server);
    EXPECT_TRUE(frame.final);
    if (frame.opcode == 10) pongs.push_back(frame.payload);
    if (frame.opcode == 8) ++closes;
  }
  EXPECT_EQ(closes, 1u);
  EXPECT_EQ(pongs, exchange.pongs);
}

void CheckExchange(const Exchange& exchange, const Context& context, bool server) {
  const std::vector<uint64_t>& tags = server ? context.received : context.answers;
  const absl::Status& end = server ? context.server_end : context.client_end;
  EXPECT_EQ(tags, exchange.tags);
  EXPECT_EQ(end.code(), exchange.end) << end;
  // Whoever refuses what came has no reason of the peer's.
  const bool closed = exchange.end == absl::StatusCode::kOutOfRange ||
                      exchange.end == absl::StatusCode::kAborted || exchange.torn;
  EXPECT_EQ(context.reason.has_value(), closed);
  if (context.reason.has_value()) {
    EXPECT_EQ(context.reason->code, exchange.close_code);
    EXPECT_EQ(context.reason->text, exchange.reason);
  }
  CheckFrames(exchange, context.raw, server);
}

}  // namespace

std::string Split(const std::string& payload, std::vector<size_t> at, bool masked,
                  const std::string& between) {
  std::string wire;
  size_t from = 0;
  for (size_t i = 0; i <= at.size(); ++i) {
    const size_t to = i < at.size() ? at[i] : payload.size();
    wire += FrameOf(std::string_view(payload).substr(from, to - from),
                    {.opcode = i == 0 ? 2 : 0, .final = i == at.size(), .masked = masked});
    if (i < at.size()) wire += between;
    from = to;
  }
  return wire;
}

void RunExchange(const Exchange& exchange, bool server, uint64_t seeds) {
  SCOPED_TRACE(exchange.name);
  Context context;
  context.wire = exchange.wire;
  auto check = [&](const Context& done) { CheckExchange(exchange, done, server); };
  if (server) {
    InBothWorlds(ReadingServer, RawClient, check, context, seeds);
  } else {
    InBothWorlds(RawServer, ReadingClient, check, context, seeds);
  }
}

}  // namespace faultline::websocket::testing
