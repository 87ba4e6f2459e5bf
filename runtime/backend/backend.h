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
#include "runtime/kernel/remote.h"
#include "runtime/runtime.h"
#include "runtime/scope.h"
#include "runtime/stop.h"
#include "runtime/task.h"

namespace faultline::backend {

// As epoll::Loop and uring::Loop tell it.
class Loop {
 public:
  virtual ~Loop() = default;

  virtual Runtime runtime() = 0;
  virtual void Run(Task<void> main) = 0;
  virtual void RunUntilJoined(const Scope& scope) = 0;
  virtual StopSource* stop() = 0;
  virtual absl::Status StopOnSignals() = 0;
  virtual std::shared_ptr<kernel::Remote> remote() = 0;
};

struct ChosenLoop {
  std::unique_ptr<Loop> loop;
  Backend backend = Backend::kEpoll;  // never kAuto
  absl::Status why_not;               // why `kAuto` did not take io_uring; OK if it did
};

// `kAuto` takes io_uring where the kernel lets it, and epoll otherwise. Errors: those of the loops'
// `Create`; of `kIoUring`, why it cannot be had here.
absl::StatusOr<ChosenLoop> MakeLoop(Backend backend);

}  // namespace faultline::backend

#endif  // FAULTLINE_RUNTIME_BACKEND_BACKEND_H_
