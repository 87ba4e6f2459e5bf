// MakeStreamPair: two streams that are connected to each other, in memory.
//
//   auto [near, far] = MakeStreamPair({.capacity_bytes = 256 << 10});
//
// For two parties in one process, in every world: the same code that serves a socket serves these.
// No system call, no time: what is written can be read at once, in order. They belong to one
// thread.
//
// The contract is that of stream.h, as a Unix socket keeps it (unix(7)): what was written before
// `Close` or `ShutdownWrite` is read, then the end; a stream that is aborted, destroyed or closed
// with unread input resets its peer, which finds ECONNRESET in place of what it had not read yet;
// writing to a peer that is gone is EPIPE. Nothing is allocated after the first write in each
// direction.
#ifndef FAULTLINE_RUNTIME_STREAM_PAIR_H_
#define FAULTLINE_RUNTIME_STREAM_PAIR_H_

#include <cstddef>
#include <memory>
#include <utility>

#include "runtime/stream.h"

namespace faultline {

struct StreamPairOptions {
  // How much of each direction may be unread; a writer waits then. At least 1.
  size_t capacity_bytes = size_t{256} << 10;
};

using StreamPair = std::pair<std::unique_ptr<Stream>, std::unique_ptr<Stream>>;

// Addresses are those of unnamed sockets. `SetSendBufferSize` and `SetReceiveBufferSize` set the
// capacity of a direction, 0 as 1; what lies in it stays.
StreamPair MakeStreamPair(const StreamPairOptions& options = {});

}  // namespace faultline

#endif  // FAULTLINE_RUNTIME_STREAM_PAIR_H_
