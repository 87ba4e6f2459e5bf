// Goal: the contract of transfer.h as far as the seam itself keeps it: results, stops, bytes that
// were transferred in spite of a stop, frames and sockets that die in either order, misuse. Method:
// a stream and a socket whose operations end as the test says. What backends add is shown by the
// conformance suite that runs over each of them.
#include "runtime/transfer.h"

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/combine.h"
#include "runtime/datagram.h"
#include "runtime/errors.h"
#include "runtime/scope.h"
#include "runtime/stream.h"
#include "runtime/task.h"
#include "runtime/testing/fake_stream.h"
#include "runtime/testing/test_loop.h"

namespace faultline {
namespace {

using testing::FakeStream;
using testing::TestLoop;
using Result = std::optional<absl::StatusOr<size_t>>;

Task<void> ReadInto(Stream* stream, Result* result) {
  std::array<std::byte, 100> buffer;
  *result = co_await stream->Read(buffer);
}

Task<void> WriteInto(Stream* stream, Result* result) {
  std::array<std::byte, 50> bytes{};
  *result = co_await stream->Write(bytes);
}

class TransferTest : public ::testing::Test {
 protected:
  TestLoop loop_;
  FakeStream stream_;
  Scope root_{loop_.executor()};
  Result read_;
  Result written_;
};

TEST_F(TransferTest, HandsTheBufferToTheBackendUntilCompletion) {
  root_.Spawn(ReadInto(&stream_, &read_));
  loop_.Run();
  ASSERT_NE(stream_.read(), nullptr);
  EXPECT_TRUE(stream_.read()->pending());
  EXPECT_EQ(stream_.read()->capacity(), 100u);
  EXPECT_EQ(stream_.read()->buffers().size(), 1u);
  EXPECT_EQ(stream_.read()->task()->executor, loop_.executor());
  stream_.SucceedRead(7);
  EXPECT_FALSE(read_.has_value());  // never resumed from inside the backend
  loop_.Run();
  EXPECT_EQ(**read_, 7u);
}

TEST_F(TransferTest, OneReadAndOneWriteAtATime) {
  root_.Spawn(ReadInto(&stream_, &read_));
  root_.Spawn(WriteInto(&stream_, &written_));
  loop_.Run();
  stream_.SucceedWrite(50);
  stream_.FailRead(ErrnoStatus(ECONNRESET, "read"));
  loop_.Run();
  EXPECT_EQ(**written_, 50u);
  EXPECT_EQ(ErrnoOf(read_->status()), ECONNRESET);
}

TEST_F(TransferTest, MayCompleteAtOnce) {
  stream_.bytes_at_once = 3;
  root_.Spawn(ReadInto(&stream_, &read_));
  EXPECT_TRUE(loop_.ResumeOne());
  EXPECT_EQ(**read_, 3u);
  EXPECT_FALSE(loop_.ResumeOne());
}

TEST_F(TransferTest, ABusyStreamSharesTheLoop) {
  stream_.bytes_at_once = 1;
  size_t total = 0;
  size_t seen = 0;
  root_.Spawn([](Stream* stream, size_t* total) -> Task<void> {
    std::array<std::byte, 10> buffer;
    while (*total < 10000) *total += *co_await stream->Read(buffer);
  }(&stream_, &total));
  root_.Spawn([](size_t* total, size_t* seen) -> Task<void> {
    *seen = *total;
    co_return;
  }(&total, &seen));
  loop_.Run();
  EXPECT_GT(seen, 0u);
  EXPECT_LT(seen, 200u);
}

TEST_F(TransferTest, AStopCancels) {
  root_.Spawn(ReadInto(&stream_, &read_));
  loop_.Run();
  root_.RequestStop();
  EXPECT_EQ(stream_.cancelled, 1);
  loop_.Run();
  EXPECT_TRUE(absl::IsCancelled(read_->status()));
}

TEST_F(TransferTest, BytesTransferredBeforeTheStopAreReported) {
  stream_.bytes_at_cancel = 12;
  root_.Spawn(ReadInto(&stream_, &read_));
  loop_.Run();
  root_.RequestStop();
  loop_.Run();
  EXPECT_EQ(**read_, 12u);
}

TEST_F(TransferTest, ACancelledOperationIsAwaited) {
  stream_.cancels_at_once = false;
  root_.Spawn(ReadInto(&stream_, &read_));
  loop_.Run();
  root_.RequestStop();
  root_.RequestStop();
  loop_.Run();
  EXPECT_EQ(stream_.cancelled, 1);  // asked once
  EXPECT_EQ(root_.live(), 1u);      // and awaited
  stream_.SucceedRead(5);
  loop_.Run();
  EXPECT_EQ(**read_, 5u);
}

TEST_F(TransferTest, AStopAfterCompletionIsTooLate) {
  root_.Spawn(ReadInto(&stream_, &read_));
  loop_.Run();
  stream_.SucceedRead(9);
  root_.RequestStop();
  loop_.Run();
  EXPECT_EQ(stream_.cancelled, 0);
  EXPECT_EQ(**read_, 9u);
}

TEST_F(TransferTest, AfterAStopNothingIsStarted) {
  stream_.bytes_at_once = 3;
  root_.RequestStop();
  root_.Spawn(ReadInto(&stream_, &read_));
  loop_.Run();
  EXPECT_TRUE(absl::IsCancelled(read_->status()));
}

// The loser of a race had its bytes: they are in the result, and not lost.
TEST_F(TransferTest, ALoserOfARaceKeepsItsBytes) {
  stream_.bytes_at_cancel = 4;
  auto read = [](Stream* stream) -> Task<absl::StatusOr<size_t>> {
    std::array<std::byte, 10> buffer;
    co_return co_await stream->Read(buffer);
  };
  auto soon = []() -> Task<void> { co_await Yield(); };
  root_.Spawn([](Task<absl::StatusOr<size_t>> read, Task<void> soon, Result* result) -> Task<void> {
    auto raced = co_await Race(std::move(read), std::move(soon));
    EXPECT_EQ(raced.first, 1u);
    *result = std::get<0>(raced.results);
  }(read(&stream_), soon(), &read_));
  loop_.Run();
  EXPECT_EQ(**read_, 4u);
}

TEST_F(TransferTest, AFrameThatDiesAbandonsWhatIsPending) {
  {
    Scope doomed(loop_.executor());
    doomed.Spawn(ReadInto(&stream_, &read_));
    doomed.Spawn(WriteInto(&stream_, &written_));
    loop_.Run();
  }
  EXPECT_EQ(stream_.abandoned, 2);
  EXPECT_EQ(stream_.cancelled, 0);
  EXPECT_EQ(stream_.read(), nullptr);
}

TEST_F(TransferTest, AFrameThatDiesAfterCompletionAbandonsNothing) {
  {
    Scope doomed(loop_.executor());
    doomed.Spawn(ReadInto(&stream_, &read_));
    loop_.Run();
    stream_.SucceedRead(1);
  }
  EXPECT_EQ(stream_.abandoned, 0);
  EXPECT_TRUE(loop_.ready()->empty());
}

// In a crash frames die in any order: here the one that owns the stream goes before the reader.
TEST_F(TransferTest, AStreamMayDieBeforeTheFrameThatReads) {
  Result read;
  auto stream = std::make_unique<FakeStream>();
  Scope doomed(loop_.executor());
  doomed.Spawn(ReadInto(stream.get(), &read));
  loop_.Run();
  stream.reset();
  EXPECT_EQ(loop_.ready()->size(),
            1u);  // it failed; the frame dies with `doomed`, unresumed or not
}

TEST_F(TransferTest, VectorsMayHoldEmptyParts) {
  root_.Spawn([](Stream* stream, Result* result) -> Task<void> {
    std::array<std::byte, 10> bytes{};
    std::array<iovec, 3> parts = {iovec{nullptr, 0}, iovec{bytes.data(), 4}, iovec{&bytes[4], 6}};
    *result = co_await stream->WriteVector(parts);
  }(&stream_, &written_));
  loop_.Run();
  EXPECT_EQ(stream_.write()->capacity(), 10u);
  EXPECT_EQ(stream_.write()->buffers().size(), 3u);
  stream_.SucceedWrite(10);
  loop_.Run();
  EXPECT_EQ(**written_, 10u);
}

using TransferDeathTest = TransferTest;

// 0 bytes read means the end of the stream: a read of no bytes could not be told from it.
TEST_F(TransferDeathTest, AStreamMovesAtLeastOneByte) {
  root_.Spawn([](Stream* stream) -> Task<void> {
    (void)co_await stream->Read(std::span<std::byte>());
  }(&stream_));
  EXPECT_DEATH(loop_.Run(), "a read has room for at least one byte");
}

TEST_F(TransferDeathTest, AWriteHasBytesToo) {
  root_.Spawn([](Stream* stream) -> Task<void> {
    (void)co_await stream->WriteVector(std::span<const iovec>());
  }(&stream_));
  EXPECT_DEATH(loop_.Run(), "a write has at least one byte");
}

// A socket that completes each operation at once, and notes what it was given.
class FakeSocket final : public DatagramSocket {
 public:
  absl::Status Close() override { return absl::OkStatus(); }
  Endpoint local_address() const override { return Endpoint(); }

  std::vector<std::string> sent;

 private:
  bool StartSend(SendOp* op) override {
    sent.push_back(op->to().ToString() + " " + std::to_string(op->capacity()));
    op->Succeed(op->capacity());
    return true;
  }
  bool StartReceive(ReceiveOp* op) override {
    if (op->info() != nullptr) *op->info() = {Endpoint::Ipv4Loopback(9), true};
    op->Succeed(0);
    return true;
  }
  void CancelSend(SendOp*) override {}
  void CancelReceive(ReceiveOp*) override {}
  void AbandonSend(SendOp*) override {}
  void AbandonReceive(ReceiveOp*) override {}
};

TEST(DatagramTest, SendsAndReceivesWholeDatagramsEvenEmptyOnes) {
  TestLoop loop;
  FakeSocket socket;
  EXPECT_TRUE(loop.RunToEnd([](FakeSocket* socket) -> Task<void> {
    Endpoint peer = Endpoint::Ipv4Loopback(7);
    std::array<std::byte, 30> bytes{};
    EXPECT_EQ(*co_await socket->SendTo(&peer, bytes), 30u);
    EXPECT_EQ(*co_await socket->SendTo(&peer, std::span<const std::byte>()), 0u);
    DatagramInfo info;
    EXPECT_EQ(*co_await socket->ReceiveFrom(bytes, &info), 0u);
    EXPECT_EQ(info.from, Endpoint::Ipv4Loopback(9));
    EXPECT_TRUE(info.truncated);
    EXPECT_EQ(*co_await socket->ReceiveFrom(bytes, nullptr), 0u);
  }(&socket)));
  EXPECT_EQ(socket.sent, (std::vector<std::string>{"127.0.0.1:7 30", "127.0.0.1:7 0"}));
}

}  // namespace
}  // namespace faultline
