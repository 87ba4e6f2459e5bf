// Goal: an error of the system keeps its errno, has the code that errors.h promises, and reads
// well. Method: every row of the table in errors.h; then what has no errno.
#include "runtime/errors.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace faultline {
namespace {

using absl::StatusCode;

TEST(ErrorsTest, EachErrnoHasItsCodeAndIsKept) {
  const std::vector<std::pair<StatusCode, std::vector<int>>> table = {
      {StatusCode::kUnavailable,
       {ECONNREFUSED, ECONNRESET, EPIPE, ENETUNREACH, ENETDOWN, EHOSTUNREACH, EHOSTDOWN, EAGAIN}},
      {StatusCode::kDeadlineExceeded, {ETIMEDOUT}},
      {StatusCode::kResourceExhausted, {EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL, EMSGSIZE}},
      {StatusCode::kAlreadyExists, {EADDRINUSE, EEXIST}},
      {StatusCode::kPermissionDenied, {EACCES, EPERM}},
      {StatusCode::kNotFound, {ENOENT}},
      {StatusCode::kInvalidArgument, {EINVAL, EAFNOSUPPORT, ENAMETOOLONG}},
      {StatusCode::kFailedPrecondition, {ENOTCONN, EISCONN, EBADF, EDESTADDRREQ}},
      {StatusCode::kCancelled, {ECANCELED}},
      {StatusCode::kAborted, {ECONNABORTED}},
      {StatusCode::kUnimplemented, {EOPNOTSUPP, ENOSYS}},
      {StatusCode::kUnknown, {EXDEV, ELOOP}},
  };
  for (const auto& [code, errors] : table) {
    for (int error : errors) {
      absl::Status status = ErrnoStatus(error, "connect");
      EXPECT_EQ(status.code(), code) << status;
      EXPECT_EQ(ErrnoOf(status), error) << status;
    }
  }
}

TEST(ErrorsTest, NamesTheOperationAndTheError) {
  EXPECT_EQ(ErrnoStatus(EACCES, "bind 127.0.0.1:80").message(),
            "bind 127.0.0.1:80: EACCES (Permission denied)");
}

TEST(ErrorsTest, AnUnknownErrnoIsStillKept) {
  absl::Status status = ErrnoStatus(4095, "read");
  EXPECT_EQ(ErrnoOf(status), 4095);
  EXPECT_EQ(status.message(), "read: errno (4095)");
}

TEST(ErrorsTest, OtherStatusesHaveNoErrno) {
  EXPECT_EQ(ErrnoOf(absl::OkStatus()), 0);
  EXPECT_EQ(ErrnoOf(absl::CancelledError("stop requested")), 0);
}

TEST(ErrorsTest, TheErrnoSurvivesACopy) {
  absl::Status copy;
  {
    absl::Status status = ErrnoStatus(ECONNRESET, "read");
    copy = status;
  }
  EXPECT_EQ(ErrnoOf(copy), ECONNRESET);
}

TEST(ErrorsDeathTest, NoErrorIsNoError) {
  EXPECT_DEATH(ErrnoStatus(0, "read").IgnoreError(), "no error to report: read");
}

}  // namespace
}  // namespace faultline
