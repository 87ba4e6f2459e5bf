#include "transports/websocket/testing/end.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "runtime/check.h"
#include "transports/testing/samples.h"
#include "transports/websocket/testing/frames.h"

namespace faultline::websocket::testing {
namespace {

std::span<const std::byte> Bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace

std::string UpgradeRequestText() {
  return "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
}

std::string Traffic(bool masked) {
  BufferPool pool;
  const std::string split = MessageBytes(&pool, 3, 700);
  return MessageFrame(&pool, 1, 20, {.masked = masked}) +
         MessageFrame(&pool, 2, 3000, {.masked = masked}) +
         FrameOf(split.substr(0, 300), {.final = false, .masked = masked}) +
         FrameOf("ping", {.opcode = 9, .masked = masked}) +
         FrameOf(split.substr(300), {.opcode = 0, .masked = masked}) +
         MessageFrame(&pool, 4, 0, {.masked = masked}) + CloseFrame(1000, "bye", masked);
}

End::End(bool client, const EndOptions& options)
    : options_(options), session_(&engine_), input_(&session_, &pool_, options.input) {
  Session peer(&engine_);
  Session* server = client ? &peer : &session_;
  server->BeginServer(&policy_);
  std::string request = UpgradeRequestText();
  if (client) {
    FAULTLINE_CHECK(session_.BeginClient({}).ok());
    request = std::exchange(*session_.output(), "");
  }
  FAULTLINE_CHECK(server->Upgrade(Bytes(request)).ok());
  if (client) FAULTLINE_CHECK(session_.Upgrade(Bytes(*peer.output())).ok());
  session_.output()->clear();
}

MessageInput::Found End::Take(std::string_view wire, std::span<const size_t> steps) {
  for (size_t reads = 0;;) {
    message::Message message;
    MessageInput::Found found = input_.Find(options_.max_message_size, &message);
    if (found == MessageInput::Found::kMessage) {
      std::span<const std::byte> bytes = message.frozen().bytes();
      messages_.emplace_back(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      places_.push_back(bytes.data());
      tags_.push_back(faultline::testing::TagOf(message));
      continue;
    }
    if (found != MessageInput::Found::kNeedBytes || wire.empty()) return found;
    const size_t taken = Fill(wire.substr(0, steps[reads++ % steps.size()]));
    wire.remove_prefix(taken);
    (void)input_.OnRead(taken);
  }
}

size_t End::Fill(std::string_view wire) {
  std::array<iovec, 2> buffers{};
  size_t taken = 0;
  for (const iovec& buffer : input_.BeginRead(&buffers)) {
    const size_t size = std::min(buffer.iov_len, wire.size() - taken);
    std::memcpy(buffer.iov_base, wire.data() + taken, size);
    taken += size;
  }
  return taken;
}

}  // namespace faultline::websocket::testing
