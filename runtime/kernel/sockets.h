// Sockets before a backend has them: opened, set up, bound, listening. What does not wait, and is
// the same for every backend.
#ifndef FAULTLINE_RUNTIME_KERNEL_SOCKETS_H_
#define FAULTLINE_RUNTIME_KERNEL_SOCKETS_H_

#include <sys/stat.h>

#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/endpoint.h"
#include "runtime/kernel/address.h"
#include "runtime/kernel/descriptor.h"
#include "runtime/network.h"

namespace faultline::kernel {

// `error`, with the call and the endpoint.
absl::Status SocketError(int error, const char* call, const Endpoint& endpoint);

// socket(2), with SOCK_CLOEXEC; `type` may carry SOCK_NONBLOCK.
absl::StatusOr<Descriptor> OpenSocket(sa_family_t family, int type, const Endpoint& endpoint);

// Sets what `options` asks for and the system does not do by itself. On a listening socket too:
// accepted TCP sockets inherit it (tcp(7)). Errors: those of setsockopt(2).
absl::Status ApplyOptions(int fd, const Endpoint& of, const StreamOptions& options);

// bind(2) before connect(2). With port 0 the port is chosen by connect(2), which knows the peer:
// then as many connections fit as there are pairs of addresses and ports (ip(7)).
absl::Status BindClient(int fd, const Endpoint& local);

// Options, bind(2) and listen(2). A Unix path is taken over if a socket is there to which nobody is
// bound any more.
absl::Status PrepareListener(int fd, const SocketAddress& address, const Endpoint& local,
                             const ListenOptions& options);

// Options and bind(2).
absl::Status PrepareDatagrams(int fd, const SocketAddress& address, const Endpoint& local,
                              const BindOptions& options);

// What an error of accept4(2) means.
enum class AcceptError {
  kNextPlease,     // this connection is dead, the listener is not
  kNoDescriptors,  // or no memory: the connection stays in the backlog
  kOfTheListener,
};
AcceptError KindOfAcceptError(int error);

// The file that bind(2) has made for a Unix listener, if it has made one.
class UnixFile {
 public:
  // `local` is bound.
  explicit UnixFile(const Endpoint& local);

  // unlink(2), once. Only that file: a successor may have taken the path over.
  void Remove();

 private:
  struct Identity {
    dev_t device;
    ino_t inode;
  };

  const Endpoint local_;
  std::optional<Identity> file_;
};

}  // namespace faultline::kernel

#endif  // FAULTLINE_RUNTIME_KERNEL_SOCKETS_H_
