// SimStream: a connected socket of a simulated process.
//
// States of an end, as its owner sees them:
//   open --ShutdownWrite--> half-closed --Close--> closed
//   open or half-closed --RST received or time-out--> reset: what has arrived can be read, then
//   every
//     read fails with the error; the first write fails with it, later ones with EPIPE
//   any --Close, Abort, destruction--> closed
#ifndef FAULTLINE_SIM_STREAM_H_
#define FAULTLINE_SIM_STREAM_H_

#include <cstddef>
#include <memory>
#include <span>

#include "runtime/frame_pool.h"
#include "runtime/network.h"
#include "runtime/stream.h"
#include "runtime/unread_bytes.h"

namespace faultline::sim {

class Process;
class TcpConnection;
class TcpFlow;

class SimStream final : public Stream, public internal::Pooled {
 public:
  // One descriptor of `process` has been taken for it.
  SimStream(Process* process, TcpConnection* connection, int side);
  // Takes over the connection of `from`, its descriptor and what was not read; closes `from`.
  explicit SimStream(SimStream* from);
  ~SimStream() override;

  absl::Status ShutdownWrite() override;
  absl::Status Close() override;
  void Abort() override;
  absl::StatusOr<std::unique_ptr<DetachedStream>> Detach() override;
  Endpoint local_address() const override { return local_; }
  Endpoint peer_address() const override { return peer_; }
  absl::Status SetNoDelay(bool) override;
  absl::Status SetSendBufferSize(size_t bytes) override;
  absl::Status SetReceiveBufferSize(size_t bytes) override;
  absl::StatusOr<size_t> SendBufferSize() const override;
  absl::StatusOr<size_t> ReceiveBufferSize() const override;

  // --- For whom it is detached ---
  Process* process() const { return process_; }
  void Unread(std::span<const std::byte> bytes);

  // --- For the connection ---
  void OnReadable();
  void OnWritable();
  void OnReset();  // the connection ended: an error is pending
  // As `Actor::Fetch`, from here on: there is soon something to read.
  void Fetch(int depth) const;

 private:
  bool StartRead(ReadOp* op) override;
  bool StartWrite(WriteOp* op) override;
  void CancelRead(ReadOp* op) override;
  void CancelWrite(WriteOp* op) override;
  void AbandonRead(ReadOp*) override { reading_ = nullptr; }
  void AbandonWrite(WriteOp* op) override;

  bool TryRead(ReadOp* op);
  bool TryWrite(WriteOp* op);
  void FetchWritten() const;
  void FetchNext(int depth) const;
  void NoteWrite();
  void Remember(const SimStream* other);
  void ForgetAnswering();
  absl::Status Error(int error, const char* what) const;
  void TakeUnread(ReadOp* op);
  size_t Shorten(size_t size, bool write);
  bool Yielding(const Transfer& op, TcpFlow* flow);
  void FailPending(int error);
  bool DiesSilently();
  void Leave();
  static constexpr uint8_t kHit = 3;
  static constexpr uint8_t kMiss = 2;
  static constexpr uint8_t kTrusted = 4;
  static constexpr uint8_t kMostTrust = 12;

  TcpFlow& out() const;
  TcpFlow& in() const;

  Process* const process_;
  TcpConnection* connection_;  // null once closed
  ReadOp* reading_ = nullptr;
  WriteOp* writing_ = nullptr;
  // Who was written to when this had been read, if it was another: only for hints, perhaps gone,
  // and never looked at.
  const SimStream* next_ = nullptr;
  const TcpConnection* next_connection_ = nullptr;
  const uint8_t side_;
  uint8_t next_side_ = 0;
  uint8_t trust_ = 0;                    // how often it was so
  bool has_unread_ = false;              // to here: one cache line
  std::unique_ptr<UnreadBytes> unread_;  // null unless `has_unread_`
  const Endpoint local_;
  const Endpoint peer_;
};

// A connection that its stream has let go of, still of its process: to the world it is a stream
// that nobody reads or writes, in a crash too.
class SimDetachedStream final : public DetachedStream {
 public:
  explicit SimDetachedStream(SimStream* from) : stream_(from) {}

  void Unread(std::span<const std::byte> bytes) override { stream_.Unread(bytes); }
  Endpoint local_address() const override { return stream_.local_address(); }
  Endpoint peer_address() const override { return stream_.peer_address(); }

  SimStream* stream() { return &stream_; }

 private:
  SimStream stream_;
};

// Sets what `options` asks for on a new stream.
void ApplyOptions(SimStream* stream, const StreamOptions& options);

}  // namespace faultline::sim

#endif  // FAULTLINE_SIM_STREAM_H_
