#include "runtime/detached_stream.h"

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/network.h"
#include "runtime/stream.h"

namespace faultline {

// Most streams that stand on other streams have a state that does not travel.
absl::StatusOr<std::unique_ptr<DetachedStream>> Stream::Detach() {
  return absl::UnimplementedError("this kind of stream cannot be detached");
}

absl::StatusOr<std::unique_ptr<Stream>> Network::Adopt(std::unique_ptr<DetachedStream>) {
  return absl::UnimplementedError("this kind of network adopts no streams");
}

}  // namespace faultline
