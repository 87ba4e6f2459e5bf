#include "transports/message/write_state.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/check.h"

namespace faultline::message {
namespace {

// The bytes of the buffers that `bytes` covers wholly.
size_t WholeBuffers(const FrozenBatch& batch, size_t bytes) {
  size_t whole = 0;
  for (const iovec& buffer : batch.buffers()) {
    if (whole + buffer.iov_len > bytes) break;
    whole += buffer.iov_len;
  }
  return whole;
}

// What is left of `batch` behind its first `bytes` bytes, where the two whole messages that come
// first have changed places.
FrozenBatch WithSwappedRest(const FrozenBatch& batch, size_t bytes) {
  std::vector<Frozen> rest;
  size_t written = bytes - batch.bytes();  // and all that was added, below
  for (const Frozen& message : batch.messages()) written += message.size();
  for (const Frozen& message : batch.messages()) {
    const size_t taken = std::min(written, message.size());
    written -= taken;
    if (taken < message.size()) rest.push_back(message.Slice(taken, message.size() - taken));
  }
  if (rest.size() >= 3) std::swap(rest[1], rest[2]);
  FrozenBatch swapped;
  for (Frozen& message : rest) swapped.Add(std::move(message));
  return swapped;
}

}  // namespace

absl::Status WriteState::ReasonOfRefusal() const {
  if (finished_) return absl::FailedPreconditionError("writing was finished");
  return absl::FailedPreconditionError(
      absl::StrCat("an earlier batch failed: ", failure_.message()));
}

void WriteState::SetSending() {
  FAULTLINE_CHECK(!sending_) << "a writer sends one batch at a time";
  sending_ = true;
}

void WriteState::Abandon() {
  sending_ = false;
  OnFailure(absl::AbortedError("the send was abandoned"));
}

size_t WriteState::PlantedCount(FrozenBatch* batch, size_t bytes) const {
  if (bytes == batch->bytes()) return bytes;
  if (bugs_->partial_write_is_complete) return batch->bytes();
  if (bugs_->partial_write_starts_over) return WholeBuffers(*batch, bytes);
  if (!bugs_->partial_write_swaps_order) return bytes;
  *batch = WithSwappedRest(*batch, bytes);
  return 0;
}

bool WriteState::OnFailure(const absl::Status& status) {
  if (Planted(bugs_, &TransportBugs::failed_writer_goes_on)) return false;
  open_ = false;
  failure_ = status;
  return !Planted(bugs_, &TransportBugs::dead_writer_parks_reader);
}

void WriteState::SetFinished() {
  open_ = false;
  finished_ = true;
}

}  // namespace faultline::message
