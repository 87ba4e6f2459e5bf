#include "runtime/errors.h"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "runtime/check.h"

namespace faultline {
namespace {

constexpr char kErrnoPayload[] = "faultline/errno";

absl::StatusCode CodeOf(int error) {
  switch (error) {
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
    case ENETUNREACH:
    case ENETDOWN:
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case EAGAIN:
      return absl::StatusCode::kUnavailable;
    case ETIMEDOUT:
      return absl::StatusCode::kDeadlineExceeded;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EADDRNOTAVAIL:
    case EMSGSIZE:
      return absl::StatusCode::kResourceExhausted;
    case EADDRINUSE:
    case EEXIST:
      return absl::StatusCode::kAlreadyExists;
    case EACCES:
    case EPERM:
      return absl::StatusCode::kPermissionDenied;
    case ENOENT:
      return absl::StatusCode::kNotFound;
    case EINVAL:
    case EAFNOSUPPORT:
    case ENAMETOOLONG:
      return absl::StatusCode::kInvalidArgument;
    case ENOTCONN:
    case EISCONN:
    case EBADF:
    case EDESTADDRREQ:
      return absl::StatusCode::kFailedPrecondition;
    case ECANCELED:
      return absl::StatusCode::kCancelled;
    case ECONNABORTED:
      return absl::StatusCode::kAborted;
    case EOPNOTSUPP:
    case ENOSYS:
      return absl::StatusCode::kUnimplemented;
    default:
      return absl::StatusCode::kUnknown;
  }
}

std::string NameOf(int error) {
  const char* name = strerrorname_np(error);
  const char* text = strerrordesc_np(error);
  return absl::StrCat(name == nullptr ? "errno" : name, " (",
                      text == nullptr ? absl::StrCat(error) : std::string(text), ")");
}

}  // namespace

absl::Status ErrnoStatus(int error, std::string_view what) {
  FAULTLINE_CHECK(error != 0) << "no error to report: " << what;
  absl::Status status(CodeOf(error), absl::StrCat(absl::string_view(what.data(), what.size()), ": ",
                                                  NameOf(error)));
  status.SetPayload(kErrnoPayload, absl::Cord(absl::StrCat(error)));
  return status;
}

int ErrnoOf(const absl::Status& status) {
  auto payload = status.GetPayload(kErrnoPayload);
  if (!payload.has_value()) return 0;
  std::string text(*payload);
  int error = 0;
  std::from_chars(text.data(), text.data() + text.size(), error);
  return error;
}

}  // namespace faultline
