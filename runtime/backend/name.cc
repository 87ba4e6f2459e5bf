#include "runtime/backend/name.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace faultline::backend {
namespace {

constexpr Backend kBackends[] = {Backend::kAuto, Backend::kEpoll, Backend::kIoUring};

}  // namespace

const char* NameOf(Backend backend) {
  switch (backend) {
    case Backend::kAuto:
      return "auto";
    case Backend::kEpoll:
      return "epoll";
    case Backend::kIoUring:
      return "io_uring";
  }
}

absl::StatusOr<Backend> ParseBackend(std::string_view name) {
  for (Backend backend : kBackends) {
    if (name == NameOf(backend)) return backend;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("there is no backend ", std::string(name), ": auto, epoll or io_uring"));
}

}  // namespace faultline::backend
