// Goal: the sending half of a stream knows when everything has reached the peer, in whatever order
// that is told, and when it never will.
// Method: a stream without a session: what ngtcp2 would report is called by hand.

#include "transports/quic/stream_state.h"

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <vector>

#include "runtime/errors.h"
#include "runtime/testing/test_loop.h"

namespace faultline::quic {
namespace {

class Host final : public StreamHost {
 public:
  void Wake() override {}
  void OnRead(int64_t, size_t bytes) override { read += bytes; }
  size_t read = 0;
};

// A stream as its user sees it.
class Handle final : public faultline::Stream {
 public:
  explicit Handle(StreamState* state) : state_(state) {}
  absl::Status ShutdownWrite() override { return state_->ShutdownWrite(); }
  absl::Status Close() override { return absl::OkStatus(); }
  void Abort() override {}
  Endpoint local_address() const override { return {}; }
  Endpoint peer_address() const override { return {}; }
  absl::Status SetNoDelay(bool) override { return absl::OkStatus(); }
  absl::Status SetSendBufferSize(size_t) override { return absl::OkStatus(); }
  absl::Status SetReceiveBufferSize(size_t) override { return absl::OkStatus(); }
  absl::StatusOr<size_t> SendBufferSize() const override { return 0; }
  absl::StatusOr<size_t> ReceiveBufferSize() const override { return 0; }

 private:
  bool StartRead(ReadOp* op) override { return state_->StartRead(op); }
  bool StartWrite(WriteOp* op) override { return state_->StartWrite(op); }
  void CancelRead(ReadOp* op) override { state_->CancelRead(op); }
  void CancelWrite(WriteOp* op) override { state_->CancelWrite(op); }
  void AbandonRead(ReadOp*) override { state_->AbandonRead(); }
  void AbandonWrite(WriteOp*) override { state_->AbandonWrite(); }

  StreamState* const state_;
};

struct StreamStateTest : ::testing::Test {
  // Writes `size` bytes; all of them fit.
  void Write(size_t size) {
    std::vector<std::byte> bytes(size);
    struct Once {
      static Task<void> Run(faultline::Stream* stream, std::vector<std::byte>* bytes) {
        auto taken = co_await stream->Write(*bytes);
        EXPECT_TRUE(taken.ok() && *taken == bytes->size()) << taken.status();
      }
    };
    EXPECT_TRUE(loop.RunToEnd(Once::Run(&handle, &bytes)));
  }
  // ngtcp2 takes everything that there is, into one frame.
  size_t Send() {
    std::array<iovec, 4> room;
    StreamState::Piece piece = stream.NextPiece(room);
    size_t bytes = 0;
    for (const iovec& part : piece.bytes) bytes += part.iov_len;
    stream.OnSent(bytes, piece.last);
    return bytes;
  }

  testing::TestLoop loop;
  Host host;
  StreamState stream{&host, 0, 1000};
  Handle handle{&stream};
};

TEST_F(StreamStateTest, BytesAndEndInOneFrameAreToldByTheirBytes) {
  Write(100);
  EXPECT_TRUE(stream.ShutdownWrite().ok());
  EXPECT_EQ(Send(), 100u);
  EXPECT_FALSE(stream.Delivered());
  stream.OnAcknowledged(100);
  EXPECT_TRUE(stream.Delivered());
}

TEST_F(StreamStateTest, AnEndThatTravelsAloneIsAcknowledgedAlone) {
  Write(100);
  EXPECT_EQ(Send(), 100u);
  EXPECT_TRUE(stream.ShutdownWrite().ok());
  EXPECT_EQ(Send(), 0u);
  stream.OnAcknowledged(100);
  EXPECT_FALSE(stream.Delivered());
  stream.OnAcknowledged(0);
  EXPECT_TRUE(stream.Delivered());
}

// The packet with the bytes was lost: the end is acknowledged first.
TEST_F(StreamStateTest, AnEndMayBeAcknowledgedBeforeTheBytes) {
  Write(100);
  EXPECT_EQ(Send(), 100u);
  EXPECT_TRUE(stream.ShutdownWrite().ok());
  EXPECT_EQ(Send(), 0u);
  stream.OnAcknowledged(0);
  EXPECT_FALSE(stream.Delivered());
  stream.OnAcknowledged(100);
  EXPECT_TRUE(stream.Delivered());
}

// An end that was sent is no refusal, however it looks to ngtcp2.
TEST_F(StreamStateTest, WhoHasSentItsEndWaitsForNoRefusal) {
  Write(100);
  EXPECT_TRUE(stream.ShutdownWrite().ok());
  EXPECT_TRUE(stream.WaitsForPeer());
  EXPECT_EQ(Send(), 100u);
  EXPECT_FALSE(stream.WaitsForPeer());
  EXPECT_FALSE(stream.Delivered());
}

TEST_F(StreamStateTest, WhatThePeerRefusesWillNeverBeDelivered) {
  Write(100);
  EXPECT_TRUE(stream.WaitsForPeer());
  stream.OnRefused();
  EXPECT_FALSE(stream.WaitsForPeer());
  EXPECT_TRUE(stream.Delivered());
  EXPECT_FALSE(stream.HasToSend());
  EXPECT_EQ(ErrnoOf(stream.ShutdownWrite()), ENOTCONN);
}

}  // namespace
}  // namespace faultline::quic
