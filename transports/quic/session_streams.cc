// The streams of a session, and its packets.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "runtime/errors.h"
#include "transports/quic/address.h"
#include "transports/quic/session.h"

namespace faultline::quic {
namespace {

constexpr size_t kPieces = 4;  // blocks of a stream that one packet may take from
constexpr ngtcp2_vec kTooLong{nullptr, SIZE_MAX};  // more bytes than any stream can have

}  // namespace

// --- Streams ---

absl::StatusOr<StreamState*> Session::OpenStream() {
  if (connection_ == nullptr) return end_;
  if (lingering_) return absl::FailedPreconditionError("quic: the session is being closed");
  engine::Entered entered(context_.environment);
  int64_t id = -1;
  int error = ngtcp2_conn_open_bidi_stream(connection_.get(), &id, nullptr);
  if (error == NGTCP2_ERR_STREAM_ID_BLOCKED) {
    return absl::ResourceExhaustedError("quic: the peer's max_peer_streams are open");
  }
  if (error != 0) return EngineStatus(error, "open a stream");
  StreamState* stream = AddStream(id);
  stream->Announce();
  Wake();
  return stream;
}

StreamState* Session::AddStream(int64_t id) {
  auto made = std::make_unique<StreamState>(static_cast<StreamHost*>(this), id,
                                            context_.options->transport.send_buffer_bytes);
  StreamState* stream = made.get();
  streams_.emplace(id, std::move(made));
  return stream;
}

StreamState* Session::FindStream(int64_t id) {
  auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : found->second.get();
}

// Nobody waits for streams of a session that is being closed; they end with it.
void Session::OnPeerStream(int64_t id) {
  if (!lingering_) arrived_.push_back(AddStream(id));
}

StreamState* Session::NextStream() {
  if (arrived_.empty()) return nullptr;
  StreamState* stream = arrived_.front();
  arrived_.pop_front();
  if (arrived_.empty() && connection_ != nullptr) stream_arrived_.Reset();
  return stream;
}

void Session::OnStreamForgotten(int64_t id) {
  StreamState* stream = FindStream(id);
  if (stream == nullptr) return;
  stream->OnForgotten();
  if (stream->released()) EraseStream(id);
}

// Not before we have forgotten it too may the peer open another: what lies here of its streams is
// bounded, whether or not somebody accepts them.
void Session::EraseStream(int64_t id) {
  streams_.erase(id);
  if (connection_ == nullptr || ngtcp2_conn_is_local_stream(connection_.get(), id) != 0) return;
  ngtcp2_conn_extend_max_streams_bidi(connection_.get(), 1);
  Wake();
}

// ngtcp2 tells nobody that the peer has stopped reading (STOP_SENDING, RFC 9000, section 19.5):
// who has nothing to send, or no credit, has to ask. More bytes than a stream can have are refused
// in any case; whether the stream was shut is what it looks at before. (We shut it too, by an end.)
void Session::CheckStopped(StreamState* stream) {
  if (!stream->WaitsForPeer()) return;
  engine::Entered entered(context_.environment);
  ngtcp2_ssize error = ngtcp2_conn_writev_stream(connection_.get(), nullptr, nullptr, nullptr, 0,
                                                 nullptr, NGTCP2_WRITE_STREAM_FLAG_NONE,
                                                 stream->id(), &kTooLong, 1, engine_time_);
  if (error == NGTCP2_ERR_STREAM_SHUT_WR) stream->OnRefused();
}

void Session::Release(StreamState* stream) {
  stream->Shut();
  stream->OnReleased();
  if (stream->forgotten()) EraseStream(stream->id());
}

void Session::OnRead(int64_t stream, size_t bytes) {
  if (connection_ == nullptr || bytes == 0) return;
  (void)ngtcp2_conn_extend_max_stream_offset(connection_.get(), stream, bytes);
  ngtcp2_conn_extend_max_offset(connection_.get(), bytes);
  Wake();
}

void Session::ResetStream(int64_t stream) {
  if (connection_ == nullptr) return;
  engine::Entered entered(context_.environment);
  (void)ngtcp2_conn_shutdown_stream(connection_.get(), stream,
                                    static_cast<uint64_t>(CloseCode::kAborted));
  Wake();
}

void Session::StopReading(int64_t stream) {
  if (connection_ == nullptr) return;
  engine::Entered entered(context_.environment);
  (void)ngtcp2_conn_shutdown_stream_read(connection_.get(), stream,
                                         static_cast<uint64_t>(CloseCode::kAborted));
  Wake();
}

// --- Packets ---

size_t Session::burst_bytes() const {
  if (connection_ == nullptr) return kPacketMax;
  return std::max(ngtcp2_conn_get_send_quantum(connection_.get()), kPacketMax);
}

size_t Session::WritePacket(std::span<std::byte> room, PacketHeader* header) {
  if (connection_ == nullptr) return TakeClosePacket(room, header);
  engine::Entered entered(context_.environment);
  Draft draft;
  ngtcp2_path_storage_zero(&draft.path);
  for (bool blocked = false;;) {
    StreamState* stream = blocked ? nullptr : PickStream();
    ngtcp2_ssize size = WriteOnce(stream, room, &draft);
    if (size == 0) return 0;
    if (size > 0) {
      *header = {ToEndpoint(draft.path.path.remote), static_cast<Ecn>(draft.info.ecn)};
      return static_cast<size_t>(size);
    }
    switch (size) {
      case NGTCP2_ERR_WRITE_MORE:
        continue;
      case NGTCP2_ERR_STREAM_DATA_BLOCKED:
        blocked = true;
        continue;
      case NGTCP2_ERR_STREAM_SHUT_WR:
      case NGTCP2_ERR_STREAM_NOT_FOUND:
        stream->OnRefused();
        continue;
      default:
        CloseWithEngineError(static_cast<int>(size), "writing a packet");
        return TakeClosePacket(room, header);
    }
  }
}

// One call of ngtcp2: the whole packet, or (WRITE_MORE) a frame of it.
ngtcp2_ssize Session::WriteOnce(StreamState* stream, std::span<std::byte> room, Draft* draft) {
  std::array<iovec, kPieces> pieces{};
  StreamState::Piece piece;
  if (stream != nullptr && HasCreditFor(*stream)) piece = stream->NextPiece(pieces);
  std::array<ngtcp2_vec, kPieces> bytes{};
  for (size_t i = 0; i < piece.bytes.size(); ++i) {
    bytes[i] = {static_cast<uint8_t*>(piece.bytes[i].iov_base), piece.bytes[i].iov_len};
  }
  uint32_t flags = NGTCP2_WRITE_STREAM_FLAG_NONE;
  if (streams_.size() > 1 && stream != nullptr) flags |= NGTCP2_WRITE_STREAM_FLAG_MORE;
  if (piece.last) flags |= NGTCP2_WRITE_STREAM_FLAG_FIN;
  ngtcp2_ssize taken = -1;
  ngtcp2_ssize size = ngtcp2_conn_writev_stream(
      connection_.get(), &draft->path.path, &draft->info, reinterpret_cast<uint8_t*>(room.data()),
      kPacketMax, &taken, flags, stream == nullptr ? -1 : stream->id(), bytes.data(),
      piece.bytes.size(), engine_time_);
  if (stream != nullptr && taken >= 0) {
    stream->OnSent(static_cast<size_t>(taken), piece.last);
    last_sent_ = stream->id();
  }
  return size;
}

// Whether the peer takes what comes next of the stream. An announcement, or an end, needs none.
bool Session::HasCreditFor(const StreamState& stream) const {
  if (!stream.HasBytesToSend()) return true;
  return ngtcp2_conn_get_max_data_left(connection_.get()) > 0 &&
         ngtcp2_conn_get_max_stream_data_left(connection_.get(), stream.id()) > 0;
}

// In turn, among those with something to send and credit for it; null if there is none.
StreamState* Session::PickStream() {
  if (!handshake_done_) return nullptr;
  auto may_send = [this](const StreamState& stream) {
    return stream.HasToSend() && (stream.announcing() || HasCreditFor(stream));
  };
  for (auto at = streams_.upper_bound(last_sent_); at != streams_.end(); ++at) {
    if (may_send(*at->second)) return at->second.get();
  }
  for (auto& [id, stream] : streams_) {
    if (id > last_sent_) break;
    if (may_send(*stream)) return stream.get();
  }
  return nullptr;
}

size_t Session::TakeClosePacket(std::span<std::byte> room, PacketHeader* header) {
  if (!close_due_) return 0;
  close_due_ = false;
  std::memcpy(room.data(), close_packet_.data(), close_packet_.size());
  *header = {peer_, Ecn::kNotEct};
  return close_packet_.size();
}

}  // namespace faultline::quic
