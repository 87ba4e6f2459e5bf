// FakeStream: a stream whose operations end when and how a test says.
//
//   FakeStream stream;
//   ... a task awaits stream.Read(buffer) ...
//   stream.SucceedRead(5);
//
// Tests only. With `bytes_at_once` set, operations complete at once instead, with up to so many
// bytes.
#ifndef FAULTLINE_RUNTIME_TESTING_FAKE_STREAM_H_
#define FAULTLINE_RUNTIME_TESTING_FAKE_STREAM_H_

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/check.h"
#include "runtime/endpoint.h"
#include "runtime/errors.h"
#include "runtime/stream.h"

namespace faultline::testing {

class FakeStream final : public Stream {
 public:
  FakeStream() = default;
  ~FakeStream() override { Abort(); }

  // 0: each operation waits.
  size_t bytes_at_once = 0;
  // A cancelled operation reports so many bytes; 0: it fails with Cancelled.
  size_t bytes_at_cancel = 0;
  // False: a cancelled operation stays pending until the test ends it.
  bool cancels_at_once = true;

  int cancelled = 0;
  int abandoned = 0;

  // What is pending; null if nothing is.
  ReadOp* read() { return read_; }
  WriteOp* write() { return write_; }
  // Ends what is pending.
  void SucceedRead(size_t bytes) { std::exchange(read_, nullptr)->Succeed(bytes); }
  void SucceedWrite(size_t bytes) { std::exchange(write_, nullptr)->Succeed(bytes); }
  void FailRead(absl::Status status) { std::exchange(read_, nullptr)->Fail(std::move(status)); }
  void FailWrite(absl::Status status) { std::exchange(write_, nullptr)->Fail(std::move(status)); }

  absl::Status ShutdownWrite() override { return absl::OkStatus(); }
  absl::Status Close() override { return absl::OkStatus(); }
  void Abort() override {
    if (read_ != nullptr) FailRead(ErrnoStatus(ECANCELED, "read"));
    if (write_ != nullptr) FailWrite(ErrnoStatus(ECANCELED, "write"));
  }
  Endpoint local_address() const override { return Endpoint(); }
  Endpoint peer_address() const override { return Endpoint(); }
  absl::Status SetNoDelay(bool) override { return absl::OkStatus(); }
  absl::Status SetSendBufferSize(size_t) override { return absl::OkStatus(); }
  absl::Status SetReceiveBufferSize(size_t) override { return absl::OkStatus(); }
  absl::StatusOr<size_t> SendBufferSize() const override { return size_t{0}; }
  absl::StatusOr<size_t> ReceiveBufferSize() const override { return size_t{0}; }

 private:
  template <typename Op>
  bool Start(Op* op, Op** slot) {
    FAULTLINE_CHECK(*slot == nullptr) << "one operation at a time";
    if (bytes_at_once > 0) {
      op->Succeed(std::min(bytes_at_once, op->capacity()));
      return true;
    }
    *slot = op;
    return false;
  }
  template <typename Op>
  void Cancel(Op** slot) {
    ++cancelled;
    if (!cancels_at_once) return;
    Op* op = std::exchange(*slot, nullptr);
    if (bytes_at_cancel > 0) {
      op->Succeed(bytes_at_cancel);
    } else {
      op->Fail(absl::CancelledError("stop requested"));
    }
  }

  bool StartRead(ReadOp* op) override { return Start(op, &read_); }
  bool StartWrite(WriteOp* op) override { return Start(op, &write_); }
  void CancelRead(ReadOp*) override { Cancel(&read_); }
  void CancelWrite(WriteOp*) override { Cancel(&write_); }
  void AbandonRead(ReadOp*) override {
    ++abandoned;
    read_ = nullptr;
  }
  void AbandonWrite(WriteOp*) override {
    ++abandoned;
    write_ = nullptr;
  }

  ReadOp* read_ = nullptr;
  WriteOp* write_ = nullptr;
};

}  // namespace faultline::testing

#endif  // FAULTLINE_RUNTIME_TESTING_FAKE_STREAM_H_
