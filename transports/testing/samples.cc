#include "transports/testing/samples.h"

namespace faultline::testing {
namespace {

std::byte BodyByte(uint64_t tag, size_t index) {
  return static_cast<std::byte>((tag + 1) * 0x9E3779B97F4A7C15u >> 40 ^ index * 167);
}

}  // namespace

message::Message Sample(BufferPool* pool, uint64_t tag, size_t body_size) {
  message::MessageBuilder builder(pool, body_size);
  builder.header().cluster = {.low = 0xC1, .high = 0xC2};
  builder.header().SetFields(
      message::RequestFields{.client = {.low = 5, .high = 6}, .request = tag});
  for (size_t i = 0; i < body_size; ++i) builder.body()[i] = BodyByte(tag, i);
  return std::move(builder).Seal();
}

uint64_t TagOf(const message::Message& message) {
  uint64_t tag = message.Fields<message::RequestFields>().request;
  for (size_t i = 0; i < message.body().size(); ++i) {
    if (message.body()[i] != BodyByte(tag, i)) return 0;
  }
  return tag;
}

std::vector<std::byte> Wire(std::span<const message::Message> messages) {
  std::vector<std::byte> wire;
  for (const message::Message& message : messages) {
    std::span<const std::byte> bytes = message.frozen().bytes();
    wire.insert(wire.end(), bytes.begin(), bytes.end());
  }
  return wire;
}

}  // namespace faultline::testing
