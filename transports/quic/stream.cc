#include "transports/quic/stream.h"

#include <cerrno>

#include "runtime/check.h"
#include "runtime/errors.h"

namespace faultline::quic {

// --- Stream ---

Stream::~Stream() {
  if (session_->lingering()) {
    state_->Shut();  // what was written is still delivered
  } else {
    Abort();
  }
  session_->Release(state_);
}

absl::Status Stream::ShutdownWrite() { return state_->ShutdownWrite(); }

absl::Status Stream::Close() {
  FAULTLINE_CHECK(!state_->pending()) << "close with an operation pending: stop and await it first";
  if (state_->shut()) return absl::OkStatus();
  if (!state_->finishing()) (void)state_->ShutdownWrite();
  if (!state_->ended()) session_->StopReading(state_->id());
  state_->Shut();
  return absl::OkStatus();
}

void Stream::Abort() {
  if (state_->shut()) return;
  if (!state_->Delivered() || !state_->ended()) session_->ResetStream(state_->id());
  state_->Shut();
}

absl::Status Stream::SetSendBufferSize(size_t) {
  return absl::UnimplementedError("quic: set TransportOptions::send_buffer_bytes");
}
absl::Status Stream::SetReceiveBufferSize(size_t) {
  return absl::UnimplementedError("quic: set TransportOptions::stream_window_bytes");
}
absl::StatusOr<size_t> Stream::SendBufferSize() const {
  return session_->options().send_buffer_bytes;
}
absl::StatusOr<size_t> Stream::ReceiveBufferSize() const {
  return static_cast<size_t>(session_->options().stream_window_bytes);
}

// --- SessionHandle ---

SessionHandle& SessionHandle::operator=(SessionHandle&& other) noexcept {
  std::swap(use_, other.use_);
  std::swap(session_, other.session_);
  return *this;
}

SessionHandle::~SessionHandle() {
  if (session_ != nullptr && !session_->lingering()) {
    session_->Abort(CloseCode::kAborted, "dropped");
  }
}

Task<absl::Status> SessionHandle::Settled() {
  absl::Status waited = co_await session_->Settled();
  if (!waited.ok()) co_return waited;
  co_return session_->end();
}

std::unique_ptr<Stream> SessionHandle::HandleOf(StreamState* state) {
  return std::make_unique<Stream>(use_.Again(), session_, state);
}

absl::StatusOr<std::unique_ptr<Stream>> SessionHandle::OpenStream() {
  absl::StatusOr<StreamState*> state = session_->OpenStream();
  if (!state.ok()) return state.status();
  return HandleOf(*state);
}

std::unique_ptr<Stream> SessionHandle::TryAcceptStream() {
  StreamState* state = session_->NextStream();
  return state == nullptr ? nullptr : HandleOf(state);
}

Task<absl::StatusOr<std::unique_ptr<Stream>>> SessionHandle::AcceptStream() {
  for (;;) {
    std::unique_ptr<Stream> stream = TryAcceptStream();
    if (stream != nullptr) co_return stream;
    if (!session_->end().ok()) co_return session_->end();
    absl::Status waited = co_await session_->StreamArrived();
    if (!waited.ok()) co_return waited;
  }
}

// --- SessionStream ---

absl::Status SessionStream::Close() {
  absl::Status status = stream_->Close();
  session_.Close();
  return status;
}

void SessionStream::Abort() {
  session_.Abort();
  stream_->Abort();
}

}  // namespace faultline::quic
