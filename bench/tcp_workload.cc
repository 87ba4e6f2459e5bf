#include "bench/tcp_workload.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "transports/message/message.h"

namespace faultline::bench {
namespace {

void Append(const message::Message& message, std::vector<std::byte>* wire) {
  std::span<const std::byte> bytes = message.frozen().bytes();
  wire->insert(wire->end(), bytes.begin(), bytes.end());
}

message::Message MakeFrame(BufferPool* pool, uint64_t number, size_t size) {
  message::MessageBuilder builder(pool, size - message::kHeaderSize);
  builder.header().SetFields(message::RequestFields{.request = number});
  std::memset(builder.body().data(), static_cast<int>(number & 0xff), builder.body().size());
  return std::move(builder).Seal();
}

}  // namespace

size_t Load::batch() const {
  return std::clamp<size_t>(kBatchBytesMax / message_bytes, 1, kBatchMessagesMax);
}

uint64_t Load::round() const {
  uint64_t batches = std::max<uint64_t>(kRoundBytes / message_bytes / batch(), 1);
  return batches * batch();
}

std::vector<std::byte> MakeMessages(const Load& load) {
  if (load.content == Content::kBytes) {
    return std::vector<std::byte>(load.message_bytes * load.batch(), std::byte{0x5a});
  }
  BufferPool pool;
  std::vector<std::byte> wire;
  for (size_t i = 0; i < load.batch(); ++i)
    Append(MakeFrame(&pool, i + 1, load.message_bytes), &wire);
  return wire;
}

std::vector<std::byte> MakeReply() {
  BufferPool pool;
  std::vector<std::byte> wire;
  Append(MakeFrame(&pool, 1, kReplyBytes), &wire);
  return wire;
}

void Counter::OnFrame(const std::byte* frame, size_t size) {
  first_bytes_ += static_cast<uint64_t>(frame[0]);
  bytes_ += size;
}

uint64_t Counter::TakeRounds() {
  uint64_t complete = messages() / load_.round() - answered_;
  answered_ += complete;
  return complete;
}

void Die(const char* what) {
  std::perror(what);
  std::abort();
}

}  // namespace faultline::bench
