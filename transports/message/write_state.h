// WriteState: the part of FrameWriter that knows nothing of streams: whether batches are still
// taken, and how a batch goes on after a write. Its states are told in frame_writer.h.
#ifndef FAULTLINE_TRANSPORTS_MESSAGE_WRITE_STATE_H_
#define FAULTLINE_TRANSPORTS_MESSAGE_WRITE_STATE_H_

#include <cstddef>

#include "absl/status/status.h"
#include "runtime/frozen.h"
#include "transports/message/bugs.h"

namespace faultline::message {

class WriteState {
 public:
  // `bugs` may be null.
  explicit WriteState(const TransportBugs* bugs) : bugs_(bugs) {}
  WriteState(WriteState&&) noexcept = default;
  WriteState& operator=(WriteState&&) noexcept = default;

  // OK while open; else FailedPrecondition, saying why.
  absl::Status Refusal() const {
    return __builtin_expect(open_, true) ? absl::OkStatus() : ReasonOfRefusal();
  }

  bool sending() const { return sending_; }
  void SetSending();
  void ClearSending() { sending_ = false; }
  // The sending coroutine was destroyed: nobody knows what it had written.
  void Abandon();

  // The first `bytes` that were left of `batch` have been written.
  void OnWritten(FrozenBatch* batch, size_t bytes) {
    if (__builtin_expect(bugs_ != nullptr, false)) bytes = PlantedCount(batch, bytes);
    batch->Consume(bytes);
  }

  // Takes the failure of a write. Whether the stream has to be aborted.
  bool OnFailure(const absl::Status& status);

  void SetFinished();
  bool finished() const { return finished_; }
  bool failed() const { return !failure_.ok(); }

 private:
  absl::Status ReasonOfRefusal() const;
  // The bytes to count instead, with a planted bug; may change the order of the rest.
  size_t PlantedCount(FrozenBatch* batch, size_t bytes) const;

  const TransportBugs* bugs_;
  absl::Status failure_;
  bool open_ = true;
  bool finished_ = false;
  bool sending_ = false;
};

}  // namespace faultline::message

#endif  // FAULTLINE_TRANSPORTS_MESSAGE_WRITE_STATE_H_
