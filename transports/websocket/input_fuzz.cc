// The frame parser under arbitrary bytes, in arbitrary pieces: for libFuzzer, and for the bounded
// test beside it.
//
//   ./bazelw run --config=asan --copt=-fsanitize=fuzzer-no-link \
//       //transports/websocket:input_fuzzer -- -max_total_time=60
//
// The oracle is a parser of RFC 6455 that has everything in one piece and needs no state and no
// engine. Both must give the same messages, the same end and the same close code.
//
// An input is a few bytes of settings, then the stream:
//   0  bit 0: this end is a client
//   1  the receive buffer's size   2  the maximum of a message
//   3  how many sizes of pieces follow (0..15), then those: the pieces of the stream, repeated
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/check.h"
#include "transports/message/frame_error.h"
#include "transports/message/validate.h"
#include "transports/websocket/testing/end.h"

namespace faultline::websocket::testing {
namespace {

using Found = MessageInput::Found;

constexpr size_t kBufferSizes[] = {1024, 1025, 1500, 4096, 65536};
constexpr size_t kMaximums[] = {256, 300, 1000, 5000, 1 << 20};

struct Input {
  bool client = false;
  EndOptions options;
  std::vector<size_t> steps;
  std::string wire;
};

Input Decode(std::string_view data) {
  auto take = [&data]() -> size_t {
    if (data.empty()) return 0;
    const auto byte = static_cast<uint8_t>(data.front());
    data.remove_prefix(1);
    return byte;
  };
  Input input;
  input.client = (take() & 1) != 0;
  const size_t buffer = kBufferSizes[take() % std::size(kBufferSizes)];
  input.options.input.receive_buffer_bytes = buffer;
  input.options.input.receive_buffer_max_bytes = buffer * 2;
  input.options.max_message_size = kMaximums[take() % std::size(kMaximums)];
  for (size_t left = take() % 16; left > 0; --left) input.steps.push_back(take() * 8 + 1);
  if (input.steps.empty()) input.steps.push_back(SIZE_MAX);
  input.wire = std::string(data);
  return input;
}

struct Outcome {
  std::vector<std::string> messages;
  Found end = Found::kNeedBytes;
  int code = 0;  // of what failed
};

// RFC 6455, section 5, over the whole stream.
class Oracle {
 public:
  explicit Oracle(const Input& input) : input_(input), left_(input.wire) {}

  Outcome Run() {
    while (outcome_.end == Found::kNeedBytes && TakeFrame()) {
    }
    return std::move(outcome_);
  }
  // The stream ended within a frame that is wrong already: to say so, or to wait for the rest of
  // the frame, are both right.
  bool may_fail_early() const { return may_fail_early_; }

 private:
  uint8_t At(size_t i) const { return static_cast<uint8_t>(left_[i]); }

  bool Fail(int code) {
    outcome_.end = Found::kFailed;
    outcome_.code = code;
    return false;
  }

  // False if there is no further frame.
  bool TakeFrame() {
    if (left_.size() < 2) return false;
    const uint8_t short_size = At(1) & 0x7f;
    const size_t more = short_size == 127 ? 8 : short_size == 126 ? 2 : 0;
    const bool masked = (At(1) & 0x80) != 0;
    const size_t header = 2 + more + (masked ? 4 : 0);
    if (left_.size() < header) return false;
    uint64_t size = more == 0 ? short_size : 0;
    for (size_t i = 0; i < more; ++i) size = size << 8 | At(2 + i);
    const int opcode = At(0) & 0x0f;
    const bool final = (At(0) & 0x80) != 0;
    const bool control = opcode >= 8;
    if (masked == input_.client) return Fail(1002);
    if (opcode == 1) return Fail(1003);
    if ((At(0) & 0x70) != 0) return Fail(1002);
    if ((more == 2 && size < 126) || (more == 8 && size < 65536)) return Fail(1002);
    if (size >> 63 != 0) return Fail(1002);
    const size_t max = input_.options.max_message_size;
    if (!control && size > max - std::min(max, message_.size())) return Fail(1009);
    if (control && !final && left_.size() >= header) return FailControl(size, header);
    if (control) return TakeControl(opcode, size, header);
    if ((opcode != 0 && opcode != 2) || (opcode == 2) == continues_) return Fail(1002);
    continues_ = !final;
    Unmask(masked, header, size);
    left_.remove_prefix(header + std::min<uint64_t>(size, left_.size() - header));
    return CheckMessage(final, whole_);
  }

  // Small control frames are looked at when they are whole.
  bool FailControl(uint64_t size, size_t header) {
    return size <= 125 && left_.size() < header + size ? false : Fail(1002);
  }

  bool TakeControl(int opcode, uint64_t size, size_t header) {
    if (size > 125) return Fail(1002);
    if (left_.size() < header + size) return false;
    if (opcode > 10) return Fail(1002);
    std::string payload;
    for (size_t i = 0; i < size; ++i) {
      payload.push_back(
          static_cast<char>(At(header + i) ^ (input_.client ? 0 : At(header - 4 + i % 4))));
    }
    left_.remove_prefix(header + size);
    if (opcode != 8) return true;
    if (payload.size() == 1) return Fail(1002);
    if (payload.size() > 1 && !IsCode(payload)) return Fail(1002);
    if (payload.size() > 2 && !IsUtf8(std::string_view(payload).substr(2))) return Fail(1007);
    outcome_.end = Found::kPeerClosed;
    return false;
  }

  // Section 7.4, and what was registered since.
  static bool IsCode(std::string_view payload) {
    const int code = static_cast<uint8_t>(payload[0]) << 8 | static_cast<uint8_t>(payload[1]);
    if (code < 1000 || code > 4999) return false;
    return code >= 3000 || (code < 1015 && code != 1004 && code != 1005 && code != 1006);
  }

  // RFC 3629, section 4.
  static bool IsUtf8(std::string_view text) {
    for (size_t i = 0; i < text.size();) {
      const auto first = static_cast<uint8_t>(text[i]);
      const size_t size = first < 0x80   ? 1
                          : first < 0xc2 ? 0
                          : first < 0xe0 ? 2
                          : first < 0xf0 ? 3
                          : first < 0xf5 ? 4
                                         : 0;
      if (size == 0 || i + size > text.size()) return false;
      for (size_t k = 1; k < size; ++k) {
        if ((static_cast<uint8_t>(text[i + k]) & 0xc0) != 0x80) return false;
      }
      const auto second = static_cast<uint8_t>(size > 1 ? text[i + 1] : 0);
      if (first == 0xe0 && second < 0xa0) return false;
      if (first == 0xed && second > 0x9f) return false;
      if (first == 0xf0 && second < 0x90) return false;
      if (first == 0xf4 && second > 0x8f) return false;
      i += size;
    }
    return true;
  }

  void Unmask(bool masked, size_t header, uint64_t size) {
    const size_t there = std::min<uint64_t>(size, left_.size() - header);
    for (size_t i = 0; i < there; ++i) {
      message_.push_back(static_cast<char>(At(header + i) ^ (masked ? At(header - 4 + i % 4) : 0)));
    }
    whole_ = there == size;
  }

  bool CheckMessage(bool final, bool whole) {
    std::span<const std::byte> bytes = std::as_bytes(std::span(message_.data(), message_.size()));
    absl::Status valid;
    if (bytes.size() >= message::kHeaderSize) {
      message::HeaderBytes head(bytes.data(), message::kHeaderSize);
      valid = message::ValidateHeader(head, input_.options.max_message_size);
      if (valid.ok() && bytes.size() > message::SizeOf(head)) valid = absl::DataLossError("long");
    }
    if (valid.ok() && final && whole) {
      valid = message::ValidateFrame(bytes, input_.options.max_message_size);
    }
    if (!valid.ok()) {
      may_fail_early_ = !whole;
      return Fail(message::FrameErrorOf(valid) == message::FrameError::kSizeAboveMaximum ? 1009
                                                                                         : 1007);
    }
    if (!whole) return false;
    if (!final) return true;
    outcome_.messages.push_back(std::exchange(message_, std::string()));
    return true;
  }

  const Input& input_;
  std::string_view left_;
  Outcome outcome_;
  std::string message_;
  bool continues_ = false;
  bool whole_ = false;
  bool may_fail_early_ = false;
};

}  // namespace
}  // namespace faultline::websocket::testing

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

// Ends the program if the transport and the oracle differ.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace faultline::websocket::testing;  // NOLINT: the name of this function is
                                                  // libFuzzer's
  const Input input = Decode({reinterpret_cast<const char*>(data), size});
  Oracle oracle(input);
  const Outcome expected = oracle.Run();
  End end(input.client, input.options);
  const Found found = end.Take(input.wire, input.steps);
  FAULTLINE_CHECK(end.messages() == expected.messages)
      << end.messages().size() << " messages instead of " << expected.messages.size();
  FAULTLINE_CHECK(end.session()->output()->size() <=
                  faultline::websocket::Session::kMaxOutput + 127)
      << end.session()->output()->size() << " bytes of answers";
  if (oracle.may_fail_early() && found == Found::kNeedBytes) return 0;
  FAULTLINE_CHECK(found == expected.end)
      << static_cast<int>(found) << " instead of " << static_cast<int>(expected.end) << ": "
      << end.input().failure();
  FAULTLINE_CHECK(found != Found::kFailed || end.input().close_code() == expected.code)
      << end.input().close_code() << " instead of " << expected.code << ": "
      << end.input().failure();
  return 0;
}
