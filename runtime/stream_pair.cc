#include "runtime/stream_pair.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/check.h"
#include "runtime/errors.h"

namespace faultline {
namespace {

absl::Status Error(int error, std::string_view what) {
  return ErrnoStatus(error, absl::StrCat(std::string(what), " a stream in memory"));
}

// Bytes, first in first out, at most `capacity` of them: a ring that is allocated with the first.
class ByteRing {
 public:
  explicit ByteRing(size_t capacity) : capacity_(capacity) {}

  bool empty() const { return size_ == 0; }
  size_t room() const { return capacity_ > size_ ? capacity_ - size_ : 0; }
  size_t capacity() const { return capacity_; }

  void SetCapacity(size_t bytes) {
    std::vector<std::byte> moved(std::max(bytes, size_));
    const size_t size = size_;
    Take(moved);
    ring_ = std::move(moved);
    begin_ = 0;
    size_ = size;
    capacity_ = bytes;
  }

  // As much as there is room for. Returns how much.
  size_t Put(std::span<const std::byte> bytes) {
    bytes = bytes.first(std::min(bytes.size(), room()));
    if (ring_.empty()) ring_.resize(capacity_);
    for (std::span<const std::byte> rest = bytes; !rest.empty();) {
      const size_t at = (begin_ + size_) % ring_.size();
      const size_t part = std::min(rest.size(), ring_.size() - at);
      std::memcpy(ring_.data() + at, rest.data(), part);
      size_ += part;
      rest = rest.subspan(part);
    }
    return bytes.size();
  }

  // As much as there is. Returns how much.
  size_t Take(std::span<std::byte> to) {
    to = to.first(std::min(to.size(), size_));
    for (std::span<std::byte> rest = to; !rest.empty();) {
      const size_t part = std::min(rest.size(), ring_.size() - begin_);
      std::memcpy(rest.data(), ring_.data() + begin_, part);
      begin_ = (begin_ + part) % ring_.size();
      size_ -= part;
      rest = rest.subspan(part);
    }
    return to.size();
  }

  void Clear() { size_ = 0; }

 private:
  size_t capacity_;
  std::vector<std::byte> ring_;
  size_t begin_ = 0;
  size_t size_ = 0;
};

std::span<std::byte> BytesOf(const iovec& buffer) {
  return {static_cast<std::byte*>(buffer.iov_base), buffer.iov_len};
}

// One direction.
class Pipe {
 public:
  explicit Pipe(size_t capacity) : bytes_(capacity) {}

  // True if the operation has completed.
  bool TryRead(ReadOp* op);
  bool TryWrite(WriteOp* op);
  void WaitForBytes(ReadOp* op) { reading_ = op; }
  void WaitForRoom(WriteOp* op) { writing_ = op; }
  void ForgetReader() { reading_ = nullptr; }
  void ForgetWriter() { writing_ = nullptr; }
  bool read_pending() const { return reading_ != nullptr; }
  bool write_pending() const { return writing_ != nullptr; }

  // The writer writes no more: the reader finds the end behind what is there.
  void End();
  // The writer is gone without an end: what is there is dropped, the reader is told each time.
  void Reset();
  // The reader reads no more. True if something was left unread.
  bool Leave();
  // What waits on this side fails, since its own stream goes away.
  void FailReader(int error);
  void FailWriter(int error);

  bool ended() const { return ended_; }
  bool reset() const { return reset_; }
  size_t capacity() const { return bytes_.capacity(); }
  void SetCapacity(size_t bytes);

 private:
  void WakeReader() {
    if (reading_ != nullptr && TryRead(reading_)) reading_ = nullptr;
  }
  void WakeWriter() {
    if (writing_ != nullptr && TryWrite(writing_)) writing_ = nullptr;
  }

  ByteRing bytes_;
  ReadOp* reading_ = nullptr;
  WriteOp* writing_ = nullptr;
  bool ended_ = false;  // by ShutdownWrite or Close
  bool reset_ = false;
  bool left_ = false;  // nobody reads any more
};

bool Pipe::TryRead(ReadOp* op) {
  if (reset_) {
    op->Fail(Error(ECONNRESET, "read"));
    return true;
  }
  if (bytes_.empty() && !ended_) return false;
  size_t taken = 0;
  for (const iovec& buffer : op->buffers()) taken += bytes_.Take(BytesOf(buffer));
  op->Succeed(taken);
  WakeWriter();
  return true;
}

bool Pipe::TryWrite(WriteOp* op) {
  if (ended_ || left_ || reset_) {
    op->Fail(Error(EPIPE, "write"));
    return true;
  }
  if (bytes_.room() == 0) return false;
  size_t put = 0;
  for (const iovec& buffer : op->buffers()) put += bytes_.Put(BytesOf(buffer));
  op->Succeed(put);
  WakeReader();
  return true;
}

void Pipe::End() {
  ended_ = true;
  WakeReader();
}

void Pipe::Reset() {
  reset_ = true;
  bytes_.Clear();
  WakeReader();
}

bool Pipe::Leave() {
  left_ = true;
  const bool unread = !bytes_.empty();
  bytes_.Clear();
  WakeWriter();
  return unread;
}

void Pipe::FailReader(int error) {
  if (reading_ != nullptr) std::exchange(reading_, nullptr)->Fail(Error(error, "read"));
}

void Pipe::FailWriter(int error) {
  if (writing_ != nullptr) std::exchange(writing_, nullptr)->Fail(Error(error, "write"));
}

void Pipe::SetCapacity(size_t bytes) {
  bytes_.SetCapacity(std::max<size_t>(bytes, 1));
  WakeWriter();
}

class PairedStream final : public Stream {
 public:
  PairedStream(std::shared_ptr<Pipe> in, std::shared_ptr<Pipe> out)
      : in_(std::move(in)), out_(std::move(out)) {}
  ~PairedStream() override { Abort(); }

  absl::Status ShutdownWrite() override;
  absl::Status Close() override;
  void Abort() override;
  Endpoint local_address() const override { return Endpoint(); }
  Endpoint peer_address() const override { return Endpoint(); }
  absl::Status SetNoDelay(bool) override { return CheckOpen(); }
  absl::Status SetSendBufferSize(size_t bytes) override { return Resize(out_.get(), bytes); }
  absl::Status SetReceiveBufferSize(size_t bytes) override { return Resize(in_.get(), bytes); }
  absl::StatusOr<size_t> SendBufferSize() const override { return SizeOf(*out_); }
  absl::StatusOr<size_t> ReceiveBufferSize() const override { return SizeOf(*in_); }

 private:
  bool StartRead(ReadOp* op) override;
  bool StartWrite(WriteOp* op) override;
  void CancelRead(ReadOp* op) override;
  void CancelWrite(WriteOp* op) override;
  void AbandonRead(ReadOp*) override { in_->ForgetReader(); }
  void AbandonWrite(WriteOp*) override { out_->ForgetWriter(); }

  absl::Status CheckOpen() const { return open_ ? absl::OkStatus() : Error(EBADF, "setsockopt"); }
  absl::Status Resize(Pipe* pipe, size_t bytes);
  absl::StatusOr<size_t> SizeOf(const Pipe& pipe) const;

  const std::shared_ptr<Pipe> in_;   // shared with the peer
  const std::shared_ptr<Pipe> out_;  // shared with the peer
  bool open_ = true;
};

bool PairedStream::StartRead(ReadOp* op) {
  FAULTLINE_CHECK(!open_ || !in_->read_pending()) << "one read at a time";
  if (!open_) {
    op->Fail(absl::FailedPreconditionError("read: the stream is closed"));
    return true;
  }
  if (in_->TryRead(op)) return true;
  in_->WaitForBytes(op);
  return false;
}

bool PairedStream::StartWrite(WriteOp* op) {
  FAULTLINE_CHECK(!open_ || !out_->write_pending()) << "one write at a time";
  if (!open_) {
    op->Fail(absl::FailedPreconditionError("write: the stream is closed"));
    return true;
  }
  if (out_->TryWrite(op)) return true;
  out_->WaitForRoom(op);
  return false;
}

void PairedStream::CancelRead(ReadOp* op) {
  in_->ForgetReader();
  op->Fail(absl::CancelledError("stop requested"));
}

void PairedStream::CancelWrite(WriteOp* op) {
  out_->ForgetWriter();
  op->Fail(absl::CancelledError("stop requested"));
}

absl::Status PairedStream::ShutdownWrite() {
  FAULTLINE_CHECK(!open_ || !out_->write_pending())
      << "half-close with a write pending: stop and await it first";
  const bool over = out_->ended() && in_->ended();
  if (!open_ || in_->reset() || over) return Error(ENOTCONN, "shutdown");
  out_->End();
  return absl::OkStatus();
}

absl::Status PairedStream::Close() {
  if (!open_) return absl::OkStatus();
  FAULTLINE_CHECK(!in_->read_pending() && !out_->write_pending())
      << "close with an operation pending: stop and await it first";
  open_ = false;
  if (in_->Leave()) {
    out_->Reset();
  } else {
    out_->End();
  }
  return absl::OkStatus();
}

void PairedStream::Abort() {
  if (!open_) return;
  open_ = false;
  in_->FailReader(ECANCELED);
  out_->FailWriter(ECANCELED);
  (void)in_->Leave();
  out_->Reset();
}

absl::Status PairedStream::Resize(Pipe* pipe, size_t bytes) {
  if (open_) pipe->SetCapacity(bytes);
  return CheckOpen();
}

absl::StatusOr<size_t> PairedStream::SizeOf(const Pipe& pipe) const {
  if (!open_) return CheckOpen();
  return pipe.capacity();
}

}  // namespace

StreamPair MakeStreamPair(const StreamPairOptions& options) {
  FAULTLINE_CHECK(options.capacity_bytes > 0) << "a stream in memory holds at least one byte";
  auto forth = std::make_shared<Pipe>(options.capacity_bytes);
  auto back = std::make_shared<Pipe>(options.capacity_bytes);
  return {std::make_unique<PairedStream>(back, forth), std::make_unique<PairedStream>(forth, back)};
}

}  // namespace faultline
