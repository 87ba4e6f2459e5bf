// Frames written and read by hand, by none of the code that is tested but the header's.
#ifndef FAULTLINE_TRANSPORTS_WEBSOCKET_TESTING_FRAMES_H_
#define FAULTLINE_TRANSPORTS_WEBSOCKET_TESTING_FRAMES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/frozen.h"

namespace faultline::websocket::testing {

struct RawFrame {
  int opcode = 2;
  bool final = true;
  bool masked = true;
  int reserved = 0;  // bits, as in the first byte
};
std::string FrameOf(std::string_view payload, const RawFrame& frame);
// The frame of a sample message.
std::string MessageFrame(BufferPool* pool, uint64_t tag, size_t body_size, const RawFrame& frame);
// A sample message, as it is on the wire without a frame.
std::string MessageBytes(BufferPool* pool, uint64_t tag, size_t body_size);
// A close frame.
std::string CloseFrame(int code, std::string_view reason, bool masked);

// A peer's frame, unmasked.
struct ParsedFrame {
  int opcode = 0;
  bool final = false;
  bool masked = false;
  std::string payload;
};
// All of `bytes`; fails the test if they do not end with a frame.
std::vector<ParsedFrame> ParseFrames(const std::string& bytes);
// The code of the close frame that ends `bytes`; 0: there is none.
int CloseCodeIn(const std::string& bytes);

}  // namespace faultline::websocket::testing

#endif  // FAULTLINE_TRANSPORTS_WEBSOCKET_TESTING_FRAMES_H_
