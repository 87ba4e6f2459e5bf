// The names of the real backends, for command lines. What makes one is in backend.h.
#ifndef FAULTLINE_RUNTIME_BACKEND_NAME_H_
#define FAULTLINE_RUNTIME_BACKEND_NAME_H_

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"

namespace faultline::backend {

enum class Backend : uint8_t { kAuto, kEpoll, kIoUring };

// "auto", "epoll", "io_uring".
const char* NameOf(Backend backend);
// Error: InvalidArgument, which lists the names.
absl::StatusOr<Backend> ParseBackend(std::string_view name);

}  // namespace faultline::backend

#endif  // FAULTLINE_RUNTIME_BACKEND_NAME_H_
