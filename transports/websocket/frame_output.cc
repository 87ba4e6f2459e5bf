#include "transports/websocket/frame_output.h"

#include <algorithm>
#include <utility>

#include "runtime/check.h"

namespace faultline::websocket {
namespace {

iovec BufferOf(std::span<const std::byte> bytes) {
  return {const_cast<std::byte*>(bytes.data()), bytes.size()};
}

}  // namespace

void FrameOutput::Begin(const FrozenBatch* batch, std::span<const std::byte> control) {
  buffers_.clear();
  first_ = 0;
  if (!control.empty()) buffers_.push_back(BufferOf(control));
  if (entropy_ == nullptr) return AddFrames(batch->messages());
  messages_ = batch->messages();
  next_ = offset_ = 0;
  header_written_ = false;
  if (messages_.empty()) return;
  DrawMasks(messages_.size());
  masked_ = pool_->Allocate(std::min(kMaskedBytes, MaskedSize(messages_)));
  MaskMore();
}

void FrameOutput::AddFrames(std::span<const Frozen> messages) {
  headers_.resize(messages.size() * kMaxFrameHeader);
  std::byte* header = headers_.data();
  for (const Frozen& message : messages) {
    const size_t size = WriteFrameHeader(message.size(), nullptr, header);
    buffers_.push_back(BufferOf({header, size}));
    if (!message.empty()) buffers_.push_back(BufferOf(message.bytes()));
    header += size;
  }
}

// A new one for each frame, that nobody can foresee (RFC 6455, section 5.3).
void FrameOutput::DrawMasks(size_t count) {
  masks_.resize(count);
  entropy_->Fill(std::as_writable_bytes(std::span(masks_)));
}

size_t FrameOutput::MaskedSize(std::span<const Frozen> messages) const {
  size_t size = 0;
  for (const Frozen& message : messages) size += kMaxFrameHeader + message.size();
  return size;
}

// As many frames as there is room for; the last one may go on in the next write.
void FrameOutput::MaskMore() {
  std::byte* out = masked_.data();
  std::byte* const end = out + masked_.size();
  while (next_ < messages_.size() && (header_written_ || end - out >= ptrdiff_t{kMaxFrameHeader})) {
    if (out == end) break;
    MaskMessage(&out, end);
  }
  buffers_.push_back(BufferOf({masked_.data(), out}));
}

void FrameOutput::MaskMessage(std::byte** out, std::byte* end) {
  std::span<const std::byte> message = messages_[next_].bytes();
  const Mask& mask = masks_[next_];
  if (!header_written_) *out += WriteFrameHeader(message.size(), &mask, *out);
  header_written_ = true;
  const size_t size = std::min<size_t>(message.size() - offset_, end - *out);
  ApplyMask(mask, offset_, message.subspan(offset_, size), *out);
  *out += size;
  offset_ += size;
  if (offset_ < message.size()) return;
  ++next_;
  offset_ = 0;
  header_written_ = false;
}

void FrameOutput::OnWritten(size_t bytes) {
  while (bytes > 0) {
    FAULTLINE_CHECK(!done()) << "more was written than there is";
    iovec& buffer = buffers_[first_];
    const size_t size = std::min(bytes, buffer.iov_len);
    buffer.iov_base = static_cast<std::byte*>(buffer.iov_base) + size;
    buffer.iov_len -= size;
    bytes -= size;
    if (buffer.iov_len == 0) ++first_;
  }
  if (!done() || next_ == messages_.size()) return;
  buffers_.clear();
  first_ = 0;
  MaskMore();
}

size_t FrameOutput::offered() const {
  size_t bytes = 0;
  for (const iovec& buffer : buffers()) bytes += buffer.iov_len;
  return bytes;
}

size_t FrameOutput::WholeBuffers(size_t bytes) const {
  size_t whole = 0;
  for (const iovec& buffer : buffers()) {
    if (whole + buffer.iov_len > bytes) break;
    whole += buffer.iov_len;
  }
  return whole;
}

void FrameOutput::DropRest() {
  first_ = buffers_.size();
  next_ = messages_.size();
}

void FrameOutput::End() {
  messages_ = {};
  next_ = 0;
  masked_ = Unfrozen();
}

}  // namespace faultline::websocket
