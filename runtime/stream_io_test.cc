// Goal: whole transfers resume short ones, and tell a clean end from a torn one.
// Method: a stream that moves a few bytes at a time, or ends when the test says.
#include "runtime/stream_io.h"

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <optional>
#include <span>

#include "absl/status/status.h"
#include "runtime/errors.h"
#include "runtime/scope.h"
#include "runtime/task.h"
#include "runtime/testing/fake_stream.h"
#include "runtime/testing/test_loop.h"

namespace faultline {
namespace {

using testing::FakeStream;
using testing::TestLoop;
using Result = std::optional<absl::Status>;

Task<void> WriteInto(Stream* stream, Result* result) {
  std::array<std::byte, 100> bytes{};
  *result = co_await WriteAll(stream, bytes);
}

Task<void> ReadInto(Stream* stream, Result* result) {
  std::array<std::byte, 100> buffer;
  *result = co_await ReadExactly(stream, buffer);
}

class StreamIoTest : public ::testing::Test {
 protected:
  TestLoop loop_;
  FakeStream stream_;
  Scope root_{loop_.executor()};
  Result result_;
};

TEST_F(StreamIoTest, WritesWhatIsLeftAfterEachShortWrite) {
  root_.Spawn(WriteInto(&stream_, &result_));
  for (size_t left : {100, 99, 50}) {
    loop_.Run();
    ASSERT_NE(stream_.write(), nullptr);
    EXPECT_EQ(stream_.write()->capacity(), left);
    stream_.SucceedWrite(left == 100 ? 1 : left == 99 ? 49 : 50);
  }
  loop_.Run();
  EXPECT_TRUE(result_->ok()) << *result_;
}

TEST_F(StreamIoTest, ReadsWhatIsLeftAfterEachShortRead) {
  root_.Spawn(ReadInto(&stream_, &result_));
  loop_.Run();
  const void* start = stream_.read()->buffers()[0].iov_base;
  stream_.SucceedRead(30);
  loop_.Run();
  EXPECT_EQ(stream_.read()->capacity(), 70u);
  EXPECT_EQ(stream_.read()->buffers()[0].iov_base, static_cast<const std::byte*>(start) + 30);
  EXPECT_FALSE(result_.has_value());
  stream_.SucceedRead(70);
  loop_.Run();
  EXPECT_TRUE(result_->ok()) << *result_;
}

TEST_F(StreamIoTest, ManyShortTransfersShareTheLoop) {
  stream_.bytes_at_once = 1;
  Result written;
  root_.Spawn(ReadInto(&stream_, &result_));
  root_.Spawn(WriteInto(&stream_, &written));
  loop_.Run();
  EXPECT_TRUE(result_->ok() && written->ok());
}

TEST_F(StreamIoTest, AnEndBeforeTheFirstByteIsClean) {
  root_.Spawn(ReadInto(&stream_, &result_));
  loop_.Run();
  stream_.SucceedRead(0);
  loop_.Run();
  EXPECT_EQ(result_->code(), absl::StatusCode::kOutOfRange);
}

TEST_F(StreamIoTest, AnEndInBetweenIsTorn) {
  root_.Spawn(ReadInto(&stream_, &result_));
  loop_.Run();
  stream_.SucceedRead(7);
  loop_.Run();
  stream_.SucceedRead(0);
  loop_.Run();
  EXPECT_EQ(*result_, absl::DataLossError("the stream ended after 7 of 100 bytes"));
}

TEST_F(StreamIoTest, ErrorsPassThrough) {
  Result written;
  root_.Spawn(ReadInto(&stream_, &result_));
  root_.Spawn(WriteInto(&stream_, &written));
  loop_.Run();
  stream_.FailRead(ErrnoStatus(ECONNRESET, "read"));
  stream_.SucceedWrite(10);
  loop_.Run();
  stream_.FailWrite(ErrnoStatus(EPIPE, "write"));
  loop_.Run();
  EXPECT_EQ(ErrnoOf(*result_), ECONNRESET);
  EXPECT_EQ(ErrnoOf(*written), EPIPE);
}

TEST_F(StreamIoTest, AStopEndsThem) {
  Result written;
  root_.Spawn(ReadInto(&stream_, &result_));
  root_.Spawn(WriteInto(&stream_, &written));
  loop_.Run();
  root_.RequestStop();
  loop_.Run();
  EXPECT_TRUE(absl::IsCancelled(*result_));
  EXPECT_TRUE(absl::IsCancelled(*written));
}

TEST_F(StreamIoTest, NothingToMoveIsDoneAtOnce) {
  EXPECT_TRUE(loop_.RunToEnd([](Stream* stream) -> Task<void> {
    EXPECT_TRUE((co_await WriteAll(stream, std::span<const std::byte>())).ok());
    EXPECT_TRUE((co_await ReadExactly(stream, std::span<std::byte>())).ok());
  }(&stream_)));
}

}  // namespace
}  // namespace faultline
