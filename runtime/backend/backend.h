// The real backends behind one type: for programs whose command line says which one they run on.
//
//   absl::StatusOr<Backend> backend = ParseBackend("auto");
//   absl::StatusOr<ChosenLoop> chosen = MakeLoop(*backend);
//   if (!chosen->why_not.ok()) log(chosen->why_not);        // auto could not have io_uring
//   chosen->loop->Run(Serve(chosen->loop->runtime()));
#ifndef FAULTLINE_RUNTIME_BACKEND_BACKEND_H_
#define FAULTLINE_RUNTIME_BACKEND_BACKEND_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/backend/name.h"
#include "runtime/kernel/loop.h"

namespace faultline::backend {

struct ChosenLoop {
  std::unique_ptr<kernel::Loop> loop;
  Backend backend = Backend::kEpoll;  // never kAuto
  absl::Status why_not;               // why `kAuto` did not take io_uring; OK if it did
};

// `kAuto` takes io_uring where the kernel lets it, and epoll otherwise. Errors: those of the loops'
// `Create`; of `kIoUring`, why it cannot be had here.
absl::StatusOr<ChosenLoop> MakeLoop(Backend backend);

}  // namespace faultline::backend

#endif  // FAULTLINE_RUNTIME_BACKEND_BACKEND_H_
