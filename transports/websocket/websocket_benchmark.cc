// What a message costs over WebSocket, without a stream: framed, masked, parsed, validated and
// given out, in both directions; and the library's own way of writing a frame, beside it.

#include <benchmark/benchmark.h>

#include <array>
#include <cstring>
#include <utility>
#include <vector>

#include "runtime/check.h"
#include "runtime/entropy.h"
#include "runtime/frozen.h"
#include "runtime/testing/manual_clock.h"
#include "transports/testing/samples.h"
#include "transports/websocket/engine.h"
#include "transports/websocket/frame_output.h"
#include "transports/websocket/message_input.h"

namespace faultline::websocket {
namespace {

constexpr size_t kMax = size_t{1} << 26;
constexpr size_t kBatch = 128;

class CountingEntropy final : public Entropy {
 public:
  void Fill(std::span<std::byte> bytes) override {
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(next_++);
  }

 private:
  uint8_t next_ = 1;
};

// Two sessions after their upgrade.
struct Pair {
  Pair() {
    server.BeginServer(&policy);
    FAULTLINE_CHECK(client.BeginClient({}).ok());
    FAULTLINE_CHECK(server.Upgrade(Take(&client)).ok());
    FAULTLINE_CHECK(client.Upgrade(Take(&server)).ok());
    server.output()->clear();
  }
  std::span<const std::byte> Take(Session* session) {
    moved = std::exchange(*session->output(), std::string());
    return std::as_bytes(std::span(moved));
  }

  faultline::testing::ManualClock clock;
  CountingEntropy entropy;
  Engine engine{&clock, &entropy, {}};
  UpgradePolicy policy;
  Session server{&engine};
  Session client{&engine};
  std::string moved;
};

FrozenBatch BatchOf(BufferPool* pool, size_t size) {
  FrozenBatch batch;
  for (size_t i = 1; i <= kBatch; ++i) {
    batch.Add(faultline::testing::Sample(pool, i, size - message::kHeaderSize).frozen());
  }
  return batch;
}

void Write(FrameOutput* output, const FrozenBatch& batch, std::vector<std::byte>* wire) {
  wire->clear();
  output->Begin(&batch, {});
  while (!output->done()) {
    size_t bytes = 0;
    for (const iovec& buffer : output->buffers()) {
      const auto* from = static_cast<const std::byte*>(buffer.iov_base);
      wire->insert(wire->end(), from, from + buffer.iov_len);
      bytes += buffer.iov_len;
    }
    output->OnWritten(bytes);
  }
  output->End();
}

size_t Read(MessageInput* input, std::span<const std::byte> wire) {
  size_t messages = 0;
  for (;;) {
    message::Message message;
    MessageInput::Found found = input->Find(kMax, &message);
    if (found == MessageInput::Found::kMessage) {
      ++messages;
      continue;
    }
    FAULTLINE_CHECK(found == MessageInput::Found::kNeedBytes) << input->failure();
    if (wire.empty()) return messages;
    std::array<iovec, 2> buffers{};
    size_t taken = 0;
    for (const iovec& buffer : input->BeginRead(&buffers)) {
      const size_t size = std::min(buffer.iov_len, wire.size());
      std::memcpy(buffer.iov_base, wire.data(), size);
      wire = wire.subspan(size);
      taken += size;
    }
    FAULTLINE_CHECK(input->OnRead(taken).ok());
  }
}

// From a server to a client, or from a client to a server.
void BM_Transfer(benchmark::State& state, bool to_server) {
  Pair pair;
  BufferPool pool;
  FrozenBatch batch = BatchOf(&pool, static_cast<size_t>(state.range(0)));
  FrameOutput output(&pool, to_server ? &pair.entropy : nullptr);
  MessageInput input(to_server ? &pair.server : &pair.client, &pool, {});
  std::vector<std::byte> wire;
  for (auto _ : state) {
    Write(&output, batch, &wire);
    FAULTLINE_CHECK(Read(&input, wire) == kBatch) << "messages were lost";
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kBatch));
  state.SetBytesProcessed(state.items_processed() * state.range(0));
}
BENCHMARK_CAPTURE(BM_Transfer, ServerToClient, false)->Arg(256)->Arg(4096)->Arg(1 << 20);
BENCHMARK_CAPTURE(BM_Transfer, ClientToServer, true)->Arg(256)->Arg(4096)->Arg(1 << 20);

// The same messages in frames: ours, and the library's.
void BM_FrameOurs(benchmark::State& state, bool client) {
  Pair pair;
  BufferPool pool;
  FrozenBatch batch = BatchOf(&pool, static_cast<size_t>(state.range(0)));
  FrameOutput output(&pool, client ? &pair.entropy : nullptr);
  for (auto _ : state) {
    output.Begin(&batch, {});
    while (!output.done()) {
      size_t bytes = 0;
      for (const iovec& buffer : output.buffers()) bytes += buffer.iov_len;
      output.OnWritten(bytes);
    }
    output.End();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kBatch));
}
BENCHMARK_CAPTURE(BM_FrameOurs, Server, false)->Arg(256)->Arg(4096);
BENCHMARK_CAPTURE(BM_FrameOurs, Client, true)->Arg(256)->Arg(4096);

void BM_FrameLibrary(benchmark::State& state, bool client) {
  Pair pair;
  BufferPool pool;
  FrozenBatch batch = BatchOf(&pool, static_cast<size_t>(state.range(0)));
  Session* session = client ? &pair.client : &pair.server;
  for (auto _ : state) {
    for (const Frozen& message : batch.messages()) session->SendMessageByLibrary(message.bytes());
    session->output()->clear();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kBatch));
}
BENCHMARK_CAPTURE(BM_FrameLibrary, Server, false)->Arg(256)->Arg(4096);
BENCHMARK_CAPTURE(BM_FrameLibrary, Client, true)->Arg(256)->Arg(4096);

}  // namespace
}  // namespace faultline::websocket
