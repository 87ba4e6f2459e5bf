// A bare epoll loop in C style: what somebody writes by hand who serves one protocol and nothing
// else. Edge-triggered, non-blocking, one read of a big buffer, one writev of a batch; no call of
// which the answer is known, no allocation, no indirection.
//
// Streams of frames are sent from the frames as they lie, a vector of 512 at a time, as ours are:
// that is what a program does that has its messages in many places.

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <span>
#include <utility>
#include <vector>

#include "bench/tcp_inbox.h"
#include "bench/tcp_workload.h"

namespace faultline::bench {
namespace {

int Checked(int result, const char* what) {
  if (result < 0) Die(what);
  return result;
}

// A connection, and the loop that it is alone in.
class BareSocket {
 public:
  explicit BareSocket(int fd) : fd_(fd), epoll_(Checked(epoll_create1(0), "epoll_create1")) {
    int on = 1;
    Checked(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), "setsockopt");
    epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.ptr = this}};
    Checked(epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
  }
  BareSocket(const BareSocket&) = delete;
  BareSocket& operator=(const BareSocket&) = delete;
  ~BareSocket() {
    close(epoll_);
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
  bool readable_ = false;
  bool writable_ = true;
  bool ended_ = false;
};

int NewSocket() { return Checked(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"); }

void SetNonBlocking(int fd) { Checked(fcntl(fd, F_SETFL, O_NONBLOCK), "fcntl"); }

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int AcceptOne(const Announce& announce) {
  int listener = NewSocket();
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  Checked(bind(listener, reinterpret_cast<sockaddr*>(&address), size), "bind");
  Checked(listen(listener, 1), "listen");
  Checked(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
  announce(ntohs(address.sin_port));
  int fd = Checked(accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC), "accept4");
  close(listener);
  return fd;
}

int Connect(uint16_t port) {
  int fd = NewSocket();
  sockaddr_in address = Loopback(port);
  Checked(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), "connect");
  SetNonBlocking(fd);
  return fd;
}

// --- Server ---

void EchoBytes(const Load& load, BareSocket* socket, Counter* counter) {
  std::vector<std::byte> message(load.message_bytes);
  size_t filled = 0;
  while (size_t got = socket->Read(message.data() + filled, message.size() - filled)) {
    filled += got;
    if (filled < message.size()) continue;
    counter->OnBytes(filled);
    socket->Write(message.data(), std::exchange(filled, 0));
  }
}

void EchoFrames(BareSocket* socket, Counter* counter) {
  Inbox inbox;
  while (size_t got = socket->Read(inbox.room(), inbox.room_bytes())) {
    inbox.Filled(got);
    inbox.TakeAll([&](const std::byte* frame, size_t size) {
      counter->OnFrame(frame, size);
      socket->Write(frame, size);
    });
  }
}

void AnswerRounds(BareSocket* socket, const std::vector<std::byte>& reply, Counter* counter) {
  for (uint64_t rounds = counter->TakeRounds(); rounds > 0; --rounds) {
    socket->Write(reply.data(), reply.size());
  }
}

void CountBytes(BareSocket* socket, Counter* counter) {
  const std::vector<std::byte> reply = MakeReply();
  std::vector<std::byte> buffer(Inbox::kBytes);
  while (size_t got = socket->Read(buffer.data(), buffer.size())) {
    counter->OnBytes(got);
    AnswerRounds(socket, reply, counter);
  }
}

void CountFrames(BareSocket* socket, Counter* counter) {
  const std::vector<std::byte> reply = MakeReply();
  Inbox inbox;
  while (size_t got = socket->Read(inbox.room(), inbox.room_bytes())) {
    inbox.Filled(got);
    inbox.TakeAll(
        [counter](const std::byte* frame, size_t size) { counter->OnFrame(frame, size); });
    AnswerRounds(socket, reply, counter);
  }
}

uint64_t Serve(const Load& load, const Announce& announce) {
  BareSocket socket(AcceptOne(announce));
  Counter counter(load);
  const bool frames = load.content == Content::kFrames;
  if (load.shape == Shape::kStream) {
    frames ? CountFrames(&socket, &counter) : CountBytes(&socket, &counter);
  } else {
    frames ? EchoFrames(&socket, &counter) : EchoBytes(load, &socket, &counter);
  }
  return counter.messages();
}

// --- Client ---

void ReadFrame(BareSocket* socket, Inbox* inbox) {
  bool whole = false;
  while (!whole) {
    size_t got = socket->Read(inbox->room(), inbox->room_bytes());
    if (got == 0) Die("the server has ended");
    inbox->Filled(got);
    inbox->TakeAll([&whole](const std::byte*, size_t) { whole = true; });
  }
}

uint64_t PingPong(const Load& load, BareSocket* socket, const KeepGoing& keep_going) {
  const std::vector<std::byte> messages = MakeMessages(load);
  std::vector<std::byte> echo(load.message_bytes);
  Inbox inbox;
  uint64_t sent = 0;
  do {
    for (uint64_t i = 0; i < kRoundTripsAtOnce; ++i, ++sent) {
      socket->Write(messages.data(), load.message_bytes);
      if (load.content == Content::kFrames) {
        ReadFrame(socket, &inbox);
      } else {
        socket->ReadAll(echo.data(), echo.size());
      }
    }
  } while (keep_going());
  return sent;
}

void SendBatch(const Load& load, std::vector<std::byte>* messages, std::vector<iovec>* vector,
               BareSocket* socket) {
  if (load.content == Content::kBytes) {
    return socket->Write(messages->data(), messages->size());
  }
  vector->clear();
  for (size_t at = 0; at < messages->size(); at += load.message_bytes) {
    vector->push_back({messages->data() + at, load.message_bytes});
  }
  socket->WriteVector(*vector, messages->size());
}

uint64_t Stream(const Load& load, BareSocket* socket, const KeepGoing& keep_going) {
  std::vector<std::byte> messages = MakeMessages(load);
  std::vector<std::byte> reply(kReplyBytes);
  std::vector<iovec> vector;
  vector.reserve(load.batch());
  uint64_t rounds = 0;
  do {
    for (uint64_t sent = 0; sent < load.round(); sent += load.batch()) {
      SendBatch(load, &messages, &vector, socket);
    }
    if (++rounds >= kRoundsUnderWay) socket->ReadAll(reply.data(), reply.size());
  } while (keep_going());
  return rounds * load.round();
}

uint64_t Drive(const Load& load, uint16_t port, const KeepGoing& keep_going) {
  BareSocket socket(Connect(port));
  uint64_t sent = load.shape == Shape::kStream ? Stream(load, &socket, keep_going)
                                               : PingPong(load, &socket, keep_going);
  socket.FinishWrites();
  std::byte rest[kReplyBytes];
  while (socket.Read(rest, sizeof(rest)) > 0) {
  }
  return sent;
}

}  // namespace

const Contestant kBare = {"bare", &Serve, &Drive};

}  // namespace faultline::bench
