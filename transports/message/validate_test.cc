// Goal: a wrong frame is refused, each way of being wrong with an error of its own, before anything
// is allocated for it; a right one is accepted.
// Method: a table of defects, each put into a valid frame and, where the seal would hide it, sealed
// anew; every single bit of a header; a counting allocator.

#include "transports/message/validate.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "runtime/frozen.h"
#include "runtime/testing/allocation_counter.h"
#include "transports/message/fields.h"
#include "transports/message/frame_error.h"
#include "transports/message/message.h"

namespace faultline::message {
namespace {

constexpr size_t kMax = 4096;

// A frame of one command, as bytes that can be changed.
class Frame {
 public:
  explicit Frame(const Header& header, size_t body_size = 0) {
    std::vector<std::byte> body(body_size, std::byte{7});
    Message message = MakeMessage(&pool_, header, body);
    bytes_.assign(message.frozen().bytes().begin(), message.frozen().bytes().end());
  }

  template <typename T>
  static Frame Of(const T& fields, size_t body_size = 0) {
    Header header;
    header.SetFields(fields);
    return Frame(header, body_size);
  }

  HeaderBytes header() const { return HeaderBytes(bytes_.data(), kHeaderSize); }
  std::span<const std::byte> body() const { return std::span(bytes_).subspan(kHeaderSize); }
  std::vector<std::byte>& bytes() { return bytes_; }

  template <typename T>
  void Set(size_t offset, T value) {
    std::memcpy(bytes_.data() + offset, &value, sizeof(value));
  }
  // Makes the seal match again.
  void Reseal() { Set(0, SealOf(header())); }

  absl::Status Validate(size_t max = kMax) const { return ValidateHeader(header(), max); }

 private:
  BufferPool pool_;
  std::vector<std::byte> bytes_;
};

TEST(ValidateHeader, AcceptsEveryCommand) {
  EXPECT_TRUE(Frame::Of(PingFields{}).Validate().ok());
  EXPECT_TRUE(Frame::Of(PongFields{.role = Role::kClient}).Validate().ok());
  EXPECT_TRUE(Frame::Of(PingFields{.role = Role::kReader}).Validate().ok());
  EXPECT_TRUE(Frame::Of(RequestFields{}).Validate().ok());
  EXPECT_TRUE(Frame::Of(ReplyFields{.status = ReplyStatus::kRefused}).Validate().ok());
  EXPECT_TRUE(Frame::Of(PrepareFields{.operation = Operation::kRead}).Validate().ok());
  EXPECT_TRUE(Frame::Of(PrepareOkFields{}).Validate().ok());
  EXPECT_TRUE(Frame::Of(CommitFields{}).Validate().ok());
  EXPECT_TRUE(Frame::Of(CatchUpRequestFields{}).Validate().ok());
  EXPECT_TRUE(Frame::Of(CatchUpDataFields{}).Validate().ok());
  EXPECT_TRUE(Frame::Of(RejectFields{.reason = RejectReason::kNotReady}).Validate().ok());
}

struct Defect {
  const char* name;
  std::function<void(Frame*)> plant;
  FrameError error;
  absl::StatusCode code;
  const char* message;
};

const Defect kDefects[] = {
    {"size 0", [](Frame* f) { f->Set<uint32_t>(48, 0); }, FrameError::kSizeBelowHeader,
     absl::StatusCode::kInvalidArgument, "frame size 0 is below the 256 bytes of a header"},
    {"size 255", [](Frame* f) { f->Set<uint32_t>(48, 255); }, FrameError::kSizeBelowHeader,
     absl::StatusCode::kInvalidArgument, "frame size 255 is below the 256 bytes of a header"},
    {"size above the maximum", [](Frame* f) { f->Set<uint32_t>(48, kMax + 1); },
     FrameError::kSizeAboveMaximum, absl::StatusCode::kResourceExhausted,
     "frame size 4097 is above the maximum of 4096 bytes"},
    {"largest size", [](Frame* f) { f->Set<uint32_t>(48, UINT32_MAX); },
     FrameError::kSizeAboveMaximum, absl::StatusCode::kResourceExhausted,
     "frame size 4294967295 is above the maximum of 4096 bytes"},
    {"command 0", [](Frame* f) { f->Set<uint8_t>(60, 0); }, FrameError::kUnknownCommand,
     absl::StatusCode::kInvalidArgument, "unknown command 0"},
    {"command behind the last", [](Frame* f) { f->Set<uint8_t>(60, 11); },
     FrameError::kUnknownCommand, absl::StatusCode::kInvalidArgument, "unknown command 11"},
    {"command 255", [](Frame* f) { f->Set<uint8_t>(60, 255); }, FrameError::kUnknownCommand,
     absl::StatusCode::kInvalidArgument, "unknown command 255"},
    {"operation of a request", [](Frame* f) { f->Set<uint8_t>(176, 3); },
     FrameError::kUnknownEnumeration, absl::StatusCode::kInvalidArgument, "unknown operation 3"},
    {"no operation", [](Frame* f) { f->Set<uint8_t>(176, 0); }, FrameError::kUnknownEnumeration,
     absl::StatusCode::kInvalidArgument, "unknown operation 0"},
};

TEST(ValidateHeader, EachDefectHasItsOwnError) {
  for (const Defect& defect : kDefects) {
    SCOPED_TRACE(defect.name);
    Frame frame = Frame::Of(RequestFields{});
    defect.plant(&frame);
    frame.Reseal();
    absl::Status status = frame.Validate();
    EXPECT_EQ(FrameErrorOf(status), defect.error);
    EXPECT_EQ(status.code(), defect.code);
    EXPECT_EQ(status.message(), defect.message);
  }
}

TEST(ValidateHeader, EnumerationsOfTheOtherCommandsAreChecked) {
  Frame reply = Frame::Of(ReplyFields{});
  reply.Set<uint32_t>(216, 3);
  EXPECT_EQ(reply.Validate().message(), "unknown reply status 3");
  Frame operation = Frame::Of(ReplyFields{});
  operation.Set<uint8_t>(208, 9);
  EXPECT_EQ(operation.Validate().message(), "unknown operation 9");
  Frame prepare = Frame::Of(PrepareFields{});
  prepare.Set<uint8_t>(208, 0);
  EXPECT_EQ(prepare.Validate().message(), "unknown operation 0");
  Frame ping = Frame::Of(PingFields{});
  ping.Set<uint8_t>(184, 4);
  EXPECT_EQ(ping.Validate().message(), "unknown role 4");
  Frame pong = Frame::Of(PongFields{});
  pong.Set<uint8_t>(184, 0);
  EXPECT_EQ(pong.Validate().message(), "unknown role 0");
  Frame reject = Frame::Of(RejectFields{});
  reject.Set<uint32_t>(168, 7);
  EXPECT_EQ(reject.Validate().message(), "unknown reject reason 7");
  EXPECT_EQ(FrameErrorOf(reject.Validate()), FrameError::kUnknownEnumeration);
}

TEST(ValidateHeader, SizesAtTheLimitsAreAccepted) {
  Frame frame = Frame::Of(RequestFields{}, kMax - kHeaderSize);
  EXPECT_TRUE(frame.Validate(kMax).ok());
  EXPECT_EQ(FrameErrorOf(frame.Validate(kMax - 1)), FrameError::kSizeAboveMaximum);
  EXPECT_TRUE(Frame::Of(RequestFields{}).Validate(kHeaderSize).ok());
}

TEST(ValidateHeader, EveryFlippedBitIsNoticed) {
  Frame frame = Frame::Of(RequestFields{.request = 7}, 10);
  for (size_t bit = 0; bit < kHeaderSize * 8; ++bit) {
    frame.bytes()[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_FALSE(frame.Validate().ok()) << "bit " << bit;
    frame.bytes()[bit / 8] ^= std::byte{1} << (bit % 8);
  }
  EXPECT_TRUE(frame.Validate().ok());
}

TEST(ValidateHeader, ACorruptedSealHasItsOwnError) {
  for (size_t offset : {0, 8, 16, 52, 100, 255}) {
    Frame frame = Frame::Of(RequestFields{});
    frame.bytes()[offset] ^= std::byte{0x10};
    absl::Status status = frame.Validate();
    EXPECT_EQ(FrameErrorOf(status), FrameError::kCorruptedHeader) << offset;
    EXPECT_TRUE(absl::IsDataLoss(status));
    EXPECT_EQ(status.message(), "the header does not match its seal");
  }
}

TEST(ValidateHeader, LooksAtAnyAlignment) {
  Frame frame = Frame::Of(RequestFields{});
  std::array<std::byte, kHeaderSize + 8> raw;
  for (size_t shift = 0; shift < 8; ++shift) {
    std::memcpy(raw.data() + shift, frame.header().data(), kHeaderSize);
    EXPECT_TRUE(ValidateHeader(HeaderBytes(raw.data() + shift, kHeaderSize), kMax).ok());
  }
}

TEST(ValidateHeader, AllocatesNothingForAValidOne) {
  Frame frame = Frame::Of(RequestFields{}, 100);
  size_t before = testing::TotalAllocations();
  bool valid =
      ValidateHeader(frame.header(), kMax).ok() && ValidateBody(frame.header(), frame.body()).ok();
  EXPECT_EQ(testing::TotalAllocations(), before);
  EXPECT_TRUE(valid);
}

TEST(ValidateHeader, AllocatesOnlyTheErrorForAWrongOne) {
  Frame frame = Frame::Of(RequestFields{});
  frame.Set<uint32_t>(48, 3u << 30);
  (void)testing::TakeLargestAllocation();
  absl::Status status = frame.Validate(kDefaultMaxMessageSize);
  EXPECT_LE(testing::TakeLargestAllocation(), 4096u);
  EXPECT_EQ(FrameErrorOf(status), FrameError::kSizeAboveMaximum);
}

TEST(ValidateBody, NoticesEveryFlippedBit) {
  Frame frame = Frame::Of(RequestFields{}, 64);
  for (size_t bit = 0; bit < 64 * 8; ++bit) {
    frame.bytes()[kHeaderSize + bit / 8] ^= std::byte{1} << (bit % 8);
    absl::Status status = ValidateBody(frame.header(), frame.body());
    EXPECT_EQ(FrameErrorOf(status), FrameError::kCorruptedBody) << "bit " << bit;
    EXPECT_EQ(status.message(), "the body of 64 bytes does not match its checksum");
    frame.bytes()[kHeaderSize + bit / 8] ^= std::byte{1} << (bit % 8);
  }
}

TEST(ValidateBody, AnEmptyBodyHasAChecksumToo) {
  Frame frame = Frame::Of(RequestFields{});
  EXPECT_TRUE(ValidateBody(frame.header(), frame.body()).ok());
  frame.Set<uint64_t>(16, 0);
  EXPECT_FALSE(ValidateBody(frame.header(), frame.body()).ok());
}

TEST(ValidateFrame, TheLengthIsTheSize) {
  Frame frame = Frame::Of(RequestFields{}, 10);
  EXPECT_TRUE(ValidateFrame(frame.bytes(), kMax).ok());
  frame.bytes().push_back(std::byte{0});
  absl::Status longer = ValidateFrame(frame.bytes(), kMax);
  EXPECT_EQ(FrameErrorOf(longer), FrameError::kLengthMismatch);
  EXPECT_EQ(longer.message(), "a frame of size 266 came as 267 bytes");
  frame.bytes().resize(265);
  EXPECT_EQ(FrameErrorOf(ValidateFrame(frame.bytes(), kMax)), FrameError::kLengthMismatch);
  frame.bytes().resize(255);
  absl::Status torn = ValidateFrame(frame.bytes(), kMax);
  EXPECT_EQ(FrameErrorOf(torn), FrameError::kTornHeader);
  EXPECT_EQ(torn.message(), "torn header: 255 of 256 bytes");
}

TEST(FrameError, OtherErrorsAreNone) {
  EXPECT_EQ(FrameErrorOf(absl::OkStatus()), FrameError::kNone);
  EXPECT_EQ(FrameErrorOf(absl::DataLossError("elsewhere")), FrameError::kNone);
  EXPECT_EQ(FrameErrorOf(ConnectionClosed()), FrameError::kNone);
}

TEST(FrameError, TheCleanEndIsToldFromOtherEnds) {
  EXPECT_TRUE(IsConnectionClosed(ConnectionClosed()));
  EXPECT_TRUE(absl::IsOutOfRange(ConnectionClosed()));
  EXPECT_FALSE(IsConnectionClosed(absl::OkStatus()));
  EXPECT_FALSE(IsConnectionClosed(absl::OutOfRangeError("end of channel")));
}

}  // namespace
}  // namespace faultline::message
