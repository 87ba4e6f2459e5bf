// DescriptorStream: a stream over two descriptors that somebody has opened: the ends of pipes, a
// terminal, a socket of inetd's kind, files. Above all standard input and output, for a program
// that talks to whoever has started it.
//
//   absl::StatusOr<std::unique_ptr<Stream>> stream = TakeStdio(loop->core());
//   message::StreamConnection connection(*std::move(stream), pool, {});
//
// What pipes do not have: addresses (both are empty), options (setting one is ENOTSOCK, but for
// `SetNoDelay`, which does nothing), and a reset. So a peer behind a pipe reads the end of the
// stream even where ours was aborted; whoever must tell the two apart says goodbye in a message.
// After a half-close or a close of ours the peer reads everything, then the end; a peer that is
// gone is EPIPE, and no signal is raised.
//
// A terminal or a pipe is opened once more, so that O_NONBLOCK holds for this stream and not for
// whoever else shares it (open(2) of /proc/self/fd). Where that is forbidden O_NONBLOCK is set on
// what is shared, and taken back at the end. Sockets are asked not to wait call by call.
#ifndef FAULTLINE_RUNTIME_EPOLL_DESCRIPTOR_STREAM_H_
#define FAULTLINE_RUNTIME_EPOLL_DESCRIPTOR_STREAM_H_

#include <memory>

#include "absl/status/statusor.h"
#include "runtime/epoll/core.h"
#include "runtime/kernel/descriptor.h"
#include "runtime/stream.h"

namespace faultline::epoll {

// Reads from `in` and writes to `out`, and closes them at the end; a socket may be both, as
// duplicates of one another. `core` outlives the stream, which belongs to its thread. Errors:
// EBADF, EMFILE, ENFILE; those of open(2).
absl::StatusOr<std::unique_ptr<Stream>> MakeDescriptorStream(Core* core, Descriptor in,
                                                             Descriptor out);

// Over descriptors 0 and 1, which are /dev/null afterwards: a stray print does not damage the
// stream. Errors: as above.
absl::StatusOr<std::unique_ptr<Stream>> TakeStdio(Core* core);

}  // namespace faultline::epoll

#endif  // FAULTLINE_RUNTIME_EPOLL_DESCRIPTOR_STREAM_H_
