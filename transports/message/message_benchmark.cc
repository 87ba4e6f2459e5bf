// What framing costs, without a kernel: frames of 256 B, 4 KiB and 64 KiB.
//
//   HandWritten   a loop in C style that checks the same things and counts the bytes
//   Views         FrameBuffer: the same, any pieces
//   Frames        the same, each frame in a buffer of its own
//   Seal          making a message
//   Batch         filling and emptying a batch of 512
//
//   bazel run //transports/message:message_benchmark

#include <benchmark/benchmark.h>

#include <cstring>
#include <span>
#include <vector>

#include "runtime/frozen.h"
#include "transports/message/frame_buffer.h"
#include "transports/message/message.h"
#include "transports/message/validate.h"

namespace faultline::message {
namespace {

constexpr size_t kWireBytes = 64 << 10;

Message MakeFrame(BufferPool* pool, size_t size) {
  Header header;
  header.SetFields(RequestFields{.request = 1});
  return MakeMessage(pool, header, std::vector<std::byte>(size - kHeaderSize));
}

// As many frames as 64 KiB hold.
std::vector<std::byte> MakeWire(size_t size) {
  BufferPool pool;
  Message message = MakeFrame(&pool, size);
  std::vector<std::byte> wire;
  while (wire.size() + size <= kWireBytes) {
    std::span<const std::byte> bytes = message.frozen().bytes();
    wire.insert(wire.end(), bytes.begin(), bytes.end());
  }
  return wire;
}

void Report(benchmark::State& state, size_t frames_a_round, size_t bytes_a_round) {
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * frames_a_round));
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * bytes_a_round));
}

void HandWritten(benchmark::State& state) {
  size_t size = static_cast<size_t>(state.range(0));
  std::vector<std::byte> wire = MakeWire(size);
  std::vector<std::byte> buffer(kWireBytes);
  for (auto unused : state) {
    std::memcpy(buffer.data(), wire.data(), wire.size());
    size_t valid = 0;
    for (size_t at = 0; at < wire.size();) {
      HeaderBytes header(buffer.data() + at, kHeaderSize);
      size_t length = SizeOf(header);
      if (!ValidateHeader(header, kDefaultMaxMessageSize).ok()) break;
      if (!ValidateBody(header, {buffer.data() + at + kHeaderSize, length - kHeaderSize}).ok()) {
        break;
      }
      ++valid;
      at += length;
    }
    benchmark::DoNotOptimize(valid);
  }
  Report(state, wire.size() / size, wire.size());
}
BENCHMARK(HandWritten)->Arg(256)->Arg(4096)->Arg(65536);

// Feeds 64 KiB a round; `take` is called with each frame.
template <typename Take>
void ReadRounds(benchmark::State& state, Take take) {
  size_t size = static_cast<size_t>(state.range(0));
  std::vector<std::byte> wire = MakeWire(size);
  BufferPool pool;
  FrameBuffer frames(&pool, {}, nullptr);
  std::array<iovec, 2> buffers;
  for (auto unused : state) {
    size_t given = 0;
    while (given < wire.size()) {
      size_t read = 0;
      for (const iovec& buffer : frames.BeginRead(&buffers)) {
        size_t part = std::min(buffer.iov_len, wire.size() - given);
        std::memcpy(buffer.iov_base, wire.data() + given, part);
        given += part;
        read += part;
      }
      (void)frames.OnRead(read);
      for (;;) {
        std::span<const std::byte> frame = frames.Find(kDefaultMaxMessageSize);
        if (frame.empty()) break;
        take(&frames, frame);
      }
    }
  }
  Report(state, wire.size() / size, wire.size());
}

void Views(benchmark::State& state) {
  ReadRounds(state, [](FrameBuffer*, std::span<const std::byte> frame) {
    benchmark::DoNotOptimize(MessageView(AlreadyValidated(), frame).command());
  });
}
BENCHMARK(Views)->Arg(256)->Arg(4096)->Arg(65536);

void Frames(benchmark::State& state) {
  ReadRounds(state, [](FrameBuffer* frames, std::span<const std::byte> frame) {
    Message message(AlreadyValidated(), frames->Own(frame));
    benchmark::DoNotOptimize(message.command());
  });
}
BENCHMARK(Frames)->Arg(256)->Arg(4096)->Arg(65536);

void Seal(benchmark::State& state) {
  size_t size = static_cast<size_t>(state.range(0));
  BufferPool pool;
  for (auto unused : state) {
    MessageBuilder builder(&pool, size - kHeaderSize);
    builder.header().SetFields(RequestFields{.request = 1});
    std::memset(builder.body().data(), 1, builder.body().size());
    Message message = std::move(builder).Seal();
    benchmark::DoNotOptimize(message);
  }
  Report(state, 1, size);
}
BENCHMARK(Seal)->Arg(256)->Arg(4096)->Arg(65536);

void Batch(benchmark::State& state) {
  BufferPool pool;
  Message message = MakeFrame(&pool, 256);
  FrozenBatch batch;
  for (auto unused : state) {
    for (size_t i = 0; i < FrozenBatch::kMaxBuffers; ++i) batch.Add(message.frozen());
    benchmark::DoNotOptimize(batch.buffers().data());
    batch.Consume(batch.bytes());
    batch.Clear();
  }
  Report(state, FrozenBatch::kMaxBuffers, FrozenBatch::kMaxBuffers * 256);
}
BENCHMARK(Batch);

}  // namespace
}  // namespace faultline::message
