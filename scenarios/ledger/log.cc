#include "scenarios/ledger/log.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "runtime/check.h"

namespace faultline::ledger {
namespace {

const std::byte* Copy(std::span<const std::byte> from, std::byte* to) {
  if (!from.empty()) std::memcpy(to, from.data(), from.size());
  return to;
}

}  // namespace

Entry Log::at(uint64_t op) const {
  const Record& found = record(op);
  return {op, found.id, found.payload_digest, found.chain, {found.payload, found.payload_size}};
}

Digest Log::chain(uint64_t op) const { return op == 0 ? Digest() : record(op).chain; }

absl::StatusOr<uint64_t> Log::Append(const EntryId& id, std::span<const std::byte> payload) {
  if (absl::Status room = CheckLimits(payload.size()); !room.ok()) return room;
  Digest digest = DigestOfBytes(payload);
  Digest next = DigestOfChain(chain(), size_ + 1, id, digest);
  Add({id, digest, next, Store(payload), payload.size()});
  return size_;
}

absl::Status Log::AppendAfter(const Digest& parent, const EntryId& id,
                              std::span<const std::byte> payload) {
  if (parent != chain()) {
    return absl::DataLossError(absl::StrCat("the logs part before op ", size_ + 1, ", ",
                                            ToString(id), ": here the chain is ", ToString(chain()),
                                            ", there ", ToString(parent)));
  }
  return Append(id, payload).status();
}

const Log::Record& Log::record(uint64_t op) const {
  FAULTLINE_CHECK(op >= 1 && op <= size_) << "op " << op << " of a log of " << size_;
  return records_[(op - 1) / kRecordsPerChunk][(op - 1) % kRecordsPerChunk];
}

absl::Status Log::CheckLimits(size_t payload_size) const {
  if (size_ >= limits_.max_entries) {
    return absl::ResourceExhaustedError(absl::StrCat("the log holds ", size_, " entries"));
  }
  if (payload_size > limits_.max_payload_bytes - payload_bytes_) {
    return absl::ResourceExhaustedError(absl::StrCat("the log holds ", payload_bytes_, " bytes"));
  }
  return absl::OkStatus();
}

const std::byte* Log::Store(std::span<const std::byte> payload) {
  payload_bytes_ += payload.size();
  const bool alone = payload.size() > kSegmentBytes / 4;
  if (alone || payload.size() > free_bytes_) {
    const size_t bytes = alone ? payload.size() : kSegmentBytes;
    segments_.push_back(std::make_unique_for_overwrite<std::byte[]>(bytes));
    if (alone) return Copy(payload, segments_.back().get());
    free_ = segments_.back().get();
    free_bytes_ = bytes;
  }
  const std::byte* stored = Copy(payload, free_);
  free_ += payload.size();
  free_bytes_ -= payload.size();
  return stored;
}

void Log::Add(const Record& record) {
  if (size_ % kRecordsPerChunk == 0)
    records_.push_back(std::make_unique<Record[]>(kRecordsPerChunk));
  records_.back()[size_ % kRecordsPerChunk] = record;
  ++size_;
}

}  // namespace faultline::ledger
