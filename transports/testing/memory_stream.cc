#include "transports/testing/memory_stream.h"

#include <algorithm>
#include <cstring>

#include "runtime/check.h"
#include "runtime/errors.h"

namespace faultline::testing {
namespace {

constexpr int kScribble = 0xDB;
constexpr size_t kFirstRing = 1024;

size_t SizeAt(const std::vector<size_t>& sizes, size_t index) {
  return sizes.empty() ? kNever : sizes[index % sizes.size()];
}

}  // namespace

// One direction: a ring of bytes between at most one pending write and one pending read.
class MemoryPipe {
 public:
  explicit MemoryPipe(MemoryPipeOptions options)
      : options_(std::move(options)), ring_(kFirstRing) {}

  bool Write(WriteOp* op) {
    if (broken_) return Fault(op, options_.write_fault);
    if (accepted_ >= options_.write_fault_after) return Fault(op, options_.write_fault);
    size_t limit = std::min({SizeAt(options_.write_sizes, write_index_), room(),
                             options_.write_fault_after - accepted_});
    if (limit == 0) {
      writer_ = op;
      return false;
    }
    ++write_index_;
    op->Succeed(Take(op->buffers(), limit));
    ServeReader();
    return true;
  }

  bool Read(ReadOp* op) {
    if (broken_ && !ended_) {
      ended_ = true;
      return Fault(op, ECONNRESET);
    }
    if (delivered_ == options_.read_fault_after) {
      options_.read_fault_after = kNever;
      options_.end_after = delivered_;
      return Fault(op, options_.read_fault);
    }
    if (ended_ && size_ == 0) return Finish(op, 0);
    if (delivered_ == options_.end_after) return Finish(op, 0);
    if (size_ == 0) {
      reader_ = op;
      return false;
    }
    return Finish(op, Give(op->buffers()));
  }

  void Inject(std::span<const std::byte> bytes) {
    CopyIn(bytes.data(), bytes.size());
    ServeReader();
  }

  void WakeReader() {
    Retry(&reader_, [this](ReadOp* op) { return Read(op); });
  }

  void CancelRead() {
    ReadOp* op = std::exchange(reader_, nullptr);
    // Too late to cancel what has been transferred.
    if (options_.hold_completions && size_ > 0) {
      (void)Read(op);
    } else {
      op->Fail(absl::CancelledError("stop requested"));
    }
  }
  void CancelWrite() {
    std::exchange(writer_, nullptr)->Fail(absl::CancelledError("stop requested"));
  }
  void AbandonRead() { reader_ = nullptr; }
  void AbandonWrite() { writer_ = nullptr; }

  // The writing end half-closes.
  void End() {
    ended_ = true;
    WakeReader();
  }
  // Either end resets.
  void Break() {
    broken_ = true;
    size_ = 0;
    WakeReader();
    ServeWriter();
  }
  void FailPendingRead(int error) {
    if (reader_ != nullptr) Fault(std::exchange(reader_, nullptr), error);
  }
  void FailPendingWrite(int error) {
    if (writer_ != nullptr) Fault(std::exchange(writer_, nullptr), error);
  }

  size_t unread() const { return size_; }
  bool read_pending() const { return reader_ != nullptr; }
  bool write_pending() const { return writer_ != nullptr; }

 private:
  template <typename Op>
  static bool Fault(Op* op, int error) {
    op->Fail(ErrnoStatus(error, "memory stream"));
    return true;
  }

  bool Finish(ReadOp* op, size_t bytes) {
    if (options_.scribble) Scribble(op->buffers(), bytes);
    op->Succeed(bytes);
    ServeWriter();
    return true;
  }

  template <typename Op, typename Start>
  static void Retry(Op** slot, Start start) {
    if (Op* op = std::exchange(*slot, nullptr)) (void)start(op);
  }
  void ServeReader() {
    if (!options_.hold_completions) WakeReader();
  }
  void ServeWriter() {
    Retry(&writer_, [this](WriteOp* op) { return Write(op); });
  }

  size_t room() const { return options_.capacity > size_ ? options_.capacity - size_ : 0; }

  size_t Take(std::span<const iovec> buffers, size_t limit) {
    size_t taken = 0;
    for (const iovec& buffer : buffers) {
      size_t part = std::min(buffer.iov_len, limit - taken);
      CopyIn(static_cast<const std::byte*>(buffer.iov_base), part);
      taken += part;
    }
    accepted_ += taken;
    return taken;
  }

  size_t Give(std::span<const iovec> buffers) {
    size_t limit =
        std::min({SizeAt(options_.read_sizes, read_index_++), size_,
                  options_.end_after - delivered_, options_.read_fault_after - delivered_});
    size_t given = 0;
    for (const iovec& buffer : buffers) {
      size_t part = std::min(buffer.iov_len, limit - given);
      CopyOut(static_cast<std::byte*>(buffer.iov_base), part);
      given += part;
    }
    delivered_ += given;
    return given;
  }

  static void Scribble(std::span<const iovec> buffers, size_t keep) {
    for (const iovec& buffer : buffers) {
      size_t kept = std::min(keep, buffer.iov_len);
      keep -= kept;
      std::memset(static_cast<std::byte*>(buffer.iov_base) + kept, kScribble,
                  buffer.iov_len - kept);
    }
  }

  void CopyIn(const std::byte* from, size_t size) {
    Grow(size);
    size_t tail = (head_ + size_) % ring_.size();
    size_t first = std::min(size, ring_.size() - tail);
    std::memcpy(ring_.data() + tail, from, first);
    std::memcpy(ring_.data(), from + first, size - first);
    size_ += size;
  }

  void CopyOut(std::byte* to, size_t size) {
    size_t first = std::min(size, ring_.size() - head_);
    std::memcpy(to, ring_.data() + head_, first);
    std::memcpy(to + first, ring_.data(), size - first);
    head_ = (head_ + size) % ring_.size();
    size_ -= size;
  }

  void Grow(size_t more) {
    if (size_ + more <= ring_.size()) return;
    std::rotate(ring_.begin(), ring_.begin() + static_cast<ptrdiff_t>(head_), ring_.end());
    head_ = 0;
    ring_.resize(std::max(size_ + more, 2 * ring_.size()));
  }

  MemoryPipeOptions options_;
  std::vector<std::byte> ring_;
  size_t head_ = 0;
  size_t size_ = 0;
  size_t accepted_ = 0;
  size_t delivered_ = 0;
  size_t read_index_ = 0;
  size_t write_index_ = 0;
  bool ended_ = false;
  bool broken_ = false;
  ReadOp* reader_ = nullptr;
  WriteOp* writer_ = nullptr;
};

MemoryStream::MemoryStream(std::shared_ptr<MemoryPipe> in, std::shared_ptr<MemoryPipe> out)
    : in_(std::move(in)), out_(std::move(out)) {}

MemoryStream::~MemoryStream() {
  if (!closed_) Abort();
}

absl::Status MemoryStream::ShutdownWrite() {
  FAULTLINE_CHECK(!out_->write_pending()) << "a write is pending";
  if (closed_) return ErrnoStatus(ENOTCONN, "memory stream");
  out_->End();
  return absl::OkStatus();
}

absl::Status MemoryStream::Close() {
  if (closed_) return absl::OkStatus();
  FAULTLINE_CHECK(!in_->read_pending() && !out_->write_pending()) << "an operation is pending";
  closed_ = true;
  if (in_->unread() > 0) {
    out_->Break();
  } else {
    out_->End();
  }
  in_->Break();
  return absl::OkStatus();
}

void MemoryStream::Abort() {
  if (closed_) return;
  closed_ = aborted_ = true;
  in_->FailPendingRead(ECANCELED);
  out_->FailPendingWrite(ECANCELED);
  in_->Break();
  out_->Break();
}

void MemoryStream::Inject(std::span<const std::byte> bytes) { out_->Inject(bytes); }
void MemoryStream::WakeReader() { in_->WakeReader(); }
bool MemoryStream::read_pending() const { return in_->read_pending(); }
bool MemoryStream::write_pending() const { return out_->write_pending(); }

bool MemoryStream::StartRead(ReadOp* op) {
  FAULTLINE_CHECK(!in_->read_pending()) << "a stream takes one read at a time";
  FAULTLINE_CHECK(op->capacity() > 0) << "a read of nothing";
  ++reads_;
  if (!closed_) return in_->Read(op);
  op->Fail(absl::FailedPreconditionError("the stream is closed"));
  return true;
}

bool MemoryStream::StartWrite(WriteOp* op) {
  FAULTLINE_CHECK(!out_->write_pending()) << "a stream takes one write at a time";
  FAULTLINE_CHECK(op->capacity() > 0) << "a write of nothing";
  ++writes_;
  widest_write_ = std::max(widest_write_, op->buffers().size());
  if (!closed_) return out_->Write(op);
  op->Fail(absl::FailedPreconditionError("the stream is closed"));
  return true;
}

void MemoryStream::CancelRead(ReadOp*) { in_->CancelRead(); }
void MemoryStream::CancelWrite(WriteOp*) { out_->CancelWrite(); }
void MemoryStream::AbandonRead(ReadOp*) { in_->AbandonRead(); }
void MemoryStream::AbandonWrite(WriteOp*) { out_->AbandonWrite(); }

std::pair<std::unique_ptr<MemoryStream>, std::unique_ptr<MemoryStream>> MakeMemoryStreams(
    MemoryPipeOptions forth, MemoryPipeOptions back) {
  auto first_to_second = std::make_shared<MemoryPipe>(std::move(forth));
  auto second_to_first = std::make_shared<MemoryPipe>(std::move(back));
  return {std::make_unique<MemoryStream>(second_to_first, first_to_second),
          std::make_unique<MemoryStream>(first_to_second, second_to_first)};
}

}  // namespace faultline::testing
