// StreamState: one bidirectional QUIC stream, between the session that carries it and the handle
// that a user holds (stream.h).
//
// Invariants
//  1. What was accepted from a write and is not acknowledged lies in `sending_`, and stays there:
//     ngtcp2 keeps pointers to it. `sent_` counts the part of it that ngtcp2 has taken.
//  2. What was received and not read lies in `received_`; flow control bounds it.
//  3. Operations complete in `Deliver`, once a turn of the session, or at once when they start: so
//     one read takes everything that a burst of packets brought.
//  4. Bytes that were received before the session ended are still read; then its end is told.
//
// States of the sending half:  open --ShutdownWrite--> finishing --everything acknowledged--> done
//                              any --Reset, peer's STOP_SENDING, end of the session--> broken
#ifndef FAULTLINE_TRANSPORTS_QUIC_STREAM_STATE_H_
#define FAULTLINE_TRANSPORTS_QUIC_STREAM_STATE_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "runtime/stream.h"
#include "transports/quic/byte_queue.h"

namespace faultline::quic {

// What a stream asks of its session.
class StreamHost {
 public:
  virtual ~StreamHost() = default;
  // There is something to send, or to complete.
  virtual void Wake() = 0;
  // `bytes` were read: the peer may send as many more.
  virtual void OnRead(int64_t stream, size_t bytes) = 0;
};

class StreamState {
 public:
  // `host` outlives it. `capacity` bounds what lies here unacknowledged.
  StreamState(StreamHost* host, int64_t id, size_t capacity);
  StreamState(const StreamState&) = delete;
  StreamState& operator=(const StreamState&) = delete;

  int64_t id() const { return id_; }

  // --- For the handle. As `Stream` says. ---
  bool StartRead(ReadOp* op);
  bool StartWrite(WriteOp* op);
  void CancelRead(ReadOp* op);
  void CancelWrite(WriteOp* op);
  void AbandonRead() { reading_ = nullptr; }
  void AbandonWrite() { writing_ = nullptr; }
  absl::Status ShutdownWrite();
  // What is pending fails with ECANCELED, and all that follows with FailedPrecondition.
  void Shut();
  bool pending() const { return reading_ != nullptr || writing_ != nullptr; }
  bool ended() const { return ended_; }
  bool shut() const { return shut_; }
  bool finishing() const { return finishing_; }

  // --- For the session. ---
  void OnData(std::span<const std::byte> bytes, bool last);
  void OnAcknowledged(size_t bytes);
  // RESET_STREAM of the peer: `status` is what reads fail with.
  void OnReset(const absl::Status& status);
  // Both halves have ended and are acknowledged: ngtcp2 has forgotten the stream.
  void OnForgotten();
  void OnSessionEnd(const absl::Status& status);
  // Completes what can be.
  void Deliver();

  // Bytes, or an end, that ngtcp2 has not taken yet. A stream that we have opened announces itself
  // by a frame of no bytes.
  bool HasToSend() const;
  bool HasBytesToSend() const { return sent_ < sending_.size(); }
  void Announce() { announcing_ = true; }
  bool announcing() const { return announcing_; }
  struct Piece {
    std::span<iovec> bytes;
    bool last = false;
  };
  Piece NextPiece(std::span<iovec> room);
  void OnSent(size_t bytes, bool last);
  // Something is still to be sent, or a write waits for room: the peer may have stopped reading.
  bool WaitsForPeer() const;
  // The peer has asked us to stop: writes fail with EPIPE.
  void OnRefused();
  // Everything that was written, and the end, has reached the peer; or never will.
  bool Delivered() const;
  bool forgotten() const { return forgotten_; }
  // Nobody holds it any more: it goes once the engine has forgotten it too. A stream that was shut
  // is not there yet: its user may look at it still.
  void OnReleased() { released_ = true; }
  bool released() const { return released_; }

 private:
  bool TryRead(ReadOp* op);
  bool TryWrite(WriteOp* op);
  size_t Accept(std::span<const iovec> buffers);

  StreamHost* const host_;
  const int64_t id_;
  const size_t capacity_;

  ByteQueue sending_;
  size_t sent_ = 0;  // of `sending_`
  bool announcing_ = false;
  bool finishing_ = false;
  bool finish_sent_ = false;
  bool finish_sent_alone_ = false;          // in a frame without bytes
  bool finish_alone_acknowledged_ = false;  // that frame; bytes before it may not be
  bool finish_acknowledged_ = false;
  bool broken_ = false;
  WriteOp* writing_ = nullptr;

  ByteQueue received_;
  bool ended_ = false;  // the peer has sent its end; it lies behind `received_`
  ReadOp* reading_ = nullptr;

  bool shut_ = false;
  bool forgotten_ = false;
  bool released_ = false;
  absl::Status read_error_;
  absl::Status write_error_;
};

}  // namespace faultline::quic

#endif  // FAULTLINE_TRANSPORTS_QUIC_STREAM_STATE_H_
