#include "runtime/epoll/poller.h"

#include <cerrno>
#include <ctime>

#include "runtime/check.h"
#include "runtime/errors.h"

namespace faultline::epoll {

Poller::~Poller() {
  FAULTLINE_CHECK(free_.size() == slots_.size()) << "sockets outlived their loop";
}

uint32_t Poller::TakeSlot() {
  if (free_.empty()) {
    slots_.emplace_back();
    free_.reserve(slots_.size());  // so that giving it back allocates nothing
    return static_cast<uint32_t>(slots_.size() - 1);
  }
  uint32_t index = free_.back();
  free_.pop_back();
  return index;
}

// The generation is never 0: a token never is.
void Poller::FreeSlot(uint32_t index) {
  slots_[index].pollable = nullptr;
  if (++slots_[index].generation == 0) slots_[index].generation = 1;
  free_.push_back(index);
}

Poller::Slot* Poller::Find(Token token) {
  Slot& slot = slots_[IndexOf(token)];
  return token == TokenOf(IndexOf(token), slot.generation) ? &slot : nullptr;
}

absl::StatusOr<Poller::Token> Poller::Add(int fd, uint32_t events, Pollable* pollable) {
  uint32_t index = TakeSlot();
  Token token = TokenOf(index, slots_[index].generation);
  epoll_event event{.events = events | EPOLLET, .data = {.u64 = token}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    int error = errno;
    FreeSlot(index);
    return ErrnoStatus(error, "epoll_ctl");
  }
  slots_[index].pollable = pollable;
  return token;
}

absl::Status Poller::Change(int fd, uint32_t events, Token token) {
  epoll_event event{.events = events | EPOLLET, .data = {.u64 = token}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) != 0) {
    return ErrnoStatus(errno, "epoll_ctl");
  }
  return absl::OkStatus();
}

void Poller::Remove(Token token) {
  FAULTLINE_CHECK(Find(token) != nullptr) << "removed twice";
  FreeSlot(IndexOf(token));
}

// Cannot fail for what is registered.
void Poller::Release(int fd, Token token) {
  Remove(token);
  FAULTLINE_CHECK(epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr) == 0)
      << ErrnoStatus(errno, "epoll_ctl");
}

int Poller::Wait(const timespec* timeout) {
  int count = epoll_pwait2(epoll_.get(), batch_.data(), kMaxEvents, timeout, nullptr);
  if (count < 0) {
    FAULTLINE_CHECK(errno == EINTR) << ErrnoStatus(errno, "epoll_pwait2");
    return 0;
  }
  for (int i = 0; i < count; ++i) {
    // Looked up one by one: a handler may have removed what a later event is for.
    Slot* slot = Find(batch_[i].data.u64);
    if (slot != nullptr && slot->pollable != nullptr) slot->pollable->OnEvents(batch_[i].events);
  }
  return count;
}

}  // namespace faultline::epoll
