// BareSocket: a connection as the hand-written peers have it: edge-triggered, non-blocking, no call
// of which the answer is known, no allocation, no indirection. Calls wait where they stand, as a
// loop that serves one connection does.
#ifndef FAULTLINE_BENCH_BARE_SOCKET_H_
#define FAULTLINE_BENCH_BARE_SOCKET_H_

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>

#include "bench/tcp_workload.h"

namespace faultline::bench {

inline int Checked(int result, const char* what) {
  if (result < 0) Die(what);
  return result;
}

// A connection, and the loop that it is in: one of its own, or one that several share.
class BareSocket {
 public:
  explicit BareSocket(int fd)
      : BareSocket(fd, Checked(epoll_create1(0), "epoll_create1"), /*owns_epoll=*/true) {}
  // `epoll` is closed by the caller, later.
  BareSocket(int fd, int epoll) : BareSocket(fd, epoll, /*owns_epoll=*/false) {}
  BareSocket(const BareSocket&) = delete;
  BareSocket& operator=(const BareSocket&) = delete;
  ~BareSocket() {
    if (owns_epoll_) close(epoll_);
    close(fd_);
  }

  // At least one byte; 0 at the end.
  size_t Read(std::byte* to, size_t size) {
    for (;;) {
      while (!readable_) Wait();
      ssize_t got = recv(fd_, to, size, 0);
      if (got < 0 && errno != EAGAIN) Die("recv");
      if (got < static_cast<ssize_t>(size) && !ended_) readable_ = false;
      if (got >= 0) return static_cast<size_t>(got);
    }
  }

  void ReadAll(std::byte* to, size_t size) {
    while (size > 0) {
      size_t got = Read(to, size);
      if (got == 0) Die("the server has ended");
      to += got;
      size -= got;
    }
  }

  void Write(const std::byte* bytes, size_t size) {
    while (size > 0) {
      while (!writable_) Wait();
      ssize_t taken = send(fd_, bytes, size, MSG_NOSIGNAL);
      if (taken < 0 && errno != EAGAIN) Die("send");
      if (taken < static_cast<ssize_t>(size)) writable_ = false;
      if (taken < 0) continue;
      bytes += taken;
      size -= static_cast<size_t>(taken);
    }
  }

  // `bytes` is what the buffers hold together; they are used up.
  void WriteVector(std::span<iovec> buffers, size_t bytes) {
    while (bytes > 0) {
      while (!writable_) Wait();
      msghdr message{};
      message.msg_iov = buffers.data();
      message.msg_iovlen = buffers.size();
      ssize_t taken = sendmsg(fd_, &message, MSG_NOSIGNAL);
      if (taken < 0 && errno != EAGAIN) Die("sendmsg");
      if (taken < static_cast<ssize_t>(bytes)) writable_ = false;
      if (taken < 0) continue;
      bytes -= static_cast<size_t>(taken);
      buffers = Skip(buffers, static_cast<size_t>(taken));
    }
  }

  void FinishWrites() { Checked(shutdown(fd_, SHUT_WR), "shutdown"); }

 private:
  BareSocket(int fd, int epoll, bool owns_epoll) : fd_(fd), epoll_(epoll), owns_epoll_(owns_epoll) {
    int on = 1;
    Checked(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), "setsockopt");
    epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.ptr = this}};
    Checked(epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
  }

  static std::span<iovec> Skip(std::span<iovec> buffers, size_t bytes) {
    while (!buffers.empty() && bytes >= buffers.front().iov_len) {
      bytes -= buffers.front().iov_len;
      buffers = buffers.subspan(1);
    }
    if (bytes > 0) {
      buffers.front().iov_base = static_cast<std::byte*>(buffers.front().iov_base) + bytes;
      buffers.front().iov_len -= bytes;
    }
    return buffers;
  }

  void Wait() {
    std::array<epoll_event, 64> events;
    int count = epoll_wait(epoll_, events.data(), events.size(), kPatienceSeconds * 1000);
    if (count == 0) Die("nothing happens");
    if (count < 0 && errno != EINTR) Die("epoll_wait");
    for (int i = 0; i < count; ++i) {
      auto* socket = static_cast<BareSocket*>(events[i].data.ptr);
      if ((events[i].events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        socket->readable_ = true;
      }
      if ((events[i].events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) socket->writable_ = true;
      if ((events[i].events & (EPOLLRDHUP | EPOLLHUP)) != 0) socket->ended_ = true;
    }
  }

  const int fd_;
  const int epoll_;
  const bool owns_epoll_;
  bool readable_ = false;
  bool writable_ = true;
  bool ended_ = false;
};

inline int NewSocket() { return Checked(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"); }

inline void SetNonBlocking(int fd) { Checked(fcntl(fd, F_SETFL, O_NONBLOCK), "fcntl"); }

inline sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// Listens on loopback; tells where.
class BareListener {
 public:
  explicit BareListener(const Announce& announce) : fd_(NewSocket()) {
    sockaddr_in address = Loopback(0);
    socklen_t size = sizeof(address);
    Checked(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), "bind");
    Checked(listen(fd_, 1024), "listen");
    Checked(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
    announce(ntohs(address.sin_port));
  }
  BareListener(const BareListener&) = delete;
  BareListener& operator=(const BareListener&) = delete;
  ~BareListener() { close(fd_); }

  // Waits for a connection.
  int Accept() {
    return Checked(accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC), "accept4");
  }

 private:
  const int fd_;
};

inline int Connect(uint16_t port) {
  int fd = NewSocket();
  sockaddr_in address = Loopback(port);
  Checked(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), "connect");
  SetNonBlocking(fd);
  return fd;
}

}  // namespace faultline::bench

#endif  // FAULTLINE_BENCH_BARE_SOCKET_H_
