// MemoryStream: two connected streams in memory that behave as badly as the contract allows.
//
//   auto [client, server] = MakeMemoryStreams({.write_sizes = {1, 300}}, {.end_after = 77});
//
// Reads and writes are cut to the sizes that are asked for, back-pressure comes at any capacity,
// the stream ends or breaks behind any byte. What a read did not fill is scribbled over. For tests
// of transports: bytes, not time.
#ifndef FAULTLINE_TRANSPORTS_TESTING_MEMORY_STREAM_H_
#define FAULTLINE_TRANSPORTS_TESTING_MEMORY_STREAM_H_

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "runtime/stream.h"

namespace faultline::testing {

inline constexpr size_t kNever = SIZE_MAX;

// One direction. Sizes are in bytes and repeat from the start when they are used up; none means "as
// much as possible".
struct MemoryPipeOptions {
  size_t capacity = size_t{1} << 20;  // a writer waits when so much is unread
  std::vector<size_t> read_sizes{};   // the most that each read takes
  std::vector<size_t> write_sizes{};  // the most that each write takes
  size_t end_after = kNever;          // the reader finds the end of the stream behind this byte
  size_t read_fault_after = kNever;   // reads fail behind this byte, once; then the stream ends
  int read_fault = ECONNRESET;
  size_t write_fault_after = kNever;  // writes fail behind this byte
  int write_fault = EPIPE;
  // Bytes that arrive for a pending read are taken in but not reported before `WakeReader`, as if
  // the completion were still under way: a stop request then finds it too late to cancel.
  bool hold_completions = false;
  bool scribble = true;
};

class MemoryPipe;

class MemoryStream final : public Stream {
 public:
  MemoryStream(std::shared_ptr<MemoryPipe> in, std::shared_ptr<MemoryPipe> out);
  ~MemoryStream() override;

  absl::Status ShutdownWrite() override;
  absl::Status Close() override;
  void Abort() override;
  Endpoint local_address() const override { return Endpoint::Unix("@memory"); }
  Endpoint peer_address() const override { return Endpoint::Unix("@memory"); }
  absl::Status SetNoDelay(bool) override { return absl::OkStatus(); }
  absl::Status SetSendBufferSize(size_t) override { return absl::OkStatus(); }
  absl::Status SetReceiveBufferSize(size_t) override { return absl::OkStatus(); }
  absl::StatusOr<size_t> SendBufferSize() const override { return 0; }
  absl::StatusOr<size_t> ReceiveBufferSize() const override { return 0; }

  // Puts `bytes` in front of the peer's reader, past every limit of the writer's.
  void Inject(std::span<const std::byte> bytes);
  // Reports a completion that was held.
  void WakeReader();

  // Operations that were started, whatever came of them.
  size_t reads() const { return reads_; }
  size_t writes() const { return writes_; }
  // The largest number of buffers that one write was given.
  size_t widest_write() const { return widest_write_; }
  bool read_pending() const;
  bool write_pending() const;
  bool closed() const { return closed_; }
  bool aborted() const { return aborted_; }

 private:
  bool StartRead(ReadOp* op) override;
  bool StartWrite(WriteOp* op) override;
  void CancelRead(ReadOp* op) override;
  void CancelWrite(WriteOp* op) override;
  void AbandonRead(ReadOp* op) override;
  void AbandonWrite(WriteOp* op) override;

  const std::shared_ptr<MemoryPipe> in_;   // shared with the peer
  const std::shared_ptr<MemoryPipe> out_;  // shared with the peer
  size_t reads_ = 0;
  size_t writes_ = 0;
  size_t widest_write_ = 0;
  bool closed_ = false;
  bool aborted_ = false;
};

// Two ends: what the first writes the second reads under `forth`, and the other way round.
std::pair<std::unique_ptr<MemoryStream>, std::unique_ptr<MemoryStream>> MakeMemoryStreams(
    MemoryPipeOptions forth = {}, MemoryPipeOptions back = {});

}  // namespace faultline::testing

#endif  // FAULTLINE_TRANSPORTS_TESTING_MEMORY_STREAM_H_
