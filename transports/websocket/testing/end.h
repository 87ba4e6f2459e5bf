// End: one end of a connection after its upgrade, without a stream: what it makes of bytes.
#ifndef FAULTLINE_TRANSPORTS_WEBSOCKET_TESTING_END_H_
#define FAULTLINE_TRANSPORTS_WEBSOCKET_TESTING_END_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/entropy.h"
#include "runtime/frozen.h"
#include "runtime/testing/manual_clock.h"
#include "transports/websocket/engine.h"
#include "transports/websocket/message_input.h"

namespace faultline::websocket::testing {

class ZeroEntropy final : public Entropy {
 public:
  void Fill(std::span<std::byte> bytes) override {
    for (std::byte& byte : bytes) byte = std::byte{0};
  }
};

// A right request for an upgrade.
std::string UpgradeRequestText();
// Messages 1 to 4 of several kinds, a ping between fragments, and a close frame.
std::string Traffic(bool masked);

struct EndOptions {
  InputOptions input{.receive_buffer_bytes = 2048, .receive_buffer_max_bytes = 4096};
  size_t max_message_size = size_t{1} << 20;
};

class End {
 public:
  explicit End(bool client, const EndOptions& options = {});

  // In reads of at most `steps` bytes, in turn, until something final or the end of `wire`.
  MessageInput::Found Take(std::string_view wire, std::span<const size_t> steps);
  MessageInput::Found Take(std::string_view wire, size_t step) { return Take(wire, {&step, 1}); }

  void DropMessages() { input_.DropMessages(); }

  // Of the messages that came.
  const std::vector<uint64_t>& tags() const { return tags_; }
  const std::vector<std::string>& messages() const { return messages_; }
  // Where they began.
  const std::vector<const std::byte*>& places() const { return places_; }
  const MessageInput& input() const { return input_; }
  Session* session() { return &session_; }

 private:
  size_t Fill(std::string_view wire);

  const EndOptions options_;
  faultline::testing::ManualClock clock_;
  ZeroEntropy entropy_;
  Engine engine_{&clock_, &entropy_, {.max_sessions = 2}};
  UpgradePolicy policy_;
  BufferPool pool_;
  Session session_;
  MessageInput input_;
  std::vector<uint64_t> tags_;
  std::vector<const std::byte*> places_;
  std::vector<std::string> messages_;
};

}  // namespace faultline::websocket::testing

#endif  // FAULTLINE_TRANSPORTS_WEBSOCKET_TESTING_END_H_
