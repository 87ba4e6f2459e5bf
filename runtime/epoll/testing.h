// For the tests of this backend: loops, and peers that are plain blocking sockets, so that a test
// decides what is in the kernel at each moment.
#ifndef FAULTLINE_RUNTIME_EPOLL_TESTING_H_
#define FAULTLINE_RUNTIME_EPOLL_TESTING_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/epoll/loop.h"
#include "runtime/kernel/descriptor.h"
#include "runtime/runtime.h"
#include "runtime/stream.h"

namespace faultline::epoll {

// Adds a failure and ends the program if there is none to be had.
std::unique_ptr<Loop> MakeLoop();

// A connected blocking socket, and the loop's end of it.
struct RawPair {
  Descriptor raw;
  std::unique_ptr<Stream> stream;
};

// Listens at `where`, connects a plain socket and accepts it.
Task<absl::StatusOr<RawPair>> ConnectRaw(Network* network, Endpoint where);

// Sends all of it; `flags` as of send(2).
void RawSend(const Descriptor& raw, std::string_view text, int flags = 0);
// shutdown(2) with SHUT_WR.
void RawFinish(const Descriptor& raw);
// RST.
void RawReset(Descriptor* raw);
// Takes what the kernel has, up to `size` bytes; does not wait.
size_t RawReceive(const Descriptor& raw, size_t size);

// What one read of up to 100 bytes gives, within 10 s: the bytes as text, "" at the end.
Task<absl::StatusOr<std::string>> ReadText(Clock* clock, Stream* stream);

}  // namespace faultline::epoll

#endif  // FAULTLINE_RUNTIME_EPOLL_TESTING_H_
