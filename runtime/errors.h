// Errors of the world as `absl::Status`, with the errno kept.
//
//   return ErrnoStatus(errno, "bind 127.0.0.1:80");
//       // PERMISSION_DENIED: bind 127.0.0.1:80: EACCES (Permission denied)
//   if (ErrnoOf(status) == EADDRINUSE) ...
//
// The code follows errno(3): ECONNREFUSED, ECONNRESET, EPIPE, ENETUNREACH, EHOSTUNREACH and their
// like are Unavailable; ETIMEDOUT is DeadlineExceeded; EMFILE, ENFILE, ENOBUFS, ENOMEM,
// EADDRNOTAVAIL and EMSGSIZE are ResourceExhausted; EADDRINUSE is AlreadyExists; EACCES and EPERM
// are PermissionDenied; ENOENT is NotFound; EINVAL, EAFNOSUPPORT are InvalidArgument; ENOTCONN,
// EBADF, EDESTADDRREQ FailedPrecondition; ECANCELED is Cancelled; ECONNABORTED is Aborted;
// EOPNOTSUPP is Unimplemented; others are Unknown.
#ifndef FAULTLINE_RUNTIME_ERRORS_H_
#define FAULTLINE_RUNTIME_ERRORS_H_

#include <string_view>

#include "absl/status/status.h"

namespace faultline {

// `error` is an errno, not 0; `what` names the operation and its subject.
absl::Status ErrnoStatus(int error, std::string_view what);

// The errno that `status` was made from; 0 if it was made otherwise.
int ErrnoOf(const absl::Status& status);

}  // namespace faultline

#endif  // FAULTLINE_RUNTIME_ERRORS_H_
