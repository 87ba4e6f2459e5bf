// Poller: the epoll instance of a loop, and who is told about which descriptor.
//
//   absl::StatusOr<Poller::Token> token = poller.Add(fd, EPOLLIN | EPOLLOUT, &socket);
//   poller.Wait(nullptr);                 // calls socket.OnEvents(...)
//   poller.Remove(*token);  close(fd);
//
// Edge-triggered: an event says that something has changed since the last one, and it is the
// pollable's business to remember that until a system call returns EAGAIN.
//
// Stale events. A descriptor can be closed, and its number and the pollable's address used anew,
// while an event of the old one still waits: later in the batch that is being handed out, or (when
// a child process holds a duplicate, so that close(2) ended no registration) at any later time.
// Therefore an event carries neither: it carries the number of a slot and the slot's generation,
// which `Remove` changes. An event whose generation is not the slot's is dropped.
#ifndef FAULTLINE_RUNTIME_EPOLL_POLLER_H_
#define FAULTLINE_RUNTIME_EPOLL_POLLER_H_

#include <sys/epoll.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/kernel/descriptor.h"

struct timespec;

namespace faultline::epoll {

using kernel::Descriptor;

// Whoever is told about the events of a descriptor.
class Pollable {
 public:
  // `events` as in epoll_event(3type). Called from `Poller::Wait`; may add and remove anything.
  virtual void OnEvents(uint32_t events) = 0;

 protected:
  ~Pollable() = default;
};

class Poller {
 public:
  // A registration. 0 is none.
  using Token = uint64_t;

  // Takes over the descriptor of an epoll instance.
  explicit Poller(Descriptor epoll) : epoll_(std::move(epoll)), batch_(kMaxEvents) {}
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;
  // Nothing may be registered any more.
  ~Poller();

  // epoll_ctl(2), EPOLL_CTL_ADD, with EPOLLET. What is already ready is reported by the next
  // `Wait`. `pollable` stays until `Remove`. Errors: ENOMEM, ENOSPC (too many watches).
  absl::StatusOr<Token> Add(int fd, uint32_t events, Pollable* pollable);
  // EPOLL_CTL_MOD: other events from now on; what is ready is reported again.
  absl::Status Change(int fd, uint32_t events, Token token);
  // Before the descriptor is closed, which is what ends the kernel's registration. No system call.
  void Remove(Token token);

  // Likewise, of a descriptor that stays open. epoll_ctl(2), EPOLL_CTL_DEL.
  void Release(int fd, Token token);

  // epoll_pwait2(2): waits until something happens or for `timeout` (null: without end; zero: not
  // at all), and hands the events out. Returns how many there were.
  int Wait(const timespec* timeout);

 private:
  // A turn hands out at most this many; the rest keep their place in the kernel's queue.
  static constexpr int kMaxEvents = 256;

  struct Slot {
    Pollable* pollable = nullptr;
    uint32_t generation = 1;
  };

  static Token TokenOf(uint32_t index, uint32_t generation) {
    return (Token{generation} << 32) | index;
  }
  static uint32_t IndexOf(Token token) { return static_cast<uint32_t>(token); }
  Slot* Find(Token token);
  uint32_t TakeSlot();
  void FreeSlot(uint32_t index);

  Descriptor epoll_;
  std::vector<epoll_event> batch_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
};

}  // namespace faultline::epoll

#endif  // FAULTLINE_RUNTIME_EPOLL_POLLER_H_
